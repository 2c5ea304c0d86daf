package proxy_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"doorward/config"
	"doorward/proxy/providertest"
)

// Every cookie that is set, attribute by attribute (RFC 6265bis 4.1.3.2).
func TestCookieAttributes(t *testing.T) {
	s := newTLSSite(t, nil)
	b := s.browser()

	login := b.open(s.URL + "/")
	session := b.open(b.choose(login.location())) // to the provider, and back with a code
	session = b.open(session.location().String())

	for what, p := range map[string]*page{"login": login, "session": session} {
		lines := p.Header["Set-Cookie"]
		if len(lines) == 0 {
			t.Errorf("the %s sets no cookie", what)
		}
		for _, line := range lines {
			hasGoodAttributes(t, what, line)
		}
	}
	if names := session.setsCookies(); !slices.Equal(names, []string{"__Host-doorward"}) {
		t.Errorf("the session's cookies are %v", names)
	}
}

func hasGoodAttributes(t *testing.T, what, line string) {
	t.Helper()
	cookie, err := http.ParseSetCookie(line)
	if err != nil {
		t.Fatalf("the %s's cookie does not parse: %v", what, err)
	}
	if !strings.HasPrefix(cookie.Name, "__Host-") || cookie.Path != "/" || cookie.Domain != "" ||
		!cookie.Secure || !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode {
		t.Errorf("the %s's cookie is %q", what, strings.Replace(line, cookie.Value, "…", 1))
	}
	if cookie.MaxAge >= 0 && len(cookie.Value) < 14 {
		t.Errorf("the %s's cookie has a value of %d characters", what, len(cookie.Value))
	}
	if len(cookie.Name)+len(cookie.Value) > 4096 {
		t.Errorf("the %s's cookie is %d bytes", what, len(cookie.Name)+len(cookie.Value))
	}
}

// The login cookie of form_post must come along with a POST from the provider's site; the session's stays Lax.
func TestLoginCookieOfFormPost(t *testing.T) {
	s := newTLSSite(t, func(c *config.Config) { c.ResponseMode = "form_post" })

	p := s.browser().open(s.URL + "/")

	for _, c := range p.Cookies() {
		if c.SameSite != http.SameSiteNoneMode || !c.Secure || !c.HttpOnly {
			t.Errorf("the login cookie is %v", c.Raw)
		}
	}
}

// Plain http on loopback, for trying things out: no prefix and no Secure, or browsers would drop the cookies.
func TestCookiesOnPlainHTTP(t *testing.T) {
	s := newSite(t, nil)

	p := s.browser().open(s.URL + "/")

	for _, c := range p.Cookies() {
		if strings.HasPrefix(c.Name, "__") || c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" {
			t.Errorf("the login cookie is %s, Secure %v", c.Name, c.Secure)
		}
	}
}

// After a login the browser holds the session's cookies alone.
func TestLoginCookieGoes(t *testing.T) {
	s := newSite(t, nil)
	b := s.signedIn("alice")
	if cookies := b.cookies(s.URL); len(cookies) != 1 {
		t.Errorf("the browser holds %d cookies", len(cookies))
	}
}

// Tokens and claims never lie open in a cookie (ASVS 10.1.1).
func TestCookiesAreSealed(t *testing.T) {
	s := newSite(t, nil)
	b := s.signedIn("alice")
	held := b.cookieHeader(s)
	for _, readable := range []string{"alice", "Admin", "eyJhbGciOi", s.Provider.Issuer} {
		if strings.Contains(held, readable) {
			t.Errorf("%q can be read in the cookies", readable)
		}
	}
}

// Any change to a session's cookie makes it nobody's, at every place.
func TestTamperedSession(t *testing.T) {
	s := newSite(t, nil)
	b := s.signedIn("alice")
	c := b.cookies(s.URL)[0]
	ask := func(value string) int {
		return s.rawGet("/x", "Accept: application/json", "Cookie: "+c.Name+"="+value).StatusCode
	}
	if ask(c.Value) != http.StatusOK {
		t.Fatal("the session itself does not open")
	}
	for at := 0; at < len(c.Value); at += 1 + len(c.Value)/40 {
		other := byte('A')
		if c.Value[at] == other {
			other = 'B'
		}
		if got := ask(c.Value[:at] + string(other) + c.Value[at+1:]); got != http.StatusUnauthorized {
			t.Errorf("with byte %d changed the answer is %d", at, got)
		}
	}
	for what, value := range map[string]string{"cut": c.Value[:len(c.Value)-2], "longer": c.Value + "AAAA", "twice": c.Value + c.Value, "empty": ""} {
		if got := ask(value); got != http.StatusUnauthorized {
			t.Errorf("%s, the answer is %d", what, got)
		}
	}
}

