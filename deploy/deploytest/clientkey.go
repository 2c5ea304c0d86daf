package deploytest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// ClientKey makes a key for private_key_jwt with an algorithm: what CLIENT_KEY takes, and the public half for the provider.
func ClientKey(t testing.TB, algorithm string) (setting string, public jose.JSONWebKey) {
	t.Helper()
	private, err := newKey(algorithm)
	if err != nil {
		t.Fatal(err)
	}
	key := jose.JSONWebKey{Key: private, KeyID: "doorward-" + algorithm, Algorithm: algorithm, Use: "sig"}
	text, err := json.Marshal(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(text), key.Public()
}

func newKey(algorithm string) (crypto.Signer, error) {
	switch algorithm {
	case "ES256":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "EdDSA":
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return private, err
	}
	return rsa.GenerateKey(rand.Reader, 2048)
}

// KeySet writes a public key as the JWK set that a client registers.
func KeySet(t testing.TB, public jose.JSONWebKey) string {
	t.Helper()
	text, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{public}})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
