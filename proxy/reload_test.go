//go:build unix

package proxy_test

import (
	"net/http"
	"strings"
	"testing"

	"doorward/config"
	"doorward/proxy/providertest"
)

// withRules makes a site whose rules are in a file.
func withRules(t *testing.T, rules string, more ...func(*config.Config)) (*site, folder) {
	t.Helper()
	f := newFolder(t, rules)
	s := newSite(t, func(c *config.Config) {
		for _, configure := range more {
			configure(c)
		}
		loaded(t, map[string]string{"ACCESS_RULES": "", "ACCESS_RULES_FILE": f.file(), "CLIENT_SECRET": c.ClientSecret, "FORWARD_GROUPS": c.ForwardGroups})(c)
	})
	return s, f
}

// ruledBy turns the rules to others.
func (s *site) ruledBy(f folder, rules string) {
	s.t.Helper()
	f.turn(rules)
	s.Proxy.Reload()
}

// answers checks the status of a page that a browser asks for.
func (s *site) answers(b *browser, path string, status int) {
	s.t.Helper()
	if p := b.open(s.URL + path); p.StatusCode != status {
		s.t.Errorf("%s is %d, not %d: %s", path, p.StatusCode, status, p.Text)
	}
}

func TestRulesChange(t *testing.T) {
	s, f := withRules(t, "/ authenticated")
	bob := s.signedIn("bob")
	s.ruledBy(f, "/ authenticated; /admin/ group:Admin; /open/ public")
	s.answers(bob, "/admin/", http.StatusForbidden)
	s.answers(s.browser(), "/open/", http.StatusOK)
	if requests := s.lastRequests(2); requests[0]["rule"] != "/admin/" {
		t.Errorf("the log says %v", requests)
	}
	s.ruledBy(f, "/ authenticated; /admin/ group:Dev; /open/ deny")
	s.answers(bob, "/admin/", http.StatusOK)
	s.answers(s.browser(), "/open/", http.StatusForbidden)
	if told := s.Log.events(t, "config_reloaded"); len(told) != 2 || told[0]["setting"] != "DOORWARD_ACCESS_RULES" {
		t.Errorf("the log tells of %v", told)
	}
}

// Rules that cannot be used change nothing, and are told of with what is wrong with them.
func TestRulesThatCannotBeUsed(t *testing.T) {
	for name, bad := range map[string]string{
		"misspelt": "/ authenticatd", "twice": "/ authenticated; / public", "empty": "", "no text": "/ public\xff", "quoted": `"/ public"`,
	} {
		t.Run(name, func(t *testing.T) {
			s, f := withRules(t, "/ authenticated; /closed/ deny")
			s.ruledBy(f, bad)
			s.Proxy.Reload()
			s.answers(s.signedIn("bob"), "/closed/", http.StatusForbidden)
			told := s.Log.events(t, "config_reload_failed")
			if len(told) != 1 || !strings.HasPrefix(told[0]["setting"].(string), "DOORWARD_ACCESS_RULES") || told[0]["error"] == "" {
				t.Errorf("the log tells of %v", told)
			}
			if got := s.metric("doorward_config_reload_success"); got != 0 {
				t.Errorf("config_reload_success is %v", got)
			}
			s.ruledBy(f, "/ public")
			s.answers(s.browser(), "/", http.StatusOK)
			if got := s.metric("doorward_config_reload_success"); got != 1 {
				t.Errorf("config_reload_success is %v in the end", got)
			}
		})
	}
}

// A rule that forbids a group by the identifier for which GROUP_ALIASES has a name would let everybody pass.
func TestNewRulesNameGroupsByTheirAliases(t *testing.T) {
	f := newFolder(t, "/ authenticated; /closed/ !group:Staff")
	s := newSite(t, loaded(t, map[string]string{"ACCESS_RULES": "", "ACCESS_RULES_FILE": f.file(), "GROUP_ALIASES": "Staff=Dev", "CLIENT_SECRET": providertest.ClientSecret}))
	bob := s.signedIn("bob")
	s.ruledBy(f, "/ authenticated; /closed/ !group:Dev")
	s.answers(bob, "/closed/", http.StatusForbidden)
	if told := s.Log.events(t, "config_reload_failed"); len(told) != 1 {
		t.Errorf("the log tells of %v", told)
	}
}

// A session knows nothing of a claim that no rule compared when it was made: it meets neither a rule that wants it nor one that forbids it.
// With the next login it does.
func TestNewRulesAboutAnotherClaim(t *testing.T) {
	s, f := withRules(t, "/ authenticated")
	s.Provider.AddUser(providertest.User{Subject: "alice", Email: "alice@example.com", Claims: map[string]any{"department": "audit"}})
	alice, bob := s.signedIn("alice"), s.signedIn("bob")
	s.ruledBy(f, "/ authenticated; /audit/ claim:department=audit; /others/ !claim:department=audit")
	for _, b := range []*browser{alice, bob} {
		s.answers(b, "/audit/", http.StatusForbidden)
		s.answers(b, "/others/", http.StatusForbidden)
	}
	alice, bob = s.signedIn("alice"), s.signedIn("bob")
	s.answers(alice, "/audit/", http.StatusOK)
	s.answers(alice, "/others/", http.StatusForbidden)
	s.answers(bob, "/audit/", http.StatusForbidden)
	s.answers(bob, "/others/", http.StatusOK)
}

