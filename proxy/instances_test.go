package proxy_test

import (
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"doorward/config"
	"doorward/proxy"
	"doorward/proxy/providertest"
)

// What several doorwards that share a Redis do for the same people, wherever the sessions live.

// instances runs a test with two of them, before the same upstream.
func instances(t *testing.T, test func(t *testing.T, one, two *site), mutations ...providertest.Mutation) {
	eachStore(t, func(t *testing.T, over store) {
		if !over.shared {
			t.SkipNow()
		}
		var settings *config.Config
		one := newLivingSite(t, over.with(func(c *config.Config) { settings = c }), mutations...)
		one.Provider.RegisterLogout(one.URL+"/oauth2/backchannel-logout", "")
		test(t, one, one.replica(settings))
	})
}

// hears waits until a doorward has heard that saved cookies are nobody's.
func hears(t *testing.T, s *site, cookies string) {
	t.Helper()
	eventually(t, func() bool { return s.status(cookies) == http.StatusUnauthorized })
}

// frameHere loads our frame from this doorward and no other.
func (s *site) frameHere(sid string) *page {
	s.t.Helper()
	return s.rawGet(strings.TrimPrefix(s.frameAddress(s.Provider.Issuer, sid), s.URL), "Sec-Fetch-Dest: iframe")
}

// A refresh token is spent once, whoever is asked, and whatever the cookie's age.
func TestInstancesRefreshOnce(t *testing.T) {
	instances(t, func(t *testing.T, one, two *site) {
		b := one.signedIn("alice")
		for round := range 3 {
			cookie := b.age(one, untilDead)
			var answers []<-chan asked
			for i := range 20 {
				answers = append(answers, []*site{one, two}[i%2].asking(cookie, "/x"))
			}
			for _, on := range answers {
				p := arrives(t, one, on).wants(t, http.StatusOK)
				b.keep(one, p.Header)
			}
			one.wantRefreshes(round + 1)
			if got := b.carried(one).Generation; got != round+1 {
				t.Errorf("the browser has generation %d", got)
			}
			one.settle(b.carried(one).ID, b.cookieHeader(one))
		}
		one.Proxy.Rest()
		two.Proxy.Rest()
		results := map[string]float64{}
		for _, s := range []*site{one, two} {
			for _, result := range []string{"ok", "elsewhere"} {
				results[result] += s.metric(`doorward_refreshes_total{result="` + result + `"}`)
			}
			eventually(t, func() bool { return s.metric("doorward_redis_up") == 1 })
		}
		if results["ok"] != 3 || results["elsewhere"] == 0 {
			t.Errorf("counted are %v", results)
		}
	})
}

// A session that ends at one ends at the other, however it ends.
func TestInstancesHearOfLogouts(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, one *site, b *browser, sid string){
		"a sign-out": func(_ *testing.T, one *site, b *browser, _ string) { b.signOut(one, "") },
		"everywhere": func(_ *testing.T, one *site, b *browser, _ string) { b.signOut(one, "?everywhere") },
		"the provider": func(t *testing.T, one *site, _ *browser, sid string) {
			isAnswered(t, one.Provider.PostLogout(one.Provider.LogoutToken("", sid)), http.StatusOK)
		},
		"the provider's browser": func(t *testing.T, one *site, _ *browser, sid string) {
			isFrame(t, one, one.frame(one.Provider.Issuer, sid))
		},
		"another login": func(_ *testing.T, one *site, b *browser, _ string) {
			b.Person = "bob"
			b.walk(one.URL + "/oauth2/start")
		},
		"the provider refuses": func(t *testing.T, one *site, b *browser, _ string) {
			one.Provider.EndGrants("alice")
			one.rawAs(b.age(one, untilDead), "/x").wants(t, http.StatusUnauthorized)
		},
	} {
		t.Run(name, func(t *testing.T) {
			instances(t, func(t *testing.T, one, two *site) {
				b := one.signedIn("alice")
				cookies, sid := b.cookieHeader(one), sidOf(t, one)
				inSession(t, two, "before", cookies, true)

				end(t, one, b, sid)

				inSession(t, one, "where it ended", cookies, false)
				hears(t, two, cookies)
			})
		})
	}
}

