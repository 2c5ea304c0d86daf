package proxy_test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"doorward/config"
)

// What HTTP/1.1 cannot say, HTTP/2 can: line breaks in values, blanks in paths, names in capital letters. These tests speak it frame by
// frame (RFC 9113 8.2, 8.3, 10.3).

// field is a header field, or a pseudo-header field.
type field struct{ name, value string }

// client2 is a connection that speaks HTTP/2 in the clear.
type client2 struct {
	*http2.Framer
	host string
}

func (s *site) client2(settings ...http2.Setting) client2 {
	s.t.Helper()
	return s.client2On(s.dial(20*time.Second), settings...)
}

func (s *site) client2On(conn net.Conn, settings ...http2.Setting) client2 {
	_, _ = io.WriteString(conn, http2.ClientPreface)
	c := client2{http2.NewFramer(conn, conn), strings.TrimPrefix(s.URL, "http://")}
	c.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_ = c.WriteSettings(settings...)
	return c
}

// encoded is a header block that may be sent any number of times: it leaves nothing in the other side's table (RFC 7541 2.3.2).
func encoded(fields []field) []byte {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	encoder.SetMaxDynamicTableSize(0)
	for _, f := range fields {
		_ = encoder.WriteField(hpack.HeaderField{Name: f.name, Value: f.value})
	}
	return block.Bytes()
}

// ask sends the connection's one request, which has no body.
func (c client2) ask(t *testing.T, fields ...field) {
	t.Helper()
	const most = 16 << 10 // of a frame
	rest := encoded(fields)
	first := rest[:min(len(rest), most)]
	rest = rest[len(first):]
	if err := c.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: first, EndHeaders: len(rest) == 0, EndStream: true}); err != nil {
		t.Fatal(err)
	}
	for len(rest) > 0 {
		next := rest[:min(len(rest), most)]
		rest = rest[len(next):]
		if c.WriteContinuation(1, len(rest) == 0, next) != nil {
			return // it was refused already
		}
	}
}

// askOften sends a request without a body so many times, each on a stream of its own.
func (c client2) askOften(t *testing.T, times int, fields ...field) {
	t.Helper()
	block := encoded(fields)
	for i := range uint32(times) {
		if err := c.WriteHeaders(http2.HeadersFrameParam{StreamID: 1 + 2*i, BlockFragment: block, EndHeaders: true, EndStream: true}); err != nil {
			t.Fatal(err)
		}
	}
}

// send sends a request with a body, and leaves its stream open.
func (c client2) send(t *testing.T, body string, fields ...field) {
	t.Helper()
	_ = c.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: encoded(fields), EndHeaders: true})
	if err := c.WriteData(1, false, []byte(body)); err != nil {
		t.Fatal(err)
	}
}

func (c client2) get(path string, more ...field) []field {
	return append([]field{{":method", "GET"}, {":scheme", "http"}, {":authority", c.host}, {":path", path}}, more...)
}

// status is that of the answer; "reset" or "closed" where there is none.
func (c client2) status() string {
	for {
		frame, err := c.ReadFrame()
		if err != nil {
			return "closed"
		}
		switch frame := frame.(type) {
		case *http2.MetaHeadersFrame:
			return frame.PseudoValue("status")
		case *http2.RSTStreamFrame:
			return "reset"
		case *http2.GoAwayFrame:
			return "closed"
		}
	}
}

// end is how an answer ends after its head: whole, or not.
func (c client2) end() string {
	for {
		frame, err := c.ReadFrame()
		if err != nil {
			return err.Error()
		}
		switch frame := frame.(type) {
		case *http2.DataFrame:
			if frame.StreamEnded() {
				return "whole"
			}
		case *http2.RSTStreamFrame:
			return "reset"
		}
	}
}

// ask2 sends a request without a body, and gives its status; "reset" or "closed" where there is none.
func (s *site) ask2(t *testing.T, fields ...field) string {
	t.Helper()
	c := s.client2()
	c.ask(t, fields...)
	return c.status()
}

// get2 is a GET for a path of the site, with further fields.
func (s *site) get2(t *testing.T, path string, more ...field) string {
	t.Helper()
	c := s.client2()
	c.ask(t, c.get(path, more...)...)
	return c.status()
}

