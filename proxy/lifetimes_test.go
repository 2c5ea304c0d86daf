package proxy_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"doorward/config"
	"doorward/proxy"
	"doorward/proxy/providertest"
)

// However often it is refreshed and used, a session ends at its absolute end.
func TestAbsoluteLifetimeDoesNotMove(t *testing.T) {
	s := newLivingSite(t, func(c *config.Config) { c.SessionMaxAge, c.SessionIdleTimeout = 3*time.Hour, 2*time.Hour })
	b := s.signedIn("alice")
	for range 3 {
		b.age(s, 55*time.Minute)
		b.api(s, "/x").wants(t, http.StatusOK)
	}
	b.age(s, 14*time.Minute)
	b.api(s, "/x").wants(t, http.StatusOK)
	b.age(s, time.Minute+time.Second)
	b.api(s, "/x").wants(t, http.StatusUnauthorized)
}

// A refresh is no login: what says when and how somebody signed in stays, and so does what a sign-out of everywhere goes by.
func TestRefreshKeepsWhenAndHowSomebodySignedIn(t *testing.T) {
	s := newLivingSite(t, nil, providertest.Mutation{Name: "acr-at-login",
		IDToken: func(_ *providertest.Provider, j *providertest.JWT) { j.Claims["acr"] = "mfa" },
		RefreshIDToken: func(_ *providertest.Provider, j *providertest.JWT) {
			delete(j.Claims, "acr")
			delete(j.Claims, "auth_time")
		}})
	b := s.signedIn("alice")
	before := opened(t, s, b.age(s, untilDead))
	b.api(s, "/x").wants(t, http.StatusOK)
	after := b.carried(s)
	if after.Generation != before.Generation+1 {
		t.Fatalf("generation %d follows %d", after.Generation, before.Generation)
	}
	if after.ID != before.ID || after.ACR != "mfa" || !after.AuthTime.Equal(before.AuthTime) || !after.CreatedAt.Equal(before.CreatedAt) || !after.ExpiresAt.Equal(before.ExpiresAt) {
		t.Errorf("acr %q of %v, made at %v, over at %v; before, %q of %v, at %v, at %v",
			after.ACR, after.AuthTime, after.CreatedAt, after.ExpiresAt, before.ACR, before.AuthTime, before.CreatedAt, before.ExpiresAt)
	}
}

// A session that was made under a shorter SESSION_MAX_AGE keeps its end when it is refreshed under a longer one.
func TestRefreshKeepsTheEndOfTheLogin(t *testing.T) {
	var settings *config.Config
	one := newLivingSite(t, func(c *config.Config) { c.SessionMaxAge, settings = 3*time.Hour, c })
	b := one.signedIn("alice")
	end := b.carried(one).ExpiresAt
	longer := *settings
	longer.SessionMaxAge = 12 * time.Hour
	two := one.replica(&longer)
	b.keep(one, two.rawAs(b.age(one, untilDead), "/x").wants(t, http.StatusOK).Header)
	if got := b.carried(two).ExpiresAt; !got.Equal(end.Add(-untilDead)) {
		t.Errorf("the end moved by %v", got.Sub(end.Add(-untilDead)))
	}
}

// A session that nobody uses ends, and use keeps it: within a tenth of the limit nothing is written anew.
func TestIdleSessionsEnd(t *testing.T) {
	idle := func(c *config.Config) { c.SessionIdleTimeout = 20 * time.Minute }
	t.Run("idle", func(t *testing.T) {
		s := newLivingSite(t, idle)
		b := s.signedIn("alice")
		b.age(s, 20*time.Minute)
		b.api(s, "/x").wants(t, http.StatusUnauthorized)
		s.wantRefreshes(0)
	})
	t.Run("used", func(t *testing.T) {
		s := newLivingSite(t, idle)
		b := s.signedIn("alice")
		for range 2 {
			b.age(s, 19*time.Minute)
			p := b.api(s, "/x").wants(t, http.StatusOK)
			if p.sessionCookie() == "" || p.Header.Get("Cache-Control") != "no-store" {
				t.Error("its use is not noted")
			}
		}
		b.age(s, time.Minute)
		if p := b.api(s, "/x"); p.sessionCookie() != "" {
			t.Error("it is written anew a minute later")
		}
	})
	t.Run("off", func(t *testing.T) {
		s := newLivingSite(t, nil)
		b := s.signedIn("alice")
		b.age(s, 11*time.Hour)
		b.api(s, "/x").wants(t, http.StatusOK)
	})
	t.Run("without refresh token", func(t *testing.T) {
		s := newSite(t, idle)
		b := s.signedIn("alice")
		b.age(s, 19*time.Minute)
		b.api(s, "/x").wants(t, http.StatusOK)
		b.age(s, 19*time.Minute)
		b.api(s, "/x").wants(t, http.StatusOK)
	})
}

