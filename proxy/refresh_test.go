package proxy_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"doorward/config"
	"doorward/proxy/providertest"
)

// Twenty requests at once, each on a connection of its own, all with the same cookie: one refresh, and nobody is turned away, though
// the provider takes a refresh token that comes twice for a stolen one.
func TestManyRequestsOneRefresh(t *testing.T) {
	for name, age := range map[string]time.Duration{"the token lives": untilDue, "the token is dead": untilDead} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newLivingSite(t, nil)
			b := s.signedIn("alice")
			for round := range 3 {
				cookie := b.age(s, age)
				answers := make([]<-chan asked, 20)
				for i := range answers {
					answers[i] = s.asking(cookie, "/x")
				}
				for _, on := range answers {
					p := arrives(t, s, on).wants(t, http.StatusOK)
					if got := opened(t, s, p.sessionCookie()); got.Generation != round+1 {
						t.Errorf("an answer leaves generation %d in the browser", got.Generation)
					}
					b.keep(s, p.Header)
				}
				s.wantRefreshes(round + 1)
			}
			s.wantResults(map[string]float64{"ok": 3})
			current := b.carried(s).AccessToken
			b.api(s, "/x").wants(t, http.StatusOK)
			if s.Upstream.last(t).token() != current {
				t.Error("the upstream does not get the newest token")
			}
			hasNoSecret(t, s)
		})
	}
}

// A request with a cookie of before gets the newest generation and its cookies, however many there have been since.
func TestLateRequestsGetTheNewestGeneration(t *testing.T) {
	s := newLivingSite(t, nil)
	b := s.signedIn("alice")
	old := []string{b.age(s, untilDead)}
	for generation := 1; generation <= 4; generation++ {
		b.api(s, "/x").wants(t, http.StatusOK)
		newest := b.carried(s)
		if newest.Generation != generation {
			t.Fatalf("the browser has generation %d, want %d", newest.Generation, generation)
		}
		for i, cookie := range old {
			p := arrives(t, s, s.asking(cookie, "/x")).wants(t, http.StatusOK)
			if s.Upstream.last(t).token() != newest.AccessToken {
				t.Errorf("with generation %d of %d the upstream gets an older token", i, generation)
			}
			if got := opened(t, s, p.sessionCookie()); got.Generation != generation || got.AccessToken != newest.AccessToken {
				t.Errorf("with generation %d of %d the browser gets generation %d", i, generation, got.Generation)
			}
		}
		s.wantRefreshes(generation)
		old = append(old, b.age(s, untilDead))
	}
}

// A refresh belongs to no request: one that is given up leaves its result to the next.
func TestRefreshOutlivesItsRequest(t *testing.T) {
	s := newLivingSite(t, nil)
	cookie := s.signedIn("alice").age(s, untilDead)
	arrived, release := s.Provider.HoldRefreshes()
	ctx, giveUp := context.WithCancel(t.Context())
	gone := make(chan error)
	go func() {
		_, err := s.ask(ctx, cookie, "/x")
		gone <- err
	}()
	<-arrived
	giveUp()
	if err := <-gone; err == nil {
		t.Fatal("the request was answered before it was given up")
	}
	release()
	s.Proxy.Rest()

	arrives(t, s, s.asking(cookie, "/x")).wants(t, http.StatusOK)

	s.wantRefreshes(1)
}

// While the old token lives, nobody waits for the provider longer than a second, and those who come later not at all.
func TestSlowProviderHoldsNobodyUpWhileTheTokenLives(t *testing.T) {
	t.Parallel()
	s := newLivingSite(t, nil)
	b := s.signedIn("alice")
	old := b.carried(s).AccessToken
	cookie := b.age(s, untilDue)
	_, release := s.Provider.HoldRefreshes()
	began := time.Now()
	arrives(t, s, s.asking(cookie, "/x")).wants(t, http.StatusOK)
	if took := time.Since(began); took < 900*time.Millisecond || took > 5*time.Second {
		t.Errorf("the first request took %v", took)
	}
	began = time.Now()
	arrives(t, s, s.asking(cookie, "/x")).wants(t, http.StatusOK)
	if took := time.Since(began); took > 900*time.Millisecond {
		t.Errorf("a later one took %v", took)
	}
	if s.Upstream.last(t).token() != old {
		t.Error("the upstream gets another token than the old one")
	}

	release()
	s.Proxy.Rest()
	arrives(t, s, s.asking(cookie, "/x")).wants(t, http.StatusOK)
	if s.Upstream.last(t).token() == old {
		t.Error("the upstream still gets the old token")
	}
	s.wantRefreshes(1)
}

// With a dead token there is nothing to do but wait.
func TestSlowProviderIsWaitedForWithADeadToken(t *testing.T) {
	s := newLivingSite(t, nil)
	b := s.signedIn("alice")
	old, cookie := b.carried(s).AccessToken, b.age(s, untilDead)
	arrived, release := s.Provider.HoldRefreshes()
	on := s.asking(cookie, "/x")
	<-arrived
	release()

	arrives(t, s, on).wants(t, http.StatusOK)

	if s.Upstream.last(t).token() == old {
		t.Error("the upstream got a dead token")
	}
}

