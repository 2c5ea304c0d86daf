package proxy_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"doorward/config"
	"doorward/proxy"
	"doorward/proxy/providertest"
	"doorward/session"
)

// newLogoutSite is a site whose provider tells it of logouts, directly and through the browser.
func newLogoutSite(t *testing.T, configure func(*config.Config), mutations ...providertest.Mutation) *site {
	t.Helper()
	s := newSite(t, configure, mutations...)
	s.Provider.RegisterLogout(s.URL+"/oauth2/backchannel-logout", "")
	return s
}

// sidOf is the provider's session (sid) that the latest login was part of.
func sidOf(t *testing.T, s *site) string {
	t.Helper()
	sid, _ := claimsOf(t, tokensOf(t, s)["id_token"])["sid"].(string)
	if sid == "" {
		t.Fatal("the ID token names no session")
	}
	return sid
}

// status is how a request with these cookies is answered.
func (s *site) status(cookies string) int {
	s.t.Helper()
	return s.rawGet("/x", "Accept: application/json", "Cookie: "+cookies).StatusCode
}

// inSession checks whether saved cookies are still somebody's.
func inSession(t *testing.T, s *site, what, cookies string, want bool) {
	t.Helper()
	if status := s.status(cookies); status != map[bool]int{true: http.StatusOK, false: http.StatusUnauthorized}[want] {
		t.Errorf("%s: a request is answered %d", what, status)
	}
}

// isAnswered checks the answer to a logout that the provider reported (OpenID Connect Back-Channel Logout 2.8).
func isAnswered(t *testing.T, answer providertest.LogoutAnswer, status int) {
	t.Helper()
	if answer.Status != status {
		t.Errorf("the answer is %d, not %d: %s", answer.Status, status, answer.Body)
	}
	if answer.Header.Get("Cache-Control") != "no-store" || answer.Header.Get("Set-Cookie") != "" {
		t.Errorf("the headers are %v", answer.Header)
	}
	if status == http.StatusOK {
		return
	}
	var said struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if err := json.Unmarshal([]byte(answer.Body), &said); err != nil || said.Error == "" || said.Description == "" {
		t.Errorf("the answer says %s", answer.Body)
	}
	if status == http.StatusBadRequest && said.Error != "invalid_request" {
		t.Errorf("the error is %q", said.Error)
	}
}

func logouts(s *site, kind string) float64 {
	s.t.Helper()
	return s.metric(`doorward_logouts_total{kind="` + kind + `"}`)
}

// logoutStatus is how a bent logout is refused.
func logoutStatus(m providertest.Mutation) int {
	for _, status := range []int{http.StatusMethodNotAllowed, http.StatusUnsupportedMediaType, http.StatusRequestEntityTooLarge} {
		if strings.HasSuffix(m.Does, fmt.Sprintf("answered %d", status)) {
			return status
		}
	}
	return http.StatusBadRequest
}

// Every way in which a report of a logout can be wrong ends nobody's session.
func TestLogoutsThatAreRefused(t *testing.T) {
	for _, m := range providertest.LogoutFaults() {
		t.Run(m.Name, func(t *testing.T) {
			t.Parallel()
			s := newLogoutSite(t, nil, m)
			cookies := s.signedIn("alice").cookieHeader(s)
			token := s.Provider.LogoutToken("alice", sidOf(t, s))

			answer := s.Provider.PostLogout(token)

			isAnswered(t, answer, logoutStatus(m))
			inSession(t, s, "afterwards", cookies, true)
			if n := logouts(s, "back_channel"); n != 0 {
				t.Errorf("%v logouts are counted", n)
			}
			if answer.Status != http.StatusMethodNotAllowed {
				failed := s.Log.events(t, "logout_failed")
				if len(failed) != 1 || fmt.Sprint(failed[0]["error"]) == "" {
					t.Errorf("the log says %v", failed)
				}
			}
			holdsNoToken(t, s, token)
		})
	}
}

// holdsNoToken checks that the log repeats no part of a token.
func holdsNoToken(t *testing.T, s *site, token string) {
	t.Helper()
	hasNoSecret(t, s)
	for _, part := range append(strings.Split(token, ".")[1:], token) {
		if len(part) > 8 && strings.Contains(s.Log.String(), part) {
			t.Errorf("the log holds %q of the logout token", part)
		}
	}
}

