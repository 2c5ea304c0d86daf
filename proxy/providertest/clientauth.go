package providertest

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Client is what the provider knows of its one client, [ClientID].
type Client struct {
	// Auth is the one way in which the client may prove itself (OIDC Core 9); client_secret_basic when empty.
	Auth string
	// Secret is its secret; [ClientSecret] when empty.
	Secret string
	// Key is its public key. Assertions are signed with exactly its Algorithm, and bear its KeyID or, where that is empty, none.
	Key jose.JSONWebKey
	// RedirectURIs are those to which browsers are sent back, compared to the letter; nil for any.
	RedirectURIs []string
}

// Register replaces what the provider knows of its client, at once.
func (p *Provider) Register(c Client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.client = c
}

func (p *Provider) registered() Client {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.client
	c.Auth, c.Secret = cmp.Or(c.Auth, "client_secret_basic"), cmp.Or(c.Secret, ClientSecret)
	return c
}

// clientMetadata says in which ways clients prove themselves (OpenID Connect Discovery 3).
func (p *Provider) clientMetadata(members map[string]any) {
	c := p.registered()
	members["token_endpoint_auth_methods_supported"] = []string{c.Auth}
	if c.Auth == "private_key_jwt" {
		members["token_endpoint_auth_signing_alg_values_supported"] = []string{c.Key.Algorithm}
	}
}

// checkClient asks for the registered way of authentication and nothing beside it. A client that was refused and tries once more
// with the same code, or the same pushed request, fails the test.
func (p *Provider) checkClient(r *http.Request) error {
	if r.Method != http.MethodPost {
		return errors.New("the method is not POST")
	}
	if err := r.ParseForm(); err != nil {
		return errors.New("the form does not parse")
	}
	attempt := r.PostForm.Get("code") + r.PostForm.Get("state")
	if attempt != "" && p.wasRefused(attempt) {
		p.t.Errorf("the client was refused and tries again at %s", r.URL.Path)
	}
	err := p.authenticate(p.registered(), r)
	if err != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.attempts[attempt] = true
	}
	return err
}

func (p *Provider) wasRefused(attempt string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.attempts[attempt]
}

func (p *Provider) authenticate(c Client, r *http.Request) error {
	if err := unmixed(c.Auth, r); err != nil {
		return err
	}
	if c.Auth != "client_secret_basic" && r.PostForm.Get("client_id") != ClientID || r.PostForm.Has("client_id") && r.PostForm.Get("client_id") != ClientID {
		return errors.New("client_id in the body is missing or another")
	}
	switch c.Auth {
	case "client_secret_basic":
		return c.checkBasic(r)
	case "client_secret_post":
		if r.PostForm.Get("client_secret") != c.Secret {
			return errors.New("the secret is wrong")
		}
	case "private_key_jwt":
		return p.checkAssertion(c.Key, r.PostForm)
	}
	return nil
}

// unmixed asks for what belongs to one method, each once, and refuses what belongs to another (RFC 6749 2.3).
func unmixed(method string, r *http.Request) error {
	if has := r.Header.Get("Authorization") != ""; has != (method == "client_secret_basic") {
		return fmt.Errorf("the header Authorization does not go with %s", method)
	}
	for name, goesWith := range map[string]string{
		"client_secret": "client_secret_post", "client_assertion": "private_key_jwt", "client_assertion_type": "private_key_jwt",
	} {
		if r.PostForm.Has(name) != (method == goesWith) {
			return fmt.Errorf("%s does not go with %s", name, method)
		}
	}
	for name, values := range r.PostForm {
		if len(values) > 1 && name != "resource" {
			return fmt.Errorf("%s is sent twice (RFC 6749 3.2)", name)
		}
	}
	return nil
}

// checkBasic: name and secret are form-encoded first (RFC 6749 2.3.1).
func (c Client) checkBasic(r *http.Request) error {
	user, password, ok := r.BasicAuth()
	id, err1 := url.QueryUnescape(user)
	secret, err2 := url.QueryUnescape(password)
	switch {
	case !ok:
		return errors.New("no HTTP Basic authentication")
	case errors.Join(err1, err2) != nil:
		return errors.New("client name or secret are not form-encoded")
	case id != ClientID || secret != c.Secret:
		return errors.New("client name or secret are wrong")
	}
	return nil
}

// checkAssertion asks for all that RFC 7523 3 and FAPI 2.0 5.3.3.1 do.
func (p *Provider) checkAssertion(key jose.JSONWebKey, form url.Values) error {
	if form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
		return errors.New("client_assertion_type is another")
	}
	signed, err := jose.ParseSignedCompact(form.Get("client_assertion"), []jose.SignatureAlgorithm{jose.SignatureAlgorithm(key.Algorithm)})
	if err != nil {
		return errors.New("the assertion is not signed with the registered algorithm")
	}
	if signed.Signatures[0].Header.KeyID != key.KeyID {
		return errors.New("the assertion names another key")
	}
	payload, err := signed.Verify(key)
	if err != nil {
		return errors.New("the assertion is not signed with the registered key")
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		return errors.New("the assertion's payload is no JSON object")
	}
	return p.checkAssertionClaims(claims)
}

func (p *Provider) checkAssertionClaims(claims map[string]any) error {
	now := float64(time.Now().Unix())
	expiry, hasExpiry := claims["exp"].(float64)
	issuedAt, hasIssuedAt := claims["iat"].(float64)
	switch {
	case claims["iss"] != ClientID || claims["sub"] != ClientID:
		return errors.New("the assertion's iss and sub are not the client")
	case claims["aud"] != p.Issuer: // an array is none of that, even with one value
		return errors.New("the assertion's aud is not the issuer as a plain string")
	case !hasExpiry || expiry <= now || expiry > now+60:
		return errors.New("the assertion's exp is missing, past, or more than a minute ahead")
	case !hasIssuedAt || issuedAt > now || issuedAt < now-30:
		return errors.New("the assertion's iat is missing or not just now")
	}
	id, _ := claims["jti"].(string)
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(id) < 16 || p.assertions[id] {
		return errors.New("the assertion's jti is missing, short, or was seen before")
	}
	p.assertions[id] = true
	return nil
}
