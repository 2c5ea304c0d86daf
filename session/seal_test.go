package session

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
)

// secrets sets the cookie secrets, by their seeds.
func secrets(seeds ...byte) func(*Options) {
	return func(o *Options) {
		o.Secrets = nil
		for _, seed := range seeds {
			o.Secrets = append(o.Secrets, secret(seed))
		}
	}
}

func TestSecretsRotate(t *testing.T) {
	var keys []int
	note := func(o *Options) { o.OnOpen = func(key int) { keys = append(keys, key) } }
	b := newBrowser(t)
	b.login(newManager(t, secrets(1)), newSession("alice", 0))
	for _, test := range []struct {
		name    string
		secrets []byte
		want    error
		key     int
	}{
		{"appended everywhere", []byte{1, 2, 3}, nil, 0},
		{"second", []byte{2, 1, 3}, nil, 1},
		{"third", []byte{3, 2, 1}, nil, 2},
		{"dropped", []byte{3, 2}, ErrNone, -1},
	} {
		keys = []int{-1}
		_, err := newManager(t, secrets(test.secrets...), note).Get(b.request())
		if !errors.Is(err, test.want) || keys[len(keys)-1] != test.key {
			t.Errorf("%s: error %v, keys %v", test.name, err, keys)
		}
	}
}

func TestTheFirstSecretSeals(t *testing.T) {
	b := newBrowser(t)
	b.login(newManager(t, secrets(2, 1)), newSession("alice", 0))
	if _, err := newManager(t, secrets(2)).Get(b.request()); err != nil {
		t.Errorf("the first secret does not open: %v", err)
	}
	if _, err := newManager(t, secrets(1)).Get(b.request()); !errors.Is(err, ErrNone) {
		t.Errorf("the second secret alone gives %v", err)
	}
}

func TestLoginsRotateToo(t *testing.T) {
	h, b := http.Header{}, newBrowser(t)
	if err := newManager(t, secrets(1)).BeginLogin(h, b.request(), &Login{State: "s"}); err != nil {
		t.Fatal(err)
	}
	b.receive(h)
	if _, err := newManager(t, secrets(2, 1)).FindLogin(b.request(), "s"); err != nil {
		t.Error(err)
	}
}

// Each value is put where the other purpose would look for it, with the name that it is bound to.
func TestPurposesDoNotOpenEachOther(t *testing.T) {
	m := newManager(t)
	name := m.loginName("s")
	asLogin, err := m.logins.seal(name, packLogin(&Login{State: "s"}))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, ok := m.logins.open(name, asLogin); !ok {
		t.Error("a login does not open as a login")
	}
	if _, _, ok := m.sessions.open(name, asLogin); ok {
		t.Error("a login opens as a session")
	}
	asSession, err := m.sessions.seal(name, packLogin(&Login{State: "s"}))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, ok := m.logins.open(name, asSession); ok {
		t.Error("a session opens as a login")
	}
}

func TestSealIsBoundToTheCookiesName(t *testing.T) {
	b := newBrowser(t)
	b.login(newManager(t), newSession("alice", 0))
	other := newManager(t, func(o *Options) { o.CookieName = "__Host-other" })
	none(t, other, "under another name", "__Host-other="+b.cookies[base].Value)
}

func TestSealIsBoundToTheAudience(t *testing.T) {
	for _, audience := range []string{"", "https://issuer.example one"} {
		b := newBrowser(t)
		b.login(newManager(t, func(o *Options) { o.Audience = audience }), newSession("alice", 0))
		none(t, newManager(t, func(o *Options) { o.Audience = "https://issuer.example two" }), "another deployment's cookie", b.header())
	}
}

func TestCookiesTellNothing(t *testing.T) {
	m, b, s := newManager(t), newBrowser(t), newSession("alice", 0)
	s.AccessToken = "canary canary canary canary"
	b.login(m, s)
	sealed, _ := wire.DecodeString(strings.SplitN(b.cookies[base].Value, ".", 3)[2])
	if bytes.Contains(sealed, []byte("canary")) || bytes.Contains(sealed, []byte("alice")) {
		t.Error("the cookie is not encrypted")
	}
}

