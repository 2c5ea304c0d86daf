package provider

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// api makes our end, where API clients' tokens for "api" are good.
func (o *op) api(t testing.TB, change func(*Options)) *Provider {
	t.Helper()
	return o.client(t, func(options *Options) {
		options.Audience = []string{"other", "api"}
		if change != nil {
			change(options)
		}
	})
}

// bearer signs an API client's token, changed by accessHeader, accessClaims and accessToken.
func (o *op) bearer() string {
	now := time.Now().Unix()
	raw := o.signer.sign(
		changed(map[string]any{"alg": o.signer.algorithm, "kid": o.signer.kid, "typ": "at+jwt"}, o.accessHeader),
		changed(map[string]any{
			"iss": o.issuer, "sub": testPerson, "aud": "api", "client_id": "robot", "iat": now, "exp": now + 600, "jti": "1",
		}, o.accessClaims))
	if o.accessToken != nil {
		raw = o.accessToken(raw)
	}
	return raw
}

// undeclared takes typ out of the header and changes the claims.
func undeclared(claims func(map[string]any)) func(*op) {
	return func(o *op) { o.accessHeader, o.accessClaims = without("typ"), claims }
}

func TestBearersThatAreRefused(t *testing.T) {
	claims := func(change func(map[string]any)) func(*op) { return func(o *op) { o.accessClaims = change } }
	head := func(change func(map[string]any)) func(*op) { return func(o *op) { o.accessHeader = change } }
	whole := func(change func(string) string) func(*op) { return func(o *op) { o.accessToken = change } }
	tests := map[string]func(*op){
		"empty":                      whole(func(string) string { return "" }),
		"two words":                  whole(func(s string) string { return s + " " + s }),
		"a tab before it":            whole(func(s string) string { return "\t" + s }),
		"not ASCII":                  whole(func(s string) string { return s + "é" }),
		"padding alone":              whole(func(string) string { return "==" }),
		"opaque":                     whole(func(string) string { return "opaque" }),
		"encrypted":                  whole(func(string) string { return "e30.AA.AA.AA.AA" }),
		"two parts":                  whole(func(s string) string { return s[:strings.LastIndexByte(s, '.')] }),
		"padded":                     whole(func(s string) string { return s + "=" }),
		"huge":                       claims(set("x", strings.Repeat("x", maxToken))),
		"alg none":                   whole(func(s string) string { return unsigned(s, "none") }),
		"alg nOnE":                   whole(func(s string) string { return unsigned(s, "nOnE") }),
		"HS256 by the secret":        whole(func(s string) string { return hs256(s, []byte(testSecret)) }),
		"signature changed":          whole(func(s string) string { return s[:len(s)-10] + "AAAAAAAAAA" }),
		"signature empty":            whole(func(s string) string { return s[:strings.LastIndexByte(s, '.')+1] }),
		"another's key":              whole(func(s string) string { return newSigner("ES256", "key-1").resign(s, same) }),
		"unannounced alg":            whole(func(s string) string { return newSigner("EdDSA", "key-1").resign(s, edDSA) }),
		"kid unknown":                head(set("kid", "x")),
		"crit":                       head(changes(set("crit", []string{"x"}), set("x", 1))),
		"b64":                        head(set("b64", false)),
		"typ logout+jwt":             head(set("typ", "logout+jwt")),
		"typ dpop+jwt":               head(set("typ", "dpop+jwt")),
		"typ id_token+jwt":           head(set("typ", "id_token+jwt")),
		"iss of another":             claims(set("iss", "https://other.example.com")),
		"iss with a slash":           claims(func(m map[string]any) { m["iss"] = m["iss"].(string) + "/" }),
		"iss missing":                claims(without("iss")),
		"aud of another":             claims(set("aud", "graph")),
		"aud that begins like ours":  claims(set("aud", "api2")),
		"aud in another letter case": claims(set("aud", "API")),
		"aud missing":                claims(without("aud")),
		"aud empty":                  claims(set("aud", []string{})),
		"aud a number":               claims(set("aud", 1)),
		"aud in an object":           claims(set("aud", map[string]any{"api": 1})),
		"exp missing":                claims(without("exp")),
		"exp past":                   claims(in("exp", -leeway-time.Second)),
		"exp a string":               claims(set("exp", "9999999999")),
		"exp huge":                   claims(set("exp", 1e300)),
		"exp null":                   claims(set("exp", nil)),
		"nbf in the future":          claims(in("nbf", leeway+5*time.Second)),
		"nbf a string":               claims(set("nbf", "0")),
		"iat in the future":          claims(in("iat", leeway+5*time.Second)),
		"iat a string":               claims(set("iat", "0")),
		"sub missing":                claims(without("sub")),
		"sub empty":                  claims(set("sub", "")),
		"sub a number":               claims(set("sub", 7)),
		"sub of 256 characters":      claims(set("sub", strings.Repeat("a", 256))),
		"sub with a line break":      claims(set("sub", "alice\r\nX-Admin: 1")),
		"SUB beside sub":             claims(set("SUB", "root")),
		"sub twice":                  func(o *op) { o.accessToken = twice(o) },
		"acr a number":               claims(set("acr", 1)),
		"auth_time a string":         claims(set("auth_time", "0")),
		"cnf":                        claims(set("cnf", map[string]any{"jkt": "x"})),
		"undeclared with nonce":      undeclared(set("nonce", "n")),
		"undeclared with at_hash":    undeclared(set("at_hash", "h")),
		"undeclared with c_hash":     undeclared(set("c_hash", "h")),
		"undeclared with events":     undeclared(set("events", map[string]any{})),
		"undeclared, nonce null":     undeclared(set("nonce", nil)),
		"undeclared, typ ID":         undeclared(set("typ", "ID")),
		"undeclared, typ Refresh":    undeclared(set("typ", "Refresh")),
		"undeclared, typ Offline":    undeclared(set("typ", "Offline")),
		"undeclared, typ Logout":     undeclared(set("typ", "Logout")),
		"undeclared, typ id":         undeclared(set("typ", "id")),
		"undeclared, typ a number":   undeclared(set("typ", 1)),
		"undeclared, Typ ID":         undeclared(set("Typ", "ID")),
		"undeclared, for us too":     undeclared(set("aud", []string{testClient, "api"})),
		"undeclared, for its azp":    undeclared(changes(without("client_id"), set("azp", "robot"), set("aud", []string{"robot", "api"}))),
		"undeclared, for its client": undeclared(set("aud", []string{"robot", "api"})),
		"undeclared, for its cid":    undeclared(changes(without("client_id"), set("cid", "robot"), set("aud", []string{"robot", "api"}))),
		"undeclared, azp a number":   undeclared(set("azp", 1)),
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			o := newOP(t, "ES256")
			spoil(o)
			p := o.api(t, nil)
			for range 2 { // the second must not be remembered as good
				person, remembered, err := p.Bearer(t.Context(), o.bearer())
				if person != nil || remembered {
					t.Errorf("it is %v's, remembered: %v", person, remembered)
				}
				o.wantKind(t, err, KindInvalidAccessToken)
			}
			if n := o.count("GET /userinfo") + o.count("POST /token"); n > 0 {
				t.Errorf("%d requests were made with it", n)
			}
		})
	}
}

