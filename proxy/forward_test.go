package proxy_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"doorward/config"
)

// public is a site whose every path is public, so that a test can look at forwarding alone.
func public(t *testing.T, configure func(*config.Config)) *site {
	return newSite(t, func(c *config.Config) {
		c.AccessRules = "/ public"
		if configure != nil {
			configure(c)
		}
	})
}

// Path and query arrive byte for byte, but for what strip= removes.
func TestTargetsArriveByteForByte(t *testing.T) {
	for _, test := range []struct{ option, sent, want string }{
		{"", "/a?b=1;c=2&d=%zz&a=1&a=2", "/a?b=1;c=2&d=%zz&a=1&a=2"},
		{"", "/a?", "/a?"},
		{"", "/a%2Fb/%c3%A9|\"{}", "/a%2Fb/%c3%A9|\"{}"},
		{"", "//a//b", "//a//b"},
		{"strip=/app", "/app/x?y", "/x?y"},
		{"strip=/app", "/app", "/"},
		{"strip=/app", "/app//x", "//x"},
		{"strip=/app", "/app%2Fx/y%20z", ""},
		{"strip=/app", "/%61pp/x", ""},
	} {
		t.Run(test.option+test.sent, func(t *testing.T) {
			s := public(t, func(c *config.Config) {
				if test.option != "" {
					c.Upstreams = "/app/ " + c.Upstreams + " " + test.option
				}
			})
			p := s.rawGet(test.sent)
			if test.want == "" {
				if p.StatusCode != http.StatusBadRequest || len(s.Upstream.Received()) > 0 {
					t.Errorf("the answer is %d, and the upstream received %d requests", p.StatusCode, len(s.Upstream.Received()))
				}
				return
			}
			if got := s.Upstream.last(t).URI; got != test.want {
				t.Errorf("the upstream received %q, want %q", got, test.want)
			}
		})
	}
}

func TestHostThatUpstreamsSee(t *testing.T) {
	for option, own := range map[string]bool{"host=preserve": false, "host=upstream": true} {
		s := public(t, func(c *config.Config) { c.Upstreams += " " + option })
		s.rawGet("/")
		want := strings.TrimPrefix(s.URL, "http://")
		if own {
			want = strings.TrimPrefix(s.Upstream.URL, "http://")
		}
		if got := s.Upstream.last(t).Host; got != want {
			t.Errorf("%s: the upstream sees the host %q, want %q", option, got, want)
		}
	}
}