// What an older version sealed opens, or an update would sign everybody out, and two versions side by side would do so by turns. Whoever changes
// what is sealed, or how, gives that another format, and seals these anew.
func TestWhatAnOlderVersionSealedOpens(t *testing.T) {
	const (
		stored   = "1.hZXO4Fln.AAAAADhtQ4C3PTBsJh2es-4UucUNFuUc8YH3Le8LeYlRA6STt541wQYALsarfM36QAeoUHERgKLYq0nnxwNBo5eKzLRsBY2hnqmdd1UBbHuSZApb00KKgSlX2wW74ip5VoQERKyWmyKh2NmnHapQrEcX8nJ7428cthfP2S7krsYVFVs0Vqvg"
		deflated = "1.tE7fnYxO.AAAAADhtQ4AYhrWGTuwwU36bZGaOzruY8pXA9BbeC0-ODtfgb6WfUQhUeENGe18XBDcbxRInR3ayPEePle62-85sdbk6iarFYHIe8Oyt1E8DRpsfCzPVwJnTRt-vtFaRBQu-CWQhku3ywMltdfMpi8pgFHvk098J866aKZnfDNG-yNVacdPrMonMxo_9CSRiGPv05IC7GkNeHejt-BpX9zPnxf8WdeuUI9kLqxK_wWXMn1oxTDEx2yzUCwc_w"
		quick    = "1.-KCbLkmR.AAAAADhtQ4CS2U7qW0Q_hXi5m-vRJQb4xF3moBzIXdf0S56aw0fcfQMiqK60HmvkvUTGf_BfiRe_hFOL2-yqENNgRHbE5DDx_CofMXyezU3E6XB9_bUA8ZZ02uIV90VSEyGqA6grZ0iozz-VV49j4l-cQL4mKMVYuYfAhKJlTrKJddxPE8YDVX09sR"
		login    = "AAAAADhtQ4DvuS0h6R3r_2EWw88d7E9MF8SN6NUXnHggqRGbyJB0HgQqMxSTdgeG1UymKl-GQSOH-SO4nIymcqvnAQc-m3VpgSgDcG8-6T7SaGyM1OiQ"
	)
	synctest.Test(t, func(t *testing.T) { // in which it is the moment when they were sealed
		m := newManager(t, func(o *Options) { o.Audience = "https://issuer.example client" })
		for name, cookie := range map[string]string{"stored": stored, "deflated": deflated, "by S2": quick} {
			s, err := m.Get(withCookies(base + "=" + cookie))
			if err != nil || s.User != "alice" || s.RefreshToken != "refresh" {
				t.Errorf("%s: got %v", name, err)
			}
		}
		l, err := m.FindLogin(withCookies(m.loginName("state")+"="+login), "state")
		if err != nil || l.Nonce != "nonce" || l.ReturnTo != "/" {
			t.Errorf("login: got %v", err)
		}
	})
}

func TestSealedLenIsExact(t *testing.T) {
	s := newManager(t).sessions
	for n := range 100 {
		value, err := s.seal("name", make([]byte, n))
		if err != nil || len(value) != sealedLen(n) {
			t.Errorf("%d bytes become %d characters, not %d (%v)", n, len(value), sealedLen(n), err)
		}
	}
}

// What a lenient decoder of base64 skips, or takes for nothing, is not to be added.
func TestASealHasOneSpelling(t *testing.T) {
	s := newManager(t).sessions
	for n := range 3 {
		value, err := s.seal("name", make([]byte, 10+n))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, ok := s.open("name", value); !ok {
			t.Errorf("%d bytes: it does not open as it is", n)
		}
		for _, more := range []string{"=", "==", "===", "\n", "\r", "\r\n", strings.Repeat("\n", 54), "|", "A", "AAAA"} {
			for at := range len(value) + 1 {
				if _, _, ok := s.open("name", value[:at]+more+value[at:]); ok {
					t.Errorf("%d bytes: it opens with %q at %d", n, more, at)
				}
			}
		}
		for at := range len(value) { // of base64, characters at the end of something may differ in bits that mean nothing
			for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_" {
				other := value[:at] + string(c) + value[at+1:]
				if _, _, ok := s.open("name", other); ok && other != value {
					t.Errorf("%d bytes: it opens with %c at %d", n, c, at)
				}
			}
		}
	}
}

