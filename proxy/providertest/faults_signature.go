package providertest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"slices"
	"strings"
	"sync"
)

// idTokenAlgorithmFaults bend by which algorithm the ID token is signed, if at all (OIDC Core 3.1.3.7 (7), (8); RFC 8725 2.1).
func idTokenAlgorithmFaults() []Mutation {
	return []Mutation{
		{Name: "oidcc-client-test-idtoken-sig-none", Does: "does not sign, and says so", Stops: AtTokens, IDToken: unsigned("none")},
		{Name: "id-token-alg-None", Does: "does not sign, and says None", Stops: AtTokens, IDToken: unsigned("None")},
		{Name: "id-token-alg-nOnE", Does: "does not sign, and says nOnE", Stops: AtTokens, IDToken: unsigned("nOnE")},
		{Name: "id-token-alg-empty", Does: "does not sign, and says nothing", Stops: AtTokens, IDToken: unsigned("")},
		{Name: "id-token-alg-unknown", Does: "signs with an algorithm that nobody knows", Stops: AtTokens, IDToken: unsigned("XS256")},
		{Name: "id-token-alg-missing", Does: "names no algorithm", Stops: AtTokens, IDToken: func(_ *Provider, j *JWT) {
			delete(j.Header, "alg")
			j.SignAs = "RS256"
		}},
		{Name: "oidcc-client-test-invalid-sig-rs256", Does: "alters the signature", Stops: AtTokens, IDToken: alteredSignature},
		{Name: "oidcc-client-test-invalid-sig-es256", Does: "alters an ES256 signature", Stops: AtTokens, IDToken: func(p *Provider, j *JWT) {
			signedBy("ec-1", "ES256")(p, j)
			alteredSignature(p, j)
		}},
		{Name: "oidcc-client-test-invalid-sig-hs256", Does: "signs HS256 with the client's secret, altered", Stops: AtTokens,
			IDToken: func(p *Provider, j *JWT) {
				signedBySecret([]byte(ClientSecret))(p, j)
				alteredSignature(p, j)
			}},
		{Name: "id-token-hs256-secret", Does: "signs HS256 with the client's secret", Stops: AtTokens, IDToken: signedBySecret([]byte(ClientSecret))},
		{Name: "id-token-hs256-empty", Does: "signs HS256 with an empty secret", Stops: AtTokens, IDToken: signedBySecret([]byte{})},
		{Name: "id-token-hs256-public-key-der", Does: "signs HS256 with its public key in binary for a secret", Stops: AtTokens,
			IDToken: func(p *Provider, j *JWT) {
				block, _ := pem.Decode(publicPEM(p.signingKey()))
				signedBySecret(block.Bytes)(p, j)
			}},
		{Name: "id-token-hs256-public-key-jwk", Does: "signs HS256 with its published JWK for a secret", Stops: AtTokens,
			IDToken: func(p *Provider, j *JWT) { signedBySecret(jsonOf(p.signingKey().JWK()))(p, j) }},
		{Name: "fapi2-security-profile-final-client-test-invalid-null-alg", Does: "advertises PS256 alone, and does not sign", Stops: AtTokens,
			Metadata: metadata("id_token_signing_alg_values_supported", []string{"PS256"}), IDToken: unsigned("none")},
		{Name: "fapi2-security-profile-final-client-test-invalid-alternate-alg", Stops: AtTokens,
			Does:     "advertises PS256 alone and signs RS256, with a key that could do either",
			Metadata: metadata("id_token_signing_alg_values_supported", []string{"PS256"}), KeySet: withoutAlg},
		{Name: "id-token-alg-not-advertised", Does: "advertises RS256 alone and signs PS256, with a key that could do either", Stops: AtTokens,
			Metadata: metadata("id_token_signing_alg_values_supported", []string{"RS256"}), KeySet: withoutAlg, IDToken: signedBy("rsa-1", "PS256")},
		{Name: "id-token-alg-of-another-curve", Does: "says ES256 and signs with a key on P-384 (RFC 7518 3.4)", Stops: AtTokens,
			KeySet: withP384, IDToken: func(_ *Provider, j *JWT) {
				j.Key = p384()
				j.Header["kid"], j.Header["alg"] = j.Key.ID, "ES256"
			}},
		{Name: "id-token-alg-of-ed448", Does: "says EdDSA, with a key that it publishes for Ed448 (RFC 8037 3.1)", Stops: AtTokens,
			KeySet: inKeySet("ed", "crv", "Ed448"), IDToken: signedBy("ed", "EdDSA")},
		{Name: "id-token-hs256-public-key", Does: "signs HS256 with its public key for a secret", Stops: AtTokens,
			IDToken: func(p *Provider, j *JWT) { signedBySecret(publicPEM(p.signingKey()))(p, j) }},
	}
}

