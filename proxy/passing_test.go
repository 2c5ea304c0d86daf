package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"doorward/config"
	"doorward/proxy/providertest"
)

// facing is a public site in front of an upstream that handles requests itself, their bodies too.
func facing(t *testing.T, handle http.HandlerFunc) *site {
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	return public(t, func(c *config.Config) { c.Upstreams = server.URL })
}

// post begins a POST of ten bytes, with further header lines, and sends nothing of the body yet.
func (s *site) post(lines string) (net.Conn, *bufio.Reader) {
	conn := s.dial(20 * time.Second)
	fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: %s\r\nContent-Length: 10\r\n%s\r\n", strings.TrimPrefix(s.URL, "http://"), lines)
	return conn, bufio.NewReader(conn)
}

// What a client sends arrives while it sends the rest.
func TestRequestBodiesAreNotBuffered(t *testing.T) {
	arrived := make(chan string)
	s := facing(t, func(_ http.ResponseWriter, r *http.Request) {
		for range 2 {
			part := make([]byte, 5)
			_, _ = io.ReadFull(r.Body, part)
			arrived <- string(part)
		}
	})
	conn, _ := s.post("")
	for _, part := range []string{"hello", "world"} {
		_, _ = io.WriteString(conn, part)
		select {
		case got := <-arrived:
			if got != part {
				t.Errorf("the upstream received %q, want %q", got, part)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%q does not arrive while the rest is still to come", part)
		}
	}
}

// And so does what an upstream answers, whether or not it says how long that will be.
func TestAnswersAreNotBuffered(t *testing.T) {
	for name, length := range map[string]string{"length known": "10", "length unknown": ""} {
		t.Run(name, func(t *testing.T) {
			more := make(chan struct{})
			s := facing(t, func(w http.ResponseWriter, _ *http.Request) {
				if length != "" {
					w.Header().Set("Content-Length", length)
				}
				_, _ = io.WriteString(w, "hello")
				_ = http.NewResponseController(w).Flush()
				<-more
				_, _ = io.WriteString(w, "world")
			})
			ended := sync.OnceFunc(func() { close(more) })
			defer ended()
			answer := s.headOfAnswer(t)
			part := make([]byte, 5)
			if _, err := io.ReadFull(answer.Body, part); err != nil || string(part) != "hello" {
				t.Fatalf("of what the upstream has sent %q arrives: %v", part, err)
			}
			ended()
			if rest, err := io.ReadAll(answer.Body); err != nil || string(rest) != "world" {
				t.Errorf("the rest is %q: %v", rest, err)
			}
		})
	}
}

// headOfAnswer asks, and gives the answer as soon as its head has come.
func (s *site) headOfAnswer(t *testing.T) *http.Response {
	t.Helper()
	conn := s.dial(10 * time.Second)
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", strings.TrimPrefix(s.URL, "http://"))
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// The head of a large answer does not wait for its body.
func TestHeadOfALargeAnswer(t *testing.T) {
	const length = 32<<10 + 1
	more := make(chan struct{})
	s := facing(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(length))
		_ = http.NewResponseController(w).Flush()
		<-more
		_, _ = w.Write(make([]byte, length))
	})
	ended := sync.OnceFunc(func() { close(more) })
	defer ended()
	answer := s.headOfAnswer(t)
	ended()
	if n, err := io.Copy(io.Discard, answer.Body); n != length || err != nil {
		t.Errorf("of the body %d bytes arrive: %v", n, err)
	}
}

// A client that asks before it sends its body is told to go on by the upstream, and not before.
func TestExpectContinue(t *testing.T) {
	asked, goOn := make(chan struct{}), make(chan struct{})
	s := facing(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Expect") != "100-continue" {
			t.Errorf("Expect is %q", r.Header.Get("Expect"))
		}
		close(asked)
		<-goOn
		body, _ := io.ReadAll(r.Body) // which tells the client to go on
		_, _ = w.Write(body)
	})
	conn, answers := s.post("Expect: 100-continue\r\n")
	<-asked
	close(goOn)
	if answer, err := http.ReadResponse(answers, nil); err != nil || answer.StatusCode != http.StatusContinue {
		t.Fatalf("the first answer is %v, %v", answer, err)
	}
	_, _ = io.WriteString(conn, "helloworld")
	answer, err := http.ReadResponse(answers, nil)
	if err != nil {
		t.Fatal(err)
	}
	if text, _ := io.ReadAll(answer.Body); answer.StatusCode != http.StatusOK || string(text) != "helloworld" {
		t.Errorf("the answer is %d: %q", answer.StatusCode, text)
	}
}