func edDSA(_, p []byte) ([]byte, []byte) { return []byte(`{"alg":"EdDSA","kid":"key-1"}`), p }

func TestBearersThatAreAccepted(t *testing.T) {
	tests := map[string]func(*op){
		"as RFC 9068 says":    func(*op) {},
		"typ JWT":             func(o *op) { o.accessHeader = set("typ", "JWT") },
		"typ in full":         func(o *op) { o.accessHeader = set("typ", "application/at+jwt") },
		"typ in capitals":     func(o *op) { o.accessHeader = set("typ", "AT+JWT") },
		"no typ":              func(o *op) { o.accessHeader = without("typ") },
		"no kid":              func(o *op) { o.accessHeader = without("kid") },
		"Keycloak":            func(o *op) { o.accessHeader = set("typ", "JWT"); o.accessClaims = set("typ", "Bearer") },
		"declared with nonce": func(o *op) { o.accessClaims = set("nonce", "n") },
		"another client's":    func(o *op) { o.accessClaims = set("azp", "another") },
		"aud an array":        func(o *op) { o.accessClaims = set("aud", []string{"graph", "api"}) },
		"no iat":              func(o *op) { o.accessClaims = without("iat") },
		"old":                 func(o *op) { o.accessClaims = in("iat", -24*time.Hour) },
		"just over":           func(o *op) { o.accessClaims = in("exp", -leeway+5*time.Second) },
		"clock ahead": func(o *op) {
			o.accessClaims = changes(in("iat", leeway-5*time.Second), in("nbf", leeway-5*time.Second))
		},
		"acr and auth_time":       func(o *op) { o.accessClaims = changes(set("acr", "mfa"), in("auth_time", -time.Minute)) },
		"for its client too":      func(o *op) { o.accessClaims = set("aud", []string{testClient, "robot", "api"}) },
		"for us too, with scope":  undeclared(changes(set("aud", []string{testClient, "api"}), set("scope", ""))),
		"for itself, with scp":    undeclared(changes(set("aud", []string{"robot", "api"}), set("scp", "read"))),
		"for another client too":  undeclared(set("aud", []string{"another", "api"})),
		"padding in another part": func(o *op) { o.accessClaims = set("x", "==") },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			o := newOP(t, "ES256")
			change(o)
			raw := o.bearer()
			person, _, err := o.api(t, nil).Bearer(t.Context(), raw)
			if err != nil {
				t.Fatal(err)
			}
			if person.Subject != testPerson || person.Issuer != o.issuer || person.AccessToken != raw || person.IDToken != "" {
				t.Errorf("it is %+v", person)
			}
		})
	}
}

