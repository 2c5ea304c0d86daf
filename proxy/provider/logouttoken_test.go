package provider

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// leaving is what an honest logout token says (OIDC Back-Channel Logout 2.4), with a change.
func (o *op) leaving(change func(map[string]any)) map[string]any {
	now := time.Now().Unix()
	return changed(map[string]any{
		"iss": o.issuer, "aud": testClient, "sub": testPerson, "sid": "session-1", "iat": now, "exp": now + 120, "jti": "token-1",
		"events": map[string]any{logoutEvent: map[string]any{}},
	}, change)
}

// logoutToken signs what leaving says.
func (o *op) logoutToken(header, claims func(map[string]any)) string {
	return o.signer.sign(changed(map[string]any{"alg": o.signer.algorithm, "kid": o.signer.kid}, header), o.leaving(claims))
}

func TestLogoutToken(t *testing.T) {
	for name, test := range map[string]struct {
		header, claims func(map[string]any)
		subject, sid   string
	}{
		"both":                 {nil, nil, testPerson, "session-1"},
		"sub alone":            {nil, without("sid"), testPerson, ""},
		"sid alone":            {nil, without("sub"), "", "session-1"},
		"aud an array":         {nil, set("aud", []string{testClient}), testPerson, "session-1"},
		"azp is us":            {nil, set("azp", testClient), testPerson, "session-1"},
		"typ logout+jwt":       {set("typ", "application/Logout+JWT"), nil, testPerson, "session-1"},
		"typ JWT":              {set("typ", "JWT"), nil, testPerson, "session-1"},
		"another claim":        {nil, set("foo", "bar"), testPerson, "session-1"},
		"claims of ours, bent": {nil, set("GROUPS", []any{1}), testPerson, "session-1"},
		"another event":        {nil, set("events", map[string]any{logoutEvent: map[string]any{"x": 1}, "urn:x": 1}), testPerson, "session-1"},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOP(t, "ES256")
			token, err := o.client(t, nil).VerifyLogoutToken(t.Context(), o.logoutToken(test.header, test.claims))
			if err != nil {
				t.Fatal(err)
			}
			if token.Issuer != o.issuer || token.Subject != test.subject || token.SessionID != test.sid || token.ID != "token-1" {
				t.Errorf("%+v", token)
			}
			if until := time.Until(token.Expiry); until < 2*time.Minute || until > 2*time.Minute+leeway {
				t.Errorf("it is to be remembered for %s", until)
			}
		})
	}
}