// The same person's login at one takes the place of a session that the other is refreshing, which revokes nothing at the provider then: it may
// count both sessions as one.
func TestInstancesRevokeNothingAtALogin(t *testing.T) {
	instances(t, func(t *testing.T, one, two *site) {
		b := one.signedIn("alice")
		before := b.age(one, untilDead)
		on, goOn := two.amidRefresh(before)
		b.walk(one.URL + "/oauth2/start")
		hears(t, two, before)
		close(goOn)
		arrives(t, two, on).wants(t, http.StatusUnauthorized)
		two.Proxy.Rest()
		if n := len(one.Provider.Revoked()); n != 0 {
			t.Errorf("%d refresh tokens were revoked, which may end the new session, too", n)
		}
	})
}

// Somebody who signs out at one means the tokens, too, that the other gets at that moment.
func TestInstancesRevokeWhatComesAfterASignOut(t *testing.T) {
	instances(t, func(t *testing.T, one, two *site) {
		b := one.signedIn("alice")
		before := b.age(one, untilDead)
		on, goOn := two.amidRefresh(before)
		one.Proxy.Rest()
		b.signOut(one, "")
		one.Proxy.Rest()
		n := len(one.Provider.Revoked())
		hears(t, two, before)
		close(goOn)
		arrives(t, two, on).wants(t, http.StatusUnauthorized)
		two.Proxy.Rest()
		if more := len(one.Provider.Revoked()) - n; more != 1 {
			t.Errorf("%d refresh tokens were revoked after the refresh, want 1", more)
		}
	})
}

// A frame of the provider's goes to whichever doorward, and that one ends a session that it has never seen: people came with it to another,
// or to a process that is gone.
func TestInstancesKnowEachOthersProviderSessions(t *testing.T) {
	instances(t, func(t *testing.T, one, two *site) {
		b := one.signedIn("alice")
		cookies, sid := b.cookieHeader(one), sidOf(t, one)
		two.frameHere(sid + "x")
		inSession(t, two, "after a frame for another", cookies, true)
		b = one.signedIn("alice")
		cookies, sid = b.cookieHeader(one), sidOf(t, one)

		isFrame(t, two, two.frameHere(sid))

		inSession(t, two, "the session", cookies, false)
		hears(t, one, cookies)
		isFrame(t, two, two.frameHere(sid)) // once more
		if n := logouts(two, "front_channel"); n != 1 {
			t.Errorf("%v logouts are counted", n)
		}
	})
}

// A refresh may bring the sid.
func TestInstancesKnowTheProviderSessionOfARefresh(t *testing.T) {
	late := providertest.Mutation{Name: "sid-at-refresh", IDToken: func(_ *providertest.Provider, j *providertest.JWT) { delete(j.Claims, "sid") },
		RefreshIDToken: func(_ *providertest.Provider, j *providertest.JWT) { j.Claims["sid"] = "late" }}
	instances(t, func(t *testing.T, one, two *site) {
		b := one.signedIn("alice")
		p := one.rawAs(b.age(one, untilDead), "/x").wants(t, http.StatusOK)
		b.keep(one, p.Header)
		cookies := b.cookieHeader(one)

		isFrame(t, two, two.frameHere("late"))

		hears(t, one, cookies)
	}, late)
}

// A logout token is good for one use, and not for one at each doorward: a new login of the same person would end with it.
func TestInstancesTakeALogoutTokenOnce(t *testing.T) {
	instances(t, func(t *testing.T, one, two *site) {
		b := one.signedIn("alice")
		before, token := b.cookieHeader(one), one.Provider.LogoutToken("alice", "the-one")
		isAnswered(t, one.Provider.PostLogout(token), http.StatusOK)
		hears(t, two, before)
		b.walk(one.URL + "/")

		one.Provider.RegisterLogout(two.server.URL+"/oauth2/backchannel-logout", "")
		isAnswered(t, one.Provider.PostLogout(token), http.StatusBadRequest)

		inSession(t, one, "the new session", b.cookieHeader(one), true)
		isAnswered(t, one.Provider.PostLogout(one.Provider.LogoutToken("alice", "the-one")), http.StatusOK)
		hears(t, one, b.cookieHeader(one))
	}, inOneSession())
}

