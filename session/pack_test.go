package session

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// sealed is a Cookie header that holds a plain text sealed as a session.
func sealed(t *testing.T, m *Manager, plain []byte) string {
	t.Helper()
	values, err := m.sealChunks(bytes.Clone(plain))
	if err != nil {
		t.Fatal(err)
	}
	cookies := map[string]string{}
	for i, value := range values {
		cookies[m.names.chunk(i)] = value
	}
	return header(cookies)
}

func TestKeycloakTokensFitOneCookie(t *testing.T) {
	m, b, s := newManager(t), newBrowser(t), keycloakSession()
	b.login(m, s)
	tokens := len(s.IDToken) + len(s.AccessToken)
	if len(b.cookies) != 1 || len(b.header()) > 1700 {
		t.Errorf("%d bytes of tokens became %d cookies of %d bytes", tokens, len(b.cookies), len(b.header()))
	}
}

func TestTokensComeBackByteForByte(t *testing.T) {
	e := base64.RawURLEncoding.EncodeToString
	for _, token := range []string{
		"", "opaque", "a.b", "..", "...", "a.b.c", "a.b.c.d", jwt(`{"sub":"alice"}`), jwt(`{}`) + "=", jwt(`{}`) + "\n",
		e([]byte("{}")) + ".." + e([]byte("x")), "QQ.QR.QQ", "QQ.QQ.QQ", "QQ==.QQ.QQ", "+/.QQ.QQ", "\x00\xff", strings.Repeat("ü", 300),
		strings.Repeat("x", 3000), jwt(strings.Repeat("x", 767)), jwt(strings.Repeat("x", 768)), jwt(strings.Repeat("x", 769)), jwt(strings.Repeat("x", 5000)),
	} {
		m, b, s := newManager(t), newBrowser(t), newSession("alice", 0)
		s.AccessToken, s.RefreshToken = token, jwt("{}")
		b.login(m, s)
		if got, err := m.Get(b.request()); err != nil || got.AccessToken != token || got.RefreshToken != s.RefreshToken {
			t.Errorf("%.40q came back as %.40q, %v", token, got.AccessToken, err)
		}
	}
}

func TestOtherFormatsDoNotOpen(t *testing.T) {
	m := newManager(t)
	p := &packer{}
	newSession("alice", 0).layout(p)
	plain := p.plain()
	if _, err := m.Get(withCookies(sealed(t, m, plain))); err != nil {
		t.Fatalf("as it is: %v", err)
	}
	for name, other := range map[string][]byte{
		"newer version":   append([]byte{format + 1}, plain[1:]...),
		"version 0":       append([]byte{0}, plain[1:]...),
		"unknown storage": append([]byte{format, 9}, plain[2:]...),
		"nothing":         {},
		"version alone":   {format},
		"one byte more":   append(bytes.Clone(plain), 0),
		"one byte less":   plain[:len(plain)-1],
		"bad deflate":     append([]byte{format, deflated, 0, 0}, "garbage"...),
		"bad S2":          append([]byte{format, s2Encoded, 0, 0}, "garbage"...),
		"nothing by S2":   {format, s2Encoded, 0, 0},
		"a signature":     append([]byte{format, stored, 1, 0}, plain[3:]...),
		"signatures cut":  {format, stored, 200},
		"a login":         packLogin(typicalLogin("s")),
	} {
		none(t, m, name, sealed(t, m, other))
	}
}

func anyRoom(int) bool { return true }

// A session is compressed in the quick way as long as it is well within one cookie.
func TestHowASessionIsCompressed(t *testing.T) {
	random := newSession("alice", 0)
	random.RefreshToken = noise(3000)
	for name, c := range map[string]struct {
		session *Session
		want    byte
	}{
		"of tokens alone": {keycloakSession(), s2Encoded}, "a bit shorter": {inGroups(20), s2Encoded}, "a bit longer": {inGroups(30), deflated},
		"long": {inGroups(200), deflated}, "random": {random, stored},
	} {
		plain, err := newManager(t).packing.pack(c.session, anyRoom)
		if err != nil || plain[1] != c.want {
			t.Errorf("%s: stored in way %d, %v", name, plain[1], err)
		}
	}
}

// inGroups is a session of somebody in so many groups, whose names are as long as those of Entra ID.
func inGroups(n int) *Session {
	s := keycloakSession()
	for i := range n {
		digest := sha256.Sum256([]byte{byte(i)})
		s.Groups = append(s.Groups, hex.EncodeToString(digest[:18]))
	}
	return s
}

// Where the cookies may not be that large, it is made smaller.
func TestASessionThatDeflateAloneMakesFit(t *testing.T) {
	const most = 1600
	m, b, s := newManager(t, func(o *Options) { o.MaxBytes = most }), newBrowser(t), keycloakSession()
	b.login(m, s)
	if got, err := m.Get(b.request()); err != nil || got.AccessToken != s.AccessToken || len(b.header()) > most {
		t.Errorf("with %d bytes it takes %d, %v", most, len(b.header()), err)
	}
}

// compressors are the ways to compress, and back.
func (c *packing) compressors() map[byte]compressor {
	return map[byte]compressor{deflated: {c.deflater.deflate, c.deflater.inflate}, s2Encoded: {c.s2.encode, c.s2.decode}}
}

type compressor struct {
	shrink func(head, body []byte) []byte
	expand func(body []byte, limit int, use func(plain []byte) error) error
}

