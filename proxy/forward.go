package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/net/http/httpguts"

	"doorward/config"
	"doorward/proxy/access"
	"doorward/proxy/fasttransport"
)

// Rules that this file keeps:
//
//   - What was decided is what is sent: the path's own bytes, less the prefix that the upstream's strip= names, and
//     the query's own bytes.
//   - httputil.ReverseProxy with Rewrite, never Director, which runs before hop-by-hop headers are removed and so
//     lets a client's Connection header take ours away.
//   - The upstream can neither set nor clear a cookie under one of our names.
//   - An upstream's failure is told apart from a client that went away, and from a connection that was cut.

// upstream is one entry of UPSTREAMS with its connections.
type upstream struct {
	config.Upstream
	name      string
	target    *url.URL
	transport transport
	duration  prometheus.Observer // of the time to its answers
	look      func()              // at the files of its TLS; nil where it has none
}

// transport is an http.Transport, alone or with what FAST_TRANSPORT puts before it.
type transport interface {
	http.RoundTripper
	CloseIdleConnections()
}

// byVersion asks for WebSockets in HTTP/1.1, and for all else in HTTP/2.
type byVersion struct {
	*http.Transport
	first *http.Transport
}

func (v byVersion) RoundTrip(r *http.Request) (*http.Response, error) {
	if isWebSocket(r) {
		return v.first.RoundTrip(r)
	}
	return v.Transport.RoundTrip(r)
}

func (v byVersion) CloseIdleConnections() {
	v.Transport.CloseIdleConnections()
	v.first.CloseIdleConnections()
}

// newUpstream prepares the connections of an upstream. Its answers are passed on as they come (DisableCompression:
// or the Transport would unpack them), and no environment variable leads them through another proxy.
func newUpstream(entry config.Upstream, fast bool, notice func(setting string, err error)) *upstream {
	u := &upstream{Upstream: entry, name: entry.Name(), target: &url.URL{Scheme: "http", Host: entry.URL.Host}}
	dialer := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}
	standard := &http.Transport{
		DialContext:            dialer.DialContext,
		DisableCompression:     true,
		TLSHandshakeTimeout:    5 * time.Second,
		ExpectContinueTimeout:  time.Second,
		MaxIdleConnsPerHost:    512, // the default of 2 opens a connection for every other request under load
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 256 << 10,
		Protocols:              new(http.Protocols),
		// A connection of HTTP/2 that died without a word would let every request on it run into its timeout, for many minutes.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 10 * time.Second, PingTimeout: 5 * time.Second},
	}
	standard.Protocols.SetHTTP1(true)
	standard.TLSClientConfig, u.look = entry.FollowTLS(notice)
	switch entry.URL.Scheme {
	case "https":
		u.target.Scheme = "https"
		standard.Protocols.SetHTTP2(true)
	case "h2c":
		standard.Protocols.SetHTTP1(false)
		standard.Protocols.SetUnencryptedHTTP2(true)
	case "unix":
		u.target.Host = "localhost"
		standard.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", entry.URL.Path)
		}
	}
	u.transport = standard
	if entry.URL.Scheme == "h2c" { // WebSockets there are HTTP/1.1's (RFC 8441 is spoken by few)
		first := standard.Clone()
		first.Protocols = new(http.Protocols)
		first.Protocols.SetHTTP1(true)
		u.transport = byVersion{standard, first}
	}
	if fast && (entry.URL.Scheme == "http" || entry.URL.Scheme == "unix") {
		u.transport = fasttransport.New(u.target, standard)
	}
	return u
}

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
	path, err := u.pathToSend(x.path)
	if err != nil {
		return err
	}
	d := &delivery{x: x, in: r, route: route, upstream: u, path: path, who: who, body: clientBody{ReadCloser: r.Body, connection: &x.connection}}
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
	in.Body = &d.body // of a copy: net/http looks at its own request's body when it answers
	in.Header = decisive(r)
	d.proxy = p.reverseProxy(d)
	d.answer = answerFilter{d, x, p, r.ProtoAtLeast(1, 1)}
	d.proxy.ServeHTTP(&d.answer, in)
	x.dropCookieTrailers()
	d.body.giveUp(x, r)
	if d.failed == nil && x.connection.cut.Load() != nil && !x.upgraded() {
		panic(http.ErrAbortHandler) // cut at its very end: force may have put deadlines on the client's connection, which is good for nothing then
	}
	return d.failed
}

// pathToSend is the path as the upstream gets it. A prefix that is spelled otherwise than strip= names it is refused, not guessed
// at, and so is a path that cannot be sent in its own spelling.
func (u *upstream) pathToSend(path string) (string, error) {
	path, ok := u.StripPath(path)
	if !ok {
		return "", badTarget("the prefix that is to be removed is spelled in another way")
	}
	if strings.HasPrefix(path, "//") && !sameSpelling(path) {
		return "", badTarget("it begins with two slashes and holds characters that want percent-encoding")
	}
	return path, nil
}

