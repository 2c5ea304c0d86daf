// Package proxy is doorward's handler: the life of a request, a file for each part.
//
// A request walks through these files in this order:
//
//	proxy.go         the handler, and which way a request goes
//	exchange.go      one request and its answer, as log and metrics will tell it
//	host.go          is this a host of ours?
//	authorize.go     which rule covers it, and does the person meet it?
//	authenticate.go  who is asking?
//	forward.go       to the upstream and back
//	headers.go       what the upstream learns of the person, and what it must not believe
//
// Who has no session yet is sent through
//
//	login.go         the Authorization Code Flow, from the first redirect to the session
//	person.go        what of a person's claims makes their session
//	returnaddress.go where a login may lead back to
//	loops.go         logins that come back again and again
//
// and whoever has one finds the rest of our endpoints in
//
//	userinfo.go      who am I?
//	logout.go        leaving
//
// Every part answers by returning an error or nil. What an error looks like from outside is decided in one place:
//
//	failure.go       the things that go wrong, their statuses and fixed phrases
//	answer.go        page, JSON or redirect: how a failure is told
//	pages.go         the one page that every answer to a person is made of
//
// Beside the road stand log.go, metrics.go and admin.go.
package proxy

import (
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"

	"doorward/config"
	"doorward/proxy/access"
	"doorward/proxy/provider"
	"doorward/session"
)

// Options are what a Proxy is made of.
type Options struct {
	// Config holds the settings. New validates it.
	Config *config.Config

	// LogWriter receives the log, one line an event.
	LogWriter io.Writer

	// Version is what the metric build_info says.
	Version string

	// OnLogin, when set, is called after each login that made a session, with the callback's request. The demo
	// shows the login step by step with it.
	OnLogin func(r *http.Request, p *provider.Person)
}

// Proxy is the handler of the public listener. It is safe for concurrent use.
type Proxy struct {
	config    *config.Config
	origins   []*origin
	policy    *access.Policy
	upstreams []*upstream
	headers   []config.Header
	provider  *provider.Provider
	sessions  *session.Manager
	loops     *loops
	pages     *pages
	metrics   *metrics
	log       *slog.Logger
	serverLog *log.Logger // for what the standard library wants to say
	buffers   sync.Pool   // of *[bufferSize]byte
	crossSite *http.CrossOriginProtection
	onLogin   func(*http.Request, *provider.Person)
	draining  atomic.Bool
}

// New builds a Proxy. It talks to nobody: the provider is first asked when somebody needs it, so that doorward
// starts while the provider is down. Its error names every setting that is wrong.
func New(o Options) (*Proxy, error) {
	c := o.Config
	if err := c.Validate(); err != nil {
		return nil, err
	}
	p := &Proxy{config: c, loops: newLoops(), onLogin: o.OnLogin, log: NewLog(o.LogWriter, c)}
	p.metrics = newMetrics(o.Version)
	p.serverLog = slog.NewLogLogger(p.log.Handler(), slog.LevelWarn)
	p.crossSite = http.NewCrossOriginProtection()
	for _, u := range c.Origins() {
		p.origins = append(p.origins, newOrigin(u))
	}
	var failed [6]error
	p.policy, failed[0] = c.Policy()
	p.headers, failed[1] = c.IdentityHeaders()
	p.pages, failed[2] = newPages()
	if err := errors.Join(failed[:]...); err != nil {
		return nil, err
	}
	p.upstreams, failed[3] = newUpstreams(c)
	p.sessions, failed[4] = p.newSessions()
	p.provider, failed[5] = p.newProvider()
	if err := errors.Join(failed[:]...); err != nil {
		return nil, err
	}
	p.metrics.start(p)
	return p, nil
}

func (p *Proxy) newSessions() (*session.Manager, error) {
	secrets, err := p.config.Secrets()
	if err != nil {
		return nil, err
	}
	// The provider's form_post is a POST from another site, which a Lax cookie does not accompany.
	loginSameSite := http.SameSiteLaxMode
	if p.config.ResponseMode == "form_post" {
		loginSameSite = http.SameSiteNoneMode
	}
	return session.NewManager(session.Options{
		Secrets:       secrets,
		CookieName:    p.config.SessionCookieName(),
		Secure:        p.config.Secure(),
		SameSite:      sameSite(p.config.CookieSamesite),
		LoginSameSite: loginSameSite,
		MaxBytes:      p.config.SessionCookieMaxBytes,
		OnOpen:        p.metrics.sessionOpened,
		OnSave:        p.metrics.sessionSaved,
	})
}