// While the answer is awaited for which a session was refreshed, other requests find it in Redis as one that is in use, and not idle.
func TestARefreshedSessionIsNotIdleBeforeItsAnswer(t *testing.T) {
	over := store{shared: true, inRedis: true}.open(t)
	s := newLivingSite(t, over.with(func(c *config.Config) { c.SessionIdleTimeout = 2 * time.Hour }))
	b := s.signedIn("alice")
	id, cookie := b.carried(s).ID, b.age(s, untilDead)
	slow, goOn := s.amidAnswer(cookie)
	s.settle(id, cookie)
	s.rawAs(cookie, "/x").wants(t, http.StatusOK)
	close(goOn)
	arrives(t, s, slow).wants(t, http.StatusOK)
}

// What userinfo says of a session's times, without touching any of them.
func TestUserinfoExtendsNothing(t *testing.T) {
	s := newLivingSite(t, func(c *config.Config) { c.SessionIdleTimeout = 2 * time.Hour })
	b := s.signedIn("alice")
	ask := func() map[string]any {
		p := b.api(s, "/oauth2/userinfo").wants(t, http.StatusOK)
		if len(p.Header["Set-Cookie"]) > 0 {
			t.Errorf("it sets %v", p.Header["Set-Cookie"])
		}
		var told map[string]any
		if err := json.Unmarshal([]byte(p.Text), &told); err != nil {
			t.Fatal(err)
		}
		return told
	}
	near := func(told map[string]any, name string, want time.Duration) {
		t.Helper()
		if got, _ := told[name].(float64); got > want.Seconds() || got < want.Seconds()-60 {
			t.Errorf("%s is %v, want about %v", name, told[name], want.Seconds())
		}
	}
	aged := time.Duration(0)
	for _, age := range []time.Duration{0, 50 * time.Minute, 30 * time.Minute} {
		b.age(s, age)
		aged += age
		told := ask()
		lived := aged + time.Since(b.carried(s).CreatedAt)
		near(told, "expires_in", 12*time.Hour-lived)
		near(told, "token_expires_in", max(0, time.Hour-lived))
		near(told, "idle_in", 2*time.Hour-lived)
	}
	s.wantRefreshes(0)
	b.age(s, 40*time.Minute)
	b.api(s, "/oauth2/userinfo").wants(t, http.StatusUnauthorized)

	quiet := newSite(t, nil)
	if p := quiet.signedIn("alice").api(quiet, "/oauth2/userinfo"); strings.Contains(p.Text, "idle_in") {
		t.Errorf("without an idle limit it says %s", p.Text)
	}
}

