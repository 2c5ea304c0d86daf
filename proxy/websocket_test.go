package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"doorward/config"
)

// A switch of protocols that does not pass leaves no connection to the upstream behind.
func TestSwitchesThatFailLeaveNothingBehind(t *testing.T) {
	for name, test := range map[string]struct{ request, answer string }{
		"the request has a body":    {"Connection: Upgrade\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "Connection: Upgrade\r\nUpgrade: websocket"},
		"a body that does not come": {"Connection: Upgrade\r\nContent-Length: 10\r\n\r\n", "Connection: Upgrade\r\nUpgrade: websocket"},
		"to another protocol":       {"Connection: Upgrade\r\n\r\n", "Connection: Upgrade\r\nUpgrade: other"},
		"without Connection":        {"Connection: Upgrade\r\n\r\n", "Upgrade: websocket"},
		"without being asked to":    {"\r\n", "Connection: Upgrade\r\nUpgrade: websocket"},
	} {
		t.Run(name, func(t *testing.T) {
			ended := make(chan error, 1)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				conn, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					return
				}
				defer conn.Close()
				_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\n"+test.answer+"\r\n\r\n")
				_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
				_, err = io.Copy(io.Discard, conn)
				ended <- err
			}))
			t.Cleanup(server.Close)
			s := public(t, func(c *config.Config) { c.Upstreams = server.URL })
			p := s.raw(fmt.Sprintf("GET / HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\n%s", strings.TrimPrefix(s.URL, "http://"), test.request))
			if p.StatusCode != http.StatusBadGateway {
				t.Errorf("the answer is %d", p.StatusCode)
			}
			if err := <-ended; err != nil {
				t.Errorf("after five seconds the upstream still has its connection: %v", err)
			}
		})
	}
}

// halfClosing is an upstream that switches to WebSocket, says bye, closes its side, and tells what it still hears.
func halfClosing(t *testing.T, heard chan<- string) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nbye")
		_ = conn.(*net.TCPConn).CloseWrite()
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		all, _ := io.ReadAll(conn)
		heard <- string(all)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// An upstream may have said all while its client has not: MAX_CONNECTIONS changes nothing about that.
func TestHalfClosedWebSocketsKeepTheOtherHalf(t *testing.T) {
	for _, seats := range []int{0, 10} {
		t.Run(fmt.Sprint(seats), func(t *testing.T) {
			heard := make(chan string, 1)
			s := public(t, func(c *config.Config) { c.Upstreams, c.MaxConnections = halfClosing(t, heard), seats })
			conn := s.dial(20 * time.Second)
			fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", strings.TrimPrefix(s.URL, "http://"))
			answers := bufio.NewReader(conn)
			if answer, err := http.ReadResponse(answers, nil); err != nil || answer.StatusCode != http.StatusSwitchingProtocols {
				t.Fatalf("the answer is %v, %v", answer, err)
			}
			if said, err := io.ReadAll(answers); err != nil || string(said) != "bye" {
				t.Fatalf("the upstream says %q, %v", said, err)
			}
			_, _ = io.WriteString(conn, "and you, too")
			_ = conn.(*net.TCPConn).CloseWrite()
			if got := <-heard; got != "and you, too" {
				t.Errorf("the upstream hears %q", got)
			}
		})
	}
}

// An upstream that speaks both versions in the clear gets WebSockets in the one that has them.
func TestWebSocketToAnUpstreamOfHTTP2(t *testing.T) {
	h2c := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err == nil {
			_ = conn.Close(websocket.StatusNormalClosure, "")
		}
	}))
	h2c.Config.Protocols = new(http.Protocols)
	h2c.Config.Protocols.SetUnencryptedHTTP2(true)
	h2c.Config.Protocols.SetHTTP1(true)
	h2c.Start()
	t.Cleanup(h2c.Close)
	s := public(t, func(c *config.Config) { c.Upstreams = strings.Replace(h2c.URL, "http:", "h2c:", 1) })
	conn, answer, err := websocket.Dial(t.Context(), s.URL, nil)
	if err != nil {
		t.Fatalf("the answer is %v, %v", answer.Status, err)
	}
	_ = conn.CloseNow()
}

// What a hasty client sends behind its handshake is not lost.
func TestWebSocketEarlyData(t *testing.T) {
	heard := make(chan string, 1)
	s := public(t, func(c *config.Config) { c.Upstreams = halfClosing(t, heard) })
	conn := s.dial(20 * time.Second)
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello", strings.TrimPrefix(s.URL, "http://"))
	answers := bufio.NewReader(conn)
	answer, err := http.ReadResponse(answers, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(answer.Status)
	_ = conn.(*net.TCPConn).CloseWrite()
	if got := <-heard; got != "hello" {
		t.Errorf("the upstream hears %q", got)
	}
}

// A WebSocket is one from its upgrade to its end; a request for one that is refused is none.
func TestOpenWebSocketsAreCounted(t *testing.T) {
	s := public(t, nil)
	open := func() float64 { return s.metric(`doorward_open_connections{kind="websocket"}`) }
	asked := make(chan float64, 2)
	s.Upstream.Answer = func(w http.ResponseWriter, r *http.Request) {
		asked <- open()
		if r.URL.Path == "/refused" {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		if conn, err := websocket.Accept(w, r, nil); err == nil {
			_, _, _ = conn.Read(r.Context())
		}
	}
	if _, _, err := websocket.Dial(t.Context(), s.URL+"/refused", nil); err == nil || <-asked != 0 {
		t.Error("a request for one that is refused counts, or is not refused")
	}
	conn, _, err := websocket.Dial(t.Context(), s.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	if before, during := <-asked, open(); before != 0 || during != 1 {
		t.Errorf("before the upgrade there are %v, after it %v", before, during)
	}
	_ = conn.Close(websocket.StatusNormalClosure, "")
	eventually(t, func() bool { return open() == 0 })
}
