package proxy_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"doorward/config"
	"doorward/proxy/providertest"
)

// finance is how the provider calls a group in these tests.
const finance = "0f2e6c1a-6f0b-4c7e-9a53-3d1d0f6f6a11"

// aliased is a site on which that group is Finance, and rules ask for it and forbid it.
func aliased(c *config.Config) {
	c.GroupAliases = []string{"Finance=" + finance, "ops=7b10d3aa"}
	c.AccessRules += "\n/money/ group:Finance\n/others/ !group:Finance\n/devs/ group:Dev\n/team/{name}/ group:{name}"
}

// answered opens pages with somebody's session.
func (b *browser) answered(t *testing.T, s *site, statuses map[string]int) {
	t.Helper()
	for path, want := range statuses {
		if p := b.open(s.URL + path); p.StatusCode != want {
			t.Errorf("%s is answered %d, want %d", path, p.StatusCode, want)
		}
	}
}

// Who is in a group that has an alias is in it by that name, wherever groups are told, and by no other.
func TestGroupAliases(t *testing.T) {
	s := newSite(t, func(c *config.Config) { aliased(c); signing(newEC())(c) })
	s.Provider.AddUser(providertest.User{Subject: "fay", Groups: []string{finance, "Dev", "7b10d3aa"}})
	b := s.signedIn("fay")
	b.answered(t, s, map[string]int{"/money/": 200, "/others/": 403, "/devs/": 200, "/team/ops/": 200, "/team/7b10d3aa/": 403})

	if got := s.Upstream.last(t).Header.Get("X-Forwarded-Groups"); got != "Finance,Dev,ops" {
		t.Errorf("upstreams are told of the groups %q", got)
	}
	if _, claims := s.assertion(t); fmt.Sprint(claims["groups"]) != "[Finance Dev ops]" {
		t.Errorf("the assertion says %v", claims)
	}
	if got := groupsAtUserinfo(t, b, s); !slices.Equal(got, []string{"Finance", "Dev", "ops"}) {
		t.Errorf("userinfo says %q", got)
	}
}

func groupsAtUserinfo(t *testing.T, b *browser, s *site) []string {
	t.Helper()
	var said struct{ Groups []string }
	if err := json.Unmarshal([]byte(b.open(s.URL+"/oauth2/userinfo").Text), &said); err != nil {
		t.Fatal(err)
	}
	return said.Groups
}

func TestGroupAliasesOfThoseForwarded(t *testing.T) {
	s := newSite(t, func(c *config.Config) { aliased(c); c.ForwardGroups = "matched" })
	s.Provider.AddUser(providertest.User{Subject: "fay", Groups: []string{"Crowd", finance}})
	s.signedIn("fay").open(s.URL + "/x")
	if got := s.Upstream.last(t).Header.Get("X-Forwarded-Groups"); got != "Finance" {
		t.Errorf("upstreams are told of the groups %q", got)
	}
}

func TestGroupAliasesOfAPIClients(t *testing.T) {
	s := newSite(t, aliased)
	s.Provider.AddUser(providertest.User{Subject: "fay", Groups: []string{finance}})
	s.Provider.AddUser(providertest.User{Subject: "mallory", Groups: []string{"Finance"}})
	for subject, want := range map[string]int{"fay": http.StatusOK, "mallory": http.StatusForbidden} {
		if p := s.bears("/money/", s.Provider.APIToken(subject)); p.StatusCode != want {
			t.Errorf("%s is answered %d, want %d", subject, p.StatusCode, want)
		}
	}
}

func TestGroupAliasesInForwardAuth(t *testing.T) {
	s := behindFront(t, "nginx", aliased)
	s.Provider.AddUser(providertest.User{Subject: "fay", Groups: []string{finance}})
	cookie := "Cookie: " + s.signedIn("fay").cookieHeader(s)
	if p := s.question("nginx", "GET", "/money/", cookie); p.StatusCode != http.StatusAccepted || p.Header.Get("X-Auth-Request-Groups") != "Finance" {
		t.Errorf("the answer is %d with the groups %q", p.StatusCode, p.Header.Get("X-Auth-Request-Groups"))
	}
}

