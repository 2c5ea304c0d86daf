//go:build unix

package oidcprovider

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"doorward/config"
	"doorward/deploy/deploytest"
)

// program is an API client: the provider's client of that name.
type program struct {
	site
	codes  chan string
	config oauth2.Config
}

// newProgram starts a doorward in front of an application that shows its requests, and a program that calls it.
func newProgram(t *testing.T, settings func(*config.Config), environment ...string) *program {
	t.Helper()
	p := &program{site: site{Site: deploytest.NewSite(t)}, codes: make(chan string, 1)}
	callback := deploytest.Serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { p.codes <- r.FormValue("code") }))
	p.issuer = start(t, p.Origin, append(environment, "PROGRAM_CALLBACK="+callback)...)
	p.Start(p.issuer, deploytest.Echo(t), func(c *config.Config) {
		forTheAPI(c)
		if settings != nil {
			settings(c)
		}
	})
	p.config = oauth2.Config{
		ClientID: "program", ClientSecret: "program-demo-secret", RedirectURL: callback, Scopes: []string{"openid"},
		Endpoint: oauth2.Endpoint{AuthURL: p.issuer + "/auth", TokenURL: p.issuer + "/token", AuthStyle: oauth2.AuthStyleInHeader},
	}
	return p
}

// token is what the program gets when somebody signs in to it.
func (p *program) token(t *testing.T, user string, parameters ...oauth2.AuthCodeOption) *oauth2.Token {
	t.Helper()
	verifier := oauth2.GenerateVerifier()
	address := p.config.AuthCodeURL("a-state", append(parameters, oauth2.S256ChallengeOption(verifier))...)
	signIn(p.Visitor(t), address, user)
	token, err := p.config.Exchange(t.Context(), <-p.codes, oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// ownToken is what it gets in its own name.
func (p *program) ownToken(ctx context.Context, t *testing.T) string {
	t.Helper()
	own := clientcredentials.Config{
		ClientID: p.config.ClientID, ClientSecret: p.config.ClientSecret, TokenURL: p.config.Endpoint.TokenURL,
		EndpointParams: forAPI(), AuthStyle: oauth2.AuthStyleInHeader,
	}
	token, err := own.Token(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return token.AccessToken
}

func forAPI() url.Values {
	values, _ := url.ParseQuery(resource)
	return values
}

func resourceParameter() oauth2.AuthCodeOption {
	return oauth2.SetAuthURLParam("resource", forAPI().Get("resource"))
}

func TestBearerTokens(t *testing.T) {
	p := newProgram(t, nil)
	alice, bob := p.token(t, "alice", resourceParameter()), p.token(t, "bob", resourceParameter())
	for _, tt := range []struct {
		name, token, path string
		status            int
		shows             string
	}{
		{"alice's", alice.AccessToken, "/admin/", http.StatusOK, `"X-Forwarded-User":["alice"]`},
		{"bob's", bob.AccessToken, "/", http.StatusOK, `"X-Forwarded-Groups":["Dev"]`},
		{"bob's at /admin/", bob.AccessToken, "/admin/", http.StatusForbidden, ""},
		{"the program's own", p.ownToken(t.Context(), t), "/", http.StatusOK, `"X-Forwarded-User":["program"]`},
		{"for userinfo", p.token(t, "alice").AccessToken, "/", http.StatusUnauthorized, "invalid_token"},
		{"the ID token", alice.Extra("id_token").(string), "/", http.StatusUnauthorized, "invalid_token"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.Call(t, tt.path, tt.token).Want(t, p.Origin+tt.path, tt.status, tt.shows)
		})
	}
}

// TestIntrospection has access tokens that only the provider can read.
func TestIntrospection(t *testing.T) {
	p := newProgram(t, func(c *config.Config) { c.IntrospectTokens = true }, "ACCESS_TOKENS=opaque")
	alice := p.token(t, "alice", resourceParameter()).AccessToken
	revoked := p.token(t, "alice", resourceParameter()).AccessToken
	p.revoke(t, revoked)
	for _, tt := range []struct {
		name, token, path string
		status            int
		shows             string
	}{
		{"alice's", alice, "/admin/", http.StatusOK, `"X-Forwarded-User":["alice"]`},
		{"bob's at /admin/", p.token(t, "bob", resourceParameter()).AccessToken, "/admin/", http.StatusForbidden, ""},
		{"revoked", revoked, "/", http.StatusUnauthorized, "invalid_token"},
		{"for userinfo", p.token(t, "alice").AccessToken, "/", http.StatusUnauthorized, "invalid_token"},
		{"made up", "no-such-token", "/", http.StatusUnauthorized, "invalid_token"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.Call(t, tt.path, tt.token).Want(t, p.Origin+tt.path, tt.status, tt.shows)
		})
	}
}

// revoke has the provider forget a token (RFC 7009).
func (p *program) revoke(t *testing.T, token string) {
	t.Helper()
	form := strings.NewReader(url.Values{"token": {token}}.Encode())
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.issuer+"/token/revocation", form)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(p.config.ClientID, p.config.ClientSecret)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("revoking answers %s", answer.Status)
	}
}
