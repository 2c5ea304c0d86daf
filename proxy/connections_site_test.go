package proxy_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"doorward/config"
	"doorward/proxy/providertest"
)

// endless is an application that goes on until it is cut: it echoes on a WebSocket, streams events, takes a file or sends one that never
// ends. With ?busy it says something all the time, else once.
type endless struct {
	ended chan string // the path of each request that is over
}

func newEndless(s *site) *endless {
	e := &endless{ended: make(chan string, 100)}
	s.Upstream.Answer, s.Upstream.Streams = e.serve, true
	return e
}

func (e *endless) serve(w http.ResponseWriter, r *http.Request) {
	defer func() { e.ended <- r.URL.Path }()
	if r.Header.Get("Upgrade") != "" {
		e.converse(w, r)
		return
	}
	_, _ = io.Copy(io.Discard, r.Body)
	part := []byte("data: x\n\n")
	if strings.HasSuffix(r.URL.Path, "/events") {
		w.Header().Set("Content-Type", "text/event-stream")
	} else {
		part = make([]byte, 64<<10)
		w.Header().Set("Content-Length", "1000000000000")
	}
	for r.Context().Err() == nil {
		if _, err := w.Write(part); err != nil {
			return
		}
		_ = http.NewResponseController(w).Flush()
		pause(r)
	}
}

// pause waits a little when the client wants a busy answer, else until it has gone.
func pause(r *http.Request) {
	var busy <-chan time.Time
	if r.URL.Query().Has("busy") {
		busy = time.After(20 * time.Millisecond)
	}
	select {
	case <-busy:
	case <-r.Context().Done():
	}
}

func (e *endless) converse(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer conn.CloseNow()
	for {
		kind, message, err := conn.Read(r.Context())
		if err != nil || conn.Write(r.Context(), kind, message) != nil {
			return
		}
	}
}

// clientOf is a browser's client, with its cookies, that speaks HTTP/2 or does not.
func (b *browser) clientOf(s *site, http2 bool) *http.Client {
	b.t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: rootsOf(s.server)}, ForceAttemptHTTP2: http2}
	b.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Jar: b.client.Jar, Transport: transport, CheckRedirect: b.client.CheckRedirect}
}

// opening opens a connection that goes on, and gives how it ends: an error, or nil when the client takes it for whole.
type opening func(t *testing.T, s *site, c *http.Client, path string) <-chan error

// streams opens an answer that goes on.
func streams(t *testing.T, s *site, c *http.Client, path string) <-chan error {
	t.Helper()
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+path, nil)
	return receives(t, c, r)
}

// receives waits for the first bytes of an answer.
func receives(t *testing.T, c *http.Client, r *http.Request) <-chan error {
	t.Helper()
	answer, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(answer.Body, make([]byte, 4)); err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("the answer is %d: %v", answer.StatusCode, err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
		ended <- err
	}()
	return ended
}

// uploads opens a request whose body goes on. It ends with an error, or with the answer to somebody who is not signed in.
func uploads(t *testing.T, s *site, c *http.Client, path string) <-chan error {
	t.Helper()
	body, sends := io.Pipe()
	t.Cleanup(func() { _ = sends.Close() })
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+path, body)
	r.Header.Set("Accept", "application/json")
	ended := make(chan error, 1)
	go func() {
		answer, err := c.Do(r)
		if err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusUnauthorized {
				err = errors.New("unauthorized")
			}
		}
		ended <- err
	}()
	if _, err := io.WriteString(sends, "the beginning"); err != nil {
		t.Fatal(err)
	}
	becomes(t, "the upload arrives", func() bool { return s.Upstream.last(t).Method == http.MethodPost })
	return ended
}

// converses opens a WebSocket on which something has passed.
func converses(t *testing.T, s *site, c *http.Client, path string) <-chan error {
	t.Helper()
	_, ended := socket(t, s, c, path, nil)
	return ended
}

// socket opens a WebSocket, and gives a way to say something on it.
func socket(t *testing.T, s *site, c *http.Client, path string, header http.Header) (say func() error, ended <-chan error) {
	t.Helper()
	from := header.Clone()
	if from == nil {
		from = http.Header{}
	}
	from.Set("Origin", s.URL)
	conn, _, err := websocket.Dial(t.Context(), s.URL+path, &websocket.DialOptions{HTTPClient: c, HTTPHeader: from})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	heard, over := make(chan struct{}, 1000), make(chan error, 1)
	go func() {
		for {
			if _, _, err := conn.Read(context.Background()); err != nil {
				over <- err
				return
			}
			heard <- struct{}{}
		}
	}()
	say = func() error {
		if err := conn.Write(t.Context(), websocket.MessageText, []byte("hello")); err != nil {
			return err
		}
		select {
		case <-heard:
			return nil
		case <-time.After(10 * time.Second):
			return errors.New("there is no echo")
		}
	}
	if err := say(); err != nil {
		t.Fatal(err)
	}
	return say, over
}

