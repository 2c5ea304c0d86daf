package session

import (
	"errors"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

// What passes on a connection keeps its session alive, in the browser's next request as well, whose cookie is old by then.
func TestConnectionsInUseKeepTheirSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, func(o *Options) { o.IdleTimeout = 10 * time.Minute })
		b, s := newBrowser(t), newSession("alice", 0)
		b.login(m, s)
		for range 4 {
			time.Sleep(9 * time.Minute)
			m.InUse(s)
		}
		time.Sleep(10*time.Minute - 1)
		again, err := m.Get(b.request())
		if err != nil {
			t.Fatalf("within the idle limit: %v", err)
		}
		if !m.UseIsNews(again) {
			t.Error("the cookie is not to be written anew")
		}
		if at := m.IdleEndsAt(again); !at.Equal(time.Now().Add(1)) {
			t.Errorf("the idle end is %v", at)
		}
		time.Sleep(time.Nanosecond)
		if _, err := m.Get(b.request()); !errors.Is(err, ErrExpired) {
			t.Errorf("at the idle limit: %v", err)
		}
	})
}

// Activity holds off the idle limit and nothing else.
func TestActivityRevivesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, func(o *Options) { o.IdleTimeout = 10 * time.Minute })
		over, gone := newBrowser(t), newBrowser(t)
		long, revoked := newSession("alice", 0), newSession("bob", 0)
		over.login(m, long)
		gone.login(m, revoked)
		if err := m.Revoke(revoked); err != nil {
			t.Fatal(err)
		}
		m.InUse(revoked)
		if _, err := m.Get(gone.request()); !errors.Is(err, ErrRevoked) {
			t.Errorf("a revoked session: %v", err)
		}
		for range 12 {
			m.InUse(long)
			time.Sleep(5 * time.Minute)
		}
		if _, err := m.Get(over.request()); !errors.Is(err, ErrExpired) {
			t.Errorf("at its absolute end: %v", err)
		}
	})
}

// A request counts for the connections of its session, and for one without any nothing is remembered.
func TestRequestsCountForConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, func(o *Options) { o.IdleTimeout = 10 * time.Minute })
		s, other := newSession("alice", 0), newSession("bob", 0)
		s.ID, other.ID = "a", "b"
		s.UsedAt, other.UsedAt = time.Now(), time.Now()
		end := s.UsedAt.Add(10 * time.Minute)
		m.InUse(s)
		time.Sleep(time.Minute)
		m.Used(s)
		m.Used(other)
		if at := m.IdleEndsAt(s); !at.Equal(end.Add(time.Minute)) {
			t.Errorf("with a connection the idle end is %v", at)
		}
		if at := m.IdleEndsAt(other); !at.Equal(end) || len(m.active.uses) != 1 {
			t.Errorf("without one the idle end is %v, and %d sessions are remembered", at, len(m.active.uses))
		}
	})
}

// A cookie that is newer than what is remembered counts: another process may have written it.
func TestNewerCookieCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, s := newManager(t, func(o *Options) { o.IdleTimeout = 10 * time.Minute }), newSession("alice", 0)
		m.InUse(s)
		s.UsedAt = time.Now().Add(time.Minute)
		if at := m.IdleEndsAt(s); !at.Equal(s.UsedAt.Add(10 * time.Minute)) {
			t.Errorf("the idle end is %v", at)
		}
	})
}

func TestActivityIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newActivity(10 * time.Minute)
		for i := range maxActive {
			a.note(strconv.Itoa(i))
			time.Sleep(time.Nanosecond)
		}
		a.note("0") // now the second is the one that was not used for the longest time
		a.note("one too many")
		if len(a.uses) != maxActive || a.order.Len() != maxActive {
			t.Errorf("%d sessions are remembered, in a list of %d", len(a.uses), a.order.Len())
		}
		if a.latest("0").IsZero() || !a.latest("1").IsZero() {
			t.Error("another than the oldest was forgotten")
		}
		time.Sleep(10 * time.Minute)
		a.note("x")
		if len(a.uses) != 1 || a.order.Len() != 1 {
			t.Errorf("when all are over, %d sessions are remembered", len(a.uses))
		}
	})
}

// What passes on a connection is noted all the time, and written to Redis now and then.
func TestNotedUseIsNewsOnceInATenthOfTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, news := newActivity(10*time.Minute), 0
		for range 10 * 60 {
			if a.note("a") {
				news++
			}
			time.Sleep(time.Second)
		}
		if news != renewals {
			t.Errorf("within the limit it was news %d times, want %d", news, renewals)
		}
	})
}

// Without an idle limit nobody asks, so nothing is remembered.
func TestActivityWithoutIdleLimit(t *testing.T) {
	m, s := newManager(t), newSession("alice", 0)
	m.InUse(s)
	if len(m.active.uses) != 0 || !m.IdleEndsAt(s).IsZero() {
		t.Errorf("%d sessions are remembered", len(m.active.uses))
	}
}

func BenchmarkUsed(b *testing.B) {
	s := newSession("alice", 0)
	s.ID = "a"
	for name, limit := range map[string]time.Duration{"no limit": 0, "limit": time.Minute} {
		b.Run(name, func(b *testing.B) {
			m := newManager(b, func(o *Options) { o.IdleTimeout = limit })
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					m.Used(s)
				}
			})
		})
	}
}
