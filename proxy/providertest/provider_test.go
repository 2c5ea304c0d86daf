package providertest_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"doorward/proxy/providertest"
)

const (
	callback = "http://127.0.0.1:1/oauth2/callback"
	verifier = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"
)

// authorization is a right authorization request.
func authorization() url.Values {
	challenge := sha256.Sum256([]byte(verifier))
	return url.Values{
		"client_id": {providertest.ClientID}, "response_type": {"code"}, "scope": {"openid"}, "redirect_uri": {callback},
		"state": {strings.Repeat("s", 43)}, "nonce": {strings.Repeat("n", 43)},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])}, "code_challenge_method": {"S256"},
	}
}

// authorize sends the browser to the provider, with further parameters as name and value, and gives those with which it comes back.
func authorize(t *testing.T, p *providertest.Provider, further ...string) url.Values {
	t.Helper()
	request := authorization()
	for i := 0; i < len(further); i += 2 {
		request.Set(further[i], further[i+1])
	}
	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := browser.Get(p.URL(providertest.Authorization) + "?" + request.Encode())
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	location, err := answer.Location()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(location.String(), callback+"?") {
		t.Fatalf("the provider sends the browser to %s", location)
	}
	return location.Query()
}

// exchange is a token request; change bends it.
func exchange(t *testing.T, p *providertest.Provider, code string, change func(form url.Values, r *http.Request)) (int, map[string]any) {
	t.Helper()
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.URL(providertest.Token), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(url.QueryEscape(providertest.ClientID), url.QueryEscape(providertest.ClientSecret))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if change != nil {
		change(form, r)
	}
	r.Body = io.NopCloser(strings.NewReader(form.Encode()))
	return decoded(t, r)
}

func decoded(t *testing.T, r *http.Request) (int, map[string]any) {
	t.Helper()
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var members map[string]any
	if err := json.NewDecoder(answer.Body).Decode(&members); err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, members
}

// verified checks a token with a library that is not ours, against the published keys, and gives its claims.
func verified(t *testing.T, p *providertest.Provider, token string) map[string]any {
	t.Helper()
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256, jose.EdDSA})
	if err != nil {
		t.Fatalf("parsing the token: %v", err)
	}
	header := signed.Signatures[0].Header
	payload, err := signed.Verify(publishedKey(t, p, header.KeyID))
	if err != nil {
		t.Fatalf("verifying the %s signature: %v", header.Algorithm, err)
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

func publishedKey(t *testing.T, p *providertest.Provider, kid string) jose.JSONWebKey {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.URL(providertest.Keys), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, set := decoded(t, r)
	for _, each := range set["keys"].([]any) {
		if each.(map[string]any)["kid"] != kid {
			continue
		}
		text, _ := json.Marshal(each)
		var key jose.JSONWebKey
		if err := key.UnmarshalJSON(text); err != nil {
			t.Fatal(err)
		}
		return key
	}
	t.Fatalf("no key %q is published", kid)
	return jose.JSONWebKey{}
}

func TestHonestLogin(t *testing.T) {
	p := providertest.New(t)
	p.SignIn("bob")

	answered := authorize(t, p)
	status, tokens := exchange(t, p, answered.Get("code"), nil)

	if status != http.StatusOK || tokens["token_type"] != "Bearer" {
		t.Fatalf("the token endpoint answers %d %v", status, tokens)
	}
	id := verified(t, p, tokens["id_token"].(string))
	if id["iss"] != p.Issuer || id["aud"] != providertest.ClientID || id["sub"] != "bob" || id["nonce"] != strings.Repeat("n", 43) {
		t.Errorf("the ID token says %v", id)
	}
	access := verified(t, p, tokens["access_token"].(string))
	if access["sub"] != "bob" || access["groups"].([]any)[0] != "Dev" {
		t.Errorf("the access token says %v", access)
	}
}

func TestTokenEndpointRefuses(t *testing.T) {
	for name, change := range map[string]func(form url.Values, r *http.Request){
		"another secret":                 func(_ url.Values, r *http.Request) { r.SetBasicAuth(providertest.ClientID, "guess") },
		"a secret that is not encoded":   func(_ url.Values, r *http.Request) { r.SetBasicAuth(providertest.ClientID, providertest.ClientSecret) },
		"no client authentication":       func(_ url.Values, r *http.Request) { r.Header.Del("Authorization") },
		"the secret in the body as well": func(f url.Values, _ *http.Request) { f.Set("client_secret", providertest.ClientSecret) },
		"another redirect_uri":           func(f url.Values, _ *http.Request) { f.Set("redirect_uri", callback+"/") },
		"another verifier":               func(f url.Values, _ *http.Request) { f.Set("code_verifier", strings.Repeat("x", 43)) },
		"no verifier":                    func(f url.Values, _ *http.Request) { f.Del("code_verifier") },
		"an unknown code":                func(f url.Values, _ *http.Request) { f.Set("code", "guess") },
		"another grant type":             func(f url.Values, _ *http.Request) { f.Set("grant_type", "password") },
	} {
		t.Run(name, func(t *testing.T) {
			p := providertest.New(t)
			code := authorize(t, p).Get("code")

			status, members := exchange(t, p, code, change)

			if status != http.StatusBadRequest && status != http.StatusUnauthorized || members["access_token"] != nil {
				t.Errorf("the answer is %d %v", status, members)
			}
			if p.Requests(providertest.Token)[0].Refused == "" {
				t.Error("the record does not say why")
			}
		})
	}
}

func TestCodeIsGoodForOnce(t *testing.T) {
	p := providertest.New(t)
	code := authorize(t, p).Get("code")
	exchange(t, p, code, nil)

	status, _ := exchange(t, p, code, nil)

	if status != http.StatusBadRequest {
		t.Errorf("the second exchange is answered %d", status)
	}
}

func TestUserinfoKnowsItsTokens(t *testing.T) {
	p := providertest.New(t)
	_, tokens := exchange(t, p, authorize(t, p).Get("code"), nil)
	ask := func(token string) (int, map[string]any) {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, p.URL(providertest.Userinfo), nil)
		r.Header.Set("Authorization", "Bearer "+token)
		return decoded(t, r)
	}

	if status, members := ask(tokens["access_token"].(string)); status != http.StatusOK || members["sub"] != "alice" {
		t.Errorf("with its token userinfo answers %d %v", status, members)
	}
	if status, _ := ask("guess"); status != http.StatusUnauthorized {
		t.Errorf("with another token userinfo answers %d", status)
	}
}