// isCut waits for a connection's end. What is more than a second is the machine's: the exact times are those of TestConnections….
func isCut(t *testing.T, what string, ended <-chan error) {
	t.Helper()
	select {
	case err := <-ended:
		if err == nil {
			t.Errorf("%s looks whole", what)
		}
	case <-time.After(5 * time.Second):
		t.Errorf("%s goes on", what)
	}
}

// becomes waits until something holds that follows from the end of a handler, which a client may see before it is over.
func becomes(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(5 * time.Second)
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for !holds() {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("never: %s", what)
		}
	}
}

// wasCut checks how log and metrics tell of one connection that was cut: neither as an upstream's failure nor as a client's.
func wasCut(t *testing.T, s *site, reason string) {
	t.Helper()
	cuts := func() []map[string]any {
		var all []map[string]any
		for _, e := range s.Log.events(t, "request") {
			if e["outcome"] == "cut" {
				all = append(all, e)
			}
		}
		return all
	}
	becomes(t, "the log tells of it", func() bool { return len(cuts()) > 0 })
	all, events := cuts(), s.Log.events(t, "connection_cut")
	if len(all) != 1 || all[0]["reason"] != reason || all[0]["status"] == 499.0 || all[0]["session"] == nil {
		t.Errorf("the log says %v", all)
	}
	if len(events) != 1 || events[0]["reason"] != reason {
		t.Errorf("the log has the events %v", events)
	}
	for series, value := range s.metrics() {
		name, _, _ := strings.Cut(series, "{")
		want := 0.0
		if series == `doorward_connections_cut_total{reason="`+reason+`"}` {
			want = 1
		}
		if (name == "doorward_connections_cut_total" || name == "doorward_upstream_errors_total") && value != want {
			t.Errorf("%s is %v", series, value)
		}
	}
	becomes(t, "nothing is in flight", func() bool { return s.metric("doorward_in_flight_requests") == 0 })
	hasNoSecret(t, s)
}

// Everything that goes on ends with the session, whatever HTTP it came by, and the upstream learns of it.
func TestWhatGoesOnEndsWithTheSession(t *testing.T) {
	for _, kind := range []struct {
		path string
		open opening
	}{
		{"/ws", converses}, {"/events", streams}, {"/events?busy", streams}, {"/download", streams}, {"/download?busy", streams}, {"/upload", uploads},
		{"/public/ws", converses}, {"/public/events", streams},
	} {
		for _, http2 := range []bool{false, true} {
			if http2 && strings.HasSuffix(kind.path, "/ws") {
				continue // browsers open them by HTTP/1.1
			}
			t.Run(fmt.Sprintf("%s, HTTP/2: %v", kind.path, http2), func(t *testing.T) {
				t.Parallel()
				s := newTLSSite(t, nil)
				b, app := s.signedIn("alice"), newEndless(s)
				ended := kind.open(t, s, b.clientOf(s, http2), kind.path)

				b.signOut(s, "")

				isCut(t, kind.path, ended)
				if path, _, _ := strings.Cut(kind.path, "?"); <-app.ended != path {
					t.Error("another request of the upstream's ended")
				}
				wasCut(t, s, "revoked")
			})
		}
	}
}

