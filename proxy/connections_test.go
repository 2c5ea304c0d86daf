package proxy

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"doorward/config"
	"doorward/proxy/access"
	"doorward/proxy/provider"
	"doorward/session"
)

// watched is a Proxy of which only what watches connections is there, with a session that lives for twelve hours.
type watched struct {
	*Proxy
	t       testing.TB
	session *session.Session
}

// newWatched watches until the test ends. idle is the idle limit, 0 for none.
func newWatched(t testing.TB, idle time.Duration) *watched {
	m, err := session.NewManager(session.Options{Secrets: [][]byte{[]byte("0123456789abcdefghijklmnopqrstuv")}, CookieName: "s", IdleTimeout: idle})
	if err != nil {
		t.Fatal(err)
	}
	f := newRefresher(t, &standIn{})
	f.sessions = m
	s := sessionWith("s", time.Hour)
	s.UsedAt = time.Now()
	w := &watched{&Proxy{config: &config.Config{IdleTimeout: time.Hour}, sessions: m, refreshes: f, connections: newConnections(), background: f.background}, t, s}
	policy, err := access.Compile("/ authenticated", nil)
	if err != nil {
		t.Fatal(err)
	}
	w.useRules(policy)
	w.background.always(w.watch)
	t.Cleanup(func() { w.background.close(0) })
	return w
}

// open begins an exchange that the session was let in with by these rules.
func (w *watched) open(rules ...*access.Route) (*exchange, context.Context) {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	x := newExchange(httptest.NewRecorder(), r, 0)
	x.rules = w.rules.Load()
	x.connection.seals = w.sessions.Seals()
	x.connection.cameWith(w.session, w.session)
	if len(rules) > 0 {
		x.connection.rule = rules[0]
	}
	if len(rules) > 1 {
		x.connection.toRule = rules[1]
	}
	return x, w.connections.begin(x, r).Context()
}

// endsAfter waits for an exchange to be cut, for that reason, so long after began or up to a second later.
func (w *watched) endsAfter(began time.Time, x *exchange, ctx context.Context, want time.Duration, reason string) {
	w.t.Helper()
	select {
	case <-ctx.Done():
	case <-time.After(24 * time.Hour):
		w.t.Fatal("it is never cut")
	}
	if lived := time.Since(began); lived < want || lived > want+time.Second {
		w.t.Errorf("it is cut after %v, want %v", lived, want)
	}
	if v := x.connection.cut.Load(); v == nil || v.reason != reason {
		w.t.Errorf("it is cut because of %+v, want %s", v, reason)
	}
}

// policy has one rule for everything.
func policy(t testing.TB, requirement string) *access.Policy {
	t.Helper()
	c := config.Defaults()
	c.Upstreams, c.AccessRules = "http://localhost", "/ "+requirement
	p, err := c.Policy()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func routed(t testing.TB, requirement string) *access.Route {
	t.Helper()
	route, err := policy(t, requirement).Route(http.MethodGet, "localhost", "/")
	if err != nil {
		t.Fatal(err)
	}
	return route
}

// refreshed makes the session's next generation known, with these groups.
func (w *watched) refreshed(groups ...string) {
	w.t.Helper()
	known := w.refreshes.generations.of(w.session).newest
	if _, mine := w.refreshes.generations.join(known); !mine {
		w.t.Fatal("there is a refresh under way")
	}
	next := *known
	next.Generation, next.RefreshToken, next.Groups = known.Generation+1, "refresh-"+strconv.Itoa(known.Generation+1), groups
	w.refreshes.generations.finish(next.ID, renewal{next: &next, outcome: provider.Refreshed})
}

// A look waits for Redis once and not as often as there are connections: after an interruption it has to be asked about each of them.
func TestConnectionsAreAskedAboutTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConnections()
		for range 10 * maxAsking {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			x := newExchange(httptest.NewRecorder(), r, 0)
			x.connection.cameWith(&session.Session{}, &session.Session{})
			c.begin(x, r)
		}
		asked := make(chan *connection, 100*maxAsking)
		slow := func(one *connection) *verdict {
			time.Sleep(time.Millisecond)
			asked <- one
			return nil
		}
		c.lasting() // which is too early for them
		began := time.Now()
		c.askAbout(c.lasting(), slow)
		if took := time.Since(began); took != 10*time.Millisecond {
			t.Errorf("it takes %v", took)
		}
		once := map[*connection]bool{}
		for range 10 * maxAsking {
			once[<-asked] = true
		}
		if len(once) != 10*maxAsking || len(asked) > 0 {
			t.Errorf("%d connections were asked about, and some twice", len(once))
		}
	})
}