// Whoever was signed out stays so when all doorwards are started again.
func TestLogoutsSurviveARestartOverRedis(t *testing.T) {
	instances(t, func(t *testing.T, one, two *site) {
		b := one.signedIn("alice")
		out := []string{b.cookieHeader(one)}
		b.signOut(one, "")
		out = append(out, one.signedIn("alice").cookieHeader(one))
		isAnswered(t, one.Provider.PostLogout(one.Provider.LogoutToken("", sidOf(t, one))), http.StatusOK)
		out = append(out, one.signedIn("bob").cookieHeader(one))
		one.signedIn("bob").signOut(one, "?everywhere")
		carol := one.signedIn("carol")
		one.Proxy.Close()
		two.Proxy.Close()

		after := one.replica(one.settings)

		for _, cookies := range out {
			inSession(t, after, "one that was signed out", cookies, false)
		}
		inSession(t, after, "carol", carol.cookieHeader(one), true)
	})
}

// Two doorwards with different secrets during a rotation: each opens what the other seals, in cookies and in Redis.
func TestInstancesDuringARotation(t *testing.T) {
	eachStore(t, func(t *testing.T, over store) {
		var settings *config.Config
		one := newLivingSite(t, over.with(func(c *config.Config) {
			c.CookieSecrets = []string{config.NewSecret(), config.NewSecret()}
			settings = c
		}))
		turned := *settings
		turned.CookieSecrets = []string{settings.CookieSecrets[1], settings.CookieSecrets[0]}
		two := one.replica(&turned)
		b := one.signedIn("alice")
		for turn := range 4 {
			at := []*site{two, one}[turn%2]
			p := at.rawAs(b.age(one, untilDead), "/x").wants(t, http.StatusOK)
			b.keep(one, p.Header)
			if got := b.carried(one).Generation; got != turn+1 {
				t.Errorf("after turn %d the generation is %d", turn, got)
			}
		}
	})
}

// A session that is too large for Redis is no matter of cookies, at a refresh and at a login.
func TestSessionTooLargeForRedis(t *testing.T) {
	without := func(_ *providertest.Provider, j *providertest.JWT) { delete(j.Claims, "groups") }
	s := newLivingSite(t, stores()[2].open(t).with(func(c *config.Config) { c.ForwardGroups = "matched" }), providertest.Mutation{Name: "groups-at-userinfo-alone",
		IDToken: without, AccessToken: without, RefreshIDToken: without, RefreshAccessToken: without})
	s.Provider.AddUser(inManyGroups(1))
	b := s.signedIn("erin")
	cookie := b.age(s, untilDead)
	s.Provider.AddUser(inManyGroups(6000))
	s.rawAs(cookie, "/x").wants(t, http.StatusUnauthorized)
	s.wantResults(map[string]float64{"session_too_large": 1})

	p := b.walk(s.URL+"/x").wants(t, http.StatusInternalServerError)

	isPage(t, p)
	if strings.Contains(p.Text, "cookie") || strings.Contains(p.Text, "COOKIE") || !strings.Contains(p.Text, "may have 65536") {
		t.Errorf("the page says %s", p.Text)
	}
	if n := s.metric(`doorward_logins_total{result="session_too_large"}`); n != 1 {
		t.Errorf("%v are counted", n)
	}
	hasNoSession(t, s, b)
}