// What the standards allow ends the session, for whoever kept a copy of its cookies too (ASVS 7.4.1).
func TestLogoutsThatAreAccepted(t *testing.T) {
	for _, m := range providertest.LogoutOddities() {
		t.Run(m.Name, func(t *testing.T) {
			t.Parallel()
			s := newLogoutSite(t, nil, m)
			b := s.signedIn("alice")
			cookies, token := b.cookieHeader(s), s.Provider.LogoutToken("alice", sidOf(t, s))

			isAnswered(t, s.Provider.PostLogout(token), http.StatusOK)

			inSession(t, s, "saved cookies", cookies, false)
			if p := b.open(s.URL + "/"); !p.redirects() {
				t.Errorf("the browser is answered %d, not sent to the login", p.StatusCode)
			}
			if n := logouts(s, "back_channel"); n != 1 {
				t.Errorf("%v logouts are counted", n)
			}
			if events := s.Log.events(t, "logout"); len(events) != 1 || events[0]["reason"] != "back_channel" {
				t.Errorf("the log says %v", events)
			}
			holdsNoToken(t, s, token)
		})
	}
}

// Modules rp-backchannel-rpinitlogout…: the browser is still at the provider when the client hears of the logout that it began
// itself, and has dropped the session already. 200 all the same.
func TestLogoutsWithinTheEndSessionEndpoint(t *testing.T) {
	for _, m := range append(providertest.LogoutOddities(), providertest.LogoutFaults()...) {
		want := http.StatusOK
		if m.Name != "oidcc-client-test-rp-backchannel-rpinitlogout" {
			if !strings.HasPrefix(m.Name, "oidcc-") {
				continue
			}
			want = http.StatusBadRequest
		}
		t.Run(m.Name, func(t *testing.T) {
			t.Parallel()
			s := newLogoutSite(t, nil, m)
			b := s.signedIn("alice")

			end := b.follow(b.signOut(s, ""), func(*url.URL) bool { return false })

			isPage(t, end)
			if answers := s.Provider.Logouts(); len(answers) != 1 {
				t.Fatalf("the client was told %d times", len(answers))
			} else {
				isAnswered(t, answers[0], want)
			}
			hasNoSession(t, s, b)
			if logouts(s, "rp_initiated") != 1 {
				t.Error("the sign-out is not counted")
			}
		})
	}
}