// What is known here ends a connection in time, though Redis does not answer.
func TestConnectionsEndWhileRedisIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatched(t, 0)
		w.background.close(0)
		watching, stop := context.WithCancel(t.Context())
		defer stop()
		go w.connections.watch(watching, w.judge, func(*connection) *verdict {
			<-watching.Done()
			return nil
		})
		x, ctx := w.open()
		time.Sleep(time.Minute)
		_ = w.sessions.Revoke(w.session)
		w.endsAfter(time.Now(), x, ctx, 0, cutRevoked)
	})
}

func TestConnectionsEndWithTheirSession(t *testing.T) {
	for name, test := range map[string]struct {
		end    func(w *watched)
		after  time.Duration
		reason string
	}{
		"absolute limit": {func(*watched) {}, 12 * time.Hour, cutExpired},
		"revoked": {func(w *watched) {
			time.Sleep(time.Minute)
			_ = w.sessions.Revoke(w.session)
		}, time.Minute, cutRevoked},
		"refused by the provider": {func(w *watched) {
			time.Sleep(time.Minute)
			w.refreshes.generations.join(w.session)
			w.refreshes.generations.finish(w.session.ID, renewal{outcome: provider.Ended})
		}, time.Minute, cutRevoked},
		"revoked at once": {func(w *watched) { _ = w.sessions.Revoke(w.session) }, 0, cutRevoked},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWatched(t, 0)
				began := time.Now()
				x, ctx := w.open()
				go test.end(w)
				w.endsAfter(began, x, ctx, test.after, test.reason)
			})
		})
	}
}

// Silence is no use of a session, and bytes are; so are requests that come beside the connection.
func TestIdleConnections(t *testing.T) {
	const limit = 10 * time.Minute
	for name, use := range map[string]func(w *watched, x *exchange){
		"silent":  nil,
		"bytes":   func(_ *watched, x *exchange) { x.connection.move() },
		"request": func(w *watched, _ *exchange) { w.sessions.Used(w.session) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWatched(t, limit)
				began := time.Now()
				x, ctx := w.open()
				if use != nil {
					for range 5 {
						time.Sleep(limit - time.Minute)
						use(w, x)
						if ctx.Err() != nil {
							t.Fatal("it is cut though the session is in use")
						}
					}
					began = time.Now()
				}
				w.endsAfter(began, x, ctx, limit, cutIdle)
			})
		})
	}
}

// The connections of a session are idle together.
func TestOneConnectionInUseKeepsTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatched(t, time.Minute)
		busy, _ := w.open()
		_, silent := w.open()
		for range 10 {
			time.Sleep(30 * time.Second)
			busy.connection.move()
		}
		if silent.Err() != nil {
			t.Error("the silent one is cut")
		}
	})
}

// That an access token is over ends nothing that was let in.
func TestConnectionsOutliveTheAccessToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatched(t, 0)
		w.session.RefreshToken = ""
		_, ctx := w.open()
		time.Sleep(11 * time.Hour)
		if ctx.Err() != nil {
			t.Error("it is cut")
		}
	})
}

// Rules are asked again when the claims are new, all that let the session in.
func TestRefreshedClaimsDecideAboutConnections(t *testing.T) {
	for name, test := range map[string]struct {
		rules  []string
		groups []string
		stays  bool
	}{
		"still a member":            {[]string{"group:Admin"}, []string{"Dev", "Admin"}, true},
		"a member no more":          {[]string{"group:Admin"}, []string{"Dev"}, false},
		"a rule that asks for less": {[]string{"authenticated"}, nil, true},
		"of two rules the second":   {[]string{"group:Dev", "group:Admin"}, []string{"Dev"}, false},
		"of two rules the first":    {[]string{"group:Admin", "group:Dev"}, []string{"Dev"}, false},
		"both":                      {[]string{"group:Admin", "group:Dev"}, []string{"Admin", "Dev"}, true},
		"a public path":             {nil, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWatched(t, 0)
				w.session.Groups = []string{"Admin", "Dev"}
				var rules []*access.Route
				for _, requirement := range test.rules {
					rules = append(rules, routed(t, requirement))
				}
				x, ctx := w.open(rules...)
				time.Sleep(time.Hour)
				w.refreshed("Admin", "Dev") // for a start, nothing changes
				time.Sleep(time.Hour)
				if ctx.Err() != nil {
					t.Fatal("it is cut before the claims change")
				}
				w.refreshed(test.groups...)
				if test.stays {
					time.Sleep(time.Hour)
					if ctx.Err() != nil {
						t.Error("it is cut")
					}
					return
				}
				w.endsAfter(time.Now(), x, ctx, 0, cutDenied)
			})
		})
	}
}

