package provider

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// The rules of the token request (RFC 6749 4.1.3, 4.1.4, 5.1; OIDC Core 3.1.3):
//
//   - One POST, never a second: the code is good for one use, and using it twice makes the provider revoke what it gave.
//   - The client proves who it is by its one method (clientauth.go). Besides, the body holds grant_type, code, redirect_uri and
//     code_verifier and nothing else.
//   - A success is 200 with application/json, read strictly: x/oauth2 would also take text/plain, forms and members in the wrong
//     letter case. It holds access_token, token_type Bearer and id_token.
//   - Errors name the provider's error code at most. The body may hold tokens.

const (
	maxAccessToken  = 64 << 10 // bytes; no header of any server is so long
	maxRefreshToken = 8 << 10  // bytes; the longest known have some two thousand
)

// tokens is a token response that was read strictly. The ID token is not verified yet.
type tokens struct {
	id      string // "" when a refresh brought none
	access  string
	refresh string    // "" when there is none
	expiry  time.Time // zero when the provider does not say
}

// requestTokens exchanges the code for tokens.
func (p *Provider) requestTokens(ctx context.Context, m *metadata, r Request, code string) (*tokens, []Check, error) {
	transport := &tokenTransport{provider: p, address: m.TokenURL}
	got, checks, err := transport.tokens(ctx, func(ctx context.Context) (*oauth2.Token, error) {
		return p.oauth(m, r.RedirectURI).Exchange(ctx, code, oauth2.VerifierOption(r.Verifier))
	})
	if refused, ok := errors.AsType[*Error](err); ok && refused.Code == "invalid_grant" {
		refused.Kind = KindCodeRefused
	}
	return got, checks, err
}

// oauth is the x/oauth2 view of the token endpoint. It knows no secret: the client authenticates in ask. A style of client
// authentication is named all the same: left to itself, x/oauth2 would try a second one after any failure, and so send the code twice.
func (p *Provider) oauth(m *metadata, redirectURI string) *oauth2.Config {
	return &oauth2.Config{
		ClientID:    p.options.ClientID,
		RedirectURL: redirectURI,
		Endpoint:    oauth2.Endpoint{TokenURL: m.TokenURL, AuthStyle: oauth2.AuthStyleInHeader},
	}
}

// tokens has x/oauth2 make the request and read the answer; the transport stands between it and the network.
func (t *tokenTransport) tokens(ctx context.Context, request func(context.Context) (*oauth2.Token, error)) (*tokens, []Check, error) {
	got, err := request(context.WithValue(ctx, oauth2.HTTPClient, &http.Client{Transport: t}))
	if known, ok := errors.AsType[*Error](err); ok {
		return nil, nil, known
	}
	if err != nil { // the words of x/oauth2 may quote the body
		return nil, nil, fail(KindTokenRequestFailed, "the token response cannot be used")
	}
	id, _ := got.Extra("id_token").(string)
	return &tokens{id: id, access: got.AccessToken, refresh: got.RefreshToken, expiry: got.Expiry}, t.list.made, nil
}

// tokenTransport sends the form of the token request and lets a token response through only if it is as it must be, in its plainest
// form.
type tokenTransport struct {
	provider *Provider
	address  string // of the token endpoint, as published
	refresh  bool   // an ID token may be missing (OIDC Core 12.2)
	list     checklist
}

// RoundTrip implements http.RoundTripper. Redirects end here: whatever is not 200 is an error.
func (t *tokenTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := req.ParseForm(); err != nil {
		return nil, err
	}
	got, err := t.provider.ask(req.Context(), "token", t.address, req.PostForm)
	if err != nil {
		return nil, &Error{Kind: KindTokenRequestFailed, cause: err}
	}
	if err := got.ok(); err != nil {
		return nil, t.provider.refusal(KindTokenRequestFailed, "token", got, err)
	}
	response, err := t.read(got)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(response)
	if err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: http.StatusOK,
		Header:     http.Header{"Content-Type": {"application/json"}},
		Body:       io.NopCloser(bytes.NewReader(body)),
		Request:    req,
	}, nil
}

// refusal is an answer that is no success, with the OAuth error when it holds one (RFC 6749 5.2), but for the secrets that some providers
// quote there.
func (p *Provider) refusal(kind Kind, endpoint string, got *reply, err error) *Error {
	refused := fail(kind, "the %s endpoint: %w", endpoint, err)
	if o, err := got.json(); err == nil {
		code, _ := o.text("error")
		description, _ := o.text("error_description")
		refused.Code, refused.Description = printable(p.discreet(code, got.asked), maxSaid), printable(p.discreet(description, got.asked), maxSaid)
	}
	return refused
}