// What becomes of a session whose token is dead and cannot be refreshed is for SESSION_WITHOUT_REFRESH to say.
func TestSessionWithoutRefresh(t *testing.T) {
	keep := func(c *config.Config) { c.SessionWithoutRefresh = "keep" }
	tokenless := func(t *testing.T, s *site, b *browser) {
		t.Helper()
		b.request(http.MethodGet, s.URL+"/x", headers("Accept", "application/json", "Authorization", "Basic dGhlaXJz"), "").wants(t, http.StatusOK)
		got := s.Upstream.last(t).Header
		if got.Get("X-Forwarded-User") != "alice" || got.Get("Authorization") != "" || got.Get("X-Forwarded-Access-Token") != "" {
			t.Errorf("the upstream gets %v", got)
		}
	}
	t.Run("end", func(t *testing.T) {
		s := newSite(t, nil)
		b := s.signedIn("alice")
		b.age(s, untilDead)
		b.api(s, "/x").wants(t, http.StatusUnauthorized)
	})
	for _, token := range []string{"bearer", "x-forwarded-access-token"} {
		t.Run("keep, "+token, func(t *testing.T) {
			s := newSite(t, func(c *config.Config) {
				keep(c)
				c.Upstreams += " token=" + token
			})
			b := s.signedIn("alice")
			b.age(s, untilDead)
			tokenless(t, s, b)
			b.age(s, 11*time.Hour)
			b.api(s, "/x").wants(t, http.StatusUnauthorized)
		})
	}
	t.Run("keep, and the provider is down", func(t *testing.T) {
		s := newLivingSite(t, keep)
		b := s.signedIn("alice")
		b.age(s, untilDead)
		s.Provider.FailRefreshes(providertest.Fail(http.StatusServiceUnavailable, ""))
		tokenless(t, s, b)
		tokenless(t, s, b)
		s.wantRefreshes(1)
		s.Provider.FailRefreshes(nil)
		s.Proxy.Age(10 * time.Second)
		b.api(s, "/x").wants(t, http.StatusOK)
		if s.Upstream.last(t).token() == "" {
			t.Error("there is no token after the refresh")
		}
	})
	t.Run("keep does not keep what the provider has ended", func(t *testing.T) {
		s := newLivingSite(t, keep)
		b := s.signedIn("alice")
		b.age(s, untilDead)
		s.Provider.EndGrants("alice")
		b.api(s, "/x").wants(t, http.StatusUnauthorized)
	})
}

// REFRESH_BEFORE says when, but never before half of a token's life is over.
func TestRefreshBefore(t *testing.T) {
	for _, test := range []struct {
		name           string
		before, life   time.Duration
		notYet, nowDue time.Duration
	}{
		{"as set", 5 * time.Minute, time.Hour, 54 * time.Minute, 55*time.Minute + time.Second},
		{"nothing", 0, time.Hour, time.Hour - 10*time.Second, untilDead},
		{"longer than the token lives", time.Hour, 10 * time.Minute, 4 * time.Minute, 5*time.Minute + time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newLivingSite(t, func(c *config.Config) { c.RefreshBefore = test.before })
			s.Provider.SetTokenLifetime(test.life)
			b := s.signedIn("alice")
			b.age(s, test.notYet)
			b.api(s, "/x").wants(t, http.StatusOK)
			s.wantRefreshes(0)
			b.age(s, test.nowDue-test.notYet)
			b.api(s, "/x").wants(t, http.StatusOK)
			s.Proxy.Rest()
			s.wantRefreshes(1)
			b.api(s, "/x").wants(t, http.StatusOK)
			s.wantRefreshes(1)
		})
	}
}

// Without expires_in the token's own end counts when it was checked, else that of the ID token, else an hour.
func TestTokensThatDoNotSayHowLongTheyLive(t *testing.T) {
	lives := func(d time.Duration) func(*providertest.Provider, *providertest.JWT) {
		return func(_ *providertest.Provider, j *providertest.JWT) { j.Claims["exp"] = time.Now().Add(d).Unix() }
	}
	silent := func(_ *providertest.Provider, a *providertest.Answer) { delete(a.Members, "expires_in") }
	for _, test := range []struct {
		name     string
		mutation providertest.Mutation
		opaque   bool
		want     time.Duration
	}{
		{"the access token says it", providertest.Mutation{TokenReply: silent, AccessToken: lives(20 * time.Minute), IDToken: lives(10 * time.Minute)}, false, 20 * time.Minute},
		{"the ID token says it", providertest.Mutation{TokenReply: silent, AccessToken: lives(20 * time.Minute), IDToken: lives(10 * time.Minute)}, true, 10 * time.Minute},
		{"nobody says it", providertest.Mutation{TokenReply: silent, IDToken: lives(10 * time.Minute),
			RefreshReply: func(_ *providertest.Provider, a *providertest.Answer) { delete(a.Members, "id_token") }}, true, time.Hour},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.mutation.Name = test.name
			s := newLivingSite(t, func(c *config.Config) {
				if test.opaque {
					c.Audience = nil
				}
			}, test.mutation)
			b := s.signedIn("alice")
			b.age(s, untilDead)
			b.api(s, "/x").wants(t, http.StatusOK)
			if left := time.Until(b.carried(s).TokenExpiresAt); left > test.want || left < test.want-time.Minute {
				t.Errorf("the refreshed token lives for %v, want %v", left, test.want)
			}
		})
	}
}