// idTokenKeyFaults bend the signature itself, whose key made it, and what the header says of that (OIDC Core 3.1.3.7 (6); RFC 7515 4).
func idTokenKeyFaults() []Mutation {
	return []Mutation{
		{Name: "id-token-signature-empty", Does: "drops the signature", Stops: AtTokens, IDToken: finish(func(c string) string {
			return c[:strings.LastIndexByte(c, '.')+1]
		})},
		{Name: "id-token-signature-short", Does: "cuts the signature", Stops: AtTokens,
			IDToken: finish(func(c string) string { return c[:len(c)-8] })},
		{Name: "id-token-payload-altered", Does: "changes the claims after signing", Stops: AtTokens, IDToken: alteredPayload},
		{Name: "id-token-other-algorithm", Does: "says ES256 above an RS256 signature", Stops: AtTokens, IDToken: func(_ *Provider, j *JWT) {
			j.Header["alg"], j.SignAs = "ES256", "RS256"
		}},
		{Name: "id-token-foreign-key", Does: "signs with a key that it does not publish, under the identifier of one that it does", Stops: AtTokens,
			IDToken: signedByStranger},
		{Name: "id-token-kid-unknown", Does: "signs with a key under an identifier that it does not publish", Stops: AtTokens,
			IDToken: func(p *Provider, j *JWT) {
				signedByStranger(p, j)
				j.Header["kid"] = "../../etc/passwd' OR 1=1"
			}},
		{Name: "id-token-kid-of-encryption-key", Does: "signs with its encryption key", Stops: AtTokens, IDToken: signedBy("rsa-enc", "RS256")},
		{Name: "id-token-kid-of-other-type", Does: "signs RS256 under the identifier of an elliptic-curve key", Stops: AtTokens,
			IDToken: func(p *Provider, j *JWT) { j.Header["kid"] = p.key("ec-1").ID }},
		{Name: "id-token-jwk-header", Does: "brings its own key in the header (RFC 7515 4.1.3)", Stops: AtTokens,
			IDToken: func(p *Provider, j *JWT) {
				signedByStranger(p, j)
				j.Header["jwk"] = j.Key.JWK()
				delete(j.Header, "kid")
			}},
		{Name: "id-token-jku-header", Does: "names another origin's key set in the header (RFC 7515 4.1.2)", Stops: AtTokens,
			IDToken: func(p *Provider, j *JWT) {
				signedByStranger(p, j)
				j.Header["jku"], j.Header["x5u"] = p.URL(Elsewhere), p.URL(Elsewhere)
				j.Header["kid"] = "elsewhere"
			}},
		{Name: "id-token-x5c-header", Does: "brings its own certificate in the header (RFC 7515 4.1.6)", Stops: AtTokens,
			IDToken: func(p *Provider, j *JWT) {
				signedByStranger(p, j)
				j.Header["x5c"] = []string{"MIIB"}
				delete(j.Header, "kid")
			}},
		{Name: "id-token-crit", Does: "demands an extension that nobody knows (RFC 7515 4.1.11)", Stops: AtTokens, IDToken: func(_ *Provider, j *JWT) {
			j.Header["crit"], j.Header["x-corp"] = []string{"x-corp"}, 1
		}},
		{Name: "id-token-alg-twice", Does: "names two algorithms in the header (RFC 7515 4)", Stops: AtTokens, IDToken: func(_ *Provider, j *JWT) {
			j.RawHeader = withMember(jsonOf(j.Header), "alg", "none")
		}},
		{Name: "id-token-kid-number", Does: "gives a number for the key's identifier (RFC 7515 4.1.4)", Stops: AtTokens,
			IDToken: func(_ *Provider, j *JWT) {
				j.Header["kid"] = 1
			}},
		{Name: "id-token-b64-false", Does: "demands an unencoded payload (RFC 7797)", Stops: AtTokens, IDToken: func(_ *Provider, j *JWT) {
			j.Header["crit"], j.Header["b64"] = []string{"b64"}, false
		}},
	}
}

