package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"doorward/proxy/provider"
	"doorward/session"
)

// standIn is a provider and the log: what renewing takes, what comes of it, and what was reported.
type standIn struct {
	takes   time.Duration
	outcome provider.Outcome

	asked   atomic.Int32
	mu      sync.Mutex
	revoked []string
	results []string
}

// renew makes the next generation, with a token for an hour.
func (p *standIn) renew(ctx context.Context, s *session.Session) renewal {
	n := p.asked.Add(1)
	began := time.Now()
	select {
	case <-time.After(p.takes):
	case <-ctx.Done():
		return renewal{outcome: provider.Unavailable, result: "unavailable", err: ctx.Err()}
	}
	r := renewal{outcome: p.outcome, result: p.outcome.String()}
	if p.outcome == provider.Refreshed {
		next := *s
		next.Generation, next.RefreshToken = s.Generation+1, fmt.Sprint("refresh-", n)
		next.TokenIssuedAt, next.TokenExpiresAt = began, time.Now().Add(time.Hour)
		r.next = &next
	}
	return r
}

func (p *standIn) report(_ *session.Session, r renewal, _ int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.results = append(p.results, r.result)
}

func (p *standIn) revoke(token string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.revoked = append(p.revoked, token)
}

func newRefresher(t testing.TB, p *standIn) *refresher {
	m, err := session.NewManager(session.Options{Secrets: [][]byte{[]byte("0123456789abcdefghijklmnopqrstuv")}, CookieName: "s"})
	if err != nil {
		t.Fatal(err)
	}
	return &refresher{
		generations: newGenerations(), sessions: m, background: newBackground(), before: 30 * time.Second,
		renew: p.renew, report: p.report, revoke: p.revoke,
	}
}

// sessionWith is a session whose token lives for so long still, of an hour.
func sessionWith(id string, left time.Duration) *session.Session {
	now := time.Now()
	return &session.Session{
		ID: id, RefreshToken: "refresh-0", CreatedAt: now.Add(left - time.Hour), ExpiresAt: now.Add(12 * time.Hour),
		TokenIssuedAt: now.Add(left - time.Hour), TokenExpiresAt: now.Add(left),
	}
}

// nobody asks, as the log tells it.
func nobody() []slog.Attr { return nil }

func TestNothingIsAskedBeforeATokenIsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &standIn{}
		f, s := newRefresher(t, p), sessionWith("s", time.Hour)
		for left, due := range map[time.Duration]bool{31 * time.Second: false, 30 * time.Second: true, -time.Hour: true} {
			if f.due(sessionWith("s", left)) != due {
				t.Errorf("%v before its end it is due: %v", left, !due)
			}
		}
		if got, err := f.fresh(t.Context(), s, nobody); got != s || err != nil || p.asked.Load() != 0 {
			t.Errorf("got %v, %v after %d requests", got, err, p.asked.Load())
		}
		without := sessionWith("s", -time.Hour)
		without.RefreshToken = ""
		if got, err := f.fresh(t.Context(), without, nobody); got != without || err != nil || p.asked.Load() != 0 {
			t.Errorf("without a refresh token: %v, %v", got, err)
		}
	})
}

// Whoever waits while the old token lives has enough a second after the refresh began, whenever they came; and at the token's end at
// the latest they wait on.
func TestHowLongARefreshIsWaitedFor(t *testing.T) {
	for _, test := range []struct {
		name        string
		left, takes time.Duration
		arrives     []time.Duration // after the first
		waits       []time.Duration
		newest      bool
	}{
		{"quick", 20 * time.Second, 300 * time.Millisecond, []time.Duration{0, 100 * time.Millisecond},
			[]time.Duration{300 * time.Millisecond, 200 * time.Millisecond}, true},
		{"slow", 20 * time.Second, 8 * time.Second, []time.Duration{0, 900 * time.Millisecond, 3 * time.Second},
			[]time.Duration{time.Second, 100 * time.Millisecond, 0}, false},
		{"slow, and the token dies", 400 * time.Millisecond, 3 * time.Second, []time.Duration{0, time.Second},
			[]time.Duration{3 * time.Second, 2 * time.Second}, true},
		{"dead", -time.Second, 3 * time.Second, []time.Duration{0, 2 * time.Second}, []time.Duration{3 * time.Second, time.Second}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &standIn{takes: test.takes}
				f, s := newRefresher(t, p), sessionWith("s", test.left)
				var all sync.WaitGroup
				for i, arrives := range test.arrives {
					all.Go(func() {
						time.Sleep(arrives)
						began := time.Now()
						got, err := f.fresh(t.Context(), s, nobody)
						if err != nil || (got.Generation == 1) != test.newest {
							t.Errorf("request %d gets %+v, %v", i, got, err)
						}
						if waited := time.Since(began); waited != test.waits[i] {
							t.Errorf("request %d waits %v, want %v", i, waited, test.waits[i])
						}
					})
				}
				all.Wait()
				f.background.tasks.Wait()
				if n := p.asked.Load(); n != 1 {
					t.Errorf("the provider was asked %d times", n)
				}
			})
		})
	}
}