// What rules ask about comes from the token.
func TestWhatABearerSays(t *testing.T) {
	o := newOP(t, "ES256")
	expiry := time.Now().Add(time.Minute).Truncate(time.Second)
	since := expiry.Add(-time.Hour)
	o.accessClaims = changes(set("groups", []string{"Dev"}), set("email", "a@example.com"), set("email_verified", true),
		set("acr", "mfa"), set("auth_time", since.Unix()), set("exp", expiry.Unix()))
	person, _, err := o.api(t, func(o *Options) { o.NeededClaims = needs("groups", "department") }).Bearer(t.Context(), o.bearer())
	if err != nil {
		t.Fatal(err)
	}
	if groups, _ := person.Claim("groups"); fmt.Sprint(groups) != "[Dev]" {
		t.Errorf("the groups are %v", groups)
	}
	if email, verified := person.Email("email"); email != "a@example.com" || !verified {
		t.Errorf("the e-mail is %s, verified: %v", email, verified)
	}
	if person.ACR != "mfa" || !person.AuthTime.Equal(since) || !person.TokenExpiry.Equal(expiry) {
		t.Errorf("acr %s, auth_time %s, expires %s", person.ACR, person.AuthTime, person.TokenExpiry)
	}
	if o.count("GET /userinfo") > 0 { // though a needed claim is missing
		t.Error("userinfo was asked")
	}
}

// Where the audience is the client itself, its ID tokens are for that audience, too.
func TestOnlyDeclaredBearersWhereTheAudienceIsTheClient(t *testing.T) {
	for typ, ok := range map[any]bool{"at+jwt": true, "application/at+jwt": true, "JWT": false, nil: false} {
		o := newOP(t, "ES256")
		o.accessHeader = set("typ", typ)
		if typ == nil {
			o.accessHeader = without("typ")
		}
		for _, audience := range []string{"api", testClient} {
			o.accessClaims = set("aud", audience)
			p := o.api(t, func(o *Options) { o.Audience = []string{"api", testClient} })
			if _, _, err := p.Bearer(t.Context(), o.bearer()); (err == nil) != ok {
				t.Errorf("typ %v for %s: %v", typ, audience, err)
			}
		}
	}
}

