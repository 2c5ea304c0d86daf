package proxy_test

import (
	"crypto"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"doorward/config"
	"doorward/proxy/providertest"
)

// signing is a site with keys for assertions, the first of which signs.
func signing(keys ...crypto.Signer) func(*config.Config) {
	return func(c *config.Config) { c.AssertionKeys = inPEMs(keys...) }
}

func inPEMs(keys ...crypto.Signer) string {
	var text strings.Builder
	for _, key := range keys {
		text.WriteString(inPEM(key))
	}
	return text.String()
}

// publishedKeys are those of /oauth2/jwks, as an upstream fetches it: by a name of its own network.
func (s *site) publishedKeys() (set jose.JSONWebKeySet, p *page) {
	s.t.Helper()
	p = s.raw("GET /oauth2/jwks HTTP/1.1\r\nHost: doorward.internal:4180\r\nConnection: close\r\n\r\n")
	if p.StatusCode == http.StatusOK {
		if err := json.Unmarshal([]byte(p.Text), &set); err != nil {
			s.t.Fatal(err)
		}
	}
	return set, p
}

// assertion verifies the one that the upstream received last, as an upstream does, and gives its claims.
func (s *site) assertion(t *testing.T) (header jose.Header, claims map[string]any) {
	t.Helper()
	got := s.Upstream.last(t).Header["X-Doorward-Assertion"]
	if len(got) != 1 {
		t.Fatalf("the upstream received %d assertions", len(got))
	}
	return s.verified(t, got[0])
}

// verified verifies an assertion as an application does.
func (s *site) verified(t *testing.T, text string) (header jose.Header, claims map[string]any) {
	t.Helper()
	signed, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	set, _ := s.publishedKeys()
	payload, err := signed.Verify(set)
	if err == nil {
		err = json.Unmarshal(payload, &claims)
	}
	if err != nil {
		t.Fatal(err)
	}
	return signed.Signatures[0].Protected, claims
}

// The upstream learns who it is from somebody whom it can believe.
func TestIdentityIsSigned(t *testing.T) {
	s := newSite(t, signing(newEC()))
	s.signedIn("alice")
	header, claims := s.assertion(t)
	if kind := header.ExtraHeaders["typ"]; header.Algorithm != "ES256" || kind != "JWT" {
		t.Errorf("its header says %q, %v", header.Algorithm, kind)
	}
	sent := s.Upstream.last(t).Header
	for name, want := range map[string]any{
		"iss": s.URL, "aud": s.Upstream.URL, "sub": sent.Get("X-Forwarded-User"), "email": sent.Get("X-Forwarded-Email"),
		"preferred_username": sent.Get("X-Forwarded-Preferred-Username"),
	} {
		if claims[name] != want || want == "" {
			t.Errorf("%s is %v, want %v", name, claims[name], want)
		}
	}
	var groups []string
	for _, group := range claims["groups"].([]any) {
		groups = append(groups, group.(string))
	}
	if strings.Join(groups, ",") != sent.Get("X-Forwarded-Groups") || len(groups) == 0 {
		t.Errorf("groups are %q, and the header says %q", groups, sent.Get("X-Forwarded-Groups"))
	}
	issued, expires := int64(claims["iat"].(float64)), int64(claims["exp"].(float64))
	if age := time.Now().Unix() - issued; age < 0 || age > 60 || expires-issued != 300 {
		t.Errorf("it was issued %d seconds ago for %d seconds", age, expires-issued)
	}
	if len(claims) != 8 {
		t.Errorf("the claims are %v", claims)
	}
}

func TestAssertionOfAnAPIClient(t *testing.T) {
	s := newSite(t, signing(newEC()))
	s.bears("/x", s.Provider.APIToken("bob")).wants(t, http.StatusOK)
	if _, claims := s.assertion(t); claims["sub"] != s.Upstream.last(t).Header.Get("X-Forwarded-User") {
		t.Errorf("the claims are %v", claims)
	}
}

// Each upstream gets one of its own.
func TestAssertionIsForOneUpstream(t *testing.T) {
	other := newUpstream(t)
	s := newSite(t, func(c *config.Config) {
		signing(newEC())(c)
		c.Upstreams += "\n/other/ " + other.URL
	})
	b := s.signedIn("alice")
	b.open(s.URL + "/other/")
	_, first := s.assertion(t)
	s.Upstream = other
	if _, second := s.assertion(t); first["aud"] == second["aud"] || second["aud"] != other.URL {
		t.Errorf("they are for %v and %v", first["aud"], second["aud"])
	}
}

