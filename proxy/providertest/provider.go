// Package providertest is an OpenID Provider for tests that misbehaves on demand.
//
// [New] starts a provider on loopback that does everything right: discovery, an authorization endpoint that answers at once for
// the person who is signed in, a token endpoint that checks all that a good one checks, keys, userinfo, end of session. Each
// [Mutation] given to it bends one thing. [Misbehaviours] lists those that a sound client must refuse, [Shortcomings] those
// that it must refuse where it asked for a certain login, [Oddities] those that it must accept, [LogoutFaults] and the like do so
// for logouts that the provider reports ([Provider.RegisterLogout]); they bear the names of the modules of the OpenID Foundation's
// relying-party suite where one exists, and else of the rule that they break.
//
// What takes a clock (times at their very limits, refreshed metadata), certificates, or names that lead somewhere has no mutation: the
// tests of package provider have those. Nor has what no setting allows, such as trusted audiences beside the client's own.
//
// The provider judges as the suite does. What no client may ever do (ask for a path that nothing advertises, send a
// token in a query, follow a redirect away with a secret) fails the test; what it refuses with a proper error is kept in the
// record that [Provider.Requests] gives, beside everything else that a client sent.
package providertest

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// What the one registered client is called, what it proves itself with, and for whom the provider's access tokens are.
// The secret holds characters that HTTP Basic must carry form-encoded (RFC 6749 2.3.1).
const (
	ClientID     = "client-1"
	ClientSecret = "s3cret+with/odd%20:characters-0123456789"
	Audience     = "https://api.example.test"
)

// issuerPath ends in a slash, as the issuers of the certification suite do: a client that trims it is wrong.
const issuerPath = "/op/"

// Provider is a running OpenID Provider. Its methods may be called while it serves.
type Provider struct {
	// Issuer is the issuer as the metadata spell it, with its final slash.
	Issuer string

	t         testing.TB
	server    *httptest.Server
	elsewhere *httptest.Server
	mutations []Mutation
	done      chan struct{}

	mu       sync.Mutex
	keys     *keySet
	users    map[string]User
	signedIn string
	since    time.Time // the zero time: whenever they are needed
	grants   map[string]*grant
	requests map[Endpoint][]Request

	client                    Client
	attempts                  map[string]bool           // refused for who the client is, by code or state
	assertions                map[string]bool           // seen, by jti
	pushed                    map[string]url.Values     // requests that no browser has come for yet, by request_uri
	apiTokens                 map[string]map[string]any // claims by token
	refresh                   refreshing
	backChannel, frontChannel string // where the client hears of logouts
	logouts                   []LogoutAnswer
}

// New starts a provider with the users of [Users], alice being signed in, bent by the mutations in their order. It ends with
// the test.
func New(t testing.TB, mutations ...Mutation) *Provider {
	t.Helper()
	p := &Provider{
		t:         t,
		mutations: mutations,
		done:      make(chan struct{}),
		keys:      newKeySet(),
		users:     map[string]User{},
		grants:    map[string]*grant{},
		requests:  map[Endpoint][]Request{},

		attempts:   map[string]bool{},
		assertions: map[string]bool{},
		pushed:     map[string]url.Values{},
		apiTokens:  map[string]map[string]any{},
	}
	for _, u := range Users() {
		p.AddUser(u)
	}
	p.SignIn("alice")
	p.elsewhere = httptest.NewServer(http.HandlerFunc(p.serveElsewhere))
	p.server = httptest.NewUnstartedServer(p.handler())
	p.Issuer = "http://" + p.server.Listener.Addr().String() + issuerPath // before it is asked
	p.server.Start()
	t.Cleanup(p.close)
	return p
}

func (p *Provider) close() {
	close(p.done)
	p.server.CloseClientConnections()
	p.server.Close()
	p.elsewhere.Close()
}

// Stop takes the provider off the network; nobody listens at its address from then on.
func (p *Provider) Stop() {
	p.server.CloseClientConnections()
	p.server.Close()
}

// RotateKeys replaces every signing key by a new one with a new identifier, at once and without notice.
func (p *Provider) RotateKeys() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys = p.keys.next()
}

// URL is the address of an endpoint. For [Elsewhere] it is another origin, where a client has no business.
func (p *Provider) URL(e Endpoint) string {
	switch e {
	case Elsewhere:
		return p.elsewhere.URL + "/elsewhere"
	case Discovery:
		return p.Issuer + ".well-known/openid-configuration"
	default:
		return p.Issuer + string(e)
	}
}

// handler routes by the exact path. Paths that nothing advertises fail the test, as they do in the certification suite.
func (p *Provider) handler() http.Handler {
	mux := http.NewServeMux()
	for endpoint, serve := range map[Endpoint]http.HandlerFunc{
		Discovery:     p.serveMetadata,
		Keys:          p.serveKeys,
		Push:          p.servePush,
		Authorization: p.serveAuthorization,
		Token:         p.serveToken,
		Userinfo:      p.serveUserinfo,
		EndSession:    p.serveEndSession,
		Introspection: p.serveIntrospection,
		Revocation:    p.serveRevocation,
	} {
		path := issuerPath + string(endpoint)
		if endpoint == Discovery {
			path = issuerPath + ".well-known/openid-configuration"
		}
		mux.Handle(path, p.recorded(endpoint, serve))
	}
	mux.HandleFunc("/", p.serveUnknown)
	return mux
}

func (p *Provider) serveUnknown(w http.ResponseWriter, r *http.Request) {
	// The rotation of the path of the key set is the one variable address (module discovery-jwks-uri-keys).
	if strings.HasPrefix(r.URL.Path, issuerPath+string(Keys)+"/") {
		p.recorded(Keys, p.serveKeys)(w, r)
		return
	}
	p.t.Errorf("the provider was asked for a path that it does not advertise: %s %s", r.Method, r.URL.Path)
	http.NotFound(w, r)
}

func (p *Provider) serveElsewhere(w http.ResponseWriter, r *http.Request) {
	p.record(Elsewhere, r)
	p.t.Errorf("a client went where only an attacker would send it: %s %s", r.Method, r.URL.Path)
	http.NotFound(w, r)
}

// signingKey is the key that signs ID and access tokens unless a mutation says otherwise.
func (p *Provider) signingKey() *Key { return p.key("rsa-1") }

// key finds a key of the present set by its role; see [keySet].
func (p *Provider) key(role string) *Key {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.IndexFunc(p.keys.keys, func(k *Key) bool { return k.role == role })
	if i < 0 {
		panic("providertest: no key has the role " + role)
	}
	return p.keys.keys[i]
}

func (p *Provider) published() []*Key {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.keys.keys)
}