func sameSite(name string) http.SameSite {
	switch name {
	case "strict":
		return http.SameSiteStrictMode
	case "none":
		return http.SameSiteNoneMode
	}
	return http.SameSiteLaxMode
}

// ServeHTTP takes a request through the package and records how it ended.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := newExchange(w, r)
	p.metrics.inFlight.Inc()
	defer p.finish(x, r)
	if err := p.serve(x, r); err != nil {
		p.answer(x, r, err)
	}
}

// finish records the exchange, however it ended. A panic of our own becomes a 500; http.ErrAbortHandler goes on, or a
// truncated answer would look whole to the client.
func (p *Proxy) finish(x *exchange, r *http.Request) {
	cause := recover()
	p.metrics.inFlight.Dec()
	if cause != nil && cause != http.ErrAbortHandler {
		p.answer(x, r, broken(fmt.Errorf("recovering from a panic: %v", cause)))
	}
	p.record(x, r)
	if cause == http.ErrAbortHandler {
		panic(cause)
	}
}

// serve decides which way a request goes: refused for its form, to an endpoint of ours, or on to an upstream.
func (p *Proxy) serve(x *exchange, r *http.Request) error {
	path, err := rawPath(r)
	if err != nil {
		return err
	}
	x.path = path
	if path == p.config.EndpointPrefix+"/healthz" {
		return p.healthz(x, r)
	}
	if x.origin, err = p.originOf(r); err != nil {
		return err
	}
	if endpoint, ours := p.endpointOf(path); ours {
		x.rule = p.config.EndpointPrefix + "/"
		return p.serveEndpoint(endpoint, x, r)
	}
	return p.pass(x, r)
}

// endpointOf says whether a path is under our prefix, spelled exactly so: any other spelling belongs to the upstream
// and needs what its rule asks for.
func (p *Proxy) endpointOf(path string) (string, bool) {
	prefix := p.config.EndpointPrefix
	if len(path) < len(prefix) || path[:len(prefix)] != prefix {
		return "", false
	}
	rest := path[len(prefix):]
	return rest, rest == "" || rest[0] == '/'
}

// serveEndpoint dispatches under our prefix. An origin is needed there, since every endpoint but the health check
// deals in cookies and redirects of one.
func (p *Proxy) serveEndpoint(endpoint string, x *exchange, r *http.Request) error {
	if x.origin == nil {
		return notAnOrigin(r.Host)
	}
	switch endpoint {
	case "/start", "/sign_in":
		return p.start(x, r)
	case "/callback":
		return p.callback(x, r)
	case "/sign_out":
		return p.signOut(x, r)
	case "/userinfo":
		return p.userinfo(x, r)
	}
	return notFound()
}

// originURL is an address under our prefix, at an origin.
func (p *Proxy) endpointURL(o *origin, endpoint string) string {
	return o.String() + p.config.EndpointPrefix + endpoint
}

// redirect answers with 303 See Other (RFC 9700 4.12: never 307, which would repeat a POST and what it carries).
// Location is written by hand, since http.Redirect cleans paths and so turns "/./\host" into an address elsewhere.
func (x *exchange) redirect(location string) {
	h := x.Header()
	h.Set("Location", location)
	noStore(h)
	x.WriteHeader(http.StatusSeeOther)
}

// noStore marks an answer of our own: no cache keeps it, and no page that follows it learns its address.
func noStore(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
}

// Drain makes /readyz say 503, so that load balancers look elsewhere, while requests are still served.
func (p *Proxy) Drain() { p.draining.Store(true) }

// Close gives idle connections to upstreams back.
func (p *Proxy) Close() {
	for _, u := range p.upstreams {
		u.transport.CloseIdleConnections()
	}
}

func (p *Proxy) newProvider() (*provider.Provider, error) {
	c := p.config
	params, err := c.AuthParameters()
	if err != nil {
		return nil, err
	}
	return provider.New(provider.Options{
		Issuer:       c.IssuerURL,
		InternalURL:  c.ProviderInternalURL,
		AllowHTTP:    c.InsecureProviderHTTP,
		ClientID:     c.ClientID,
		ClientSecret: c.ClientSecret,
		Scopes:       fields(c.Scopes),
		ResponseMode: c.ResponseMode,
		AuthParams:   params,
		Audience:     c.Audience,
		NeededClaims: p.neededClaims(),
		CA:           []byte(c.ProviderCA),
		OnRequest:    p.metrics.providerAsked,
	})
}
