package proxy_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/net/http2"

	"doorward/config"
)

// pouring is a site with one seat, whose upstream answers for as long as it is listened to, and says when that is over.
func pouring(t *testing.T, idle time.Duration) (s *site, over <-chan struct{}) {
	t.Parallel()
	s = public(t, func(c *config.Config) { c.IdleTimeout, c.MaxConnections = idle, 1 })
	left := make(chan struct{}, 1)
	s.Upstream.Answer = func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/event":
			_, _ = io.WriteString(w, "data: 1\n\n")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		case "/hints":
			w.Header().Set("Link", "</style.css>; rel=preload; x="+strings.Repeat("x", 16<<10))
			for r.Context().Err() == nil {
				w.WriteHeader(http.StatusEarlyHints)
			}
		case "/socket":
			conn, err := websocket.Accept(w, r, nil)
			for err == nil {
				err = conn.Write(t.Context(), websocket.MessageBinary, make([]byte, 32<<10))
			}
		case "/":
			piece := make([]byte, 32<<10)
			for err := error(nil); err == nil && r.Context().Err() == nil; {
				_, err = w.Write(piece)
			}
		default:
			return
		}
		left <- struct{}{}
	}
	return s, left
}

// A client that reads nothing of its answer holds no upstream for ever, and no seat.
func TestClientsThatReadNothing(t *testing.T) {
	window := func(size uint32) http2.Setting { return http2.Setting{ID: http2.SettingInitialWindowSize, Val: size} }
	for name, ask := range map[string]func(s *site){
		"HTTP/1.1":            func(s *site) { s.write("GET / HTTP/1.1") },
		"HTTP/1.1, its hints": func(s *site) { s.write("GET /hints HTTP/1.1") },
		"WebSocket": func(s *site) {
			s.write("GET /socket HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==")
		},
		"HTTP/2, no window": func(s *site) {
			c := s.client2(window(0))
			c.ask(t, c.get("/event")...)
			go func() { _ = c.end() }() // it reads its connection
		},
		"HTTP/2, its connection": func(s *site) {
			c := s.client2(window(1<<31 - 1))
			_ = c.WriteWindowUpdate(0, 1<<30)
			c.ask(t, c.get("/")...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, over := pouring(t, time.Second)
			ask(s)
			select {
			case <-over:
			case <-time.After(20 * time.Second):
				t.Fatal("after twenty times IDLE_TIMEOUT the upstream is still at it")
			}
			if _, err := http.ReadResponse(bufio.NewReader(s.write("GET /else HTTP/1.1")), nil); err != nil {
				t.Errorf("nobody else is served: %v", err)
			}
			eventually(t, func() bool { return s.metric(`doorward_connections_cut_total{reason="stalled"}`) == 1 })
		})
	}
}

// Where many answers share a connection of HTTP/2, each of them may be slow: 200 at once, over a line of 50 KB/s.
func TestManyStreamsThatAreReadSlowly(t *testing.T) {
	const streams, window, round = 20, 16 << 10, 4 * time.Second
	s, over := pouring(t, round*3/2)
	t.Cleanup(func() {
		for range streams {
			<-over
		}
	})
	t.Cleanup(s.server.CloseClientConnections)
	c := s.client2On(s.dial(40*time.Second), http2.Setting{ID: http2.SettingInitialWindowSize, Val: window})
	_ = c.WriteWindowUpdate(0, 1<<30)
	c.askOften(t, streams, c.get("/")...)
	often := time.NewTicker(round)
	defer often.Stop()
	for range 3 {
		for rest := streams * window; rest > 0; {
			switch frame, err := c.ReadFrame(); frame := frame.(type) {
			case nil:
				t.Fatal(err)
			case *http2.RSTStreamFrame:
				t.Fatal("it is cut")
			case *http2.DataFrame:
				rest -= len(frame.Data())
			}
		}
		<-often.C
		for i := range uint32(streams) {
			_ = c.WriteWindowUpdate(1+2*i, window)
		}
	}
	if got := s.metric(`doorward_connections_cut_total{reason="stalled"}`); got != 0 {
		t.Errorf("%v are cut", got)
	}
}

// Nor does it hold one of the few places of /metrics, without which nobody sees what else goes on.
func TestMetricsThatNobodyReads(t *testing.T) {
	t.Parallel()
	s := public(t, func(c *config.Config) { c.IdleTimeout = time.Second })
	admin := httptest.NewUnstartedServer(nil)
	admin.Config = s.Proxy.AdminServer()
	admin.Start()
	t.Cleanup(admin.Close)
	conn, err := net.Dial("tcp", admin.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	c := s.client2On(conn, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
	c.ask(t, c.get("/metrics")...)
	if status, end := c.status(), c.end(); status != "200" || end != "reset" {
		t.Errorf("the answer is %s, and its end: %s", status, end)
	}
}

// write sends a request line, and reads nothing.
func (s *site) write(line string) net.Conn {
	conn := s.dial(20 * time.Second)
	_, _ = io.WriteString(conn, line+"\r\nHost: "+strings.TrimPrefix(s.URL, "http://")+"\r\n\r\n")
	return conn
}

// One that reads slowly goes on, though the kernel would hold so much that a single write may take longer than IDLE_TIMEOUT.
func TestClientsThatReadSlowly(t *testing.T) {
	for name, ask := range map[string]func(s *site) io.Reader{
		"HTTP/1.1": func(s *site) io.Reader { return s.write("GET / HTTP/1.1") },
		"HTTP/2": func(s *site) io.Reader {
			conn := s.dial(20 * time.Second)
			c := s.client2On(conn, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1<<31 - 1})
			_ = c.WriteWindowUpdate(0, 1<<30)
			c.ask(t, c.get("/")...)
			return conn
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := pouring(t, 3*time.Second)
			conn := bufio.NewReader(ask(s))
			often := time.NewTicker(100 * time.Millisecond)
			defer often.Stop()
			for range 100 {
				<-often.C
				if _, err := io.CopyN(io.Discard, conn, 30<<10); err != nil {
					t.Fatal(err)
				}
			}
			if got := s.metric(`doorward_connections_cut_total{reason="stalled"}`); got != 0 { // it has not read all that came before a cut
				t.Error("it is cut")
			}
		})
	}
}
