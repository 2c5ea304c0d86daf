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
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	pb "google.golang.org/grpc/interop/grpc_testing"

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
				client.wants(t, http.StatusBadGateway)
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
				client.wants(t, http.StatusOK)
				if sizes := u.sizes(); len(sizes) != 2 || sizes[1] != len("a few words") {
					t.Errorf("of %d bytes these arrived: %d", len("a few words"), sizes)
				}
			})
		}
	}
}

// A client that does not go on with what it sends holds no upstream for ever.
func TestClientsThatDoNotGoOn(t *testing.T) {
	s := public(t, func(c *config.Config) { c.IdleTimeout = time.Second })
	for kind, protocol := range kindsOfClients() {
		t.Run(kind, func(t *testing.T) { s.beginToSend(t, protocol).wants(t, http.StatusRequestTimeout) })
	}
	if got := s.metric(`doorward_connections_cut_total{reason="stalled"}`); got != 4 {
		t.Errorf("%v were cut", got)
	}
	t.Run("HTTP/1.1 to HTTP/2", func(t *testing.T) { // there it is the client's connection that is held
		s := public(t, func(c *config.Config) { c.Upstreams, c.IdleTimeout = newSecondUpstream(t, takeAll), time.Second })
		s.waitForIdleTimeout(t)
	})
}

// An upload that its upstream does not take fills the window of its connection (RFC 9113 5.2.1): that the others cannot be sent is not their silence.
func TestUploadsBesideOneThatIsNotTaken(t *testing.T) {
	stuck := make(chan net.Conn, 1)
	l := accept(t, func(conn net.Conn) { stuck <- conn })
	s := public(t, func(c *config.Config) {
		c.Upstreams += "\n/stuck http://" + l.Addr().String()
		c.IdleTimeout = time.Second
	})
	client := newClient(t, true)
	held := s.upload(t, client, "/stuck", &stuff{left: 64 << 20}, -1)
	conn := <-stuck
	s.waitForIdleTimeout(t) // by then the kernels' buffers are full, and the window is
	fine := s.upload(t, client, "/fine", strings.NewReader("a few words"), -1)
	s.waitForIdleTimeout(t)
	s.waitForIdleTimeout(t)
	_ = conn.Close()
	fine.wants(t, http.StatusOK)
	held.wants(t, http.StatusBadGateway)
}

// A client that sends one upload of a connection has not gone, and may come to the others yet.
func TestUploadsBesideOneThatGoesOn(t *testing.T) {
	for upstream, path := range map[string]string{"HTTP/1.1": "/", "HTTP/2": "/second"} {
		t.Run("to "+upstream, func(t *testing.T) {
			t.Parallel()
			s := public(t, func(c *config.Config) {
				c.Upstreams += "\n/second " + newSecondUpstream(t, takeAll)
				c.IdleTimeout = 2 * time.Second
			})
			client := newClient(t, true)
			waits, later := io.Pipe()
			waiting := s.upload(t, client, "/", waits, -1)
			for range 2 {
				goes, on := io.Pipe()
				busy := s.upload(t, client, path, goes, -1)
				s.untilIdleTimeout(t, func() { _, _ = io.WriteString(on, "a word ") })
				_ = on.Close()
				busy.wants(t, http.StatusOK)
			}
			_ = later.Close()
			waiting.wants(t, http.StatusOK)
		})
	}
}

// The same holds where each of those that it sends is over in a moment.
func TestUploadBesideShortOnes(t *testing.T) {
	s := public(t, func(c *config.Config) { c.IdleTimeout = 2 * time.Second })
	client := newClient(t, true)
	waits, later := io.Pipe()
	waiting := s.upload(t, client, "/", waits, -1)
	for range 2 {
		s.untilIdleTimeout(t, func() { s.upload(t, client, "/", strings.NewReader("a word"), -1).wants(t, http.StatusOK) })
	}
	_ = later.Close()
	waiting.wants(t, http.StatusOK)
}

// A stream to an upstream of HTTP/2 holds no connection, and may be silent: it may be a call of gRPC's.
func TestStreamThatIsSilent(t *testing.T) {
	s, _ := newGRPCSite(t, func(c *config.Config) { c.IdleTimeout = time.Second })
	in, err := s.grpcClient(t, s.Provider.APIToken("bob")).StreamingInputCall(soon(t))
	if err == nil {
		err = in.Send(&pb.StreamingInputCallRequest{Payload: payload(20)})
	}
	if err != nil {
		t.Fatal(err)
	}
	s.waitForIdleTimeout(t)
	s.waitForIdleTimeout(t)
	if err := in.Send(&pb.StreamingInputCallRequest{Payload: payload(1)}); err != nil {
		t.Error(err)
	}
	if sum, err := in.CloseAndRecv(); err != nil || sum.GetAggregatedPayloadSize() != 21 {
		t.Errorf("%d bytes arrived, %v", sum.GetAggregatedPayloadSize(), err)
	}
}

