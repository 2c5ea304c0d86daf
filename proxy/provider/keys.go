package provider

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
)

// The rules of the key set (RFC 7517). go-oidc's own is not used: one key that it does not understand spoils the whole set.
//
//   - A key that cannot verify anything of ours (for encryption, of an unknown kind, malformed, too small, too big) is passed
//     over; the others stay good. So is a key with which anybody could sign: one that is published with its private part, or whose
//     numbers make signatures mean nothing.
//   - A key verifies a token only if everything that either says of the other agrees: kid, kty and crv, alg, use, key_ops. A key
//     set may hold decoys that agree in kid alone.
//   - A token without kid is tried with every key that fits.

const (
	maxKeys = 100 // usable keys of a set; what comes after is passed over
	minRSA  = 2048
	maxRSA  = 8192 // verifying with a larger one costs more than any login is worth
)

// key is one usable public key of the provider.
type key struct {
	id        string // kid, "" when it has none
	algorithm string // alg, "" when it is good for all that its type can do
	keyType   string // "RSA", a curve's name, or "Ed25519"
	public    crypto.PublicKey
}

// keyTypeOf is the type of key that an algorithm takes; "" for algorithms that are not accepted at all: none, those with a
// shared secret (HS256…), and unknown ones (RFC 8725 3.1, 3.2).
func keyTypeOf(algorithm string) string {
	switch algorithm {
	case oidc.RS256, oidc.RS384, oidc.RS512, oidc.PS256, oidc.PS384, oidc.PS512:
		return "RSA"
	case oidc.ES256:
		return "P-256"
	case oidc.ES384:
		return "P-384"
	case oidc.ES512:
		return "P-521"
	case oidc.EdDSA:
		return "Ed25519"
	}
	return ""
}

// fits tells whether the key may verify a token with such a header.
func (k key) fits(h header) bool {
	return k.keyType == keyTypeOf(h.algorithm) &&
		(k.algorithm == "" || k.algorithm == h.algorithm) &&
		(h.keyID == "" || k.id == h.keyID)
}

// keySet is a JWK set that was read: the keys that are usable, and why others are not.
type keySet struct {
	keys    []key
	useless map[string]error // by kid
}

// parseKeys reads a JWK set and keeps the keys that are usable.
func parseKeys(body []byte) (keySet, error) {
	raw, err := splitKeys(body)
	if err != nil {
		return keySet{}, err
	}
	set := keySet{useless: map[string]error{}}
	for _, one := range raw {
		k, err := parseKey(one)
		if err == nil && len(set.keys) < maxKeys {
			set.keys = append(set.keys, k)
		} else if err != nil && len(set.useless) < maxKeys {
			set.useless[k.id] = err
		}
	}
	if len(set.keys) == 0 {
		return keySet{}, fmt.Errorf("the key set holds no key that could verify a signature (%s)", cmp.Or(set.complaints(), "it is empty"))
	}
	return set, nil
}

// complaints says why keys are of no use.
func (s keySet) complaints() string {
	var all []string
	for _, kid := range slices.Sorted(maps.Keys(s.useless)) {
		all = append(all, quoted(kid)+": "+s.useless[kid].Error())
	}
	return printable(strings.Join(all, "; "), maxSaid)
}