// Two cookies of our name: somebody on a sibling host has set one of them (RFC 6265bis 8.6). Neither is believed.
func TestTwoSessionCookies(t *testing.T) {
	s := newSite(t, nil)
	alice, bob := s.signedIn("alice").cookieHeader(s), s.signedIn("bob").cookieHeader(s)

	p := s.rawGet("/x", "Accept: application/json", "Cookie: "+alice+"; "+bob)

	if p.StatusCode != http.StatusUnauthorized {
		t.Errorf("the answer is %d: %s", p.StatusCode, p.Text)
	}
}

// A login cookie is no session, and the session of another deployment is none here.
func TestSealedForAnotherPurpose(t *testing.T) {
	s, other := newSite(t, nil), newSite(t, nil)
	b := s.browser()
	b.open(s.URL + "/")
	login := b.cookies(s.URL)[0].Value
	name := s.signedIn("alice").cookies(s.URL)[0].Name
	foreign := other.signedIn("alice").cookies(other.URL)[0].Value
	for what, value := range map[string]string{"login cookie": login, "another deployment's session": foreign} {
		if p := s.rawGet("/x", "Accept: application/json", "Cookie: "+name+"="+value); p.StatusCode != http.StatusUnauthorized {
			t.Errorf("with a %s the answer is %d", what, p.StatusCode)
		}
	}
}

// A session is made anew at each login; its identifier never survives, neither for the same person nor for another.
func TestNewSessionAtEachLogin(t *testing.T) {
	s := newSite(t, nil)
	b := s.signedIn("alice")
	before := b.cookieHeader(s)
	b.Person = "bob"
	b.walk(s.URL + "/oauth2/start?rd=/x")

	if b.cookieHeader(s) == before {
		t.Error("the cookie is the same")
	}
	if user := s.Upstream.last(t).Header.Get("X-Forwarded-User"); user != "bob" {
		t.Errorf("the user is %q", user)
	}
	sessions := map[any]bool{}
	for _, e := range s.Log.events(t, "login") {
		sessions[e["session"]] = true
	}
	if len(sessions) != 2 {
		t.Errorf("the log knows the sessions %v", sessions)
	}
}

// inManyGroups is a person whose session needs several cookies.
func inManyGroups(n int) providertest.User {
	u := providertest.User{Subject: "erin", Email: "erin@example.com"}
	for i := range n {
		u.Groups = append(u.Groups, fmt.Sprintf("group-%d-%x", i, i*7919))
	}
	return u
}

// A large session takes several cookies, each of which a browser keeps; without any one of them there is no session.
func TestSessionInChunks(t *testing.T) {
	s := newSite(t, func(c *config.Config) { c.SessionCookieMaxBytes = 30_000 })
	s.Provider.AddUser(inManyGroups(300))
	b := s.signedIn("erin")
	cookies := b.cookies(s.URL)
	if len(cookies) < 2 {
		t.Fatalf("the session takes %d cookie", len(cookies))
	}
	for i, c := range cookies {
		if len(c.Name)+len(c.Value) > 4096 {
			t.Errorf("cookie %d is %d bytes", i, len(c.Name)+len(c.Value))
		}
		var rest []string
		for j, d := range cookies {
			if i != j {
				rest = append(rest, d.Name+"="+d.Value)
			}
		}
		if p := s.rawGet("/x", "Accept: application/json", "Cookie: "+strings.Join(rest, "; ")); p.StatusCode != http.StatusUnauthorized {
			t.Errorf("without cookie %d the answer is %d", i, p.StatusCode)
		}
	}
}

// Chunks of two sessions never join.
func TestChunksOfTwoSessions(t *testing.T) {
	s := newSite(t, func(c *config.Config) { c.SessionCookieMaxBytes = 30_000 })
	s.Provider.AddUser(inManyGroups(300))
	first, second := s.signedIn("erin").cookies(s.URL), s.signedIn("erin").cookies(s.URL)
	for i := range first {
		mixed := slices.Clone(first)
		mixed[i] = second[i]
		var pairs []string
		for _, c := range mixed {
			pairs = append(pairs, c.Name+"="+c.Value)
		}
		if p := s.rawGet("/x", "Accept: application/json", "Cookie: "+strings.Join(pairs, "; ")); p.StatusCode != http.StatusUnauthorized {
			t.Errorf("with chunk %d of another session the answer is %d", i, p.StatusCode)
		}
	}
}