// On a public path nobody waits long, whatever the token: whoever cannot be named in time is nobody.
func TestPublicPathsDoNotWaitForARefresh(t *testing.T) {
	t.Parallel()
	s := newLivingSite(t, nil)
	cookie := s.signedIn("alice").age(s, untilDead)
	_, release := s.Provider.HoldRefreshes()
	arrives(t, s, s.asking(cookie, "/public/x")).wants(t, http.StatusOK)
	if user := s.Upstream.last(t).Header.Get("X-Forwarded-User"); user != "" {
		t.Errorf("the user is %q", user)
	}
	release()
	s.Proxy.Rest()
	arrives(t, s, s.asking(cookie, "/public/x")).wants(t, http.StatusOK)
	if user := s.Upstream.last(t).Header.Get("X-Forwarded-User"); user != "alice" {
		t.Errorf("afterwards the user is %q", user)
	}
}

// outages are ways in which a provider is not there.
func outages() map[string]func(*providertest.Answer) {
	return map[string]func(*providertest.Answer){
		"500": providertest.Fail(http.StatusInternalServerError, "server_error"),
		"503": providertest.Fail(http.StatusServiceUnavailable, "temporarily_unavailable"),
		"429": providertest.Fail(http.StatusTooManyRequests, "slow_down"),
		// What stands in the body of an outage is nobody's word.
		"invalid_grant with 502": providertest.Fail(http.StatusBadGateway, "invalid_grant"),
		"broken off": func(a *providertest.Answer) {
			a.Members, a.Cut = map[string]any{"error": "invalid_grant"}, true
		},
	}
}

// A provider that is down ends no session whose token lives. It is asked once in a while and not by every request. With a dead token
// there is a clear answer, and no login; when the provider is back, everything goes on.
func TestProviderOutage(t *testing.T) {
	for name, outage := range outages() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newLivingSite(t, nil)
			b := s.signedIn("alice")
			b.age(s, untilDue)
			s.Provider.FailRefreshes(outage)
			for range 5 {
				b.api(s, "/x").wants(t, http.StatusOK)
			}
			s.Proxy.Rest()
			s.wantRefreshes(1)

			b.age(s, time.Minute)
			s.Proxy.Age(time.Minute)
			for range 3 {
				program := b.api(s, "/x").wants(t, http.StatusBadGateway)
				wait, err := strconv.Atoi(program.Header.Get("Retry-After"))
				if err != nil || wait < 1 || wait > 10 || !strings.Contains(program.Text, `"error":"refresh_unavailable"`) {
					t.Errorf("a program is told %q, %s", program.Header.Get("Retry-After"), program.Text)
				}
			}
			isPage(t, b.open(s.URL+"/x").wants(t, http.StatusBadGateway))
			b.api(s, "/public/x").wants(t, http.StatusOK)
			s.wantRefreshes(2)

			s.Provider.FailRefreshes(nil)
			s.Proxy.Age(10 * time.Second)
			b.api(s, "/x").wants(t, http.StatusOK)
			s.wantResults(map[string]float64{"unavailable": 2, "ok": 1})
			if n := s.metric("doorward_logins_started_total"); n != 1 {
				t.Errorf("%v logins were started", n)
			}
			if n := len(s.Log.events(t, "refresh_failed")); n != 2 {
				t.Errorf("refresh_failed is in the log %d times", n)
			}
			hasNoSecret(t, s)
		})
	}
}

// A provider of which nobody listens any more.
func TestProviderIsGone(t *testing.T) {
	s := newLivingSite(t, nil)
	b := s.signedIn("alice")
	b.age(s, untilDue)
	s.Provider.Stop()
	b.api(s, "/x").wants(t, http.StatusOK)
	b.age(s, time.Minute)
	b.api(s, "/x").wants(t, http.StatusBadGateway)
	s.wantResults(map[string]float64{"unavailable": 1})
}

// invalid_grant ends the session for everybody who carries it, and nobody asks again.
func TestInvalidGrantEndsTheSession(t *testing.T) {
	for name, age := range map[string]time.Duration{"the token lives": untilDue, "the token is dead": untilDead} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newLivingSite(t, nil)
			b := s.signedIn("alice")
			cookie := b.age(s, age)
			s.Provider.EndGrants("alice")
			answers := make([]<-chan asked, 10)
			for i := range answers {
				answers[i] = s.asking(cookie, "/x")
			}
			for _, on := range answers {
				p := arrives(t, s, on).wants(t, http.StatusUnauthorized)
				if len(p.Header["Set-Cookie"]) > 0 {
					t.Errorf("the answer sets %v", p.Header["Set-Cookie"])
				}
			}
			if p := b.open(s.URL + "/x"); p.location().Path != "/op/authorize" {
				t.Errorf("a person is sent to %q", p.location())
			}
			b.api(s, "/public/x").wants(t, http.StatusOK)
			if user := s.Upstream.last(t).Header.Get("X-Forwarded-User"); user != "" {
				t.Errorf("on a public path the user is %q", user)
			}
			b.api(s, "/oauth2/userinfo").wants(t, http.StatusUnauthorized)
			s.wantRefreshes(1)
			s.wantResults(map[string]float64{"invalid_grant": 1})
			if failed := s.Log.events(t, "refresh_failed"); len(failed) != 1 || failed[0]["reason"] != "invalid_grant" || failed[0]["user"] != "alice" {
				t.Errorf("the log says %v", failed)
			}
			b.walk(s.URL+"/x").wants(t, http.StatusOK)
		})
	}
}

