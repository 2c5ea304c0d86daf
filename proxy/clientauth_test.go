package proxy_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"doorward/config"
	"doorward/proxy/providertest"
)

// A credential is one way in which a client proves itself: how doorward is told, and what the provider knows.
type credential struct {
	name string
	auth string
	text string // the secret or the key as the setting has it
	// known is what the provider has registered.
	known providertest.Client
	// sends are the names of the form's fields that prove the client.
	sends []string
}

// configure writes the credential into the settings.
func (c credential) configure(s *config.Config) {
	s.ClientAuth, s.ClientSecret, s.ClientKey = c.auth, "", ""
	switch {
	case strings.HasPrefix(c.auth, "client_secret_"):
		s.ClientSecret = c.text
	case c.auth == "private_key_jwt":
		s.ClientKey = c.text
	}
}

// newRSA is one key for all tests: to make one takes long.
var newRSA = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func newEC() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

// inPEM is a private key as openssl writes it.
func inPEM(key crypto.Signer) string {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// byPEM is a key without a name; the provider expects the algorithm.
func byPEM(name string, key crypto.Signer, algorithm string) credential {
	return credential{
		name: name, auth: "private_key_jwt", text: inPEM(key), sends: []string{"client_assertion", "client_assertion_type", "client_id"},
		known: providertest.Client{Auth: "private_key_jwt", Key: jose.JSONWebKey{Key: key.Public(), Algorithm: algorithm}},
	}
}

// byJWK is a key that says which algorithm it is for and what it is called.
func byJWK(name string, key crypto.Signer, algorithm string) credential {
	private := jose.JSONWebKey{Key: key, KeyID: "client-key-1", Algorithm: algorithm, Use: "sig"}
	text, err := private.MarshalJSON()
	if err != nil {
		panic(err)
	}
	c := byPEM(name, key, algorithm)
	c.text, c.known.Key = string(text), private.Public()
	return c
}

func credentials() []credential {
	_, edwards, _ := ed25519.GenerateKey(rand.Reader)
	return []credential{
		{name: "client_secret_basic", auth: "client_secret_basic", text: providertest.ClientSecret},
		{name: "client_secret_post", auth: "client_secret_post", text: providertest.ClientSecret, sends: []string{"client_id", "client_secret"},
			known: providertest.Client{Auth: "client_secret_post"}},
		{name: "none", auth: "none", sends: []string{"client_id"}, known: providertest.Client{Auth: "none"}},
		byPEM("private_key_jwt, RSA", newRSA(), "RS256"),
		byPEM("private_key_jwt, RSA where the provider takes PS256 alone", newRSA(), "PS256"),
		byJWK("private_key_jwt, PS256", newRSA(), "PS256"),
		byPEM("private_key_jwt, P-256", newEC(), "ES256"),
		byJWK("private_key_jwt, ES256", newEC(), "ES256"),
		byPEM("private_key_jwt, Ed25519", edwards, "EdDSA"),
	}
}

// Every way in which a client can be registered lets people in, with and without pushed requests (OIDC Core 9, RFC 9126 2).
func TestClientAuthentication(t *testing.T) {
	for _, c := range credentials() {
		for _, par := range []string{"", "required"} {
			t.Run(c.name+" "+par, func(t *testing.T) {
				t.Parallel()
				s := newSite(t, c.configure, providertest.Mutation{PAR: par})
				s.Provider.Register(c.known)

				s.signedIn("alice")

				if n := len(s.Provider.Requests(providertest.Push)); (n == 1) != (par != "") {
					t.Errorf("the request was pushed %d times", n)
				}
				hasNoSecret(t, s)
			})
		}
	}
}

// Nothing but what the method needs stands in the body (RFC 6749 2.3, RFC 7521 4.2).
func TestClientAuthenticationSendsNothingElse(t *testing.T) {
	for _, c := range credentials() {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t, c.configure, providertest.Mutation{PAR: "required"})
			s.Provider.Register(c.known)
			s.signedIn("alice")

			for endpoint, always := range map[providertest.Endpoint][]string{
				providertest.Token: {"code", "code_verifier", "grant_type", "redirect_uri"},
				// client_id is a parameter of the authorization request itself (RFC 6749 4.1.1).
				providertest.Push: {"client_id", "code_challenge", "code_challenge_method", "nonce", "redirect_uri", "response_type", "scope", "state"},
			} {
				got := slices.Sorted(maps.Keys(s.Provider.Requests(endpoint)[0].Form))
				want := slices.Compact(slices.Sorted(slices.Values(slices.Concat(always, c.sends))))
				if !slices.Equal(got, want) {
					t.Errorf("the %s request has %v, not %v", endpoint, got, want)
				}
				if basic := s.Provider.Requests(endpoint)[0].Header.Get("Authorization") != ""; basic != (c.auth == "client_secret_basic") {
					t.Errorf("the %s request has a header Authorization: %v", endpoint, basic)
				}
			}
		})
	}
}