// A hundred requests at each of a hundred moments: one refresh whenever one is due, and everybody has a living token.
func TestManyRequestsOverTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &standIn{takes: 200 * time.Millisecond}
		f, s := newRefresher(t, p), sessionWith("s", time.Hour)
		for range 100 {
			var all sync.WaitGroup
			for range 100 {
				all.Go(func() {
					got, err := f.fresh(t.Context(), s, nobody) // all with the oldest cookie
					if err != nil || !time.Now().Before(got.TokenExpiresAt) {
						t.Errorf("got %v, %v", got, err)
					}
				})
			}
			all.Wait()
			time.Sleep(6 * time.Minute)
		}
		if n := p.asked.Load(); n < 9 || n > 10 {
			t.Errorf("in ten hours the provider was asked %d times", n)
		}
	})
}

// After a failure there is a pause that grows to ten seconds, however many ask; with a dead token they are told how long it is.
func TestPausesAfterFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &standIn{outcome: provider.Unavailable}
		f, s := newRefresher(t, p), sessionWith("s", -time.Second)
		var tries []time.Time
		for began := time.Now(); time.Since(began) < 2*time.Minute; time.Sleep(50 * time.Millisecond) {
			before := p.asked.Load()
			_, err := f.fresh(t.Context(), s, nobody)
			told, ok := errors.AsType[*failure](err)
			if !ok || told.status != http.StatusBadGateway || told.header.Get("Retry-After") == "" {
				t.Fatalf("got %v", err)
			}
			if p.asked.Load() > before {
				tries = append(tries, time.Now())
			}
		}
		for i, try := range tries[1:] {
			pause, longest := try.Sub(tries[i]), min(time.Second<<i, 10*time.Second)
			if pause < longest/2 || pause > longest+50*time.Millisecond {
				t.Errorf("pause %d is %v, want at most %v", i, pause, longest)
			}
		}
		if len(tries) < 14 {
			t.Errorf("in two minutes there were %d tries", len(tries))
		}
		p.outcome = provider.Refreshed
		time.Sleep(10 * time.Second)
		if got, err := f.fresh(t.Context(), s, nobody); err != nil || got.Generation != 1 {
			t.Errorf("afterwards: %v, %v", got, err)
		}
	})
}

func TestWhatAnOutcomeMeans(t *testing.T) {
	for _, test := range []struct {
		outcome provider.Outcome
		left    time.Duration
		keep    bool
		want    string // session, login or failure
		again   int32  // requests to the provider after a second look
	}{
		{provider.Refreshed, 20 * time.Second, false, "session", 1},
		{provider.Ended, 20 * time.Second, false, "login", 1},
		{provider.Ended, -time.Second, true, "login", 1},
		{provider.Invalid, 20 * time.Second, false, "login", 1},
		{provider.Invalid, -time.Second, true, "login", 1},
		{provider.Refused, 20 * time.Second, false, "session", 1},
		{provider.Refused, -time.Second, false, "login", 1},
		{provider.Refused, -time.Second, true, "session", 1},
		{provider.Unavailable, 20 * time.Second, false, "session", 1},
		{provider.Unavailable, -time.Second, false, "failure", 1},
		{provider.Unavailable, -time.Second, true, "session", 1},
	} {
		t.Run(fmt.Sprint(test.outcome, test.left, test.keep), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &standIn{outcome: test.outcome}
				f, s := newRefresher(t, p), sessionWith("s", test.left)
				f.keep = test.keep
				for range 3 {
					_, err := f.fresh(t.Context(), s, nobody)
					got := "failure"
					switch {
					case err == nil:
						got = "session"
					case errors.Is(err, errNoSession):
						got = "login"
					}
					if got != test.want {
						t.Errorf("got %v, want a %s", err, test.want)
					}
				}
				f.background.tasks.Wait()
				if n := p.asked.Load(); n != test.again {
					t.Errorf("the provider was asked %d times", n)
				}
				if revoked := f.sessions.Revoked(s); revoked != (test.outcome == provider.Invalid) {
					t.Errorf("the session is revoked: %v", revoked)
				}
			})
		})
	}
}

// Who gives up gives up alone.
func TestGivingUpARefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &standIn{takes: 5 * time.Second}
		f, s := newRefresher(t, p), sessionWith("s", -time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := f.fresh(ctx, s, nobody)
		if told, ok := errors.AsType[*failure](err); !ok || told.status != statusClientGone {
			t.Errorf("got %v", err)
		}
		if got, err := f.fresh(t.Context(), s, nobody); err != nil || got.Generation != 1 || p.asked.Load() != 1 {
			t.Errorf("the next gets %v, %v after %d requests", got, err, p.asked.Load())
		}
	})
}

