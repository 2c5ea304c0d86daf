package proxy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// newAssertions signs with a key that can be changed.
func newAssertions(t testing.TB) (a *assertions, keys *[]jose.JSONWebKey) {
	t.Helper()
	keys = &[]jose.JSONWebKey{signingKey(t, "first")}
	return &assertions{issuer: "https://app.example.com", keys: func() []jose.JSONWebKey { return *keys }}, keys
}

func signingKey(t testing.TB, name string) jose.JSONWebKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return jose.JSONWebKey{Key: key, KeyID: name, Algorithm: "ES256"}
}

func (a *assertions) must(t testing.TB, claims asserted) string {
	t.Helper()
	text, err := a.of(claims)
	if err != nil || text == "" {
		t.Fatalf("the assertion is %q, %v", text, err)
	}
	return text
}

// alice is what there is to say of somebody.
func alice() asserted {
	return asserted{Audience: "http://app:8080", Subject: "alice", Email: "alice@example.com", Groups: []string{"Admin", "Dev"}}
}

// An assertion is signed once and sent until a minute before its end.
func TestAssertionIsReusedWhileItIsGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := newAssertions(t)
		first := a.must(t, alice())
		for range 4 {
			if got := a.must(t, alice()); got != first {
				t.Fatalf("after %v another one was signed", assertionLifetime-assertionRest)
			}
			time.Sleep(time.Minute)
		}
		time.Sleep(time.Second)
		if a.must(t, alice()) == first {
			t.Error("it was sent with less than a minute left")
		}
	})
}

// Whatever is said otherwise, or by another key, is signed anew.
func TestAssertionIsForWhatItSays(t *testing.T) {
	a, keys := newAssertions(t)
	seen := map[string]string{a.must(t, alice()): "the first"}
	for name, change := range map[string]func(*asserted){
		"audience":  func(c *asserted) { c.Audience = "http://other:8080" },
		"subject":   func(c *asserted) { c.Subject = "bob" },
		"e-mail":    func(c *asserted) { c.Email = "" },
		"name":      func(c *asserted) { c.PreferredUsername = "Alice" },
		"groups":    func(c *asserted) { c.Groups = c.Groups[:1] },
		"one group": func(c *asserted) { c.Groups = []string{"Admin,Dev"} },
		"key":       func(*asserted) { *keys = []jose.JSONWebKey{signingKey(t, "second"), (*keys)[0]} },
	} {
		claims := alice()
		change(&claims)
		text := a.must(t, claims)
		if before, known := seen[text]; known {
			t.Errorf("with another %s it is that of %s", name, before)
		}
		seen[text] = name
	}
}

func TestNothingIsSignedWithoutAKey(t *testing.T) {
	a := &assertions{keys: func() []jose.JSONWebKey { return nil }}
	if text, err := a.of(alice()); text != "" || err != nil {
		t.Errorf("the assertion is %q, %v", text, err)
	}
}

// A key that does not sign is an error, not a request without an assertion.
func TestKeyThatDoesNotSign(t *testing.T) {
	a, keys := newAssertions(t)
	*keys = []jose.JSONWebKey{{Key: []byte("secret"), KeyID: "x"}}
	if text, err := a.of(alice()); text != "" || err == nil {
		t.Errorf("the assertion is %q, %v", text, err)
	}
}

// What is remembered is bounded, and what was used last is not what is forgotten.
func TestRememberedAssertionsAreBounded(t *testing.T) {
	a, _ := newAssertions(t)
	large := assertion{string(make([]byte, 64<<10)), time.Now().Add(assertionLifetime)}
	var name [32]byte
	for i := range 1000 {
		copy(name[:], fmt.Sprint(i))
		a.remember(name, large)
	}
	total := 0
	for _, half := range []map[[32]byte]assertion{a.recent, a.before} {
		for _, signed := range half {
			total += len(signed.text)
		}
	}
	if total > 2*maxAssertionBytes+2*len(large.text) {
		t.Errorf("%d bytes are remembered", total)
	}
	if _, known := a.known(name); !known {
		t.Error("the last one is forgotten")
	}
}

func TestOldAssertionsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := newAssertions(t)
		for i := range 3 {
			a.must(t, asserted{Subject: fmt.Sprint(i)})
			time.Sleep(assertionLifetime + time.Second)
		}
		if n := len(a.recent) + len(a.before); n > 2 {
			t.Errorf("%d are remembered", n)
		}
	})
}

// BenchmarkAssertion compares what a request costs with what the first one of a person does.
func BenchmarkAssertion(b *testing.B) {
	b.Run("known", func(b *testing.B) {
		a, _ := newAssertions(b)
		for b.Loop() {
			a.must(b, alice())
		}
	})
	b.Run("signed", func(b *testing.B) {
		a, keys := newAssertions(b)
		claims := alice()
		claims.Issuer = a.issuer
		for b.Loop() {
			if _, err := claims.sign(&(*keys)[0]); err != nil {
				b.Fatal(err)
			}
		}
	})
}