// Each row is a logout token that must end nobody's session (OIDC Back-Channel Logout 2.4, 2.6).
func TestLogoutTokensThatAreRefused(t *testing.T) {
	claims := func(change func(map[string]any)) func(*op) string {
		return func(o *op) string { return o.logoutToken(nil, change) }
	}
	head := func(change func(map[string]any)) func(*op) string {
		return func(o *op) string { return o.logoutToken(change, nil) }
	}
	raw := func(change func(string) string) func(*op) string {
		return func(o *op) string { return change(o.logoutToken(nil, nil)) }
	}
	member := func(text string) func(*op) string {
		return func(o *op) string {
			return o.signer.resign(o.logoutToken(nil, nil), func(h, p []byte) ([]byte, []byte) {
				return h, append(append([]byte("{"), text+","...), p[1:]...)
			})
		}
	}
	for name, make := range map[string]func(*op) string{
		"iss of another":     claims(func(m map[string]any) { m["iss"] = m["iss"].(string) + "INVALID" }),
		"iss missing":        claims(without("iss")),
		"aud of another":     claims(set("aud", testClient+"INVALID")),
		"aud missing":        claims(without("aud")),
		"aud empty":          claims(set("aud", []string{})),
		"aud with another":   claims(set("aud", []string{testClient, "other"})),
		"azp of another":     claims(set("azp", "other")),
		"iat missing":        claims(without("iat")),
		"iat null":           claims(set("iat", nil)),
		"iat a string":       claims(set("iat", "1")),
		"iat in the future":  claims(in("iat", time.Minute)),
		"iat long ago":       claims(in("iat", -2*time.Hour)),
		"exp missing":        claims(without("exp")),
		"exp past":           claims(in("exp", -time.Minute)),
		"exp a string":       claims(set("exp", "9999999999")),
		"nbf in the future":  claims(in("nbf", time.Minute)),
		"nobody":             claims(func(m map[string]any) { delete(m, "sub"); delete(m, "sid") }),
		"sub empty":          claims(set("sub", "")),
		"sub a number":       claims(set("sub", 7)),
		"sub null":           claims(set("sub", nil)),
		"sub too long":       claims(set("sub", strings.Repeat("a", 256))),
		"sid empty":          claims(set("sid", "")),
		"sid a number":       claims(set("sid", 7)),
		"sid null":           claims(set("sid", nil)),
		"sid too long":       claims(set("sid", strings.Repeat("a", 1025))),
		"events missing":     claims(without("events")),
		"events null":        claims(set("events", nil)),
		"events an array":    claims(set("events", []string{logoutEvent})),
		"events a string":    claims(set("events", logoutEvent)),
		"events empty":       claims(set("events", map[string]any{})),
		"another event":      claims(set("events", map[string]any{"http://schemas.openid.net/event/foobar": map[string]any{}})),
		"the event null":     claims(set("events", map[string]any{logoutEvent: nil})),
		"the event true":     claims(set("events", map[string]any{logoutEvent: true})),
		"the event an array": claims(set("events", map[string]any{logoutEvent: []any{}})),
		"the event a string": claims(set("events", map[string]any{logoutEvent: "{}"})),
		"nonce":              claims(set("nonce", "n")),
		"nonce empty":        claims(set("nonce", "")),
		"nonce null":         claims(set("nonce", nil)),
		"jti missing":        claims(without("jti")),
		"jti empty":          claims(set("jti", "")),
		"jti a number":       claims(set("jti", 1)),
		"jti too long":       claims(set("jti", strings.Repeat("a", 1025))),
		"sub twice":          member(`"sub":"root"`),
		"SUB beside sub":     member(`"SUB":"root"`),
		"events twice":       member(`"events":{}`),
		"Nonce":              member(`"Nonce":"n"`),
		"alg none":           raw(func(s string) string { return unsigned(s, "none") }),
		"alg missing":        head(without("alg")),
		"alg not agreed on":  head(set("alg", "PS256")),
		"typ at+jwt":         head(set("typ", "at+jwt")),
		"typ dpop+jwt":       head(set("typ", "dpop+jwt")),
		"typ a number":       head(set("typ", 1)),
		"kid unknown":        head(set("kid", "other")),
		"crit":               head(set("crit", []string{"x"})),
		"signature changed":  raw(func(s string) string { return s[:len(s)-10] + "AAAAAAAAAA" }),
		"another signer": func(o *op) string {
			return newSigner("ES256", "key-1").sign(map[string]any{"alg": "ES256"}, o.leaving(nil))
		},
		"HS256 by the secret": raw(func(s string) string { return hs256(s, []byte(testSecret)) }),
		"encrypted":           raw(func(s string) string { return s + ".AAAA.AAAA" }),
		"empty":               raw(func(string) string { return "" }),
		"an ID token":         func(o *op) string { return o.tokens()["id_token"].(string) },
		"an access token":     func(o *op) string { return o.tokens()["access_token"].(string) },
	} {
		t.Run(name, func(t *testing.T) {
			o := newOP(t, "ES256")
			_, err := o.client(t, nil).VerifyLogoutToken(t.Context(), make(o))
			o.wantKind(t, err, KindInvalidLogoutToken)
		})
	}
}