// A refresh that never ends, ends.
func TestEndlessRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &standIn{takes: time.Hour}
		f, s := newRefresher(t, p), sessionWith("s", -time.Second)
		began := time.Now()
		_, err := f.fresh(t.Context(), s, nobody)
		if took := time.Since(began); took != refreshTimeout {
			t.Errorf("it took %v: %v", took, err)
		}
	})
}

func TestPanicInARefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &standIn{}
		f, s := newRefresher(t, p), sessionWith("s", 20*time.Second)
		f.renew = func(context.Context, *session.Session) renewal { panic("at the disco") }
		if got, err := f.fresh(t.Context(), s, nobody); got != s || err != nil {
			t.Errorf("got %v, %v", got, err)
		}
		f.background.tasks.Wait()
		if strings.Join(p.results, " ") != "internal_error" {
			t.Errorf("reported is %v", p.results)
		}
	})
}

// Revoked while it is being refreshed, by whatever way: everybody who waits is turned away, and the new token is given back.
func TestRevokedDuringARefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &standIn{takes: time.Second}
		f, s := newRefresher(t, p), sessionWith("s", -time.Second)
		s.Issuer, s.Subject = "i", "alice"
		done := make(chan error)
		for range 3 {
			go func() {
				_, err := f.fresh(t.Context(), s, nobody)
				done <- err
			}()
		}
		time.Sleep(500 * time.Millisecond)
		f.sessions.RevokeSubject("i", "alice")
		for range 3 {
			if err := <-done; !errors.Is(err, errNoSession) {
				t.Errorf("got %v", err)
			}
		}
		f.background.tasks.Wait()
		if strings.Join(p.revoked, " ") != "refresh-1" || strings.Join(p.results, " ") != afterLogout || len(f.generations.lineages) != 0 {
			t.Errorf("revoked is %v, reported %v, remembered %d", p.revoked, p.results, len(f.generations.lineages))
		}
	})
}

// A generation that another instance has made counts as it is, whatever is known here of the session.
func TestGenerationsOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &standIn{outcome: provider.Ended}
		f, s := newRefresher(t, p), sessionWith("s", -time.Second)
		if _, err := f.fresh(t.Context(), s, nobody); !errors.Is(err, errNoSession) {
			t.Fatalf("got %v", err)
		}
		theirs := *sessionWith("s", time.Hour)
		theirs.Generation, theirs.RefreshToken = 1, "theirs"
		if got, err := f.fresh(t.Context(), &theirs, nobody); got != &theirs || err != nil {
			t.Errorf("their generation: %v, %v", got, err)
		}
		if _, err := f.fresh(t.Context(), s, nobody); !errors.Is(err, errNoSession) {
			t.Errorf("ours afterwards: %v", err)
		}
		// It is refreshed here in its turn, and then ours of the same height is of another branch.
		p.outcome = provider.Refreshed
		time.Sleep(2 * time.Hour)
		next, err := f.fresh(t.Context(), &theirs, nobody)
		if err != nil || next.Generation != 2 {
			t.Fatalf("their next generation: %v, %v", next, err)
		}
		if got, err := f.fresh(t.Context(), s, nobody); got != next || err != nil {
			t.Errorf("ours is an older one: %v, %v", got, err)
		}
		branch := *next
		branch.RefreshToken = "of another branch"
		if got, err := f.fresh(t.Context(), &branch, nobody); got != &branch || err != nil {
			t.Errorf("a branch: %v, %v", got, err)
		}
		if l := f.generations.of(&branch); l.place != nil {
			t.Errorf("a branch is taken for ours: %+v", l)
		}
		if n := p.asked.Load(); n != 2 {
			t.Errorf("the provider was asked %d times", n)
		}
	})
}

// Who looked before a refresh was over, and asks for another after it, looks again: the older token is spent, or is not to be asked with so soon.
func TestJoiningTooLate(t *testing.T) {
	for _, outcome := range []provider.Outcome{provider.Refreshed, provider.Ended, provider.Refused, provider.Unavailable} {
		t.Run(outcome.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &standIn{outcome: outcome}
				f, s := newRefresher(t, p), sessionWith("s", -time.Second)
				if _, err := f.fresh(t.Context(), s, nobody); (err == nil) != (outcome == provider.Refreshed) {
					t.Fatal(err)
				}
				if running, mine := f.generations.join(s); running != nil || mine {
					t.Error("the refresh token is asked with again")
				}
			})
		})
	}
}

