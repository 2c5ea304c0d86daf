package session

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// Every attempt to sign in has a cookie of its own, found by its state: several tabs may sign in at once, and one that is
// abandoned disturbs none. Login cookies are never compressed: the return address is anybody's to choose, and the length of
// a compressed value would tell what it has in common with the secrets beside it.

const (
	loginLifetime = time.Hour

	// MaxReturnTo is the longest return address, in bytes, that a login can keep.
	MaxReturnTo = 2048

	// Login cookies that a browser holds: at most so many, and so many bytes together (headers of more than 8 KiB meet
	// servers that refuse them). The oldest go; the newest always stays.
	maxLoginsHeld = 7
	maxLoginBytes = 8192
)

// Login is the state of one login in flight.
type Login struct {
	// State, Nonce and Verifier are the request's state, nonce and PKCE code verifier.
	State, Nonce, Verifier string

	// RedirectURI is the callback that was sent to the provider, which the token request must repeat.
	RedirectURI string

	// ReturnTo is the return address: where the person wanted to go. MaxReturnTo bounds it.
	ReturnTo string

	// ACRValues and MaxAge are the acr_values and the max_age that this login asked for itself, as they were sent; "" for none.
	// The answer has to meet them.
	ACRValues, MaxAge string

	// StartedAt is when the login began. BeginLogin fills it when it is zero. It keeps its nanoseconds.
	StartedAt time.Time

	// Rounds is how many logins for the same return address were completed in a row when this one began, as Manager.Rounds
	// tells.
	Rounds int

	// Before is the identifier of the session that the browser had when the login began; empty when it had none.
	Before string
}

// loginCookie is a login cookie as a request carries it.
type loginCookie struct {
	name, value string
}

func (c loginCookie) bytes() int { return len(c.name) + len("=") + len(c.value) + len("; ") }

// BeginLogin writes the login's cookie to the header h of the answer to r, and clears those of older attempts that do not
// open any more or for which there is no room: a browser holds at most seven.
func (m *Manager) BeginLogin(h http.Header, r *http.Request, l *Login) error {
	if l.State == "" || len(l.ReturnTo) > MaxReturnTo {
		return fmt.Errorf("sealing login: it needs a state, and a return address of at most %d bytes", MaxReturnTo)
	}
	if l.StartedAt.IsZero() {
		l.StartedAt = time.Now()
	}
	name := m.loginName(l.State)
	value, err := m.logins.seal(name, packLogin(l))
	if err != nil {
		return err
	}
	cookie := loginCookie{name, value}
	if cookie.bytes() > maxCookie {
		return errors.New("sealing login: state, nonce, verifier and addresses are too long for a cookie")
	}
	for _, name := range m.spareLogins(r, cookie) {
		m.clear(h, name)
	}
	m.write(h, name, value, int(loginLifetime/time.Second))
	return nil
}

// FindLogin finds the login of that state among the cookies of a request. Its error is ErrNone: there is none, it does
// not open, or it began more than an hour ago.
func (m *Manager) FindLogin(r *http.Request, state string) (*Login, error) {
	name := m.loginName(state)
	value, ok := only(r.Header["Cookie"], name)
	if !ok {
		return nil, ErrNone
	}
	l, ok := m.openLogin(loginCookie{name, value})
	if !ok || subtle.ConstantTimeCompare([]byte(l.State), []byte(state)) != 1 {
		return nil, ErrNone
	}
	return l, nil
}

// EndLogin clears the login's cookie, or takes it back when h sets it already.
func (m *Manager) EndLogin(h http.Header, l *Login) {
	m.clear(h, m.loginName(l.State))
}

// loginName is the name of the login cookie for a state. It tells the state to nobody.
func (m *Manager) loginName(state string) string {
	sum := sha256.Sum256([]byte(state))
	var mark [12]byte
	base64.RawURLEncoding.Encode(mark[:], sum[:9])
	return m.names.login + string(mark[:])
}

// openLogin opens a login cookie that is neither late nor from the future.
func (m *Manager) openLogin(c loginCookie) (*Login, bool) {
	if len(c.value) > maxCookie {
		return nil, false
	}
	plain, _, ok := m.logins.open(c.name, c.value)
	if !ok {
		return nil, false
	}
	l, err := unpackLogin(plain)
	if err != nil {
		return nil, false
	}
	age := time.Since(l.StartedAt)
	return l, age < loginLifetime && age >= -leeway
}

// spareLogins names the login cookies that must go so that a new one has its place.
func (m *Manager) spareLogins(r *http.Request, cookie loginCookie) (spare []string) {
	type attempt struct {
		loginCookie
		startedAt time.Time
	}
	var attempts []attempt
	for _, c := range m.names.scan(r.Header["Cookie"]).logins {
		l, ok := m.openLogin(c)
		switch {
		case c.name == cookie.name: // it is replaced
		case ok:
			attempts = append(attempts, attempt{c, l.StartedAt})
		default:
			spare = append(spare, c.name)
		}
	}
	slices.SortFunc(attempts, func(a, b attempt) int { return b.startedAt.Compare(a.startedAt) })
	held, bytes := 1, cookie.bytes()
	for _, a := range attempts {
		held, bytes = held+1, bytes+a.bytes()
		if held > maxLoginsHeld || bytes > maxLoginBytes {
			spare = append(spare, a.name)
		}
	}
	return spare
}