// read checks a success and keeps of it what is used.
func (t *tokenTransport) read(got *reply) (map[string]any, error) {
	t.list = checklist{of: "token response", kind: KindInvalidTokenResponse}
	var o object
	clean := map[string]any{}
	err := t.list.run([]rule{
		{"RFC 6749 5.1", func() (found string, err error) {
			o, err = got.json()
			if err == nil {
				err = o.exactly("access_token", "token_type", "id_token", "refresh_token", "expires_in", "error")
			}
			return "it is JSON, sent as application/json, and has one reading only", err
		}},
		{"RFC 6749 5.2", func() (string, error) { return "", t.noError(got, o) }},
		{"RFC 6749 7.1, OIDC Core 3.1.3.3", func() (string, error) { return checkTokenType(o, clean) }},
		{"RFC 6749 5.1, A.12", func() (string, error) { return checkAccessTokenText(o, clean) }},
		{"OIDC Core 3.1.3.3, 12.2", func() (string, error) {
			if t.refresh && !o.has("id_token") {
				return "", nil
			}
			return checkIDTokenText(o, clean)
		}},
		{"RFC 6749 5.1, A.17", func() (string, error) { return checkRefreshTokenText(o, clean) }},
		{"RFC 6749 5.1", func() (string, error) { return checkLifetime(o, clean) }},
	})
	return clean, err
}

// noError: some servers report an error with status 200.
func (t *tokenTransport) noError(got *reply, o object) error {
	if o.has("error") {
		return t.provider.refusal(KindTokenRequestFailed, "token", got, errors.New("the answer is an error, though its status is 200"))
	}
	return nil
}

func checkTokenType(o, clean object) (string, error) {
	kind, err := o.needText("token_type")
	if err != nil {
		return "", err
	}
	if !strings.EqualFold(kind, "Bearer") {
		return "", fmt.Errorf("token_type is %s, and only Bearer can be passed on", quoted(kind))
	}
	clean["token_type"] = "Bearer"
	return "token_type is Bearer: whoever holds the token may use it, so it is passed on to the upstream alone", nil
}

func checkAccessTokenText(o, clean object) (string, error) {
	access, err := o.needText("access_token")
	if err != nil {
		return "", err
	}
	if len(access) > maxAccessToken {
		return "", fmt.Errorf("access_token has %d bytes, more than any header holds", len(access))
	}
	if strings.ContainsFunc(access, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", errors.New("access_token contains a character that no header may carry")
	}
	clean["access_token"] = access
	return "access_token is there", nil
}

func checkIDTokenText(o, clean object) (string, error) {
	id, err := o.needText("id_token")
	if err != nil {
		return "", err
	}
	clean["id_token"] = id
	return "id_token is there, as always when the scope holds openid", nil
}

// checkRefreshTokenText: refresh_token is optional, at a refresh too, where the old one then stays good (RFC 6749 6).
func checkRefreshTokenText(o, clean object) (string, error) {
	if !o.has("refresh_token") {
		return "", nil
	}
	refresh, err := o.needText("refresh_token")
	if err != nil {
		return "", err
	}
	if len(refresh) > maxRefreshToken {
		return "", fmt.Errorf("refresh_token has %d bytes, more than the %d that are allowed", len(refresh), maxRefreshToken)
	}
	if strings.ContainsFunc(refresh, func(r rune) bool { return r < ' ' || r > '~' }) {
		return "", errors.New("refresh_token contains a character that is not printable ASCII")
	}
	clean["refresh_token"] = refresh
	return "refresh_token is there: with it, and the client's secret, the next access token is asked for", nil
}

// checkLifetime: expires_in is optional and a number. x/oauth2 wants it whole.
func checkLifetime(o, clean object) (string, error) {
	if !o.has("expires_in") {
		return "", nil
	}
	seconds, err := o.number("expires_in")
	if err != nil {
		return "", err
	}
	if seconds < 1 {
		return "", errors.New("expires_in is not positive: the access token has expired already")
	}
	clean["expires_in"] = int64(seconds)
	return fmt.Sprintf("expires_in says that the access token is good for %d seconds", int64(seconds)), nil
}
