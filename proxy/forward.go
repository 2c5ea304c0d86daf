package proxy

import (
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
	if !isASCII(r.Header.Get("Upgrade")) {
		return badRequest("its Upgrade header is not ASCII")
	}
	return p.deliver(d)
}

// deliver takes a request there and its answer back.
func (p *Proxy) deliver(d *delivery) error {
	x, r := d.x, d.in
	x.connection.patience = d.upstream.Timeout
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
	x.hurry()
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
	held     *quietConn // as conn; guarded by the upstream's spareConns
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
		if d.x.upgraded() {
			d.answer.p.metrics.webSockets.Dec()
		}
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
