package provider

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// The rules of client authentication (RFC 6749 2.3, OIDC Core 9):
//
//   - One method, the one that the client is registered with, and one attempt. A refusal is final: whoever tries another way after
//     it sends the code twice.
//   - The ways do not mix (RFC 6749 2.3): the secret is in the header or in the body, and with an assertion nowhere.
//   - Secret and key are asked for at each request. They may have changed since the last one.

// The methods, as they are registered (IANA, OAuth Token Endpoint Authentication Methods).
const (
	clientSecretBasic = "client_secret_basic"
	clientSecretPost  = "client_secret_post"
	privateKeyJWT     = "private_key_jwt"
	publicClient      = "none"
)

// checkClient says what the options lack for their method.
func (o *Options) checkClient() error {
	switch o.ClientAuth {
	case clientSecretBasic, clientSecretPost:
		if o.ClientID == "" || o.ClientSecret == nil || o.ClientSecret() == "" {
			return errors.New("client id and client secret are required")
		}
	case privateKeyJWT:
		if o.ClientID == "" || o.ClientKey == nil || o.ClientKey() == nil {
			return errors.New("client id and client key are required")
		}
	case publicClient:
		if o.ClientID == "" {
			return errors.New("client id is required")
		}
	default:
		return fmt.Errorf("client authentication %q is not one of %s, %s, %s, %s", o.ClientAuth, clientSecretBasic, clientSecretPost, privateKeyJWT, publicClient)
	}
	return nil
}

// ask sends a form to an endpoint at which the client must prove who it is (token, introspection, revocation, pushed
// authorization requests), once, and reads the answer. The form says nothing about that; it is added here.
func (p *Provider) ask(ctx context.Context, endpoint, address string, form url.Values) (*reply, error) {
	form, err := p.signed(ctx, form)
	if err != nil {
		return nil, err
	}
	req, err := newRequest(ctx, http.MethodPost, p.addresses.reach(address), strings.NewReader(form.Encode()), "application/json")
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if p.options.ClientAuth == clientSecretBasic { // both parts form-urlencoded (RFC 6749 2.3.1)
		req.SetBasicAuth(url.QueryEscape(p.options.ClientID), url.QueryEscape(p.options.ClientSecret()))
	}
	got, err := p.client.send(req, endpoint, askTimeout)
	if got != nil {
		got.asked = form
	}
	return got, err
}

// signed is the form with what proves the client in the body.
func (p *Provider) signed(ctx context.Context, form url.Values) (url.Values, error) {
	if p.options.ClientAuth == clientSecretBasic {
		return form, nil
	}
	form = maps.Clone(form)
	form.Set("client_id", p.options.ClientID)
	switch p.options.ClientAuth {
	case clientSecretPost:
		form.Set("client_secret", p.options.ClientSecret())
	case privateKeyJWT:
		proof, err := p.newAssertion(ctx)
		if err != nil {
			return nil, fmt.Errorf("signing the client assertion: %w", err)
		}
		form.Set("client_assertion_type", assertionType)
		form.Set("client_assertion", proof)
	}
	return form, nil
}

// assertionAlgorithm is what a key signs with: what it is made for, else what the provider takes. An RSA key is good for two.
func assertionAlgorithm(key *jose.JSONWebKey, m *metadata) jose.SignatureAlgorithm {
	switch {
	case key.Algorithm != "":
		return jose.SignatureAlgorithm(key.Algorithm)
	case slices.Contains(m.assertionAlgorithms, string(jose.PS256)) && !slices.Contains(m.assertionAlgorithms, string(jose.RS256)):
		return jose.PS256
	}
	return jose.RS256
}