// A small session after a large one leaves no stale chunk behind.
func TestStaleChunksGo(t *testing.T) {
	s := newSite(t, func(c *config.Config) { c.SessionCookieMaxBytes = 30_000 })
	s.Provider.AddUser(inManyGroups(300))
	b := s.signedIn("erin")
	b.Person = "bob"
	b.walk(s.URL + "/oauth2/start?rd=/x")

	if n := len(b.cookies(s.URL)); n != 1 {
		t.Errorf("the browser holds %d cookies", n)
	}
	if user := s.Upstream.last(t).Header.Get("X-Forwarded-User"); user != "bob" {
		t.Errorf("the user is %q", user)
	}
}

// A session over SESSION_COOKIE_MAX_BYTES refuses the login with the figures.
func TestSessionTooLarge(t *testing.T) {
	s := newSite(t, nil)
	s.Provider.AddUser(inManyGroups(3000))
	b := s.browser()
	b.Person = "erin"

	p := b.walk(s.URL + "/")

	isPage(t, p)
	hasNoSession(t, s, b)
	if p.StatusCode != http.StatusInternalServerError && p.StatusCode != http.StatusBadGateway {
		t.Errorf("the answer is %d", p.StatusCode)
	}
	if len(p.setsCookies()) != 0 {
		t.Errorf("cookies are set: %v", p.setsCookies())
	}
}

// The old secret opens what it sealed until it is dropped; the new one seals.
func TestSecretsRotate(t *testing.T) {
	old, fresh := config.NewSecret(), config.NewSecret()
	s := newSite(t, func(c *config.Config) { c.CookieSecrets = []string{old} })
	held := s.signedIn("alice").cookieHeader(s)
	for _, test := range []struct {
		name    string
		secrets []string
		status  int
	}{
		{"appended", []string{old, fresh}, http.StatusOK},
		{"first", []string{fresh, old}, http.StatusOK},
		{"old one dropped", []string{fresh}, http.StatusUnauthorized},
	} {
		t.Run(test.name, func(t *testing.T) {
			other := newSite(t, func(c *config.Config) {
				c.CookieSecrets, c.IssuerURL = test.secrets, s.Provider.Issuer
			})
			if p := other.rawGet("/x", "Accept: application/json", "Cookie: "+held); p.StatusCode != test.status {
				t.Errorf("the answer is %d", p.StatusCode)
			}
		})
	}
}

// A session is for one issuer and client: a doorward for another, with the same secrets, does not know it.
func TestSessionsOfAnotherDeployment(t *testing.T) {
	secrets := []string{config.NewSecret()}
	s := newSite(t, func(c *config.Config) { c.CookieSecrets = secrets })
	held := s.signedIn("alice").cookieHeader(s)
	other := newSite(t, func(c *config.Config) { c.CookieSecrets = secrets })
	if p := other.rawGet("/x", "Accept: application/json", "Cookie: "+held); p.StatusCode != http.StatusUnauthorized {
		t.Errorf("the answer is %d", p.StatusCode)
	}
}

// Many people log in at once, and each request is its own person's (CVE-2026-33544). Run with -race.
func TestManyPeopleAtOnce(t *testing.T) {
	s := newSite(t, nil)
	const people = 60
	browsers := make([]*browser, people)
	for i := range browsers {
		name := fmt.Sprintf("user-%d", i)
		s.Provider.AddUser(providertest.User{Subject: name, Groups: []string{name}})
		browsers[i] = s.browser()
		browsers[i].Person = name
	}
	var all sync.WaitGroup
	for _, b := range browsers {
		all.Go(func() {
			for range 3 {
				b.arrivesAsItself(s.URL + "/x")
			}
		})
	}
	all.Wait()
}

// arrivesAsItself checks that the upstream is told the browser's own person. It may be called in any goroutine.
func (b *browser) arrivesAsItself(address string) {
	answer, err := b.wander(address)
	if err != nil {
		b.t.Errorf("%s: %v", b.Person, err)
		return
	}
	defer answer.Body.Close()
	var seen received
	if err := json.NewDecoder(answer.Body).Decode(&seen); err != nil || answer.StatusCode != http.StatusOK {
		b.t.Errorf("%s is answered %d", b.Person, answer.StatusCode)
	}
	if got := seen.Header.Get("X-Forwarded-User"); got != b.Person || seen.Header.Get("X-Forwarded-Groups") != b.Person {
		b.t.Errorf("%s arrives as %q", b.Person, got)
	}
}

