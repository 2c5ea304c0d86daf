package session

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// secret gives a secret of 32 bytes that is the same in every run.
func secret(seed byte) []byte {
	s := make([]byte, 32)
	mathrand.NewChaCha8([32]byte{seed}).Read(s)
	return s
}

// newManager makes a manager for https with one secret, changed by the given functions.
func newManager(t testing.TB, change ...func(*Options)) *Manager {
	t.Helper()
	o := Options{Secrets: [][]byte{secret(1)}, CookieName: "__Host-doorward", Secure: true}
	for _, f := range change {
		f(&o)
	}
	m, err := NewManager(o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// noise is n bytes that cannot be compressed.
func noise(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return string(b)
}

// newSession is a session that lives for an hour, with n bytes that cannot be compressed.
func newSession(user string, n int) *Session {
	now := time.Now()
	return &Session{
		User: user, Subject: user, AccessToken: noise(n),
		CreatedAt: now, ExpiresAt: now.Add(time.Hour), TokenExpiresAt: now.Add(time.Hour),
	}
}

// jwt makes a token with a signature as long as that of RS256.
func jwt(claims string) string {
	e := base64.RawURLEncoding.EncodeToString
	return e([]byte(`{"alg":"RS256","typ" : "JWT","kid" : "YIyW7pSIKBP4vvq0aO2mC2PbOY1Ee3Pxv7mKgGmQ3b8"}`)) + "." + e([]byte(claims)) + "." + e([]byte(noise(256)))
}

// keycloakSession is a session with tokens as Keycloak makes them for a person in five groups.
func keycloakSession() *Session {
	s := newSession("b2a8ed05-4b6a-4e0a-9f6d-8f2f0cbb8a07", 0)
	s.Issuer = "https://sso.example.com/realms/company"
	s.Email, s.PreferredUsername = "alice.cooper@example.com", "alice.cooper"
	s.ProviderSession, s.ACR, s.AuthTime = "6b1f2f3a-1a0e-4d0a-a3f3-7d6c0f6f2f0c", "1", s.CreatedAt
	s.Groups = []string{"Admin", "Dev", "Operations", "Finance", "Site Reliability"}
	groups := `["Admin","Dev","Operations","Finance","Site Reliability"]`
	times := fmt.Sprintf(`"exp":%d,"iat":%d,"auth_time":%d`, s.ExpiresAt.Unix(), s.CreatedAt.Unix(), s.CreatedAt.Unix())
	person := `"sid":"` + s.ProviderSession + `","email_verified":true,"name":"Alice Cooper","groups":` + groups +
		`,"preferred_username":"alice.cooper","given_name":"Alice","family_name":"Cooper","email":"alice.cooper@example.com"`
	s.IDToken = jwt(`{` + times + `,"jti":"3f1c9cbe-54fd-47f4-8d7f-0f53f6a1c8a5","iss":"` + s.Issuer + `","aud":"doorward","sub":"` + s.Subject +
		`","typ":"ID","azp":"doorward","nonce":"` + rand.Text() + `","at_hash":"` + rand.Text() + `","acr":"1",` + person + `}`)
	s.AccessToken = jwt(`{` + times + `,"jti":"onrtac:8a3c1f5e-6a4f-4a67-a27a-0a4bd0e1f0f8","iss":"` + s.Issuer + `","aud":["backend","account"],"sub":"` + s.Subject +
		`","typ":"Bearer","azp":"doorward","acr":"1","allowed-origins":["https://app.example.com"],"realm_access":{"roles":["offline_access","default-roles-company","uma_authorization"]},` +
		`"resource_access":{"account":{"roles":["manage-account","manage-account-links","view-profile"]}},"scope":"openid email profile",` + person + `}`)
	return s
}

// browser keeps cookies as a browser does, for one site, and says what it was told to keep.
type browser struct {
	t       testing.TB
	names   []string
	cookies map[string]*http.Cookie
}

func newBrowser(t testing.TB) *browser {
	return &browser{t: t, cookies: map[string]*http.Cookie{}}
}

// request carries the browser's cookies.
func (b *browser) request() *http.Request {
	r := httptest.NewRequest("GET", "https://app.example.com/", nil)
	if header := b.header(); header != "" {
		r.Header.Set("Cookie", header)
	}
	return r
}

func (b *browser) header() string {
	var pairs []string
	for _, name := range b.names {
		if c := b.cookies[name]; c != nil {
			pairs = append(pairs, name+"="+c.Value)
		}
	}
	return strings.Join(pairs, "; ")
}

// receive stores what a header sets, and checks each line as browsers do.
func (b *browser) receive(h http.Header) {
	b.t.Helper()
	seen := map[string]bool{}
	for _, line := range h["Set-Cookie"] {
		c, err := http.ParseSetCookie(line)
		if err != nil || len(c.Name)+len(c.Value) > 4096 || seen[c.Name] {
			b.t.Fatalf("a browser would refuse %.60q (%d bytes, twice: %v): %v", line, len(c.Name)+len(c.Value), seen[c.Name], err)
		}
		if strings.HasPrefix(c.Name, "__Host-") && (!c.Secure || c.Path != "/" || c.Domain != "") {
			b.t.Fatalf("a browser would refuse %.60q: the prefix asks for Secure, Path=/ and no Domain", line)
		}
		seen[c.Name] = true
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
			b.names = slices.DeleteFunc(b.names, func(name string) bool { return name == c.Name })
			continue
		}
		if b.cookies[c.Name] == nil {
			b.names = append(b.names, c.Name)
		}
		b.cookies[c.Name] = c
	}
}

// login gives the browser a session.
func (b *browser) login(m *Manager, s *Session) {
	b.t.Helper()
	h := http.Header{}
	if err := m.Create(h, b.request(), s); err != nil {
		b.t.Fatal(err)
	}
	b.receive(h)
}

// none wants ErrNone.
func none(t *testing.T, m *Manager, what string, headers ...string) {
	t.Helper()
	if s, err := m.Get(withCookies(headers...)); s != nil || !errors.Is(err, ErrNone) {
		t.Errorf("%s: got session %v and error %v", what, s != nil, err)
	}
}

// withCookies is a request with these Cookie headers.
func withCookies(headers ...string) *http.Request {
	r := httptest.NewRequest("GET", "https://app.example.com/", nil)
	r.Header["Cookie"] = headers
	return r
}

func TestSessionComesBackWhole(t *testing.T) {
	m, b := newManager(t), newBrowser(t)
	want := keycloakSession()
	want.RefreshToken, want.Generation = jwt(`{"typ":"Refresh"}`), 100_000
	want.TokenIssuedAt, want.UsedAt = want.CreatedAt.Add(time.Second), want.CreatedAt.Add(2*time.Second)
	want.Claims = map[string]any{
		"department": "R&D <Köln>", "level": json.Number("12345678901234567890"), "roles": []any{"a", "b"}, "ok": true,
		"address": map[string]any{"country": "DE"}, "nothing": nil,
	}
	b.login(m, want)
	found, err := m.Get(b.request())
	if err != nil {
		t.Fatal(err)
	}
	got := new(*found)
	got.memo = nil
	for _, pair := range [][2]*time.Time{
		{&got.CreatedAt, &want.CreatedAt}, {&got.ExpiresAt, &want.ExpiresAt}, {&got.TokenIssuedAt, &want.TokenIssuedAt},
		{&got.TokenExpiresAt, &want.TokenExpiresAt}, {&got.UsedAt, &want.UsedAt}, {&got.AuthTime, &want.AuthTime},
	} {
		if !pair[0].Equal(*pair[1]) {
			t.Errorf("time %v came back as %v", pair[1], pair[0])
		}
		*pair[0] = *pair[1]
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestEmptySessionKeepsItsZeroValues(t *testing.T) {
	m, b := newManager(t), newBrowser(t)
	b.login(m, newSession("", 0))
	s, err := m.Get(b.request())
	if err != nil {
		t.Fatal(err)
	}
	if s.Groups != nil || s.Claims != nil || !s.AuthTime.IsZero() || s.AccessToken != "" {
		t.Errorf("zero values came back as something: %+v", s)
	}
}

func TestCreateDrawsAnIdentifier(t *testing.T) {
	m, a, b := newManager(t), newSession("alice", 0), newSession("alice", 0)
	newBrowser(t).login(m, a)
	newBrowser(t).login(m, b)
	if len(a.ID) < 26 || a.ID == b.ID {
		t.Errorf("identifiers %q and %q", a.ID, b.ID)
	}
}

func TestCreateRefusesASessionWithoutItsTimes(t *testing.T) {
	m := newManager(t)
	for name, forget := range map[string]func(*Session){
		"CreatedAt":      func(s *Session) { s.CreatedAt = time.Time{} },
		"ExpiresAt":      func(s *Session) { s.ExpiresAt = time.Time{} },
		"TokenExpiresAt": func(s *Session) { s.TokenExpiresAt = time.Time{} },
	} {
		s, h := newSession("alice", 0), http.Header{}
		forget(s)
		if err := m.Create(h, withCookies(), s); err == nil || len(h) > 0 {
			t.Errorf("without %s: error %v, header %v", name, err, h)
		}
	}
}

func TestLifetimes(t *testing.T) {
	for _, test := range []struct {
		name           string
		created        time.Duration // from now
		session, token time.Duration // from now
		wait           time.Duration
		want           error
	}{
		{"living", 0, time.Hour, time.Hour, time.Hour - time.Nanosecond, nil},
		{"at its absolute end", 0, time.Hour, 2 * time.Hour, time.Hour, ErrExpired},
		{"at its token's end", 0, 2 * time.Hour, time.Hour, time.Hour, ErrExpired},
		{"a nanosecond long", 0, time.Nanosecond, time.Hour, 0, nil},
		{"over before it began", 0, -time.Second, time.Hour, 0, ErrExpired},
		{"from a clock a little ahead", time.Minute, time.Hour, time.Hour, 0, nil},
		{"from the future", time.Minute + time.Second, time.Hour, time.Hour, 0, ErrNone},
		{"a year long", 0, 366 * 24 * time.Hour, 366 * 24 * time.Hour, 365 * 24 * time.Hour, nil},
		{"older than browsers keep cookies", 0, 1000 * 24 * time.Hour, 1000 * 24 * time.Hour, 401 * 24 * time.Hour, ErrNone},
		{"ending in the year 9999", 0, 200 * 365 * 24 * time.Hour, 290 * 365 * 24 * time.Hour, time.Hour, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, b, now := newManager(t), newBrowser(t), time.Now()
				b.login(m, &Session{
					CreatedAt: now.Add(test.created), ExpiresAt: now.Add(test.session), TokenExpiresAt: now.Add(test.token),
				})
				time.Sleep(test.wait)
				if _, err := m.Get(b.request()); !errors.Is(err, test.want) {
					t.Errorf("got error %v, want %v", err, test.want)
				}
			})
		})
	}
}