// splitKeys finds the keys of a set without reading them, since each may be malformed in its own way.
func splitKeys(body []byte) (keys []json.RawMessage, err error) {
	bad := errors.New("the key set is not a JSON object with one array named keys")
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil || json.Unmarshal(members["keys"], &keys) != nil || keys == nil {
		return nil, bad
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.Token() // the opening brace
	for seen := false; d.More(); {
		name, _ := d.Token()
		if name == "keys" && seen {
			return nil, bad
		}
		seen = seen || name == "keys"
		var skipped json.RawMessage
		if d.Decode(&skipped) != nil {
			return nil, bad
		}
	}
	return keys, nil
}

// parseKey reads one JWK; its error says why the key is of no use, and then only the key's id counts.
func parseKey(raw []byte) (k key, err error) {
	o, err := parseObject(raw)
	if err != nil {
		return k, err
	}
	if k.id, err = o.text("kid"); err != nil {
		return k, err
	}
	if err := o.exactly("kty", "kid", "alg", "use", "key_ops", "crv", "n", "e", "x", "y", "d"); err != nil {
		return k, err
	}
	if err := forVerifying(o); err != nil {
		return k, err
	}
	if k.algorithm, err = o.text("alg"); err != nil {
		return k, err
	}
	if k.public, k.keyType, err = publicKey(o); err != nil {
		return k, err
	}
	if k.algorithm != "" && keyTypeOf(k.algorithm) != k.keyType {
		return k, errors.New("alg does not go with the type of key")
	}
	return k, nil
}

// forVerifying refuses keys that are declared for something else (RFC 7517 4.2, 4.3), and those that are no longer the provider's
// alone: d is what signs (RFC 7518 6.2.2, 6.3.2; RFC 8037 2).
func forVerifying(o object) error {
	if o.has("d") {
		return errors.New("it is published with its private part, and anybody can sign with it")
	}
	use, err := o.text("use")
	if err != nil {
		return err
	}
	if o.has("use") && use != "sig" {
		return errors.New("use is not sig")
	}
	operations, err := o.texts("key_ops")
	if err != nil {
		return err
	}
	if o.has("key_ops") && !slices.Contains(operations, "verify") {
		return errors.New("key_ops does not contain verify")
	}
	return nil
}

// publicKey reads the key itself (RFC 7518 6, RFC 8037 2).
func publicKey(o object) (crypto.PublicKey, string, error) {
	family, err := o.text("kty")
	if err != nil {
		return nil, "", err
	}
	curve, err := o.text("crv")
	if err != nil {
		return nil, "", err
	}
	switch {
	case family == "RSA":
		public, err := rsaKey(o)
		return public, "RSA", err
	case family == "EC" && curve == "P-256":
		public, err := curveKey(o, elliptic.P256())
		return public, curve, err
	case family == "EC" && curve == "P-384":
		public, err := curveKey(o, elliptic.P384())
		return public, curve, err
	case family == "EC" && curve == "P-521":
		public, err := curveKey(o, elliptic.P521())
		return public, curve, err
	case family == "OKP" && curve == "Ed25519":
		public, err := edwardsKey(o)
		return public, curve, err
	}
	return nil, "", errors.New("unknown type of key")
}

func rsaKey(o object) (*rsa.PublicKey, error) {
	modulus, err := o.octets("n")
	if err != nil {
		return nil, err
	}
	exponent, err := o.octets("e")
	if err != nil {
		return nil, err
	}
	n, e := new(big.Int).SetBytes(modulus), new(big.Int).SetBytes(exponent)
	if n.BitLen() < minRSA || n.BitLen() > maxRSA || n.Bit(0) == 0 {
		return nil, fmt.Errorf("the modulus is not an odd number of %d to %d bits", minRSA, maxRSA)
	}
	if e.BitLen() > 31 || e.Cmp(big.NewInt(3)) < 0 || e.Bit(0) == 0 {
		return nil, errors.New("the exponent is not an odd number from 3 to 2^31-1")
	}
	return &rsa.PublicKey{N: n, E: int(e.Int64())}, nil
}

func curveKey(o object, curve elliptic.Curve) (*ecdsa.PublicKey, error) {
	x, err := o.octets("x")
	if err != nil {
		return nil, err
	}
	y, err := o.octets("y")
	if err != nil {
		return nil, err
	}
	if size := (curve.Params().BitSize + 7) / 8; len(x) != size || len(y) != size {
		return nil, errors.New("a coordinate has the wrong length")
	}
	// Refuses points that are not on the curve, with which a signature would mean nothing.
	public, err := ecdsa.ParseUncompressedPublicKey(curve, slices.Concat([]byte{4}, x, y))
	if err != nil {
		return nil, errors.New("the point is not on its curve")
	}
	return public, nil
}

func edwardsKey(o object) (ed25519.PublicKey, error) {
	x, err := o.octets("x")
	if err != nil {
		return nil, err
	}
	if len(x) != ed25519.PublicKeySize {
		return nil, errors.New("the key has the wrong length")
	}
	// Refuses points of low order, for which anybody makes signatures.
	if _, err := (jose.JSONWebKey{Key: ed25519.PublicKey(x)}).MarshalJSON(); err != nil {
		return nil, errors.New("the key is a point of low order")
	}
	return x, nil
}

// octets is a member that is base64url without padding.
func (o object) octets(name string) ([]byte, error) {
	text, err := o.needText(name)
	if err != nil {
		return nil, err
	}
	return base64.RawURLEncoding.DecodeString(text)
}