// signOut presses the button.
func (b *browser) signOut(s *site, query string) *page {
	b.t.Helper()
	return b.request(http.MethodPost, s.URL+"/oauth2/sign_out"+query, headers("Accept", "text/html", "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "navigate"), "")
}

// Modules rp-init-logout, -other-state and -no-state: whatever state comes back, the page says that one is signed out.
func TestComingBackFromTheEndSessionEndpoint(t *testing.T) {
	for _, m := range providertest.EndSessionOddities() {
		t.Run(m.Name, func(t *testing.T) {
			s := newSite(t, nil, m)
			b := s.signedIn("alice")
			issued := tokensOf(t, s)["id_token"]

			end := b.follow(b.signOut(s, ""), func(*url.URL) bool { return false })

			isPage(t, end)
			if end.StatusCode != http.StatusOK || !strings.Contains(end.Text, "You are signed out") || len(end.setsCookies()) != 0 {
				t.Errorf("the answer is %d: %s", end.StatusCode, end.Text)
			}
			sent := s.Provider.Requests(providertest.EndSession)
			if len(sent) != 1 || sent[0].Query.Get("id_token_hint") != issued || sent[0].Query.Get("state") == "" ||
				sent[0].Query.Get("post_logout_redirect_uri") != s.URL+"/oauth2/sign_out" || sent[0].Query.Get("client_id") != providertest.ClientID {
				t.Errorf("the provider was asked %v", sent)
			}
			hasNoSession(t, s, b)
		})
	}
}

// Who has signed in again meanwhile, in another tab, stays so when the first comes back.
func TestComingBackToANewSession(t *testing.T) {
	s := newSite(t, nil)
	b := s.signedIn("alice")
	back := b.follow(b.signOut(s, ""), func(u *url.URL) bool { return u.Path == "/oauth2/sign_out" }).location()
	b.walk(s.URL + "/")

	p := b.request(http.MethodGet, back.String(), headers("Accept", "text/html", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", "cross-site"), "")

	if p.StatusCode != http.StatusOK || !strings.Contains(p.Text, "Sign out?") {
		t.Errorf("the answer is %d: %s", p.StatusCode, p.Text)
	}
	inSession(t, s, "the new session", b.cookieHeader(s), true)
}

// Which sessions a logout token ends (OpenID Connect Back-Channel Logout 2.7).
func TestWhoseSessionsALogoutEnds(t *testing.T) {
	withoutSid := providertest.Mutation{Name: "without-sid-for-bob", IDToken: func(_ *providertest.Provider, j *providertest.JWT) {
		if j.Claims["sub"] == "bob" {
			delete(j.Claims, "sid")
		}
	}}
	s := newLogoutSite(t, nil, withoutSid)
	type one struct{ sub, sid string }
	for name, test := range map[string]struct {
		token      one
		first, sec bool // of alice's two sessions, which go on?
		bob        bool
	}{
		"the session":                      {one{"", "first"}, false, true, true},
		"the person":                       {one{"alice", ""}, false, false, true},
		"both":                             {one{"alice", "first"}, false, true, true},
		"a session that nobody has":        {one{"", "unknown"}, true, true, true},
		"a person whom nobody knows":       {one{"mallory", ""}, true, true, true},
		"a person without sid":             {one{"bob", ""}, true, true, false},
		"a session of a person without":    {one{"bob", "unknown"}, true, true, false},
		"a sid that is called as somebody": {one{"", "alice"}, true, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			first := s.signedIn("alice").cookieHeader(s)
			sid := sidOf(t, s)
			second, bob := s.signedIn("alice").cookieHeader(s), s.signedIn("bob").cookieHeader(s)
			if test.token.sid == "first" {
				test.token.sid = sid
			}

			isAnswered(t, s.Provider.PostLogout(s.Provider.LogoutToken(test.token.sub, test.token.sid)), http.StatusOK)

			inSession(t, s, "the first session", first, test.first)
			inSession(t, s, "the second session", second, test.sec)
			inSession(t, s, "bob's session", bob, test.bob)
		})
	}
}

// inOneSession lets the provider give every login the same sid, as it does while people stay signed in there.
func inOneSession() providertest.Mutation {
	return providertest.Mutation{Name: "one-session", IDToken: func(_ *providertest.Provider, j *providertest.JWT) { j.Claims["sid"] = "the-one" }}
}

// After a logout people sign in again, and count, even in the same session of the provider's. The token of before has no second
// effect (Back-Channel Logout 2.6 (8)).
func TestANewLoginAfterALogoutCounts(t *testing.T) {
	s := newLogoutSite(t, nil, inOneSession())
	b := s.signedIn("alice")
	before, token := b.cookieHeader(s), s.Provider.LogoutToken("alice", "the-one")
	isAnswered(t, s.Provider.PostLogout(token), http.StatusOK)

	b.walk(s.URL + "/")
	after := b.cookieHeader(s)

	inSession(t, s, "the new session", after, true)
	isAnswered(t, s.Provider.PostLogout(token), http.StatusBadRequest)
	inSession(t, s, "the new session, after the token came again", after, true)
	inSession(t, s, "the old session", before, false)
	if n := logouts(s, "back_channel"); n != 1 {
		t.Errorf("%v logouts are counted", n)
	}
	isAnswered(t, s.Provider.PostLogout(s.Provider.LogoutToken("alice", "the-one")), http.StatusOK)
	inSession(t, s, "the new session, after another token", after, false)
}

// A login whose code was being exchanged when the logout came is over before it began.
func TestALogoutDuringALogin(t *testing.T) {
	s := newLogoutSite(t, nil, inOneSession(), providertest.Mutation{Name: "logout-meanwhile", TokenReply: func(p *providertest.Provider, _ *providertest.Answer) {
		p.PostLogout(p.LogoutToken("", "the-one"))
	}})
	b := s.browser()
	b.open(b.callbackAddress(s, "/x"))

	inSession(t, s, "the session", b.cookieHeader(s), false)
}

// A process that has opened a session knows how ID tokens are signed, though nobody has signed in there since it started.
func TestTheAlgorithmIsLearnedFromASession(t *testing.T) {
	m, _ := providertest.Find("oidcc-client-test-rp-backchannel-rpinitlogout-wrong-alg")
	secrets := []string{config.NewSecret()}
	s := newLogoutSite(t, func(c *config.Config) { c.CookieSecrets = secrets }, m)
	alice := s.signedIn("alice").cookieHeader(s)
	other := newSite(t, func(c *config.Config) { c.CookieSecrets, c.IssuerURL = secrets, s.Provider.Issuer })
	s.Provider.RegisterLogout(other.URL+"/oauth2/backchannel-logout", "")

	isAnswered(t, s.Provider.PostLogout(s.Provider.LogoutToken("somebody", "")), http.StatusOK)
	inSession(t, other, "alice", alice, true)
	isAnswered(t, s.Provider.PostLogout(s.Provider.LogoutToken("alice", "")), http.StatusBadRequest)
	inSession(t, other, "alice, afterwards", alice, true)
}

// An ID token ends no session, and a logout token makes none (Back-Channel Logout 4.1).
func TestLogoutTokensAndIDTokensAreNotConfused(t *testing.T) {
	s := newLogoutSite(t, nil)
	alice := s.signedIn("alice").cookieHeader(s)
	isAnswered(t, s.Provider.PostLogout(tokensOf(t, s)["id_token"]), http.StatusBadRequest)
	isAnswered(t, s.Provider.PostLogout(tokensOf(t, s)["access_token"]), http.StatusBadRequest)
	inSession(t, s, "alice", alice, true)

	other := newSite(t, nil, providertest.Mutation{Name: "logout-token-for-id-token", IDToken: func(p *providertest.Provider, j *providertest.JWT) {
		nonce := j.Claims["nonce"]
		*j = providertest.JWT{Header: j.Header, Key: j.Key, Claims: claimsOf(t, p.LogoutToken("alice", "1"))}
		j.Claims["nonce"] = nonce
	}})
	b := other.browser()
	isPage(t, b.walk(other.URL+"/"))
	hasNoSession(t, other, b)
}

// The provider reaches doorward by whatever name it knows; no cookie that comes along counts.
func TestLogoutOnAnyHost(t *testing.T) {
	s := newLogoutSite(t, nil)
	for _, host := range []string{"doorward:4180", "10.0.0.7", "app.example.com"} {
		alice := s.signedIn("alice").cookieHeader(s)
		bob := s.signedIn("bob").cookieHeader(s)
		body := url.Values{"logout_token": {s.Provider.LogoutToken("alice", "")}}.Encode()

		p := s.raw(strings.Join([]string{"POST /oauth2/backchannel-logout HTTP/1.1", "Host: " + host, "Connection: close", "Cookie: " + bob, "Origin: https://id.example",
			"Sec-Fetch-Site: cross-site", "Content-Type: application/x-www-form-urlencoded", fmt.Sprintf("Content-Length: %d", len(body))}, "\r\n") + "\r\n\r\n" + body)

		if p.StatusCode != http.StatusOK || p.Header.Get("Set-Cookie") != "" || p.Text != "" {
			t.Errorf("at %s the answer is %d: %v %s", host, p.StatusCode, p.Header, p.Text)
		}
		inSession(t, s, "alice", alice, false)
		inSession(t, s, "bob, whose cookie came along", bob, true)
	}
}

// A form that does not arrive holds nobody up for long.
func TestALogoutThatNeverArrives(t *testing.T) {
	t.Parallel()
	s := newLogoutSite(t, nil)
	began := time.Now()
	p := s.raw("POST /oauth2/backchannel-logout HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\nlogout_token=")
	if took := time.Since(began); p.StatusCode != http.StatusBadRequest || took > 15*time.Second {
		t.Errorf("after %s the answer is %d", took, p.StatusCode)
	}
}

// What cannot be checked now may be sent again: the token has not been used.
func TestALogoutWhileTheKeysAreAway(t *testing.T) {
	var away atomic.Bool
	away.Store(true)
	s := newLogoutSite(t, nil, providertest.Mutation{Name: "jwks-away", KeySetReply: func(_ *providertest.Provider, a *providertest.Answer) {
		if away.Load() {
			a.Status = http.StatusInternalServerError
		}
	}})
	token := s.Provider.LogoutToken("alice", "")
	answer := s.Provider.PostLogout(token)
	isAnswered(t, answer, http.StatusServiceUnavailable)
	if answer.Header.Get("Retry-After") == "" {
		t.Error("there is no Retry-After")
	}
	away.Store(false)
	again := time.NewTicker(250 * time.Millisecond)
	defer again.Stop()
	for range 40 {
		if answer := s.Provider.PostLogout(token); answer.Status == http.StatusOK {
			return
		}
		<-again.C
	}
	t.Error("ten seconds later the token is not accepted")
}

// However many forged tokens arrive, the provider is asked for keys a few times, and those who are signed in notice nothing.
func TestForgedLogoutsAreCheap(t *testing.T) {
	s := newLogoutSite(t, nil, providertest.Mutation{Name: "forged", LogoutToken: func(_ *providertest.Provider, j *providertest.JWT) {
		j.Header["kid"] = fmt.Sprint("forged-", time.Now().UnixNano())
	}})
	alice := s.signedIn("alice").cookieHeader(s)
	for i := range 50 {
		want := http.StatusBadRequest
		if i >= 3 {
			want = http.StatusServiceUnavailable // nobody asks for this one's key
		}
		isAnswered(t, s.Provider.PostLogout(s.Provider.LogoutToken("alice", "")), want)
	}
	if n := len(s.Provider.Requests(providertest.Keys)); n > 4 {
		t.Errorf("the keys were asked for %d times", n)
	}
	inSession(t, s, "alice", alice, true)
}

// keeping is a site that keeps its revocations in a file, and what the next process needs to be the same installation.
func keeping(t *testing.T, configure ...func(*config.Config)) (s *site, next func() *site) {
	path, secrets := filepath.Join(t.TempDir(), "revocations"), []string{config.NewSecret()}
	s = newLogoutSite(t, func(c *config.Config) {
		c.RevocationsPath, c.CookieSecrets = path, secrets
		for _, more := range configure {
			more(c)
		}
	})
	return s, func() *site {
		return newSite(t, func(c *config.Config) {
			c.RevocationsPath, c.CookieSecrets, c.IssuerURL = path, secrets, s.Provider.Issuer
		})
	}
}

// Whoever was signed out, in whatever way, stays so over a restart.
func TestLogoutsSurviveARestart(t *testing.T) {
	s, next := keeping(t)
	out := map[string]string{}
	b := s.signedIn("alice")
	out["a sign-out"] = b.cookieHeader(s)
	b.signOut(s, "")
	out["a back-channel logout"] = s.signedIn("alice").cookieHeader(s)
	isAnswered(t, s.Provider.PostLogout(s.Provider.LogoutToken("", sidOf(t, s))), http.StatusOK)
	out["a front-channel logout"] = s.signedIn("alice").cookieHeader(s)
	s.frame(s.Provider.Issuer, sidOf(t, s))
	out["another session"] = s.signedIn("bob").cookieHeader(s)
	s.signedIn("bob").signOut(s, "?everywhere")
	carol := s.signedIn("carol").cookieHeader(s)
	s.Proxy.Close()

	after := next()

	for what, cookies := range out {
		inSession(t, after, what, cookies, false)
	}
	inSession(t, after, "carol", carol, true)
}

// Two processes on one file: the second does not start.
func TestOneFileForTwoProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "revocations")
	c := func(c *config.Config) { c.RevocationsPath = path }
	s := newSite(t, c)
	second := config.Defaults()
	second.PublicURL, second.Upstreams, second.AccessRules = []string{s.URL}, s.Upstream.URL, rulesOfTheSite
	second.IssuerURL, second.ClientID, second.ClientSecret = s.Provider.Issuer, "x", "y"
	second.CookieSecrets, second.RevocationsPath = []string{config.NewSecret()}, path
	_, err := proxy.New(proxy.Options{Config: second, Log: proxy.NewLog(s.Log, second)})
	if err == nil || !strings.HasPrefix(err.Error(), "DOORWARD_REVOCATIONS_PATH: another process") {
		t.Errorf("got %v", err)
	}
}

// A logout that cannot be written down has ended the session, but is not reported as done: the provider may send it again.
func TestALogoutThatCannotBeWrittenDown(t *testing.T) {
	s, _ := keeping(t)
	b := s.signedIn("alice")
	alice, token := b.cookieHeader(s), s.Provider.LogoutToken("", sidOf(t, s))
	sid := sidOf(t, s)
	bob := s.signedIn("bob")
	s.Proxy.Close() // and with it the file

	for range 2 {
		isAnswered(t, s.Provider.PostLogout(token), http.StatusServiceUnavailable)
	}
	inSession(t, s, "alice", alice, false)
	for range 2 {
		if p := s.frame(s.Provider.Issuer, sid); p.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("a frame is answered %d", p.StatusCode)
		}
	}
	left := bob.cookieHeader(s)
	if p := bob.signOut(s, ""); !p.redirects() {
		t.Errorf("signing out is answered %d", p.StatusCode)
	}
	inSession(t, s, "bob", left, false)
	if events := s.Log.events(t, "logout"); len(events) != 1 || events[0]["level"] != "warn" || events[0]["error"] == nil {
		t.Errorf("the log says %v", events)
	}
}

