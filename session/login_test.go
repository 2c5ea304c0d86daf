package session

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// begin starts a login for a request and lets the browser receive the answer.
func (b *browser) begin(m *Manager, r *http.Request, l *Login) {
	b.t.Helper()
	h := http.Header{}
	if err := m.BeginLogin(h, r, l); err != nil {
		b.t.Fatal(err)
	}
	b.receive(h)
}

// typicalLogin is a login with parameters as long as they usually are.
func typicalLogin(state string) *Login {
	return &Login{
		State: state, Nonce: strings.Repeat("n", 43), Verifier: strings.Repeat("v", 43),
		RedirectURI: "https://app.example.com/oauth2/callback", ReturnTo: "/reports/2026/?q=a%20b&page=2",
		ACRValues: "mfa urn:example:acr:hardware", MaxAge: "900",
	}
}

func TestLoginComesBackWhole(t *testing.T) {
	m, b, want := newManager(t), newBrowser(t), typicalLogin("state-1")
	want.StartedAt = time.Now().Add(-time.Minute).Truncate(time.Second).Add(123456789)
	b.begin(m, b.request(), want)
	got, err := m.FindLogin(b.request(), "state-1")
	if err != nil {
		t.Fatal(err)
	}
	if !got.StartedAt.Equal(want.StartedAt) {
		t.Errorf("started at %v, came back as %v", want.StartedAt, got.StartedAt)
	}
	got.StartedAt = want.StartedAt
	if *got != *want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestBeginLoginNotesTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, b, l := newManager(t), newBrowser(t), typicalLogin("s")
		b.begin(m, b.request(), l)
		if !l.StartedAt.Equal(time.Now()) {
			t.Errorf("started at %v", l.StartedAt)
		}
	})
}

func TestLoginsAreFoundByTheirOwnState(t *testing.T) {
	m, b := newManager(t), newBrowser(t)
	b.begin(m, b.request(), typicalLogin("one"))
	b.begin(m, b.request(), typicalLogin("two"))
	for _, state := range []string{"one", "two"} {
		if l, err := m.FindLogin(b.request(), state); err != nil || l.State != state {
			t.Errorf("state %s: %v, %v", state, l, err)
		}
	}
	for _, state := range []string{"", "three", "ONE", "one ", strings.Repeat("x", 1<<20)} {
		if _, err := m.FindLogin(b.request(), state); !errors.Is(err, ErrNone) {
			t.Errorf("state %.10q: %v", state, err)
		}
	}
}

func TestALoginUnderAnothersNameIsNone(t *testing.T) {
	m, b := newManager(t), newBrowser(t)
	b.begin(m, b.request(), typicalLogin("one"))
	value := b.cookies[m.loginName("one")].Value
	if _, err := m.FindLogin(withCookies(m.loginName("two")+"="+value), "two"); !errors.Is(err, ErrNone) {
		t.Errorf("got %v", err)
	}
}

func TestADoubledLoginIsNone(t *testing.T) {
	m, b := newManager(t), newBrowser(t)
	b.begin(m, b.request(), typicalLogin("one"))
	planted := m.loginName("one") + "=planted"
	for _, headers := range [][]string{{b.header(), planted}, {planted, b.header()}} {
		if _, err := m.FindLogin(withCookies(headers...), "one"); !errors.Is(err, ErrNone) {
			t.Errorf("got %v", err)
		}
	}
}

// Names hold a short hash of the state; the state itself decides.
func TestALoginOfAnotherStateIsNone(t *testing.T) {
	m, other := newManager(t), typicalLogin("two")
	other.StartedAt = time.Now()
	name := m.loginName("one")
	value, err := m.logins.seal(name, packLogin(other))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.FindLogin(withCookies(name+"="+value), "one"); !errors.Is(err, ErrNone) {
		t.Errorf("got %v", err)
	}
}

func TestAnyChangeIsNoLogin(t *testing.T) {
	m, b := newManager(t), newBrowser(t)
	b.begin(m, b.request(), typicalLogin("one"))
	name := m.loginName("one")
	v := b.cookies[name].Value
	for i := range v {
		for _, changed := range []string{v[:i] + string(rune(v[i]^1)) + v[i+1:], v[:i], v[:i] + "A" + v[i:]} {
			if _, err := m.FindLogin(withCookies(name+"="+changed), "one"); !errors.Is(err, ErrNone) {
				t.Fatalf("changed at %d: %v", i, err)
			}
		}
	}
}

func TestLoginsLastAnHour(t *testing.T) {
	for _, test := range []struct {
		name          string
		started, wait time.Duration
		want          error
	}{
		{"fresh", 0, 0, nil},
		{"nearly an hour", 0, time.Hour - time.Nanosecond, nil},
		{"an hour", 0, time.Hour, ErrNone},
		{"started long before it was sealed", -59 * time.Minute, time.Minute, ErrNone},
		{"from a clock a little ahead", time.Minute, 0, nil},
		{"from the future", time.Minute + time.Nanosecond, 0, ErrNone},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, b, l := newManager(t), newBrowser(t), typicalLogin("s")
				l.StartedAt = time.Now().Add(test.started)
				b.begin(m, b.request(), l)
				time.Sleep(test.wait)
				if _, err := m.FindLogin(b.request(), "s"); !errors.Is(err, test.want) {
					t.Errorf("got %v, want %v", err, test.want)
				}
			})
		})
	}
}