// An ID token of the login opens nothing, neither as it is nor where its audience is one of ours.
func TestIDTokenIsNoBearer(t *testing.T) {
	for _, audience := range [][]string{{"api"}, {testClient}, {"api", testClient}} {
		o := newOP(t, "ES256")
		p := o.api(t, func(o *Options) { o.Audience = append(audience, "api") })
		person, err := o.login(t, p)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = p.Bearer(t.Context(), person.IDToken)
		o.wantKind(t, err, KindInvalidAccessToken)
	}
}

// Zitadel's ID tokens are for the client and for its project, which is our audience. One without nonce and at_hash is still no access token;
// nor is another client's of the project.
func TestIDTokenForClientAndAPIIsNoBearer(t *testing.T) {
	for _, client := range []string{testClient, "another"} {
		o := newOP(t, "ES256")
		o.accessHeader = set("typ", "JWT")
		o.accessClaims = changes(set("aud", []string{testClient, "another", "api"}), set("azp", client), set("client_id", client),
			without("jti"), in("auth_time", -time.Minute), set("amr", []string{"pwd"}), set("sid", "session-1"))
		_, _, err := o.api(t, nil).Bearer(t.Context(), o.bearer())
		o.wantKind(t, err, KindInvalidAccessToken)
		if err == nil || !strings.Contains(err.Error(), "aud names the client") {
			t.Errorf("of %s: %v", client, err)
		}
	}
}

// Without an audience, nobody is asked about any token.
func TestBearerWithoutAudienceIsRefused(t *testing.T) {
	o, _ := introspecting(t, nil)
	p := o.client(t, func(o *Options) { o.IntrospectTokens = true })
	for _, raw := range []string{o.bearer(), opaque} {
		_, _, err := p.Bearer(t.Context(), raw)
		o.wantKind(t, err, KindInvalidAccessToken)
	}
	if seen := o.seen(); len(seen) > 0 {
		t.Errorf("requests were made: %v", seen)
	}
}

// Okta alone names people by uid: elsewhere it may be whatever somebody wrote into their profile.
func TestWhoIsNamedByUID(t *testing.T) {
	const server = "aus1a2B3c4D5e6F7g8H9"
	okta := changes(set("sub", "mallory@example.com"), set("uid", testPerson), set("cid", "robot"))
	for _, test := range []struct {
		issuer string
		claims func(map[string]any)
		want   string
	}{
		{"https://corp.okta.com/oauth2/default", okta, testPerson},
		{"https://id.example.com/oauth2/" + server, okta, testPerson},
		{"https://corp.okta.com/oauth2/default", changes(okta, without("uid")), "mallory@example.com"},
		{"https://corp.okta.com/oauth2/default", changes(okta, without("cid")), "mallory@example.com"},
		{"https://corp.okta.com/oauth2/default", changes(okta, set("uid", "")), "mallory@example.com"},
		{"https://corp.okta.com/oauth2/default", changes(okta, set("uid", []string{testPerson})), "mallory@example.com"},
		{"https://corp.okta.com", okta, "mallory@example.com"},
		{"https://id.example.com", okta, "mallory@example.com"},
		{"https://id.example.com/realms/corp", okta, "mallory@example.com"},
		{"https://id.example.com/oauth2/aus1", okta, "mallory@example.com"},
		{"https://id.example.com/oauth2/token", okta, "mallory@example.com"},
		{"https://id.example.com/oauth2/" + server + "/x", okta, "mallory@example.com"},
		{"https://id.example.com/x/oauth2/default", okta, "mallory@example.com"},
		{"https://id.example.com/oauth2/default/", okta, "mallory@example.com"},
	} {
		o := newOP(t, "ES256")
		reached := o.issuer
		o.issuer = test.issuer
		o.accessClaims = test.claims
		p := o.api(t, nil)
		p.client.transport = below{test.issuer, reached}
		person, _, err := p.Bearer(t.Context(), o.bearer())
		if err != nil {
			t.Fatal(err)
		}
		if name, _ := person.Claim("sub"); person.Subject != test.want || name != test.want {
			t.Errorf("at %s it is %s, and its claim sub is %v, want %s", test.issuer, person.Subject, name, test.want)
		}
	}
}

