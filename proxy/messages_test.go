package proxy_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"doorward/config"
)

// dial is a connection to the site, on which nothing takes longer than most.
func (s *site) dial(most time.Duration) net.Conn {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.server.Listener.Addr().String())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(most))
	return conn
}

// statuses sends bytes as they are, and gives the status of every answer until the connection closes.
func (s *site) statuses(bytes string) []int {
	s.t.Helper()
	conn := s.dial(20 * time.Second)
	if _, err := io.WriteString(conn, bytes); err != nil {
		s.t.Fatal(err)
	}
	var all []int
	for answers := bufio.NewReader(conn); ; {
		answer, err := http.ReadResponse(answers, nil)
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				s.t.Errorf("the connection stays open after %.80q", bytes)
			}
			return all
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		all = append(all, answer.StatusCode)
	}
}

// What servers read in different ways is refused, or read in one way and passed on in the only way there is to write it. Here HOST is
// the site's, and whatever is refused ends the connection, so that nothing behind it is a request.
func TestMessagesHaveOneMeaning(t *testing.T) {
	const smuggled = "GET /public/smuggled HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n"
	for name, test := range map[string]struct {
		message string
		want    []int
	}{
		"plain":                           {"GET /public/ HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n", []int{200}},
		"bare LF":                         {"GET /public/ HTTP/1.1\nHost: HOST\nConnection: close\n\n", []int{200}},
		"bare LF before a forged header":  {"GET /public/ HTTP/1.1\r\nHost: HOST\r\nX: a\nX-Forwarded-User: " + canary + "\r\nConnection: close\r\n\r\n", []int{200}},
		"folded line":                     {"GET /public/ HTTP/1.1\r\nHost: HOST\r\nX: a\r\n b\r\nConnection: close\r\n\r\n", []int{200}},
		"folded first line":               {"GET /public/ HTTP/1.1\r\n X: a\r\nHost: HOST\r\nConnection: close\r\n\r\n" + smuggled, []int{400}},
		"bare CR":                         {"GET /public/ HTTP/1.1\r\nHost: HOST\r\nX: a\rX-Forwarded-User: b\r\n\r\n" + smuggled, []int{400}},
		"NUL":                             {"GET /public/ HTTP/1.1\r\nHost: HOST\r\nX: a\x00b\r\n\r\n" + smuggled, []int{400}},
		"blank before the colon":          {"GET /public/ HTTP/1.1\r\nHost: HOST\r\nContent-Length : 9\r\n\r\n" + smuggled, []int{400}},
		"line without a colon":            {"GET /public/ HTTP/1.1\r\nHost: HOST\r\nnonsense\r\n\r\n" + smuggled, []int{400}},
		"no name":                         {"GET /public/ HTTP/1.1\r\nHost: HOST\r\n: a\r\n\r\n" + smuggled, []int{400}},
		"unknown coding":                  {"POST /public/ HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + smuggled, []int{501}},
		"two codings":                     {"POST /public/ HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + smuggled, []int{501}},
		"two lines of codings":            {"POST /public/ HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + smuggled, []int{501}},
		"coding and HTTP/1.0":             {"POST /public/ HTTP/1.0\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled, []int{200}},
		"coding in HTTP/1.0 that goes on": {"POST /public/ HTTP/1.0\r\nHost: HOST\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n" + smuggled, []int{200}},
		"coding and length in HTTP/1.0":   {"POST /public/ HTTP/1.0\r\nHost: HOST\r\nConnection: keep-alive\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n50\r\n" + smuggled, []int{200}},
		"coding in HTTP/1.0, an upgrade":  {"GET /public/ HTTP/1.0\r\nHost: HOST\r\nConnection: keep-alive, upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n\r\n" + smuggled, []int{200}},
		"coding in HTTP/1.0, no session":  {"GET /x HTTP/1.0\r\nHost: HOST\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n" + smuggled, []int{401}},
		"coding in HTTP/1.0, an endpoint": {"GET /oauth2/healthz HTTP/1.0\r\nHost: HOST\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n" + smuggled, []int{200}},
		"length with a sign":              {"POST /public/ HTTP/1.1\r\nHost: HOST\r\nContent-Length: +0\r\n\r\n" + smuggled, []int{400}},
		"negative length":                 {"POST /public/ HTTP/1.1\r\nHost: HOST\r\nContent-Length: -1\r\n\r\n" + smuggled, []int{400}},
		"two lengths":                     {"POST /public/ HTTP/1.1\r\nHost: HOST\r\nContent-Length: 0\r\nContent-Length: 9\r\n\r\n" + smuggled, []int{400}},
		"two lengths in a line":           {"POST /public/ HTTP/1.1\r\nHost: HOST\r\nContent-Length: 0, 0\r\n\r\n" + smuggled, []int{400}},
		"length beyond all bounds":        {"POST /public/ HTTP/1.1\r\nHost: HOST\r\nContent-Length: 99999999999999999999\r\n\r\n" + smuggled, []int{400}},
		"the same length twice":           {"POST /public/ HTTP/1.1\r\nHost: HOST\r\nContent-Length: 1\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx", []int{200}},
		"chunk size that ends in bare LF": {"POST /public/ HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n1\nx\r\n0\r\n\r\n" + smuggled, []int{400}},
		"chunk size in octal clothes":     {"POST /public/ HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\nx\r\n0\r\n\r\n" + smuggled, []int{400}},
		"no Host":                         {"GET /public/ HTTP/1.1\r\n\r\n" + smuggled, []int{400}},
		"empty Host":                      {"GET /public/ HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n" + smuggled, []int{421}},
		"no Host in HTTP/1.0":             {"GET /public/ HTTP/1.0\r\n\r\n" + smuggled, []int{421}},
		"two Hosts":                       {"GET /public/ HTTP/1.1\r\nHost: HOST\r\nHost: HOST\r\n\r\n" + smuggled, []int{400}},
		"Host with a path":                {"GET /public/ HTTP/1.1\r\nHost: HOST/x\r\nConnection: close\r\n\r\n" + smuggled, []int{400}},
		"Host with a user":                {"GET /public/ HTTP/1.1\r\nHost: a@HOST\r\nConnection: close\r\n\r\n" + smuggled, []int{400}},
		"HTTP/0.9":                        {"GET /public/\r\n" + smuggled, []int{400}},
		"HTTP/0.9 by name":                {"GET /public/ HTTP/0.9\r\nHost: HOST\r\n\r\n" + smuggled, []int{505}},
		"HTTP/1.9":                        {"GET /public/ HTTP/1.9\r\nHost: HOST\r\nConnection: close\r\n\r\n" + smuggled, []int{200}},
		"http/1.1":                        {"GET /public/ http/1.1\r\nHost: HOST\r\n\r\n" + smuggled, []int{400}},
		"two blanks":                      {"GET  /public/ HTTP/1.1\r\nHost: HOST\r\n\r\n" + smuggled, []int{400}},
		"blank in the target":             {"GET /public/ x HTTP/1.1\r\nHost: HOST\r\n\r\n" + smuggled, []int{400}},
		"tab for a blank":                 {"GET\t/public/ HTTP/1.1\r\nHost: HOST\r\n\r\n" + smuggled, []int{400}},
		"no frame after HTTP/2's preface": {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + smuggled, nil},
		"pipelined":                       {strings.Repeat("GET /public/ HTTP/1.1\r\nHost: HOST\r\n\r\nGET /x HTTP/1.1\r\nHost: HOST\r\n\r\n", 2) + "GET /public/ HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n", []int{200, 401, 200, 401, 200}},
		"pipelined behind a body":         {"POST /public/ HTTP/1.1\r\nHost: HOST\r\nContent-Length: 3\r\n\r\nGETGET /x HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n", []int{200, 401}},
		"pipelined behind a refused body": {"POST /x HTTP/1.1\r\nHost: HOST\r\nContent-Length: 3\r\n\r\nGET" + smuggled, []int{401}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, nil)
			got := s.statuses(strings.ReplaceAll(test.message, "HOST", strings.TrimPrefix(s.URL, "http://")))
			if !slices.Equal(got, test.want) {
				t.Errorf("the answers are %v, want %v", got, test.want)
			}
			for _, r := range s.Upstream.Received() {
				if r.URI != "/public/" {
					t.Errorf("the upstream received %s", r.URI)
				}
				notArrived(t, r)
			}
		})
	}
}

// A folded line is one value, wherever it goes on.
func TestFoldedLineArrivesAsOne(t *testing.T) {
	s := public(t, nil)
	s.rawGet("/", "X-Folded: a\r\n X-Forwarded-User: b\r\n\tc")
	got := s.Upstream.last(t).Header
	if got.Get("X-Folded") != "a X-Forwarded-User: b c" || got["X-Forwarded-User"] != nil {
		t.Errorf("the upstream received %v", got)
	}
}

// A head of more than MAX_HEADER_BYTES is refused before it is read to its end.
func TestHugeHeads(t *testing.T) {
	s := public(t, func(c *config.Config) { c.MaxHeaderBytes = 20_000 })
	for name, test := range map[string]struct {
		lines  []string
		target string
		want   int
	}{
		"large":          {[]string{"X: " + strings.Repeat("x", 19_000)}, "/", http.StatusOK},
		"one long line":  {[]string{"X: " + strings.Repeat("x", 25_000)}, "/", http.StatusRequestHeaderFieldsTooLarge},
		"many lines":     {slices.Repeat([]string{"X: x"}, 5000), "/", http.StatusRequestHeaderFieldsTooLarge},
		"long target":    {nil, "/" + strings.Repeat("x", 25_000), http.StatusRequestHeaderFieldsTooLarge},
		"a line too few": {[]string{strings.Repeat("x", 25_000)}, "/", http.StatusRequestHeaderFieldsTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			if got := s.rawGet(test.target, test.lines...).StatusCode; got != test.want {
				t.Errorf("the answer is %d, want %d", got, test.want)
			}
		})
	}
}

// So many cookies that Go reads none of them (CVE-2025-58186): who is signed in stays so, and the application gets all others.
func TestThousandsOfCookies(t *testing.T) {
	s := newSite(t, nil)
	others := strings.Repeat("a=1; ", 3500) + "last=1"
	for path, want := range map[string]int{"/public/": http.StatusOK, "/x": http.StatusUnauthorized, "/oauth2/callback": http.StatusBadRequest} {
		if got := s.rawGet(path, "Cookie: "+others).StatusCode; got != want {
			t.Errorf("%s: the answer is %d, want %d", path, got, want)
		}
	}
	if got := s.Upstream.last(t).Header.Get("Cookie"); got != others {
		t.Errorf("of %d bytes of cookies %d arrived", len(others), len(got))
	}
	alice := s.signedIn("alice").cookieHeader(s)
	if got := s.rawGet("/x", "Cookie: "+others+"; "+alice).StatusCode; got != http.StatusOK {
		t.Errorf("whoever is signed in gets %d", got)
	}
	if got := s.Upstream.last(t).Header.Get("Cookie"); got != others {
		t.Errorf("with a session, of %d bytes of cookies %d arrived", len(others), len(got))
	}
}

// Clients that stall lose their connection: before, within and between requests.
func TestStallingClients(t *testing.T) {
	for name, test := range map[string]struct {
		bytes     string
		configure func(*config.Config)
	}{
		"says nothing":       {"", func(c *config.Config) { c.HeaderTimeout = 30 * time.Millisecond }},
		"within a line":      {"GET / HT", func(c *config.Config) { c.HeaderTimeout = 30 * time.Millisecond }},
		"within the head":    {"GET / HTTP/1.1\r\nHost: HOST\r\nX: a\r\n", func(c *config.Config) { c.HeaderTimeout = 30 * time.Millisecond }},
		"after an answer":    {"GET / HTTP/1.1\r\nHost: HOST\r\n\r\n", func(c *config.Config) { c.IdleTimeout = 30 * time.Millisecond }},
		"in the next head":   {"GET / HTTP/1.1\r\nHost: HOST\r\n\r\nGET / HTTP/1.1\r\n", func(c *config.Config) { c.HeaderTimeout = 30 * time.Millisecond }},
		"with a bad preface": {"PRI * HTTP/2.0\r\n", func(c *config.Config) { c.HeaderTimeout = 30 * time.Millisecond }},
	} {
		t.Run(name, func(t *testing.T) {
			s := public(t, test.configure)
			conn := s.dial(5 * time.Second) // less than the defaults
			if _, err := io.WriteString(conn, strings.ReplaceAll(test.bytes, "HOST", strings.TrimPrefix(s.URL, "http://"))); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadAll(conn); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("the connection stays open")
			}
		})
	}
}

