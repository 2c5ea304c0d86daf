// Package provider is our end of the OpenID Connect conversation: the Authorization Code Flow (OIDC Core 3.1) of one client with
// one provider. It has no HTTP handlers and no cookies; the caller has those.
//
// The conversation:
//
//  1. Somebody without a session arrives. NewRequest draws three random values for this one login: state, nonce and the PKCE
//     verifier. The caller seals them into a cookie and redirects the browser to AuthorizationURL, which holds state, nonce and a
//     hash of the verifier, or a reference to them where they were left with the provider before.
//  2. The provider signs the person in and redirects the browser back to the callback with an Answer: a code and the state, or
//     an error. ParseAnswer reads it; by the state the caller finds the cookie of this login.
//  3. Complete does the rest without the browser. It compares state and iss, exchanges the code and the verifier for tokens
//     (client authentication proves that it is us, the verifier that it is the one who began), and checks the tokens.
//  4. The ID token says who it is. Its signature, issuer, audience, time and nonce are checked, and then some.
//  5. The access token is for the upstream. When an audience is configured, it is checked as the upstream would check it, and for
//     being about the same person.
//  6. When a claim that the rules need is in neither token, or always when configured so, userinfo is asked with the access token.
//  7. The result is a Person. Everything in it was checked, and Person.Checks says what was checked and where the rule stands.
//
// Before the access token ends, Refresh asks for the next one with the refresh token, and checks what comes as Complete does.
// RevokeToken tells the provider that a refresh token will not be used any more.
//
// EndSessionURL and VerifyLogoutToken are for sign-outs, here and at the provider.
//
// API clients have no such conversation. They bring an access token of the provider's, and Bearer says whose it is.
//
// The provider's metadata and keys are fetched when first needed and kept. Every failure of a login, a refresh, or a check of a token is an
// *Error whose Kind is a fixed word; nothing in it is secret.
//
// A file is a step (provider.go, parameters.go, par.go, answer.go, tokenrequest.go, userinfo.go, person.go, refresh.go, revocation.go, logout.go,
// stepup.go for those that are asked for more), a token (jwt.go for all of them, idtoken.go, accesstoken.go, bearer.go with introspection.go and
// memory.go, logouttoken.go), or a part of what Inspect tries (inspect.go and the files named so). Below them are what the provider publishes
// (discovery.go, keys.go, keyring.go and algorithms.go, kept by cached.go), how we prove who we are (clientauth.go, assertion.go), the way to it
// (client.go, dialer.go, addresses.go), and how all of it is read and told (json.go, checks.go, errors.go, quote.go).
//
// Of doorward's packages, this one alone imports go-oidc and x/oauth2. Both do their part and are then checked: where they are more lenient than the
// standards, the files here say so.
package provider

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/oauth2"
)

// Options configures New.
type Options struct {
	// Issuer is the provider's issuer URL. It is compared byte for byte and never normalised.
	Issuer string
	// InternalURL is the origin through which the provider is reached from here, when that differs from the issuer's. Empty: it
	// does not.
	InternalURL string
	// AllowHTTP allows plain http where it is not loopback: for tests of a deployment, not for people.
	AllowHTTP bool
	// CA gives certificates in PEM that are trusted besides the system's, as they are now; nil for none.
	CA func() string

	// ClientID is who we are, and ClientAuth how we prove it (OIDC Core 9): client_secret_basic (also when empty),
	// client_secret_post, private_key_jwt or none.
	ClientID, ClientAuth string
	// ClientSecret and ClientKey give the secret, or the private key, with which we do. Each is asked for at every request that
	// needs it, since it may change. A key without algorithm is RSA and signs with what the provider takes.
	ClientSecret func() string
	ClientKey    func() *jose.JSONWebKey
	// Scopes are asked for; openid must be one of them.
	Scopes []string
	// ResponseMode is "query", "form_post", or "" to leave it to the provider.
	ResponseMode string
	// AuthParams are further parameters of the authorization request. With max_age, auth_time is checked; with acr_values, acr.
	AuthParams url.Values
	// AlwaysPush makes each authorization request a pushed one (RFC 9126). Otherwise it is one when the provider demands it.
	AlwaysPush bool

	// Audience makes the access token be checked: it must be a JWT for one of these audiences. Empty: it is opaque.
	Audience []string
	// IntrospectTokens lets Bearer ask the provider about tokens that are no JWT (RFC 7662). It needs an Audience.
	IntrospectTokens bool
	// NeededClaims are names or dotted paths of claims that will be asked for. When one is in no token, userinfo is asked; see
	// Person.Withheld for what follows when that refuses.
	NeededClaims func() []string
	// AlwaysUserinfo asks userinfo at each login, needed or not. Without a userinfo endpoint, or one that answers, there is no login.
	AlwaysUserinfo bool

	// OnRequest is told of each request to the provider, with the context of whoever wanted it first. May be nil.
	OnRequest func(context.Context, Asked)
	// OnFetch is told when the "metadata" or "keys" cannot be fetched or used, unless that is known already, and with nil when they
	// can again. Meanwhile those of before serve. May be nil.
	OnFetch func(document string, err error)
}

