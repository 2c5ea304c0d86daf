package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"doorward/proxy/fasttransport"
)

// An upstream that says more than its answer has room for (a second answer, a body after HEAD or 204) must not have the surplus taken for the
// answer to somebody else's request. http.Transport notices what it has read before it gives the connection to the next one, or what
// arrives while nobody has it; but it offers a connection to others, and only then looks whether anything is left (net/http's readLoop), and whoever
// is faster than that look gets the surplus as an answer. So a connection that has served is used again only when the Transport waits for bytes on it
// and none are in the socket: then it has used up all that there was.
//
//   - What arrives from then on, and before the request is written, is nobody's answer either.
//   - In TLS a record that has begun is waited for. Whoever speaks there too early may only have said goodbye, and is not blamed.
//   - HTTP/2 numbers its answers, and is left alone.
//   - FAST_TRANSPORT asks the socket by itself (fasttransport).
//   - What arrives after a request could have reached the upstream is the answer to that: no client of HTTP/1.1 can tell.

// quietPatience is how long the Transport may take from offering a connection to waiting on it, which is a few instructions, unless the rest of a
// record of TLS is on its way.
const quietPatience = time.Second

var (
	// errSurplus is what an upstream said without having been asked.
	errSurplus = errors.New("the upstream spoke before it was asked")
	// errNotQuiet keeps a request from being written. More often than not it is an end that has arrived.
	errNotQuiet = fmt.Errorf("the upstream closed the connection, or spoke, before it was asked: %w", io.EOF)
)

// socket is what every dialer of ours gives. WebSockets close half of it.
type socket interface {
	net.Conn
	syscall.Conn
	CloseWrite() error
}

// quietConn is a connection to an upstream that knows whether anybody waits for its bytes. One goroutine at a time reads from it.
type quietConn struct {
	socket
	raw     syscall.RawConn
	secured bool
	given   bool                     // to a request, of which one at a time has it
	spare   *spareConns              // of its upstream; nil where nobody asks for them
	quiet   chan struct{}            // holds a token while the reader waits, and the socket was empty
	taken   atomic.Pointer[delivery] // who has taken the token, and has not been written yet: whatever comes now is nobody's
	sending atomic.Pointer[sending]  // the body that goes over it; nil for none
	closed  atomic.Bool

	// The reader's own.
	read    func(fd uintptr) (done bool) // is receive
	into    []byte
	n       int
	err     error
	waiting bool // has put the token there
	records records

	// The writer's own.
	look  func(fd uintptr) // is lookInside
	empty bool             // the socket, not even an end is there
}

// dial is as in [http.Transport.DialContext].
type dial func(ctx context.Context, network, address string) (net.Conn, error)

// quietly makes a dialer's connections quietConns, where a socket can be asked what is in it. Those that are secured speak TLS. Those that nobody has
// count among the spare ones, unless these are nil.
func quietly(secured bool, spare *spareConns, dial dial) dial {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		bare, ok := conn.(socket)
		if err != nil || !ok || !fasttransport.CanListen {
			return conn, err
		}
		raw, err := bare.SyscallConn()
		if err != nil {
			return nil, err
		}
		c := &quietConn{socket: bare, raw: raw, secured: secured, spare: spare, quiet: make(chan struct{}, 1)}
		c.read, c.look = c.receive, c.lookInside
		spare.add(c)
		return c, nil
	}
}

func (c *quietConn) Read(b []byte) (int, error) {
	c.into, c.n, c.err = b, 0, nil
	err := c.raw.Read(c.read)
	c.into = nil
	if err != nil {
		return 0, err
	}
	if c.err == errSurplus || c.err == errNotQuiet {
		_ = c.Close() // not before: it waits for those who use the socket
	}
	return c.n, c.err
}

// receive reads what is in the socket, or says that it waits. Whether a request has taken the token is asked before bytes leave the socket, since
// whoever writes looks there: what the token is back for has come after that look, and while it is not, what is there stays there.
func (c *quietConn) receive(fd uintptr) (done bool) {
	due := c.stopWaiting()
	if !due {
		if fasttransport.Silent(fd) {
			return false // the reader was woken for what it has read already
		}
		due = c.stopWaiting()
	}
	n, err := receive(fd, c.into, !due)
	switch {
	case errors.Is(err, syscall.EAGAIN):
		c.waiting = !c.records.within()
		if c.waiting && due {
			c.put()
		}
		return false
	case err != nil:
		c.err = &net.OpError{Op: "read", Net: c.RemoteAddr().Network(), Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: os.NewSyscallError("read", err)}
	case n == 0 && len(c.into) > 0:
		c.err = io.EOF
	case !due:
		c.err = errSurplus
		if c.secured {
			c.err = errNotQuiet
		}
	default:
		c.n = n
	}
	if c.secured {
		c.records.pass(c.into[:c.n])
	}
	return true
}

