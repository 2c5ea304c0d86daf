package provider

import (
	"strings"
	"testing"
	"time"
)

func TestAccessTokensThatAreRefused(t *testing.T) {
	claims := func(change func(map[string]any)) func(*op) { return func(o *op) { o.accessClaims = change } }
	head := func(change func(map[string]any)) func(*op) { return func(o *op) { o.accessHeader = change } }
	tests := map[string]func(*op){
		"opaque":            func(o *op) { o.accessToken = func(string) string { return "opaque" } },
		"iss of another":    claims(set("iss", "https://other.example.com")),
		"iss missing":       claims(without("iss")),
		"aud of another":    claims(set("aud", "graph")),
		"aud missing":       claims(without("aud")),
		"aud empty":         claims(set("aud", []string{})),
		"exp missing":       claims(without("exp")),
		"exp past":          claims(in("exp", -time.Hour)),
		"exp a string":      claims(set("exp", "9999999999")),
		"nbf in the future": claims(in("nbf", time.Hour)),
		"iat in the future": claims(in("iat", time.Hour)),
		"iat a string":      claims(set("iat", "0")),
		"client_id another": claims(set("client_id", "another")),
		"azp another":       claims(set("azp", "another")),
		"cid another":       claims(set("cid", "another")),
		"azp a number":      claims(set("azp", 7)),
		"sub missing":       claims(without("sub")),
		"sub of another":    claims(set("sub", "bob")),
		"uid of another":    claims(func(m map[string]any) { m["sub"], m["uid"] = "alice@example.com", "bob" }),
		"oid without tid":   func(o *op) { o.idClaims = set("oid", "1"); o.accessClaims = changes(set("sub", "x"), set("oid", "1")) },
		"oid and tid null": func(o *op) {
			o.idClaims = changes(set("oid", nil), set("tid", nil))
			o.accessClaims = changes(set("sub", "x"), set("oid", nil), set("tid", nil))
		},
		"oid, another tid": func(o *op) {
			o.idClaims = changes(set("oid", "1"), set("tid", "1"))
			o.accessClaims = changes(set("sub", "x"), set("oid", "1"), set("tid", "2"))
		},
		"sub twice":         func(o *op) { o.accessToken = twice(o) },
		"SUB beside sub":    claims(set("SUB", "root")),
		"alg none":          func(o *op) { o.accessToken = func(s string) string { return unsigned(s, "none") } },
		"HS256":             func(o *op) { o.accessToken = func(s string) string { return hs256(s, []byte(testSecret)) } },
		"signature changed": func(o *op) { o.accessToken = func(s string) string { return s[:len(s)-10] + "AAAAAAAAAA" } },
		"another's key": func(o *op) {
			o.accessToken = func(s string) string { return newSigner("ES256", "key-1").resign(s, same) }
		},
		"typ logout+jwt": head(set("typ", "logout+jwt")),
		"typ dpop+jwt":   head(set("typ", "dpop+jwt")),
		"kid unknown":    head(set("kid", "x")),
		"the ID token again": func(o *op) {
			o.idClaims = changes(set("aud", testClient), without("at_hash"))
			o.tokenResponse = func(m map[string]any) { m["access_token"] = m["id_token"] }
		},
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			o := newOP(t, "ES256")
			spoil(o)
			_, err := o.login(t, o.client(t, func(o *Options) { o.Audience = []string{"other", "api", testClient} }))
			o.wantKind(t, err, KindInvalidAccessToken)
			if o.count("GET /userinfo") > 0 {
				t.Error("the access token was used before it was checked")
			}
		})
	}
}

// The access token's algorithm must be one that the provider announces, as the ID token's.
func TestAccessTokenOfAnUnannouncedAlgorithmIsRefused(t *testing.T) {
	for _, announced := range []bool{true, false} {
		o := newOP(t, "ES256")
		other := newSigner("EdDSA", "key-2")
		o.published = append(o.published, other.jwk())
		o.accessToken = func(raw string) string {
			return other.resign(raw, func(_, p []byte) ([]byte, []byte) { return []byte(`{"alg":"EdDSA","kid":"key-2"}`), p })
		}
		if announced {
			o.metadata = set("id_token_signing_alg_values_supported", []string{"ES256", "EdDSA"})
		}
		if _, err := o.login(t, o.client(t, func(o *Options) { o.Audience = []string{"api"} })); (err == nil) != announced {
			t.Errorf("announced %v: %v", announced, err)
		}
	}
}