// Asked is a request to the provider that is over, as metrics and traces tell of it.
type Asked struct {
	// Endpoint is "discovery", "jwks", "par", "token", "userinfo", "introspection" or "revocation", and "authorization" where Inspect tries a login.
	Endpoint string
	Method   string
	// Server is scheme and host of the provider, and nothing else of the address.
	Server *url.URL
	// Code is the status, or "error" when there was no answer.
	Code string
	Took time.Duration
}

// Provider is one OpenID provider as seen by one client. It is safe for concurrent use.
type Provider struct {
	options    Options
	addresses  *addresses
	client     *client
	parameters *parameters // of every authorization request
	metadata   *cached[*metadata]
	keys       *keyring
	signedBy   algorithms // that ID tokens were signed by

	bearers       *memory // of JWTs that API clients brought
	introspection *introspection

	maxAge    *time.Duration // asked for, nil: not
	acrValues []string       // asked for, nil: not
}

// New prepares the conversation. It sends nothing; its error is about the options.
func New(o Options) (*Provider, error) {
	o.ClientAuth = cmp.Or(o.ClientAuth, clientSecretBasic)
	if err := o.checkClient(); err != nil {
		return nil, err
	}
	if !slices.Contains(o.Scopes, "openid") {
		return nil, errors.New("the scopes must contain openid; without it there is no ID token (OIDC Core 3.1.2.1)")
	}
	if !slices.Contains([]string{"", "query", "form_post"}, o.ResponseMode) {
		return nil, fmt.Errorf("response mode %q is not query or form_post", o.ResponseMode)
	}
	if o.NeededClaims == nil {
		o.NeededClaims = func() []string { return nil }
	}
	p := &Provider{options: o, bearers: newMemory(), introspection: newIntrospection()}
	var err error
	if p.addresses, err = newAddresses(o); err != nil {
		return nil, err
	}
	if p.client, err = newClient(o, p.addresses); err != nil {
		return nil, err
	}
	if err := p.readAuthParams(o.AuthParams); err != nil {
		return nil, err
	}
	p.parameters = newParameters(o)
	p.metadata = &cached[*metadata]{fetch: p.fetchMetadata, pause: failurePause, told: p.tell("metadata")}
	p.keys = &keyring{&cached[keySet]{fetch: p.fetchKeys, pause: failurePause, told: p.tell("keys")}}
	return p, nil
}

func (p *Provider) tell(document string) func(error) {
	if p.options.OnFetch == nil {
		return nil
	}
	return func(err error) { p.options.OnFetch(document, err) }
}

// readAuthParams remembers what the further parameters ask for and must be checked, and refuses those that are not theirs to set.
func (p *Provider) readAuthParams(params url.Values) error {
	for name := range params {
		switch name {
		case "client_id", "client_secret", "client_assertion", "client_assertion_type", "response_type", "response_mode", "scope",
			"state", "nonce", "redirect_uri", "code_challenge", "code_challenge_method", "request", "request_uri", "id_token_hint", "":
			return fmt.Errorf("the authorization parameter %q is not one to add", name)
		}
	}
	if params.Has("acr_values") {
		p.acrValues = strings.Fields(params.Get("acr_values"))
	}
	if params.Has("max_age") {
		seconds, err := strconv.ParseUint(params.Get("max_age"), 10, 31)
		if err != nil {
			return errors.New("the authorization parameter max_age is not a number of seconds")
		}
		age := time.Duration(seconds) * time.Second
		p.maxAge = &age
	}
	return nil
}

// Request is what one login sends and must find again: keep it, sealed, until the callback.
type Request struct {
	State    string // ties the answer to the browser (RFC 6749 10.12)
	Nonce    string // ties the ID token to the browser (OIDC Core 15.5.2)
	Verifier string // ties the code to us (RFC 7636 4.1)
	// RedirectURI is the callback's address, as registered at the provider.
	RedirectURI string

	// ACR and MaxAge are what this login asks for and must get: in the place of AuthParams' acr_values, and of its max_age where
	// that is longer. None and nil: nothing beyond AuthParams.
	ACR    []string
	MaxAge *time.Duration
	// LoginHint says whom the provider may expect (OIDC Core 3.1.2.1); "" for nobody. It proves nothing, and need not be kept.
	LoginHint string
}

