//go:build unix

package fasttransport

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// upstream writes exactly what a test makes it write.
type upstream struct {
	net.Listener
	opened atomic.Int64 // connections, so far
}

// newUpstream serves each connection by serve, which gets the number of the connection, from 1 on.
func newUpstream(t testing.TB, serve func(conn net.Conn, in *bufio.Reader, n int)) *upstream {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u := &upstream{Listener: listener}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			n := int(u.opened.Add(1))
			go func() {
				defer conn.Close()
				serve(conn, bufio.NewReader(conn), n)
			}()
		}
	}()
	return u
}

// script answers every request with the same bytes, and leaves it to the client to end the connection.
func script(answer string) func(net.Conn, *bufio.Reader, int) {
	return func(conn net.Conn, in *bufio.Reader, _ int) {
		for request(in) != "" {
			if _, err := io.WriteString(conn, answer); err != nil {
				return
			}
		}
	}
}

// request reads the head of a request; "" at the end.
func request(in *bufio.Reader) string {
	var head strings.Builder
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return ""
		}
		head.WriteString(line)
		if line == "\r\n" {
			return head.String()
		}
	}
}

// transport asks an upstream, and nobody else.
func (u *upstream) transport(t testing.TB) *Transport {
	t.Helper()
	dialer := &net.Dialer{}
	tr := &Transport{
		Dial: func(ctx context.Context) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", u.Addr().String())
		},
		Fallback:      refuse{},
		HeaderTimeout: 10 * time.Second, MaxHeaderBytes: 64 << 10, MaxIdle: 64, IdleTimeout: time.Minute,
	}
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

// refuse is for tests in which nothing is to be left to another transport.
type refuse struct{}

var errLeft = errors.New("left to another transport")

func (refuse) RoundTrip(*http.Request) (*http.Response, error) { return nil, errLeft }