// A doorward whose Redis was never there says so, sends nobody to a login that cannot end well, and ends quickly.
func TestRedisWasNeverThere(t *testing.T) {
	s := newSite(t, nil)
	c := *s.settings
	c.RedisURL, c.SessionStore = "redis://"+nobodyListens(t), "cookie"
	p, err := proxy.New(proxy.Options{Config: &c, Log: proxy.NewLog(s.Log, &c), Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	held := s.signedIn("alice").cookieHeader(s)
	s.serving.Store(p)
	s.Proxy, s.settings = p, &c

	answer := s.rawAs(held, "/x").wants(t, http.StatusServiceUnavailable)
	person := s.browser().open(s.URL+"/x").wants(t, http.StatusServiceUnavailable)

	if answer.Header.Get("Retry-After") == "" || person.Header.Get("Retry-After") == "" {
		t.Error("nobody is told when to try again")
	}
	isPage(t, person)
	if s.metric("doorward_redis_up") != 0 || s.metric("doorward_logins_started_total") != 0 {
		t.Errorf("the metrics are %v", s.metrics())
	}
}

// nobodyListens is an address where nobody does.
func nobodyListens(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// What goes on at one ends with what happens at the other.
func TestInstancesCutConnections(t *testing.T) {
	for name, test := range map[string]struct {
		end    func(t *testing.T, one, two *site, b *browser)
		reason string
	}{
		"signed out": {func(t *testing.T, one, two *site, _ *browser) {
			if err := two.Proxy.Sessions().RevokeSubject(one.Provider.Issuer, "alice"); err != nil {
				t.Error(err)
			}
		}, "revoked"},
		"refreshed claims": {func(t *testing.T, one, two *site, b *browser) {
			one.Provider.AddUser(providertest.User{Subject: "alice", Groups: []string{"Dev"}})
			b.age(one, untilDue)
			two.rawAs(b.cookieHeader(one), "/x").wants(t, http.StatusOK)
		}, "denied"},
	} {
		t.Run(name, func(t *testing.T) {
			instances(t, func(t *testing.T, one, two *site) {
				b := one.signedIn("alice")
				newEchoBesideWebSockets(one)
				ended := converses(t, one, b.client, "/admin/ws")
				test.end(t, one, two, b)
				isCut(t, "the WebSocket", ended)
				wasCut(t, one, test.reason)
			})
		})
	}
}

// overRedisAlone is a site whose sessions live in Redis, and a second doorward before the same upstream.
func overRedisAlone(t *testing.T, more func(*config.Config)) (one, two *site) {
	t.Helper()
	over := store{name: "redis", shared: true, inRedis: true}.open(t)
	var settings *config.Config
	one = newLivingSite(t, over.with(func(c *config.Config) { more(c); settings = c }))
	return one, one.replica(settings)
}

// A silent connection at one doorward is no idle session while another one gets requests of it.
func TestUseElsewhereKeepsConnections(t *testing.T) {
	const idle = 3 * time.Second
	one, two := overRedisAlone(t, func(c *config.Config) { c.SessionIdleTimeout = idle })
	b := one.signedIn("alice")
	newEchoBesideWebSockets(one)
	ended, opened := converses(t, one, b.client, "/ws"), time.Now()
	ticker := time.NewTicker(idle / 30)
	defer ticker.Stop()
	for time.Since(opened) < idle+idle/2 {
		<-ticker.C
		two.rawAs(b.cookieHeader(one), "/x").wants(t, http.StatusOK)
	}
	select {
	case err := <-ended:
		t.Fatalf("it is cut: %v", err)
	default:
	}
	isCut(t, "what is not used any more", ended)
	wasCut(t, one, "idle")
}

// A session that Redis has lost is none, and ends what it let in.
func TestLostSessionsEndConnections(t *testing.T) {
	one, _ := overRedisAlone(t, func(*config.Config) {})
	b := one.signedIn("alice")
	newEndless(one)
	ended := converses(t, one, b.client, "/ws")
	if err := one.stored.client.Do(t.Context(), one.stored.client.B().Del().Key(one.stored.key(b.carried(one).ID)).Build()).Error(); err != nil {
		t.Fatal(err)
	}
	isCut(t, "a WebSocket", ended)
	eventually(t, func() bool { return one.metric(`doorward_connections_cut_total{reason="lost"}`) == 1 })
}

// A sid that came with a refresh at one doorward ends what goes on at another, when the provider names it.
func TestSidsOfARefreshElsewhereEndConnections(t *testing.T) {
	late := providertest.Mutation{
		IDToken:        func(_ *providertest.Provider, j *providertest.JWT) { delete(j.Claims, "sid") },
		RefreshIDToken: func(_ *providertest.Provider, j *providertest.JWT) { j.Claims["sid"] = "late" },
	}
	instances(t, func(t *testing.T, one, two *site) {
		b := one.signedIn("alice")
		newEchoBesideWebSockets(one)
		ended := converses(t, one, b.client, "/ws")
		b.keep(one, two.rawAs(b.age(one, untilDue), "/x").wants(t, http.StatusOK).Header)
		cookies := b.cookieHeader(one)
		isAnswered(t, one.Provider.PostLogout(one.Provider.LogoutToken("", "late")), http.StatusOK)
		hears(t, one, cookies)
		isCut(t, "the WebSocket", ended)
	}, late)
}