func TestRotationKeepsNoKey(t *testing.T) {
	p := providertest.New(t)
	_, before := exchange(t, p, authorize(t, p).Get("code"), nil)
	p.RotateKeys()
	_, after := exchange(t, p, authorize(t, p).Get("code"), nil)

	verified(t, p, after["id_token"].(string))
	kid := func(token any) string {
		header, _, _ := strings.Cut(token.(string), ".")
		text, _ := base64.RawURLEncoding.DecodeString(header)
		return string(text)
	}
	if kid(before["id_token"]) == kid(after["id_token"]) {
		t.Error("the key's identifier is the same after the rotation")
	}
}

// Tokens that are odd but right verify with a library that is not ours: what they test is the client, not our signatures.
func TestOddSignaturesVerify(t *testing.T) {
	for _, name := range []string{"id-token-ps256", "id-token-es256", "id-token-eddsa"} {
		t.Run(name, func(t *testing.T) {
			m, ok := providertest.Find(name)
			if !ok {
				t.Fatal("there is no such mutation")
			}
			p := providertest.New(t, m)
			_, tokens := exchange(t, p, authorize(t, p).Get("code"), nil)
			verified(t, p, tokens["id_token"].(string))
		})
	}
}

// The fault of a fault must be the one that it names: a token with a wrong claim has a right signature.
func TestFaultyClaimsAreSignedRight(t *testing.T) {
	for _, name := range []string{"oidcc-client-test-invalid-iss", "id-token-sub-twice", "oidcc-client-test-missing-iat"} {
		t.Run(name, func(t *testing.T) {
			m, _ := providertest.Find(name)
			p := providertest.New(t, m)
			_, tokens := exchange(t, p, authorize(t, p).Get("code"), nil)
			verified(t, p, tokens["id_token"].(string))
		})
	}
}