// idTokenFormFaults bend what kind of thing the ID token is (RFC 7515, 7516; RFC 8725 3.11).
func idTokenFormFaults() []Mutation {
	return []Mutation{
		{Name: "id-token-typ-access-token", Does: "sends an access token for an ID token", Stops: AtTokens, IDToken: typ("at+jwt")},
		{Name: "id-token-typ-logout-token", Does: "sends a logout token for an ID token", Stops: AtTokens, IDToken: typ("logout+jwt")},
		{Name: "id-token-typ-dpop", Does: "sends a DPoP proof for an ID token", Stops: AtTokens, IDToken: typ("dpop+jwt")},
		{Name: "id-token-events", Does: "sends what has the claims of a logout token (Back-Channel Logout 2.4) for an ID token", Stops: AtTokens,
			IDToken: idClaim("events", map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}})},
		{Name: "id-token-json", Does: "sends the ID token in the JSON form (RFC 7515 7.2)", Stops: AtTokens, IDToken: finish(jsonForm)},
		{Name: "id-token-json-general", Does: "sends the ID token in the JSON form with two signatures (RFC 7515 7.2.1)", Stops: AtTokens,
			IDToken: finish(generalForm)},
		{Name: "id-token-payload-half-character", Does: "signs half a character (RFC 7493 2.1)", Stops: AtTokens, IDToken: payload(func(c []byte) []byte {
			return append(c[:len(c)-1], `,"x":"\ud800"}`...)
		})},
		{Name: "id-token-encrypted", Does: "sends something of five parts, as if encrypted (RFC 7516)", Stops: AtTokens,
			IDToken: finish(func(c string) string {
				return encode([]byte(`{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2c":2147483647,"p2s":"AA"}`)) + ".AA.AA.AA.AA"
			})},
		{Name: "id-token-opaque", Does: "sends a random string for an ID token", Stops: AtTokens,
			IDToken: finish(func(string) string { return rand.Text() })},
		{Name: "id-token-padded", Does: "sends base64 with padding (RFC 7515 2)", Stops: AtTokens,
			IDToken: finish(func(c string) string { return c + "==" })},
		{Name: "id-token-newline", Does: "breaks the signature over two lines", Stops: AtTokens, IDToken: finish(func(c string) string {
			return c[:len(c)-8] + "\n" + c[len(c)-8:]
		})},
		{Name: "id-token-payload-array", Does: "signs a JSON array", Stops: AtTokens, IDToken: payload(func(c []byte) []byte {
			return []byte("[" + string(c) + "]")
		})},
		{Name: "id-token-payload-null", Does: "signs null", Stops: AtTokens, IDToken: payload(func([]byte) []byte { return []byte("null") })},
		{Name: "id-token-payload-trailing", Does: "signs a second object after the claims", Stops: AtTokens, IDToken: payload(func(c []byte) []byte {
			return append(c, `{"sub":"admin"}`...)
		})},
		{Name: "id-token-payload-mark", Does: "signs a byte order mark before the claims (RFC 8259 8.1)", Stops: AtTokens,
			IDToken: payload(func(c []byte) []byte {
				return append([]byte("\ufeff"), c...)
			})},
		{Name: "id-token-payload-deep", Does: "signs 10,000 nested arrays", Stops: AtTokens, IDToken: payload(func(c []byte) []byte {
			deep := json.RawMessage(strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000))
			return withMember(c, "deep", deep)
		})},
		{Name: "id-token-payload-not-utf8", Does: "signs bytes that are not UTF-8", Stops: AtTokens, IDToken: payload(func(c []byte) []byte {
			return append(c[:len(c)-1], ",\"x\":\"\xff\"}"...)
		})},
	}
}

func jsonOf(v any) []byte { return must(json.Marshal(v)) }

func finish(change func(compact string) string) func(*Provider, *JWT) {
	return func(_ *Provider, j *JWT) { j.Finish = change }
}

func payload(change func(claims []byte) []byte) func(*Provider, *JWT) {
	return func(_ *Provider, j *JWT) { j.Payload = change(jsonOf(j.Claims)) }
}

func typ(value string) func(*Provider, *JWT) {
	return func(_ *Provider, j *JWT) { j.Header["typ"] = value }
}

// unsigned makes a token with an empty signature; its key identifier goes, as it names nothing.
func unsigned(algorithm string) func(*Provider, *JWT) {
	return func(_ *Provider, j *JWT) {
		j.Header["alg"] = algorithm
		j.SignAs = "none"
		delete(j.Header, "kid")
	}
}

// signedBy signs with another published key.
func signedBy(role, algorithm string) func(*Provider, *JWT) {
	return func(p *Provider, j *JWT) {
		j.Key = p.key(role)
		j.Header["kid"], j.Header["alg"] = j.Key.ID, algorithm
	}
}

func signedBySecret(secret []byte) func(*Provider, *JWT) {
	return func(_ *Provider, j *JWT) {
		j.Header["alg"] = "HS256"
		j.Key = newKey("secret", "", "HS256", "sig", secret)
	}
}

