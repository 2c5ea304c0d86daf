package backend

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const door, here = "https://door.example", "http://backend:8080"

// assertionKey is a key of doorward's, with its name.
func assertionKey(t *testing.T, name string) jose.JSONWebKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return jose.JSONWebKey{Key: key, KeyID: name, Algorithm: "ES256", Use: "sig"}
}

// assert signs that it is alice who asks, with some claims changed.
func assert(t *testing.T, key jose.JSONWebKey, changes map[string]any) string {
	t.Helper()
	claims := map[string]any{"iss": door, "aud": here, "sub": "alice", "exp": time.Now().Add(time.Minute).Unix()}
	maps.Copy(claims, changes)
	payload, _ := json.Marshal(claims)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(key.Algorithm), Key: key}, nil)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := signed.CompactSerialize()
	return text
}

// Only what doorward signed for this backend is shown as its word.
func TestAssertionIsVerified(t *testing.T) {
	key := assertionKey(t, "1")
	published := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key.Public()}})
	}))
	defer published.Close()
	i, _ := newBackend(t)
	backend := serve(t, Options{Issuer: i.name, Audience: "api", Assertions: Assertions{Issuer: door, KeysURL: published.URL, Audience: here}})
	for name, test := range map[string]struct {
		assertion string
		good      bool
	}{
		"good":               {assert(t, key, nil), true},
		"none":               {"", false},
		"for another":        {assert(t, key, map[string]any{"aud": "http://other:8080"}), false},
		"of somebody else":   {assert(t, key, map[string]any{"iss": "https://evil.example"}), false},
		"expired":            {assert(t, key, map[string]any{"exp": time.Now().Add(-time.Minute).Unix()}), false},
		"another's key":      {assert(t, assertionKey(t, "1"), nil), false},
		"by a shared secret": {assert(t, jose.JSONWebKey{Key: []byte(strings.Repeat("k", 32)), KeyID: "1", Algorithm: "HS256"}, nil), false},
		"no JWT":             {"alice", false},
	} {
		t.Run(name, func(t *testing.T) {
			status, page := get(t, backend.URL+"/", "Authorization", "Bearer "+i.token(t, nil), "X-Doorward-Assertion", test.assertion)
			if status != http.StatusOK || strings.Contains(page, "signed by doorward</span>") != test.good {
				t.Errorf("status %d, %s", status, page)
			}
		})
	}
}

func TestAssertionsNeedAllTheirOptions(t *testing.T) {
	if _, err := New(Options{Issuer: "https://id.example", Audience: "api", Assertions: Assertions{Issuer: door, KeysURL: door}}); err == nil {
		t.Error("a backend that accepts assertions for anybody was made")
	}
}
