package proxy

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"doorward/config"
	"doorward/proxy/access"
)

// Forward-auth: another server takes the requests, and asks here about each of them (FORWARD_AUTH). Rules that this file keeps:
//
//   - Only one of TRUSTED_PROXIES may ask (CVE-2026-40575, CVE-2026-76835).
//   - It tells of the request in headers that it overwrites: those that FORWARD_AUTH names, each exactly once. No other is looked at,
//     since a server passes on what its client sends.
//   - The request is told what it would be told if it came here itself: both go through decide (authorize.go).
//   - A yes has all headers that may name a person, empty where there is nothing to say, so that a server that copies what is there
//     leaves nothing of what its client sent (CVE-2026-30851).

// front is the server in front.
type front struct {
	*config.Front
	asking, naming []string // the headers that tell of its client's request, and those of a yes that name the person
}

func newFront(c *config.Config) *front {
	f := c.FrontServer()
	if f == nil {
		return nil
	}
	naming := c.AuthHeaders()
	for i, name := range naming {
		naming[i] = http.CanonicalHeaderKey(name)
	}
	return &front{f, f.Headers(), naming}
}

// asksAsItIs says whether the question is the client's request itself: Envoy's, which puts what came in several lines into one, with commas.
func (f *front) asksAsItIs() bool { return len(f.asking) == 0 }

// isQuestion says whether a path is that of the endpoint. Envoy puts the path of the request behind it.
func (p *Proxy) isQuestion(path string) bool {
	rest, ours := strings.CutPrefix(path, p.config.EndpointPrefix+"/auth")
	return ours && (rest == "" || rest[0] == '/' && (p.front == nil || p.front.asksAsItIs()))
}

// forwardAuth answers whether a request that the server in front has may pass.
func (p *Proxy) forwardAuth(x *exchange, r *http.Request) error {
	x.refuseBody(r)
	if p.front == nil {
		x.rule = p.ownRule()
		return noFront()
	}
	asked, extra, err := p.readQuestion(x, r)
	if err != nil {
		x.rule = p.ownRule()
		return questionRefused(err)
	}
	x.asked, x.strict = asked, p.strictly(asked) // the client's host, not the one by which the server in front knows us
	if err := p.consent(x, asked, extra); err != nil {
		p.tell(x, asked, p.forFront(err))
	}
	return nil
}

// readQuestion is what the server in front, and nobody else, asks.
func (p *Proxy) readQuestion(x *exchange, r *http.Request) (asked *http.Request, extra *access.Policy, err error) {
	if !x.client.trusted {
		return nil, nil, errors.New("the peer is not in DOORWARD_TRUSTED_PROXIES")
	}
	if asked, err = p.askedAbout(x, r); err != nil {
		return nil, nil, err
	}
	extra, err = p.extraRule(r)
	return asked, extra, err
}

// askedAbout is the request that the server in front asks about.
func (p *Proxy) askedAbout(x *exchange, r *http.Request) (*http.Request, error) {
	method, host, address, err := p.question(x, r)
	if err != nil {
		return nil, err
	}
	if strings.Trim(method, tokenCharacters) != "" {
		return nil, errors.New("the request's method is none")
	}
	u, err := url.ParseRequestURI(address) // as net/http reads the request line
	if err != nil || !strings.HasPrefix(address, "/") {
		return nil, errors.New("the request's address is no path")
	}
	asked := *r
	asked.Method, asked.Host, asked.URL, asked.RequestURI = method, host, u, address
	return &asked, nil
}

// question is what the server in front tells of the request: its method, its host, and its path with the query.
func (p *Proxy) question(x *exchange, r *http.Request) (method, host, address string, err error) {
	if p.front.asksAsItIs() {
		return r.Method, r.Host, strings.TrimPrefix(requested(x, r), p.config.EndpointPrefix+"/auth"), nil
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return "", "", "", errors.New("the question is no GET")
	}
	for _, name := range p.front.asking {
		if values := r.Header[name]; len(values) != 1 || values[0] == "" {
			return "", "", "", errors.New(name + " is not there exactly once; DOORWARD_FORWARD_AUTH says who sets it")
		}
	}
	method, host, address = r.Header.Get(p.front.Method), r.Header.Get(p.front.Host), r.Header.Get(p.front.URI)
	scheme := r.Header.Get(p.front.Proto)
	if p.front.URL != "" {
		scheme, host, address = splitAddress(r.Header.Get(p.front.URL))
	}
	if err := p.sameServer(x, r, host); err != nil {
		return "", "", "", err
	}
	switch scheme { // where it leads is PUBLIC_URL's to say
	case "http", "https", "ws", "wss":
		return method, host, address, nil
	}
	return "", "", "", errors.New("the request's scheme is neither http nor https")
}

// sameServer says whether the server in front passes the request on by the host that it asks about. A request line with a whole address may
// say another one than the Host line (RFC 9112 3.2.2): then one host's rules would let somebody in at another.
func (p *Proxy) sameServer(x *exchange, r *http.Request, host string) error {
	chosen := r.Header[p.front.Server]
	if p.front.Server == "" || len(chosen) == 0 && !x.rules.severalHosts {
		return nil
	}
	if len(chosen) != 1 {
		return errors.New("there are several hosts, and " + p.front.Server + " is not there exactly once; set it to $host (auth-proxy-set-headers)")
	}
	asked, ok := access.Hostname(host)
	if by, known := access.Hostname(chosen[0]); !ok || !known || by != asked {
		return errors.New("the request goes to another host than the one asked about")
	}
	return nil
}