func get(t testing.TB, method string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://app.example.com/x?y=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// said is an answer with its body, or the error of either.
func said(answer *http.Response, err error) (string, error) {
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return string(body), err
}

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// After each of these answers the next request must have a connection of its own, or, where that is said, may have the same.
func TestWhenAConnectionIsUsedAgain(t *testing.T) {
	filler := strings.Repeat("x", answerBuffer)
	for name, c := range map[string]struct {
		answer string
		body   string
		again  bool
		method string
	}{
		"a definite length":           {ok, "ok", true, "GET"},
		"chunks":                      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "ok", true, "GET"},
		"chunks and a trailer":        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: A\r\n\r\n2\r\nok\r\n0\r\nA: b\r\n\r\n", "ok", true, "GET"},
		"nothing":                     {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "", true, "GET"},
		"no content":                  {"HTTP/1.1 204 No Content\r\n\r\n", "", true, "GET"},
		"not modified":                {"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "", true, "GET"},
		"a head":                      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "", true, "HEAD"},
		"the end of the connection":   {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", "ok", false, "GET"},
		"HTTP/1.0":                    {"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", "ok", false, "GET"},
		"surplus bytes":               {ok + "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", "ok", false, "GET"},
		"a line too many":             {ok + "\r\n", "ok", false, "GET"},
		"surplus behind chunks":       {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nx", "", false, "GET"},
		"a body behind a head":        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "", false, "HEAD"},
		"a body behind no content":    {"HTTP/1.1 204 No Content\r\n\r\nok", "", false, "GET"},
		"a length and chunks":         {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "ok", false, "GET"},
		"chunks and a length":         {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n", "ok", false, "GET"},
		"the length twice":            {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", "ok", false, "GET"},
		"a blank before the colon":    {"HTTP/1.1 200 OK\r\nX: y\r\nContent-Length : 2\r\nContent-Length: 2\r\n\r\nok", "ok", false, "GET"},
		"lines without CR":            {"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", "ok", false, "GET"},
		"one line without CR":         {"HTTP/1.1 200 OK\r\nX: y\nContent-Length: 2\r\n\r\nok", "ok", false, "GET"},
		"a folded line":               {"HTTP/1.1 200 OK\r\nX: y\r\n Content-Length: 9\r\nContent-Length: 2\r\n\r\nok", "ok", false, "GET"},
		"an odd name":                 {"HTTP/1.1 200 OK\r\nX(: y\r\nContent-Length: 2\r\n\r\nok", "", false, "GET"},
		"an informational answer":     {"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + ok, "ok", false, "GET"},
		"a head that does not fit":    {"HTTP/1.1 200 OK\r\nX: " + filler + "\r\nContent-Length: 2\r\n\r\nok", "ok", false, "GET"},
		"another status line":         {"HTTP/1.1  200 OK\r\nContent-Length: 2\r\n\r\nok", "ok", false, "GET"},
		"several transfer encodings":  {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "", false, "GET"},
		"upper-case chunks":           {"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "ok", true, "GET"},
		"a length with a plus":        {"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok", "", false, "GET"},
		"an announced switch":         {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "", false, "GET"},
		"a length that is too large":  {"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nok", "", false, "GET"},
		"a body that comes too early": {"HTTP/1.1 100 Continue\r\n\r\n" + ok, "ok", false, "GET"},
	} {
		t.Run(name, func(t *testing.T) {
			u := newUpstream(t, script(c.answer))
			tr := u.transport(t)
			for i := range 2 {
				body, err := said(tr.RoundTrip(get(t, c.method)))
				if body != c.body || c.again && err != nil {
					t.Fatalf("request %d got %q, %v", i, body, err)
				}
			}
			if again := u.opened.Load() == 1; again != c.again {
				t.Errorf("two requests had %d connections", u.opened.Load())
			}
		})
	}
}

// What an upstream writes when nobody asks ends the connection, whenever it comes.
func TestWhatNobodyAskedFor(t *testing.T) {
	for name, c := range map[string]func(conn net.Conn){
		"an answer": func(conn net.Conn) { io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil") },
		"a byte":    func(conn net.Conn) { io.WriteString(conn, "\n") },
		"a timeout": func(conn net.Conn) {
			io.WriteString(conn, "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n")
			conn.Close()
		},
		"the end":      func(conn net.Conn) { conn.Close() },
		"half the end": func(conn net.Conn) { conn.(*net.TCPConn).CloseWrite() },
		"a reset":      func(conn net.Conn) { conn.(*net.TCPConn).SetLinger(0); conn.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			now, written := make(chan bool), make(chan bool)
			u := newUpstream(t, func(conn net.Conn, in *bufio.Reader, n int) {
				request(in)
				io.WriteString(conn, ok)
				if n == 1 {
					<-now
					c(conn)
					close(written)
				}
				for request(in) != "" {
					io.WriteString(conn, ok)
				}
			})
			tr := u.transport(t)
			if body, err := said(tr.RoundTrip(get(t, "GET"))); body != "ok" || err != nil {
				t.Fatalf("got %q, %v", body, err)
			}
			close(now)
			<-written
			notQuiet(t, tr)
			if body, err := said(tr.RoundTrip(get(t, "GET"))); body != "ok" || err != nil {
				t.Errorf("then got %q, %v", body, err)
			}
			if n := u.opened.Load(); n != 2 {
				t.Errorf("there were %d connections", n)
			}
		})
	}
}

// notQuiet waits until what was written has come. It looks without reading.
func notQuiet(t *testing.T, tr *Transport) {
	t.Helper()
	tr.idle.mu.Lock()
	defer tr.idle.mu.Unlock()
	for _, c := range tr.idle.idle {
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
		awaitReadable(c)
		_ = c.SetReadDeadline(time.Time{})
	}
}

// A connection from before that gives no byte is stale, and the request goes out again, once, on a new one.
func TestStaleConnections(t *testing.T) {
	for name, c := range map[string]struct {
		then  string // is answered to the second request on a connection, before it ends
		fresh bool   // the request is answered on a new connection
	}{
		"nothing":          {"", true},
		"a timeout":        {"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", true},
		"half a head":      {"HTTP/1.1 200 O", false},
		"a single byte":    {"H", false},
		"half a body":      {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", false},
		"somewhat garbage": {"\x00\x01\x02\r\n\r\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			u := newUpstream(t, func(conn net.Conn, in *bufio.Reader, _ int) {
				request(in)
				io.WriteString(conn, ok)
				if request(in) != "" {
					io.WriteString(conn, c.then)
				}
			})
			tr := u.transport(t)
			if body, err := said(tr.RoundTrip(get(t, "GET"))); body != "ok" || err != nil {
				t.Fatalf("got %q, %v", body, err)
			}
			body, err := said(tr.RoundTrip(get(t, "GET")))
			if c.fresh != (err == nil) || c.fresh && body != "ok" {
				t.Errorf("then got %q, %v", body, err)
			}
			if n := u.opened.Load(); n == 2 != c.fresh {
				t.Errorf("there were %d connections", n)
			}
		})
	}
}

// A body that breaks off leaves nothing behind.
func TestABodyThatBreaksOff(t *testing.T) {
	u := newUpstream(t, func(conn net.Conn, in *bufio.Reader, _ int) {
		request(in)
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
	})
	tr := u.transport(t)
	if body, err := said(tr.RoundTrip(get(t, "GET"))); body != "half" || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %q, %v", body, err)
	}
	if n := len(tr.idle.idle); n != 0 {
		t.Errorf("%d connections are kept", n)
	}
}

// Who goes away while the head's time limit is taken back is not forgotten.
func TestGoingAwayAfterTheHead(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	c := newConnection(ours)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c.interrupt()
	if err := c.clearDeadline(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("reading gives %v", err)
	}
}

// A new connection that gives nothing is an error, and nobody tries on and on.
func TestNoAnswer(t *testing.T) {
	u := newUpstream(t, func(conn net.Conn, in *bufio.Reader, _ int) { request(in) })
	if _, err := said(u.transport(t).RoundTrip(get(t, "GET"))); err == nil || errors.Is(err, errStale) {
		t.Errorf("got %v", err)
	}
	if n := u.opened.Load(); n != 1 {
		t.Errorf("there were %d connections", n)
	}
}

// The context of a request ends it wherever it is, and its connection with it.
func TestTheContextEndsIt(t *testing.T) {
	for name, begin := range map[string]string{
		"before the answer": "", "within the head": "HTTP/1.1 200 OK\r\nContent-", "before the body": "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
		"within the body": "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
	} {
		t.Run(name, func(t *testing.T) {
			begun, ended := make(chan bool), make(chan bool)
			u := newUpstream(t, func(conn net.Conn, in *bufio.Reader, n int) {
				request(in)
				if n > 1 {
					io.WriteString(conn, ok)
					return
				}
				io.WriteString(conn, begin)
				close(begun)
				_, _ = io.Copy(io.Discard, in)
				close(ended)
			})
			ctx, cancel := context.WithCancel(t.Context())
			go func() { <-begun; cancel() }()
			tr := u.transport(t)
			_, err := said(tr.RoundTrip(get(t, "GET").WithContext(ctx)))
			if !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
			<-ended
			if body, err := said(tr.RoundTrip(get(t, "GET"))); body != "ok" || err != nil {
				t.Errorf("then got %q, %v", body, err)
			}
		})
	}
}

// A body that nobody reads to its end ends its connection, at once.
func TestABodyThatIsLeft(t *testing.T) {
	ended := make(chan bool)
	u := newUpstream(t, func(conn net.Conn, in *bufio.Reader, _ int) {
		request(in)
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nhalf")
		_, _ = io.Copy(io.Discard, in)
		close(ended)
	})
	answer, err := u.transport(t).RoundTrip(get(t, "GET"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(answer.Body.Close(), answer.Body.Close()); err != nil {
		t.Error(err)
	}
	<-ended
	if _, err := answer.Body.Read(make([]byte, 1)); !errors.Is(err, http.ErrBodyReadAfterClose) {
		t.Errorf("reading on gives %v", err)
	}
}

func TestLimits(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		is     func(error) bool
	}{
		"a head without end":     {"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 70<<10), func(err error) bool { return errors.Is(err, errHeaderTooLarge) }},
		"hints without end":      {strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", 2000), func(err error) bool { return errors.Is(err, errHeaderTooLarge) }},
		"a head that stays away": {"", isTimeout},
		"a head that comes late": {"HTTP/1.1 200 OK\r\n", isTimeout},
		"a body that breaks off": {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhal", isTimeout},
		"a switch of protocols":  {"HTTP/1.1 101 Switching Protocols\r\n\r\n", func(err error) bool { return errors.Is(err, errSwitched) }},
		"what is no HTTP at all": {"\x16\x03\x01\x02\r\n\r\n", func(err error) bool { return err != nil && !isTimeout(err) }},
		"a status of two digits": {"HTTP/1.1 20 OK\r\n\r\n", func(err error) bool { return err != nil && !isTimeout(err) }},
	} {
		t.Run(name, func(t *testing.T) {
			u := newUpstream(t, script(c.answer))
			tr := u.transport(t)
			tr.HeaderTimeout = 200 * time.Millisecond
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, err := said(tr.RoundTrip(get(t, "GET").WithContext(ctx))); !c.is(err) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// The time limit is the head's, not the body's.
func TestABodyMayTakeItsTime(t *testing.T) {
	u := newUpstream(t, func(conn net.Conn, in *bufio.Reader, _ int) {
		request(in)
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no")
		time.Sleep(300 * time.Millisecond)
		io.WriteString(conn, "k")
	})
	tr := u.transport(t)
	tr.HeaderTimeout = 200 * time.Millisecond
	if body, err := said(tr.RoundTrip(get(t, "GET"))); body != "ok" || err != nil {
		t.Errorf("got %q, %v", body, err)
	}
}

// Hints are told as http.Transport tells them.
func TestHintsAreTold(t *testing.T) {
	u := newUpstream(t, script("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </y>\r\n\r\n"+ok))
	var links []string
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(status int, h textproto.MIMEHeader) error {
		links = append(links, fmt.Sprint(status, h.Get("Link")))
		return nil
	}})
	if body, err := said(u.transport(t).RoundTrip(get(t, "GET").WithContext(ctx))); body != "ok" || err != nil {
		t.Errorf("got %q, %v", body, err)
	}
	if want := []string{"103</x>", "103</y>"}; !slices.Equal(links, want) {
		t.Errorf("told %q", links)
	}
}

// What is not simply a question is left to http.Transport, which knows what to do with it.
func TestWhatIsLeftToOthers(t *testing.T) {
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header[name] = []string{value} }
	}
	u := newUpstream(t, script(ok))
	for name, change := range map[string]func(*http.Request){
		"a body":               func(r *http.Request) { r.Body, r.ContentLength = io.NopCloser(strings.NewReader("x")), 1 },
		"a body of any length": func(r *http.Request) { r.Body, r.ContentLength = io.NopCloser(strings.NewReader("")), -1 },
		"POST":                 func(r *http.Request) { r.Method = "POST" },
		"a method that is two": func(r *http.Request) { r.Method = "GET / HTTP/1.1\r\nX: y\r\n\r\nGET" },
		"https":                func(r *http.Request) { r.URL.Scheme = "https" },
		"an upgrade":           header("Upgrade", "websocket"),
		"an expectation":       header("Expect", "100-continue"),
		"a trailer":            func(r *http.Request) { r.Trailer = http.Header{"A": nil} },
		"a line break":         header("X", "a\r\nY: b"),
		"a NUL":                header("X", "a\x00b"),
		"blanks around":        header("X", " a"),
		"an odd name":          header("X:Y", "a"),
		"an empty name":        header("", "a"),
		"a host with a blank":  func(r *http.Request) { r.Host = "a b" },
		"a host with a break":  func(r *http.Request) { r.Host = "a\r\nX: y" },
		"a host with a zone":   func(r *http.Request) { r.Host = "[fe80::1%25eth0]" },
		"a path with a blank":  func(r *http.Request) { r.URL.Opaque = "/a HTTP/1.1\r\nX: y" },
		"a path that is none":  func(r *http.Request) { r.URL.Opaque = "/ä" },
		"the end":              func(r *http.Request) { r.Close = true },
	} {
		t.Run(name, func(t *testing.T) {
			r := get(t, "GET")
			change(r)
			if _, err := u.transport(t).RoundTrip(r); !errors.Is(err, errLeft) {
				t.Errorf("got %v", err)
			}
		})
	}
	if n := u.opened.Load(); n != 0 {
		t.Errorf("there were %d connections", n)
	}
}

// The upstream gets what http.Transport would send, but for the order of the headers.
func TestRequestsAreThoseOfHTTPTransport(t *testing.T) {
	received := make(chan string, 1)
	u := newUpstream(t, func(conn net.Conn, in *bufio.Reader, _ int) {
		for {
			head := request(in)
			if head == "" {
				return
			}
			received <- head
			if strings.HasPrefix(head, "HEAD") {
				io.WriteString(conn, strings.TrimSuffix(ok, "ok"))
				continue
			}
			io.WriteString(conn, ok)
		}
	})
	tr := u.transport(t)
	theirs := &http.Transport{DisableCompression: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return tr.Dial(ctx) }}
	t.Cleanup(theirs.CloseIdleConnections)
	for name, change := range map[string]func(*http.Request){
		"plain": func(*http.Request) {},
		"headers": func(r *http.Request) {
			r.Header = http.Header{"A": {"b", "c"}, "Empty": {""}, "None": {}, "X-Y": {"a,b; c=\"d\" ü"}}
		},
		"no user agent":      func(r *http.Request) { r.Header["User-Agent"] = []string{""} },
		"a user agent":       func(r *http.Request) { r.Header["User-Agent"] = []string{"x/1"} },
		"another case":       func(r *http.Request) { r.Header["x-lower"] = []string{"x"} },
		"an opaque path":     func(r *http.Request) { r.URL.Opaque = "/a%2Fb/%c3" },
		"two slashes":        func(r *http.Request) { r.URL.Path = "//a/b" },
		"no path":            func(r *http.Request) { r.URL.Path = "" },
		"an odd query":       func(r *http.Request) { r.URL.RawQuery = "a;b=%zz&c" },
		"an empty query":     func(r *http.Request) { r.URL.RawQuery, r.URL.ForceQuery = "", true },
		"a port":             func(r *http.Request) { r.Host = "app.example.com:8080" },
		"an IPv6 address":    func(r *http.Request) { r.Host = "[::1]:80" },
		"no host of its own": func(r *http.Request) { r.Host = "" },
		"HEAD":               func(r *http.Request) { r.Method = "HEAD" },
	} {
		t.Run(name, func(t *testing.T) {
			var got [2][]string
			for i, by := range []http.RoundTripper{tr, theirs} {
				r := get(t, "GET")
				change(r)
				if _, err := said(by.RoundTrip(r)); err != nil {
					t.Fatal(err)
				}
				lines := strings.Split(<-received, "\r\n")
				slices.Sort(lines[2:])
				got[i] = lines
			}
			if !slices.Equal(got[0], got[1]) {
				t.Errorf("sent %q,\nhttp.Transport sends %q", got[0], got[1])
			}
		})
	}
}

func TestIdleConnectionsAreBounded(t *testing.T) {
	u := newUpstream(t, script(ok))
	tr := u.transport(t)
	tr.MaxIdle = 2
	var answers []*http.Response
	for range 5 {
		answer, err := tr.RoundTrip(get(t, "GET"))
		if err != nil {
			t.Fatal(err)
		}
		answers = append(answers, answer)
	}
	for _, answer := range answers {
		if _, err := said(answer, nil); err != nil {
			t.Error(err)
		}
	}
	if n := len(tr.idle.idle); n != 2 {
		t.Errorf("%d are kept", n)
	}
	tr.CloseIdleConnections()
	if n := len(tr.idle.idle); n != 0 {
		t.Errorf("%d are left", n)
	}
}

// Connections that are too old, or that have ended, are not kept.
func TestSweep(t *testing.T) {
	end := make(chan bool)
	u := newUpstream(t, func(conn net.Conn, in *bufio.Reader, _ int) {
		request(in)
		io.WriteString(conn, ok)
		<-end
	})
	tr := u.transport(t)
	if _, err := said(tr.RoundTrip(get(t, "GET"))); err != nil {
		t.Fatal(err)
	}
	tr.idle.sweepNow(time.Minute)
	if n := len(tr.idle.idle); n != 1 {
		t.Fatalf("%d are kept", n)
	}
	tr.idle.sweepNow(time.Nanosecond)
	if n := len(tr.idle.idle); n != 0 {
		t.Errorf("%d that are too old are kept", n)
	}
	if _, err := said(tr.RoundTrip(get(t, "GET"))); err != nil {
		t.Fatal(err)
	}
	close(end)
	notQuiet(t, tr)
	tr.idle.sweepNow(time.Minute)
	if n := len(tr.idle.idle); n != 0 {
		t.Errorf("%d that have ended are kept", n)
	}
}

func BenchmarkRoundTrip(b *testing.B) {
	u := newUpstream(b, script("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1024\r\n\r\n"+strings.Repeat("x", 1024)))
	ours := u.transport(b)
	theirs := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 512, ResponseHeaderTimeout: 30 * time.Second,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return ours.Dial(ctx) }}
	for name, tr := range map[string]http.RoundTripper{"ours": ours, "http.Transport": theirs} {
		b.Run(name, func(b *testing.B) {
			r := httptest.NewRequest("GET", "http://app.example.com/", nil)
			r.RequestURI, r.Body = "", nil
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			r = r.WithContext(ctx)
			b.ReportAllocs()
			for b.Loop() {
				answer, err := tr.RoundTrip(r)
				if err != nil {
					b.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, answer.Body)
				answer.Body.Close()
			}
		})
	}
}