// At Okta as well, sub must be there, and uid must be fit to be a name.
func TestOktaBearersThatAreRefused(t *testing.T) {
	for name, claims := range map[string]func(map[string]any){
		"no sub":           changes(without("sub"), set("uid", testPerson), set("cid", "robot")),
		"uid of two lines": changes(set("uid", "a\nb"), set("cid", "robot")),
	} {
		o := newOP(t, "ES256")
		reached := o.issuer
		o.issuer = "https://corp.okta.com/oauth2/default"
		o.accessClaims = claims
		p := o.api(t, nil)
		p.client.transport = below{o.issuer, reached}
		if _, _, err := p.Bearer(t.Context(), o.bearer()); err == nil {
			t.Errorf("%s: accepted", name)
		} else {
			o.wantKind(t, err, KindInvalidAccessToken)
		}
	}
}

// A token that passed is not checked again, as long as it lives.
func TestBearersAreRemembered(t *testing.T) {
	o := newLocalOP()
	p := o.api(t, nil)
	synctest.Test(t, func(t *testing.T) {
		o.accessClaims = in("exp", time.Minute)
		raw := o.bearer()
		for i, want := range []bool{false, true, true} {
			person, remembered, err := p.Bearer(t.Context(), raw)
			if err != nil || remembered != want || person.Subject != testPerson {
				t.Errorf("request %d: %v, remembered %v, %v", i, person, remembered, err)
			}
		}
		time.Sleep(time.Minute)
		if _, remembered, err := p.Bearer(t.Context(), raw); remembered || err != nil { // the leeway
			t.Errorf("at its end: remembered %v, %v", remembered, err)
		}
		time.Sleep(leeway)
		_, _, err := p.Bearer(t.Context(), raw)
		o.wantKind(t, err, KindInvalidAccessToken)
	})
}

// What is remembered of one token is never said of another, be it the same but for the last character.
func TestTokensThatDifferInLittle(t *testing.T) {
	o := newOP(t, "ES256")
	p := o.api(t, nil)
	raw := o.bearer()
	if _, _, err := p.Bearer(t.Context(), raw); err != nil {
		t.Fatal(err)
	}
	for i := range len(raw) {
		other := raw[:i] + string(raw[i]^1) + raw[i+1:]
		if _, _, err := p.Bearer(t.Context(), other); err == nil {
			t.Errorf("with another character %d it is accepted", i)
		}
	}
}

// A key that the provider no longer publishes vouches for nothing, be it remembered or not.
func TestWithdrawnKeysEndRememberedBearers(t *testing.T) {
	o := newLocalOP()
	p := o.api(t, nil)
	synctest.Test(t, func(t *testing.T) {
		o.accessClaims = in("exp", 24*time.Hour)
		raw := o.bearer()
		if _, _, err := p.Bearer(t.Context(), raw); err != nil {
			t.Fatal(err)
		}
		for range 3 { // fetched anew, but the same
			time.Sleep(keysMaxAge + time.Second)
			p.Bearer(t.Context(), raw)
			synctest.Wait()
			if _, remembered, err := p.Bearer(t.Context(), raw); !remembered || err != nil {
				t.Errorf("under the same keys: remembered %v, %v", remembered, err)
			}
		}
		o.rotate("ES256", "key-2")
		time.Sleep(keysMaxAge + time.Second)
		p.Bearer(t.Context(), raw) // the fetch goes on behind this one's back
		synctest.Wait()
		_, _, err := p.Bearer(t.Context(), raw)
		o.wantKind(t, err, KindInvalidAccessToken)
	})
}