func TestLogoutTokensAtTheirLimits(t *testing.T) {
	for name, test := range map[string]struct {
		change func(map[string]any)
		ok     bool
		keep   time.Duration
	}{
		"exp just within the leeway": {in("exp", -29*time.Second), true, time.Second},
		"exp at the leeway":          {in("exp", -30*time.Second), false, 0},
		"iat within the leeway":      {in("iat", 30*time.Second), true, 150 * time.Second},
		"iat beyond the leeway":      {in("iat", 31*time.Second), false, 0},
		"exp far ahead":              {in("exp", 1000*time.Hour), true, time.Hour + leeway},
		"sid of 1024 characters":     {set("sid", strings.Repeat("a", 1024)), true, 2*time.Minute + leeway},
		"jti of 1024 characters":     {set("jti", strings.Repeat("a", 1024)), true, 2*time.Minute + leeway},
		"just not too old": {func(m map[string]any) {
			in("iat", -time.Hour-29*time.Second)(m)
			in("exp", 1000*time.Hour)(m)
		}, true, time.Second},
		"too old": {func(m map[string]any) {
			in("iat", -time.Hour-30*time.Second)(m)
			in("exp", 1000*time.Hour)(m)
		}, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			o := newLocalOP()
			p := o.client(t, nil)
			synctest.Test(t, func(t *testing.T) {
				token, err := p.VerifyLogoutToken(t.Context(), o.logoutToken(nil, test.change))
				if (err == nil) != test.ok {
					t.Fatal(err)
				}
				if err == nil && time.Until(token.Expiry) != test.keep {
					t.Errorf("it is to be remembered for %s", time.Until(token.Expiry))
				}
			})
		})
	}
}

// withTwoKeys announces and publishes a second key, with which it signs neither ID tokens nor logout tokens unless it is told to.
func withTwoKeys(o *op) (second signer) {
	second = newSigner("RS256", "key-2")
	o.metadata = set("id_token_signing_alg_values_supported", []string{"ES256", "RS256"})
	o.published = append(o.published, second.jwk())
	return second
}

// The provider may announce every algorithm. Logout tokens come by that of the ID tokens (module
// backchannel-rpinitlogout-wrong-alg).
func TestLogoutTokensAreSignedAsIDTokensAre(t *testing.T) {
	o := newOP(t, "ES256")
	second := withTwoKeys(o)
	p := o.client(t, nil)
	other := second.sign(map[string]any{"alg": "RS256", "kid": "key-2"}, o.leaving(nil))
	if _, err := p.VerifyLogoutToken(t.Context(), other); err != nil {
		t.Errorf("before any login, with nothing to compare with: %v", err)
	}
	if _, err := o.login(t, p); err != nil {
		t.Fatal(err)
	}
	_, err := p.VerifyLogoutToken(t.Context(), other)
	o.wantKind(t, err, KindInvalidLogoutToken)
	if _, err := p.VerifyLogoutToken(t.Context(), o.logoutToken(nil, nil)); err != nil {
		t.Error(err)
	}
}

// An ID token that is refused, such as that of another login, teaches nothing.
func TestNoAlgorithmIsLearnedFromAnIDTokenThatIsRefused(t *testing.T) {
	o := newOP(t, "ES256")
	second := withTwoKeys(o)
	p := o.client(t, nil)
	o.idClaims = set("nonce", "another")
	_, err := o.login(t, p)
	o.wantKind(t, err, KindNonceMismatch)
	if _, err := p.VerifyLogoutToken(t.Context(), second.sign(map[string]any{"alg": "RS256", "kid": "key-2"}, o.leaving(nil))); err != nil {
		t.Error(err)
	}
}

// A process that has seen no login yet learns from the sessions that it opens.
func TestAlgorithmsAreLearnedFromSessions(t *testing.T) {
	for name, test := range map[string]struct {
		idToken string
		refused bool
	}{
		"signed by the other": {b64([]byte(`{"alg":"ES256","kid":"old"}`)) + ".e30.c2ln", true},
		"no session's token":  {"", false},
		"no token":            {"opaque", false},
		"not signed":          {b64([]byte(`{"alg":"none"}`)) + ".e30.", false},
		"announced no more":   {b64([]byte(`{"alg":"PS512"}`)) + ".e30.c2ln", false},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOP(t, "ES256")
			second := withTwoKeys(o)
			p := o.client(t, nil)
			for range 2 {
				p.LearnAlgorithm(test.idToken)
			}
			_, err := p.VerifyLogoutToken(t.Context(), second.sign(map[string]any{"alg": "RS256", "kid": "key-2"}, o.leaving(nil)))
			if (err != nil) != test.refused {
				t.Errorf("got %v", err)
			}
		})
	}
}