// signedByStranger signs with a key that is not published, leaving the header as it is.
func signedByStranger(_ *Provider, j *JWT) {
	keys := rsaKeys()
	j.Key = newKey("stranger", j.Key.ID, "RS256", "sig", keys[len(keys)-2])
}

// alteredSignature changes a bit in the middle of the signature, where no encoding ignores it.
func alteredSignature(_ *Provider, j *JWT) {
	j.Finish = func(c string) string {
		at := strings.LastIndexByte(c, '.') + 20
		flipped := byte('A')
		if c[at] == flipped {
			flipped = 'B'
		}
		return c[:at] + string(flipped) + c[at+1:]
	}
}

// alteredPayload puts other claims under the signature of the right ones.
func alteredPayload(_ *Provider, j *JWT) {
	j.Finish = func(c string) string {
		parts := strings.Split(c, ".")
		parts[1] = encode(withMember(jsonOf(j.Claims), "admin", true))
		return strings.Join(parts, ".")
	}
}

// jsonForm is the flattened JSON serialisation of a compact token.
func jsonForm(c string) string {
	parts := strings.Split(c, ".")
	return string(jsonOf(map[string]string{"protected": parts[0], "payload": parts[1], "signature": parts[2]}))
}

// generalForm is the general JSON serialisation, the signature twice.
func generalForm(c string) string {
	parts := strings.Split(c, ".")
	signature := map[string]string{"protected": parts[0], "signature": parts[2]}
	return string(jsonOf(map[string]any{"payload": parts[1], "signatures": []any{signature, signature}}))
}

// p384 is a key on another curve than the provider's own, made when it is first needed.
var p384 = sync.OnceValue(func() *Key {
	return newKey("p-384", "p-384", "", "sig", must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)))
})

func withP384(_ *Provider, keys []map[string]any) []map[string]any { return append(keys, p384().JWK()) }

func withoutAlg(_ *Provider, keys []map[string]any) []map[string]any {
	for _, k := range keys {
		delete(k, "alg")
	}
	return keys
}

// publicPEM is the public key as a file would hold it: a verifier that takes any key for an HMAC secret takes this one.
func publicPEM(k *Key) []byte {
	der := must(x509.MarshalPKIXPublicKey(k.private.(*rsa.PrivateKey).Public()))
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// shortKeyFault signs with an RSA key that anybody with a cluster can factor, made when it is first needed.
func shortKeyFault() Mutation {
	short := sync.OnceValue(func() *Key {
		return newKey("short", "short", "RS256", "sig", must(rsa.GenerateKey(rand.Reader, 1024)))
	})
	return Mutation{
		Name:  "jwks-key-short",
		Does:  "signs with an RSA key of 1024 bits (RFC 7518 3.3)",
		Stops: AtTokens,
		KeySet: func(_ *Provider, keys []map[string]any) []map[string]any {
			return append(keys, short().JWK())
		},
		IDToken: func(_ *Provider, j *JWT) {
			j.Key = short()
			j.Header["kid"] = j.Key.ID
		},
	}
}

// neutralPoint is the point of Ed25519 that adds nothing (RFC 8032 5.1.2).
func neutralPoint() []byte { return append([]byte{1}, make([]byte, 31)...) }

// forgedForLowOrder makes the signature that everybody can make when the public key is the neutral point: the same point, and 0.
func forgedForLowOrder(p *Provider, j *JWT) {
	signedBy("ed", "EdDSA")(p, j)
	j.Finish = func(c string) string {
		return c[:strings.LastIndexByte(c, '.')+1] + encode(append(neutralPoint(), make([]byte, 32)...))
	}
}

// forgedForExponentOne makes the signature that everybody can make for an RSA key with exponent 1: the padded digest
// itself (RFC 8017 9.2).
func forgedForExponentOne(p *Provider, j *JWT) {
	size := p.signingKey().private.(*rsa.PrivateKey).Size()
	j.Finish = func(c string) string {
		input := c[:strings.LastIndexByte(c, '.')]
		return input + "." + encode(paddedDigest(size, input))
	}
}

func paddedDigest(size int, input string) []byte {
	// DigestInfo of SHA-256 (RFC 8017 9.2, note 1).
	prefix := []byte{0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20}
	info := slices.Concat(prefix, digestOf(crypto.SHA256, input))
	padding := slices.Repeat([]byte{0xff}, size-len(info)-3)
	padded := slices.Concat([]byte{0, 1}, padding, []byte{0}, info)
	return new(big.Int).SetBytes(padded).FillBytes(make([]byte, size))
}
