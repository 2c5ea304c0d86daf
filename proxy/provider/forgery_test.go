package provider

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
)

// forger is a provider with three current keys, and whoever would like to sign in its place.
type forger struct {
	*op
	current []signer
	others  []signer
}

func newForger() *forger {
	o := &op{issuer: "https://idp.example.com", nonce: "nonce"}
	o.rotate("ES256", "ec")
	o.metadata = set("id_token_signing_alg_values_supported", []string{"none", "HS256", "ES256", "RS256", "EdDSA"})
	f := &forger{op: o, current: []signer{o.signer, newSigner("RS256", "rsa"), newSigner("EdDSA", "ed")}}
	encryption := newSigner("ES256", "enc")
	published := encryption.jwk()
	published["use"] = "enc"
	o.published = []map[string]any{published}
	for _, s := range f.current {
		o.published = append(o.published, s.jwk())
	}
	der, _ := x509.MarshalPKIXPublicKey(testRSA().Public())
	modulus := testRSA().N.Bytes()
	f.others = []signer{
		encryption, newSigner("ES256", "ec"), newSigner("EdDSA", "ed"), newSigner("ES384", "ec"), // the last three: strangers under known names
		{algorithm: "PS256", kid: "rsa", private: testRSA()}, // the right key, in a way that nobody announced
		{algorithm: "HS256", kid: "rsa", secret: der},
		{algorithm: "HS256", kid: "rsa", secret: pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})},
		{algorithm: "HS256", kid: "rsa", secret: modulus},
		{algorithm: "HS256", kid: "ec", secret: []byte(testSecret)},
	}
	return f
}

// signed tells by the standard library alone whether a current key made the signature in the way in which it is published.
func (f *forger) signed(algorithm, input string, signature []byte) bool {
	digest := sha256.Sum256([]byte(input))
	for _, s := range f.current {
		if s.algorithm != algorithm {
			continue
		}
		switch public := s.private.Public().(type) {
		case *ecdsa.PublicKey:
			return len(signature) == 64 &&
				ecdsa.Verify(public, digest[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:]))
		case *rsa.PublicKey:
			return rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature) == nil
		case ed25519.PublicKey:
			return ed25519.Verify(public, []byte(input), signature)
		}
	}
	return false
}

// Nothing is accepted that no current key has signed in the way that was agreed on, whatever header, claims and signature say, and
// whoever else signs it. And what is accepted is for this client and this login.
func FuzzForgedIDToken(f *testing.F) {
	o := newForger()
	p := o.client(f, nil)
	m, err := p.metadata.get(f.Context())
	if err != nil {
		f.Fatal(err)
	}
	tokens := o.tokens()
	access := tokens["access_token"].(string)
	if _, _, err := p.verifyIDToken(f.Context(), m, Request{Nonce: o.nonce}, tokens["id_token"].(string), access); err != nil {
		f.Fatalf("the honest token is refused: %v", err)
	}
	good := strings.Split(tokens["id_token"].(string), ".")
	payload := unb64(good[1])
	signers := append(append([]signer{}, o.current...), o.others...)
	for i, s := range signers {
		header, _ := json.Marshal(map[string]any{"alg": s.algorithm, "kid": s.kid})
		f.Add(header, payload, []byte{}, uint8(i))
		f.Add(header, []byte(strings.Replace(string(payload), testPerson, "root", 1)), []byte{}, uint8(i))
	}
	f.Add(unb64(good[0]), payload, unb64(good[2]), uint8(len(signers)))
	for _, header := range []string{`{"alg":"none"}`, `{"alg":"ES256"}`, `{"alg":"ES256","alg":"none"}`, `{"alg":"ES256","kid":"ec","typ":"at+jwt"}`,
		`{"alg":"RS256","kid":"ec"}`, `{"alg":"ES384","kid":"ec"}`, `{"alg":"ES256","kid":"enc"}`, `{"alg":"ES256","crit":["b64"],"b64":false}`,
		`{"alg":"EdDSA","kid":"ed","jwk":{"kty":"OKP"}}`, `{"alg":"HS256","kid":"rsa"}`, `{"ALG":"ES256"}`} {
		f.Add([]byte(header), payload, []byte{}, uint8(len(signers)))
		f.Add([]byte(header), payload, []byte{}, uint8(0))
	}

	f.Fuzz(func(t *testing.T, header, claims, signature []byte, by uint8) {
		input := b64(header) + "." + b64(claims)
		if int(by) < len(signers) {
			signature = signers[by].signature([]byte(input))
		}
		raw := input + "." + b64(signature)
		var read struct{ Alg string }
		genuine := json.Unmarshal(header, &read) == nil && o.signed(read.Alg, input, signature)

		id, _, err := p.verifyIDToken(t.Context(), m, Request{Nonce: o.nonce}, raw, access)
		if err == nil && !genuine {
			t.Fatalf("accepted: %s %s", header, claims)
		}
		if err == nil && (id.claims["iss"] != o.issuer || id.claims["nonce"] != o.nonce || id.claims["sub"] == "" || id.claims["aud"] == nil) {
			t.Errorf("accepted for somebody else: %s", claims)
		}
		// The signature by itself, behind none of the other checks.
		known, err := parseToken(raw, m.Algorithms, []string{"", "jwt", "at+jwt"})
		if err != nil {
			return
		}
		if _, err := p.keys.verify(t.Context(), known); err == nil && !genuine {
			t.Errorf("a signature that nobody made is good: %s %s", header, claims)
		}
	})
}