// "Everywhere" ends all sessions of the person, and nobody else's.
func TestSignOutEverywhere(t *testing.T) {
	s := newSite(t, nil)
	here, there := s.signedIn("alice"), s.signedIn("alice").cookieHeader(s)
	bob, cookies := s.signedIn("bob").cookieHeader(s), here.cookieHeader(s)

	p := here.signOut(s, "?everywhere")

	if !p.redirects() || !strings.HasPrefix(p.location().String(), s.Provider.URL(providertest.EndSession)) {
		t.Errorf("the answer is %d to %s", p.StatusCode, p.location())
	}
	inSession(t, s, "here", cookies, false)
	inSession(t, s, "there", there, false)
	inSession(t, s, "bob", bob, true)
	hasNoSession(t, s, here)
	if logouts(s, "everywhere") != 1 || logouts(s, "rp_initiated") != 0 {
		t.Errorf("counted are %v", s.metrics())
	}
	here.walk(s.URL + "/")
	inSession(t, s, "a new session", here.cookieHeader(s), true)
}

// Signing out here ends this session alone.
func TestSignOutHereAlone(t *testing.T) {
	s := newSite(t, nil)
	there := s.signedIn("alice").cookieHeader(s)
	s.signedIn("alice").signOut(s, "")
	inSession(t, s, "there", there, true)
}