// What the provider refuses because of how doorward is set up ends no session while its token lives, and afterwards a login may do what
// the refresh may not. When it is mended, the session goes on.
func TestRefusedRefresh(t *testing.T) {
	for code, status := range map[string]int{"invalid_client": 401, "unauthorized_client": 400, "unsupported_grant_type": 400, "": 403} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			s := newLivingSite(t, nil)
			b := s.signedIn("alice")
			s.Provider.FailRefreshes(providertest.Fail(status, code))
			b.age(s, untilDue)
			b.api(s, "/x").wants(t, http.StatusOK)
			b.age(s, time.Minute)
			b.api(s, "/x").wants(t, http.StatusUnauthorized)
			s.wantRefreshes(1)

			s.Provider.FailRefreshes(nil)
			s.Proxy.Age(10 * time.Second)
			b.api(s, "/x").wants(t, http.StatusOK)
			s.wantResults(map[string]float64{"refused": 1, "ok": 1})
		})
	}
}

// Who signs out while a refresh is under way is signed out: what it brings is dropped and revoked at the provider.
func TestSignOutDuringARefresh(t *testing.T) {
	s := newLivingSite(t, nil)
	b := s.signedIn("alice")
	old := b.carried(s).RefreshToken
	cookie := b.age(s, untilDead)
	on, goOn := s.amidRefresh(cookie)
	b.request(http.MethodPost, s.URL+"/oauth2/sign_out", headers("Sec-Fetch-Site", "same-origin"), "").wants(t, http.StatusSeeOther)
	if held := b.cookies(s.URL); len(held) != 0 {
		t.Errorf("the browser holds %d cookies", len(held))
	}
	close(goOn)

	p := arrives(t, s, on).wants(t, http.StatusUnauthorized)

	if len(p.Header["Set-Cookie"]) != 0 {
		t.Errorf("the answer sets %v", p.Header["Set-Cookie"])
	}
	s.wantResults(map[string]float64{"after_logout": 1})
	if revoked := s.Provider.Revoked(); len(revoked) != 2 || !slices.Contains(revoked, old) || !slices.Contains(revoked, tokensOf(t, s)["refresh_token"]) {
		t.Errorf("%d tokens are revoked, and not the old and the new refresh token", len(revoked))
	}
	arrives(t, s, s.asking(cookie, "/x")).wants(t, http.StatusUnauthorized)
	if n := s.Proxy.Remembered(); n != 0 {
		t.Errorf("%d sessions are remembered", n)
	}
	hasNoSecret(t, s)
}

// An answer that is under way when its person signs out brings no cookie back.
func TestSignOutDuringAnAnswer(t *testing.T) {
	s := newLivingSite(t, nil)
	b := s.signedIn("alice")
	cookie := b.age(s, untilDead)
	on, goOn := s.amidAnswer(cookie)
	b.request(http.MethodPost, s.URL+"/oauth2/sign_out", headers("Sec-Fetch-Site", "same-origin"), "").wants(t, http.StatusSeeOther)
	close(goOn)

	p := arrives(t, s, on).wants(t, http.StatusOK)

	if len(p.Header["Set-Cookie"]) != 0 {
		t.Errorf("the answer sets %v", p.Header["Set-Cookie"])
	}
	s.Proxy.Rest()
	next := tokensOf(t, s)["refresh_token"]
	if !slices.Contains(s.Provider.Revoked(), next) {
		t.Error("the newest refresh token is not revoked")
	}
}

// Nor does it bring cookies of a session that somebody else has ended meanwhile, of which the newest generation is still known.
func TestRevocationDuringAnAnswer(t *testing.T) {
	s := newLivingSite(t, func(c *config.Config) { c.AdminToken = adminToken })
	b := s.signedIn("alice")
	on, goOn := s.amidAnswer(b.age(s, untilDead))
	s.revoke("user=alice").wants(t, http.StatusOK)
	close(goOn)

	if p := arrives(t, s, on); len(p.Header["Set-Cookie"]) != 0 {
		t.Errorf("the answer (%d) sets %v", p.StatusCode, p.Header["Set-Cookie"])
	}
}

// An answer that took long does not bring back what another has replaced meanwhile: what is sealed is the newest.
func TestSlowAnswerDoesNotOverwriteANewerGeneration(t *testing.T) {
	s := newLivingSite(t, func(c *config.Config) { c.SessionIdleTimeout = 2 * time.Hour })
	b := s.signedIn("alice")
	on, goOn := s.amidAnswer(b.age(s, 30*time.Minute)) // its use is news, its token is fresh
	b.age(s, untilDead-30*time.Minute)
	b.api(s, "/x").wants(t, http.StatusOK)
	close(goOn)

	p := arrives(t, s, on).wants(t, http.StatusOK)

	if got := opened(t, s, p.sessionCookie()); got.Generation != 1 {
		t.Errorf("the slow answer leaves generation %d in the browser", got.Generation)
	}
}