// /oauth2/userinfo says who is signed in, in few words, and never to another origin.
func TestUserinfo(t *testing.T) {
	s := newSite(t, nil)
	b := s.signedIn("alice")

	p := b.request(http.MethodGet, s.URL+"/oauth2/userinfo", headers("Accept", "*/*", "Origin", "https://other.example"), "")

	var body map[string]any
	if err := json.Unmarshal([]byte(p.Text), &body); err != nil || p.StatusCode != http.StatusOK {
		t.Fatalf("the answer is %d: %s", p.StatusCode, p.Text)
	}
	if body["user"] != "alice" || body["email"] != "alice@example.com" || body["preferredUsername"] != "alice@corp" ||
		fmt.Sprint(body["groups"]) != "[Admin Dev]" {
		t.Errorf("it says %v", body)
	}
	if seconds, _ := body["expires_in"].(float64); seconds <= 0 {
		t.Errorf("expires_in is %v", body["expires_in"])
	}
	if p.Header.Get("Cache-Control") != "no-store" || p.Header.Get("Access-Control-Allow-Origin") != "" ||
		p.Header.Get("X-Content-Type-Options") != "nosniff" || p.Header.Get("Cross-Origin-Resource-Policy") != "same-origin" {
		t.Errorf("the headers are %v", p.Header)
	}
	for name, token := range tokensOf(t, s) {
		if strings.Contains(p.Text, token) {
			t.Errorf("it shows the %s", name)
		}
	}
}

func TestUserinfoOfNobody(t *testing.T) {
	s := newSite(t, nil)
	isChallenge(t, s, s.browser().request(http.MethodGet, s.URL+"/oauth2/userinfo", headers("Accept", "application/json"), ""))
}

// Signing out ends the session here and at the provider (RP-Initiated Logout 2): the hint is the very ID token.
func TestSignOut(t *testing.T) {
	s := newSite(t, nil)
	b := s.signedIn("alice")
	issued := tokensOf(t, s)["id_token"]

	p := b.request(http.MethodPost, s.URL+"/oauth2/sign_out", headers("Accept", "text/html", "Sec-Fetch-Site", "same-origin", "Origin", s.URL), "")

	if !p.redirects() || !strings.HasPrefix(p.location().String(), s.Provider.URL(providertest.EndSession)) {
		t.Fatalf("the answer is %d to %s", p.StatusCode, p.location())
	}
	end := b.follow(p, func(*url.URL) bool { return false })
	isPage(t, end)
	sent := s.Provider.Requests(providertest.EndSession)[0]
	if hint := sent.Query.Get("id_token_hint") + sent.Form.Get("id_token_hint"); hint != issued || sent.Refused != "" {
		t.Errorf("id_token_hint is not the ID token; refused: %q", sent.Refused)
	}
	if back := sent.Query.Get("post_logout_redirect_uri"); back != s.URL+"/oauth2/sign_out" {
		t.Errorf("post_logout_redirect_uri is %q", back)
	}
	hasNoSession(t, s, b)
	if n := s.metric(`doorward_logouts_total{kind="rp_initiated"}`); n != 1 {
		t.Errorf("logouts_total is %v", n)
	}
}

// Another site cannot sign anybody out.
func TestSignOutFromAnotherSite(t *testing.T) {
	s := newSite(t, nil)
	b := s.signedIn("alice")
	for _, header := range []http.Header{
		headers("Sec-Fetch-Site", "cross-site", "Origin", "https://other.example"),
		headers("Sec-Fetch-Site", "same-site", "Origin", "https://other.example"),
		headers("Origin", "https://other.example"),
	} {
		if p := b.request(http.MethodPost, s.URL+"/oauth2/sign_out", header, ""); p.StatusCode != http.StatusForbidden {
			t.Errorf("with %v the answer is %d", header, p.StatusCode)
		}
	}
	if p := b.open(s.URL + "/oauth2/sign_out"); p.StatusCode != http.StatusOK || !strings.Contains(p.Text, "<button") {
		t.Errorf("a link from elsewhere is answered %d, not with a page that asks", p.StatusCode)
	}
	if p := b.open(s.URL + "/x"); p.StatusCode != http.StatusOK {
		t.Errorf("alice has been signed out: %d", p.StatusCode)
	}
}

