package provider

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"doorward/deploy/certtest"
)

// pipes is a network of two: whoever dials talks to serve. No time passes in it but synctest's.
type pipes struct {
	serve   func(net.Conn)
	dialed  atomic.Int32
	serving sync.WaitGroup
}

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	near, far := net.Pipe()
	p.dialed.Add(1)
	p.serving.Go(func() {
		defer far.Close()
		p.serve(far)
	})
	return near, nil
}

// over makes a client whose every connection leads into the pipes.
func (p *pipes) over(t *testing.T, o Options) *client {
	t.Helper()
	a, err := newAddresses(o)
	if err != nil {
		t.Fatal(err)
	}
	c, err := newClient(o, a)
	if err != nil {
		t.Fatal(err)
	}
	ways := c.transport.(*trust).routes
	ways.direct.DialContext = p.dial
	t.Cleanup(func() {
		ways.direct.CloseIdleConnections()
		p.serving.Wait()
	})
	return c
}

const plainIssuer = "http://idp.example.com"

// drip writes a text byte by byte, one a second, again and again.
func drip(w io.Writer, text string) {
	for {
		for i := range len(text) {
			if _, err := io.WriteString(w, text[i:i+1]); err != nil {
				return
			}
			time.Sleep(time.Second)
		}
	}
}

// flood writes a text again and again.
func flood(w io.Writer, text string) {
	for {
		if _, err := io.WriteString(w, text); err != nil {
			return
		}
	}
}

// Nothing that a server does over HTTP/1.1 holds anybody up for longer than the deadline, or fills the memory.
func TestServersThatMisbehave(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	says := func(text string) func(net.Conn) {
		return func(c net.Conn) { io.WriteString(c, text); io.Copy(io.Discard, c) }
	}
	tests := map[string]struct {
		serve func(net.Conn)
		error string
		wait  time.Duration
	}{
		"silence":            {says(""), "in time", fetchTimeout},
		"a head that drips":  {func(c net.Conn) { drip(c, head+"X: y\r\n") }, "in time", fetchTimeout},
		"a head without end": {func(c net.Conn) { io.WriteString(c, head); flood(c, "X-Padding: "+strings.Repeat("x", 1000)+"\r\n") }, "exceeded 65536 bytes", 0},
		"a line without end": {func(c net.Conn) { io.WriteString(c, head+"X: "); flood(c, "xxxxxxxx") }, "exceeded 65536 bytes", 0},
		"hints without end":  {func(c net.Conn) { flood(c, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n") }, "exceeded 65536 bytes", 0},
		"hints that drip":    {func(c net.Conn) { drip(c, "HTTP/1.1 100 Continue\r\n\r\n") }, "in time", fetchTimeout},
		"another protocol":   {says("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"), "another protocol", 0},
		"a body that drips":  {func(c net.Conn) { io.WriteString(c, head+"\r\n"); drip(c, " ") }, "in time", fetchTimeout},
		"chunks that drip":   {func(c net.Conn) { io.WriteString(c, head+"Transfer-Encoding: chunked\r\n\r\n"); drip(c, "1\r\n \r\n") }, "in time", fetchTimeout},
		"a body without end": {func(c net.Conn) { io.WriteString(c, head+"\r\n"); flood(c, strings.Repeat(" ", 4096)) }, "larger than", 0},
		"chunks without end": {func(c net.Conn) {
			io.WriteString(c, head+"Transfer-Encoding: chunked\r\n\r\n")
			flood(c, "1000\r\n"+strings.Repeat(" ", 4096)+"\r\n")
		}, "larger than", 0},
		"chunks of comments": {func(c net.Conn) {
			io.WriteString(c, head+"Transfer-Encoding: chunked\r\n\r\n")
			flood(c, "1;"+strings.Repeat("x", 1000)+"\r\n \r\n")
		}, "chunked", 0},
		"a trailer that drips": {func(c net.Conn) {
			io.WriteString(c, head+"Transfer-Encoding: chunked\r\n\r\n0\r\n")
			drip(c, "X: y\r\n")
		}, "in time", fetchTimeout},
		"a body cut off":     {func(c net.Conn) { io.WriteString(c, head+"Content-Length: 9\r\n\r\n{}") }, "EOF", 0},
		"gzip unasked":       {says(head + "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}"), "nobody asked for", 0},
		"no HTTP":            {says("SSH-2.0-x\r\n"), "malformed HTTP response", 0},
		"the line goes dead": {func(net.Conn) {}, "EOF", 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &pipes{serve: func(c net.Conn) {
					if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
						test.serve(c)
					}
				}}
				c := p.over(t, Options{Issuer: plainIssuer, AllowHTTP: true})
				began := time.Now()
				_, err := c.get(t.Context(), "jwks", plainIssuer+"/jwks")
				if err == nil || !strings.Contains(err.Error(), test.error) {
					t.Errorf("got %v", err)
				}
				if took := time.Since(began); took != test.wait {
					t.Errorf("it took %s", took)
				}
				if n := p.dialed.Load(); n != 1 {
					t.Errorf("it was tried %d times", n)
				}
			})
		})
	}
}

