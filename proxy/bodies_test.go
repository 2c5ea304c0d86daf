package proxy_test

import (
	"bufio"
	"bytes"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"doorward/config"
)

// Bodies pass in constant memory, both ways, whether their length is known or not. TRANSPARENCY_MIB=1024 sends 1 GiB.
func TestLargeBodies(t *testing.T) {
	size := int64(numberFromEnvironment(t, "TRANSPARENCY_MIB", 64)) << 20
	want := fmt.Sprintf("%08x", checksum(t, &stuff{left: size}))
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			fmt.Fprintf(w, "%08x", checksum(t, r.Body))
			return
		}
		if r.URL.Path == "/length" {
			w.Header().Set("Content-Length", fmt.Sprint(size))
		}
		_, _ = io.Copy(w, &stuff{left: size})
	}))
	t.Cleanup(upstream.Close)
	s := public(t, func(c *config.Config) { c.Upstreams = upstream.URL })
	for _, length := range []int64{size, -1} {
		path := map[bool]string{true: "/length", false: "/chunks"}[length > 0]
		t.Run("up"+path, func(t *testing.T) {
			r, _ := http.NewRequestWithContext(t.Context(), http.MethodPut, s.URL+path, &stuff{left: size})
			r.ContentLength = length
			if got := fetchWithin(t, r); got != want {
				t.Errorf("the checksum of what arrived is %q, want %q", got, want)
			}
		})
		t.Run("down"+path, func(t *testing.T) {
			r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+path, nil)
			if got := fetchWithin(t, r); got != want {
				t.Errorf("the checksum of what arrived is %q, want %q", got, want)
			}
		})
	}
}

// fetchWithin makes a request, within little memory, and gives what the answer says, or its checksum if that is long.
func fetchWithin(t *testing.T, r *http.Request) string {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("the answer is %d", answer.StatusCode)
	}
	head := make([]byte, 8)
	if _, err := io.ReadFull(answer.Body, head); err != nil {
		t.Fatal(err)
	}
	text := string(head)
	if r.Method == http.MethodGet {
		text = fmt.Sprintf("%08x", checksum(t, io.MultiReader(bytes.NewReader(head), answer.Body)))
	}
	runtime.ReadMemStats(&after)
	// Of all that was allocated, by client, doorward and upstream together: nothing grows with the body.
	if used := after.TotalAlloc - before.TotalAlloc; used > 4<<20 {
		t.Errorf("%d bytes were allocated", used)
	}
	return text
}

// An upstream may answer while it still reads: nothing of the body is lost, and either hears the other at once.
func TestAnswerBeforeTheBodyEnds(t *testing.T) {
	s := echoing(t)
	for _, framing := range []string{"Content-Length: 15", "Transfer-Encoding: chunked"} {
		t.Run(framing, func(t *testing.T) {
			conn, answers := s.begin(t, framing)
			var answer io.Reader
			for _, line := range []string{"one\n", "two\n", "three!\n"} {
				if strings.HasPrefix(framing, "Transfer") {
					fmt.Fprintf(conn, "%x\r\n%s\r\n", len(line), line)
				} else {
					_, _ = io.WriteString(conn, line)
				}
				if answer == nil {
					head, err := http.ReadResponse(answers, nil)
					if err != nil {
						t.Fatal(err)
					}
					answer = head.Body
				}
				echo := make([]byte, len(line))
				if _, err := io.ReadFull(answer, echo); err != nil || string(echo) != line {
					t.Fatalf("after %q the answer goes on with %q, %v", line, echo, err)
				}
			}
		})
	}
}

// echoing is a site whose upstream says every line again as soon as it has read it.
func echoing(t *testing.T) *site {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		client := http.NewResponseController(w)
		_ = client.EnableFullDuplex()
		for lines := bufio.NewScanner(r.Body); lines.Scan(); {
			fmt.Fprintln(w, lines.Text())
			_ = client.Flush()
		}
	}))
	t.Cleanup(upstream.Close)
	return public(t, func(c *config.Config) { c.Upstreams = upstream.URL })
}

// begin sends the head of a request, and gives the connection, and where its answers come.
func (s *site) begin(t *testing.T, framing string) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: %s\r\n%s\r\n\r\n", strings.TrimPrefix(s.URL, "http://"), framing)
	return conn, bufio.NewReader(conn)
}

// Who withholds a body that the upstream did not wait for gets the answer, and does not hold the connection.
func TestWithheldBodyHoldsNothing(t *testing.T) {
	t.Parallel()
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "4")
		w.Header().Set("Connection", "close") // or this one would read it
		_, _ = io.WriteString(w, "soon")
	}))
	t.Cleanup(upstream.Close)
	s := public(t, func(c *config.Config) { c.Upstreams = upstream.URL })
	_, answers := s.begin(t, "Content-Length: 10")
	answer, err := http.ReadResponse(answers, nil)
	if err != nil || answer.StatusCode != http.StatusOK || !answer.Close {
		t.Fatalf("the answer is %v, %v", answer, err) // without Close, what comes late would be another request
	}
	if _, err := io.Copy(io.Discard, answers); err != nil {
		t.Errorf("the connection ends with %v", err)
	}
}

// stuff is a body of so many bytes that nobody has to hold in memory.
type stuff struct{ left, at int64 }

func (s *stuff) Read(b []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(b)), s.left)
	for i := range b[:n] {
		b[i] = byte(s.at >> 3 * 131)
		s.at++
	}
	s.left -= n
	return int(n), nil
}

func checksum(t *testing.T, r io.Reader) uint32 {
	sum := crc32.NewIEEE()
	if _, err := io.Copy(sum, r); err != nil {
		t.Errorf("reading a body: %v", err)
	}
	return sum.Sum32()
}

// An upstream that stops taking a request is given up like one that does not answer it, and whoever sends it does not hold the connection for ever.
func TestUpstreamThatTakesNoBody(t *testing.T) {
	l := accept(t, func(conn net.Conn) { t.Cleanup(func() { conn.Close() }) }) // and reads nothing until the end of the test
	s := public(t, func(c *config.Config) {
		c.Upstreams, c.IdleTimeout = "http://"+l.Addr().String()+" timeout=1s", time.Second
	})
	t.Cleanup(func() { s.Proxy.EndRequests(); l.Close() })
	client := &http.Client{Timeout: 10 * time.Second}
	answer, err := client.Post(s.URL, "text/plain", strings.NewReader(strings.Repeat("x", 32<<20)))
	if err == nil {
		answer.Body.Close()
		if answer.StatusCode != http.StatusGatewayTimeout {
			t.Errorf("the answer is %d", answer.StatusCode)
		}
		return
	}
	t.Errorf("after ten times IDLE_TIMEOUT and timeout=: %v", err)
}

// What follows a request in chunks is no second request (golang/go#80942), also where an endpoint reads the body.
func TestChunkedFormsEndTheConnection(t *testing.T) {
	s := newSite(t, nil)
	host := strings.TrimPrefix(s.URL, "http://")
	form := "iss=" + url.QueryEscape(s.Provider.Issuer)
	for _, path := range []string{"/oauth2/start", "/oauth2/sign_in", "/oauth2/callback", "/oauth2/sign_out", "/oauth2/backchannel-logout", "/oauth2/userinfo"} {
		got := s.statuses(fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/x-www-form-urlencoded\r\nSec-Fetch-Mode: navigate\r\n"+
			"Sec-Fetch-Dest: document\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n"+
			"GET /oauth2/healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path, host, len(form), form))
		if len(got) != 1 {
			t.Errorf("%s: the answers are %v", path, got)
		}
	}
}
