package proxy_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"doorward/config"
)

// crowded is a public site with so many seats.
func crowded(t *testing.T, seats int) *site {
	return public(t, func(c *config.Config) { c.MaxConnections = seats })
}

// askOn makes a request on a connection and gives the answer's status; the connection stays open.
func (s *site) askOn(conn net.Conn) int {
	s.t.Helper()
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: "+strings.TrimPrefix(s.URL, "http://")+"\r\n\r\n")
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0
	}
	_, _ = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode
}

// waitUntilFull waits until the log says that a connection has to wait.
func (s *site) waitUntilFull(t *testing.T) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for tick := time.NewTicker(2 * time.Millisecond); len(s.Log.events(t, "connections_full")) != 1; {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("nobody waits")
		}
	}
}

// closed waits until a connection is closed at the other end.
func closed(t *testing.T, conn net.Conn) {
	t.Helper()
	if _, err := io.ReadAll(conn); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection stays open")
	}
}

// At MAX_CONNECTIONS idle connections make room, and nobody waits.
func TestIdleConnectionsMakeRoom(t *testing.T) {
	s := crowded(t, 2)
	for range 10 {
		if got := s.askOn(s.dial(20 * time.Second)); got != http.StatusOK {
			t.Fatalf("the answer is %d", got)
		}
	}
}

// While no connection is idle, a new one waits, and is served as soon as one is free. The log tells of it.
func TestNewConnectionsWait(t *testing.T) {
	s := crowded(t, 1)
	arrived, release := make(chan struct{}), make(chan struct{})
	s.Upstream.Answer = func(_ http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-release
	}
	answers := make(chan int, 2)
	first, second := s.dial(20*time.Second), s.dial(20*time.Second)
	go func() { answers <- s.askOn(first) }()
	<-arrived
	go func() { answers <- s.askOn(second) }()
	s.waitUntilFull(t)
	select {
	case <-arrived:
		t.Fatal("the second is served beside the first")
	default:
	}
	release <- struct{}{}
	<-arrived // the second, now that the first is idle
	release <- struct{}{}
	if a, b := <-answers, <-answers; a != http.StatusOK || b != http.StatusOK {
		t.Errorf("the answers are %d and %d", a, b)
	}
	closed(t, first)
}

// A WebSocket keeps its seat, though the server no longer knows of it, until it ends.
func TestWebSocketKeepsItsSeat(t *testing.T) {
	s := crowded(t, 1)
	s.Upstream.Answer = func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			return
		}
		if conn, err := websocket.Accept(w, r, nil); err == nil {
			_, _, _ = conn.Read(r.Context())
			_ = conn.CloseNow()
		}
	}
	conn, _, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(s.URL, "http"), nil)
	if err != nil {
		t.Fatal(err)
	}
	answered := make(chan int, 1)
	next := s.dial(20 * time.Second)
	go func() { answered <- s.askOn(next) }()
	s.waitUntilFull(t)
	select {
	case <-answered:
		t.Fatal("another connection is served beside the WebSocket")
	default:
	}
	_ = conn.CloseNow()
	if got := <-answered; got != http.StatusOK {
		t.Errorf("after the WebSocket's end: %d", got)
	}
}

// The server can be closed while somebody waits.
func TestClosingWhileSomebodyWaits(t *testing.T) {
	s := crowded(t, 1)
	arrived := make(chan struct{})
	s.Upstream.Answer = func(w http.ResponseWriter, r *http.Request) { close(arrived); stall(w, r) }
	first, second := s.dial(20*time.Second), s.dial(20*time.Second)
	go s.askOn(first)
	<-arrived
	s.waitUntilFull(t)
	_ = s.server.Config.Close()
	closed(t, second)
}

// Somebody who asks on and on and reads no answer loses the seat, whoever answers, and the answers before have nothing to do with what follows them.
func TestAnswersThatNobodyReadsMakeRoom(t *testing.T) {
	for name, path := range map[string]string{"ours": "/oauth2/healthz", "an upstream's": "/public/"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, func(c *config.Config) { c.IdleTimeout, c.MaxConnections = time.Second, 1 })             // in which the next one's answer is taken
			s.Upstream.Answer = func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1<<10)) } // which goes out with the answer's end
			s.greedy(path)
			if got := s.askOn(s.dial(20 * time.Second)); got != http.StatusUnauthorized {
				t.Errorf("the next one is answered %d", got)
			}
		})
	}
}

// greedy asks on one connection until nobody reads any more what it asks.
func (s *site) greedy(path string) {
	conn := s.dial(20 * time.Second)
	padding := strings.Repeat("x", 4<<10) // which fills what holds requests soon
	asks := strings.Repeat("GET "+path+" HTTP/1.1\r\nHost: "+strings.TrimPrefix(s.URL, "http://")+"\r\nX-Padding: "+padding+"\r\n\r\n", 100)
	rest := asks
	for stalled := 0; stalled < 10; stalled++ {
		_ = conn.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
		n, err := io.WriteString(conn, rest)
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return // what it asked for is over
		}
		if rest = rest[n:]; rest == "" {
			rest = asks
		}
		if n > 0 {
			stalled = 0
		}
	}
}

// What an upstream says after an answer of ours, on the same connection, may take its time.
func TestAnswersOfUpstreamsAfterOurs(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *config.Config) { c.IdleTimeout = time.Second }) // in which ours are taken
	s.Upstream.Answer = func(w http.ResponseWriter, r *http.Request) {
		idle := s.dial(20 * time.Second)
		s.askOn(idle)
		closed(t, idle) // then an answer of ours has had its time
		_, _ = io.WriteString(w, "done")
	}
	conn := s.dial(20 * time.Second)
	host := strings.TrimPrefix(s.URL, "http://")
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: "+host+"\r\n\r\nGET /public/ HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n")
	if text, err := io.ReadAll(conn); err != nil || !strings.HasSuffix(string(text), "done") {
		t.Errorf("the answers are %q, %v", text, err)
	}
}
