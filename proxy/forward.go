package proxy

import (
	"errors"
	"net/http"
	"net/http/httputil"
	"time"

	"doorward/proxy/access"
)

// Rules that this file keeps:
//
//   - What was decided is what is sent: the path's own bytes, less the prefix that the upstream's strip= names, and
//     the query's own bytes.
//   - httputil.ReverseProxy with Rewrite, never Director, which runs before hop-by-hop headers are removed and so
//     lets a client's Connection header take ours away.
//   - The upstream can neither set nor clear a cookie under one of our names.

// forward hands a request to the upstream that its path leads to, on behalf of who, or of nobody where who is nil.
func (p *Proxy) forward(x *exchange, r *http.Request, route *access.Route, who *identity) error {
	if len(p.upstreams) == 0 {
		return leftToUs()
	}
	if route.Upstream() < 0 {
		return noUpstream()
	}
	u := p.upstreams[route.Upstream()]
	x.upstream, x.outcome = u.name, "forwarded"
	path, err := u.PathToSend(x.path)
	if err != nil {
		return badTarget(err.Error())
	}
	d := &delivery{x: x, in: r, route: route, upstream: u, path: path, who: who}
	if err := p.prepareIdentity(d); err != nil {
		return err
	}
	if isWebSocket(r) {
		p.metrics.webSockets.Inc()
		defer p.metrics.webSockets.Dec()
	} else if !isASCII(r.Header.Get("Upgrade")) {
		return badRequest("its Upgrade header is not ASCII")
	}
	x.connection.patience = u.Timeout
	in := p.connections.begin(x, r)
	if r.ContentLength != 0 {
		d.body.begin(r.Body, &x.connection)
		in.Body = &d.body // of a copy: net/http looks at its own request's body when it answers. It is read in tries (sending.go)
		defer d.endBody()
	}
	in.Header = decisive(r)
	d.proxy = p.reverseProxy(d)
	d.answer = answerFilter{d, x, p, r.ProtoAtLeast(1, 1)}
	d.serve(in)
	if p.config.MaxConnections > 0 {
		x.hurry() // it costs half a microsecond, and matters where connections are few
	}
	x.dropCookieTrailers()
	d.body.giveUp(x, r, d.failed != nil && x.connection.cut.Load() == nil)
	if d.failed == nil && x.connection.cut.Load() != nil && !x.upgraded() {
		panic(http.ErrAbortHandler) // cut at its very end: force may have put deadlines on the client's connection, which is good for nothing then
	}
	return d.failed
}

// delivery is a decided request on its way to an upstream.
type delivery struct {
	x        *exchange
	in       *http.Request
	proxy    httputil.ReverseProxy // that takes it there
	body     clientBody
	answer   answerFilter
	rest     upstreamBody // the body of the upstream's answer
	route    *access.Route
	upstream *upstream
	conn     *quietConn // to it, that it was given last; nil where it has none to itself
	shared   int        // how often it was given one that it has not
	path     string
	failed   error

	who       *identity    // nil for nobody
	told      *description // of who
	assertion string

	length int64 // of the answer's body as the upstream says; -1 where it does not
}

// serve passes a request on. Where ReverseProxy panics, because an answer breaks off, net/http closes the client's connection, but would read the rest
// of its body before, however long that takes.
func (d *delivery) serve(in *http.Request) {
	whole := false
	defer func() {
		if !whole {
			d.body.abandon(d.x, d.in)
		}
	}()
	d.proxy.ServeHTTP(&d.answer, in)
	whole = true
}

// endBody ends a body with its request. The connection to the upstream may be another's by now.
func (d *delivery) endBody() {
	_ = d.body.Close()
	if d.conn == nil {
		return
	}
	if s := d.conn.sending.Load(); s != nil && s.body == &d.body {
		d.conn.sending.CompareAndSwap(s, nil)
	}
}

// prepareIdentity prepares what the upstream is told of who is asking.
func (p *Proxy) prepareIdentity(d *delivery) (err error) {
	if d.who == nil {
		return nil
	}
	if d.told, err = p.description(d.who.session, d.x.rules); err != nil {
		return err
	}
	d.assertion, err = p.assertion(d.who.session, d.x.rules, d.upstream.name)
	return err
}

// reverseProxy passes one delivery on. It is made for each, so that what was decided need not travel in a context.
func (p *Proxy) reverseProxy(d *delivery) httputil.ReverseProxy {
	return httputil.ReverseProxy{
		Transport:  d,
		BufferPool: lender{p.buffers, d},
		ErrorLog:   p.serverLog,
		Rewrite: func(pr *httputil.ProxyRequest) {
			d.upstream.address(pr, d.path)
			p.rewriteHeaders(pr, d)
		},
		ModifyResponse: func(answer *http.Response) error {
			if err := p.refuseAnswer(d, answer); err != nil {
				return err
			}
			p.prepareAnswer(d, answer)
			return nil
		},
		ErrorHandler: func(_ http.ResponseWriter, r *http.Request, err error) {
			d.failed = p.upstreamFailure(d, r, err)
		},
	}
}

