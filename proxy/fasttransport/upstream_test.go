//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package fasttransport_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"doorward/proxy/fasttransport"
)

// upstream is a listener whose connections a test serves byte for byte.
type upstream struct {
	t   testing.TB
	URL *url.URL

	listener net.Listener
	serving  sync.WaitGroup
	mu       sync.Mutex
	conns    []*visit
}

// visit is a connection of a client's.
type visit struct {
	*net.TCPConn
	number   int // from 1
	requests *bufio.Reader
	gone     chan struct{} // closed when it has been served
}

// newUpstream serves each connection with serve, and closes it afterwards.
func newUpstream(t testing.TB, serve func(*visit)) *upstream {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u := &upstream{t: t, URL: &url.URL{Scheme: "http", Host: listener.Addr().String()}, listener: listener}
	u.serving.Go(func() { u.accept(serve) })
	t.Cleanup(u.close)
	return u
}

func (u *upstream) accept(serve func(*visit)) {
	for {
		conn, err := u.listener.Accept()
		if err != nil {
			return
		}
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		u.mu.Lock()
		v := &visit{conn.(*net.TCPConn), len(u.conns) + 1, bufio.NewReader(conn), make(chan struct{})}
		u.conns = append(u.conns, v)
		u.mu.Unlock()
		u.serving.Go(func() {
			defer close(v.gone)
			defer conn.Close()
			serve(v)
		})
	}
}

func (u *upstream) close() {
	_ = u.listener.Close()
	for _, v := range u.visits() {
		_ = v.Close()
	}
	u.serving.Wait()
}

// visits are the connections so far.
func (u *upstream) visits() []*visit {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]*visit(nil), u.conns...)
}

// next reads a request up to the end of its head, false when the connection has ended.
func (v *visit) next() (head string, ok bool) {
	var text strings.Builder
	for {
		line, err := v.requests.ReadString('\n')
		if err != nil {
			return "", false
		}
		text.WriteString(line)
		if line == "\r\n" {
			return text.String(), true
		}
	}
}

func (v *visit) say(text string) { _, _ = io.WriteString(v, text) }

// reset ends a connection as a program does that has crashed.
func (v *visit) reset() {
	_ = v.SetLinger(0)
	_ = v.Close()
}

// ours is the Transport under test, standard what it is to be like.
func (u *upstream) ours() *fasttransport.Transport {
	transport := fasttransport.New(u.URL, u.standard(), none)
	u.t.Cleanup(transport.CloseIdleConnections)
	return transport
}

func (u *upstream) standard() *http.Transport {
	standard := newStandard()
	u.t.Cleanup(standard.CloseIdleConnections)
	return standard
}

// reply is an answer that was read to its end, or what came instead.
type reply struct {
	*http.Response
	body string
	err  error
}

// ask makes a request and reads the answer.
func ask(transport http.RoundTripper, r *http.Request) reply {
	answer, err := transport.RoundTrip(r)
	if err != nil {
		return reply{err: err}
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return reply{answer, string(body), err}
}

func (u *upstream) request(ctx context.Context, method, path string) *http.Request {
	r, err := http.NewRequestWithContext(ctx, method, u.URL.String()+path, nil)
	if err != nil {
		u.t.Fatal(err)
	}
	return r
}

func (u *upstream) get(transport http.RoundTripper) reply {
	return ask(transport, u.request(u.t.Context(), http.MethodGet, "/"))
}

// String is what two transports must agree on.
func (r reply) String() string {
	if r.Response == nil {
		return "refused: " + kind(r.err)
	}
	return fmt.Sprintf("%s %q %v length %d, encoding %q, close %v, trailer %v, body %.200q of %d, then %s",
		r.Proto, r.Status, r.Header, r.ContentLength, r.TransferEncoding, r.Close, r.Trailer, r.body, len(r.body), kind(r.err))
}

// kind tells errors apart as doorward's log and metrics do.
func kind(err error) string {
	var network net.Error
	var operation *net.OpError
	switch {
	case err == nil:
		return "nothing"
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.As(err, &network) && network.Timeout():
		return "timeout"
	case errors.As(err, &operation) && operation.Op == "dial":
		return "connect"
	case errors.As(err, &operation):
		return "connection lost"
	}
	return "bad answer"
}

// good is an answer that leaves no doubt.
func good(body string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// none says that the http.Transport has no idle connection.
func none() bool { return false }