// The refreshed session's cookies go with every kind of answer, and no cache keeps them.
func TestEveryAnswerBringsTheNewCookies(t *testing.T) {
	type test struct {
		method, path string
		header       http.Header
		upstream     http.HandlerFunc
		status       int
	}
	status := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "public, max-age=3600")
			w.Header().Set("CDN-Cache-Control", "max-age=3600")
			w.Header().Set("Surrogate-Control", "max-age=3600")
			w.Header().Add("Set-Cookie", "theirs=1")
			w.WriteHeader(status)
		}
	}
	for name, test := range map[string]test{
		"200":          {"GET", "/x", nil, status(200), 200},
		"HEAD":         {"HEAD", "/x", nil, status(200), 200},
		"POST":         {"POST", "/x", nil, status(201), 201},
		"204":          {"GET", "/x", nil, status(204), 204},
		"a redirect":   {"GET", "/x", nil, status(302), 302},
		"304":          {"GET", "/x", headers("If-None-Match", `"1"`), status(304), 304},
		"404":          {"GET", "/x", nil, status(404), 404},
		"500":          {"GET", "/x", nil, status(500), 500},
		"public":       {"GET", "/public/x", nil, status(200), 200},
		"without head": {"GET", "/x", nil, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }, 200},
		"events": {"GET", "/x", nil, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, "data: 1\n\n")
		}, 200},
		"103 first": {"GET", "/x", nil, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Link", "</style.css>; rel=preload")
			w.WriteHeader(http.StatusEarlyHints)
			status(200)(w, r)
		}, 200},
		"100 first": {"POST", "/x", headers("Expect", "100-continue"), status(200), 200},
		"upstream breaks off": {"POST", "/x", nil, func(http.ResponseWriter, *http.Request) {
			panic(http.ErrAbortHandler)
		}, 502},
		"denied":        {"GET", "/admin/x", navigation(), nil, 403},
		"not one of us": {"GET", "/x", headers("Upgrade", "ü"), nil, 400},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newLivingSite(t, nil)
			b := s.signedIn("bob")
			s.Upstream.Answer = test.upstream
			b.age(s, untilDead)

			p := b.request(test.method, s.URL+test.path, test.header, "").wants(t, test.status)

			if got := opened(t, s, p.sessionCookie()); got.Generation != 1 {
				t.Errorf("the answer leaves generation %d in the browser", got.Generation)
			}
			if control := p.Header["Cache-Control"]; !slices.Equal(control, []string{"no-store"}) || p.Header.Get("CDN-Cache-Control") != "" || p.Header.Get("Surrogate-Control") != "" {
				t.Errorf("caches are told %v, %q, %q", control, p.Header.Get("CDN-Cache-Control"), p.Header.Get("Surrogate-Control"))
			}
			s.wantRefreshes(1)
			b.api(s, "/public/x")
			s.wantRefreshes(1)
		})
	}
}

// Informational answers carry no cookie of ours.
func TestInformationalAnswerCarriesNoSession(t *testing.T) {
	s := newLivingSite(t, nil)
	b := s.signedIn("alice")
	s.Upstream.Answer = func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
	}
	head := s.rawHead("GET", "/x", "Cookie: "+b.age(s, untilDead))
	if n := strings.Count(head, "Set-Cookie: doorward="); n != 1 {
		t.Errorf("the cookie is set %d times: %s", n, head)
	}
}

// The new cookies are in the head of the answer, and not in one before it, after which the headers are cleared (golang/go#81207). Nor is the
// status of that one what the log tells.
func TestFinalAnswerBringsTheNewCookies(t *testing.T) {
	for name, lines := range map[string][]string{
		"early hints":           {"GET"},
		"the client asks first": {"POST", "Expect: 100-continue", "Content-Length: 2\r\n\r\nab"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newLivingSite(t, nil)
			b := s.signedIn("alice")
			s.Upstream.Answer = func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusEarlyHints)
				w.WriteHeader(http.StatusAccepted)
			}
			head := s.rawHead(lines[0], "/x", append([]string{"Cookie: " + b.age(s, untilDead)}, lines[1:]...)...)
			before, final, found := strings.Cut(head, "Date: ") // which no other head has
			if !found || strings.Contains(before, "Set-Cookie") || strings.Count(final, "Set-Cookie: doorward=") != 1 {
				t.Errorf("the heads are %s", head)
			}
			if status := s.lastRequests(1)[0]["status"]; status != 202.0 {
				t.Errorf("the log tells of status %v", status)
			}
		})
	}
}

// A WebSocket's 101 brings the cookies too.
func TestWebSocketBringsTheNewCookies(t *testing.T) {
	s := newLivingSite(t, nil)
	b := s.signedIn("alice")
	s.Upstream.Answer = func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err == nil {
			_ = conn.Close(websocket.StatusNormalClosure, "")
		}
	}
	p := s.rawGet("/ws", "Cookie: "+b.age(s, untilDead), "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Origin: "+s.URL)
	p.wants(t, http.StatusSwitchingProtocols)
	if got := opened(t, s, p.sessionCookie()); got.Generation != 1 {
		t.Errorf("the answer leaves generation %d in the browser", got.Generation)
	}
}

