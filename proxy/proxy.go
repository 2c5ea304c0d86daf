// Package proxy is doorward's handler: the life of a request, a file for each part.
//
// A request walks through these files in this order:
//
//	server.go        the public listener, and its limits
//	room.go          how many connections it has room for
//	proxy.go         the handler, and which way a request goes
//	exchange.go      one request and its answer, as log and metrics will tell it
//	client.go        where it comes from
//	ignored.go       and who is not believed to know
//	host.go          is this a host of ours?
//	authorize.go     which rule covers it, and does the person meet it?
//	authenticate.go  who is asking?
//	bearer.go        an API client, by an access token
//	refresh.go       is their access token still good?
//	renewal.go       and what comes of asking for another
//	crosssite.go     did a page of another site ask for this?
//	forward.go       to the upstream and back
//	sending.go       once more, where it cannot have been served
//	clientbody.go    what of it is still to come
//	upstream.go      who serves it, by which connections, and how that fails
//	quiet.go         and whose is what an upstream says beyond its answer
//	spareconns.go    which connections nobody has
//	headers.go       what the upstream is told, and what it must not believe
//	description.go   what it learns of the person
//	assertion.go     the same, signed
//	hops.go          what ends here, either way
//	answer.go        what of its answer passes, and what it may not say
//	bodies.go        what passes, either way
//	websocket.go     the one upgrade that does
//	connections.go   what goes on for long, and does not outlive its session
//	judge.go         why it is to end
//	patience.go      how long to wait for the upstream, and for the client
//	unsent_linux.go  how far the kernel is ahead of a slow one
//	caches.go        who may keep the answer
//	strict.go        that browsers come by https
//
// Where another server takes the requests, it asks about each of them:
//
//	forwardauth.go   may it pass?
//	extrarule.go     what the server asks for beside the rules
//
// Whoever has no session yet is sent through
//
//	login.go         the Authorization Code Flow, from the first redirect to the session
//	start.go         logins that begin on request: of a button, an application, another site
//	siblings.go      logins for a host that has no callback, and shares the sessions of those that have
//	stepup.go        logins that have to be of a certain kind, or recent
//	challenge.go     how upstreams ask for them
//	claims.go        what of a person's claims makes their session
//	groups.go        which groups they are in, and by what names
//	returnaddress.go where a login may lead back to
//	fragment.go      what of that address the browser keeps to itself
//	loops.go         logins that come back again and again
//
// and whoever has one finds the rest of our endpoints in
//
//	endpoint.go      what is under our prefix
//	userinfo.go      who am I?
//	logout.go        leaving
//	backchannel.go   the provider says that somebody has left
//	usedtokens.go    which of its tokens came before
//	frontchannel.go  the provider says so through the browser
//	seensessions.go  which of its sessions anybody came with
//	revoke.go        an administrator ends sessions
//
// Every part answers by returning an error or nil. What an error looks like from outside is decided in one place:
//
//	failure.go       the things that go wrong, their statuses and fixed phrases
//	denial.go        for people who may not
//	loginfailure.go  when they sign in
//	logoutfailure.go and when somebody ends their sessions
//	navigation.go    is a person waiting for a page, or a program?
//	tell.go          page, JSON or redirect: how a failure is told
//	pages.go         which page tells a person; what pages look like is proxy/pages
//
// Beside the road stand
//
//	parts.go         what a Proxy is put together from
//	rules.go         the access rules, which may change while it runs
//	reload.go        and whatever else may
//	generations.go   the newest form of every session that was refreshed here
//	background.go    what goes on beside requests
//	log.go           what is told to the log, and jsonlines.go how
//	metrics.go       to Prometheus
//	trace.go         to OpenTelemetry
//	admin.go         the listener for those who run doorward
//	cookiesize.go    how large a session's cookies would be, for doorward check
//
// Packages of their own are
//
//	access           the rule language: which rule decides, and does a person meet it?
//	provider         our end of the conversation with the OpenID Connect provider
//	pages            what people see
//	fasttransport    the upstream client that FAST_TRANSPORT puts before net/http's
//	tracing          the way of spans to the collector
package proxy

import (
	"crypto/tls"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"doorward/config"
	"doorward/proxy/pages"
	"doorward/proxy/provider"
	"doorward/session"
)

// Options are what a Proxy is made of.
type Options struct {
	// Config holds the settings. New validates it.
	Config *config.Config

	// Log receives the log: see NewLog. It must be set.
	Log *slog.Logger

	// Version is what the metric build_info says, and the traces as service.version.
	Version string

	// OnLogin, when set, is called after each login that made a session, with the callback's request. The demo
	// shows the login step by step with it.
	OnLogin func(r *http.Request, p *provider.Person)
}

// Proxy is the handler of the public listener. It is safe for concurrent use.
type Proxy struct {
	config     *config.Config
	origins    []*origin      // of PUBLIC_URL
	allowed    []string       // further origins, as in an Origin header
	trusted    []netip.Prefix // TRUSTED_PROXIES
	ignored    ignoredPeers   // that are not among them
	front      *front         // that asks about requests; nil: they come here themselves
	rules      atomic.Pointer[rules]
	aliases    aliases  // GROUP_ALIASES
	usualACR   []string // that every login is asked for
	upstreams  []*upstream
	headers    []config.Header
	folded     []string // their names, as config.FoldHeader has them
	assertions *assertions
	provider   *provider.Provider
	sessions   *session.Manager
	refreshes  *refresher
	loops      *loops

	logoutTokens   *usedTokens
	seen           *seenSessions // sessions of the provider's (sid) that people came with
	providerOrigin string        // as browsers see it

	pages     *pages.Set
	metrics   *metrics
	traces    *traces // nil: there is no tracing
	log       *slog.Logger
	serverLog *log.Logger // for what the standard library wants to say
	buffers   *buffers
	onLogin   func(*http.Request, *provider.Person)
	draining  atomic.Bool

	userinfoRefused atomic.Bool // userinfo refused a token once, and the log was told
	groupsNoted     groupsNoted

	background  *background
	connections *connections

	certificate func() *tls.Certificate // of the public listener; nil where it speaks no TLS
	adminToken  func() string           // ADMIN_TOKEN
	reloading   sync.Mutex
	follows     []func() // look at settings that may have changed
	unreadable  unreadable
}

