package session

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// forgetful opens every cookie anew.
func forgetful(m *Manager) *Manager {
	m.opened = newOpenedSessions(0)
	return m
}

func TestOpenedOnceAndFoundAgain(t *testing.T) {
	for name, bytes := range map[string]int{"one cookie": 100, "three cookies": 3 * 2000} {
		t.Run(name, func(t *testing.T) {
			m, b := newManager(t, large), newBrowser(t)
			b.login(m, newSession("alice", bytes))
			first, err := m.Get(b.request())
			if err != nil {
				t.Fatal(err)
			}
			if again, err := m.Get(b.request()); again != first {
				t.Errorf("got %v, %v the second time", again, err)
			}
			if again, err := m.Get(withCookies("a=b; "+b.header(), "c=d")); again != first {
				t.Errorf("got %v, %v beside other cookies", again, err)
			}
			if n := len(m.opened.known); n != 1 {
				t.Errorf("%d are remembered", n)
			}
		})
	}
}

// What is remembered opens for the very cookies that opened before, and for nothing that is nearly the same.
func TestNothingNearlyTheSameIsFound(t *testing.T) {
	m, b, other := newManager(t, large), newBrowser(t), newBrowser(t)
	b.login(m, newSession("alice", 5000))
	other.login(m, newSession("bob", 5000))
	for _, browser := range []*browser{b, other} {
		if _, err := m.Get(browser.request()); err != nil {
			t.Fatal(err)
		}
	}
	a, theirs := b.values(), other.values()
	if len(a) != 2 {
		t.Fatalf("there are %d cookies", len(a))
	}
	one, two := base, base+"_1"
	shifted := map[string]string{one: a[one] + a[two][len("2.12345678."):][:1], two: a[two][:len("2.12345678.")] + a[two][len("2.12345678.")+1:]}
	none(t, m, "the first alone", header(map[string]string{one: a[one]}))
	none(t, m, "the second alone", header(map[string]string{two: a[two]}))
	none(t, m, "another one's second", header(map[string]string{one: a[one], two: theirs[two]}))
	none(t, m, "an empty second", header(map[string]string{one: a[one], two: ""}))
	none(t, m, "cut elsewhere", header(shifted))
	none(t, m, "exchanged", header(map[string]string{one: a[two], two: a[one]}))
	none(t, m, "twice", b.header(), b.header())
	none(t, m, "one twice", b.header(), two+"="+a[two])
	none(t, m, "an empty one beside", b.header(), one+"=")
	for i := range a[two] {
		flipped := a[two][:i] + string(a[two][i]^1) + a[two][i+1:]
		none(t, m, fmt.Sprintf("byte %d of the second", i), header(map[string]string{one: a[one], two: flipped}))
	}
	for i := range a[one] {
		flipped := a[one][:i] + string(a[one][i]^1) + a[one][i+1:]
		none(t, m, fmt.Sprintf("byte %d of the first", i), header(map[string]string{one: flipped, two: a[two]}))
	}
	if s, err := m.Get(b.request()); err != nil || s.User != "alice" {
		t.Errorf("got %v, %v in the end", s, err)
	}
	if n := len(m.opened.known); n != 2 {
		t.Errorf("%d are remembered", n)
	}
}

// Remembering changes no answer.
func FuzzRememberedOrNot(f *testing.F) {
	m, anew := newManager(f, large), forgetful(newManager(f, large))
	var values []string
	for _, user := range []string{"a", "b"} {
		b := newBrowser(f)
		s := newSession(user, 5000)
		s.ExpiresAt, s.TokenExpiresAt = s.CreatedAt.Add(24*time.Hour), s.CreatedAt.Add(24*time.Hour)
		b.login(m, s)
		for i, name := range b.names {
			value := b.cookies[name].Value
			values = append(values, fmt.Sprintf("{%s%d}", user, i), value, fmt.Sprintf("{%s%d-}", user, i), value[:len(value)-1])
		}
	}
	f.Add(base+"={a0}; "+base+"_1={a1}", "")
	f.Add(base+"={a0}; "+base+"_1={b1}", base+"_1={a1}")
	f.Add(base+"={a0-}; "+base+"_1={a1}", "")
	f.Add(base+"={b0}; "+base+"_1={b1}", base+"_2={a1}")
	fill := strings.NewReplacer(values...)
	f.Fuzz(func(t *testing.T, first, second string) {
		r := withCookies(fill.Replace(first), fill.Replace(second))
		want, wantErr := anew.Get(r)
		for range 2 {
			got, err := m.Get(r)
			if !errors.Is(err, wantErr) || (got == nil) != (want == nil) || got != nil && got.ID != want.ID {
				t.Errorf("got %v, %v, and anew %v, %v", got, err, want, wantErr)
			}
		}
	})
}

// Whether a session counts is asked each time.
func TestWhatIsRememberedEnds(t *testing.T) {
	ends := map[string]struct {
		end  func(m *Manager, s *Session)
		want error
	}{
		"in time":         {func(*Manager, *Session) { time.Sleep(time.Hour) }, ErrExpired},
		"when idle":       {func(*Manager, *Session) { time.Sleep(10 * time.Minute) }, ErrExpired},
		"by sign-out":     {func(m *Manager, s *Session) { _ = m.Revoke(s) }, ErrRevoked},
		"with its person": {func(m *Manager, s *Session) { _ = m.RevokeSubject(s.Issuer, s.Subject) }, ErrRevoked},
		"when a clock moved": {func(m *Manager, s *Session) {
			m.revoked.clock = func() time.Time { return time.Time{} }
			s.UsedAt = time.Now().Add(2 * leeway)
		}, ErrNone},
	}
	for name, c := range ends {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, b := newManager(t, func(o *Options) { o.IdleTimeout = 10 * time.Minute }), newBrowser(t)
				b.login(m, newSession("alice", 100))
				s, err := m.Get(b.request())
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Nanosecond)
				c.end(m, s)
				if _, err := m.Get(b.request()); !errors.Is(err, c.want) {
					t.Errorf("got %v, want %v", err, c.want)
				}
			})
		})
	}
}