// The ways in which an upstream can fail are told apart.
func TestUpstreamFailures(t *testing.T) {
	for name, test := range map[string]struct {
		upstream string // its entry, made of %s, the address
		answer   http.HandlerFunc
		status   int
		reason   string
	}{
		"nobody listens":    {"http://127.0.0.1:1", nil, http.StatusBadGateway, "connect"},
		"too slow":          {"%s timeout=20ms", stall, http.StatusGatewayTimeout, "timeout"},
		"never gets there":  {"%s timeout=20ms", trickle, http.StatusGatewayTimeout, "timeout"},
		"hangs up":          {"%s", hangUp(""), http.StatusBadGateway, "connection_lost"},
		"crashes":           {"%s", crash, http.StatusBadGateway, "connection_lost"},
		"breaks off":        {"%s", hangUp("HTTP/1.1 200 OK\r\n"), http.StatusBadGateway, "connection_lost"},
		"status below 100":  {"%s", hangUp("HTTP/1.1 099 Low\r\nContent-Length: 0\r\n\r\n"), http.StatusBadGateway, "bad_answer"},
		"answers nonsense":  {"%s", hangUp("nonsense\r\n\r\n"), http.StatusBadGateway, "bad_answer"},
		"headers too large": {"%s", hangUp("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 300<<10) + "\r\n\r\n"), http.StatusBadGateway, "bad_answer"},
	} {
		t.Run(name, func(t *testing.T) {
			s := public(t, func(c *config.Config) {
				if strings.Contains(test.upstream, "%s") {
					test.upstream = fmt.Sprintf(test.upstream, c.Upstreams)
				}
				c.Upstreams = test.upstream
			})
			s.Upstream.Answer = test.answer
			p := s.browser().open(s.URL + "/")
			isPage(t, p)
			if p.StatusCode != test.status {
				t.Errorf("the answer is %d, want %d", p.StatusCode, test.status)
			}
			address, _, _ := strings.Cut(test.upstream, " ")
			series := fmt.Sprintf(`doorward_upstream_errors_total{reason=%q,upstream=%q}`, test.reason, address)
			if n := s.metric(series); n != 1 {
				t.Errorf("%s is %v\n%s", series, n, s.Log)
			}
			if n := len(s.Log.events(t, "upstream_error")); n != 1 {
				t.Errorf("the log has %d events", n)
			}
		})
	}
}

// The time to an upstream's answer is that of answers. A dead upstream would look like a fast one, and the alert that compares the failures with
// the answers would see half of what fails.
func TestFailuresAreNoAnswers(t *testing.T) {
	s := public(t, nil)
	series := fmt.Sprintf("doorward_upstream_duration_seconds_count{upstream=%q}", s.Upstream.URL)
	b := s.browser()
	if p := b.open(s.URL + "/"); p.StatusCode != http.StatusOK || s.metric(series) != 1 {
		t.Errorf("after an answer (%d) %s is %v", p.StatusCode, series, s.metric(series))
	}
	s.Upstream.Answer = hangUp("")
	if p := b.open(s.URL + "/"); p.StatusCode != http.StatusBadGateway || s.metric(series) != 1 {
		t.Errorf("after a failure (%d) %s is %v", p.StatusCode, series, s.metric(series))
	}
}

// What a client does not ask for nobody else does: an answer in gzip would be unpacked on the way.
func TestNoCompressionIsAskedFor(t *testing.T) {
	s := public(t, nil)
	s.rawGet("/")
	if asked := s.Upstream.last(t).Header["Accept-Encoding"]; asked != nil {
		t.Errorf("the upstream is asked for %q", asked)
	}
}

// stall answers when the client has gone.
func stall(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// trickle begins an answer, and goes on with its head for as long as somebody listens.
func trickle(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	for text := "HTTP/1.1 200 OK\r\nX: "; err == nil; text = "x" {
		_, err = io.WriteString(conn, text)
		<-ticker.C
	}
}

// crash resets the connection.
func crash(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	_ = conn.(*net.TCPConn).SetLinger(0)
	_ = conn.Close()
}

// hangUp writes bytes in place of an answer, and closes the connection.
func hangUp(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, text)
		_ = conn.Close()
	}
}

func TestClientThatGoesAwayIsNoUpstreamFailure(t *testing.T) {
	s := public(t, nil)
	arrived := make(chan struct{})
	s.Upstream.Answer = func(w http.ResponseWriter, r *http.Request) { close(arrived); stall(w, r) }
	ctx, leave := context.WithCancel(t.Context())
	go func() { <-arrived; leave() }()
	r, _ := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
	if _, err := http.DefaultClient.Do(r); !errors.Is(err, context.Canceled) {
		t.Fatalf("the request ended with %v", err)
	}
	s.server.Close() // waits for the handler
	events := s.Log.events(t, "request")
	if len(events) != 1 || events[0]["status"] != 499.0 || events[0]["outcome"] != "client_gone" {
		t.Errorf("the log says %v", events)
	}
	if n := len(s.Log.events(t, "upstream_error")); n != 0 {
		t.Errorf("the log has %d upstream errors", n)
	}
}

// A client that has said all and still listens must not take an aborted request for an answer.
func TestAbortedRequestHasNoAnswer(t *testing.T) {
	s := public(t, nil)
	s.Upstream.Answer = stall
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", strings.TrimPrefix(s.URL, "http://"))
	_ = conn.(*net.TCPConn).CloseWrite()
	if answer, err := io.ReadAll(conn); err != nil || len(answer) > 0 {
		t.Errorf("received %q, %v", answer, err)
	}
}

// An answer that breaks off must not look whole.
func TestTruncatedAnswer(t *testing.T) {
	s := public(t, nil)
	s.Upstream.Answer = hangUp("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")
	answer, err := http.Get(s.URL)
	if err == nil {
		defer answer.Body.Close()
		_, err = io.ReadAll(answer.Body)
	}
	if err == nil {
		t.Error("the answer looks whole")
	}
	eventually(t, func() bool { return len(s.Log.events(t, "request")) == 1 })
	failed := s.Log.events(t, "upstream_error")
	if len(failed) != 1 || failed[0]["reason"] != "connection_lost" || failed[0]["error"] != "unexpected EOF" {
		t.Errorf("the log has %v", failed)
	}
	series := fmt.Sprintf(`doorward_upstream_errors_total{reason="connection_lost",upstream=%q}`, s.Upstream.URL)
	if n := s.metric(series); n != 1 {
		t.Errorf("%s is %v", series, n)
	}
}

// Server-sent events arrive one by one, while the answer goes on.
func TestEventsStream(t *testing.T) {
	s := newSite(t, nil)
	next := make(chan struct{})
	s.Upstream.Answer = func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 3 {
			fmt.Fprintf(w, "data: %d\n\n", i)
			_ = http.NewResponseController(w).Flush()
			select {
			case <-next:
			case <-r.Context().Done():
			}
		}
	}
	b := s.browserThat(t, "alice")
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/events", nil)
	answer, err := b.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	for i := range 3 {
		lines.Scan()
		if got, want := lines.Text(), fmt.Sprintf("data: %d", i); got != want {
			t.Fatalf("event %d is %q", i, got)
		}
		lines.Scan()
		next <- struct{}{}
	}
}