func isASCII(text string) bool {
	return !strings.ContainsFunc(text, func(c rune) bool { return c > '~' })
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
	path     string
	failed   error

	who       *identity    // nil for nobody
	told      *description // of who
	assertion string

	length int64 // of the answer's body as the upstream says; -1 where it does not
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
// the connection, net/http would read the rest of it, which is the upstream's.
func (d *delivery) mustClose() bool {
	return d.in.ProtoMajor == 1 && (len(d.in.TransferEncoding) > 0 || d.in.ContentLength > 0 && !d.body.ended.Load())
}

// address points the outgoing request at the upstream. Opaque carries the path's own bytes where net/url would spell
// them differently; it cannot begin with two slashes, since then it would be sent as an absolute address.
func (u *upstream) address(pr *httputil.ProxyRequest, path string) {
	out := pr.Out.URL
	out.Scheme, out.Host, out.User = u.target.Scheme, u.target.Host, nil
	out.Opaque, out.Fragment, out.RawFragment = "", "", ""
	// ReverseProxy re-encodes queries that Go and others read differently. No rule here reads the query, so that
	// nothing can be smuggled past one, and the upstream gets what the client wrote.
	out.RawQuery, out.ForceQuery = pr.In.URL.RawQuery, pr.In.URL.ForceQuery
	out.Path, out.RawPath = decoded(path), path
	if out.EscapedPath() != path {
		out.Opaque = path
	}
	pr.Out.Host = pr.In.Host
	if u.Host == "upstream" {
		pr.Out.Host = ""
	}
}

// sameSpelling says whether net/url would send a path as it is spelled. Otherwise it would decode and encode it anew, and what was
// an escaped slash would become one that separates.
func sameSpelling(path string) bool {
	u := url.URL{Path: decoded(path), RawPath: path}
	return u.EscapedPath() == path
}

func decoded(path string) string {
	decoded, _ := url.PathUnescape(path) // the policy has refused bad escapes
	return decoded
}

// errBadStatus is an answer that net/http could not pass on (RFC 9110 15: from 100 to 599).
var errBadStatus = errors.New("the upstream's status is below 100")

// errUninvited is a switch of protocols that no request asked for (RFC 9110 15.2.2), or one with a body. ReverseProxy compares it with what was
// asked for, but leaves the upstream's connection open then.
var errUninvited = errors.New("the upstream switches protocols without having been asked to, or to another one, or amid a request's body")

// switches says whether a head asks for WebSocket, or answers that.
func switches(h http.Header) bool {
	return httpguts.HeaderValuesContainsToken(h["Connection"], "Upgrade") && namesWebSocket(h)
}

// isWebSocket says whether a request asks for the one upgrade that passes.
func isWebSocket(r *http.Request) bool { return namesWebSocket(r.Header) }

func namesWebSocket(h http.Header) bool {
	upgrade := h.Get("Upgrade")
	return len(upgrade) == len("websocket") && strings.EqualFold(upgrade, "websocket") // by length, since ſ folds to s
}

// upstreamFailure tells the ways of failing apart.
func (p *Proxy) upstreamFailure(d *delivery, r *http.Request, err error) error {
	if v := d.x.connection.cut.Load(); v != nil {
		return p.insteadOfAnswer(d, v)
	}
	if needed, ok := errors.AsType[*loginNeeded](err); ok {
		return needed
	}
	if d.body.broken.Load() && r.Context().Err() == nil {
		return badRequest("its body breaks off or is malformed")
	}
	reason, err := p.countFailure(d, r, err)
	switch reason {
	case "client_gone":
		return clientGone(err)
	case "timeout":
		return upstreamTimeout(err)
	}
	return upstreamDown(reason, err)
}

// countFailure tells the metric that an upstream failed a request, and gives the reason, and what the log may be told of it.
func (p *Proxy) countFailure(d *delivery, r *http.Request, err error) (reason string, told error) {
	reason = failureReason(r, err)
	p.metrics.upstreamErrors.WithLabelValues(d.x.upstream, reason).Inc()
	return reason, errors.New(unquoted(err.Error()))
}

// failureReason is one of the fixed words in failureReasons.
func failureReason(r *http.Request, err error) string {
	var network net.Error
	var operation *net.OpError
	switch {
	case errors.Is(err, errOverdue):
		return "timeout"
	case r.Context().Err() != nil:
		return "client_gone"
	case errors.As(err, &network) && network.Timeout():
		return "timeout"
	case errors.As(err, &operation) && operation.Op == "dial":
		return "connect"
	case isTLS(err):
		return "tls"
	case errors.As(err, &operation), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection_lost"
	}
	return "bad_answer"
}

// isTLS says whether an upstream is not to be trusted, does not trust doorward, or speaks no TLS.
func isTLS(err error) bool {
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	_, none := errors.AsType[tls.RecordHeaderError](err)
	operation, _ := errors.AsType[*net.OpError](err)
	alert := operation != nil && (operation.Op == "remote error" || operation.Op == "local error") // as crypto/tls names them
	return untrusted || none || alert || errors.Is(err, http.ErrSchemeMismatch)
}

func failureReasons() []string {
	return []string{"client_gone", "timeout", "connect", "tls", "connection_lost", "bad_answer"}
}

// upstreamBody notes that an upstream broke off amid its answer: httputil.ReverseProxy ends the client's connection then, and says no more.
type upstreamBody struct {
	io.ReadCloser
	d *delivery
	p *Proxy
}

func (b *upstreamBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF && !b.d.clientGaveUp() && b.d.x.connection.cut.Load() == nil {
		b.p.brokeOff(b.d, err)
	}
	return n, err
}

// clientGaveUp says whether it is the client's doing that an exchange ends early.
func (d *delivery) clientGaveUp() bool { return d.in.Context().Err() != nil || d.body.broken.Load() }

// brokeOff tells log and metrics that an upstream broke off amid its answer.
func (p *Proxy) brokeOff(d *delivery, err error) {
	d.x.reason, d.x.cause = p.countFailure(d, d.in, err)
	p.event(d.x, d.in, "upstream_error")
}

// clientBody notes that a request's body could not be read: the client's fault, which the Transport reports like the upstream's. It
// notes that bytes have passed, too. And it gives io.EOF each time once it has ended: the Transport reads again after the end, and if the answer
// is there by then, net/http says that the body is closed, for which the Transport would end the connection in the middle of the answer.
type clientBody struct {
	io.ReadCloser
	connection    *connection
	reading       sync.Mutex
	ended, broken atomic.Bool
}

func (b *clientBody) Read(p []byte) (int, error) {
	b.reading.Lock()
	defer b.reading.Unlock()
	if b.ended.Load() {
		return 0, io.EOF
	}
	b.connection.awaitClient()
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		b.connection.move()
	}
	switch err {
	case nil:
		b.connection.awaitAnswer() // or that the upstream takes this, and more is asked for
	case io.EOF:
		b.ended.Store(true)
		b.connection.awaitAnswer()
	default:
		b.broken.Store(true)
	}
	return n, err
}