// Who finds their session expired can still end the others; who has none, or was signed out, is told that nothing was done.
func TestSignOutEverywhereWithoutASession(t *testing.T) {
	var lives atomic.Int64
	lives.Store(3600)
	s := newSite(t, nil, providertest.Mutation{Name: "short", TokenReply: func(_ *providertest.Provider, a *providertest.Answer) {
		a.Members["expires_in"] = lives.Load()
	}})
	there := s.signedIn("alice").cookieHeader(s)
	lives.Store(1)
	expired := s.browser()
	expired.open(expired.callbackAddress(s, "/"))
	for again := time.NewTicker(50 * time.Millisecond); s.status(expired.cookieHeader(s)) == http.StatusOK; <-again.C {
	}

	nobody := s.browser()
	p := nobody.signOut(s, "?everywhere")
	isPage(t, p)
	if p.StatusCode != http.StatusForbidden {
		t.Errorf("nobody is answered %d", p.StatusCode)
	}
	inSession(t, s, "there", there, true)

	if p := expired.signOut(s, "?everywhere"); !p.redirects() {
		t.Errorf("the one whose session is over is answered %d: %s", p.StatusCode, p.Text)
	}
	inSession(t, s, "there, afterwards", there, false)

	lives.Store(3600)
	third := s.signedIn("alice").cookieHeader(s)
	if p := s.rawRequest("POST", "/oauth2/sign_out?everywhere", "Cookie: "+there, "Sec-Fetch-Site: same-origin", "Content-Length: 0"); p.StatusCode != http.StatusForbidden {
		t.Errorf("the one who was signed out is answered %d", p.StatusCode)
	}
	inSession(t, s, "the third session", third, true)
}