// browserThat is a signed-in browser of a site whose upstream no longer echoes: the session is made, not used.
func (s *site) browserThat(t *testing.T, person string) *browser {
	t.Helper()
	b := s.browser()
	b.Person = person
	if p := b.open(b.callbackAddress(s, "/")); p.StatusCode != http.StatusSeeOther {
		t.Fatalf("logging in as %s ends with %d", person, p.StatusCode)
	}
	return b
}

func TestWebSocketPasses(t *testing.T) {
	s := newSite(t, nil)
	s.Upstream.Answer = func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		kind, message, err := conn.Read(r.Context())
		if err == nil {
			_ = conn.Write(r.Context(), kind, append([]byte(r.Header.Get("X-Forwarded-User")+": "), message...))
		}
		_ = conn.Close(websocket.StatusNormalClosure, "")
	}
	b := s.browserThat(t, "alice")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, s.URL+"/ws", &websocket.DialOptions{HTTPClient: b.client, HTTPHeader: headers("Origin", s.URL)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	if err := conn.Write(ctx, websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, message, err := conn.Read(ctx); err != nil || string(message) != "alice: hello" {
		t.Errorf("received %q, %v", message, err)
	}
}

// Without a session there is no upgrade, and no other protocol is ever tunnelled.
func TestUpgradesThatDoNotPass(t *testing.T) {
	s := newSite(t, nil)
	upgrade := func(target, protocol string) *page {
		return s.rawRequest("GET", target, "Connection: Upgrade, HTTP2-Settings", "Upgrade: "+protocol, "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
			"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
	}
	if p := upgrade("/ws", "websocket"); p.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a session the answer is %d", p.StatusCode)
	}
	for _, protocol := range []string{
		"h2c", "TLS/1.0", "anything", "websocket, h2c", "h2c, websocket", "websocket/13", "web\u017focket", "h2c\r\nUpgrade: websocket",
	} {
		before := len(s.Upstream.Received())
		p := upgrade("/public/", protocol)
		if p.StatusCode == http.StatusBadRequest && len(s.Upstream.Received()) == before {
			continue
		}
		got := s.Upstream.last(t).Header
		if p.StatusCode != http.StatusOK || got.Get("Upgrade")+got.Get("Connection")+got.Get("Http2-Settings") != "" {
			t.Errorf("%q is answered %d, and the upstream is asked to speak %q", protocol, p.StatusCode, got["Upgrade"])
		}
	}
	if upgrade("/public/", "websocket\r\nUpgrade: h2c"); len(s.Upstream.last(t).Header["Upgrade"]) != 1 {
		t.Errorf("the upstream is asked to speak %q", s.Upstream.last(t).Header["Upgrade"])
	}
}

// An upstream that switches protocols by itself gets nothing that was not judged, whatever the request's body was like.
func TestUninvitedSwitch(t *testing.T) {
	s := public(t, nil)
	s.Upstream.Answer = hangUp("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n")
	for _, body := range []string{"\r\n", "Content-Length: 5\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"} {
		if p := s.raw("POST / HTTP/1.1\r\nHost: " + strings.TrimPrefix(s.URL, "http://") + "\r\n" + body); p.StatusCode != http.StatusBadGateway {
			t.Errorf("with %q the answer is %d", body, p.StatusCode)
		}
	}
}

// An upstream may listen on a Unix socket, or speak HTTP/2 in the clear.
func TestOtherUpstreams(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "app.sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Proto) })
	unix := &httptest.Server{Listener: listener, Config: &http.Server{Handler: echo}}
	unix.Start()
	t.Cleanup(unix.Close)
	for entry, want := range map[string]string{
		"unix:" + socket:           "HTTP/1.1",
		newSecondUpstream(t, echo): "HTTP/2.0",
	} {
		s := public(t, func(c *config.Config) { c.Upstreams = entry })
		if p := s.rawGet("/"); p.StatusCode != http.StatusOK || p.Text != want {
			t.Errorf("%s answers %d with %q, want %q", entry, p.StatusCode, p.Text, want)
		}
	}
}

// Which upstream serves a request is decided by host and path.
func TestUpstreamTable(t *testing.T) {
	other := newUpstream(t)
	s := public(t, func(c *config.Config) { c.Upstreams += "\n/api/ " + other.URL })
	s.rawGet("/x")
	s.rawGet("/api/x")
	if a, b := s.Upstream.Received(), other.Received(); len(a) != 1 || len(b) != 1 || b[0].URI != "/api/x" {
		t.Errorf("the first received %v, the second %v", a, b)
	}
}

func TestPathWithoutUpstream(t *testing.T) {
	s := public(t, func(c *config.Config) { c.Upstreams = "/api/ " + c.Upstreams })
	if p := s.rawGet("/x"); p.StatusCode != http.StatusNotFound {
		t.Errorf("the answer is %d", p.StatusCode)
	}
}

// COPY and MOVE need the rule of where they write to as well.
func TestDestinationNeedsItsRule(t *testing.T) {
	for destination, status := range map[string]int{
		"/public/b":                           http.StatusOK,
		"{origin}/public/b":                   http.StatusOK,
		"/admin/b":                            http.StatusUnauthorized,
		"/public/../admin/b":                  http.StatusBadRequest,
		"/public/%2e%2e/admin/b":              http.StatusBadRequest,
		"http://other.test/b":                 http.StatusBadRequest,
		"/closed/b":                           http.StatusForbidden,
		"":                                    http.StatusBadRequest,
		"/public/b\r\nDestination: /public/c": http.StatusBadRequest,
	} {
		for _, method := range []string{"COPY", "MOVE"} {
			s := newSite(t, nil)
			head := method + " /public/a HTTP/1.1\r\nHost: " + strings.TrimPrefix(s.URL, "http://") + "\r\n"
			if destination != "" {
				head += "Destination: " + strings.ReplaceAll(destination, "{origin}", s.URL) + "\r\n"
			}
			if p := s.raw(head + "\r\n"); p.StatusCode != status {
				t.Errorf("%s to %q is answered %d, want %d", method, destination, p.StatusCode, status)
			}
		}
	}
}

// Whose request it is depends on where it goes, not on where it writes to.
func TestDestinationDoesNotChooseTheIdentity(t *testing.T) {
	s := newSite(t, withoutBearers)
	b := s.browserThat(t, "alice")
	b.request("COPY", s.URL+"/x", http.Header{"Destination": {"/public/b"}, "Authorization": {"Bearer forged"}}, "")
	got := s.Upstream.last(t).Header
	if got.Get("X-Forwarded-User") != "alice" || strings.Contains(got.Get("Authorization"), "forged") {
		t.Errorf("the upstream is told of user %q and %.20q", got.Get("X-Forwarded-User"), got.Get("Authorization"))
	}
}

// An upstream that is known under a prefix would read the Destination as another path than the one that was decided.
func TestDestinationOfAnUpstreamWithAPrefix(t *testing.T) {
	s := public(t, func(c *config.Config) { c.Upstreams = "/dav/ " + c.Upstreams + " strip=/dav" })
	p := s.raw("COPY /dav/a HTTP/1.1\r\nHost: " + strings.TrimPrefix(s.URL, "http://") + "\r\nDestination: /dav/b\r\n\r\n")
	if p.StatusCode != http.StatusBadRequest || len(s.Upstream.Received()) > 0 {
		t.Errorf("the answer is %d", p.StatusCode)
	}
}

// An upstream's head has its limits, and does not fill our memory.
func TestHeadsOfUpstreamsAreBounded(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"one line": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 300<<10)) },
		"many lines": func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["X"] = slices.Repeat([]string{"xxx"}, 100_000)
		},
	} {
		s := public(t, nil)
		s.Upstream.Answer = answer
		if p := s.browser().open(s.URL + "/"); p.StatusCode != http.StatusBadGateway {
			t.Errorf("%s: the answer is %d", name, p.StatusCode)
		}
	}
}

