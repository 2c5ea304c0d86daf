package providertest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"strings"
)

// JWT is a token about to be signed. It is made by hand rather than with a library, since a library refuses to make most
// of what a client must refuse to take.
type JWT struct {
	Header map[string]any
	Claims map[string]any
	// RawHeader and Payload, when not nil, take the place of Header and Claims: for JSON that no encoder makes.
	RawHeader, Payload []byte
	// Key signs; the algorithm is that of the header, or SignAs where the header lies. An algorithm that this package does not
	// know ("none", "nOnE") makes an empty signature.
	Key    *Key
	SignAs string
	// Finish, when not nil, has the last word on the compact form.
	Finish func(compact string) string
}

// newJWT makes a token of the claims for the key, an RSA one, with its identifier in the header.
func newJWT(k *Key, claims map[string]any) *JWT {
	return &JWT{Header: map[string]any{"alg": "RS256", "kid": k.ID}, Claims: claims, Key: k}
}

// Compact is the token in its compact form (RFC 7515 7.1).
func (j *JWT) Compact() string {
	header, payload := j.RawHeader, j.Payload
	if header == nil {
		header = must(json.Marshal(j.Header))
	}
	if payload == nil {
		payload = must(json.Marshal(j.Claims))
	}
	algorithm := j.SignAs
	if algorithm == "" {
		algorithm, _ = j.Header["alg"].(string)
	}
	input := encode(header) + "." + encode(payload)
	compact := input + "." + encode(sign(algorithm, j.Key.private, input))
	if j.Finish != nil {
		return j.Finish(compact)
	}
	return compact
}

// sign makes a signature by one of the algorithms of RFC 7518 3.1 or RFC 8037 3.1.
func sign(algorithm string, key any, input string) []byte {
	hash := hashOf(algorithm)
	digest := digestOf(hash, input)
	switch {
	case strings.HasPrefix(algorithm, "HS"):
		mac := hmac.New(sha256.New, key.([]byte))
		mac.Write([]byte(input))
		return mac.Sum(nil)
	case strings.HasPrefix(algorithm, "RS"):
		return must(rsa.SignPKCS1v15(rand.Reader, key.(*rsa.PrivateKey), hash, digest))
	case strings.HasPrefix(algorithm, "PS"):
		options := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
		return must(rsa.SignPSS(rand.Reader, key.(*rsa.PrivateKey), hash, digest, options))
	case strings.HasPrefix(algorithm, "ES"):
		return signECDSA(key.(*ecdsa.PrivateKey), digest)
	case algorithm == "EdDSA":
		return ed25519.Sign(key.(ed25519.PrivateKey), []byte(input))
	default:
		return nil
	}
}

// signECDSA joins both halves, each as long as the curve's field (RFC 7518 3.4).
func signECDSA(key *ecdsa.PrivateKey, digest []byte) []byte {
	r, s, err := ecdsa.Sign(rand.Reader, key, digest)
	must(r, err)
	size := (key.Params().BitSize + 7) / 8
	signature := make([]byte, 2*size)
	r.FillBytes(signature[:size])
	s.FillBytes(signature[size:])
	return signature
}

// hashOf is the hash that belongs to an algorithm; Ed25519 uses SHA-512 inside, and at_hash follows it.
func hashOf(algorithm string) crypto.Hash {
	switch {
	case strings.HasSuffix(algorithm, "384"):
		return crypto.SHA384
	case strings.HasSuffix(algorithm, "512"), algorithm == "EdDSA":
		return crypto.SHA512
	default:
		return crypto.SHA256
	}
}

func digestOf(hash crypto.Hash, input string) []byte {
	h := hash.New()
	h.Write([]byte(input))
	return h.Sum(nil)
}

// accessTokenHash is "at_hash" (OIDC Core 3.1.3.6): the left half of the hash that belongs to the ID token's algorithm.
func accessTokenHash(algorithm, accessToken string) string {
	digest := digestOf(hashOf(algorithm), accessToken)
	return encode(digest[:len(digest)/2])
}