// While a provider changes from one algorithm to another, sessions of both are about.
func TestSeveralAlgorithmsAreLearned(t *testing.T) {
	var a algorithms
	for i := range 3 * maxHeaders { // as many keys, one after another
		for _, name := range []string{"RS256", "ES256"} {
			a.learn(b64(fmt.Appendf(nil, `{"alg":%q,"kid":"%d"}`, name, i)) + ".e30.c2ln")
		}
	}
	if got := a.among([]string{"ES256", "EdDSA", "RS256"}); !slices.Equal(got, []string{"ES256", "RS256"}) {
		t.Errorf("got %v", got)
	}
	if len(a.headers) > maxHeaders {
		t.Errorf("%d headers are remembered", len(a.headers))
	}
}

// A logout token signs nobody in, not even one that has a nonce and an at_hash beside it (4.1).
func TestLogoutTokenIsNoIDToken(t *testing.T) {
	o := newOP(t, "ES256")
	o.idToken = func(string) string { return o.logoutToken(nil, set("nonce", o.nonce)) }
	_, err := o.login(t, o.client(t, nil))
	o.wantKind(t, err, KindInvalidIDToken)
}

// What cannot be checked now is not the token's fault.
func TestLogoutTokenWhileTheKeysAreAway(t *testing.T) {
	for path, kind := range map[string]Kind{"/jwks": KindUnavailable, "/.well-known/openid-configuration": KindUnavailable} {
		o := newOP(t, "ES256")
		o.instead = handlers(path, http.NotFound)
		_, err := o.client(t, nil).VerifyLogoutToken(t.Context(), o.logoutToken(nil, nil))
		o.wantKind(t, err, kind)
	}
}

// However many forged tokens arrive, the keys are asked for a few times (security: a storm that anybody could raise).
func TestForgedLogoutTokensCostFewRequests(t *testing.T) {
	o := newOP(t, "ES256")
	p := o.client(t, nil)
	for i := range 50 {
		forger := newSigner("ES256", fmt.Sprint("key-", i))
		if _, err := p.VerifyLogoutToken(t.Context(), forger.sign(map[string]any{"alg": "ES256", "kid": forger.kid}, o.leaving(nil))); err == nil {
			t.Fatal("accepted")
		}
	}
	if n := o.count("GET /jwks"); n > 1+maxDemands {
		t.Errorf("the keys were asked for %d times", n)
	}
}

// logoutFuzzing is a provider that announces more algorithms than it signs ID tokens with, its other key, a client that has seen an
// ID token, and that token.
func logoutFuzzing(f *testing.F) (o *op, second signer, p *Provider, id string) {
	f.Helper()
	o = &op{issuer: "https://idp.example.com", nonce: "nonce", instead: map[string]http.HandlerFunc{}}
	o.rotate("RS256", "key-1") // its signatures have one form only, so that a good token is good in one spelling
	second = newSigner("ES256", "key-2")
	o.metadata = set("id_token_signing_alg_values_supported", []string{"RS256", "ES256"})
	o.published = append(o.published, second.jwk())
	p, err := New(Options{Issuer: o.issuer, ClientID: testClient, ClientSecret: func() string { return "s" }, Scopes: []string{"openid"}})
	if err != nil {
		f.Fatal(err)
	}
	p.client.transport = inProcess{o}
	id = o.tokens()["id_token"].(string)
	p.LearnAlgorithm(id)
	return o, second, p, id
}

