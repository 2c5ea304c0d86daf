package backend

// What this file keeps: a request is somebody's only by a bearer token that the provider signed, for this audience, and
// that has not expired. Headers that merely name somebody are shown on the page and decide nothing.

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

var (
	errNoToken    = errors.New("reading the access token: the request has none")
	errNoProvider = errors.New("fetching the provider's keys")
)

// fetchTimeout bounds a request to the provider.
const fetchTimeout = 5 * time.Second

// tokens verifies access tokens. It learns the provider's endpoints and keys when it first needs them, and tries again
// with every request until it has them, so that provider and backend may start in any order.
type tokens struct {
	issuer, audience string
	client           *http.Client

	mu    sync.Mutex
	ready *oidc.IDTokenVerifier // nil until the provider was reached
}

func newTokens(issuer, audience string, provider *url.URL) *tokens {
	t := &tokens{issuer: issuer, audience: audience, client: &http.Client{Timeout: fetchTimeout}}
	if provider.Host != "" {
		t.client.Transport = detour{issuer: issuer, to: provider}
	}
	return t
}

// verify says whose token the request bears. The error is errNoToken, errNoProvider or what is wrong with the token.
func (t *tokens) verify(r *http.Request) (*caller, error) {
	raw, ok := bearer(r)
	if !ok {
		return nil, errNoToken
	}
	verifier, err := t.verifier(r.Context())
	if err != nil {
		return nil, err
	}
	token, err := verifier.Verify(r.Context(), raw)
	if err != nil {
		return nil, fmt.Errorf("verifying the access token: %w", err)
	}
	return newCaller(token)
}

// verifier checks signature, issuer, audience and expiry (RFC 9068, section 4). go-oidc calls it a verifier of ID tokens;
// both kinds are JWTs, and it is the audience that tells them apart: an ID token is for the client, not for this API.
func (t *tokens) verifier(ctx context.Context) (*oidc.IDTokenVerifier, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ready != nil {
		return t.ready, nil
	}
	// The key set goes on fetching with this context, long after the request.
	ctx = oidc.ClientContext(context.WithoutCancel(ctx), t.client)
	provider, err := oidc.NewProvider(ctx, t.issuer)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoProvider, err)
	}
	t.ready = provider.VerifierContext(ctx, &oidc.Config{ClientID: t.audience})
	return t.ready, nil
}

// bearer is the token of the request, as RFC 6750, section 2.1, has it.
func bearer(r *http.Request) (string, bool) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.TrimSpace(token), strings.EqualFold(scheme, "Bearer") && token != ""
}

// detour sends requests for the issuer's origin to another, which is how a container reaches a provider that browsers know
// as localhost. The Host header stays the issuer's.
type detour struct {
	issuer string
	to     *url.URL
}

// RoundTrip makes the request, there or where it was meant to go.
func (d detour) RoundTrip(r *http.Request) (*http.Response, error) {
	if from, err := url.Parse(d.issuer); err == nil && r.URL.Scheme == from.Scheme && r.URL.Host == from.Host {
		r = r.Clone(r.Context())
		r.URL.Scheme, r.URL.Host = d.to.Scheme, d.to.Host
	}
	return http.DefaultTransport.RoundTrip(r)
}
