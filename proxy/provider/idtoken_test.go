package provider

import (
	"bytes"
	"crypto/sha512"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Each row is an ID token that must not sign anybody in. The attacks are those of the OpenID Foundation's modules and of
// RFC 8725.
func TestIDTokensThatAreRefused(t *testing.T) {
	claims := func(change func(map[string]any)) func(*op) { return func(o *op) { o.idClaims = change } }
	head := func(change func(map[string]any)) func(*op) { return func(o *op) { o.idHeader = change } }
	payload := func(change func([]byte) []byte) func(*op) {
		return func(o *op) {
			o.idToken = func(raw string) string {
				return o.signer.resign(raw, func(h, p []byte) ([]byte, []byte) { return h, change(p) })
			}
		}
	}
	member := func(text string) func(*op) {
		return payload(func(p []byte) []byte { return append(append([]byte("{"), text+","...), p[1:]...) })
	}
	raw := func(change func(string) string) func(*op) { return func(o *op) { o.idToken = change } }
	tests := map[string]func(*op){
		"iss of another":         claims(func(m map[string]any) { m["iss"] = m["iss"].(string) + "1" }),
		"iss with a slash":       claims(func(m map[string]any) { m["iss"] = m["iss"].(string) + "/" }),
		"iss in capitals":        claims(func(m map[string]any) { m["iss"] = strings.ToUpper(m["iss"].(string)) }),
		"iss missing":            claims(without("iss")),
		"sub missing":            claims(without("sub")),
		"sub empty":              claims(set("sub", "")),
		"sub null":               claims(set("sub", nil)),
		"sub a number":           claims(set("sub", 7)),
		"sub too long":           claims(set("sub", strings.Repeat("a", 256))),
		"sub not ASCII":          claims(set("sub", "älice")),
		"sub with line break":    claims(set("sub", "alice\n")),
		"aud of another":         claims(set("aud", testClient+"1")),
		"aud missing":            claims(without("aud")),
		"aud null":               claims(set("aud", nil)),
		"aud empty array":        claims(set("aud", []string{})),
		"aud with another":       claims(set("aud", []string{testClient, "other"})),
		"aud with a number":      claims(set("aud", []any{testClient, 7})),
		"aud with azp":           claims(func(m map[string]any) { m["aud"], m["azp"] = []string{testClient, "other"}, testClient }),
		"azp of another":         claims(set("azp", "other")),
		"azp null":               claims(set("azp", nil)),
		"iat missing":            claims(without("iat")),
		"iat null":               claims(set("iat", nil)),
		"iat a string":           claims(set("iat", "1")),
		"iat in the future":      claims(in("iat", 24*time.Hour)),
		"iat of yesterday":       claims(in("iat", -24*time.Hour)),
		"exp missing":            claims(without("exp")),
		"exp null":               claims(set("exp", nil)),
		"exp past":               claims(in("exp", -6*time.Minute)),
		"exp a string":           claims(set("exp", "9999999999")),
		"exp huge":               claims(set("exp", 1e300)),
		"exp wraps":              claims(set("exp", uint64(9e18))),
		"exp negative":           claims(set("exp", -1)),
		"exp an array":           claims(set("exp", []int{1})),
		"nbf in the future":      claims(in("nbf", 4*time.Minute)),
		"nbf a string":           claims(set("nbf", "0")),
		"at_hash wrong":          claims(set("at_hash", "AAAAAAAAAAAAAAAAAAAAAA")),
		"at_hash empty":          claims(set("at_hash", "")),
		"at_hash null":           claims(set("at_hash", nil)),
		"logout token":           claims(set("events", map[string]any{"http://schemas.openid.net/event/backchannel-logout": struct{}{}})),
		"acr a number":           claims(set("acr", 1)),
		"sid a number":           claims(set("sid", 1)),
		"auth_time a string":     claims(set("auth_time", "now")),
		"claim source missing":   claims(set("_claim_names", map[string]string{"groups": "src1"})),
		"alg none":               raw(func(s string) string { return unsigned(s, "none") }),
		"alg None":               raw(func(s string) string { return unsigned(s, "None") }),
		"alg nOnE":               raw(func(s string) string { return unsigned(s, "nOnE") }),
		"alg none, signed":       head(set("alg", "none")),
		"alg missing":            head(without("alg")),
		"alg not agreed on":      head(set("alg", "PS256")),
		"alg null":               head(set("alg", nil)),
		"typ at+jwt":             head(set("typ", "at+jwt")),
		"typ application/at+jwt": head(set("typ", "application/AT+JWT")),
		"typ logout+jwt":         head(set("typ", "logout+jwt")),
		"typ dpop+jwt":           head(set("typ", "dpop+jwt")),
		"typ a number":           head(set("typ", 1)),
		"kid unknown":            head(set("kid", "../../dev/null")),
		"kid a number":           head(set("kid", 1)),
		"crit":                   head(set("crit", []string{"x"})),
		"crit empty":             head(set("crit", []string{})),
		"b64 false":              head(func(m map[string]any) { m["crit"], m["b64"] = []string{"b64"}, false }),
		"b64 without crit":       head(set("b64", false)),
		"header with ALG":        head(set("ALG", "none")),
		"signature changed":      raw(func(s string) string { return s[:len(s)-10] + "AAAAAAAAAA" }),
		"signature empty":        raw(func(s string) string { return s[:strings.LastIndexByte(s, '.')+1] }),
		"payload changed": raw(func(s string) string {
			p := strings.Split(s, ".")
			return p[0] + "." + b64([]byte(`{"sub":"root"}`)) + "." + p[2]
		}),
		"five parts":              raw(func(s string) string { return s + ".AAAA.AAAA" }),
		"two parts":               raw(func(s string) string { return s[:strings.LastIndexByte(s, '.')] }),
		"a hundred thousand dots": raw(func(string) string { return strings.Repeat(".", 15000) }),
		"JSON serialisation": raw(func(s string) string {
			p := strings.Split(s, ".")
			return fmt.Sprintf(`{"payload":%q,"protected":%q,"signature":%q}`, p[1], p[0], p[2])
		}),
		"line break inside":  raw(func(s string) string { return s[:50] + "\n" + s[50:] }),
		"padding":            raw(func(s string) string { return s + "==" }),
		"larger than 16 KiB": claims(set("x", strings.Repeat("x", 16<<10))),
		"sub twice":          member(`"sub":"root"`),
		"SUB beside sub":     member(`"SUB":"root"`),
		"sub in Unicode":     member(`"\u017fub":"root"`),
		"groups twice":       member(`"groups":["a"],"groups":["b"]`),
		"GROUPS":             member(`"GROUPS":["Admin"]`),
		"twice, far inside":  member(`"x":[{"y":{"a":1,"a":2}}]`),
		"trailing data":      payload(func(p []byte) []byte { return append(p, " {}"...) }),
		"trailing brace":     payload(func(p []byte) []byte { return append(p, '}') }),
		"byte order mark":    payload(func(p []byte) []byte { return append([]byte("\xef\xbb\xbf"), p...) }),
		"invalid UTF-8":      payload(func(p []byte) []byte { return bytes.Replace(p, []byte("mfa"), []byte("m\xffa"), 1) }),
		"nested deeply":      member(`"x":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000)),
		"an array":           payload(func(p []byte) []byte { return append(append([]byte("["), p...), ']') }),
		"null":               payload(func([]byte) []byte { return []byte("null") }),
		"not JSON":           payload(func([]byte) []byte { return []byte("sub=alice") }),
		"HS256 with the secret": func(o *op) {
			o.idToken = func(s string) string { return hs256(s, []byte(testSecret)) }
		},
		"HS256 with the public key": func(o *op) {
			der, _ := x509.MarshalPKIXPublicKey(o.signer.private.Public())
			o.idToken = func(s string) string {
				return hs256(s, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
			}
		},
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			o := newOP(t, "RS256")
			spoil(o)
			_, err := o.login(t, o.client(t, nil))
			o.wantKind(t, err, KindInvalidIDToken)
			if o.count("GET /userinfo") > 0 {
				t.Error("the access token was used before the ID token was checked")
			}
		})
	}
}

func TestNonceTiesTheTokenToTheLogin(t *testing.T) {
	for name, change := range map[string]func(map[string]any){
		"wrong": set("nonce", "x"), "missing": without("nonce"), "empty": set("nonce", ""), "null": set("nonce", nil),
		"longer": func(m map[string]any) { m["nonce"] = m["nonce"].(string) + "1" },
	} {
		t.Run(name, func(t *testing.T) {
			o := newOP(t, "RS256")
			o.idClaims = change
			_, err := o.login(t, o.client(t, nil))
			o.wantKind(t, err, KindNonceMismatch)
		})
	}
}

// A token that was good for one login is not good for another.
func TestReplayedTokenIsRefused(t *testing.T) {
	o := newOP(t, "RS256")
	p := o.client(t, nil)
	first, err := o.login(t, p)
	if err != nil {
		t.Fatal(err)
	}
	o.idToken = func(string) string { return first.IDToken }
	o.accessToken = func(string) string { return first.AccessToken }
	_, err = o.login(t, p)
	o.wantKind(t, err, KindNonceMismatch)
}

func TestEveryAlgorithmSignsPeopleIn(t *testing.T) {
	for _, algorithm := range []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"} {
		t.Run(algorithm, func(t *testing.T) {
			o := newOP(t, algorithm)
			if _, err := o.login(t, o.client(t, nil)); err != nil {
				t.Error(err)
			}
		})
	}
}

// An algorithm that the provider does not announce is refused, though the key is in the set.
func TestUnannouncedAlgorithmIsRefused(t *testing.T) {
	for announced, change := range map[string]func(map[string]any){
		"another": set("id_token_signing_alg_values_supported", []string{"RS256"}),
		"nothing": without("id_token_signing_alg_values_supported"),
	} {
		t.Run(announced, func(t *testing.T) {
			o := newOP(t, "ES256")
			o.metadata = change
			_, err := o.login(t, o.client(t, nil))
			o.wantKind(t, err, KindInvalidIDToken)
		})
	}
}

func TestIDTokensThatAreAccepted(t *testing.T) {
	tests := map[string]func(*op){
		"aud an array":           func(o *op) { o.idClaims = set("aud", []string{testClient}) },
		"azp is us":              func(o *op) { o.idClaims = set("azp", testClient) },
		"no at_hash":             func(o *op) { o.idClaims = without("at_hash") },
		"typ JWT":                func(o *op) { o.idHeader = set("typ", "JWT") },
		"exp a fraction":         func(o *op) { o.idClaims = set("exp", float64(time.Now().Unix())+99.5) },
		"sub of 255":             func(o *op) { o.idClaims = nil },
		"nbf past":               func(o *op) { o.idClaims = in("nbf", -time.Hour) },
		"unknown members":        func(o *op) { o.idClaims = set("x", map[string]any{"y": nil}) },
		"unknown header members": func(o *op) { o.idHeader = set("jku", o.issuer+"/evil") },
		"no kid, no kid in set": func(o *op) {
			o.idHeader = without("kid")
			delete(o.published[0], "kid")
		},
		"no kid, several keys fit": func(o *op) {
			o.idHeader = without("kid")
			other := newSigner("ES256", "other").jwk()
			o.published = []map[string]any{newSigner("ES256", "a").jwk(), other, o.signer.jwk()}
		},
		"key without alg and use": func(o *op) { delete(o.published[0], "alg"); delete(o.published[0], "use") },
		"decoys under the same kid": func(o *op) {
			o.published = []map[string]any{newSigner("RS256", "key-1").jwk(), newSigner("EdDSA", "key-1").jwk(), newSigner("ES384", "key-1").jwk(), newSigner("ES256", "key-1").jwk(), o.signer.jwk()}
		},
		"odd keys beside it": func(o *op) { o.published = append(oddKeys(), o.signer.jwk()) },
		"no PKCE announced":  func(o *op) { o.metadata = without("code_challenge_methods_supported") },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			o := newOP(t, "ES256")
			change(o)
			if _, err := o.login(t, o.client(t, nil)); err != nil {
				t.Error(err)
			}
			for _, r := range o.seen() {
				if strings.Contains(r, "evil") {
					t.Error("an address in the token was asked")
				}
			}
		})
	}
}

func TestTimesAtTheirLimits(t *testing.T) {
	tests := []struct {
		name   string
		change func(map[string]any)
		ok     bool
	}{
		{"exp just within the leeway", in("exp", -29*time.Second), true},
		{"exp at the leeway", in("exp", -30*time.Second), false},
		{"iat just within the leeway", in("iat", 30*time.Second), true},
		{"iat beyond the leeway", in("iat", 31*time.Second), false},
		{"iat ten minutes ago", in("iat", -10*time.Minute), true},
		{"iat longer ago", in("iat", -10*time.Minute-time.Second), false},
		{"nbf at the leeway", in("nbf", 30*time.Second), true},
		{"nbf beyond the leeway", in("nbf", 31*time.Second), false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			o := newLocalOP()
			o.idClaims = test.change
			p := o.client(t, nil)
			synctest.Test(t, func(t *testing.T) {
				_, err := o.login(t, p)
				if (err == nil) != test.ok {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

// Nothing is accepted that a current key did not sign in an agreed way: whatever is done to a good token, it is refused, or it is
// still the very same token.
func FuzzIDToken(f *testing.F) {
	o := &op{issuer: "https://idp.example.com", nonce: "nonce", instead: map[string]http.HandlerFunc{}}
	o.rotate("ES256", "key-1")
	tokens := o.tokens()
	good, access := tokens["id_token"].(string), tokens["access_token"].(string)
	f.Add(good)
	f.Add(unsigned(good, "none"))
	f.Add(hs256(good, []byte(testSecret)))
	f.Add(newSigner("ES256", "key-1").resign(good, func(h, p []byte) ([]byte, []byte) { return h, p }))
	f.Add(good + ".")
	f.Add(strings.Replace(good, ".", "..", 1))
	f.Add(access)
	p, err := New(Options{Issuer: o.issuer, ClientID: testClient, ClientSecret: func() string { return "s" }, Scopes: []string{"openid"}})
	if err != nil {
		f.Fatal(err)
	}
	p.client.transport = inProcess{o}
	m, err := p.metadata.get(f.Context())
	if err != nil {
		f.Fatal(err)
	}
	content := func(raw string) string { return raw[:strings.LastIndexByte(raw, '.')] }
	f.Fuzz(func(t *testing.T, raw string) {
		_, _, err := p.verifyIDToken(t.Context(), m, Request{Nonce: "nonce"}, raw, access)
		if err == nil && content(raw) != content(good) {
			t.Errorf("accepted: %s", raw)
		}
		// The signature by itself, behind none of the other checks.
		known, err := parseToken(raw, m.Algorithms, []string{"", "jwt", "at+jwt"})
		if err != nil {
			return
		}
		if _, err := p.keys.verify(t.Context(), known); err == nil && content(raw) != content(good) && content(raw) != content(access) {
			t.Errorf("a signature that nobody made is good: %s", raw)
		}
	})
}

func unsigned(raw, algorithm string) string {
	return b64(fmt.Appendf(nil, `{"alg":%q}`, algorithm)) + "." + strings.Split(raw, ".")[1] + "."
}

func hs256(raw string, secret []byte) string {
	return signer{secret: secret}.resign(raw, func(_, p []byte) ([]byte, []byte) { return []byte(`{"alg":"HS256","kid":"key-1"}`), p })
}

// oddKeys are such as real key sets hold, and no login may fail for them.
func oddKeys() []map[string]any {
	return []map[string]any{
		{},
		{"kty": "EC", "crv": "secp256k1", "kid": "k", "x": b64(make([]byte, 32)), "y": b64(make([]byte, 32))},
		{"kty": "OKP", "crv": "Ed448", "x": b64(make([]byte, 57))},
		{"kty": "OKP", "crv": "X25519", "x": b64(make([]byte, 32))},
		{"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA"},
		{"kty": "oct", "k": "AAAA"},
		{"kty": "RSA", "use": "enc", "alg": "RSA-OAEP", "n": "AQAB", "e": "AQAB"},
		{"kty": 7},
		{"kty": "EC", "crv": "P-256", "kid": "key-1", "x": b64(make([]byte, 32)), "y": b64(make([]byte, 32))},
	}
}

// Values that were not made with halfHash: that of OIDC Core A.3, and by FIPS 180-4 the left halves of SHA-384 and SHA-512.
func TestAccessTokenHash(t *testing.T) {
	const access = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"
	of384, of512 := sha512.Sum384([]byte(access)), sha512.Sum512([]byte(access))
	for algorithm, want := range map[string]string{
		"RS256": "77QmUPtjPfzWtF2AnpK9RQ", "PS256": "77QmUPtjPfzWtF2AnpK9RQ", "ES256": "77QmUPtjPfzWtF2AnpK9RQ",
		"ES384": b64(of384[:24]), "RS512": b64(of512[:32]), "EdDSA": b64(of512[:32]),
	} {
		if got := halfHash(algorithm, access); got != want {
			t.Errorf("%s: %s, want %s", algorithm, got, want)
		}
	}
}

// What the standards just allow is allowed.
func TestLongestSubjectIsAccepted(t *testing.T) {
	for _, sub := range []string{strings.Repeat("a", 255), "with blank", "~"} {
		o := newOP(t, "ES256")
		o.idClaims = set("sub", sub)
		o.userinfo = set("sub", sub)
		if _, err := o.login(t, o.client(t, nil)); err != nil {
			t.Errorf("%.20s: %v", sub, err)
		}
	}
}