// A panic lets nobody stay, and does not end the process.
func TestConnectionsThatCannotBeJudged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatched(t, 0)
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		x := newExchange(httptest.NewRecorder(), r, 0)
		x.connection.seals = w.sessions.Seals()
		x.connection.cameWith(w.session, nil)
		ctx := w.connections.begin(x, r).Context()
		w.endsAfter(time.Now(), x, ctx, 0, cutBroken)
	})
}

// What goes on without a session is left alone.
func TestConnectionsOfNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatched(t, time.Minute)
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		x := newExchange(httptest.NewRecorder(), r, 0)
		x.rules = w.rules.Load()
		ctx := w.connections.begin(x, r).Context()
		_ = w.sessions.RevokeSubject("", "")
		time.Sleep(13 * time.Hour) // more than any session has
		if ctx.Err() != nil {
			t.Error("it is cut")
		}
	})
}

// What ended by itself is neither looked at nor cut, and is not kept.
func TestEndedConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatched(t, 0)
		exchanges := make([]*exchange, 5)
		for i := range exchanges {
			exchanges[i], _ = w.open()
		}
		for _, i := range []int{2, 0, 4, 1, 3} { // from the middle, from both ends
			w.connections.end(&exchanges[i].connection)
		}
		_ = w.sessions.Revoke(w.session)
		time.Sleep(time.Second)
		for i, x := range exchanges {
			if x.connection.cut.Load() != nil {
				t.Errorf("number %d is cut", i)
			}
		}
		c := w.connections
		if c.running != 0 || c.ends.after != &c.ends || c.ends.before != &c.ends {
			t.Errorf("%d are still running", c.running)
		}
	})
}

// At a shutdown what would never end by itself is cut at once, what becomes so later too; the rest has until the end.
func TestConnectionsAtAShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatched(t, 0)
		stream, streaming := w.open()
		stream.connection.goesOn()
		late, lateStreaming := w.open()
		download, downloading := w.open()
		w.EndStreams()
		if streaming.Err() == nil || lateStreaming.Err() != nil || downloading.Err() != nil {
			t.Fatal("not the stream alone is cut")
		}
		late.connection.goesOn()
		if lateStreaming.Err() == nil {
			t.Error("a stream that begins now is not cut")
		}
		go func() {
			<-downloading.Done()
			time.Sleep(time.Second)
			for _, x := range []*exchange{stream, late, download} {
				w.connections.end(&x.connection)
			}
		}()
		began := time.Now()
		w.connections.close(time.Minute)
		if took := time.Since(began); took != time.Second {
			t.Errorf("closing took %v, and they end after a second", took)
		}
		if v := download.connection.cut.Load(); v == nil || v.reason != cutShutdown {
			t.Errorf("the download is cut because of %+v", v)
		}
		w.open()
		began = time.Now()
		w.connections.close(time.Minute)
		if took := time.Since(began); took != time.Minute {
			t.Errorf("closing took %v, with one that does not end", took)
		}
	})
}

// What every request pays.
func BenchmarkConnection(b *testing.B) {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	r = r.WithContext(ctx)
	for name, c := range map[string]*connections{"idle": newConnections(), "beside 10,000": newConnections()} {
		b.Run(name, func(b *testing.B) {
			if name != "idle" {
				for range 10_000 {
					c.begin(newExchange(nil, r, 0), r)
				}
			}
			x := newExchange(nil, r, 0)
			b.ReportAllocs()
			for b.Loop() {
				x.connection.cut.Store(nil)
				c.begin(x, r)
				c.end(&x.connection)
			}
		})
	}
	b.Run("the context alone", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			ctx, cancel := context.WithCancel(r.Context())
			_ = r.WithContext(ctx)
			cancel()
		}
	})
}

// One look at 10,000 WebSockets; there are four a second.
func BenchmarkLook(b *testing.B) {
	for name, prepare := range map[string]func(w *watched){
		"nobody was revoked": func(*watched) {},
		"others were revoked": func(w *watched) {
			for i := range 1000 {
				_ = w.sessions.RevokeSubject("", strconv.Itoa(i))
			}
		},
	} {
		b.Run(name, func(b *testing.B) {
			w := newWatched(b, time.Hour)
			w.background.close(0) // the benchmark looks
			prepare(w)
			for i := range 10_000 {
				s := *w.session
				s.ID, s.Subject = strconv.Itoa(i), "alice"
				w.session = &s
				x, _ := w.open()
				x.connection.goesOn()
			}
			w.connections.lasting()
			b.ReportAllocs()
			for b.Loop() {
				lasting := w.connections.lasting()
				w.connections.cutIfTold(lasting, w.judge)
				w.connections.askAbout(lasting, w.askOthers)
			}
			if n := len(w.connections.lasting()); n != 10_000 {
				b.Fatalf("%d are looked at", n)
			}
		})
	}
}