// Who gets an answer of ours need not have sent the whole body first, and holds no connection.
func TestOurAnswersDoNotWaitForTheBody(t *testing.T) {
	s := newSite(t, signing(newEC()))
	for request, status := range map[string]int{
		"POST /x": http.StatusUnauthorized, "POST /closed/": http.StatusForbidden, "GET /x": http.StatusSeeOther, "GET /oauth2/start": http.StatusSeeOther,
		"GET /oauth2/healthz": http.StatusOK, "GET /oauth2/sign_out": http.StatusOK, "POST /oauth2/sign_out": http.StatusSeeOther, "GET /oauth2/callback": http.StatusBadRequest,
		"GET /oauth2/jwks": http.StatusOK,
	} {
		t.Run(request, func(t *testing.T) { withholdBody(t, s, request, status) })
	}
}

func withholdBody(t *testing.T, s *site, request string, status int) {
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: %s\r\nAccept: text/html\r\nContent-Length: 10\r\n\r\n", request, strings.TrimPrefix(s.URL, "http://"))
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode != status || !answer.Close {
		t.Errorf("the answer is %d, and the connection closes: %v", answer.StatusCode, answer.Close)
	}
}

// A path that net/url would spell anew is sent as it is, or not at all: what was decided as one segment stays one.
func TestPathsThatWouldBeSpelledAnew(t *testing.T) {
	for target, want := range map[string]string{
		`/a%2Fb"`: `/a%2Fb"`, `/a%2Fb|{}^`: `/a%2Fb|{}^`, "//a%2Fb": "//a%2Fb",
		`//admin%2Fsecret"`: "", `//x%2F..%2Fadmin%2Fs"`: "", `//a|`: "", `//a^`: "", `//a{`: "", `//a<`: "",
	} {
		s := newSite(t, func(c *config.Config) {
			c.AccessRules = "/ public\n/admin/ group:Admin"
			c.Upstreams += " paths=opaque-slash"
		})
		p := s.rawGet(target)
		got := ""
		if all := s.Upstream.Received(); len(all) > 0 {
			got = all[0].URI
		}
		if got != want || want == "" && p.StatusCode != http.StatusBadRequest {
			t.Errorf("%s is answered %d, and the upstream received %q", target, p.StatusCode, got)
		}
	}
}