// Signing out revokes the newest refresh token at the provider, and neither waits for that nor fails with it.
func TestSignOutRevokesTheRefreshToken(t *testing.T) {
	for name, bend := range map[string]func(*providertest.Answer){
		"200": nil,
		"400": providertest.Fail(http.StatusBadRequest, "unsupported_token_type"),
		"503": providertest.Fail(http.StatusServiceUnavailable, ""),
	} {
		t.Run(name, func(t *testing.T) {
			s := newLivingSite(t, nil)
			s.Provider.BendRevocations(bend)
			b := s.signedIn("alice")
			old := b.age(s, untilDead)
			arrives(t, s, s.asking(old, "/x")).wants(t, http.StatusOK) // the browser does not hear of the new token
			newest := tokensOf(t, s)
			s.Proxy.Rest() // or the sign-out meets the end of the refresh, and both revoke

			p := b.request(http.MethodPost, s.URL+"/oauth2/sign_out", headers("Sec-Fetch-Site", "same-origin"), "").wants(t, http.StatusSeeOther)

			if hint := p.location().Query().Get("id_token_hint"); hint != newest["id_token"] {
				t.Error("the hint is not the newest ID token")
			}
			s.Proxy.Rest()
			requests := s.Provider.Requests(providertest.Revocation)
			if len(requests) != 1 || requests[0].Refused != "" || requests[0].Form.Get("token") != newest["refresh_token"] || requests[0].Form.Get("token_type_hint") != "refresh_token" {
				t.Errorf("%d revocations, and not that of the newest refresh token", len(requests))
			}
			if failed := s.Log.events(t, "revocation_failed"); (len(failed) == 1) != (bend != nil) {
				t.Errorf("the log says %v", failed)
			}
			hasNoSecret(t, s)

			// Once more with a copy of the cookie: that session was over already.
			r := headers("Sec-Fetch-Site", "same-origin", "Cookie", old)
			s.browser().request(http.MethodPost, s.URL+"/oauth2/sign_out", r, "")
			s.Proxy.Rest()
			if n := len(s.Provider.Requests(providertest.Revocation)); n != 1 {
				t.Errorf("the provider was told %d times", n)
			}
		})
	}
}

func TestSignOutDoesNotWaitForTheRevocation(t *testing.T) {
	s := newLivingSite(t, nil)
	s.Provider.BendRevocations(providertest.Never)
	b := s.signedIn("alice")
	began := time.Now()
	b.request(http.MethodPost, s.URL+"/oauth2/sign_out", headers("Sec-Fetch-Site", "same-origin"), "").wants(t, http.StatusSeeOther)
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it took %v", took)
	}
}

// The page that asks whether to sign out looks at the session and leaves it as it is.
func TestSignOutPageDoesNotRefresh(t *testing.T) {
	s := newLivingSite(t, nil)
	b := s.signedIn("alice")
	b.age(s, untilDead)
	if p := b.open(s.URL+"/oauth2/sign_out").wants(t, http.StatusOK); !strings.Contains(p.Text, "alice") || len(p.Header["Set-Cookie"]) > 0 {
		t.Errorf("the page is %s", p.Text)
	}
	s.wantRefreshes(0)
}