func TestExpiryIsToldOnlyOfGenuineSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, b := newManager(t), newBrowser(t)
		b.login(m, newSession("alice", 0))
		time.Sleep(2 * time.Hour)
		c := b.cookies["__Host-doorward"]
		last := c.Value[len(c.Value)-2]
		c.Value = c.Value[:len(c.Value)-2] + string(rune(last^1)) + c.Value[len(c.Value)-1:]
		none(t, m, "an expired session with a bad MAC", b.header())
	})
}

func TestHooksTellKeyAndBytes(t *testing.T) {
	var keys, saved []int
	m := newManager(t, func(o *Options) {
		o.OnOpen = func(key int) { keys = append(keys, key) }
		o.OnSave = func(bytes int) { saved = append(saved, bytes) }
	})
	b := newBrowser(t)
	b.login(m, newSession("alice", 4000))
	m.Get(b.request())
	m.Get(withCookies("__Host-doorward=1.abcdefgh.nonsense"))
	if !reflect.DeepEqual(keys, []int{0}) || !reflect.DeepEqual(saved, []int{len(b.header())}) {
		t.Errorf("keys %v; saved %v, but the browser sends %d bytes", keys, saved, len(b.header()))
	}
}

func TestManagerServesManyAtOnce(t *testing.T) {
	m := newManager(t)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			user := fmt.Sprint("user", i)
			for n := range 20 {
				b := newBrowser(t)
				b.login(m, newSession(user, 300*n))
				h := http.Header{}
				if err := m.BeginLogin(h, b.request(), &Login{State: user}); err != nil {
					t.Error(err)
				}
				b.receive(h)
				if s, err := m.Get(b.request()); err != nil || s.User != user {
					t.Errorf("%s got %v, %v", user, s, err)
				}
				if l, err := m.FindLogin(b.request(), user); err != nil || l.State != user {
					t.Errorf("%s found login %v, %v", user, l, err)
				}
				if rest := m.Strip([]string{b.header()}); len(rest) != 0 {
					t.Errorf("%s left %q", user, rest)
				}
			}
		})
	}
	group.Wait()
}