// Whoever may make groups at the provider may call one Finance. It opens nothing, is told to nobody, and does not count as being in no
// group either; page and log say why.
func TestGroupsThatBearAnAliasAreOthers(t *testing.T) {
	s := newSite(t, aliased)
	s.Provider.AddUser(providertest.User{Subject: "mallory", Groups: []string{"Finance", "Dev", "ops"}})
	b := s.signedIn("mallory")
	b.answered(t, s, map[string]int{"/money/": 403, "/others/": 403, "/team/ops/": 403, "/devs/": 200})

	if got := s.Upstream.last(t).Header.Get("X-Forwarded-Groups"); got != "Dev" {
		t.Errorf("upstreams are told of the groups %q", got)
	}
	if got := groupsAtUserinfo(t, b, s); !slices.Equal(got, []string{"Dev"}) {
		t.Errorf("userinfo says %q", got)
	}
	if p := b.open(s.URL + "/money/"); !strings.Contains(p.Text, "DOORWARD_GROUP_ALIASES") {
		t.Errorf("the denied page says %s", p.Text)
	}
	if noted := s.Log.events(t, "group_name_taken"); len(noted) == 0 || noted[0]["level"] != "warn" || fmt.Sprint(noted[0]["names"]) != "[Finance ops]" {
		t.Errorf("the log says %v", noted)
	}
	if denied := s.Log.events(t, "denied"); len(denied) == 0 || denied[0]["reason"] != "group_name_taken" {
		t.Errorf("the log says %v", denied)
	}
}

// Sessions hold what the provider said: when a name goes to another group, it does so for people who are signed in already.
func TestChangedAliasesHoldForOpenSessions(t *testing.T) {
	s := newSite(t, aliased)
	s.Provider.AddUser(providertest.User{Subject: "fay", Groups: []string{finance}})
	b := s.signedIn("fay")
	b.answered(t, s, map[string]int{"/money/": 200, "/others/": 403})

	changed := *s.settings
	changed.GroupAliases = []string{"Finance=another", "accounting=" + finance}
	s.serving.Store(s.another(&changed))

	b.answered(t, s, map[string]int{"/money/": 403, "/others/": 200, "/team/accounting/": 200})
}

// Who is in too many groups for the provider's tokens signs in all the same. They are in no group, and are not known not to be in one;
// page and log say why, and what whoever runs the provider can do. The address that the token names is not asked.
func TestGroupsThatWereLeftOut(t *testing.T) {
	for _, m := range providertest.GroupsLeftOut() {
		t.Run(m.Name, func(t *testing.T) {
			s := newSite(t, func(c *config.Config) { c.AccessRules += "\n/fin/ !group:Contractors" }, m)
			s.signedIn("bob")
			b := s.signedIn("alice")
			b.answered(t, s, map[string]int{"/x": 200, "/admin/": 403, "/fin/": 403})

			for _, path := range []string{"/admin/", "/fin/"} {
				if p := b.open(s.URL + path); !strings.Contains(p.Text, "left yours out") || !strings.Contains(unescape(p.Text), `"Groups assigned to the application"`) {
					t.Errorf("the denied page of %s does not say that groups were left out: %s", path, p.Text)
				}
			}
			for _, denied := range s.Log.events(t, "denied") {
				if denied["reason"] != "groups_left_out" || !strings.Contains(fmt.Sprint(denied["error"]), "DOORWARD_GROUPS_CLAIM=roles") {
					t.Errorf("the log says %v", denied)
				}
			}
			if noted := s.Log.events(t, "groups_left_out"); len(noted) != 2 || noted[0]["level"] != "warn" || noted[1]["level"] != "debug" {
				t.Errorf("the log says %v", noted)
			}
		})
	}
}

// Roles are no groups: they are there, however many groups there are.
func TestRolesWhereGroupsWereLeftOut(t *testing.T) {
	for _, m := range providertest.GroupsLeftOut() {
		t.Run(m.Name, func(t *testing.T) {
			s := newSite(t, func(c *config.Config) {
				c.GroupsClaim = "roles"
				c.AccessRules += "\n/fin/ !group:Contractors"
			}, m)
			s.Provider.AddUser(providertest.User{Subject: "fay", Claims: map[string]any{"roles": []string{"Admin"}}})
			s.signedIn("fay").answered(t, s, map[string]int{"/admin/": 200, "/fin/": 200})
		})
	}
}

// Groups that no header holds are an error, where other settings come upon a session; they are not left out.
func TestTooManyGroupsAfterOtherSettings(t *testing.T) {
	s := newSite(t, func(c *config.Config) { c.ForwardGroups, c.SessionCookieMaxBytes = "matched", 60_000 })
	s.Provider.AddUser(inManyGroups(560))
	b := s.signedIn("erin")
	all := *s.settings
	all.ForwardGroups = "all"
	s.serving.Store(s.another(&all))
	before := len(s.Upstream.Received())
	b.api(s, "/x").wants(t, http.StatusInternalServerError)
	if n := len(s.Upstream.Received()); n > before {
		t.Errorf("the upstream is told of the groups %.40q", s.Upstream.last(t).Header.Get("X-Forwarded-Groups"))
	}
}