// Once is enough, however often the upstream says so; who did not ask hears what it says (RFC 9110 15.2).
func TestClientsAreToldToGoOn(t *testing.T) {
	const goOn = "HTTP/1.1 100 Continue\r\n\r\n"
	l := accept(t, func(conn net.Conn) {
		r, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, goOn)
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(conn, goOn+"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
	})
	s := public(t, func(c *config.Config) { c.Upstreams = "http://" + l.Addr().String() })
	for line, statuses := range map[string][]int{"Expect: 100-continue\r\n": {100, 200}, "": {100, 100, 200}} {
		t.Run(line, func(t *testing.T) {
			conn, answers := s.post(line)
			_, _ = io.WriteString(conn, "helloworld")
			for _, status := range statuses {
				if answer, err := http.ReadResponse(answers, nil); err != nil || answer.StatusCode != status {
					t.Fatalf("there is %v, not %d: %v", answer, status, err)
				}
			}
		})
	}
}

// An upstream that answers before the body came is heard at once, and a client that goes on with the body of another request is not mistaken.
func TestAnswerBeforeTheBody(t *testing.T) {
	s := facing(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusRequestEntityTooLarge)
	})
	_, answers := s.post("")
	answer, err := http.ReadResponse(answers, nil)
	if err != nil || answer.StatusCode != http.StatusRequestEntityTooLarge || !answer.Close {
		t.Errorf("the answer is %v, %v", answer, err)
	}
}

// Whoever is refused, by the upstream or by doorward, need not send the body at all.
func TestExpectContinueRefused(t *testing.T) {
	refusing := facing(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusExpectationFailed) })
	for status, s := range map[int]*site{http.StatusExpectationFailed: refusing, http.StatusUnauthorized: newSite(t, nil)} {
		_, answers := s.post("Expect: 100-continue\r\n")
		if answer, err := http.ReadResponse(answers, nil); err != nil || answer.StatusCode != status {
			t.Errorf("the first answer is %v, want %d (%v)", answer, status, err)
		}
	}
}

// A hangingUp upstream answers the first request on each connection, and closes it at the second.
type hangingUp struct {
	net.Listener
	mu       sync.Mutex
	received map[string]int // by method
}

func newHangingUp(t *testing.T) *hangingUp {
	t.Helper()
	u := &hangingUp{received: map[string]int{}}
	u.Listener = accept(t, func(conn net.Conn) { go u.serve(conn) })
	return u
}

func (u *hangingUp) serve(conn net.Conn) {
	defer conn.Close()
	requests := bufio.NewReader(conn)
	for first := true; ; first = false {
		r, err := http.ReadRequest(requests)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		u.mu.Lock()
		u.received[r.Method]++
		u.mu.Unlock()
		if !first {
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	}
}

// On a connection that dies, only what may be repeated is sent again (RFC 9110 9.2.2).
func TestNothingButWhatIsIdempotentIsSentTwice(t *testing.T) {
	for _, test := range []struct {
		method, body string
		times        int
		status       int
	}{
		{"GET", "", 2, http.StatusOK},
		{"HEAD", "", 2, http.StatusOK},
		{"GET", "hello", 1, http.StatusBadGateway},
		{"POST", "", 1, http.StatusBadGateway},
		{"POST", "hello", 1, http.StatusBadGateway},
		{"PATCH", "hello", 1, http.StatusBadGateway},
		{"DELETE", "", 1, http.StatusBadGateway},
	} {
		t.Run(test.method+" "+test.body, func(t *testing.T) {
			u := newHangingUp(t)
			s := public(t, func(c *config.Config) { c.Upstreams = "http://" + u.Addr().String() })
			b := s.browser()
			if p := b.request("OPTIONS", s.URL, nil, ""); p.StatusCode != http.StatusOK {
				t.Fatalf("the first request ends with %d", p.StatusCode)
			}
			p := b.request(test.method, s.URL, nil, test.body)
			u.mu.Lock()
			defer u.mu.Unlock()
			if u.received[test.method] != test.times || p.StatusCode != test.status {
				t.Errorf("received %d times, and answered %d", u.received[test.method], p.StatusCode)
			}
		})
	}
}

// HEADERS tell texts as they are, arrays with commas like groups, and anything else as JSON.
func TestHeadersOfClaimsOfAllKinds(t *testing.T) {
	s := newSite(t, func(c *config.Config) {
		c.Headers = []string{"X-List=list", "X-Level=level", "X-Vip=vip", "X-Object=object"}
	})
	s.Provider.AddUser(providertest.User{Subject: "fay", Claims: map[string]any{
		"list": []any{"a,b", "c", 7}, "level": 3, "vip": true, "object": map[string]any{"a": "b"},
	}})
	s.signedIn("fay")
	got := s.Upstream.last(t).Header
	for name, want := range map[string]string{"X-List": "a%2Cb,c,7", "X-Level": "3", "X-Vip": "true", "X-Object": `{"a":"b"}`} {
		if got.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, got.Get(name), want)
		}
	}
}