// Nothing is a logout token but what a current key signed as one, by the algorithm of ID tokens.
func FuzzLogoutToken(f *testing.F) {
	o, second, p, id := logoutFuzzing(f)
	good := o.logoutToken(nil, in("exp", 1000*time.Hour))
	f.Add(good)
	f.Add(id)
	f.Add(unsigned(good, "none"))
	f.Add(second.sign(map[string]any{"alg": "ES256", "kid": "key-2"}, o.leaving(nil)))
	f.Add(newSigner("ES256", "key-1").resign(good, func(h, p []byte) ([]byte, []byte) { return h, p }))
	f.Add(good + ".")
	f.Fuzz(func(t *testing.T, raw string) {
		if _, err := p.VerifyLogoutToken(t.Context(), raw); err == nil && raw != good {
			t.Errorf("accepted: %s", raw)
		}
	})
}

// FuzzLogoutClaims signs whatever header and claims it is given, by one of several keys, and reads what was accepted once more
// with another reader.
func FuzzLogoutClaims(f *testing.F) {
	o, second, p, id := logoutFuzzing(f)
	stranger := newSigner("ES256", "key-1")
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(id, ".")[1])
	if err != nil {
		f.Fatal(err)
	}
	signers := []signer{o.signer, second, stranger}
	for i, s := range signers {
		header, _ := json.Marshal(map[string]any{"alg": s.algorithm, "kid": s.kid})
		claims, _ := json.Marshal(o.leaving(in("exp", 1000*time.Hour)))
		f.Add(uint(i), header, claims)
		f.Add(uint(i), header, payload)
	}
	f.Fuzz(func(t *testing.T, by uint, header, claims []byte) {
		s := signers[by%uint(len(signers))]
		token, err := p.VerifyLogoutToken(t.Context(), s.signRaw(header, claims))
		if err != nil {
			return
		}
		var said struct {
			Issuer string                     `json:"iss"`
			Events map[string]json.RawMessage `json:"events"`
			Nonce  *json.RawMessage           `json:"nonce"`
			ID     string                     `json:"jti"`
		}
		if err := json.Unmarshal(claims, &said); err != nil {
			t.Fatalf("accepted, though it is not JSON: %s", claims)
		}
		event := string(said.Events[logoutEvent])
		if s.kid != o.signer.kid || s.algorithm != "RS256" || said.Issuer != o.issuer || !strings.HasPrefix(event, "{") ||
			said.Nonce != nil || said.ID == "" || token.ID != said.ID || token.Subject+token.SessionID == "" {
			t.Errorf("signed by %s (%s), accepted: %s.%s", s.kid, s.algorithm, header, claims)
		}
	})
}

// A token for our API alone is for no client: it ends nobody's session.
func TestLogoutTokenForTheAPIAloneIsRefused(t *testing.T) {
	for name, claims := range map[string]func(map[string]any){
		"aud":         set("aud", "api"),
		"aud and azp": changes(set("aud", []string{"api"}), set("azp", testClient)),
	} {
		t.Run(name, func(t *testing.T) {
			o := newOP(t, "ES256")
			p := o.client(t, func(o *Options) { o.Audience = []string{"api"} })
			_, err := p.VerifyLogoutToken(t.Context(), o.logoutToken(nil, claims))
			o.wantKind(t, err, KindInvalidLogoutToken)
		})
	}
}

// Who else a logout token is for must be trusted, and then it says who asked for it.
func TestLogoutTokenForUsAndTheAPI(t *testing.T) {
	o := newOP(t, "ES256")
	p := o.client(t, func(o *Options) { o.Audience = []string{"api"} })
	both := set("aud", []string{testClient, "api"})
	if _, err := p.VerifyLogoutToken(t.Context(), o.logoutToken(nil, changes(both, set("azp", testClient)))); err != nil {
		t.Error(err)
	}
	_, err := p.VerifyLogoutToken(t.Context(), o.logoutToken(nil, both))
	o.wantKind(t, err, KindInvalidLogoutToken)
}