// giveUp is for a body that the upstream did not wait for: whoever still reads it is stopped, and the client gets a moment to send the
// rest, for which net/http would wait for ever. The connection ends with it.
func (b *clientBody) giveUp(x *exchange, r *http.Request) {
	if b.ended.Load() || r.ContentLength == 0 || r.ProtoMajor != 1 {
		return
	}
	client := http.NewResponseController(x)
	_ = client.SetReadDeadline(time.Unix(1, 0))
	b.reading.Lock() // net/http takes the deadline away again while somebody reads
	defer b.reading.Unlock()
	_ = client.SetReadDeadline(time.Now().Add(maxBodyWait))
}

// RoundTrip asks the upstream, and measures the time to its answer.
func (d *delivery) RoundTrip(r *http.Request) (*http.Response, error) {
	d.x.trace.ask(d, r)
	begin := time.Now()
	answer, err := d.ask(r)
	d.x.upstreamTime = time.Since(begin)
	d.upstream.duration.Observe(d.x.upstreamTime.Seconds())
	d.x.trace.answered(r, answer, err)
	return answer, err
}

// ask waits for the head of the answer for so long as the upstream may take.
func (d *delivery) ask(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		d.x.connection.awaitAnswer() // else at its end
	}
	answer, err := d.upstream.transport.RoundTrip(r)
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
		f.d.keepPrivate(status, h)
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

// A large body goes through larger buffers, and less often through the kernel: with 1 MiB that is about a twentieth of the time.
const bufferSize, largeBufferSize = 32 << 10, 128 << 10

// buffers is the memory that bodies are copied through.
type buffers struct{ usual, large sync.Pool }

func newBuffers() *buffers {
	return &buffers{
		usual: sync.Pool{New: func() any { return new([bufferSize]byte) }},
		large: sync.Pool{New: func() any { return new([largeBufferSize]byte) }},
	}
}

// lender lends ReverseProxy what one answer is to be copied through.
type lender struct {
	*buffers
	to *delivery
}

func (l lender) Get() []byte {
	if l.to.length < 2*largeBufferSize {
		return l.usual.Get().(*[bufferSize]byte)[:]
	}
	return l.large.Get().(*[largeBufferSize]byte)[:]
}

func (l lender) Put(buffer []byte) {
	if len(buffer) == bufferSize {
		l.usual.Put((*[bufferSize]byte)(buffer))
	} else {
		l.large.Put((*[largeBufferSize]byte)(buffer))
	}
}