// Close waits for what is under way, and not for ever.
func TestBackgroundEnds(t *testing.T) {
	for takes, want := range map[time.Duration]time.Duration{time.Second: time.Second, time.Hour: 2 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			b, ended := newBackground(), false
			b.run(func(ctx context.Context) {
				select {
				case <-time.After(takes):
				case <-ctx.Done():
				}
				ended = true
			})
			began := time.Now()
			b.close(2 * time.Second)
			if took := time.Since(began); took != want {
				t.Errorf("with a task of %v it takes %v", takes, took)
			}
			b.tasks.Wait()
			if !ended {
				t.Error("the task goes on")
			}
		})
	}
}

// What another instance has refreshed joins the refresh of an older generation that is under way, and is not turned away when that
// fails.
func TestGenerationOfAnotherDuringARefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		theirsIsGood, oursIsSpent := &standIn{}, &standIn{outcome: provider.Ended, takes: time.Second}
		f, s := newRefresher(t, theirsIsGood), sessionWith("s", -time.Second)
		f.renew = func(ctx context.Context, s *session.Session) renewal {
			if s.RefreshToken == "theirs" {
				return theirsIsGood.renew(ctx, s)
			}
			return oursIsSpent.renew(ctx, s)
		}
		go f.fresh(t.Context(), s, nobody)
		time.Sleep(500 * time.Millisecond)
		theirs := *sessionWith("s", -time.Second)
		theirs.Generation, theirs.RefreshToken = 1, "theirs"
		if got, err := f.fresh(t.Context(), &theirs, nobody); err != nil || got.Generation != 2 {
			t.Errorf("got %v, %v", got, err)
		}
		if oursIsSpent.asked.Load() != 1 || theirsIsGood.asked.Load() != 1 {
			t.Errorf("the provider was asked %d and %d times", oursIsSpent.asked.Load(), theirsIsGood.asked.Load())
		}
	})
}

// What is remembered is bounded: the one that has not changed for the longest time goes first, one under way never.
func TestRememberedGenerationsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &standIn{}
		f := newRefresher(t, p)
		defer f.background.tasks.Wait() // for the one that is held
		size := sessionWith("s-00", 0).Size()
		f.generations.limit = 10 * (size + 8)
		held := &standIn{takes: time.Hour}
		f.renew = func(ctx context.Context, s *session.Session) renewal {
			if s.ID == "held" {
				return held.renew(ctx, s)
			}
			return p.renew(ctx, s)
		}
		go f.fresh(t.Context(), sessionWith("held", -time.Second), nobody)
		synctest.Wait()
		for i := range 50 {
			if _, err := f.fresh(t.Context(), sessionWith(fmt.Sprintf("s-%02d", i), -time.Second), nobody); err != nil {
				t.Fatal(err)
			}
		}
		g := f.generations
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.bytes > g.limit || len(g.lineages) < 8 || g.order.Len() != len(g.lineages) || g.lineages["held"] == nil || g.lineages["s-49"] == nil || g.lineages["s-00"] != nil {
			t.Errorf("%d sessions with %d of %d bytes are remembered", len(g.lineages), g.bytes, g.limit)
		}
		total := 0
		for _, l := range g.lineages {
			total += l.bytes
		}
		if total != g.bytes {
			t.Errorf("%d bytes are counted as %d", total, g.bytes)
		}
	})
}

// Sessions that are over go by themselves as others come.
func TestRememberedGenerationsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newRefresher(t, &standIn{})
		for i := range 5 {
			f.fresh(t.Context(), sessionWith(fmt.Sprint(i), -time.Second), nobody)
		}
		time.Sleep(13 * time.Hour)
		f.fresh(t.Context(), sessionWith("last", -time.Second), nobody)
		if n := len(f.generations.lineages); n != 1 {
			t.Errorf("%d sessions are remembered", n)
		}
	})
}

// The hot path: a session of which nothing is to be refreshed.
func BenchmarkFreshWhenNothingIsDue(b *testing.B) {
	for name, prepare := range map[string]func(f *refresher) *session.Session{
		"without refresh token": func(*refresher) *session.Session {
			s := sessionWith("s", time.Hour)
			s.RefreshToken = ""
			return s
		},
		"never refreshed": func(*refresher) *session.Session { return sessionWith("s", time.Hour) },
		"refreshed before": func(f *refresher) *session.Session {
			s, err := f.fresh(b.Context(), sessionWith("s", -time.Second), nobody)
			if err != nil {
				b.Fatal(err)
			}
			return s
		},
		"with an older cookie": func(f *refresher) *session.Session {
			s := sessionWith("s", -time.Second)
			if _, err := f.fresh(b.Context(), s, nobody); err != nil {
				b.Fatal(err)
			}
			return s
		},
	} {
		b.Run(name, func(b *testing.B) {
			f := newRefresher(b, &standIn{})
			s, ctx := prepare(f), b.Context()
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := f.fresh(ctx, s, nobody); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}