func TestWhatDoesNotOpenIsNotKept(t *testing.T) {
	m := newManager(t)
	for i := range 100 {
		none(t, m, "junk", fmt.Sprintf("%s=1.abcdefgh.%d", base, i))
	}
	if n := len(m.opened.known); n != 0 {
		t.Errorf("%d are remembered", n)
	}
}

// What is derived from a session is that session's alone, though it be copied.
func TestDerivedIsOfOneSession(t *testing.T) {
	m, b := newManager(t), newBrowser(t)
	b.login(m, newSession("alice", 100))
	s, err := m.Get(b.request())
	if err != nil {
		t.Fatal(err)
	}
	calls := 0
	user := func(of *Session) func() any { return func() any { calls++; return of.User } }
	for range 2 {
		if got := s.Derived(nil, user(s)); got != "alice" || calls != 1 {
			t.Errorf("got %v after %d calls", got, calls)
		}
	}
	next := *s
	next.User = "bob"
	if got := next.Derived(nil, user(&next)); got != "bob" {
		t.Errorf("a copy's is %v", got)
	}
	if got := s.Derived(nil, user(s)); got != "alice" {
		t.Errorf("then it is %v", got)
	}
}

func TestOpenedSessionsAreBounded(t *testing.T) {
	for how, note := range map[string]func(*openedSessions, *openedSession){
		"put": (*openedSessions).put,
		"offered twice": func(o *openedSessions, one *openedSession) {
			o.offer(one)
			o.offer(one)
		},
	} {
		t.Run(how, func(t *testing.T) {
			o := newOpenedSessions(100_000)
			for i := range 200 {
				note(o, opened(i))
				o.of("0", nil)
			}
			if o.bytes > 100_000 || len(o.known) != o.order.Len() || len(o.known) < 5 {
				t.Errorf("%d bytes, %d sessions, %d in order", o.bytes, len(o.known), o.order.Len())
			}
			if o.of("0", nil) == nil || o.of("1", nil) != nil || o.of("199", nil) == nil {
				t.Error("it is not what was asked for that stays")
			}
			for i := range 200 {
				o.forget(fmt.Sprint(i))
			}
			if o.bytes != 0 || o.order.Len() != 0 {
				t.Errorf("%d bytes are left", o.bytes)
			}
		})
	}
}

// opened is a session that was found by a number.
func opened(i int) *openedSession {
	return &openedSession{name: fmt.Sprint(i), value: strings.Repeat("x", 2000), session: &Session{}}
}

// However many sessions are asked for once, those that were held before are held afterwards.
func TestWhatIsAskedForOnceDropsNothing(t *testing.T) {
	o := newOpenedSessions(100_000)
	for i := range 10 {
		o.offer(opened(i))
	}
	for i := range 100_000 {
		o.offer(opened(1000 + i))
	}
	for i := range 10 {
		if o.of(fmt.Sprint(i), nil) == nil {
			t.Errorf("session %d was dropped", i)
		}
	}
}

// What takes the place of a value that is held is held at once, or the older one would be.
func TestAnotherValueIsHeldAtOnce(t *testing.T) {
	o := newOpenedSessions(100_000)
	for i := range 200 {
		o.offer(opened(i))
	}
	next := opened(0)
	o.offer(next)
	if o.of("0", nil) != next {
		t.Error("the one before is held")
	}
}

// A session that is larger than all that may be held drops nothing.
func TestWhatIsTooLargeIsNotHeld(t *testing.T) {
	o := newOpenedSessions(10_000)
	o.offer(opened(0))
	large := opened(1)
	large.value = strings.Repeat("x", 10_000)
	o.offer(large)
	o.offer(large)
	if o.of("0", nil) == nil || o.of("1", nil) != nil {
		t.Error("it is held")
	}
}

// Many at once, with more sessions than there is room for.
func TestOpenedSessionsAtOnce(t *testing.T) {
	m := newManager(t)
	m.opened.limit = 20_000
	var requests [10]*http.Request
	for i := range requests {
		b := newBrowser(t)
		b.login(m, newSession(fmt.Sprint(i), 1000))
		requests[i] = b.request()
	}
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for n := range 500 {
				user := (n*7 + i) % len(requests)
				if s, err := m.Get(requests[user]); err != nil || s.User != fmt.Sprint(user) {
					t.Errorf("user %d got %v, %v", user, s, err)
				}
			}
		})
	}
	all.Wait()
	if m.opened.bytes > 20_000 {
		t.Errorf("%d bytes are held", m.opened.bytes)
	}
}

// Where every session that is held was asked for, the one that was looked at first goes all the same.
func TestRoomIsMadeThoughAllWereAskedFor(t *testing.T) {
	o := newOpenedSessions(20_000)
	for i := range 50 {
		o.put(opened(i))
		o.of(fmt.Sprint(i), nil)
	}
	if o.bytes > 20_000 || o.of("49", nil) == nil {
		t.Errorf("%d bytes are held", o.bytes)
	}
}
