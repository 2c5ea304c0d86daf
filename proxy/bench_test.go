package proxy_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"doorward/config"
	"doorward/proxy/providertest"
)

// BenchmarkRequest compares what doorward does for a request with what httputil.ReverseProxy alone does for it. The upstream is the same, and
// is reached over loopback; the client costs nothing.
func BenchmarkRequest(b *testing.B) {
	upstream := leanUpstream(b)
	s := newSite(b, func(c *config.Config) { c.Upstreams, c.LogLevel = upstream, "info" })
	alice := s.signedIn("alice").cookieHeader(s)
	front := behindFront(b, "nginx", func(c *config.Config) { c.LogLevel = "info" })
	question := http.Header{"X-Forwarded-Method": {"GET"}, "X-Forwarded-Proto": {"http"}, "X-Forwarded-Uri": {"/"},
		"X-Forwarded-Host": {strings.TrimPrefix(front.URL, "http://")}, "Cookie": {front.signedIn("alice").cookieHeader(front)}}
	for _, bench := range []struct {
		name    string
		handler http.Handler
		path    string
		header  http.Header
		status  int
	}{
		{"bare", bareProxy(b, upstream), "/", http.Header{"Cookie": {alice}}, http.StatusOK},
		{"signed in", s.Proxy, "/", http.Header{"Cookie": {alice}}, http.StatusOK},
		{"public", s.Proxy, "/public/", http.Header{}, http.StatusOK},
		{"login", s.Proxy, "/", http.Header{"Accept": {"text/html"}}, http.StatusSeeOther},
		{"forward-auth", front.Proxy, "/oauth2/auth", question, http.StatusAccepted},
		{"denied", s.Proxy, "/closed/", http.Header{"Cookie": {alice}}, http.StatusForbidden},
	} {
		b.Run(bench.name, func(b *testing.B) { s.repeat(b, bench.handler, bench.path, bench.header, bench.status) })
	}
}

// BenchmarkWhatGrows shows what a request costs where there is much of something.
func BenchmarkWhatGrows(b *testing.B) {
	manyGroups := func(s *site) {
		groups := []string{}
		for i := range 500 {
			groups = append(groups, fmt.Sprintf("group-%03d", i))
		}
		s.Provider.AddUser(providertest.User{Subject: "alice", Email: "alice@example.com", Groups: groups})
	}
	for _, bench := range []struct {
		name      string
		configure func(*config.Config)
		prepare   func(*site)
	}{
		{"nothing", nil, nil},
		{"500 groups", func(c *config.Config) { c.ForwardGroups, c.AccessRules = "matched", "/ group:group-499" }, manyGroups},
		{"1000 rules", func(c *config.Config) { c.AccessRules += manyRules(1000) }, nil},
		{"40 other cookies", nil, nil},
		{"redis", func(c *config.Config) { c.RedisURL = startRedis(b) }, nil},
	} {
		b.Run(bench.name, func(b *testing.B) {
			upstream := leanUpstream(b)
			s := newSite(b, func(c *config.Config) {
				c.Upstreams, c.LogLevel = upstream, "info"
				if bench.configure != nil {
					bench.configure(c)
				}
			})
			if bench.prepare != nil {
				bench.prepare(s)
			}
			cookies := s.signedIn("alice").cookieHeader(s)
			if bench.name == "40 other cookies" {
				cookies = strings.Repeat("preference=something-or-other; ", 40) + cookies
			}
			s.repeat(b, s.Proxy, "/", http.Header{"Cookie": {cookies}}, http.StatusOK)
		})
	}
}

// manyRules are n rules of paths that nobody asks for.
func manyRules(n int) string {
	var rules strings.Builder
	for i := range n {
		fmt.Fprintf(&rules, "/section-%d/ group:G%d\n", i, i)
	}
	return rules.String()
}

// repeat sends the same request again and again.
func (s *site) repeat(b *testing.B, to http.Handler, target string, header http.Header, status int) {
	r := s.incoming(target, header)
	b.ReportAllocs()
	for b.Loop() {
		s.Log.reset()
		w := &nobody{header: http.Header{}}
		ctx, cancel := context.WithCancel(b.Context()) // as net/http's server does
		to.ServeHTTP(w, r.Clone(ctx))
		cancel()
		if w.status != status {
			b.Fatalf("the answer is %d", w.status)
		}
	}
}

// bareProxy is httputil.ReverseProxy with connections that are kept and memory that is used again, and nothing else.
func bareProxy(tb testing.TB, upstream string) http.Handler {
	tb.Helper()
	target, err := url.Parse(upstream)
	if err != nil {
		tb.Fatal(err)
	}
	return &httputil.ReverseProxy{
		Transport:  &http.Transport{MaxIdleConnsPerHost: 512, DisableCompression: true},
		BufferPool: &pooled{},
		Rewrite:    func(r *httputil.ProxyRequest) { r.SetURL(target) },
	}
}

// pooled lends memory to copy bodies through.
type pooled struct{ pool sync.Pool }

func (p *pooled) Get() []byte {
	if buffer, ok := p.pool.Get().(*[32 << 10]byte); ok {
		return buffer[:]
	}
	return make([]byte, 32<<10)
}

func (p *pooled) Put(buffer []byte) { p.pool.Put((*[32 << 10]byte)(buffer)) }

// incoming is a request as net/http's server hands it over.
func (s *site) incoming(target string, header http.Header) *http.Request {
	s.t.Helper()
	r := httptest.NewRequest(http.MethodGet, target, nil)
	r.Host, r.Header, r.RemoteAddr = strings.TrimPrefix(s.URL, "http://"), header, "127.0.0.1:1234"
	return r
}

// leanUpstream answers everything with 1 KiB, and allocates nothing, so that what is counted is the proxy's.
func leanUpstream(tb testing.TB) (url string) {
	tb.Helper()
	return "http://" + accept(tb, func(conn net.Conn) { go answerAll(conn) }).Addr().String()
}

func answerAll(conn net.Conn) {
	defer conn.Close()
	in, answer := bufio.NewReaderSize(conn, 64<<10), []byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1024\r\n\r\n"+strings.Repeat("x", 1<<10))
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return
		}
		if len(line) > len("\r\n") {
			continue
		}
		if _, err := conn.Write(answer); err != nil {
			return
		}
	}
}

// nobody is a client that takes answers and does nothing.
type nobody struct {
	header http.Header
	status int
}

func (n *nobody) Header() http.Header { return n.header }

func (n *nobody) Write(b []byte) (int, error) { return io.Discard.Write(b) }

func (n *nobody) WriteHeader(status int) {
	if status >= 200 {
		n.status = status
	}
}

func (n *nobody) Flush() {}