// Groups, claims and names change with a refresh, and the rules see them at once.
func TestRefreshedGroupsDecide(t *testing.T) {
	s := newLivingSite(t, func(c *config.Config) { c.Headers = []string{"X-Department=department"} })
	b := s.signedIn("alice")
	b.api(s, "/admin/x").wants(t, http.StatusOK)
	s.Provider.AddUser(providertest.User{Subject: "alice", Email: "new@example.com", Groups: []string{"Dev"}, Claims: map[string]any{"department": "audit"}})
	b.api(s, "/admin/x").wants(t, http.StatusOK)

	b.age(s, untilDead)
	b.api(s, "/admin/x").wants(t, http.StatusForbidden)
	b.api(s, "/x").wants(t, http.StatusOK)

	got := s.Upstream.last(t).Header
	if got.Get("X-Forwarded-Groups") != "Dev" || got.Get("X-Forwarded-Email") != "new@example.com" || got.Get("X-Department") != "audit" {
		t.Errorf("the upstream is told %v", got)
	}
}

// A session may need more cookies after a refresh, and fewer after the next.
func TestSessionGrowsAndShrinks(t *testing.T) {
	s := newLivingSite(t, func(c *config.Config) { c.SessionCookieMaxBytes = 30_000 })
	s.Provider.AddUser(inManyGroups(1))
	b := s.signedIn("erin")
	for _, groups := range []int{300, 1, 300, 0} {
		s.Provider.AddUser(inManyGroups(groups))
		b.age(s, untilDead)
		b.api(s, "/x").wants(t, http.StatusOK)
		if several := len(b.cookies(s.URL)) > 1; several != (groups > 1) {
			t.Errorf("with %d groups the session has %d cookies", groups, len(b.cookies(s.URL)))
		}
		b.api(s, "/x").wants(t, http.StatusOK)
	}
	s.wantRefreshes(4)
}

// A session that does not fit its cookies any more has ended. Signing in again says why.
func TestSessionOutgrowsItsCookies(t *testing.T) {
	s := newLivingSite(t, func(c *config.Config) { c.SessionCookieMaxBytes = 3000 })
	s.Provider.AddUser(inManyGroups(1))
	b := s.signedIn("erin")
	cookie := b.age(s, untilDead)
	s.Provider.AddUser(inManyGroups(200))
	for range 3 {
		arrives(t, s, s.asking(cookie, "/x")).wants(t, http.StatusUnauthorized)
	}
	s.wantRefreshes(1)
	s.wantResults(map[string]float64{"session_too_large": 1})
	if !slices.Contains(s.Provider.Revoked(), tokensOf(t, s)["refresh_token"]) {
		t.Error("the new refresh token is not revoked")
	}
	p := b.walk(s.URL+"/x").wants(t, http.StatusInternalServerError)
	if !strings.Contains(p.Text, "DOORWARD_SESSION_COOKIE_MAX_BYTES") {
		t.Errorf("the page says %s", p.Text)
	}
}

// Claims that cannot be used are no reason to go on with those of before.
func TestRefreshWithUnusableClaims(t *testing.T) {
	s := newLivingSite(t, nil)
	b := s.signedIn("alice")
	b.age(s, untilDead)
	s.Provider.AddUser(providertest.User{Subject: "alice", Claims: map[string]any{"groups": 7}})
	b.api(s, "/x").wants(t, http.StatusUnauthorized)
	s.wantResults(map[string]float64{"unusable_claims": 1})
	if !slices.Contains(s.Provider.Revoked(), tokensOf(t, s)["refresh_token"]) {
		t.Error("the new refresh token is not revoked")
	}
}

// Whatever is wrong with what comes with refreshed tokens ends the session: nothing of it is used, and userinfo is not asked.
func TestProviderMisbehavesAtARefresh(t *testing.T) {
	for _, m := range append(providertest.RefreshMisbehaviours(), providertest.RefreshUserinfoFault()) {
		t.Run(m.Name, func(t *testing.T) {
			t.Parallel()
			s := newLivingSite(t, nil, m)
			b := s.signedIn("alice")
			before, upstream := len(s.Provider.Requests(providertest.Userinfo)), len(s.Upstream.Received())
			cookie := b.age(s, untilDead)

			b.api(s, "/x").wants(t, http.StatusUnauthorized)

			if asked := len(s.Provider.Requests(providertest.Userinfo)) - before; (asked > 0) != (m.Stops == providertest.AtUserinfo) {
				t.Errorf("userinfo was asked %d times", asked)
			}
			if n := len(s.Upstream.Received()) - upstream; n > 0 {
				t.Errorf("the upstream received %d requests", n)
			}
			arrives(t, s, s.asking(cookie, "/x")).wants(t, http.StatusUnauthorized)
			s.wantRefreshes(1)
			s.wantResults(map[string]float64{"invalid": 1})
			failed := s.Log.events(t, "refresh_failed")
			if len(failed) != 1 || failed[0]["reason"] != "invalid" || failed[0]["error"] == "" {
				t.Errorf("the log says %v", failed)
			}
			hasNoSecret(t, s)
		})
	}
}

