package session

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// found is what Get finds of a session that is saved now, after a while.
func found(t *testing.T, m *Manager, s *Session, after time.Duration) error {
	t.Helper()
	b := newBrowser(t)
	b.login(m, s)
	time.Sleep(after)
	_, err := m.Get(b.request())
	return err
}

func TestWhatEndsASession(t *testing.T) {
	keep := func(o *Options) { o.KeepWithoutToken = true }
	idle := func(o *Options) { o.IdleTimeout = 10 * time.Minute }
	for _, test := range []struct {
		name      string
		setting   func(*Options)
		refresh   string
		token     time.Duration // until the access token expires
		livesFor  time.Duration
		endsAfter time.Duration
	}{
		{"without a refresh token its access token", nil, "", 5 * time.Minute, 5*time.Minute - 1, 5 * time.Minute},
		{"with a refresh token its absolute end", nil, "r", 5 * time.Minute, time.Hour - 1, time.Hour},
		{"kept without a token its absolute end", keep, "", 5 * time.Minute, time.Hour - 1, time.Hour},
		{"an access token that outlives the session does not matter", nil, "r", 5 * time.Hour, time.Hour - 1, time.Hour},
		{"nobody's using it", idle, "r", 5 * time.Minute, 10*time.Minute - 1, 10 * time.Minute},
		{"its token comes before being idle", idle, "", 5 * time.Minute, 5*time.Minute - 1, 5 * time.Minute},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var settings []func(*Options)
				if test.setting != nil {
					settings = append(settings, test.setting)
				}
				m := newManager(t, settings...)
				session := func() *Session {
					s := newSession("alice", 0)
					s.RefreshToken, s.TokenExpiresAt = test.refresh, s.CreatedAt.Add(test.token)
					return s
				}
				if err := found(t, m, session(), test.livesFor); err != nil {
					t.Errorf("after %v: %v", test.livesFor, err)
				}
				if err := found(t, m, session(), test.endsAfter); !errors.Is(err, ErrExpired) {
					t.Errorf("after %v: %v", test.endsAfter, err)
				}
			})
		})
	}
}

// However often it is written anew, the absolute end stays where it was, and so does what was sealed of its last use.
func TestWritingAnewRestartsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, func(o *Options) { o.IdleTimeout = 10 * time.Minute })
		b, s := newBrowser(t), newSession("alice", 0)
		s.RefreshToken = "r"
		b.login(m, s)
		for range 3 {
			time.Sleep(3 * time.Minute)
			again, err := m.Get(b.request())
			if err != nil {
				t.Fatal(err)
			}
			b.login(m, again)
		}
		time.Sleep(time.Minute)
		if _, err := m.Get(b.request()); !errors.Is(err, ErrExpired) {
			t.Errorf("ten minutes after its last use: %v", err)
		}
		again, _ := m.Get(b.request())
		if !again.ExpiresAt.Equal(s.ExpiresAt) || again.ID != s.ID {
			t.Errorf("the end moved from %v to %v", s.ExpiresAt, again.ExpiresAt)
		}
	})
}

func TestUseIsNewsOnceInATenthOfTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, s := newManager(t, func(o *Options) { o.IdleTimeout = 10 * time.Minute }), newSession("alice", 0)
		s.UsedAt = time.Now()
		time.Sleep(time.Minute - 1)
		if m.UseIsNews(s) {
			t.Error("it is written anew within a tenth of the limit")
		}
		time.Sleep(time.Nanosecond)
		if !m.UseIsNews(s) {
			t.Error("it is not written anew after a tenth of the limit")
		}
		if newManager(t).UseIsNews(s) {
			t.Error("it is written anew though there is no limit")
		}
		if at := m.IdleEndsAt(s); !at.Equal(s.UsedAt.Add(10*time.Minute)) || !newManager(t).IdleEndsAt(s).IsZero() {
			t.Errorf("the idle end is %v", at)
		}
	})
}

// A cookie that was last used in the future was written by a clock that has been set back since: it would be idle too late.
func TestUseInTheFuture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for ahead, want := range map[time.Duration]error{time.Minute: nil, time.Minute + time.Second: ErrNone} {
			s := newSession("alice", 0)
			s.UsedAt = time.Now().Add(ahead)
			if err := found(t, newManager(t), s, 0); !errors.Is(err, want) {
				t.Errorf("used %v from now: %v", ahead, err)
			}
		}
	})
}

// What was made by a clock that was ahead would outlive the sign-outs of the time in between.
func TestMadeInTheFuture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for ahead, want := range map[time.Duration]error{time.Minute: nil, time.Minute + time.Second: ErrNone} {
			s := newSession("alice", 0)
			s.CreatedAt = time.Now().Add(ahead)
			if err := found(t, newManager(t), s, 0); !errors.Is(err, want) {
				t.Errorf("made %v from now: %v", ahead, err)
			}
		}
	})
}

func TestLivingToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSession("alice", 0)
		s.AccessToken = "a"
		time.Sleep(time.Hour - 1)
		if s.LivingToken() != "a" {
			t.Error("it is dead too early")
		}
		time.Sleep(time.Nanosecond)
		if s.LivingToken() != "" {
			t.Error("it lives after its end")
		}
	})
}

func TestFitsSaysWhatCreateWouldSay(t *testing.T) {
	m := newManager(t)
	for _, n := range []int{0, 4000, 20_000} {
		s := newSession("alice", n)
		fits, created := m.Fits(s), m.Create(http.Header{}, withCookies(), s)
		_, tooLarge := errors.AsType[*TooLargeError](fits)
		if (fits == nil) != (created == nil) || tooLarge != (created != nil) {
			t.Errorf("with %d bytes: %v, but %v", n, fits, created)
		}
	}
}
