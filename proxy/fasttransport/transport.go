// Package fasttransport asks an upstream on the goroutine of whoever asks. http.Transport hands each request to one
// goroutine of its own and waits for another; that is a sixth and more of what a request through doorward costs (deploy/benchmark).
//
// A [Transport] takes GET and HEAD without a body, and with a head of some KiB, over HTTP/1.1 in the clear, and leaves everything else,
// untouched, to an http.Transport. To the caller there is one difference: answers before the answer (1xx) and its own head have MaxResponseHeaderBytes
// together, and not each, so that no upstream talks for ever.
//
// Connections are idle here or there, and neither uses the other's. An upstream that has a worker for each connection may have none for one more, so
// neither opens one while the other has one to spare: before the http.Transport dials, the one that is idle here for longest is closed, and a Transport
// leaves its request to the http.Transport where that has one.
//
// Rules that this package keeps. An answer that reaches another's request would be the worst that it could do, so:
//
//   - A connection is used again only after an answer whose head leaves no doubt where it ends: frame.go reads it a
//     second time, more strictly than net/http, and both must agree. Doubt changes nothing about the answer; it ends the connection.
//   - And only after the caller has read that answer to its end, where it ended without trailers, and nothing stood behind it.
//   - And only if its socket is silent at the moment before the next request is written. On systems where this
//     cannot be asked, all requests go to the http.Transport.
//   - What an answer should not have is not waited for: after HEAD, 204 and 304 a connection is used again only where
//     the head announces no body, since some upstreams send one all the same.
//   - A request that ends early (by its context, or Close before the end of the body) ends the connection. Nothing is drained.
//   - Each exchange has a body of its own, and ownership of the connection passes from it once: whatever is done to a body
//     afterwards, by whomever, touches no connection.
//   - Only what is certain to be one request is written (request.go); what http.Transport would mend or refuse, it may.
//   - A request is repeated once at most, on a new connection, where its old one ended before the first byte of an answer.
//
// What an upstream sends after a request could have reached it is the answer to that request: no client of HTTP/1.1 can tell.
package fasttransport

import (
	"context"
	"errors"
	"math"
	"net"
	"net/http"
	"net/url"
	"sync"
)

// Transport is an http.RoundTripper for one upstream. Of the hooks of net/http/httptrace it calls Got1xxResponse alone,
// and it looks neither at the deprecated Request.Cancel nor at the http.Transport's ResponseHeaderTimeout: time is the
// request's context's to bound.
type Transport struct {
	other         *http.Transport
	dial          func(ctx context.Context, network, address string) (net.Conn, error)
	spare         func() bool // says whether other has a connection that is to be used before there is a new one
	host, address string
	maxHeader     int64
	idle          pool
	heads         sync.Pool // of *[]byte
}

// New makes a Transport for the upstream at target, an http URL. It dials as other does, has its limits (DialContext,
// MaxResponseHeaderBytes, MaxIdleConnsPerHost and IdleConnTimeout must be set, and DisableCompression, since it never unpacks),
// and leaves to it what it does not take, and what it can send without a new connection where this cannot: spare says whether other has one
// to be used first. Whenever other dials, an idle connection of this Transport's is closed.
func New(target *url.URL, other *http.Transport, spare func() bool) *Transport {
	port := target.Port()
	if port == "" {
		port = "80"
	}
	t := &Transport{
		other:     other,
		dial:      other.DialContext,
		spare:     spare,
		host:      target.Host,
		address:   net.JoinHostPort(target.Hostname(), port),
		maxHeader: other.MaxResponseHeaderBytes,
		idle:      pool{most: other.MaxIdleConnsPerHost, patience: other.IdleConnTimeout},
	}
	other.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		t.idle.giveWay()
		return t.dial(ctx, network, address)
	}
	return t
}

// CloseIdleConnections closes what is idle, here and in the http.Transport.
func (t *Transport) CloseIdleConnections() {
	t.idle.close()
	t.other.CloseIdleConnections()
}

// RoundTrip asks the upstream.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if !CanListen || !t.takes(r) {
		return t.other.RoundTrip(r)
	}
	head, ok := t.heads.Get().(*[]byte)
	if !ok {
		head = new([]byte)
	}
	defer t.heads.Put(head)
	if *head, ok = appendHead((*head)[:0], r); !ok {
		return t.other.RoundTrip(r)
	}
	return t.ask(r, *head)
}

// takes says whether a request, its header apart, is one of those that this Transport is for.
func (t *Transport) takes(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) &&
		(r.Body == nil || r.Body == http.NoBody) && r.ContentLength == 0 && len(r.TransferEncoding) == 0 && len(r.Trailer) == 0 && !r.Close &&
		r.Header != nil && r.URL != nil && r.URL.Scheme == "http" && r.URL.Host == t.host
}

// errNotSilent is a connection on which something arrived before the request was written.
var errNotSilent = errors.New("the upstream closed the connection, or spoke, before it was asked")

// ask sends a request on an idle connection, the http.Transport's where there is none here, or on a new one where there is none at all, or where the
// idle one turns out to be lost.
func (t *Transport) ask(r *http.Request, head []byte) (*http.Response, error) {
	ctx := r.Context()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	for c := t.idle.take(); c != nil; c = t.idle.take() {
		answer, err := t.askOn(c, r, head)
		switch {
		case err == errNotSilent:
			continue
		case err == nil || ctx.Err() != nil || c.answered:
			return answer, err
		}
		return t.askAnew(r, head)
	}
	if t.spare() {
		return t.other.RoundTrip(r)
	}
	return t.askAnew(r, head)
}

// askAnew sends a request on a new connection.
func (t *Transport) askAnew(r *http.Request, head []byte) (*http.Response, error) {
	c, err := t.connect(r.Context())
	if err != nil {
		return nil, causeOf(r.Context(), err)
	}
	return t.askOn(c, r, head)
}

func (t *Transport) connect(ctx context.Context) (*connection, error) {
	conn, err := t.dial(ctx, "tcp", t.address)
	if err != nil {
		return nil, err
	}
	return newConnection(conn)
}

// askOn sends a request on a connection. Either the connection is closed when it returns, or it belongs to the answer's body, or it
// is idle again.
func (t *Transport) askOn(c *connection, r *http.Request, head []byte) (*http.Response, error) {
	x := &exchange{connection: c, idle: &t.idle, ctx: r.Context(), certain: true}
	x.unwatch = context.AfterFunc(x.ctx, c.abort)
	answer, err := t.converse(x, r, head)
	if err != nil {
		_ = x.Close()
		return nil, causeOf(x.ctx, err)
	}
	x.answer = answer
	if answer.Body == http.NoBody {
		x.release() // nobody has x
		return answer, nil
	}
	x.body, answer.Body = answer.Body, x
	return answer, nil
}

// converse writes a request and reads the head of its answer, within the bytes that there are for it.
func (t *Transport) converse(x *exchange, r *http.Request, head []byte) (*http.Response, error) {
	c := x.connection
	c.allowance, c.answered = t.maxHeader, false
	if !c.silent() {
		return nil, errNotSilent
	}
	if _, err := c.conn.Write(head); err != nil {
		return nil, err
	}
	answer, err := x.readAnswer(r)
	if c.allowance <= 0 && err != nil {
		return nil, errTooLong // whatever was made of the half line at the end
	}
	if err != nil {
		return nil, err
	}
	c.allowance = math.MaxInt64
	return answer, nil
}

// causeOf is why something ended: where ctx has, because of that, whatever it looks like.
func causeOf(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