func TestEndLoginClearsItsCookieAlone(t *testing.T) {
	m, b := newManager(t), newBrowser(t)
	b.begin(m, b.request(), typicalLogin("one"))
	b.begin(m, b.request(), typicalLogin("two"))
	h := http.Header{}
	m.EndLogin(h, &Login{State: "one"})
	b.receive(h)
	if len(b.cookies) != 1 || b.cookies[m.loginName("two")] == nil {
		t.Errorf("browser holds %q", b.names)
	}
}

func TestSevenLoginsAreHeldAndTheOldestGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, b := newManager(t), newBrowser(t)
		for i := range 30 {
			b.begin(m, b.request(), typicalLogin(fmt.Sprint(i)))
			if held := min(i+1, 7); len(b.cookies) != held || len(b.header()) > 8192 {
				t.Fatalf("after %d starts the browser holds %d cookies, %d bytes", i+1, len(b.cookies), len(b.header()))
			}
			time.Sleep(time.Nanosecond)
		}
		for i := range 30 {
			if _, err := m.FindLogin(b.request(), fmt.Sprint(i)); (err == nil) != (i >= 23) {
				t.Errorf("start %d: %v", i, err)
			}
		}
	})
}

// Thirty tabs that open at once carry no cookie of each other; the next start tidies up.
func TestParallelStartsAreTidiedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, b := newManager(t), newBrowser(t)
		bare := b.request()
		for i := range 30 {
			b.begin(m, bare, typicalLogin(fmt.Sprint(i)))
			time.Sleep(time.Millisecond)
		}
		b.begin(m, b.request(), typicalLogin("newest"))
		if len(b.cookies) != 7 {
			t.Errorf("browser holds %d logins", len(b.cookies))
		}
		for _, state := range []string{"newest", "29", "24"} {
			if _, err := m.FindLogin(b.request(), state); err != nil {
				t.Errorf("login %s: %v", state, err)
			}
		}
	})
}

func TestLoginsThatDoNotOpenGoFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, b := newManager(t), newBrowser(t)
		b.begin(newManager(t, secrets(9)), b.request(), typicalLogin("sealed with a secret that has gone"))
		b.begin(m, b.request(), typicalLogin("expired"))
		time.Sleep(time.Hour)
		b.begin(newManager(t, secrets(9)), withCookies(), typicalLogin("unknown"))
		for i := range 7 {
			b.begin(m, b.request(), typicalLogin(fmt.Sprint(i)))
		}
		for i := range 7 {
			if _, err := m.FindLogin(b.request(), fmt.Sprint(i)); err != nil {
				t.Errorf("login %d: %v", i, err)
			}
		}
		if len(b.cookies) != 7 {
			t.Errorf("browser holds %d logins", len(b.cookies))
		}
	})
}

func TestLongReturnAddressesLeaveRoomForFewer(t *testing.T) {
	m, b := newManager(t), newBrowser(t)
	for i := range 7 {
		l := typicalLogin(fmt.Sprint(i))
		l.ReturnTo = "/" + strings.Repeat("x", MaxReturnTo-1)
		l.ACRValues, l.MaxAge = strings.Repeat("y", 400), "2147483647" // the most that rules and upstreams ask for
		b.begin(m, b.request(), l)
		if _, err := m.FindLogin(b.request(), l.State); err != nil || len(b.header()) > 8192 {
			t.Fatalf("login %d: %v, %d bytes of cookies", i, err, len(b.header()))
		}
	}
	if len(b.cookies) < 2 {
		t.Errorf("browser holds %d logins", len(b.cookies))
	}
}

func TestBeginningTheSameLoginTwiceIsOneCookie(t *testing.T) {
	m, h := newManager(t), http.Header{}
	for range 2 {
		if err := m.BeginLogin(h, withCookies(), typicalLogin("s")); err != nil {
			t.Fatal(err)
		}
	}
	if len(h["Set-Cookie"]) != 1 {
		t.Errorf("%d lines", len(h["Set-Cookie"]))
	}
}

func TestBeginLoginRefusesWhatDoesNotFit(t *testing.T) {
	m := newManager(t)
	for name, l := range map[string]*Login{
		"no state":            {},
		"long return address": {State: "s", ReturnTo: strings.Repeat("x", MaxReturnTo+1)},
		"long nonce":          {State: "s", Nonce: strings.Repeat("x", 4096)},
	} {
		h := http.Header{}
		if err := m.BeginLogin(h, withCookies(), l); err == nil || len(h) > 0 {
			t.Errorf("%s: %v, %v", name, err, h)
		}
	}
}

// A compressed value's length would tell what the return address has in common with the secrets beside it.
func TestLoginsAreNotCompressed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // in which both begin at the same moment, whose length varies
		m := newManager(t)
		length := func(returnTo string) int {
			h := http.Header{}
			if err := m.BeginLogin(h, withCookies(), &Login{State: "s", Verifier: strings.Repeat("secret", 8), ReturnTo: returnTo}); err != nil {
				t.Fatal(err)
			}
			return len(h.Get("Set-Cookie"))
		}
		if same, other := length(strings.Repeat("secret", 8)), length(noise(48)); same != other {
			t.Errorf("lengths %d and %d differ", same, other)
		}
	})
}

func TestLoginCookiesAreNoSession(t *testing.T) {
	m, b := newManager(t), newBrowser(t)
	b.begin(m, b.request(), typicalLogin("s"))
	none(t, m, "a login cookie alone", b.header())
	none(t, m, "a login cookie under the session's name", base+"="+b.cookies[m.loginName("s")].Value)
	none(t, m, "a login cookie as a chunk", base+"=1.abcdefgh."+b.cookies[m.loginName("s")].Value)
}