// splitAddress cuts an address without reading anything in it.
func splitAddress(address string) (scheme, host, path string) {
	scheme, rest, _ := strings.Cut(address, "://")
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		return scheme, rest[:end], rest[end:]
	}
	return scheme, rest, ""
}

// consent says yes to the request that was asked about, with what the application is to know of the person, or returns why not.
func (p *Proxy) consent(x *exchange, asked *http.Request, extra *access.Policy) (err error) {
	if x.path, err = rawPath(asked); err != nil {
		return err
	}
	if err = p.findOrigin(x, asked); err != nil {
		return err
	}
	if _, ours := p.endpointOf(x.path); ours {
		x.rule = p.ownRule()
		return ownEndpoint(p.config.EndpointPrefix)
	}
	route, who, err := p.decide(x, asked)
	if err != nil {
		return err
	}
	if err = p.allowExtra(x, asked, route, who, extra); err != nil {
		return err
	}
	err = p.nameWho(x, asked, who)
	p.arrived(who, err)
	if err != nil {
		return err
	}
	p.sayYes(x, asked, who)
	return nil
}

// nameWho sets the headers that are for the application, or none: a refusal may go to the client.
func (p *Proxy) nameWho(x *exchange, asked *http.Request, who *identity) (err error) {
	told, assertion := &description{}, ""
	if who != nil {
		if told, err = p.description(who.session, x.rules); err == nil {
			assertion, err = p.assertionFor(x, asked, who)
		}
		if err != nil {
			return err
		}
	}
	h, nothing := x.Header(), []string{""}
	for _, name := range p.front.naming {
		values := told.values(name, who)
		switch {
		case name == "X-Doorward-Assertion":
			values = []string{assertion}
		case name == "Authorization" && who == nil: // the application's own business
			values = []string{asked.Header.Get(name)}
		case values == nil:
			values = nothing
		}
		h[name] = values
	}
	return nil
}

// values are those of a header that names the person to a server in front; none where there is nothing to say.
func (d *description) values(name string, who *identity) []string {
	rest, ours := strings.CutPrefix(name, "X-Auth-Request-")
	if name == "Authorization" || rest == "Access-Token" {
		return d.tokenFor(name, who)
	}
	if ours {
		name = "X-Forwarded-" + rest
	}
	if i := slices.IndexFunc(d.headers, func(h header) bool { return h.name == name }); i >= 0 {
		return d.headers[i].value[:]
	}
	return nil
}

// tokenFor is the access token as a header holds it, while it counts.
func (d *description) tokenFor(name string, who *identity) []string {
	switch {
	case who == nil || who.token() == "":
		return nil
	case name == "Authorization":
		return d.bearer[:]
	}
	return d.token[:]
}

// assertionFor signs who is asking for whoever serves the origin that browsers ask: which server that is, is not known here.
func (p *Proxy) assertionFor(x *exchange, asked *http.Request, who *identity) (string, error) {
	if !slices.Contains(p.front.naming, "X-Doorward-Assertion") {
		return "", nil
	}
	return p.assertion(who.session, x.rules, p.publicOrigin(x, asked).String())
}

// sayYes lets the request pass. Envoy takes 200 for a yes, and nothing else; Cache-Control it adds to the application's answer, which is
// for no cache when it brings a session's cookies, and else the application's to say.
func (p *Proxy) sayYes(x *exchange, asked *http.Request, who *identity) {
	x.outcome = "forward_auth"
	h := x.Header()
	noStore(h)
	x.finishHead() // the session's cookies come first
	if who != nil && !who.bearer {
		p.sessions.ForgetRounds(h, asked)
	}
	p.limitCookies(h)
	status := http.StatusAccepted
	if p.front.Name == "envoy" {
		status = http.StatusOK
		if len(h["Set-Cookie"]) == 0 {
			h.Del("Cache-Control")
			h.Set("Vary", "*") // no cache gives it to anybody (RFC 9111 4.1)
		}
	}
	x.WriteHeader(status)
}

// limitCookies sends no more cookies than the server in front hands on. Those that go by the board clear what does not count any
// more. nginx and Caddy read several lines of Set-Cookie as one, or the first alone, so each goes in a header of its own as well.
func (p *Proxy) limitCookies(h http.Header) {
	lines := h["Set-Cookie"]
	if p.front.Cookies == 0 || len(lines) == 0 {
		return
	}
	lines = lines[:min(len(lines), p.front.Cookies)]
	h["Set-Cookie"] = lines
	if p.front.Cookies == 1 {
		return
	}
	for i, line := range lines {
		h.Set("X-Doorward-Set-Cookie-"+strconv.Itoa(i+1), line)
	}
	if len(lines) > 1 {
		h.Del("Set-Cookie")
	}
}

// forFront is a refusal as the server in front takes it: as it is, where its client gets it, else as 401 or 403 for it alone.
func (p *Proxy) forFront(err error) error {
	if p.front.Relays {
		return err
	}
	f := asFailure(err)
	if asksForLogin(err) {
		f = needLogin(err)
	}
	if f.status != http.StatusUnauthorized {
		f.status = http.StatusForbidden
	}
	f.person, f.program = false, true
	if f.header = f.header.Clone(); f.header == nil {
		f.header = http.Header{}
	}
	f.header.Set("X-Doorward-Reason", f.code)
	return f
}