// refuseAnswer says why an answer does not pass: it is none, or asks for a login, which is ours to begin.
func (p *Proxy) refuseAnswer(d *delivery, answer *http.Response) error {
	if answer.StatusCode < 100 {
		return errBadStatus
	}
	if answer.StatusCode == http.StatusSwitchingProtocols && (d.mustClose() || !switches(d.in.Header) || !switches(answer.Header)) {
		return errUninvited
	}
	if needed := p.challenged(d, answer); needed != nil {
		return needed
	}
	return nil
}

// prepareAnswer makes an answer one that passes, and notes what follows from its having begun.
func (p *Proxy) prepareAnswer(d *delivery, answer *http.Response) {
	p.cleanAnswer(answer.Header)
	d.length = answer.ContentLength
	if answer.StatusCode != http.StatusSwitchingProtocols {
		d.rest = upstreamBody{answer.Body, d, p}
		answer.Body = &d.rest
	}
	if d.mustClose() {
		answer.Header.Set("Connection", "close")
	}
	if d.who != nil && !d.who.bearer {
		p.arrived(d.who, nil) // now, not when a long answer ends
		if p.sessions.ForgetRounds(answer.Header, d.in) {
			keepFromCaches(answer.Header)
		}
	}
	if isEventStream(answer) {
		d.x.connection.goesOn()
	}
}

// mustClose says whether nothing may follow a request on its connection. One case is a body in chunks: where a front server went by
// Content-Length instead, what follows is not a second request (golang/go#80942). The other is a body that was answered before its end: to keep
// the connection, net/http would read the rest of it, which is the upstream's; or one of which reading was broken off, which leaves a deadline.
func (d *delivery) mustClose() bool {
	if d.in.ProtoMajor != 1 {
		return false
	}
	return len(d.in.TransferEncoding) > 0 || d.in.ContentLength > 0 && (!d.body.ended.Load() || d.body.brokenOff.Load())
}

// errBadStatus is an answer that net/http could not pass on (RFC 9110 15: from 100 to 599).
var errBadStatus = errors.New("the upstream's status is below 100")

// errUninvited is a switch of protocols that no request asked for (RFC 9110 15.2.2), or one with a body. ReverseProxy compares it with what was
// asked for, but leaves the upstream's connection open then.
var errUninvited = errors.New("the upstream switches protocols without having been asked to, or to another one, or amid a request's body")

// RoundTrip asks the upstream, and measures the time to its answer.
func (d *delivery) RoundTrip(r *http.Request) (*http.Response, error) {
	d.x.trace.ask(d, r)
	begin := time.Now()
	answer, err := d.ask(r)
	d.x.upstreamTime = time.Since(begin)
	if err == nil { // or an upstream that is down would look like a fast one
		d.upstream.duration.Observe(d.x.upstreamTime.Seconds())
	}
	d.x.trace.answered(r, answer, err)
	return answer, err
}

// ask waits for the head of the answer for so long as the upstream may take.
func (d *delivery) ask(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		d.x.connection.awaitAnswer() // else at its end
	}
	answer, err := d.send(r)
	if d.x.connection.answeredInTime() {
		return answer, err
	}
	if err == nil {
		_ = answer.Body.Close()
	}
	return nil, errOverdue
}

// answerFilter cleans informational answers (103 Early Hints), which ReverseProxy passes on without asking
// ModifyResponse, and keeps net/http from adding to the final one.
type answerFilter struct {
	d *delivery
	*exchange
	p             *Proxy
	informational bool // HTTP/1.0 knows no such answers (RFC 9110 15.2)
}

func (f *answerFilter) WriteHeader(status int) {
	h := f.Header()
	switch {
	case status >= 200:
		f.p.keepPrivate(f.d, status, h)
		if _, said := h["Content-Type"]; !said {
			h["Content-Type"] = nil // or net/http guesses one from the body: text/html, for what the upstream kept from being guessed
		}
	case !f.informational, status == http.StatusContinue && f.d.in.Header.Get("Expect") != "":
		return // net/http itself sends a 100 once the body is read, which it is from now on: two would be one too many
	default:
		removeHops(h)
		f.p.cleanAnswer(h)
	}
	if status >= 200 {
		f.p.partWith(f.exchange, f.d.in) // an informational answer before it took that away
	}
	f.exchange.WriteHeader(status)
	if status >= 200 && f.d.length > bufferSize {
		_ = f.FlushError()
	}
}

// Write passes on at once what an upstream has written of a body. ReverseProxy does so by itself where the length is not known; where it is,
// its FlushInterval would do it, and cost every answer a timer. The last piece goes out with the end of the answer, and a small body with its
// head, which saves a trip through the kernel each time.
func (f *answerFilter) Write(b []byte) (int, error) {
	n, err := f.exchange.Write(b)
	if err == nil && f.bytes < f.d.length {
		_ = f.FlushError()
	}
	return n, err
}