// Nothing malformed becomes a request of HTTP/1.1.
func TestHTTP2IsNotSmuggled(t *testing.T) {
	s := newSite(t, nil)
	for name, fields := range map[string][]field{
		"line break in a value":     {{"x-a", "b\r\nx-forwarded-user: " + canary}},
		"line feed in a value":      {{"x-a", "b\nx-forwarded-user: " + canary}},
		"NUL in a value":            {{"x-a", "b\x00" + canary}},
		"line break in a name":      {{"x-a\r\nx-forwarded-user", canary}},
		"colon in a name":           {{"x-a:x-forwarded-user", canary}},
		"blank in a name":           {{"x-forwarded-user ", canary}},
		"capital letters in a name": {{"X-Forwarded-User", canary}},
		"empty name":                {{"", canary}},
		"connection":                {{"connection", "x-forwarded-user"}},
		"transfer-encoding":         {{"transfer-encoding", "chunked"}},
		"upgrade":                   {{"upgrade", "websocket"}},
		"pseudo-header at the end":  {{"x-a", "b"}, {":path", "/admin/"}},
		"second path":               {{":path", "/admin/"}},
		"second authority":          {{":authority", "evil.example"}},
		"unknown pseudo-header":     {{":user", canary}},
		"te other than trailers":    {{"te", "gzip"}},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(s.Upstream.Received())
			status := s.get2(t, "/public/", fields...)
			arrived := s.Upstream.Received()[before:]
			if status == "200" || len(arrived) > 0 {
				t.Errorf("the answer is %s, and %d requests arrived", status, len(arrived))
			}
		})
	}
}

// The length that an upstream is told is that of the body.
func TestHTTP2Length(t *testing.T) {
	s := newSite(t, nil)
	if status := s.get2(t, "/public/", field{"content-length", "5"}); status == "200" {
		if got := s.Upstream.last(t); got.Body != "" || got.Header.Get("Content-Length") != "" {
			t.Errorf("the upstream received %+v", got)
		}
	}
}

// Paths have their meanings here, too.
func TestHTTP2Paths(t *testing.T) {
	s := newSite(t, nil)
	for _, path := range forbiddenSpellings() {
		if status := s.get2(t, path); status == "200" || len(s.Upstream.Received()) > 0 {
			t.Fatalf("%s is answered %s", path, status)
		}
	}
	for _, path := range []string{"/public/ HTTP/1.1\r\nX: y", "/public/ x", "/public/? HTTP/1.0", "/public/?a b", "/public/#", "public/", "", "*", "http://evil.example/public/", "//evil.example/public/", "/public/\x00", "/public/\xff"} {
		if status := s.get2(t, path); status == "200" || len(s.Upstream.Received()) > 0 {
			t.Fatalf("%q is answered %s", path, status)
		}
	}
	if strings.Contains(s.Log.String(), `"outcome":"forwarded"`) {
		t.Errorf("one of them was left to the upstream to refuse: %s", s.Log)
	}
	for _, path := range []string{"/public/a%2Fb?c=%zz;d", "/public//x?"} {
		if status := s.get2(t, path); status != "200" || s.Upstream.last(t).URI != path {
			t.Errorf("%s is answered %s and arrived as %s", path, status, s.Upstream.last(t).URI)
		}
	}
}

// The host is that of :authority, which a host field cannot contradict (RFC 9113 8.3.1).
func TestHTTP2Hosts(t *testing.T) {
	s := newSite(t, nil)
	_, host, _ := strings.Cut(s.URL, "://")
	for _, c := range []struct{ authority, host, want string }{
		{host, host, "200"}, {host, "evil.example", ""}, {"evil.example", host, ""}, {"", "evil.example", ""}, {"", "", ""}, {"a@" + host, "", ""},
	} {
		fields := []field{{":method", "GET"}, {":scheme", "http"}, {":path", "/public/"}}
		if c.authority != "" {
			fields = append(fields, field{":authority", c.authority})
		}
		if c.host != "" {
			fields = append(fields, field{"host", c.host})
		}
		before := len(s.Upstream.Received())
		status := s.ask2(t, fields...)
		for _, got := range s.Upstream.Received()[before:] {
			if got.Host != host {
				t.Errorf("%+v arrived with the host %s", c, got.Host)
			}
		}
		if (status == "200") != (c.want == "200") {
			t.Errorf("%+v is answered %s", c, status)
		}
	}
}