// While somebody's session is looked at, another is opened.
func TestWhatIsLookedAtIsNobodyElses(t *testing.T) {
	alice, bob := bytes.Repeat([]byte("alice "), 99), bytes.Repeat([]byte("bob "), 99)
	for how, c := range newManager(t).packing.compressors() {
		for range 20 { // a pool forgets now and then
			err := c.expand(c.shrink(nil, alice), maxPacked, func(plain []byte) error {
				err := c.expand(c.shrink(nil, bob), maxPacked, func([]byte) error { return nil })
				if !bytes.Equal(plain, alice) {
					t.Fatalf("in way %d %.20q becomes %.20q", how, alice, plain)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Bombs can be made only by somebody who has the secret.
func TestWhatComesOfACookieIsBounded(t *testing.T) {
	m := newManager(t)
	for how, c := range m.packing.compressors() {
		none(t, m, fmt.Sprintf("a bomb in way %d", how), sealed(t, m, c.shrink([]byte{format, how, 0, 0}, make([]byte, 1<<20))))
		for size, fits := range map[int]bool{maxPacked: true, maxPacked + 1: false} {
			used := 0
			err := c.expand(c.shrink(nil, make([]byte, size)), maxPacked, func(plain []byte) error {
				used = len(plain)
				return nil
			})
			if (err == nil) != fits || fits != (used == size) {
				t.Errorf("in way %d, of %d bytes came %d, %v", how, size, used, err)
			}
		}
	}
}

func TestSessionsShareNothingThroughCompressors(t *testing.T) {
	m := newManager(t)
	for how, c := range m.packing.compressors() {
		var sizes []int
		for range 3 {
			sizes = append(sizes, len(c.shrink(nil, []byte(strings.Repeat("one and the same text", 9)))))
		}
		if sizes[0] != sizes[1] || sizes[1] != sizes[2] {
			t.Errorf("in way %d the sizes are %v: one text is shorter after another", how, sizes)
		}
	}
}

func TestClaimsThatCannotBeSealedAreAnError(t *testing.T) {
	s := newSession("alice", 0)
	s.Claims = map[string]any{"f": func() {}}
	if err := newManager(t).Create(http.Header{}, withCookies(), s); err == nil || !strings.HasPrefix(err.Error(), "sealing session: ") {
		t.Errorf("got %v", err)
	}
}

func FuzzUnpack(f *testing.F) {
	m := newManager(f)
	s := keycloakSession()
	s.Claims = map[string]any{"a": "b"}
	plain, err := m.packing.pack(s, anyRoom)
	if err != nil {
		f.Fatal(err)
	}
	p := &packer{}
	s.layout(p)
	f.Add(plain)
	f.Add(p.plain())
	f.Add(m.packing.deflater.deflate(p.head(deflated), p.buf))
	f.Add(packLogin(&Login{State: "s", StartedAt: time.Now()}))
	f.Fuzz(func(t *testing.T, plain []byte) {
		if l, err := unpackLogin(plain); err == nil {
			if again, err := unpackLogin(packLogin(l)); err != nil || *again != *l {
				t.Errorf("login %+v came back as %+v, %v", l, again, err)
			}
		}
		s, err := m.packing.unpack(plain)
		if err != nil {
			return
		}
		if len(s.Claims) == 0 {
			s.Claims = nil
		}
		packed, err := m.packing.pack(s, anyRoom)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := m.packing.unpack(packed); err != nil || !reflect.DeepEqual(again, s) {
			t.Errorf("session %+v came back as %+v, %v", s, again, err)
		}
	})
}

// Whatever is known of a person is known again, what nobody is known to have among it.
func TestEveryFieldComesBack(t *testing.T) {
	m, b := newManager(t), newBrowser(t)
	moment := time.Now().UTC()
	s := &Session{
		ID: "id", Issuer: "iss", Subject: "sub", ProviderSession: "sid", User: "user", Email: "email", PreferredUsername: "name",
		Groups: []string{"a", "b"}, GroupsUnknown: true, Claims: map[string]any{"a": "b"}, ACR: "acr", AuthTime: moment.Add(-time.Minute),
		IDToken: "id token", AccessToken: "access token", RefreshToken: "refresh token", Generation: 7,
		CreatedAt: moment, ExpiresAt: moment.Add(time.Hour), TokenIssuedAt: moment.Add(1), TokenExpiresAt: moment.Add(time.Minute), UsedAt: moment.Add(2),
	}
	for i, of := 0, reflect.ValueOf(*s); i < of.NumField(); i++ {
		if of.Type().Field(i).IsExported() && of.Field(i).IsZero() {
			t.Fatalf("%s is not set here", of.Type().Field(i).Name)
		}
	}
	b.login(m, s)
	got, err := m.Get(b.request())
	if err != nil {
		t.Fatal(err)
	}
	back := *got
	if back.memo = nil; !reflect.DeepEqual(&back, s) {
		t.Errorf("got %+v, want %+v", back, *s)
	}
}

// What is held open is bounded by what it takes, wherever in a session that is.
func TestSizeCountsAllThatASessionHolds(t *testing.T) {
	const much = 100_000
	text := noise(much)
	for name, s := range map[string]*Session{
		"id token":            {IDToken: text},
		"refresh token":       {RefreshToken: text},
		"email":               {Email: text},
		"group":               {Groups: []string{text}},
		"groups":              {Groups: slices.Repeat([]string{"x"}, much)},
		"claim":               {Claims: map[string]any{"a": text}},
		"claim of a claim":    {Claims: map[string]any{"a": map[string]any{"b": text}}},
		"claims of an array":  {Claims: map[string]any{"a": []any{text}}},
		"an array of nothing": {Claims: map[string]any{"a": make([]any, much)}},
	} {
		if size := s.Size(); size < much {
			t.Errorf("%s: %d bytes", name, size)
		}
	}
}