// All that ends a session ends what it was let in with.
func TestWhatEndsASessionCutsItsConnections(t *testing.T) {
	idle := func(c *config.Config) { c.SessionIdleTimeout = time.Second }
	for name, test := range map[string]struct {
		configure func(*config.Config)
		before    func(s *site, b *browser)
		end       func(t *testing.T, s *site, b *browser)
		reason    string
	}{
		"sign-out":   {end: func(_ *testing.T, s *site, b *browser) { b.signOut(s, "") }, reason: "revoked"},
		"everywhere": {end: func(_ *testing.T, s *site, _ *browser) { s.signedIn("alice").signOut(s, "?everywhere") }, reason: "revoked"},
		"back channel": {end: func(t *testing.T, s *site, _ *browser) {
			s.Provider.RegisterLogout(s.URL+"/oauth2/backchannel-logout", "")
			isAnswered(t, s.Provider.PostLogout(s.Provider.LogoutToken("", sidOf(t, s))), http.StatusOK)
		}, reason: "revoked"},
		"front channel": {end: func(t *testing.T, s *site, _ *browser) { isFrame(t, s, s.frame(s.Provider.Issuer, sidOf(t, s))) }, reason: "revoked"},
		"another login": {end: func(_ *testing.T, s *site, b *browser) {
			b.Person = "bob"
			b.open(b.walkTo(s.URL+"/oauth2/start", isCallback))
		}, reason: "revoked"},
		"invalid_grant": {end: func(t *testing.T, s *site, b *browser) {
			s.Provider.EndGrants("alice")
			b.age(s, untilDead)
			b.api(s, "/x").wants(t, http.StatusUnauthorized)
		}, reason: "revoked"},
		"absolute limit": {before: func(s *site, b *browser) { b.age(s, 12*time.Hour-time.Second) },
			configure: func(c *config.Config) { c.SessionWithoutRefresh = "keep" }, reason: "expired"},
		"idle limit": {configure: idle, reason: "idle"},
		"refreshed claims": {end: func(t *testing.T, s *site, b *browser) {
			s.Provider.AddUser(providertest.User{Subject: "alice", Groups: []string{"Dev"}})
			b.age(s, untilDue)
			b.api(s, "/public/x").wants(t, http.StatusOK)
		}, reason: "denied"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newLivingSite(t, test.configure)
			b := s.signedIn("alice")
			if test.before != nil {
				test.before(s, b)
			}
			newEchoBesideWebSockets(s)
			ended := converses(t, s, b.client, "/admin/ws")
			if test.end != nil {
				test.end(t, s, b)
			}
			isCut(t, "the WebSocket", ended)
			wasCut(t, s, test.reason)
		})
	}
}

// newEchoBesideWebSockets lets the upstream of a site hold WebSockets, and say "ok" to everything else.
func newEchoBesideWebSockets(s *site) {
	app := newEndless(s)
	s.Upstream.Answer = func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			app.serve(w, r)
			return
		}
		_, _ = io.WriteString(w, "ok")
	}
}

// Nobody else's connections are cut, nor those that no session was asked for, nor by an access token that is over.
func TestWhatGoesOnWithoutTheSession(t *testing.T) {
	s := newSite(t, func(c *config.Config) { c.AccessRules += "/own/ upstream-auth\n" })
	alice, bob := s.signedIn("alice"), s.signedIn("bob")
	tired := s.signedIn("carol")
	newEchoBesideWebSockets(s)
	says := map[string]func() error{}
	tired.age(s, time.Hour-2*time.Second)
	says["an access token that is over"], _ = socket(t, s, tired.client, "/ws", nil)
	for name, open := range map[string]struct {
		client *http.Client
		path   string
		header http.Header
	}{
		"bob":                                    {bob.client, "/ws", nil},
		"nobody on a public path":                {s.browser().client, "/public/ws", nil},
		"an API client":                          {s.browser().client, "/ws", headers("Authorization", "Bearer "+s.Provider.APIToken("alice"))},
		"another Authorization on a public path": {alice.client, "/public/ws", headers("Authorization", "Basic x")},
		"another Authorization that the upstream checks": {alice.client, "/own/ws", headers("Authorization", "Basic x")},
	} {
		says[name], _ = socket(t, s, open.client, open.path, open.header)
	}
	ended := converses(t, s, alice.client, "/ws")

	becomes(t, "carol's access token is over", func() bool { return tired.api(s, "/x").StatusCode == http.StatusUnauthorized })
	alice.signOut(s, "?everywhere")
	isCut(t, "alice's WebSocket", ended)

	for name, say := range says {
		if err := say(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What passes on a connection is use of its session, whatever way it goes: neither the connection ends nor the browser's next request,
// whose cookie is too old by itself. That request brings a new one.
func TestBytesThatPassAreUse(t *testing.T) {
	const limit = time.Second
	for _, path := range []string{"/events?busy", "/download?busy", "/ws", "/upload"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, func(c *config.Config) { c.SessionIdleTimeout = limit })
			b := s.signedIn("alice")
			app := newEndless(s)
			s.Upstream.Answer = func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/x" {
					_, _ = io.WriteString(w, "ok")
					return
				}
				app.serve(w, r)
			}
			use, ended := func() error { return nil }, (<-chan error)(nil)
			switch path {
			case "/ws":
				use, ended = socket(t, s, b.client, path, nil)
			case "/upload":
				use, ended = uploading(t, s, b.client, path)
			default:
				ended = streams(t, s, b.client, path)
			}
			opened := time.Now()
			ticker := time.NewTicker(50 * time.Millisecond)
			defer ticker.Stop()
			for time.Since(opened) < 3*limit {
				select {
				case err := <-ended:
					t.Fatalf("it is cut after %v: %v\n%s", time.Since(opened), err, s.Log)
				case <-ticker.C:
				}
				if err := use(); err != nil {
					t.Fatal(err)
				}
			}
			if p := b.api(s, "/x").wants(t, http.StatusOK); p.sessionCookie() == "" {
				t.Error("the browser gets no new cookie")
			}
		})
	}
}