// A cookie of a session that is over for good, found somewhere, does not sign its owner out again and again.
func TestSignOutEverywhereWithAnOldCookie(t *testing.T) {
	secret := config.NewSecret()
	s := newSite(t, func(c *config.Config) { c.CookieSecrets = []string{secret} })
	there := s.signedIn("alice").cookieHeader(s)
	raw, err := base64.StdEncoding.DecodeString(secret)
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := session.NewManager(session.Options{Secrets: [][]byte{raw}, CookieName: "doorward", Audience: s.Provider.Issuer + " " + providertest.ClientID})
	if err != nil {
		t.Fatal(err)
	}
	for age, want := range map[time.Duration]int{13 * time.Hour: http.StatusForbidden, 11 * time.Hour: http.StatusSeeOther} {
		began := time.Now().Add(-age)
		w := httptest.NewRecorder()
		if err := sessions.Create(w.Header(), httptest.NewRequest(http.MethodGet, "/", nil), &session.Session{
			Issuer: s.Provider.Issuer, Subject: "alice", User: "alice", CreatedAt: began, ExpiresAt: began.Add(12 * time.Hour), TokenExpiresAt: began.Add(time.Hour),
		}); err != nil {
			t.Fatal(err)
		}
		cookie := w.Result().Cookies()[0]
		p := s.rawRequest("POST", "/oauth2/sign_out?everywhere", "Cookie: "+cookie.Name+"="+cookie.Value, "Sec-Fetch-Site: same-origin", "Content-Length: 0")
		if p.StatusCode != want {
			t.Errorf("one of %s ago is answered %d", age, p.StatusCode)
		}
		if want == http.StatusForbidden {
			inSession(t, s, "a living session", there, true)
		}
		there = s.signedIn("alice").cookieHeader(s)
	}
}