// A refresh that brings no new ID token says nothing of a claim that the one of the login named before anybody asked.
func TestNewRulesAboutAClaimOfTheLoginAlone(t *testing.T) {
	f := newFolder(t, "/ authenticated")
	s := newLivingSite(t, loaded(t, map[string]string{"ACCESS_RULES": "", "ACCESS_RULES_FILE": f.file(), "CLIENT_SECRET": providertest.ClientSecret}),
		providertest.Mutation{Name: "refresh-without-id-token",
			IDToken:      func(_ *providertest.Provider, j *providertest.JWT) { j.Claims["contractor"] = true },
			RefreshReply: func(_ *providertest.Provider, a *providertest.Answer) { delete(a.Members, "id_token") }})
	b := s.signedIn("alice")
	s.ruledBy(f, "/ authenticated; /staff/ !claim:contractor=true; /theirs/ claim:contractor=true")
	for range 2 {
		b.age(s, untilDead)
		s.answers(b, "/staff/", http.StatusForbidden)
		s.answers(b, "/theirs/", http.StatusOK)
	}
	s.wantResults(map[string]float64{"ok": 2})
}

func TestNewRulesNameOtherGroups(t *testing.T) {
	s, f := withRules(t, "/ group:Dev", func(c *config.Config) { c.ForwardGroups = "matched" })
	alice := s.signedIn("alice")
	s.ruledBy(f, "/ group:Dev,Admin")
	s.answers(alice, "/", http.StatusOK)
	if got := s.Upstream.last(t).Header.Get("X-Forwarded-Groups"); got != "Admin,Dev" {
		t.Errorf("the upstream is told of %q", got)
	}
}

// What goes on is judged by the rules that hold now.
func TestNewRulesCutWhatTheyRefuse(t *testing.T) {
	s, f := withRules(t, "/ authenticated; /public/ public")
	alice, bob := s.signedIn("alice"), s.signedIn("bob")
	newEndless(s)
	staying := streams(t, s, alice.clientOf(s, false), "/x")
	going, public := streams(t, s, bob.clientOf(s, false), "/x"), converses(t, s, bob.clientOf(s, false), "/public/socket")
	s.ruledBy(f, "/ group:Admin; /public/ group:Admin")
	isCut(t, "a stream of somebody who may not any more", going)
	isCut(t, "a WebSocket on a path that is not public any more", public)
	s.ruledBy(f, "/ group:Admin; /public/ public")
	select {
	case err := <-staying:
		t.Errorf("what may go on was ended: %v", err)
	default:
	}
	s.ruledBy(f, "/ deny")
	isCut(t, "a stream where nobody may any more", staying)
}

// The rule of where a COPY writes to still counts when others change, whatever the source asks for.
func TestDestinationsCountAfterNewRules(t *testing.T) {
	const before = "/ authenticated; /public/ public; /admin/ group:Admin; /closing/ public"
	s, f := withRules(t, before)
	s.Provider.IssueRefreshTokens()
	b := s.signedIn("alice")
	newEndless(s)
	arrived, endless := make(chan struct{}), s.Upstream.Answer
	s.Upstream.Answer = func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == "COPY":
			close(arrived)
			stall(w, r)
		case strings.HasPrefix(r.URL.Path, "/closing/"):
			endless(w, r)
		}
	}
	answered := make(chan *page)
	go func() {
		answered <- b.request("COPY", s.URL+"/public/x", headers("Accept", "application/json", "Destination", "/admin/x"), "")
	}()
	<-arrived
	other := converses(t, s, s.browser().client, "/closing/ws")
	s.ruledBy(f, strings.Replace(before, "/closing/ public", "/closing/ deny", 1))
	isCut(t, "what is closed", other) // by when all have been judged anew
	s.Provider.AddUser(providertest.User{Subject: "alice", Groups: []string{"Dev"}})
	b.age(s, untilDue)
	b.api(s, "/x").wants(t, http.StatusOK)
	(<-answered).wants(t, http.StatusForbidden)
}