// A client that sends its head byte by byte gains no time by it.
func TestSlowHead(t *testing.T) {
	s := public(t, func(c *config.Config) { c.HeaderTimeout = 100 * time.Millisecond })
	conn := s.dial(5 * time.Second)
	closed := make(chan error, 1)
	go func() { _, err := io.ReadAll(conn); closed <- err }()
	for drip := time.NewTicker(5 * time.Millisecond); ; {
		select {
		case err := <-closed:
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("the connection stays open")
			}
			return
		case <-drip.C:
			_, _ = io.WriteString(conn, "G")
		}
	}
}

// A body and an answer may take longer than both. Between its parts there is much less time than that, whatever else the machine does.
func TestSlowBodiesMayPass(t *testing.T) {
	t.Parallel()
	s := public(t, func(c *config.Config) { c.HeaderTimeout, c.IdleTimeout = time.Second, time.Second })
	conn := s.dial(20 * time.Second)
	_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: "+strings.TrimPrefix(s.URL, "http://")+"\r\nContent-Length: 10\r\nConnection: close\r\n\r\n")
	drip := time.NewTicker(150 * time.Millisecond)
	defer drip.Stop()
	for range 10 {
		<-drip.C
		_, _ = io.WriteString(conn, "x")
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("the answer is %v, %v", answer, err)
	}
	if got := s.Upstream.last(t).Body; got != "xxxxxxxxxx" {
		t.Errorf("the upstream received %q", got)
	}
}