// A client that the provider does not know so is refused once, tries nothing else, and people learn which settings to compare.
func TestRefusedClient(t *testing.T) {
	all := credentials()
	for _, c := range all {
		for _, known := range all {
			if c.auth == known.auth {
				continue
			}
			t.Run(c.name+" at a provider for "+known.name, func(t *testing.T) {
				t.Parallel()
				clientIsRefused(t, c, known.known)
			})
		}
	}
}

// So is one with another secret, key or algorithm.
func TestWrongCredential(t *testing.T) {
	wrong := map[string]providertest.Client{
		"client_secret_basic": {Secret: "another"},
		"client_secret_post":  {Auth: "client_secret_post", Secret: "another"},
		"private_key_jwt":     byPEM("", newEC(), "ES256").known,
	}
	for _, c := range credentials() {
		if c.auth != "none" {
			t.Run(c.name, func(t *testing.T) { clientIsRefused(t, c, wrong[c.auth]) })
		}
	}
}

func clientIsRefused(t *testing.T, c credential, known providertest.Client) {
	t.Helper()
	s := newSite(t, c.configure)
	s.Provider.Register(known)
	b := s.browser()

	p := b.walk(s.URL + "/admin/secret?q=canary-query")

	if p.StatusCode != http.StatusBadGateway {
		t.Errorf("the login ends with %d", p.StatusCode)
	}
	isPage(t, p)
	namesSettings(t, p, c)
	wentNoFurther(t, s, providertest.AtTokens)
	hasNoCookies(t, s, b, providertest.AtTokens)
	hasNoSession(t, s, b)
	failedWith(t, s, "token_request_failed")
	if c.text != "" && strings.Contains(p.Text+s.Log.String(), c.text) {
		t.Error("the credential is shown")
	}
}

func namesSettings(t *testing.T, p *page, c credential) {
	t.Helper()
	for setting, used := range map[string]bool{
		"DOORWARD_CLIENT_ID": true, "DOORWARD_CLIENT_AUTH": true,
		"DOORWARD_CLIENT_SECRET": strings.HasPrefix(c.auth, "client_secret_"), "DOORWARD_CLIENT_KEY": c.auth == "private_key_jwt",
	} {
		if strings.Contains(p.Text, setting) != used {
			t.Errorf("the page names %s: %v", setting, !used)
		}
	}
	if !strings.Contains(p.Text, "invalid_client") {
		t.Error("the page does not say what the provider said")
	}
}

// A client that is refused where it pushes the request reads the same.
func TestRefusedClientThatPushes(t *testing.T) {
	for _, c := range credentials() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, c.configure, providertest.Mutation{PAR: "required"})
			s.Provider.Register(providertest.Client{Auth: map[bool]string{true: "client_secret_basic", false: "client_secret_post"}[c.auth != "client_secret_basic"]})
			b := s.browser()

			p := b.walk(s.URL + "/admin/secret?q=canary-query")

			isPage(t, p)
			namesSettings(t, p, c)
			wentNoFurther(t, s, providertest.AtPush)
			hasNoCookies(t, s, b, providertest.AtPush)
			failedWith(t, s, "par_failed")
		})
	}
}

// Each request has an assertion of its own, within one login and from one to the next.
func TestAssertionsAreFresh(t *testing.T) {
	c := byPEM("", newEC(), "ES256")
	s := newSite(t, c.configure, providertest.Mutation{PAR: "required"})
	s.Provider.Register(c.known)
	seen := map[string]bool{}
	for _, person := range []string{"alice", "bob"} {
		s.signedIn(person)
	}
	for _, r := range append(s.Provider.Requests(providertest.Token), s.Provider.Requests(providertest.Push)...) {
		seen[r.Form.Get("client_assertion")] = true
	}
	if len(seen) != 4 {
		t.Errorf("four requests had %d assertions", len(seen))
	}
}

// A secret with every odd character goes through each way of writing it.
func TestSecretsWithOddCharacters(t *testing.T) {
	secret := `a b+c%20&d=e:f/ü"\` + "\u20ac"
	for _, auth := range []string{"client_secret_basic", "client_secret_post"} {
		s := newSite(t, func(c *config.Config) { c.ClientAuth, c.ClientSecret = auth, secret })
		s.Provider.Register(providertest.Client{Auth: auth, Secret: secret})
		s.signedIn("alice")
		if sent := s.Provider.Requests(providertest.Token)[0]; auth == "client_secret_post" && sent.Form.Get("client_secret") != secret || strings.Contains(s.Log.String(), url.QueryEscape(secret)) {
			t.Errorf("%s: the secret was sent as %q", auth, sent.Form.Get("client_secret"))
		}
	}
}