// net/http goes on connecting when the request has been given up. That ends, too.
func TestHandshakeThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var gone atomic.Bool
		p := &pipes{serve: func(c net.Conn) {
			io.Copy(io.Discard, c)
			gone.Store(true)
		}}
		c := p.over(t, Options{Issuer: "https://idp.example.com"})
		if _, err := c.get(t.Context(), "jwks", "https://idp.example.com/jwks"); err == nil {
			t.Error("there was an answer")
		}
		time.Sleep(dialTimeout)
		synctest.Wait()
		if !gone.Load() {
			t.Error("the connection is still open")
		}
	})
}

// listener hands the far ends of pipes to an http.Server.
type listener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error   { return nil }
func (l *listener) Addr() net.Addr { return &net.TCPAddr{} }

// http2 is a client and a server that speak HTTP/2 with one another over pipes, whose far ends are led through a function.
func http2(t *testing.T, handler http.HandlerFunc, through func(net.Conn) net.Conn) (*client, *pipes) {
	t.Helper()
	ca := certtest.New(t)
	l := &listener{make(chan net.Conn), make(chan struct{})}
	server := &http.Server{Handler: handler, TLSConfig: &tls.Config{
		Certificates: []tls.Certificate{ca.Issue(2, time.Now().AddDate(100, 0, 0), "idp.example.com").TLS(t)}}}
	go server.ServeTLS(l, "", "")
	p := &pipes{serve: func(c net.Conn) {
		done := make(chan struct{})
		l.conns <- closing{through(c), done}
		<-done
	}}
	c := p.over(t, Options{Issuer: "https://idp.example.com", CA: func() string { return ca.PEM }})
	t.Cleanup(func() {
		close(l.closed)
		server.Close()
		time.Sleep(time.Minute) // until every handler has noticed
	})
	return c, p
}

// closing says when a connection was closed.
type closing struct {
	net.Conn
	done chan struct{}
}

func (c closing) Close() error {
	defer func() { recover() }() // closed before
	defer close(c.done)
	return c.Conn.Close()
}

func asIs(c net.Conn) net.Conn { return c }

// Over HTTP/2 it is the same.
func TestServersThatMisbehaveOverHTTP2(t *testing.T) {
	send := func(w http.ResponseWriter, text string, pause time.Duration, context context.Context) {
		for context.Err() == nil {
			if _, err := io.WriteString(w, text); err != nil {
				return
			}
			http.NewResponseController(w).Flush()
			time.Sleep(pause)
		}
	}
	tests := map[string]struct {
		serve http.HandlerFunc
		error string
		wait  time.Duration
	}{
		"well":    {func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Proto) }, "", 0},
		"silence": {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "in time", fetchTimeout},
		"a huge head": {func(w http.ResponseWriter, _ *http.Request) {
			for i := range 100 {
				w.Header().Set(fmt.Sprint("X-Padding-", i), strings.Repeat("x", 1000))
			}
		}, "PROTOCOL_ERROR", 0},
		"hints without end": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Link", strings.Repeat("x", 1000))
			for r.Context().Err() == nil {
				w.WriteHeader(http.StatusEarlyHints)
			}
		}, "header list too large", 0},
		"hints that drip": {func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				w.WriteHeader(http.StatusEarlyHints)
				time.Sleep(time.Second)
			}
		}, "in time", fetchTimeout},
		"a body that drips":  {func(w http.ResponseWriter, r *http.Request) { send(w, " ", time.Second, r.Context()) }, "in time", fetchTimeout},
		"a body without end": {func(w http.ResponseWriter, r *http.Request) { send(w, strings.Repeat(" ", 4096), 0, r.Context()) }, "larger than", 0},
		"gzip unasked": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			io.WriteString(w, "x")
		}, "nobody asked for", 0},
		"broken off": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "stream error", 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, p := http2(t, test.serve, asIs)
				began := time.Now()
				got, err := c.get(t.Context(), "jwks", "https://idp.example.com/jwks")
				if test.error == "" && (err != nil || string(got.body) != "HTTP/2.0") {
					t.Fatalf("got %v, %v", got, err)
				}
				if test.error != "" && (err == nil || !strings.Contains(err.Error(), test.error)) {
					t.Errorf("got %v", err)
				}
				if took := time.Since(began); took != test.wait {
					t.Errorf("it took %s", took)
				}
				if n := p.dialed.Load(); n != 1 {
					t.Errorf("it was dialled %d times", n)
				}
			})
		})
	}
}

// deaf is a connection on which, from some moment on, nothing arrives any more, and nobody says so.
type deaf struct {
	net.Conn
	since *atomic.Bool
}

func (d deaf) Read(b []byte) (int, error) {
	for {
		n, err := d.Conn.Read(b)
		if err != nil || !d.since.Load() {
			return n, err
		}
	}
}

// A connection that died without a word costs one request, not all until the system gives it up.
func TestConnectionThatDied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var first, dead atomic.Bool
		c, p := http2(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "{}") }, func(c net.Conn) net.Conn {
			if first.Swap(true) {
				return c
			}
			return deaf{c, &dead}
		})
		ask := func() error {
			_, err := c.get(t.Context(), "jwks", "https://idp.example.com/jwks")
			return err
		}
		if err := ask(); err != nil {
			t.Fatal(err)
		}
		dead.Store(true)
		time.Sleep(20 * time.Second)
		if err := ask(); err != nil {
			t.Errorf("got %v after %d connections", err, p.dialed.Load())
		}
	})
}