// Cookies may come in crumbs (RFC 9113 8.2.3): a session is found in them, and stays here.
func TestHTTP2CookieCrumbs(t *testing.T) {
	s := newSite(t, nil)
	cookie := s.signedIn("alice").cookieHeader(s)
	if status := s.get2(t, "/x", field{"cookie", "a=1"}, field{"cookie", cookie}, field{"cookie", "b=2"}, field{"x-forwarded-user", canary}, field{"x_forwarded_user", canary}); status != "200" {
		t.Fatalf("the answer is %s", status)
	}
	got := s.Upstream.last(t)
	notArrived(t, got)
	if cookies := strings.Join(got.Header["Cookie"], "; "); got.Header.Get("X-Forwarded-User") != "alice" || cookies != "a=1; b=2" {
		t.Errorf("the upstream is told of %q, with the cookies %q", got.Header["X-Forwarded-User"], cookies)
	}
}

// A cookie that comes twice is none, in whatever crumbs.
func TestHTTP2DoubledSession(t *testing.T) {
	s := newSite(t, nil)
	cookie := s.signedIn("alice").cookieHeader(s)
	planted := strings.SplitAfter(cookie, "=")[0] + "planted"
	for _, crumbs := range [][]string{{cookie, cookie}, {cookie, "a=1", planted}, {planted, cookie}, {planted + "; " + cookie}} {
		var fields []field
		for _, crumb := range crumbs {
			fields = append(fields, field{"cookie", crumb})
		}
		if status := s.get2(t, "/x", fields...); status != "401" {
			t.Errorf("%d crumbs are answered %s", len(crumbs), status)
		}
	}
}

// MAX_HEADER_BYTES holds for heads that come in pieces, and for those that are large only when they are unpacked (RFC 9113 6.5.2, 10.5.1).
func TestHTTP2HugeHeads(t *testing.T) {
	s := public(t, func(c *config.Config) { c.MaxHeaderBytes = 20_000 })
	for name, test := range map[string]struct {
		more []field
		want bool
	}{
		"large":       {[]field{{"x", strings.Repeat("~", 8_000)}}, true},
		"too large":   {[]field{{"x", strings.Repeat("~", 25_000)}}, false},
		"many":        {slices.Repeat([]field{{"x", "y"}}, 5_000), false},
		"many, of 4K": {slices.Repeat([]field{{"x", strings.Repeat("~", 2_000)}}, 30), false}, // a byte each, but for the first
		"endless":     {slices.Repeat([]field{{"x", strings.Repeat("~", 10_000)}}, 100), false},
	} {
		c := s.client2()
		c.ask(t, c.get("/", test.more...)...)
		if status := c.status(); (status == "200") != test.want {
			t.Errorf("%s: the answer is %s", name, status)
		}
	}
}

// What asks for HTTP/2 by an upgrade is answered in HTTP/1.1, and the upstream is not asked for it.
func TestNoUpgradeToHTTP2(t *testing.T) {
	s := newSite(t, nil)
	p := s.rawGet("/public/", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__")
	got := s.Upstream.last(t).Header
	if p.ProtoMajor != 1 || p.StatusCode != 200 || got.Get("Upgrade") != "" || got.Get("Http2-Settings") != "" {
		t.Errorf("the answer is %s %d, and the upstream received %v", p.Proto, p.StatusCode, got)
	}
}

// An answer that its client does not take, for it grants no window, is given up, ours or the end of an upstream's: nobody holds a connection
// without being signed in. What an upstream has yet to say may take its time.
func TestHTTP2AnswersThatNobodyTakes(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *config.Config) { c.IdleTimeout = time.Second }) // in which each connection says what it asks for
	release := make(chan struct{})
	s.Upstream.Answer = func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/public/" {
			_ = http.NewResponseController(w).Flush()
			<-release
		}
		_, _ = io.WriteString(w, "done")
	}
	slow := s.client2()
	slow.ask(t, slow.get("/public/")...)
	if status := slow.status(); status != "200" {
		t.Fatalf("the upstream's answer is %s", status)
	}
	clients := map[string]client2{}
	for _, path := range []string{"/", "/closed/", "/oauth2/none", "/oauth2/healthz", "/public/small"} {
		c := s.client2(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
		c.ask(t, c.get(path)...)
		clients[path] = c
	}
	for path, c := range clients {
		if status, end := c.status(), c.end(); status == "closed" || end != "reset" {
			t.Errorf("%s is answered %s, and that ends: %s", path, status, end)
		}
	}
	close(release)
	if end := slow.end(); end != "whole" {
		t.Errorf("the upstream's answer ends: %s", end)
	}
}