// Providers that have no revocation endpoint are not told.
func TestProviderWithoutRevocation(t *testing.T) {
	s := newLivingSite(t, nil, providertest.Mutation{Name: "without-revocation", Metadata: func(_ *providertest.Provider, m map[string]any) {
		delete(m, "revocation_endpoint")
	}})
	b := s.signedIn("alice")
	b.request(http.MethodPost, s.URL+"/oauth2/sign_out", headers("Sec-Fetch-Site", "same-origin"), "").wants(t, http.StatusSeeOther)
	s.Proxy.Rest()
	if n := len(s.Provider.Requests(providertest.Revocation)); n != 0 {
		t.Errorf("it was told %d times", n)
	}
	if failed := s.Log.events(t, "revocation_failed"); len(failed) > 0 {
		t.Errorf("the log complains: %v", failed)
	}
}

// A login ends the session before it. Somebody else's is over at once, so that no late answer brings it back.
func TestLoginEndsTheSessionOfSomebodyElse(t *testing.T) {
	s := newLivingSite(t, nil)
	b := s.signedIn("alice")
	token := b.carried(s).RefreshToken
	cookie := b.age(s, untilDead)
	on, goOn := s.amidAnswer(cookie)
	b.Person = "bob"
	b.walk(s.URL + "/oauth2/start?rd=/x")
	close(goOn)

	p := arrives(t, s, on)

	if p.sessionCookie() != "" {
		t.Error("a late answer brings the cookies of before back")
	}
	arrives(t, s, s.asking(cookie, "/x")).wants(t, http.StatusUnauthorized)
	s.Proxy.Rest()
	if slices.Contains(s.Provider.Revoked(), token) || len(s.Provider.Revoked()) != 1 {
		t.Error("it is not the newest refresh token that is revoked")
	}
	b.api(s, "/x").wants(t, http.StatusOK)
	if user := s.Upstream.last(t).Header.Get("X-Forwarded-User"); user != "bob" {
		t.Errorf("the user is %q", user)
	}
}

// After a login of the same person, as after one that steps up, the session before is over: copies of its cookies open nothing, a
// late answer brings none back, and a sign-out leaves nothing behind.
func TestALoginEndsTheSessionBefore(t *testing.T) {
	for name, configure := range map[string]func(*config.Config){
		"lax": nil,
		// The callback comes from the provider's site, and without the session's cookies.
		"strict": func(c *config.Config) { c.CookieSamesite = "strict" },
	} {
		t.Run(name, func(t *testing.T) {
			s := newLivingSite(t, configure)
			b := s.signedIn("alice")
			before := b.age(s, untilDead)
			slow, goOn := s.amidAnswer(before)
			callback := b.callbackAddress(s, "/oauth2/start?rd=/x")
			for _, c := range b.cookies(s.URL) {
				if name == "strict" && !strings.Contains(c.Name, "-login-") {
					b.forget(s, c.Name)
				}
			}
			b.open(callback)
			close(goOn)

			if p := arrives(t, s, slow); p.sessionCookie() != "" {
				t.Error("a late answer brings the cookies of before back")
			}
			s.rawAs(before, "/x").wants(t, http.StatusUnauthorized)
			if len(s.Provider.Revoked()) != 0 {
				t.Error("the refresh token was revoked, which may end the new session, too")
			}
			b.api(s, "/x").wants(t, http.StatusOK)
		})
	}
}

// replica is a second doorward before the same upstream, with the same settings, that shares nothing else.
func (s *site) replica(c *config.Config) *site {
	s.t.Helper()
	other := *s
	other.Proxy = s.another(c)
	other.server = httptest.NewServer(other.Proxy)
	s.t.Cleanup(other.server.Close)
	return &other
}

// another is a doorward with these settings, and nothing in memory.
func (s *site) another(c *config.Config) *proxy.Proxy {
	s.t.Helper()
	p, err := proxy.New(proxy.Options{Config: c, Log: proxy.NewLog(s.Log, c), Version: "test"})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(p.Close)
	reached(s.t, p)
	*s.instances = append(*s.instances, p)
	return p
}