// stopWaiting takes the token back, and says whether that was possible: whether no request has it that has yet to be written.
func (c *quietConn) stopWaiting() (due bool) {
	if !c.waiting {
		return true
	}
	select {
	case <-c.quiet:
		c.waiting = false
		return true
	default:
		return false
	}
}

func (c *quietConn) Write(b []byte) (int, error) {
	if c.taken.Load() != nil {
		c.empty = false
		if err := c.raw.Control(c.look); err != nil || !c.empty {
			_ = c.Close()
			return 0, errNotQuiet
		}
		c.taken.Store(nil)
		c.put()
	}
	return c.socket.Write(b)
}

func (c *quietConn) lookInside(fd uintptr) { c.empty = fasttransport.Silent(fd) }

// Close also tells whoever waits for the token, or for a client that is to send more.
func (c *quietConn) Close() error {
	err := c.socket.Close()
	c.put()
	c.spare.remove(c)
	c.closed.Store(true)
	c.endSending()
	return err
}

// endSending has nobody wait for more of what cannot be sent any more. Where nothing was written, it will be sent again when there is more.
func (c *quietConn) endSending() {
	s := c.sending.Swap(nil)
	if s == nil {
		return
	}
	_ = s.Close()
	if c.taken.Load() == nil {
		s.body.breakOff(s)
	}
}

// sends notes whose body is to go over a connection, even if it is closed already.
func (c *quietConn) sends(s *sending) {
	c.sending.Store(s)
	if c.closed.Load() {
		c.endSending()
	}
}

func (c *quietConn) put() {
	select {
	case c.quiet <- struct{}{}:
	default:
	}
}

// take waits until the reader does. Where it does not, because it has found something, or for whatever reason, the connection is closed. A request
// that was given up before it was written has left the token to the next one.
func (c *quietConn) take(by *delivery) {
	defer c.taken.Store(by)
	if c.taken.Load() != nil {
		return
	}
	select {
	case <-c.quiet:
	default:
		patience := time.NewTimer(quietPatience)
		defer patience.Stop()
		select {
		case <-c.quiet:
		case <-patience.C:
			_ = c.Close()
		}
	}
}

// records counts where the records of TLS end (RFC 8446 5.1).
type records struct {
	header [5]byte
	known  int // bytes of the header
	left   int // bytes of what it announces
}

// within says whether a record has begun, and not ended.
func (r *records) within() bool { return r.known > 0 }

func (r *records) pass(b []byte) {
	for len(b) > 0 {
		if r.known < len(r.header) {
			n := copy(r.header[r.known:], b)
			r.known, b = r.known+n, b[n:]
			r.left = int(r.header[3])<<8 | int(r.header[4])
		}
		n := min(r.left, len(b))
		if r.known == len(r.header) {
			r.left, b = r.left-n, b[n:]
			if r.left == 0 {
				r.known = 0
			}
		}
	}
}

// onlyWhenQuiet has a request wait until the connection that it was given is quiet. ReverseProxy has put a trace into its context already.
func (d *delivery) onlyWhenQuiet(r *http.Request) *http.Request {
	trace := httptrace.ContextClientTrace(r.Context())
	if trace == nil {
		trace = &httptrace.ClientTrace{}
		r = r.WithContext(httptrace.WithClientTrace(r.Context(), trace))
	}
	trace.GotConn = d.awaitQuiet
	d.upstream.spare.watch(trace, d)
	return r
}

func (d *delivery) awaitQuiet(got httptrace.GotConnInfo) {
	d.conn = nil
	c, ok := belowTLS(got.Conn).(*quietConn)
	second := d.inHTTP2(got.Conn)
	if d.in.ProtoMajor == 2 {
		d.x.connection.mayBeSilent.Store(second)
	}
	shared := second || !ok // HTTP/1.1 on Windows
	sending := d.body.given(shared)
	if shared {
		if d.shared++; d.shared > maxShared {
			d.x.connection.cancel()
		}
		return // many requests at a time
	}
	d.conn = c
	c.spare.give(c, d)
	c.sends(sending)
	if c.given { // got.Reused also is a connection that was only kept, where tickets of TLS may yet arrive
		c.take(d)
	}
	c.given = true
}

// inHTTP2 says whether the upstream is asked in HTTP/2 over a connection.
func (d *delivery) inHTTP2(conn net.Conn) bool {
	if secured, ok := conn.(*tls.Conn); ok {
		return secured.ConnectionState().NegotiatedProtocol == "h2"
	}
	return d.upstream.URL.Scheme == "h2c" && !isWebSocket(d.in) // as byVersion has it
}