// A chunked request ends its connection: where a server in front went by a Content-Length, what follows is no request.
func TestChunkedRequestEndsTheConnection(t *testing.T) {
	s := public(t, nil)
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	host := strings.TrimPrefix(s.URL, "http://")
	fmt.Fprintf(conn, "POST /a HTTP/1.1\r\nHost: %s\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: %s\r\n\r\n", host, host)
	if _, err := io.ReadAll(conn); err != nil {
		t.Fatal(err)
	}
	if all := s.Upstream.Received(); len(all) != 1 {
		t.Errorf("the upstream received %d requests", len(all))
	}
}

// A body that the client spoils is the client's fault.
func TestMalformedBody(t *testing.T) {
	s := public(t, nil)
	p := s.raw("POST / HTTP/1.1\r\nHost: " + strings.TrimPrefix(s.URL, "http://") + "\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
	if p.StatusCode != http.StatusBadRequest || len(s.Log.events(t, "upstream_error")) > 0 {
		t.Errorf("the answer is %d", p.StatusCode)
	}
}

// A Connection header cannot take away what a decision rested on.
func TestConnectionCannotRemoveWhatWasDecided(t *testing.T) {
	s := newSite(t, func(c *config.Config) { c.AccessRules = "/ upstream-auth" })
	s.rawGet("/api", "Authorization: Bearer of-the-application", "Connection: Authorization")
	if got := s.Upstream.last(t).Header.Get("Authorization"); got != "Bearer of-the-application" {
		t.Errorf("the upstream received the authorization %q", got)
	}
	s.raw("COPY /a HTTP/1.1\r\nHost: " + strings.TrimPrefix(s.URL, "http://") + "\r\nAuthorization: x\r\nDestination: /b\r\nConnection: Destination\r\n\r\n")
	if got := s.Upstream.last(t).Header.Get("Destination"); got != "/b" {
		t.Errorf("the upstream received the destination %q", got)
	}
}

// Early hints pass, without our cookies, and take nothing from the final answer.
func TestInformationalAnswers(t *testing.T) {
	s := public(t, nil)
	hops := map[string]string{"Connection": "X-Hop", "X-Hop": "1", "Keep-Alive": "timeout=5", "Proxy-Authenticate": "Basic"}
	s.Upstream.Answer = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.Header().Add("Set-Cookie", "doorward=evil")
		for name, value := range hops {
			w.Header().Set(name, value)
		}
		w.WriteHeader(http.StatusEarlyHints)
		for name := range hops {
			w.Header().Del(name)
		}
		w.Header().Set("X-Final", "yes")
		fmt.Fprint(w, "done")
	}
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", strings.TrimPrefix(s.URL, "http://"))
	all, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	text := string(all)
	if !strings.HasPrefix(text, "HTTP/1.1 103 ") || !strings.Contains(text, "X-Final: yes") || strings.Contains(text, "evil") {
		t.Errorf("received %s", text)
	}
	early, _, _ := strings.Cut(text, "\r\n\r\n")
	for name := range hops {
		if strings.Contains(early, name+":") {
			t.Errorf("%s passes: %s", name, early)
		}
	}
}