// That holds for those, too, who came without a session or with a token of their own.
func TestNewRulesCutWhatStrangersMayNotAnyMore(t *testing.T) {
	const before = "/ authenticated; /public/ public; /own/ upstream-auth; /api/ group:Dev; /one/ public; /two/ public"
	for name, test := range map[string]struct {
		path, authorization, rules string
		stays                      bool
	}{
		"a path that is not public any more":          {"/public/ws", "", "/ authenticated; /public/ authenticated", false},
		"a path that is closed":                       {"/public/ws", "", "/ authenticated; /public/ deny", false},
		"a path of which no rule is left":             {"/public/ws", "", "/x/ authenticated", false},
		"a path that is public still":                 {"/public/ws", "", "/ public", true},
		"an Authorization that counts for nothing":    {"/own/ws", "Basic x", "/ authenticated", false},
		"an Authorization that the upstream checks":   {"/own/ws", "Basic x", "/ upstream-auth", true},
		"a token of somebody who is let in no more":   {"/api/ws", "Bearer", "/ group:Admin", false},
		"a token of somebody who is":                  {"/api/ws", "Bearer", "/ group:Dev,Admin", true},
		"a token on a path that is not public":        {"/public/ws", "Bearer", "/ group:Dev", false}, // where nobody looked at it
		"a token on a path that the upstream guards":  {"/api/ws", "Bearer", "/ upstream-auth", true},
		"a token where everything is open":            {"/api/ws", "Bearer", "/ public", true},
		"a token where a claim counts that it is not": {"/api/ws", "Bearer", "/ claim:scope=x", false},
	} {
		t.Run(name, func(t *testing.T) {
			s, f := withRules(t, before)
			newEchoBesideWebSockets(s)
			header := http.Header{}
			if header.Set("Authorization", test.authorization); test.authorization == "Bearer" {
				header.Set("Authorization", "Bearer "+s.Provider.APIToken("bob"))
			}
			say, ended := socket(t, s, s.browser().client, test.path, header)
			one, two := converses(t, s, s.browser().client, "/one/ws"), converses(t, s, s.browser().client, "/two/ws")
			s.ruledBy(f, test.rules+"; /one/ deny; /two/ public")
			isCut(t, "what nobody may any more", one)
			if !test.stays {
				isCut(t, name, ended)
				return
			}
			s.ruledBy(f, test.rules+"; /two/ deny")
			isCut(t, "what nobody may in the end", two) // by when all have been judged anew
			if err := say(); err != nil {
				t.Errorf("it is cut: %v", err)
			}
		})
	}
}

func TestCookieSecretsChange(t *testing.T) {
	first, second := config.NewSecret(), config.NewSecret()
	f := newFolder(t, first)
	s := newSite(t, loaded(t, map[string]string{"COOKIE_SECRETS": "", "COOKIE_SECRETS_FILE": f.file(), "CLIENT_SECRET": providertest.ClientSecret}))
	bob := s.signedIn("bob")
	for _, secrets := range []string{first + "," + second, second + ", " + first} {
		f.turn(secrets)
		s.Proxy.Reload()
		s.answers(bob, "/", http.StatusOK)
	}
	if got := s.metric(`doorward_session_key_uses_total{key="2"}`); got == 0 {
		t.Error("nothing tells that the old secret is in use")
	}
	f.turn(second)
	s.Proxy.Reload()
	s.answers(bob, "/", http.StatusSeeOther)
	s.answers(s.signedIn("bob"), "/", http.StatusOK)

	f.turn("c2hvcnQ=")
	s.Proxy.Reload()
	s.answers(s.signedIn("alice"), "/", http.StatusOK)
	if got := s.metric("doorward_config_reload_success"); got != 0 {
		t.Errorf("config_reload_success is %v", got)
	}
}

// A secret is dropped when somebody else has it, who can make sessions with it: what goes on with one of them ends as well.
func TestDroppedSecretsCutWhatTheyOpened(t *testing.T) {
	first, second := config.NewSecret(), config.NewSecret()
	f := newFolder(t, first)
	s := newSite(t, loaded(t, map[string]string{"COOKIE_SECRETS": "", "COOKIE_SECRETS_FILE": f.file(), "CLIENT_SECRET": providertest.ClientSecret}))
	alice := s.signedIn("alice")
	newEchoBesideWebSockets(s)
	going := converses(t, s, alice.client, "/x/ws")
	f.turn(second + "," + first)
	s.Proxy.Reload()
	bob := s.signedIn("bob")
	say, _ := socket(t, s, bob.client, "/x/ws", nil)
	isOpen, _ := socket(t, s, alice.client, "/x/ws", nil)
	if err := isOpen(); err != nil {
		t.Errorf("with a secret that opens still: %v", err)
	}
	f.turn(second)
	s.Proxy.Reload()
	isCut(t, "alice's WebSocket", going)
	becomes(t, "both of alice's are cut", func() bool { return s.metric(`doorward_connections_cut_total{reason="revoked"}`) == 2 })
	if err := say(); err != nil {
		t.Errorf("bob's WebSocket: %v", err)
	}
}

func TestAdminTokenChanges(t *testing.T) {
	f := newFolder(t, "the-admin-token-of-before-0123")
	s := newSite(t, loaded(t, map[string]string{"ADMIN_TOKEN_FILE": f.file(), "CLIENT_SECRET": providertest.ClientSecret}))
	s.signedIn("bob")
	f.turn(adminToken)
	if p := s.revoke("user=bob"); p.StatusCode != http.StatusOK {
		t.Errorf("the new token gets %d: %s", p.StatusCode, p.Text)
	}
	f.turn("the-admin-token-of-before-0123")
	if p := s.revoke("user=bob"); p.StatusCode != http.StatusUnauthorized {
		t.Errorf("the old token gets %d: %s", p.StatusCode, p.Text)
	}
}