// The algorithm is not the token's to choose (RFC 8725 3.1): every key verifies in its own way, or not at all.
func TestAlgorithmsAndKeysThatDisagree(t *testing.T) {
	tests := map[string]struct {
		signer    signer         // makes the signature
		published map[string]any // changes of its JWK
		header    string         // alg in the token
	}{
		"ES256 with a key on P-384":            {newSigner("ES384", "k"), map[string]any{"alg": nil}, "ES256"},
		"ES384 with a key on P-256":            {newSigner("ES256", "k"), map[string]any{"alg": nil}, "ES384"},
		"ES256 with a key published for ES384": {newSigner("ES256", "k"), map[string]any{"alg": "ES384"}, "ES256"},
		"RS256 with a key published for PS256": {newSigner("RS256", "k"), map[string]any{"alg": "PS256"}, "RS256"},
		"PS256 with a key published for RS256": {newSigner("PS256", "k"), map[string]any{"alg": "RS256"}, "PS256"},
		"RS256, signed as PS256":               {newSigner("PS256", "k"), map[string]any{"alg": nil}, "RS256"},
		"RS512, signed as RS256":               {newSigner("RS256", "k"), map[string]any{"alg": nil}, "RS512"},
		"EdDSA with a key on Ed448":            {newSigner("EdDSA", "k"), map[string]any{"crv": "Ed448", "alg": nil}, "EdDSA"},
		"EdDSA with a key for X25519":          {newSigner("EdDSA", "k"), map[string]any{"crv": "X25519", "alg": nil}, "EdDSA"},
		"EdDSA under its other name":           {newSigner("EdDSA", "k"), map[string]any{"alg": nil}, "Ed25519"},
		"ES256 with an Ed25519 key":            {newSigner("EdDSA", "k"), map[string]any{"alg": nil}, "ES256"},
		"HS256 with a key of kty oct":          {signer{algorithm: "HS256", kid: "k", secret: []byte("secret")}, map[string]any{"kty": "oct", "k": b64([]byte("secret"))}, "HS256"},
		"none with a key published for none":   {newSigner("ES256", "k"), map[string]any{"alg": "none"}, "none"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := newOP(t, "ES256")
			o.metadata = set("id_token_signing_alg_values_supported", []string{"none", "HS256", "RS256", "RS512", "PS256", "ES256", "ES384", "EdDSA", "Ed25519"})
			jwk := map[string]any{"kid": "k", "use": "sig"}
			if test.signer.secret == nil {
				jwk = test.signer.jwk()
			}
			for member, value := range test.published {
				if jwk[member] = value; value == nil {
					delete(jwk, member)
				}
			}
			o.published = append(o.published, jwk)
			o.idToken = func(raw string) string {
				return test.signer.resign(raw, func(_, claims []byte) ([]byte, []byte) {
					return []byte(`{"alg":"` + test.header + `","kid":"k"}`), claims
				})
			}
			_, err := o.login(t, o.client(t, nil))
			o.wantKind(t, err, KindInvalidIDToken)
		})
	}
}