// By the first sid its sign-out will be reported, whatever came in between.
func TestAnotherSessionOfTheProviderAfterAnIDTokenWithoutOne(t *testing.T) {
	var refreshes atomic.Int32
	s := newLivingSite(t, nil, providertest.Mutation{Name: "refresh-id-token-sid-gone-then-other", Does: "names no sid, and then another",
		RefreshIDToken: func(_ *providertest.Provider, j *providertest.JWT) {
			if delete(j.Claims, "sid"); refreshes.Add(1) > 1 {
				j.Claims["sid"] = "another"
			}
		}})
	b := s.signedIn("alice")
	if b.carried(s).ProviderSession == "" {
		t.Fatal("the login has no sid")
	}
	b.age(s, untilDead)
	b.api(s, "/x").wants(t, http.StatusOK)
	b.age(s, untilDead)
	b.api(s, "/x").wants(t, http.StatusUnauthorized)
	s.wantResults(map[string]float64{"ok": 1, "invalid": 1})
}

// What the standards leave to the provider ends no session.
func TestOddRefreshesAreAccepted(t *testing.T) {
	for _, m := range providertest.RefreshOddities() {
		t.Run(m.Name, func(t *testing.T) {
			t.Parallel()
			s := newLivingSite(t, nil, m)
			if m.Name == "refresh-without-refresh-token" {
				s.Provider.IssueLastingRefreshTokens()
			}
			b := s.signedIn("alice")
			login := b.carried(s)
			for range 2 {
				b.age(s, untilDead)
				old := b.carried(s)
				b.api(s, "/admin/x").wants(t, http.StatusOK)
				now := b.carried(s)
				if now.AccessToken == old.AccessToken || now.Generation != old.Generation+1 {
					t.Errorf("generation %d is followed by %d", old.Generation, now.Generation)
				}
				if now.ID != login.ID || !now.AuthTime.Equal(login.AuthTime) || now.ProviderSession != login.ProviderSession || now.User != "alice" || now.Email != login.Email {
					t.Errorf("of %+v became %+v", login, now)
				}
				if left := time.Until(now.TokenExpiresAt); left < 59*time.Minute || left > time.Hour {
					t.Errorf("the token lives for %v", left)
				}
			}
			if groups := s.Upstream.last(t).Header.Get("X-Forwarded-Groups"); groups != "Admin,Dev" {
				t.Errorf("the groups are %q", groups)
			}
			if m.Name == "oidcc-client-test-refresh-token" && len(s.Provider.Requests(providertest.Userinfo)) != 3 {
				t.Error("userinfo is not asked after each refresh")
			}
			s.wantResults(map[string]float64{"ok": 2})
		})
	}
}

// A refresh token that is good for ever serves again and again, late requests included.
func TestLastingRefreshTokens(t *testing.T) {
	s := newSite(t, nil)
	s.Provider.IssueLastingRefreshTokens()
	b := s.signedIn("alice")
	first := b.age(s, untilDead)
	for n := range 3 {
		b.api(s, "/x").wants(t, http.StatusOK)
		newest := b.carried(s).AccessToken
		arrives(t, s, s.asking(first, "/x")).wants(t, http.StatusOK)
		if s.Upstream.last(t).token() != newest {
			t.Error("a late request gets an older token")
		}
		s.wantRefreshes(n + 1)
		b.age(s, untilDead)
	}
}

// The provider spends the refresh token and then cannot be asked for userinfo: the new refresh token is not lost, and no claim of
// before is taken for one of now.
func TestOutageInTheMiddleOfARefresh(t *testing.T) {
	var mu sync.Mutex
	down := false
	set := func(now bool) {
		mu.Lock()
		defer mu.Unlock()
		down = now
	}
	s := newLivingSite(t, nil, providertest.Mutation{Name: "userinfo-503-after-refresh",
		IDToken: without("groups"), AccessToken: without("groups"),
		RefreshUserinfo: func(_ *providertest.Provider, a *providertest.Answer) {
			mu.Lock()
			defer mu.Unlock()
			if down {
				providertest.Fail(http.StatusServiceUnavailable, "")(a)
			}
		}})
	b := s.signedIn("alice")
	old := b.carried(s)
	cookie := b.age(s, untilDue)
	set(true)
	b.api(s, "/x").wants(t, http.StatusOK)
	if s.Upstream.last(t).token() != old.AccessToken {
		t.Error("a token is used whose person was not asked for")
	}
	if now := b.carried(s); now.RefreshToken == old.RefreshToken || now.Generation != 1 {
		t.Error("the browser does not have the new refresh token")
	}

	set(false)
	s.Proxy.Age(10 * time.Second)
	arrives(t, s, s.asking(cookie, "/x")).wants(t, http.StatusOK)
	if s.Upstream.last(t).token() == old.AccessToken {
		t.Error("the token was not refreshed")
	}
	s.wantResults(map[string]float64{"unavailable": 1, "ok": 1})
}

// Where that refresh brought no new refresh token, the browser has all that there is, and gets nothing anew.
func TestOutageInTheMiddleOfARefreshWithALastingToken(t *testing.T) {
	s := newLivingSite(t, nil, providertest.Mutation{Name: "userinfo-503-after-refresh",
		IDToken: without("groups"), AccessToken: without("groups"),
		RefreshUserinfo: func(_ *providertest.Provider, a *providertest.Answer) {
			providertest.Fail(http.StatusServiceUnavailable, "")(a)
		}})
	s.Provider.IssueLastingRefreshTokens()
	b := s.signedIn("alice")
	b.age(s, untilDue)
	b.api(s, "/x").wants(t, http.StatusOK)
	s.wantResults(map[string]float64{"unavailable": 1})
	if now := b.carried(s); now.Generation != 0 {
		t.Errorf("the browser has generation %d", now.Generation)
	}
}