// A rotation is noticed by the first token with the new key.
func TestBearerAfterARotation(t *testing.T) {
	o := newOP(t, "ES256")
	p := o.api(t, nil)
	before := o.bearer()
	if _, _, err := p.Bearer(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	o.rotate("ES256", "key-2")
	after := o.bearer()
	for _, want := range []bool{false, false, true} { // the second time it rests on the new keys
		if _, remembered, err := p.Bearer(t.Context(), after); err != nil || remembered != want {
			t.Errorf("remembered %v, %v", remembered, err)
		}
	}
	if _, _, err := p.Bearer(t.Context(), before); err == nil {
		t.Error("the old token is still good")
	}
}

// Forged tokens, however many, cost few fetches and push out no good one. How long it takes to forge them does not count.
func TestFloodOfForgedBearers(t *testing.T) {
	o := newLocalOP()
	o.rotate("EdDSA", "key-1") // which signs soonest
	p := o.api(t, nil)
	synctest.Test(t, func(t *testing.T) {
		good := o.bearer()
		if _, _, err := p.Bearer(t.Context(), good); err != nil {
			t.Fatal(err)
		}
		forger := newSigner("EdDSA", "forged")
		for i := range maxKnown + drawn {
			forged := forger.resign(good, func(_, payload []byte) ([]byte, []byte) {
				return fmt.Appendf(nil, `{"alg":"EdDSA","typ":"at+jwt","kid":"forged-%d"}`, i), payload
			})
			if _, _, err := p.Bearer(t.Context(), forged); err == nil {
				t.Fatal("a forged token is accepted")
			}
		}
		if n := o.count("GET /jwks"); n > 1+maxDemands {
			t.Errorf("the keys were fetched %d times", n)
		}
		if _, remembered, _ := p.Bearer(t.Context(), good); !remembered {
			t.Error("the good one is forgotten")
		}
	})
}

// While metadata or keys cannot be had, nobody can say that a token is bad.
func TestBearerWhileTheProviderIsDown(t *testing.T) {
	for _, path := range []string{"/.well-known/openid-configuration", "/jwks"} {
		o := newOP(t, "ES256")
		o.instead = handlers(path, says(503, "text/html", "out of order"))
		_, _, err := o.api(t, nil).Bearer(t.Context(), o.bearer())
		o.wantKind(t, err, KindUnavailable)
	}
}

// A new key that cannot be fetched now is no reason to call the token bad. A token that the old keys know is as good as ever.
func TestBearerWithANewKeyDuringAnOutage(t *testing.T) {
	o := newOP(t, "ES256")
	p := o.api(t, nil)
	before := o.bearer()
	if _, _, err := p.Bearer(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	o.accessClaims = set("aud", "graph")
	foreign := o.bearer()
	o.accessClaims = nil
	o.rotate("ES256", "key-2")
	o.instead = handlers("/jwks", says(503, "text/html", "out of order"))
	_, _, err := p.Bearer(t.Context(), o.bearer())
	o.wantKind(t, err, KindUnavailable)
	if _, remembered, err := p.Bearer(t.Context(), before); err != nil || !remembered {
		t.Errorf("under the old key: %v", err)
	}
	_, _, err = p.Bearer(t.Context(), foreign) // what is wrong with this one is known
	o.wantKind(t, err, KindInvalidAccessToken)
}

func TestMemoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		of := func(i int) digest { return sha256.Sum256(fmt.Append(nil, i)) }
		for i := range 2 * maxKnown {
			m.keep(of(i), nil, knowledge{until: time.Now().Add(time.Hour)})
		}
		if n := len(m.known); n != maxKnown {
			t.Errorf("it knows %d tokens", n)
		}
		if _, ok := m.recall(of(2*maxKnown-1), nil); !ok {
			t.Error("the latest is forgotten")
		}
		time.Sleep(2 * time.Hour)
		if _, ok := m.recall(of(2*maxKnown-1), nil); ok {
			t.Error("the latest is remembered for too long")
		}
		for i := range maxKnown { // while there is something to keep, what is over goes
			m.keep(of(-1), nil, knowledge{until: time.Now().Add(time.Hour)})
			if len(m.known) == 1 {
				return
			}
			if i == maxKnown-1 {
				t.Errorf("it still knows %d tokens", len(m.known))
			}
		}
	})
}