func BenchmarkSeal(b *testing.B) {
	m, s, r := newManager(b), keycloakSession(), withCookies()
	b.ReportAllocs()
	for b.Loop() {
		if err := m.Create(http.Header{}, r, s); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpen shows what a look for a session costs whose cookies were never opened here; BenchmarkGet, what it costs from then on.
func BenchmarkOpen(b *testing.B) { benchmarkGet(b, forgetful(newManager(b))) }

func BenchmarkGet(b *testing.B) { benchmarkGet(b, newManager(b)) }

func benchmarkGet(b *testing.B, m *Manager) {
	browser, s := newBrowser(b), keycloakSession()
	browser.login(m, s)
	r := browser.request()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Get(r); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(browser.header())), "cookie-bytes")
	b.ReportMetric(float64(len(s.IDToken)+len(s.AccessToken)), "token-bytes")
}

// BenchmarkScan looks for our cookies among forty others.
func BenchmarkScan(b *testing.B) {
	m, browser := newManager(b), newBrowser(b)
	browser.login(m, keycloakSession())
	headers := []string{strings.Repeat("preference=something-or-other; ", 40) + browser.header()}
	b.ReportAllocs()
	for b.Loop() {
		if j := m.names.scan(headers); j.seen[0] != 1 {
			b.Fatal("it is not found")
		}
	}
}

func BenchmarkStrip(b *testing.B) {
	m, browser := newManager(b), newBrowser(b)
	browser.login(m, keycloakSession())
	for name, header := range map[string]string{"ours alone": browser.header(), "among others": "a=b; " + browser.header() + "; c=d"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				m.Strip([]string{header})
			}
		})
	}
}