// rawAs asks as a program does, with a Cookie header, this doorward and no other.
func (s *site) rawAs(cookie, path string) *page {
	s.t.Helper()
	return s.rawGet(path, "Accept: application/json", "Cookie: "+cookie)
}

// Two doorwards that share nothing: a refresh token that one has spent costs a redirect at the other, ends nobody's newer session,
// and is not asked for again.
func TestTwoReplicas(t *testing.T) {
	var settings *config.Config
	one := newLivingSite(t, func(c *config.Config) { settings = c })
	two := one.replica(settings)
	b := one.signedIn("alice")
	cookie := b.age(one, untilDead)

	fresh := one.rawAs(cookie, "/x").wants(t, http.StatusOK)
	for range 3 {
		late := two.rawAs(cookie, "/x").wants(t, http.StatusUnauthorized)
		if len(late.Header["Set-Cookie"]) > 0 {
			t.Errorf("the one that came too late sets %v", late.Header["Set-Cookie"])
		}
	}
	one.wantRefreshes(2) // the second was refused

	newer := fresh.sessionCookie()
	for _, at := range []*site{one, two, one, two} {
		at.rawAs(newer, "/x").wants(t, http.StatusOK)
	}
	// The provider has taken the second for a theft: the next refresh is refused. It costs a login, at whichever.
	b.keep(one, fresh.Header)
	due := b.age(one, untilDead)
	for _, at := range []*site{two, one, two, one} {
		at.rawAs(due, "/x").wants(t, http.StatusUnauthorized)
	}
	b.walk(one.URL+"/x").wants(t, http.StatusOK)
	two.rawAs(b.cookieHeader(one), "/x").wants(t, http.StatusOK)
}

// A session goes back and forth between two doorwards, each of which refreshes it in turn.
func TestReplicasTakeTurns(t *testing.T) {
	var settings *config.Config
	one := newLivingSite(t, func(c *config.Config) { settings = c })
	two := one.replica(settings)
	b := one.signedIn("alice")
	for turn := range 6 {
		cookie := b.age(one, untilDead)
		at := []*site{one, two}[turn%2]
		p := at.rawAs(cookie, "/x").wants(t, http.StatusOK)
		b.keep(one, p.Header)
		if got := b.carried(one).Generation; got != turn+1 {
			t.Fatalf("after turn %d the browser has generation %d", turn, got)
		}
		at.rawAs(cookie, "/x").wants(t, http.StatusOK)
	}
	one.wantRefreshes(6)
}

// Replicas that both refresh the same generation, where the provider lets them: both branches live, and neither stands in the other's way.
func TestReplicasWithLastingRefreshTokens(t *testing.T) {
	var settings *config.Config
	one := newSite(t, func(c *config.Config) { settings = c })
	one.Provider.IssueLastingRefreshTokens()
	two := one.replica(settings)
	b := one.signedIn("alice")
	for turn := range 3 {
		cookie := b.age(one, untilDead)
		one.rawAs(cookie, "/x").wants(t, http.StatusOK)
		p := two.rawAs(cookie, "/x").wants(t, http.StatusOK)
		b.keep(one, p.Header)
		one.rawAs(b.cookieHeader(one), "/x").wants(t, http.StatusOK)
		one.wantRefreshes(2 * (turn + 1))
	}
}

// Secrets rotate under sessions that are refreshed.
func TestRefreshSealsWithTheFirstSecret(t *testing.T) {
	var settings *config.Config
	one := newLivingSite(t, func(c *config.Config) { settings = c })
	b := one.signedIn("alice")
	cookie := b.age(one, untilDead)
	rotated := *settings
	rotated.CookieSecrets = []string{config.NewSecret(), settings.CookieSecrets[0]}
	two := one.replica(&rotated)
	fresh := two.rawAs(cookie, "/x").wants(t, http.StatusOK).sessionCookie()
	rotated.CookieSecrets = rotated.CookieSecrets[:1]
	one.replica(&rotated).rawAs(fresh, "/x").wants(t, http.StatusOK)
}