// FuzzOpen edits a sealed value: cut bytes at a place, put others there.
func FuzzOpen(f *testing.F) {
	m := newManager(f)
	value, err := m.sessions.seal("name", []byte("plain"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint(0), uint(0), "")
	f.Add(uint(len(value)), uint(1), "A")
	f.Add(uint(7), uint(2), "\r\n")
	f.Fuzz(func(t *testing.T, at, cut uint, put string) {
		at = min(at, uint(len(value)))
		cut = min(cut, uint(len(value))-at)
		edited := value[:at] + put + value[at+cut:]
		if plain, _, ok := m.sessions.open("name", edited); ok != (edited == value) {
			t.Errorf("%q opens: %v, as %q", edited, ok, plain)
		}
	})
}

func TestOptionsAreChecked(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*Options)
		want   []string
	}{
		{"no secret", secrets(), []string{"DOORWARD_COOKIE_SECRETS", "doorward secret"}},
		{"a list without a secret", func(o *Options) { o.Secrets = [][]byte{} }, []string{"DOORWARD_COOKIE_SECRETS is empty"}},
		{"empty secret", func(o *Options) { o.Secrets = [][]byte{secret(1), {}} }, []string{"secret 2 has 0 bytes"}},
		{"short secret", func(o *Options) { o.Secrets = [][]byte{secret(1)[:31]} }, []string{"secret 1 has 31 bytes, it needs 32"}},
		{"pattern for a secret", func(o *Options) { o.Secrets = [][]byte{bytes.Repeat([]byte("secret"), 8)} }, []string{"secret 1 is a pattern"}},
		{"__Host- on http", func(o *Options) { o.Secure = false }, []string{"DOORWARD_COOKIE_NAME", "use https"}},
		{"__Host- for a domain", func(o *Options) { o.Domain = "example.com" }, []string{"DOORWARD_COOKIE_NAME", "DOORWARD_COOKIE_DOMAIN", "__Secure-"}},
		{"__hoST- for a domain", func(o *Options) { o.Domain, o.CookieName = "example.com", "__hoST-x" }, []string{"DOORWARD_COOKIE_DOMAIN"}},
		{"__sEcUre- on http", func(o *Options) { o.Secure, o.CookieName = false, "__sEcUre-x" }, []string{"DOORWARD_COOKIE_NAME"}},
		{"no name", func(o *Options) { o.CookieName = "" }, []string{"DOORWARD_COOKIE_NAME"}},
		{"name with a blank", func(o *Options) { o.CookieName = "a b" }, []string{"DOORWARD_COOKIE_NAME"}},
		{"name with =", func(o *Options) { o.CookieName = "a=b" }, []string{"DOORWARD_COOKIE_NAME"}},
		{"name with ;", func(o *Options) { o.CookieName = "a;b" }, []string{"DOORWARD_COOKIE_NAME"}},
		{"name with an umlaut", func(o *Options) { o.CookieName = "tür" }, []string{"DOORWARD_COOKIE_NAME"}},
		{"endless name", func(o *Options) { o.CookieName = strings.Repeat("a", 65) }, []string{"DOORWARD_COOKIE_NAME"}},
		{"negative bytes", func(o *Options) { o.MaxBytes = -1 }, []string{"DOORWARD_SESSION_COOKIE_MAX_BYTES"}},
		{"more bytes than cookies hold", func(o *Options) { o.MaxBytes = 1 << 20 }, []string{"DOORWARD_SESSION_COOKIE_MAX_BYTES", "62400"}},
		{"SameSite unknown", func(o *Options) { o.SameSite = 9 }, []string{"DOORWARD_COOKIE_SAMESITE"}},
		{"SameSite=None on http", func(o *Options) { o.Secure, o.CookieName, o.SameSite = false, "d", http.SameSiteNoneMode }, []string{"DOORWARD_COOKIE_SAMESITE"}},
		{"form_post on http", func(o *Options) { o.Secure, o.CookieName, o.LoginSameSite = false, "d", http.SameSiteNoneMode }, []string{"DOORWARD_RESPONSE_MODE"}},
		{"strict login cookie", func(o *Options) { o.LoginSameSite = http.SameSiteStrictMode }, []string{"Lax or None"}},
		{"several at once", func(o *Options) { o.Secrets, o.CookieName = nil, "" }, []string{"DOORWARD_COOKIE_SECRETS", "DOORWARD_COOKIE_NAME"}},
	} {
		o := Options{Secrets: [][]byte{secret(1)}, CookieName: base, Secure: true}
		test.change(&o)
		m, err := NewManager(o)
		if err == nil || m != nil {
			t.Errorf("%s: accepted", test.name)
			continue
		}
		for _, part := range test.want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %q does not say %q", test.name, err, part)
			}
		}
	}
}

func TestErrorsNeverQuoteSecrets(t *testing.T) {
	_, err := NewManager(Options{Secrets: [][]byte{[]byte("hush")}, CookieName: "d"})
	if err == nil || strings.Contains(err.Error(), "hush") {
		t.Errorf("error %v", err)
	}
}