// A client that has sent all that it announced is waited for no more, though its stream has not ended: it is the upstream's turn.
func TestStreamThatIsNotEnded(t *testing.T) {
	for name, test := range map[string]struct {
		timeout, want string
	}{"the upstream takes its time": {"60s", "200"}, "the upstream takes too long": {"1s", "504"}} {
		t.Run(name, func(t *testing.T) {
			arrived, answer := make(chan struct{}), make(chan struct{})
			upstream := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if _, err := io.ReadFull(r.Body, make([]byte, r.ContentLength)); err == nil {
					close(arrived)
					<-answer
				}
			}))
			t.Cleanup(upstream.Close)
			end := sync.OnceFunc(func() { close(answer) })
			defer end()
			s := public(t, func(c *config.Config) {
				c.Upstreams, c.IdleTimeout = upstream.URL+" timeout="+test.timeout, time.Second
			})
			client := s.client2()
			client.send(t, "a word", field{":method", "POST"}, field{":scheme", "http"}, field{":authority", client.host}, field{":path", "/"}, field{"content-length", "6"})
			<-arrived
			s.waitForIdleTimeout(t)
			if test.want == "200" {
				end()
			}
			if got := client.status(); got != test.want {
				t.Errorf("it is answered %s, want %s", got, test.want)
			}
		})
	}
}

// waitForIdleTimeout returns when a client that is silent over HTTP/1.1 has been cut.
func (s *site) waitForIdleTimeout(t *testing.T) {
	s.raw("POST /public/ HTTP/1.1\r\nHost: "+strings.TrimPrefix(s.URL, "http://")+"\r\nContent-Length: 10\r\n\r\n").wants(t, http.StatusRequestTimeout)
}

// untilIdleTimeout does something again and again meanwhile.
func (s *site) untilIdleTimeout(t *testing.T, something func()) {
	over := make(chan struct{})
	go func() {
		defer close(over)
		s.waitForIdleTimeout(t)
	}()
	now := time.NewTicker(100 * time.Millisecond)
	defer now.Stop()
	for {
		select {
		case <-now.C:
			something()
		case <-over:
			return
		}
	}
}

// newSecondUpstream starts an upstream that speaks HTTP/2, and gives its entry.
func newSecondUpstream(t *testing.T, serve http.HandlerFunc) (entry string) {
	t.Helper()
	upstream := httptest.NewUnstartedServer(serve)
	upstream.Config.Protocols = new(http.Protocols)
	upstream.Config.Protocols.SetUnencryptedHTTP2(true)
	upstream.Start()
	t.Cleanup(upstream.Close)
	return strings.Replace(upstream.URL, "http:", "h2c:", 1)
}

// takeAll is an upstream that takes all that it gets.
func takeAll(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }

// silentClient has begun to send "a few words", and says nothing before it is told to end that.
type silentClient struct {
	upload
	rest *io.PipeWriter
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
	body, rest := io.Pipe()
	t.Cleanup(func() { rest.Close() })
	c := &silentClient{s.upload(t, newClient(t, p.second), "/", body, p.length), rest}
	_, _ = io.WriteString(rest, "a few ")
	return c
}

// newClient speaks HTTP/2 in the clear, or HTTP/1.1.
func newClient(t *testing.T, second bool) *http.Transport {
	client := &http.Transport{Protocols: new(http.Protocols)}
	client.Protocols.SetHTTP1(!second)
	client.Protocols.SetUnencryptedHTTP2(second)
	t.Cleanup(client.CloseIdleConnections)
	return client
}

// upload is a request that is being sent; the status of its answer comes here, or nothing where there is none.
type upload chan int

// upload begins to send a body, whose length is -1 where the client does not say.
func (s *site) upload(t *testing.T, client *http.Transport, path string, body io.Reader, length int64) upload {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+path, body)
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = length
	u := make(upload, 1)
	go func() {
		defer close(u)
		answer, err := client.RoundTrip(r)
		if err != nil {
			t.Error(err)
			return
		}
		answer.Body.Close()
		u <- answer.StatusCode
	}()
	return u
}

// wants waits for the answer.
func (u upload) wants(t *testing.T, status int) {
	t.Helper()
	if got, come := <-u; come && got != status {
		t.Errorf("it is answered %d, want %d", got, status)
	}
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