// New builds a Proxy. It waits for nobody: the provider is first asked when somebody needs it, and Redis is reached in the background, so that
// doorward starts while they are down. Its error names every setting that is wrong.
func New(o Options) (*Proxy, error) {
	c := o.Config
	if err := c.Validate(); err != nil {
		return nil, err
	}
	p := &Proxy{
		config: c, loops: newLoops(), logoutTokens: newUsedTokens(), seen: newSeenSessions(),
		onLogin: o.OnLogin, log: o.Log, metrics: newMetrics(o.Version), buffers: newBuffers(),
	}
	p.serverLog, p.background, p.connections = ServerLog(p.log), newBackground(), newConnections()
	p.traces = p.openTraces(o.Version)
	for _, build := range []func() error{p.readSettings, p.guardListeners, p.readPages, p.openUpstreams, p.meetProvider, p.openSessions, p.keepFresh} {
		if err := build(); err != nil {
			return nil, err
		}
	}
	p.metrics.start(p)
	p.background.always(p.watch)
	return p, nil
}

// ServeHTTP takes a request through the package and records how it ended.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := newExchange(w, r, p.config.IdleTimeout)
	x.rules = p.rules.Load()
	x.client.trusted = p.isTrusted(x.client.peer())
	r = p.traces.begin(x, r)
	p.meet(x, r)
	p.partWith(x, r)
	x.strict = p.strictly(r)
	p.metrics.inFlight.Inc()
	defer p.finish(x, r)
	if err := p.serve(x, r); err != nil {
		p.tell(x, r, err)
	}
}

// finish records the exchange, however it ended. A panic of our own becomes a 500, or, amid an answer, http.ErrAbortHandler. That goes on, or a
// truncated answer would look whole to the client; and to one that went away, net/http would send an empty 200.
func (p *Proxy) finish(x *exchange, r *http.Request) {
	cause := recover()
	if x.asked != nil {
		r = x.asked
	}
	begun := x.answered()
	if cause != nil && cause != http.ErrAbortHandler {
		p.tell(x, r, broken(fmt.Errorf("recovering from a panic: %v", cause)))
	}
	p.recordCut(x, r)
	p.record(x, r)
	p.endTrace(x, r)
	p.metrics.inFlight.Dec()
	p.connections.end(&x.connection)
	x.rest()
	if cause == http.ErrAbortHandler || cause != nil && begun || x.status == statusClientGone {
		panic(http.ErrAbortHandler)
	}
}

// serve decides which way a request goes: refused for its form, to an endpoint of ours, or on to an upstream.
func (p *Proxy) serve(x *exchange, r *http.Request) error {
	path, err := rawPath(r)
	if err != nil {
		return err
	}
	x.path = path
	switch path { // those for programs, which may know us by any name
	case p.config.EndpointPrefix + "/healthz":
		return p.healthz(x, r)
	case p.config.EndpointPrefix + "/backchannel-logout":
		return p.backChannelLogout(x, r)
	case p.config.EndpointPrefix + "/jwks":
		return p.jwks(x, r)
	}
	if p.isQuestion(path) {
		return p.forwardAuth(x, r)
	}
	if err := p.findOrigin(x, r); err != nil {
		return err
	}
	if endpoint, ours := p.endpointOf(path); ours {
		x.rule = p.ownRule()
		return p.serveEndpoint(endpoint, x, r)
	}
	return p.pass(x, r)
}

// Drain makes /readyz say 503, so that load balancers look elsewhere, while requests are still served.
func (p *Proxy) Drain() { p.draining.Store(true) }

// partWith asks a client to open another connection for its next request, once this process is to end: a server in front that keeps
// connections would else send on one of them just as it is closed. HTTP/2 has a frame for that (GOAWAY), which net/http sends instead.
// In HTTP/1.0 each connection has one request: net/http takes a Transfer-Encoding out of it unseen, so that where a server in front went by
// that, what follows is not a second request (RFC 9112 6.1).
func (p *Proxy) partWith(x *exchange, r *http.Request) {
	if !r.ProtoAtLeast(1, 1) || p.draining.Load() && !isWebSocket(r) {
		x.Header().Set("Connection", "close")
	}
}

// closePatience is how long Close waits for requests, and then for refreshes and revocations, that are under way.
const closePatience = 2 * time.Second

// EndRequests cuts the requests that are left, and waits a moment until they have ended. A client whose answer has not begun gets one that says
// why, so the server must stay open until EndRequests returns.
func (p *Proxy) EndRequests() { p.connections.close(closePatience) }

// Close ends what is left of requests (WebSockets, of which the server knows nothing), waits a moment for what goes on beside them, and
// gives back the file of revocations and idle connections to upstreams. What is left of spans gets a shorter moment: FlushTraces has sent most.
func (p *Proxy) Close() {
	p.EndRequests()
	p.background.close(closePatience)
	_ = p.sessions.Close()
	for _, u := range p.upstreams {
		u.transport.CloseIdleConnections()
	}
	p.traces.close(closePatience / 4)
}
