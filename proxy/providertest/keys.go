package providertest

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"math/big"
	"sync"
)

// Key is a key of the provider. The published set is like that of the certification suite: beside two RSA and two P-256 keys
// it holds a secp256k1 key and an Ed25519 key without "alg", and keys for encryption.
type Key struct {
	ID        string // "kid"
	Algorithm string // "alg" as published; empty publishes none
	Use       string // "use" as published

	role    string
	private any            // *rsa.PrivateKey, *ecdsa.PrivateKey, ed25519.PrivateKey or []byte
	public  map[string]any // the type and its parameters, as a JWK has them
}

// keySet is one generation of keys. Roles name keys across generations: rsa-1 signs, rsa-2, ec-1, ec-2 and ed could, secp256k1
// and the encryption keys are company.
type keySet struct {
	generation int
	keys       []*Key
}

func newKeySet() *keySet { return (&keySet{generation: -1}).next() }

// next makes the following generation; no key and no identifier is shared with this one.
func (s *keySet) next() *keySet {
	n := &keySet{generation: s.generation + 1}
	rsas := rsaKeys()
	first := 2 * n.generation
	n.add("rsa-1", "RS256", "sig", rsas[first%len(rsas)])
	n.add("rsa-2", "RS256", "sig", rsas[(first+1)%len(rsas)])
	n.add("ec-1", "ES256", "sig", must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)))
	n.add("ec-2", "ES256", "sig", must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)))
	n.addPublic("secp256k1", secp256k1JWK())
	n.add("ed", "", "sig", newEd25519())
	n.add("rsa-enc", "RSA-OAEP", "enc", rsas[len(rsas)-1])
	n.add("ec-enc", "ECDH-ES", "enc", must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)))
	return n
}

func (s *keySet) add(role, algorithm, use string, private any) {
	s.keys = append(s.keys, newKey(role, fmt.Sprintf("%s.%d", role, s.generation), algorithm, use, private))
}

func (s *keySet) addPublic(role string, public map[string]any) {
	s.keys = append(s.keys, &Key{ID: fmt.Sprintf("%s.%d", role, s.generation), Use: "sig", role: role, public: public})
}

func newKey(role, id, algorithm, use string, private any) *Key {
	return &Key{ID: id, Algorithm: algorithm, Use: use, role: role, private: private, public: publicJWK(private)}
}

// rsaKeys are made once a process, for making one takes a tenth of a second: enough for three generations, and the last one
// is kept for encryption.
var rsaKeys = sync.OnceValue(func() []*rsa.PrivateKey {
	keys := make([]*rsa.PrivateKey, 7)
	var all sync.WaitGroup
	for i := range keys {
		all.Go(func() { keys[i] = must(rsa.GenerateKey(rand.Reader, 2048)) })
	}
	all.Wait()
	return keys
})

func newEd25519() ed25519.PrivateKey {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	return must(private, err)
}

// JWK is the key as the key set publishes it.
func (k *Key) JWK() map[string]any {
	jwk := map[string]any{}
	maps.Copy(jwk, k.public)
	for name, value := range map[string]string{"kid": k.ID, "alg": k.Algorithm, "use": k.Use} {
		if value != "" {
			jwk[name] = value
		}
	}
	return jwk
}

// publicJWK holds the type and the public parameters (RFC 7518 6.2, 6.3; RFC 8037 2).
func publicJWK(private any) map[string]any {
	switch k := private.(type) {
	case *rsa.PrivateKey:
		return map[string]any{"kty": "RSA", "n": encode(k.N.Bytes()), "e": encode(big.NewInt(int64(k.E)).Bytes())}
	case *ecdsa.PrivateKey:
		point := must(k.PublicKey.Bytes())[1:]
		half := len(point) / 2
		return map[string]any{"kty": "EC", "crv": k.Params().Name, "x": encode(point[:half]), "y": encode(point[half:])}
	case ed25519.PrivateKey:
		return map[string]any{"kty": "OKP", "crv": "Ed25519", "x": encode(k.Public().(ed25519.PublicKey))}
	default:
		return map[string]any{"kty": "oct"}
	}
}

// secp256k1JWK is the base point of the curve (SEC 2 2.4.1): a valid key on a curve that Go's library does not know.
func secp256k1JWK() map[string]any {
	x := must(hex.DecodeString("79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"))
	y := must(hex.DecodeString("483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8"))
	return map[string]any{"kty": "EC", "crv": "secp256k1", "x": encode(x), "y": encode(y)}
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// must is for what cannot fail with the arguments that this package gives.
func must[T any](v T, err error) T {
	if err != nil {
		panic("providertest: " + err.Error())
	}
	return v
}