// What was found out under keys that have gone is kept by nobody who was slow to say so.
func TestMemoryRestsOnThePresentKeys(t *testing.T) {
	m, of := newMemory(), sha256.Sum256([]byte("token"))
	before, now := []key{{id: "before"}}, []key{{id: "now"}}
	m.recall(of, before)
	m.recall(of, now)
	m.keep(of, before, knowledge{until: time.Now().Add(time.Hour)})
	if _, ok := m.recall(of, now); ok {
		t.Error("it is kept")
	}
	m.keep(of, now, knowledge{until: time.Now().Add(time.Hour)})
	if _, ok := m.recall(of, []key{{id: "now"}}); !ok {
		t.Error("the same keys are others because they were fetched anew")
	}
	if _, ok := m.recall(of, before); ok {
		t.Error("it is remembered under other keys")
	}
}

// No token is ever accepted that the present key did not sign, and none that is not what RFC 9068 4 asks for. The claims are judged
// here anew, by encoding/json and nothing of doorward's.
func FuzzBearer(f *testing.F) {
	o := newLocalOP()
	o.rotate("EdDSA", "key-1")
	old := o.signer
	o.rotate("EdDSA", "key-2")
	p := o.api(f, nil)
	signers := []signer{o.signer, old, newSigner("EdDSA", "key-2"), {secret: []byte(testSecret)}, {secret: []byte{}}}

	now := time.Now().Unix()
	head := `{"alg":"EdDSA","kid":"key-2","typ":"at+jwt"}`
	body := fmt.Sprintf(`{"iss":"https://idp.example.com","sub":"alice","aud":["api"],"iat":%d,"exp":%d}`, now, now+3600)
	f.Add([]byte(head), []byte(body), byte(0), byte(0))
	f.Add([]byte(`{"alg":"EdDSA"}`), []byte(body), byte(0), byte(1))
	f.Add([]byte(`{"alg":"EdDSA","typ":"JWT"}`), []byte(`{"typ":"ID",`+body[1:]), byte(0), byte(0))
	f.Add([]byte(`{"alg":"EdDSA","typ":"JWT"}`), []byte(`{"nonce":"n","cnf":{},"nbf":0,"acr":"1","auth_time":0,`+body[1:]), byte(0), byte(0))
	f.Add([]byte(`{"alg":"none"}`), []byte(body), byte(0), byte(2))
	f.Add([]byte(`{"alg":"HS256"}`), []byte(body), byte(3), byte(0))
	f.Add([]byte(head), []byte(`{"sub":"root",`+body[1:]), byte(1), byte(3))
	f.Add([]byte(head), []byte(body), byte(2), byte(4))
	f.Add([]byte(head), []byte(`{"cnf":{},`+body[1:]), byte(0), byte(0))
	for _, spoil := range []string{`["api"] ["apa"]`, `"alice" ""`, `idp.example.com other.example.com`, fmt.Sprint(now+3600, " ", now-3600)} {
		was, is, _ := strings.Cut(spoil, " ")
		f.Add([]byte(head), []byte(strings.Replace(body, was, is, 1)), byte(0), byte(0))
	}

	f.Fuzz(func(t *testing.T, header, payload []byte, by, bend byte) {
		s := signers[int(by)%len(signers)]
		raw := bent(s.signRaw(header, payload), bend)
		person, _, err := p.Bearer(t.Context(), raw)
		if err != nil {
			o.wantKindOf(t, err)
			return
		}
		signature, _ := base64.RawURLEncoding.DecodeString(raw[strings.LastIndexByte(raw, '.')+1:])
		if string(signature) != string(o.signer.signature([]byte(raw[:strings.LastIndexByte(raw, '.')]))) { // EdDSA is deterministic
			t.Fatalf("accepted without a signature by the present key: %s", raw)
		}
		wantAccessToken(t, header, payload, person)
	})
}