// NewRequest draws the random values of one login, 256 bits each.
func NewRequest(redirectURI string) Request {
	return Request{State: random(), Nonce: random(), Verifier: oauth2.GenerateVerifier(), RedirectURI: redirectURI}
}

// random is 43 characters that are safe in a URL. Longer values trouble some providers.
func random() string {
	var secret [32]byte
	rand.Read(secret[:]) // never fails
	var text [43]byte
	base64.RawURLEncoding.Encode(text[:], secret[:])
	return string(text[:])
}

// AuthorizationURL is the address at the provider where the login begins (OIDC Core 3.1.2.1). It needs the provider's metadata and
// fails with KindUnavailable or KindInvalidMetadata when they cannot be had. Where the request is a pushed one, it is pushed here,
// and KindPARFailed says that this failed; call it anew for each login.
func (p *Provider) AuthorizationURL(ctx context.Context, r Request) (string, error) {
	m, err := p.metadata.get(ctx)
	if err != nil {
		return "", asError(err)
	}
	query, err := p.authorizationQuery(ctx, m, r)
	if err != nil {
		return "", err
	}
	return withQuery(p.addresses.publish(m.AuthURL), query), nil
}

// authorizationQuery is what the browser carries to the provider: the parameters of a login, or what stands for them once they are pushed.
func (p *Provider) authorizationQuery(ctx context.Context, m *metadata, r Request) (string, error) {
	push, err := p.mustPush(m)
	if err != nil {
		return "", err
	}
	own := p.parametersOf(r)
	if push {
		return p.push(ctx, m, p.parameters.form(own))
	}
	return p.parameters.query(own), nil
}

// withQuery adds a query to an address, which may have one of its own that stays (RFC 6749 3.1).
func withQuery(address, query string) string {
	if strings.Contains(address, "?") {
		return address + "&" + query
	}
	return address + "?" + query
}

// Complete finishes a login: it checks the answer, exchanges the code, checks the tokens, and asks userinfo when it must. Its
// error is an *Error. It sends the code at most once, so never call it twice with one answer.
func (p *Provider) Complete(ctx context.Context, r Request, a Answer) (*Person, error) {
	m, err := p.metadata.get(ctx)
	if err != nil {
		return nil, asError(err)
	}
	answered, err := p.checkAnswer(m, r, a)
	if err != nil {
		return nil, err
	}
	got, exchanged, err := p.requestTokens(ctx, m, r, a.Code)
	if err != nil {
		return nil, err
	}
	id, identified, err := p.verifyIDToken(ctx, m, r, got.id, got.access)
	if err != nil {
		return nil, err
	}
	return p.describe(ctx, m, got, id, slices.Concat(answered, exchanged, identified))
}

// describe makes the person of tokens, of which the ID token has been checked: it checks the access token, and asks userinfo when it
// must.
func (p *Provider) describe(ctx context.Context, m *metadata, got *tokens, id *token, checks []Check) (*Person, error) {
	access, authorized, err := p.verifyAccessToken(ctx, m, got.access, id)
	if err != nil {
		return nil, err
	}
	person := newPerson(got, id, access)
	person.Checks = slices.Concat(checks, authorized)
	if !p.options.AlwaysUserinfo && (m.UserInfoURL == "" || !person.lacks(p.options.NeededClaims())) {
		return person, nil
	}
	claims, asked, err := p.askUserinfo(ctx, m, got.access, id)
	if isTokenRefused(err) && !p.options.AlwaysUserinfo {
		person.UserinfoRefused = true
		return person, nil
	}
	if err != nil {
		return nil, err
	}
	person.learn(claims)
	person.Checks = append(person.Checks, asked...)
	return person, nil
}

// Up tells whether the latest fetches of metadata and keys were good. It sends nothing; before the first fetch it is false.
func (p *Provider) Up() bool {
	fetchedAt, metadataErr := p.metadata.state()
	_, keysErr := p.keys.cached.state()
	return !fetchedAt.IsZero() && metadataErr == nil && keysErr == nil
}

// Ready makes sure that the provider's metadata and keys are known, and fetches them when they are not.
func (p *Provider) Ready(ctx context.Context) error {
	if _, err := p.keys.cached.get(ctx); err != nil {
		return asError(err)
	}
	return nil
}

// KeysFetchedAt is when the provider's keys were last fetched; zero when they never were.
func (p *Provider) KeysFetchedAt() time.Time {
	fetchedAt, _ := p.keys.cached.state()
	return fetchedAt
}