// Requests beside a silent connection are use of the session that both belong to.
func TestRequestsKeepASilentConnection(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *config.Config) { c.SessionIdleTimeout = time.Second })
	b := s.signedIn("alice")
	newEchoBesideWebSockets(s)
	ended, opened := converses(t, s, b.client, "/ws"), time.Now()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for time.Since(opened) < 3*time.Second {
		select {
		case err := <-ended:
			t.Fatalf("it is cut after %v: %v", time.Since(opened), err)
		case <-ticker.C:
			b.api(s, "/x").wants(t, http.StatusOK)
		}
	}
}

// uploading is an upload, and a way to send more of it.
func uploading(t *testing.T, s *site, c *http.Client, path string) (send func() error, ended <-chan error) {
	t.Helper()
	body, sends := io.Pipe()
	t.Cleanup(func() { _ = sends.Close() })
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+path, body)
	over := make(chan error, 1)
	go func() {
		answer, err := c.Do(r)
		if err == nil {
			err = fmt.Errorf("answered %d", answer.StatusCode)
			_ = answer.Body.Close()
		}
		over <- err
	}()
	send = func() error {
		_, err := io.WriteString(sends, "more")
		return err
	}
	return send, over
}

// A client that takes nothing keeps nothing open: neither a download nor a WebSocket waits for it.
func TestClientsThatTakeNothing(t *testing.T) {
	flood := func(w io.Writer) error {
		_, err := w.Write(make([]byte, 1<<16))
		return err
	}
	for name, test := range map[string]struct {
		lines  string
		answer http.HandlerFunc
	}{
		"download": {"", func(w http.ResponseWriter, _ *http.Request) {
			for flood(w) == nil {
			}
		}},
		"WebSocket": {"Connection: Upgrade\r\nUpgrade: websocket\r\n", func(w http.ResponseWriter, _ *http.Request) {
			conn, rw, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return
			}
			defer conn.Close()
			_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
			_ = rw.Flush()
			for flood(conn) == nil {
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, nil)
			b := s.signedIn("alice")
			ended := make(chan struct{})
			s.Upstream.Answer = func(w http.ResponseWriter, r *http.Request) {
				test.answer(w, r)
				close(ended)
			}
			conn, err := net.Dial("tcp", s.server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			fmt.Fprintf(conn, "GET /x HTTP/1.1\r\nHost: %s\r\nOrigin: %s\r\nCookie: %s\r\n%s\r\n", strings.TrimPrefix(s.URL, "http://"), s.URL, b.cookieHeader(s), test.lines)
			if _, err := bufio.NewReader(conn).ReadString('\n'); err != nil {
				t.Fatal(err)
			}

			b.signOut(s, "")

			select {
			case <-ended:
			case <-time.After(5 * time.Second):
				t.Fatal("the upstream still sends")
			}
			wasCut(t, s, "revoked")
		})
	}
}

// Where no answer has begun, the client gets the one that it would get now.
func TestCutBeforeTheAnswer(t *testing.T) {
	for name, test := range map[string]struct {
		header http.Header
		status int
		idle   time.Duration // the idle limit, where that is what ends the session
		rules  string        // further ones
	}{
		"a person":                   {header: navigation(), status: http.StatusSeeOther},
		"a program":                  {header: headers("Accept", "application/json"), status: http.StatusUnauthorized},
		"idle":                       {header: headers("Accept", "application/json"), status: http.StatusUnauthorized, idle: time.Second},
		"a person on a public path":  {header: navigation(), status: http.StatusServiceUnavailable, rules: "; /slow public"}, // where nobody is sent to a login
		"a program on a public path": {header: headers("Accept", "application/json"), status: http.StatusServiceUnavailable, rules: "; /slow public"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, func(c *config.Config) {
				c.SessionIdleTimeout = test.idle
				c.AccessRules += test.rules
			})
			b := s.signedIn("alice")
			arrived := make(chan struct{})
			s.Upstream.Answer = func(w http.ResponseWriter, r *http.Request) { close(arrived); stall(w, r) }
			answered := make(chan *page)
			go func() { answered <- b.request(http.MethodGet, s.URL+"/slow", test.header, "") }()
			<-arrived
			if test.idle == 0 {
				b.signOut(s, "")
			}
			p := (<-answered).wants(t, test.status)
			if test.status == http.StatusSeeOther && p.location().Path != "/op/authorize" {
				t.Errorf("a person is sent to %s", p.location())
			}
			for _, name := range p.setsCookies() {
				if !strings.Contains(name, "-login-") {
					t.Errorf("the answer sets %s: the session is over", name)
				}
			}
		})
	}
}