// The page offers both, and a link to everywhere asks first, wherever it stands.
func TestSignOutPageOffersEverywhere(t *testing.T) {
	s := newSite(t, nil)
	b := s.signedIn("alice")
	for _, query := range []string{"", "?everywhere", "?everywhere&rd=/bye", "?rd=/bye"} {
		header := navigation()
		if query != "" && strings.Contains(query, "everywhere") {
			header.Set("Sec-Fetch-Site", "same-origin")
		}
		p := b.request(http.MethodGet, s.URL+"/oauth2/sign_out"+query, header, "")
		isPage(t, p)
		var targets []string
		for _, form := range regexp.MustCompile(`action="([^"]*)"`).FindAllStringSubmatch(p.Text, -1) {
			targets = append(targets, unescape(form[1]))
		}
		want := "/oauth2/sign_out /oauth2/sign_out?everywhere"
		if strings.Contains(query, "rd=") {
			want = "/oauth2/sign_out?rd=%2Fbye /oauth2/sign_out?everywhere&rd=%2Fbye"
		}
		if strings.Join(targets, " ") != want {
			t.Errorf("%q offers %q", query, targets)
		}
	}
	inSession(t, s, "alice", b.cookieHeader(s), true)
	for _, header := range []http.Header{headers("Sec-Fetch-Site", "cross-site"), headers("Origin", "https://other.example")} {
		if p := b.request(http.MethodPost, s.URL+"/oauth2/sign_out?everywhere", header, ""); p.StatusCode != http.StatusForbidden {
			t.Errorf("another site is answered %d", p.StatusCode)
		}
	}
	inSession(t, s, "alice, afterwards", b.cookieHeader(s), true)
}