// Only groups that are forwarded are asserted.
func TestAssertedGroupsAreThoseForwarded(t *testing.T) {
	s := newSite(t, func(c *config.Config) {
		signing(newEC())(c)
		c.ForwardGroups = "matched"
	})
	s.signedIn("alice")
	if _, claims := s.assertion(t); fmt.Sprint(claims["groups"]) != "[Admin]" {
		t.Errorf("groups are %v", claims["groups"])
	}
}

// Nobody is asserted where nobody's identity goes along, and without keys never.
func TestRequestsWithoutAnAssertion(t *testing.T) {
	s := newSite(t, signing(newEC()))
	alice := "Cookie: " + s.signedIn("alice").cookieHeader(s)
	for name, lines := range map[string][]string{
		"nobody":              nil,
		"forged":              {"X-Doorward-Assertion: " + canary, "x_doorward_assertion: " + canary},
		"own Authorization":   {alice, "Authorization: Basic YTpi"},
		"Connection names it": {"Connection: X-Doorward-Assertion"},
	} {
		s.rawRequest("GET", "/public/x", lines...).wants(t, http.StatusOK)
		for field := range s.Upstream.last(t).Header {
			if strings.Contains(strings.ToLower(field), "doorward") {
				t.Errorf("%s: the upstream received %s", name, field)
			}
		}
	}
	s.rawRequest("GET", "/x", alice, "Connection: X-Doorward-Assertion").wants(t, http.StatusOK)
	s.assertion(t)

	without := newSite(t, nil)
	without.signedIn("alice")
	if got := without.Upstream.last(t).Header["X-Doorward-Assertion"]; got != nil {
		t.Errorf("without keys the upstream received %q", got)
	}
}

// Groups that fit into their own header, but not into an assertion, have the same answer.
func TestAssertionThatIsTooLarge(t *testing.T) {
	groups := strings.Split(strings.Repeat("group-of-some-name,", 400), ",")
	for name, status := range map[string]int{"without keys": http.StatusOK, "with a key": http.StatusInternalServerError} {
		s := newSite(t, func(c *config.Config) {
			if name == "with a key" {
				signing(newEC())(c)
			}
		})
		s.Provider.AddUser(providertest.User{Subject: "many", Groups: groups})
		p := s.bears("/x", s.Provider.APIToken("many"))
		if p.StatusCode != status || (status != http.StatusOK) != strings.Contains(p.Text, "too_many_groups") {
			t.Errorf("%s the answer is %d: %.200s", name, p.StatusCode, p.Text)
		}
	}
}

// The key set holds the public halves of all keys, whoever asks by whatever name, and may be cached for a while.
func TestKeySet(t *testing.T) {
	s := newSite(t, signing(newEC(), newEC()))
	set, p := s.publishedKeys()
	if p.StatusCode != http.StatusOK || p.Header.Get("Cache-Control") != "public, max-age=300" || p.Header.Get("Content-Type") != "application/jwk-set+json" {
		t.Errorf("the answer is %d, Cache-Control %q, Content-Type %q", p.StatusCode, p.Header.Get("Cache-Control"), p.Header.Get("Content-Type"))
	}
	if len(set.Keys) != 2 || strings.Contains(p.Text, `"d"`) {
		t.Fatalf("the keys are %s", p.Text)
	}
	for _, key := range set.Keys {
		thumbprint, err := key.Thumbprint(crypto.SHA256)
		if err != nil || key.KeyID != base64.RawURLEncoding.EncodeToString(thumbprint) || key.Algorithm != "ES256" || key.Use != "sig" || !key.IsPublic() {
			t.Errorf("a key is %q, %q, %q", key.KeyID, key.Algorithm, key.Use)
		}
	}
	s.rawRequest("HEAD", "/oauth2/jwks").wants(t, http.StatusOK)
	s.rawRequest("POST", "/oauth2/jwks").wants(t, http.StatusMethodNotAllowed)
}

func TestNoKeySetWithoutKeys(t *testing.T) {
	s := newSite(t, nil)
	if _, p := s.publishedKeys(); p.StatusCode != http.StatusNotFound {
		t.Errorf("the answer is %d: %s", p.StatusCode, p.Text)
	}
}