// A form that the application has got is not to be sent again unseen, as one may that was never passed on.
func TestCutBeforeTheAnswerToAForm(t *testing.T) {
	s := newSite(t, nil)
	b := s.signedIn("alice")
	arrived := make(chan struct{})
	s.Upstream.Answer = func(w http.ResponseWriter, r *http.Request) { close(arrived); stall(w, r) }
	answered := make(chan *page)
	go func() {
		header := headers("Accept", "text/html", "Content-Type", "application/x-www-form-urlencoded", "Origin", s.URL)
		answered <- b.request(http.MethodPost, s.URL+"/pay", header, "sum=1")
	}()
	<-arrived
	b.signOut(s, "")

	p := (<-answered).wants(t, http.StatusUnauthorized)

	isPage(t, p)
	if strings.Contains(p.Text, "Nothing of what you sent") || !strings.Contains(p.Text, "may have got what you sent") {
		t.Errorf("the page says: %s", p.Text)
	}
}

// A COPY may go on for long. It ends when its destination is closed to the person, though the source is not.
func TestDestinationDecidesWhileACopyGoesOn(t *testing.T) {
	s := newLivingSite(t, nil)
	b := s.signedIn("alice")
	arrived := make(chan struct{})
	s.Upstream.Answer = func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "COPY" {
			close(arrived)
			stall(w, r)
		}
	}
	answered := make(chan *page)
	go func() {
		answered <- b.request("COPY", s.URL+"/x", headers("Accept", "application/json", "Destination", "/admin/x"), "")
	}()
	<-arrived
	s.Provider.AddUser(providertest.User{Subject: "alice", Groups: []string{"Dev"}})
	b.age(s, untilDue)
	b.api(s, "/x").wants(t, http.StatusOK)
	(<-answered).wants(t, http.StatusForbidden)
	wasCut(t, s, "denied")
	if denied := s.Log.events(t, "denied"); len(denied) != 1 || denied[0]["reason"] != "group" {
		t.Errorf("the log says %v", denied)
	}
}

// A signed-out browser's connections to doorward stay good: what was cut by force is not used again.
func TestConnectionsAreUsableAfterACut(t *testing.T) {
	s := newTLSSite(t, nil)
	b := s.signedIn("alice")
	newEndless(s)
	c := b.clientOf(s, true) // one connection for all
	ended := streams(t, s, c, "/events")
	b.signOut(s, "")
	isCut(t, "the stream", ended)
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/oauth2/userinfo", nil)
	answer, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if p := read(t, answer, s.URL); p.StatusCode != http.StatusUnauthorized {
		t.Errorf("the answer is %d", p.StatusCode)
	}
}

// When doorward ends, what would never end by itself ends first, and is logged.
func TestStreamsEndAtAShutdown(t *testing.T) {
	s := newSite(t, nil)
	b := s.signedIn("alice")
	newEndless(s)
	ws := converses(t, s, b.client, "/ws")
	public := converses(t, s, s.browser().client, "/public/ws")
	events := streams(t, s, b.client, "/events")
	download := streams(t, s, b.client, "/download")
	s.Proxy.EndStreams()
	for name, ended := range map[string]<-chan error{"a WebSocket": ws, "a public WebSocket": public, "events": events} {
		isCut(t, name, ended)
	}
	select {
	case <-download:
		t.Error("the download is cut as well")
	default:
	}
	s.Proxy.Close()
	isCut(t, "the download", download)
	if cuts := len(s.Log.events(t, "connection_cut")); cuts != 4 { // they are logged when Close returns
		t.Errorf("%d cuts are logged", cuts)
	}
	if n := s.metric(`doorward_connections_cut_total{reason="shutdown"}`); n != 4 {
		t.Errorf("%v cuts are counted", n)
	}
}
