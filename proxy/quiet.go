package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"syscall"
	"time"
)

// An upstream that says more than its answer has room for (a second answer, a body after HEAD or 204) must not have the surplus taken for the
// answer to somebody else's request. http.Transport notices what it has read before it gives the connection to the next one, or what
// arrives while nobody has it; but it offers a connection to others, and only then looks whether anything is left (net/http's readLoop), and whoever
// is faster than that look gets the surplus as an answer. So a connection that has served is used again only when the Transport waits for bytes on it:
// then it has used up all that it had.
//
//   - On a connection in the clear what arrives from then on, and before the request is written, is nobody's answer either. In TLS it may be
//     a message of the protocol's own.
//   - HTTP/2 numbers its answers, and is left alone.
//   - FAST_TRANSPORT asks the socket by itself (fasttransport).
//   - What arrives after a request could have reached the upstream is the answer to that: no client of HTTP/1.1 can tell.

// quietPatience is how long the Transport may take from offering a connection to waiting on it, which are a few instructions.
const quietPatience = time.Second

// errSurplus is what an upstream said without having been asked.
var errSurplus = errors.New("the upstream spoke before it was asked")

// socket is what every dialer of ours gives. WebSockets close half of it, and FAST_TRANSPORT listens on it.
type socket interface {
	net.Conn
	syscall.Conn
	CloseWrite() error
}

// quietConn is a connection to an upstream that knows whether anybody waits for its bytes. One goroutine at a time reads from it.
type quietConn struct {
	socket
	quiet chan struct{} // holds a token while the reader waits for bytes that may come
	taken atomic.Bool   // the token, by a request that has not been written yet: whatever comes now is nobody's
}

// quietly makes a dialer's connections quietConns.
func quietly(dial func(ctx context.Context, network, address string) (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if plain, ok := conn.(socket); ok {
			conn = &quietConn{socket: plain, quiet: make(chan struct{}, 1)}
		}
		return conn, err
	}
}

func (c *quietConn) Read(b []byte) (int, error) {
	c.put()
	n, err := c.socket.Read(b)
	select {
	case <-c.quiet:
	default:
		if n > 0 {
			_ = c.Close()
			return 0, errSurplus
		}
	}
	return n, err
}

func (c *quietConn) Write(b []byte) (int, error) {
	c.putBack()
	return c.socket.Write(b)
}

// Close also tells whoever waits for the token.
func (c *quietConn) Close() error {
	err := c.socket.Close()
	c.put()
	return err
}

// take waits until the reader does. Where it does not, because it has found something, or for whatever reason, the connection is closed.
func (c *quietConn) take() {
	select {
	case <-c.quiet:
	case <-time.After(quietPatience):
		_ = c.Close()
	}
	c.taken.Store(true)
}

func (c *quietConn) putBack() {
	if c.taken.Swap(false) {
		c.put()
	}
}

func (c *quietConn) put() {
	select {
	case c.quiet <- struct{}{}:
	default:
	}
}

// onlyWhenQuiet has a request wait until the connection that it was given is quiet. ReverseProxy has put a trace into its context already.
func onlyWhenQuiet(r *http.Request) *http.Request {
	if trace := httptrace.ContextClientTrace(r.Context()); trace != nil {
		trace.GotConn = awaitQuiet
		return r
	}
	return r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{GotConn: awaitQuiet}))
}

func awaitQuiet(got httptrace.GotConnInfo) {
	conn := got.Conn
	secured, isTLS := conn.(*tls.Conn)
	if isTLS {
		conn = secured.NetConn()
	}
	c, ok := conn.(*quietConn)
	if !ok || !got.Reused || isTLS && secured.ConnectionState().NegotiatedProtocol == "h2" {
		return
	}
	c.take()
	if isTLS {
		c.putBack()
	}
}
