package proxy_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"doorward/config"
	"doorward/deploy/certtest"
)

// A client that is silent amid its body hears at once that its upstream is lost, for it may be silent because it waits for an answer.
func TestUpstreamIsLostWhileItsClientIsSilent(t *testing.T) {
	for name, entry := range map[string]func(*testing.T) string{
		"HTTP/1.1, closed": func(t *testing.T) string { return hangsUp(t, httptest.NewUnstartedServer(nil), hangUp1) },
		"HTTP/1.1, reset":  func(t *testing.T) string { return hangsUp(t, httptest.NewUnstartedServer(nil), abort1) },
		"HTTPS, closed": func(t *testing.T) string {
			server := httptest.NewUnstartedServer(nil)
			authority := certtest.New(t)
			server.TLS = &tls.Config{Certificates: []tls.Certificate{authority.Issue(201, time.Now().Add(time.Hour), "127.0.0.1").TLS(t)}}
			return hangsUp(t, server, hangUp1) + " ca=" + newFolder(t, authority.PEM).file()
		},
		"HTTP/2, closed": func(t *testing.T) string { return letsGoAmid(t, hangUp2).entry() },
		"HTTP/2, reset":  func(t *testing.T) string { return letsGoAmid(t, reset(http2.ErrCodeInternal)).entry() },
	} {
		for kind, protocol := range kindsOfClients() {
			t.Run(kind+" to "+name, func(t *testing.T) {
				t.Parallel()
				upstream := entry(t)
				s := public(t, func(c *config.Config) { c.Upstreams = upstream })
				client := s.beginToSend(t, protocol)
				if answer := <-client.answer; answer != nil && answer.StatusCode != http.StatusBadGateway {
					t.Errorf("it is answered %d", answer.StatusCode)
				}
				for series, value := range s.metrics() {
					if strings.HasPrefix(series, `doorward_upstream_errors_total{reason="client_gone"`) && value > 0 {
						t.Error("it is counted as the client's doing")
					}
				}
			})
		}
	}
}

// An answer that breaks off ends the connection of a client that is silent amid its body, which net/http would wait for.
func TestAnswerBreaksOffAmidASilentBody(t *testing.T) {
	for _, framing := range []string{"Content-Length: 11", "Transfer-Encoding: chunked"} {
		t.Run(framing, func(t *testing.T) {
			t.Parallel()
			upstream := httptest.NewServer(hangUp("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of it"))
			t.Cleanup(upstream.Close)
			s := public(t, func(c *config.Config) { c.Upstreams = upstream.URL })
			_, answers := s.begin(t, framing)
			answer, err := http.ReadResponse(answers, nil)
			if err != nil {
				t.Fatal(err)
			}
			if text, err := io.ReadAll(answer.Body); string(text) != "half of it" || !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("the answer is %q, and ends with %v", text, err)
			}
		})
	}
}

// What an upstream lets go of is sent again at once, and goes on with its client.
func TestSilentClientIsSentAgain(t *testing.T) {
	for name, letGo := range map[string]func(*http2.Framer, uint32) error{"it goes": goAway, "it refuses": reset(http2.ErrCodeRefusedStream)} {
		for kind, protocol := range kindsOfClients() {
			t.Run(kind+", "+name, func(t *testing.T) {
				t.Parallel()
				u := letsGoAmid(t, letGo)
				s := public(t, func(c *config.Config) { c.Upstreams = u.entry() })
				client := s.beginToSend(t, protocol)
				for range 2 {
					<-u.begun
				}
				client.end()
				if answer := <-client.answer; answer != nil && answer.StatusCode != http.StatusOK {
					t.Errorf("it is answered %d", answer.StatusCode)
				}
				if sizes := u.sizes(); len(sizes) != 2 || sizes[1] != len("a few words") {
					t.Errorf("of %d bytes these arrived: %d", len("a few words"), sizes)
				}
			})
		}
	}
}

// silentClient has begun to send "a few words", and says nothing before it is told to end that.
type silentClient struct {
	rest   *io.PipeWriter
	answer chan *http.Response
}

// protocol is what a client speaks; the length of its body is -1 where it does not say.
type protocol struct {
	second bool
	length int64
}

func kindsOfClients() map[string]protocol {
	return map[string]protocol{"HTTP/1.1": {length: 11}, "HTTP/1.1 in chunks": {length: -1}, "HTTP/2": {true, 11}, "HTTP/2 without a length": {true, -1}}
}

func (s *site) beginToSend(t *testing.T, p protocol) *silentClient {
	t.Helper()
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetHTTP1(!p.second)
	transport.Protocols.SetUnencryptedHTTP2(p.second)
	body, rest := io.Pipe()
	t.Cleanup(func() {
		rest.Close()
		transport.CloseIdleConnections()
	})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL, body)
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = p.length
	c := &silentClient{rest, make(chan *http.Response, 1)}
	go func() {
		defer close(c.answer)
		answer, err := transport.RoundTrip(r)
		if err != nil {
			t.Error(err)
			return
		}
		answer.Body.Close()
		c.answer <- answer
	}()
	_, _ = io.WriteString(rest, "a few ")
	return c
}

func (c *silentClient) end() {
	_, _ = io.WriteString(c.rest, "words")
	c.rest.Close()
}

// hangsUp starts a server that ends connections amid a body, and gives its address.
func hangsUp(t *testing.T, server *httptest.Server, end func(net.Conn)) (url string) {
	t.Helper()
	server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadFull(r.Body, make([]byte, len("a few ")))
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		end(conn)
	})
	if server.TLS != nil {
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	return server.URL
}

func hangUp1(conn net.Conn) { _ = conn.Close() }

func abort1(conn net.Conn) {
	_ = conn.(*net.TCPConn).SetLinger(0)
	_ = conn.Close()
}

// letsGoAmid is an upstream that lets go of the first request when something of its body has come.
func letsGoAmid(t *testing.T, letGo func(*http2.Framer, uint32) error) *lettingGo {
	u := newLettingGo(t, 1, letGo)
	u.begun = make(chan struct{}, 2)
	return u
}

func (u *lettingGo) entry() string { return fmt.Sprint("h2c://", u.Addr()) }

func hangUp2(*http2.Framer, uint32) error { return io.EOF }