// Userinfo takes the access token of the login and not the next: whoever was in a group is not known to be in it any more, nor not to
// be in another.
func TestUserinfoRefusesTheRefreshedToken(t *testing.T) {
	for _, m := range providertest.UserinfoRefusals() {
		m.RefreshUserinfo, m.Userinfo = m.Userinfo, nil
		s := newLivingSite(t, withTeam, m)
		b := s.signedIn("alice")
		b.open(s.URL+"/admin/x").wants(t, http.StatusOK)
		b.open(s.URL+"/fin/x").wants(t, http.StatusOK)
		b.age(s, untilDead)
		b.api(s, "/x").wants(t, http.StatusOK)
		for _, path := range []string{"/admin/x", "/fin/x", "/red/x"} {
			b.open(s.URL+path).wants(t, http.StatusForbidden)
		}
		s.wantResults(map[string]float64{"ok": 1})
	}
}

// Where it is wanted always, that ends the session.
func TestUserinfoThatIsWantedRefusesTheRefreshedToken(t *testing.T) {
	m := providertest.UserinfoRefusals()[0]
	m.RefreshUserinfo, m.Userinfo = m.Userinfo, nil
	s := newLivingSite(t, func(c *config.Config) { c.Userinfo = "always" }, m)
	b := s.signedIn("alice")
	b.age(s, untilDead)
	b.api(s, "/x").wants(t, http.StatusUnauthorized)
	s.wantResults(map[string]float64{"invalid": 1})
}

// The provider's keys cannot be had while a session is refreshed, right after they changed, or since nobody asked for them yet: that
// proves nothing against the new tokens, and ends no session.
func TestKeysAreAwayDuringARefresh(t *testing.T) {
	t.Parallel()
	var away atomic.Bool
	changed, _ := providertest.Find("refresh-key-rotation")
	changed.KeySetReply = func(_ *providertest.Provider, a *providertest.Answer) {
		if away.Load() {
			providertest.Fail(http.StatusServiceUnavailable, "")(a)
		}
	}
	secrets := []string{config.NewSecret()}
	for _, started := range []bool{false, true} {
		away.Store(false)
		first := newLivingSite(t, func(c *config.Config) { c.CookieSecrets = secrets }, changed)
		b := first.signedIn("alice")
		old, cookie := b.carried(first), b.age(first, untilDue)
		s := first
		if started {
			s = newSite(t, func(c *config.Config) { c.CookieSecrets, c.IssuerURL = secrets, first.Provider.Issuer })
		}

		away.Store(true)
		arrives(t, s, s.asking(cookie, "/x")).wants(t, http.StatusOK)
		if s.Upstream.last(t).token() != old.AccessToken {
			t.Error("a token is used that could not be checked")
		}
		s.wantResults(map[string]float64{"unavailable": 1})

		away.Store(false)
		again := time.NewTicker(250 * time.Millisecond) // the session, and then the keys, are tried again after a pause
		for range 60 {
			arrives(t, s, s.asking(cookie, "/x")).wants(t, http.StatusOK)
			if s.Upstream.last(t).token() != old.AccessToken {
				break
			}
			<-again.C
		}
		again.Stop()
		if s.Upstream.last(t).token() == old.AccessToken {
			t.Error("the token was not refreshed")
		}
	}
}

func without(claim string) func(*providertest.Provider, *providertest.JWT) {
	return func(_ *providertest.Provider, j *providertest.JWT) { delete(j.Claims, claim) }
}

// Without a new ID token, and with a userinfo that says no more, the claims are those of the ID token of before.
func TestRefreshWithoutIDTokenKeepsItsClaims(t *testing.T) {
	s := newLivingSite(t, nil, providertest.Mutation{Name: "refresh-without-id-token-and-groups",
		AccessToken:  without("groups"),
		RefreshReply: func(_ *providertest.Provider, a *providertest.Answer) { delete(a.Members, "id_token") },
		Userinfo:     func(_ *providertest.Provider, a *providertest.Answer) { delete(a.Members, "groups") }})
	b := s.signedIn("alice")
	b.age(s, untilDead)
	b.api(s, "/admin/x").wants(t, http.StatusOK)
	s.wantResults(map[string]float64{"ok": 1})
}

