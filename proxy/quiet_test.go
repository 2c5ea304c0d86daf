package proxy_test

import (
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"doorward/config"
)

// An upstream that answers each request twice tells nobody what was meant for somebody else, though the Transport offers its connection before it
// looks what is left.
func TestSurplusOfAnAnswerIsNobodysAnswer(t *testing.T) {
	secured := httptest.NewTLSServer(http.HandlerFunc(answerTwice))
	defer secured.Close()
	ca := newFolder(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secured.Certificate().Raw}))).file()
	listener, err := net.Listen("unix", filepath.Join(t.TempDir(), "app.sock"))
	if err != nil {
		t.Fatal(err)
	}
	local := &httptest.Server{Listener: listener, Config: &http.Server{Handler: http.HandlerFunc(answerTwice)}}
	local.Start()
	defer local.Close()
	for scheme, test := range map[string]struct {
		entry string
		ask   func(s *site, name string)
	}{
		"http":  {"http://%s", (*site).postAs},
		"https": {secured.URL + " ca=" + ca, (*site).postAs},
		"unix":  {"unix:" + listener.Addr().String(), (*site).postAs},
		"h2c":   {"h2c://%s", (*site).upgradeAs}, // which asks in HTTP/1.1 for WebSockets
	} {
		t.Run(scheme, func(t *testing.T) {
			s := public(t, func(c *config.Config) {
				c.Upstreams = strings.Replace(test.entry, "%s", strings.TrimPrefix(c.Upstreams, "http://"), 1)
			})
			s.Upstream.Answer = answerTwice
			offered, written := make(chan struct{}), make(chan struct{}, 2)
			s.trace(map[string]*httptrace.ClientTrace{
				"first": {PutIdleConn: func(error) {
					close(offered)
					select {
					case <-written:
					case <-time.After(100 * time.Millisecond):
					}
				}},
				"second": {WroteRequest: func(httptrace.WroteRequestInfo) { written <- struct{}{} }},
			})
			var asking sync.WaitGroup
			defer asking.Wait()
			asking.Go(func() { test.ask(s, "first") })
			<-offered
			test.ask(s, "second")
		})
	}
}

// Nor is what an upstream says after a request has got the connection, and before it is sent there.
func TestAnswerBeforeTheRequestIsNobodysAnswer(t *testing.T) {
	s := public(t, nil)
	speaks, gone := make(chan struct{}), make(chan struct{})
	s.Upstream.Answer = func(w http.ResponseWriter, r *http.Request) {
		conn, _, _ := http.NewResponseController(w).Hijack()
		defer conn.Close()
		answer(conn, r.Header.Get("Name"))
		if r.Header.Get("Name") == "first" {
			<-speaks
			answer(conn, "surplus")
			_, _ = io.Copy(io.Discard, conn)
			close(gone)
		}
	}
	var once sync.Once
	s.trace(map[string]*httptrace.ClientTrace{"first": {}, "second": {WroteHeaders: func() { // which are sent next
		once.Do(func() { close(speaks) })
		select {
		case <-gone:
		case <-time.After(time.Second):
		}
	}}})
	s.postAs("first")
	s.postAs("second")
}

// A long answer said twice leaves the surplus in the socket, where the Transport has not seen it yet. Who is the faster of the two is chance.
func TestSurplusInTheSocketIsNobodysAnswer(t *testing.T) {
	t.Parallel()
	s := public(t, nil)
	long := strings.Repeat("x", 12<<10)
	s.Upstream.Answer = func(w http.ResponseWriter, r *http.Request) {
		conn, _, _ := http.NewResponseController(w).Hijack()
		defer conn.Close()
		text := r.Header.Get("Name") + long
		answer(conn, text, text)
		_, _ = io.Copy(io.Discard, conn)
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 32}}
	defer client.CloseIdleConnections()
	var there sync.WaitGroup
	for who := range 32 {
		there.Go(func() {
			for i := range 60 {
				name := fmt.Sprintf("%d-%d-", who, i)
				r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL, nil)
				r.Header.Set("Name", name)
				if got, err := client.Do(r); err == nil {
					if body, err := io.ReadAll(got.Body); err == nil && got.StatusCode == http.StatusOK && string(body) != name+long {
						t.Errorf("%s is answered %.10q", name, body)
					}
					got.Body.Close()
				}
			}
		})
	}
	there.Wait()
}

// In TLS nobody can tell what a record is until it is whole. One that has begun when somebody else's request comes is waited for.
func TestSurplusThatIsOnItsWay(t *testing.T) {
	secured := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, _ := http.NewResponseController(w).Hijack()
		defer conn.Close()
		name, raw := r.Header.Get("Name"), conn.(*tls.Conn).NetConn().(*held)
		raw.holds = true
		answer(conn, name)
		answer(conn, name)
		raw.release()
		_, _ = io.Copy(io.Discard, conn)
	}))
	secured.Listener = holding{secured.Listener}
	secured.StartTLS()
	defer secured.Close()
	ca := newFolder(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secured.Certificate().Raw}))).file()
	s := public(t, func(c *config.Config) { c.Upstreams = secured.URL + " ca=" + ca })
	s.postAs("first")
	s.postAs("second")
}

// held is a connection that gathers what is written to it, and releases it at once but for its last byte, which follows a moment later: what is
// written apart from an answer could come after the next request.
type held struct {
	net.Conn
	holds bool
	all   []byte
}

func (h *held) Write(b []byte) (int, error) {
	if !h.holds {
		return h.Conn.Write(b)
	}
	h.all = append(h.all, b...)
	return len(b), nil
}

func (h *held) release() {
	last := len(h.all) - 1
	_, _ = h.Conn.Write(h.all[:last])
	<-time.After(100 * time.Millisecond) // in which the next request comes
	_, _ = h.Conn.Write(h.all[last:])
	h.holds, h.all = false, nil
}

type holding struct{ net.Listener }

func (l holding) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return &held{Conn: conn}, err
}

// trace has traces look at what becomes of requests, by their names.
func (s *site) trace(traces map[string]*httptrace.ClientTrace) {
	s.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.Proxy.ServeHTTP(w, r.WithContext(httptrace.WithClientTrace(r.Context(), traces[r.Header.Get("Name")])))
	})
}

// postAs asks under a name, and has to be answered by that.
func (s *site) postAs(name string) {
	r, _ := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.URL, nil)
	s.askAs(name, r)
}

// upgradeAs does the same for a WebSocket, which the upstream refuses.
func (s *site) upgradeAs(name string) {
	r, _ := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.URL, nil)
	upgrade(r.Header)
	s.askAs(name, r)
}

func (s *site) askAs(name string, r *http.Request) {
	r.Header.Set("Name", name)
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Error(err)
		return
	}
	defer got.Body.Close()
	if body, err := io.ReadAll(got.Body); err != nil || string(body) != name {
		s.t.Errorf("%s is answered %q (%d, %v)", name, body, got.StatusCode, err)
	}
}

func answerTwice(w http.ResponseWriter, r *http.Request) {
	conn, _, _ := http.NewResponseController(w).Hijack()
	defer conn.Close()
	name := r.Header.Get("Name")
	answer(conn, name, name)
	_, _ = io.Copy(io.Discard, conn) // until doorward has closed it
}

// answer writes answers at once.
func answer(to io.Writer, texts ...string) {
	var all strings.Builder
	for _, text := range texts {
		fmt.Fprintf(&all, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
	}
	_, _ = io.WriteString(to, all.String())
}