// FuzzBackChannelForm posts whatever body: nothing is a logout but a form with one genuine token in it.
func FuzzBackChannelForm(f *testing.F) {
	provider := providertest.New(f)
	c := config.Defaults()
	c.PublicURL, c.Upstreams, c.AccessRules = []string{"http://localhost"}, "http://127.0.0.1:1", "/ authenticated"
	c.IssuerURL, c.ClientID, c.ClientSecret = provider.Issuer, providertest.ClientID, providertest.ClientSecret
	c.CookieSecrets, c.LogLevel, c.AccessLog = []string{config.NewSecret()}, "error", "off"
	door, err := proxy.New(proxy.Options{Config: c, Log: proxy.NewLog(&logBuffer{}, c)})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("logout_token={token}")
	f.Add("a=b&logout_token={token}&c=%")
	f.Add("logout_token={token}&logout_token={token}")
	f.Add("logout_token={token}&logout%5Ftoken=x")
	f.Add("logout_token={token};x=y")
	f.Add("LOGOUT_TOKEN={token}")
	f.Add("{\"logout_token\":\"{token}\"}")
	f.Fuzz(func(t *testing.T, body string) {
		token := provider.LogoutToken("alice", "")
		body = strings.ReplaceAll(body, "{token}", token)
		r := httptest.NewRequest(http.MethodPost, "http://localhost/oauth2/backchannel-logout", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		door.ServeHTTP(w, r)
		form, err := url.ParseQuery(body)
		genuine := err == nil && len(form["logout_token"]) == 1 && form.Get("logout_token") == token && len(body) <= 64<<10
		if accepted := w.Code == http.StatusOK; accepted != genuine || w.Code >= 500 {
			t.Errorf("%q is answered %d: %s", body, w.Code, w.Body)
		}
	})
}

// A form of a page with Referrer-Policy: no-referrer is posted with "Origin: null" (Fetch 3.2), and browsers send no fetch metadata over plain
// http beyond loopback, nor did those before 2023. The button has to work there, too.
func TestOwnPageSignsOutWithoutFetchMetadata(t *testing.T) {
	s := newSite(t, nil)
	b := s.signedIn("alice")
	origin := s.URL
	if b.open(s.URL+"/oauth2/sign_out").Header.Get("Referrer-Policy") == "no-referrer" {
		origin = "null"
	}
	p := b.request(http.MethodPost, s.URL+"/oauth2/sign_out", headers("Origin", origin, "Accept", "text/html"), "")
	if p.StatusCode != http.StatusSeeOther {
		t.Errorf("its own button is answered %d", p.StatusCode)
	}
}

// A server in front may drop the port of Host (nginx: proxy_set_header Host $host). The origin is that of PUBLIC_URL all the same.
func TestSignOutBehindAServerThatDropsThePort(t *testing.T) {
	s := newSite(t, protectedWrites)
	alice := "Cookie: " + s.signedIn("alice").cookieHeader(s)
	u, _ := url.Parse(s.URL)
	post := func(path string) *page {
		return s.raw("POST " + path + " HTTP/1.1\r\nHost: " + u.Hostname() + "\r\n" + alice + "\r\nOrigin: " + s.URL + "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
	}
	post("/x").wants(t, http.StatusOK) // the same origin, as CSRF_PROTECTION sees it
	post("/oauth2/sign_out").wants(t, http.StatusSeeOther)
}

// Who signs out of a session that is over signs out at the provider, by a link as by the button: else the page says that they are signed out,
// and the next one signs them in unasked.
func TestSignOutOfAnExpiredSessionReachesTheProvider(t *testing.T) {
	for _, method := range []string{http.MethodPost, http.MethodGet} {
		t.Run(method, func(t *testing.T) {
			s := newSite(t, nil) // no refresh tokens: sessions end with the access token
			b := s.signedIn("alice")
			b.age(s, untilDead)
			header := navigation()
			header.Set("Sec-Fetch-Site", "same-origin")
			p := b.request(method, s.URL+"/oauth2/sign_out", header, "")
			if !p.redirects() || !strings.HasSuffix(p.location().Path, "/"+string(providertest.EndSession)) {
				t.Errorf("the answer is %d, and leads to %q", p.StatusCode, p.location().Path)
			}
		})
	}
}

// What a page of this origin loads or fetches signs nobody out, nor does a HEAD: only a person who navigates does.
func TestOnlyANavigationSignsOutAtOnce(t *testing.T) {
	s := newSite(t, nil)
	for name, ask := range map[string]struct{ method, mode, dest string }{
		"an image": {"GET", "no-cors", "image"}, "a fetch": {"GET", "cors", "empty"}, "a frame": {"GET", "navigate", "iframe"}, "a HEAD": {"HEAD", "navigate", "document"},
	} {
		b := s.signedIn("alice")
		b.request(ask.method, s.URL+"/oauth2/sign_out", headers("Accept", "text/html", "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", ask.mode, "Sec-Fetch-Dest", ask.dest), "")
		inSession(t, s, name, b.cookieHeader(s), true)
	}
}

// A link that signs out at once ends the session of that browser alone.
func TestSigningOutAtOnceIsNotEverywhere(t *testing.T) {
	s := newSite(t, nil)
	elsewhere, b := s.signedIn("alice").cookieHeader(s), s.signedIn("alice")
	cookies, header := b.cookieHeader(s), navigation()
	header.Set("Sec-Fetch-Site", "same-origin")
	b.request(http.MethodGet, s.URL+"/oauth2/sign_out", header, "")
	inSession(t, s, "the browser", cookies, false)
	inSession(t, s, "another browser", elsewhere, true)
}

// A provider without an end of sessions sends nobody back: rd says where people go, within this site.
func TestReturnAddressOfASignOutHere(t *testing.T) {
	s := newSite(t, nil, providertest.Mutation{Name: "no-end-session", Metadata: func(_ *providertest.Provider, members map[string]any) {
		delete(members, "end_session_endpoint")
	}})
	for query, want := range map[string]string{
		"?rd=/bye": s.URL + "/bye", "?rd=//evil.example/": s.URL + "/", "?rd=": s.settings.LogoutURL(), "": s.settings.LogoutURL(),
	} {
		b := s.signedIn("alice")
		if got := b.signOut(s, query).location().String(); got != want {
			t.Errorf("%q leads to %s, want %s", query, got, want)
		}
	}
}

// A report that names the person alone is done when it is written down, too.
func TestALogoutOfAPersonThatCannotBeWrittenDown(t *testing.T) {
	s, _ := keeping(t)
	alice := s.signedIn("alice").cookieHeader(s)
	s.Proxy.Close() // and with it the file
	isAnswered(t, s.Provider.PostLogout(s.Provider.LogoutToken("alice", "")), http.StatusServiceUnavailable)
	inSession(t, s, "alice", alice, false)
}