func TestAccessTokensThatAreAccepted(t *testing.T) {
	tests := map[string]func(*op){
		"as RFC 9068 says":     func(*op) {},
		"typ JWT":              func(o *op) { o.accessHeader = set("typ", "JWT") },
		"typ in full":          func(o *op) { o.accessHeader = set("typ", "application/at+jwt") },
		"no typ":               func(o *op) { o.accessHeader = without("typ") },
		"aud an array":         func(o *op) { o.accessClaims = set("aud", []string{"graph", "api"}) },
		"no iat":               func(o *op) { o.accessClaims = without("iat") },
		"older than the login": func(o *op) { o.accessClaims = in("iat", -time.Hour) },
		"Okta":                 func(o *op) { o.accessClaims = changes(set("sub", "alice@example.com"), set("uid", testPerson)) },
		"Entra": func(o *op) {
			o.idClaims = changes(set("oid", "1"), set("tid", "2"))
			o.accessClaims = changes(set("sub", "pairwise"), set("oid", "1"), set("tid", "2"))
		},
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			o := newOP(t, "ES256")
			change(o)
			if _, err := o.login(t, o.client(t, func(o *Options) { o.Audience = []string{"api"} })); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestEntraTokensOfVersion1AreExplained(t *testing.T) {
	o := newOP(t, "ES256")
	o.accessClaims = changes(set("iss", "https://sts.windows.net/t/"), set("ver", "1.0"))
	_, err := o.login(t, o.client(t, func(o *Options) { o.Audience = []string{"api"} }))
	o.wantKind(t, err, KindInvalidAccessToken)
	if !strings.Contains(err.Error(), "requestedAccessTokenVersion") {
		t.Errorf("got %v", err)
	}
}

func TestOpaqueAccessTokenWithoutAudience(t *testing.T) {
	o := newOP(t, "ES256")
	o.accessToken = func(string) string { return "opaque" }
	person, err := o.login(t, o.client(t, nil))
	if err != nil || person.AccessToken != "opaque" {
		t.Errorf("got %v, %v", person, err)
	}
}

// An unverified access token says nothing.
func TestClaimsOfAnUnverifiedAccessTokenDoNotCount(t *testing.T) {
	o := newOP(t, "ES256")
	o.accessClaims = set("department", "audit")
	for audience, want := range map[string]bool{"": false, "api": true} {
		person, err := o.login(t, o.client(t, func(o *Options) {
			if audience != "" {
				o.Audience = []string{audience}
			}
		}))
		if err != nil {
			t.Fatal(err)
		}
		if _, got := person.Claim("department"); got != want {
			t.Errorf("audience %q: found %v", audience, got)
		}
	}
}

// When the verified token expires earlier than expires_in says, it expires.
func TestVerifiedTokenExpiresByItsOwnWord(t *testing.T) {
	o := newOP(t, "ES256")
	o.accessClaims = in("exp", time.Minute)
	person, err := o.login(t, o.client(t, func(o *Options) { o.Audience = []string{"api"} }))
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Until(person.TokenExpiry); left > time.Minute {
		t.Errorf("it expires in %s", left)
	}
}

func changes(all ...func(map[string]any)) func(map[string]any) {
	return func(m map[string]any) {
		for _, change := range all {
			change(m)
		}
	}
}

func same(h, p []byte) ([]byte, []byte) { return h, p }

// twice signs a token whose sub occurs twice.
func twice(o *op) func(string) string {
	return func(raw string) string {
		return o.signer.resign(raw, func(h, p []byte) ([]byte, []byte) { return h, append([]byte(`{"sub":"root",`), p[1:]...) })
	}
}

// Everybody of a tenant has its tid; it is oid that tells them apart.
func TestAccessTokenOfAnotherPersonOfTheTenantIsRefused(t *testing.T) {
	o := newOP(t, "ES256")
	o.idClaims = changes(set("oid", "1"), set("tid", "1"))
	o.accessClaims = changes(set("sub", "x"), set("oid", "2"), set("tid", "1"))
	_, err := o.login(t, o.client(t, func(o *Options) { o.Audience = []string{"api"} }))
	o.wantKind(t, err, KindInvalidAccessToken)
}

func TestEmptyOIDsNameNobody(t *testing.T) {
	o := newOP(t, "ES256")
	o.idClaims = changes(set("oid", ""), set("tid", ""))
	o.accessClaims = changes(set("sub", "x"), set("oid", ""), set("tid", ""))
	_, err := o.login(t, o.client(t, func(o *Options) { o.Audience = []string{"api"} }))
	o.wantKind(t, err, KindInvalidAccessToken)
}

func TestAccessTokenForThisClientIsAccepted(t *testing.T) {
	for _, name := range clientClaims() {
		o := newOP(t, "ES256")
		o.accessClaims = set(name, testClient)
		if _, err := o.login(t, o.client(t, func(o *Options) { o.Audience = []string{"api"} })); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
