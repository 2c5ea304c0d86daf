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

// What the one who reads from a connection does. All but the first two are for a connection that a request was given, and has not been
// written to yet.
const (
	working   = iota // with what was read
	listening        // waits for bytes
	awaited          // works, and somebody waits until it listens
	unasked          // waits for bytes, of which none are due
)

// quietConn is a connection to an upstream that knows whether anybody waits for its bytes. One goroutine at a time reads from it.
type quietConn struct {
	net.Conn
	reader atomic.Int32
	heard  chan struct{} // tells whoever waits that the reader listens, or that the connection is closed
}

// quietly makes a dialer's connections quietConns.
func quietly(dial func(ctx context.Context, network, address string) (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &quietConn{Conn: conn, heard: make(chan struct{}, 1)}, nil
	}
}

func (c *quietConn) Read(b []byte) (int, error) {
	if !c.reader.CompareAndSwap(working, listening) {
		c.reader.Store(unasked)
		c.wake()
	}
	n, err := c.Conn.Read(b)
	if c.reader.Swap(working) == unasked && n > 0 {
		_ = c.Conn.Close()
		return 0, errSurplus
	}
	return n, err
}

func (c *quietConn) Write(b []byte) (int, error) {
	c.reader.CompareAndSwap(unasked, listening)
	return c.Conn.Write(b)
}

func (c *quietConn) Close() error {
	err := c.Conn.Close()
	c.wake()
	return err
}

// CloseWrite says that there is no more to come, which WebSockets do.
func (c *quietConn) CloseWrite() error {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok {
		return http.ErrNotSupported
	}
	return half.CloseWrite()
}

// SyscallConn gives the socket, which FAST_TRANSPORT listens on.
func (c *quietConn) SyscallConn() (syscall.RawConn, error) {
	socket, ok := c.Conn.(syscall.Conn)
	if !ok {
		return nil, http.ErrNotSupported
	}
	return socket.SyscallConn()
}

func (c *quietConn) wake() {
	select {
	case c.heard <- struct{}{}:
	default:
	}
}

// await waits until the reader listens. Where it does not, because it has found something, or for whatever reason, the connection is closed.
func (c *quietConn) await() {
	for !c.reader.CompareAndSwap(working, awaited) {
		if c.reader.CompareAndSwap(listening, unasked) {
			return
		}
	}
	patience := time.NewTimer(quietPatience)
	defer patience.Stop()
	select {
	case <-c.heard:
	case <-patience.C:
		_ = c.Close()
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
	if !got.Reused {
		return
	}
	conn := got.Conn
	secured, isTLS := conn.(*tls.Conn)
	if isTLS {
		conn = secured.NetConn()
	}
	if quiet, ok := conn.(*quietConn); ok && !(isTLS && secured.ConnectionState().NegotiatedProtocol == "h2") {
		quiet.await()
		if isTLS {
			quiet.reader.CompareAndSwap(unasked, listening)
		}
	}
}