// Groups that were taken away do not linger, though no new ID token says so: wherever they came from, that is asked again.
func TestGroupsThatWereTakenAwayWithoutANewIDToken(t *testing.T) {
	noIDToken := func(_ *providertest.Provider, a *providertest.Answer) { delete(a.Members, "id_token") }
	for name, m := range map[string]providertest.Mutation{
		"from userinfo alone":              {IDToken: without("groups"), AccessToken: without("groups")},
		"from the access token alone":      {IDToken: without("groups")},
		"from the ID and the access token": {},
		"from the ID token and userinfo":   {AccessToken: without("groups")},
		"from the ID token, and somewhere deeper": {
			IDToken:     deeper,
			AccessToken: deeper,
			Userinfo:    func(_ *providertest.Provider, a *providertest.Answer) { a.Members["realm"] = map[string]any{"x": 1} },
		},
	} {
		for what, left := range map[string][]string{"all but one": {"Dev"}, "all": nil} {
			if what == "all" && name == "from the ID token and userinfo" {
				continue // nothing says then whether userinfo ever named groups
			}
			t.Run(what+" "+name, func(t *testing.T) {
				m.Name, m.RefreshReply = "refresh-without-id-token", noIDToken
				s := newLivingSite(t, func(c *config.Config) {
					if m.Userinfo != nil {
						c.GroupsClaim = "realm.groups"
					}
				}, m)
				b := s.signedIn("alice")
				b.open(s.URL+"/admin/x").wants(t, http.StatusOK)
				s.Provider.AddUser(providertest.User{Subject: "alice", Email: "alice@example.com", Groups: left})
				for range 2 {
					b.age(s, untilDead)
					b.api(s, "/x").wants(t, http.StatusOK)
					b.open(s.URL+"/admin/x").wants(t, http.StatusForbidden)
				}
				if got := b.carried(s); strings.Join(got.Groups, ",") != strings.Join(left, ",") || got.Email != "alice@example.com" {
					t.Errorf("the session has %v, %s", got.Groups, got.Email)
				}
				s.wantResults(map[string]float64{"ok": 2})
			})
		}
	}
}

// Nor does another claim linger, by which a rule lets people in, however often the token is refreshed.
func TestAClaimThatWasTakenAwayWithoutANewIDToken(t *testing.T) {
	taken := false
	tell := func(_ *providertest.Provider, j *providertest.JWT) {
		if !taken {
			j.Claims["team"] = "red"
		}
	}
	s := newLivingSite(t, func(c *config.Config) { c.AccessRules += "\n/red/ claim:team=red" }, providertest.Mutation{
		Name: "refresh-without-id-token", IDToken: tell, AccessToken: tell,
		RefreshReply: func(_ *providertest.Provider, a *providertest.Answer) { delete(a.Members, "id_token") },
	})
	b := s.signedIn("alice")
	b.open(s.URL+"/red/").wants(t, http.StatusOK)
	taken = true
	for range 2 {
		b.age(s, untilDead)
		b.api(s, "/x").wants(t, http.StatusOK)
		b.open(s.URL+"/red/").wants(t, http.StatusForbidden)
	}
}

// deeper tells groups as a member of another claim, which stays when they go.
func deeper(_ *providertest.Provider, j *providertest.JWT) {
	realm := map[string]any{"x": 1}
	if groups, told := j.Claims["groups"]; told {
		realm["groups"] = groups
	}
	delete(j.Claims, "groups")
	j.Claims["realm"] = realm
}

// The request is exactly as the standard says (RFC 6749 6).
func TestRefreshRequest(t *testing.T) {
	s := newLivingSite(t, nil)
	b := s.signedIn("alice")
	token := b.carried(s).RefreshToken
	b.age(s, untilDead)
	b.api(s, "/x").wants(t, http.StatusOK)
	got := s.Provider.Refreshes()[0].Form
	if fmt.Sprint(got) != fmt.Sprint(map[string][]string{"grant_type": {"refresh_token"}, "refresh_token": {token}}) {
		t.Errorf("the form's members are %d: %v", len(got), got["grant_type"])
	}
}

// The same person's login takes the place of their session, and a refresh of that which is under way revokes nothing at the provider, either: it
// may count both sessions as one.
func TestLoginDuringARefreshRevokesNothing(t *testing.T) {
	s := newLivingSite(t, nil)
	b := s.signedIn("alice")
	cookie := b.age(s, untilDead)
	on, goOn := s.amidRefresh(cookie)
	b.walk(s.URL + "/oauth2/start?rd=/y")
	close(goOn)
	arrives(t, s, on).wants(t, http.StatusUnauthorized)
	s.Proxy.Rest()
	if n := len(s.Provider.Revoked()); n != 0 {
		t.Errorf("%d refresh tokens were revoked, which may end the new session, too", n)
	}
	b.api(s, "/y").wants(t, http.StatusOK)
}

// The token of a second login that fails may be the one that the session of the same person hangs on, and is not revoked. Somebody else's is of a
// session of its own at the provider, and nobody will hold it.
func TestFailedLoginGivesBackTheTokenOfSomebodyElseAlone(t *testing.T) {
	for person, revoked := range map[string]int{"alice": 0, "bob": 1} {
		t.Run(person, func(t *testing.T) {
			bad := false
			s := newLivingSite(t, nil, providertest.Mutation{Name: "groups-odd-later", IDToken: func(_ *providertest.Provider, j *providertest.JWT) {
				if bad {
					j.Claims["groups"] = 7
				}
			}})
			b := s.signedIn("alice")
			bad, b.Person = true, person
			b.walk(s.URL+"/oauth2/start?rd=/y").wants(t, http.StatusBadGateway)
			s.Proxy.Rest()
			b.api(s, "/y").wants(t, http.StatusOK)
			if n := len(s.Provider.Revoked()); n != revoked {
				t.Errorf("%d refresh tokens were revoked, want %d", n, revoked)
			}
		})
	}
}