// Without a session the page says that one is signed out; the state that the provider brings back, or does not, changes nothing.
func TestSignedOutPage(t *testing.T) {
	s := newSite(t, nil)
	for _, query := range []string{"", "?state=other", "?rd=//evil.example"} {
		p := s.browser().open(s.URL + "/oauth2/sign_out" + query)
		isPage(t, p)
		if p.StatusCode != http.StatusOK || strings.Contains(p.Text, "evil.example") {
			t.Errorf("%s is answered %d: %s", query, p.StatusCode, p.Text)
		}
	}
}

// A link within the site signs out at once; one typed or followed from elsewhere asks first.
func TestSignOutByLink(t *testing.T) {
	for site, asks := range map[string]bool{"same-origin": false, "same-site": true, "cross-site": true, "none": true, "": true} {
		t.Run(site, func(t *testing.T) {
			s := newSite(t, nil)
			b := s.signedIn("alice")
			header := navigation()
			if site != "" {
				header.Set("Sec-Fetch-Site", site)
			}

			b.request(http.MethodGet, s.URL+"/oauth2/sign_out", header, "")

			if p := b.request(http.MethodGet, s.URL+"/x", headers("Accept", "*/*"), ""); (p.StatusCode == http.StatusOK) != asks {
				t.Errorf("afterwards a request is answered %d", p.StatusCode)
			}
		})
	}
}

// Signing out here does not depend on the provider: neither on its having an address for it, nor on its being up (ASVS 7.4.1).
func TestSignOutWithoutProvider(t *testing.T) {
	withoutEndpoint := providertest.Mutation{Name: "no-end-session", Metadata: func(_ *providertest.Provider, m map[string]any) {
		delete(m, "end_session_endpoint")
	}}
	for name, test := range map[string]struct {
		mutations []providertest.Mutation
		down      bool
	}{"no endpoint": {[]providertest.Mutation{withoutEndpoint}, false}, "down": {nil, true}} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, nil, test.mutations...)
			b := s.signedIn("alice")
			if test.down {
				s.Provider.Stop()
			}

			p := b.request(http.MethodPost, s.URL+"/oauth2/sign_out", headers("Sec-Fetch-Site", "same-origin", "Accept", "text/html"), "")

			if p.StatusCode >= 400 {
				t.Errorf("the answer is %d: %s", p.StatusCode, p.Text)
			}
			hasNoSession(t, s, b)
		})
	}
}

// Only the cookie of exactly our name counts: servers and browsers differ in what they trim ("Cookie Chaos").
func TestNamesThatAreAlmostOurs(t *testing.T) {
	s := newTLSSite(t, nil)
	b := s.signedIn("alice")
	c := b.cookies(s.URL)[0]
	for _, name := range []string{
		strings.ToLower(c.Name), strings.ToUpper(c.Name), "\u2000" + c.Name, "\u00a0" + c.Name, "=" + c.Name,
		"$Version=1; $" + c.Name, strings.TrimPrefix(c.Name, "__Host-"),
	} {
		fresh := s.browser()
		if p := fresh.request(http.MethodGet, s.URL+"/x", headers("Accept", "*/*", "Cookie", name+"="+c.Value), ""); p.StatusCode != http.StatusUnauthorized {
			t.Errorf("under the name %q the session is answered %d", name, p.StatusCode)
		}
	}
}

// Who kept a copy of the cookies cannot go on with them (ASVS 7.4.1).
func TestSigningOutEndsCopiesOfTheCookies(t *testing.T) {
	s := newSite(t, nil)
	b := s.signedIn("alice")
	kept := b.cookieHeader(s)
	if p := b.request("POST", s.URL+"/oauth2/sign_out", http.Header{"Origin": {s.URL}}, ""); p.StatusCode != http.StatusSeeOther {
		t.Fatalf("signing out answers %d", p.StatusCode)
	}
	if p := s.rawGet("/", "Cookie: "+kept); p.StatusCode != http.StatusUnauthorized {
		t.Errorf("a kept cookie gets %d", p.StatusCode)
	}
	if got := s.metric(`doorward_session_loads_total{result="revoked"}`); got != 1 {
		t.Errorf("%v revoked sessions are counted", got)
	}
}