// bent spoils a token or leaves it be.
func bent(raw string, how byte) string {
	dot := strings.LastIndexByte(raw, '.')
	switch how % 6 {
	case 1:
		return raw + "="
	case 2:
		return raw[:dot+1]
	case 3:
		return raw[:dot/2] + raw[dot/2+1:]
	case 4:
		return raw[:len(raw)-2] + "A" + raw[len(raw)-1:]
	}
	return raw
}

// wantKindOf insists that a refusal is one, and no outage.
func (o *op) wantKindOf(t *testing.T, err error) {
	t.Helper()
	if known := asError(err); known.Kind != KindInvalidAccessToken {
		t.Errorf("refused as %v: %v", known.Kind, err)
	}
}

// wantAccessToken judges the header and claims of a token that was accepted.
func wantAccessToken(t *testing.T, header, payload []byte, person *Person) {
	t.Helper()
	var h, c map[string]any
	if json.Unmarshal(header, &h) != nil || json.Unmarshal(payload, &c) != nil {
		t.Fatalf("accepted, but it is no JSON: %s %s", header, payload)
	}
	audience, _ := c["aud"].([]any)
	if one, is := c["aud"].(string); is {
		audience = []any{one}
	}
	ours := false
	for _, one := range audience {
		ours = ours || one == "api" || one == "other"
	}
	expiry, _ := c["exp"].(float64)
	typ, _ := h["typ"].(string)
	declared := strings.Contains(strings.ToLower(typ), "at+jwt")
	_, nonce := c["nonce"]
	_, bound := c["cnf"]
	kind, _ := c["typ"].(string)
	switch {
	case h["alg"] != "EdDSA", c["iss"] != "https://idp.example.com", !ours, bound,
		c["sub"] != person.Subject, person.Subject == "", expiry < float64(time.Now().Add(-leeway).Unix()-1),
		!declared && (nonce || kind == "ID" || kind == "Refresh" || kind == "Logout"):
		t.Fatalf("accepted: %s %s", header, payload)
	}
}

// A token that is remembered, with and without the whole way to the first answer.
func BenchmarkBearer(b *testing.B) {
	o := newOP(b, "RS256")
	p := o.api(b, nil)
	o.accessClaims = set("groups", strings.Split(strings.Repeat("some-group-of-the-company,", 20), ","))
	raw := o.bearer()
	b.Run("remembered", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := p.Bearer(b.Context(), raw); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("remembered, in parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, _, err := p.Bearer(b.Context(), raw); err != nil {
					b.Error(err)
				}
			}
		})
	})
	b.Run("verified", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := p.verifyBearer(b.Context(), raw); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// below is a transport to a provider whose issuer has a path, while its server knows none.
type below struct{ issuer, reached string }

func (b below) RoundTrip(r *http.Request) (*http.Response, error) {
	address := b.reached + strings.TrimPrefix(r.URL.String(), strings.TrimSuffix(b.issuer, "/"))
	moved, err := http.NewRequestWithContext(r.Context(), r.Method, address, r.Body)
	if err != nil {
		return nil, err
	}
	return http.DefaultTransport.RoundTrip(moved)
}

// While keys cannot be had anew, a token of a key that is known is judged by it.
func TestForgedTokensDuringAnOutage(t *testing.T) {
	o := newOP(t, "ES256")
	p := o.api(t, nil)
	if err := p.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.instead["/jwks"] = says(503, "text/plain", "down")
	claims := map[string]any{"iss": o.issuer, "sub": "x", "aud": "api", "exp": time.Now().Add(time.Hour).Unix()}
	for kid, want := range map[string]Kind{"key-1": KindInvalidAccessToken, "key-2": KindUnavailable} {
		parts := strings.Split(o.signer.sign(map[string]any{"alg": "ES256", "kid": kid, "typ": "at+jwt"}, claims), ".")
		_, _, err := p.Bearer(t.Context(), parts[0]+"."+parts[1]+"."+strings.Repeat("A", len(parts[2])))
		o.wantKind(t, err, want)
	}
}
