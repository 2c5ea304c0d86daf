// Package provider is a small OpenID provider for the demo. The protocol is zitadel's certified implementation; ours are
// the users, who sign in with one click and no password, and the memory in which everything lives until the program ends.
// It is for demonstrations and tests on a machine of one's own: whoever reaches it can be anybody.
package provider

import (
	"crypto/rand"
	"embed"
	"fmt"
	"net/http"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"doorward/cmd/demo/page"
)

//go:embed *.html
var templates embed.FS

// Options describes the provider and its one client.
type Options struct {
	// Issuer is the provider's name and the origin at which browsers reach it. It stands in every token and in the
	// discovery document, whatever host a request names.
	Issuer string
	// ClientID and ClientSecret are the credentials of the one client.
	ClientID, ClientSecret string
	// RedirectURIs and PostLogoutURIs are where the client may have people sent, compared exactly.
	RedirectURIs, PostLogoutURIs []string
	// Audience is what access tokens are for: the `aud` that an API checks.
	Audience string
	// AccessTokenLifetime is one hour when zero.
	AccessTokenLifetime time.Duration
	// Users are the people who can sign in; DemoUsers when nil.
	Users []User
}

// Provider is an http.Handler with all of the provider's endpoints.
type Provider struct {
	users    []User
	requests *requests
	sessions sessions
	pages    *page.Set
	handler  http.Handler
}

// New makes a provider with a signing key of its own. Nothing is fetched or written.
func New(o Options) (*Provider, error) {
	if o.Users == nil {
		o.Users = DemoUsers()
	}
	if o.AccessTokenLifetime == 0 {
		o.AccessTokenLifetime = time.Hour
	}
	storage, err := newStorage(o)
	if err != nil {
		return nil, err
	}
	p := &Provider{
		users:    o.Users,
		requests: &storage.requests,
		pages:    page.New(templates, ""),
	}
	protocol, err := newProtocol(o.Issuer, storage)
	if err != nil {
		return nil, fmt.Errorf("setting up provider %s: %w", o.Issuer, err)
	}
	p.handler = p.routes(protocol)
	return p, nil
}

// ServeHTTP answers for every endpoint.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.handler.ServeHTTP(w, r) }

func (p *Provider) routes(protocol http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", protocol)
	mux.HandleFunc("GET /{$}", p.home)
	mux.HandleFunc("GET "+loginPath, p.showLogin)
	mux.HandleFunc("POST "+loginPath, p.pickUser)
	mux.HandleFunc(logoutPath, func(w http.ResponseWriter, r *http.Request) {
		p.sessions.end(w, r)
		protocol.ServeHTTP(w, r)
	})
	return mux
}

// newProtocol is zitadel's provider over our storage, its codes sealed with a key of this process.
func newProtocol(issuer string, s *storage) (http.Handler, error) {
	config := &op.Config{
		CodeMethodS256:           true,
		GrantTypeRefreshToken:    true,
		DefaultLogoutRedirectURI: "/",
		SupportedScopes:          []string{oidc.ScopeOpenID, oidc.ScopeProfile, oidc.ScopeEmail, scopeGroups, oidc.ScopeOfflineAccess},
		SupportedClaims:          []string{"sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "azp", "at_hash", "c_hash", "sid", "name", "preferred_username", "email", "email_verified", "groups"},
	}
	rand.Read(config.CryptoKey[:])
	inner, err := op.NewProvider(config, s, op.StaticIssuer(issuer), op.WithAllowInsecure())
	if err != nil {
		return nil, err
	}
	endpoints := op.Endpoints{
		Authorization: op.NewEndpoint("/authorize"),
		Token:         op.NewEndpoint("/oauth/token"),
		Introspection: op.NewEndpoint("/oauth/introspect"),
		Userinfo:      op.NewEndpoint("/userinfo"),
		Revocation:    op.NewEndpoint("/oauth/revoke"),
		EndSession:    op.NewEndpoint(logoutPath),
		JwksURI:       op.NewEndpoint("/keys"),
	}
	server := &server{LegacyServer: op.NewLegacyServer(inner, endpoints), storage: s}
	return op.RegisterLegacyServer(server, op.AuthorizeCallbackHandler(inner), op.WithServerCORSOptions(nil)), nil
}