func TestCatalogueIsWellFormed(t *testing.T) {
	seen := map[string]bool{}
	check := func(m providertest.Mutation, refused bool) {
		if seen[m.Name] {
			t.Errorf("two mutations are called %s", m.Name)
		}
		seen[m.Name] = true
		if m.Does == "" {
			t.Errorf("%s does not say what it does", m.Name)
		}
		if (m.Stops != providertest.Nowhere) != refused {
			t.Errorf("%s says that the login stops at stage %d", m.Name, m.Stops)
		}
	}
	for _, m := range slices.Concat(providertest.Misbehaviours(), providertest.Shortcomings()) {
		check(m, true)
	}
	for _, m := range providertest.Oddities() {
		check(m, false)
	}
}

// An honest provider signs people in as it is asked to, and asks them only where it must.
func TestProviderSignsInAsAsked(t *testing.T) {
	for name, c := range map[string]struct {
		asks  []string
		error string
		acr   any
		anew  bool
	}{
		"plain":                  {nil, "", nil, false},
		"acr_values":             {[]string{"acr_values", "mfa pwd"}, "", "mfa", false},
		"max_age that is met":    {[]string{"max_age", "7200"}, "", nil, false},
		"max_age that is over":   {[]string{"max_age", "60"}, "", nil, true},
		"max_age 0":              {[]string{"max_age", "0"}, "", nil, true},
		"prompt=login":           {[]string{"prompt", "login"}, "", nil, true},
		"prompt=none":            {[]string{"prompt", "none"}, "", nil, false},
		"prompt=none, and is to": {[]string{"prompt", "none", "max_age", "60"}, "login_required", nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := providertest.New(t)
			hourAgo := time.Now().Add(-time.Hour).Truncate(time.Second)
			p.SignInAt(hourAgo)

			answered := authorize(t, p, c.asks...)

			if answered.Get("error") != c.error || (answered.Get("code") != "") != (c.error == "") || answered.Get("state") == "" {
				t.Fatalf("the answer is %v", answered)
			}
			if c.error != "" {
				return
			}
			_, tokens := exchange(t, p, answered.Get("code"), nil)
			id := verified(t, p, tokens["id_token"].(string))
			if anew := id["auth_time"] != float64(hourAgo.Unix()); id["acr"] != c.acr || anew != c.anew {
				t.Errorf("the ID token says %v", id)
			}
		})
	}
}

// What bends step-ups leaves other logins alone.
func TestShortcomingsShowWhereSomethingIsAskedFor(t *testing.T) {
	for _, m := range providertest.Shortcomings() {
		p := providertest.New(t, m)
		if answered := authorize(t, p); answered.Get("code") == "" {
			t.Errorf("%s: a plain login is answered %v", m.Name, answered)
		}
		for _, asks := range [][]string{{"acr_values", "mfa"}, {"max_age", "60"}} {
			answered := authorize(t, p, asks...)
			if refused := answered.Get("error") != ""; refused != (m.Stops == providertest.AtCallback) {
				t.Errorf("%s: %v is answered %v", m.Name, asks, answered)
			}
		}
	}
}

// judge is a test that notes its failures instead of failing.
type judge struct {
	testing.TB
	faults chan string
}

func (j *judge) Errorf(format string, _ ...any) { j.faults <- format }
func (j *judge) Error(args ...any)              { j.faults <- args[0].(string) }

// What no client may ever do fails the test, without any test's asking for it.
func TestProviderJudges(t *testing.T) {
	for name, address := range map[string]func(p *providertest.Provider) string{
		"a path that nothing advertises": func(p *providertest.Provider) string { return p.Issuer + ".well-known/oauth-authorization-server" },
		"another origin":                 func(p *providertest.Provider) string { return p.URL(providertest.Elsewhere) },
		"a token in a query":             func(p *providertest.Provider) string { return p.URL(providertest.Userinfo) + "?access_token=x" },
		"a max_age that is no number": func(p *providertest.Provider) string {
			q := authorization()
			q.Set("max_age", "1m")
			return p.URL(providertest.Authorization) + "?" + q.Encode()
		},
		"an authorization without nonce": func(p *providertest.Provider) string {
			q := authorization()
			q.Del("nonce")
			return p.URL(providertest.Authorization) + "?" + q.Encode()
		},
	} {
		t.Run(name, func(t *testing.T) {
			j := &judge{TB: t, faults: make(chan string, 4)}
			p := providertest.New(j)

			answer, err := http.Get(address(p))
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()

			if len(j.faults) == 0 {
				t.Error("the test goes on as if nothing had happened")
			}
		})
	}
}