// An upstream that keeps browsers from guessing a type is not made to say one: text/html would run what is in the file.
func TestNoTypeIsGuessed(t *testing.T) {
	s := public(t, nil)
	s.Upstream.Answer = func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = nil
		w.Header().Set("X-Content-Type-Options", "nosniff")
		fmt.Fprint(w, "<html><script>")
	}
	if p := s.rawGet("/upload"); p.Header["Content-Type"] != nil || p.Text == "" {
		t.Errorf("the type is %q", p.Header["Content-Type"])
	}
}

// HTTP/1.0 takes an informational answer for the final one (RFC 9110 15.2).
func TestOldClientsGetOneAnswer(t *testing.T) {
	s := public(t, nil)
	s.Upstream.Answer = func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		fmt.Fprint(w, "done")
	}
	p := s.raw("GET / HTTP/1.0\r\nHost: " + strings.TrimPrefix(s.URL, "http://") + "\r\n\r\n")
	if p.StatusCode != http.StatusOK || p.Text != "done" {
		t.Errorf("the first answer is %d: %q", p.StatusCode, p.Text)
	}
}

// faulty is a ResponseWriter that panics in the middle of an answer.
type faulty struct {
	http.ResponseWriter
	writes int
}

func (f *faulty) Unwrap() http.ResponseWriter { return f.ResponseWriter }

func (f *faulty) Write(b []byte) (int, error) {
	if f.writes++; f.writes > 1 {
		panic("a bug")
	}
	return f.ResponseWriter.Write(b)
}

// An answer that a panic of ours ends does not look whole.
func TestPanicInAnAnswer(t *testing.T) {
	s := public(t, nil)
	s.Upstream.Answer = func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("half", 100<<10))
	}
	s.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.Proxy.ServeHTTP(&faulty{ResponseWriter: w}, r) })
	answer, err := http.Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if all, err := io.ReadAll(answer.Body); err == nil {
		t.Errorf("the answer seems to be %d bytes as a whole", len(all))
	}
}

// An upstream would write into its own space what was allowed for another's.
func TestDestinationAtAnotherUpstream(t *testing.T) {
	other := newUpstream(t)
	s := public(t, func(c *config.Config) { c.Upstreams = "/ " + c.Upstreams + "; /other/ " + other.URL })
	s.rawRequest("COPY", "/a", "Destination: /other/b").wants(t, http.StatusBadRequest)
	if n := len(s.Upstream.Received()) + len(other.Received()); n > 0 {
		t.Errorf("%d requests arrived", n)
	}
}
