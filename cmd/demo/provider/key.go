package provider

import (
	"crypto/rand"
	"crypto/rsa"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

// signingKey signs every token. It is an op.SigningKey.
type signingKey struct {
	id      string
	private *rsa.PrivateKey
}

func newSigningKey() (*signingKey, error) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("making the signing key: %w", err)
	}
	return &signingKey{id: newID(), private: private}, nil
}

// SignatureAlgorithm is RS256, the one that every client knows (OIDC Core 15.1).
func (k *signingKey) SignatureAlgorithm() jose.SignatureAlgorithm { return jose.RS256 }

// Key is the private key.
func (k *signingKey) Key() any { return k.private }

// ID is the `kid`.
func (k *signingKey) ID() string { return k.id }

// publicKey is the half that the key set shows. It is an op.Key.
type publicKey struct{ *signingKey }

// Algorithm is that of the signatures.
func (k publicKey) Algorithm() jose.SignatureAlgorithm { return k.SignatureAlgorithm() }

// Use is signatures alone.
func (k publicKey) Use() string { return "sig" }

// Key is the public key.
func (k publicKey) Key() any { return k.private.Public() }
