package proxy_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"doorward/config"
	"doorward/proxy"
	"doorward/proxy/providertest"
)

// A site is a whole installation on loopback: a provider, an upstream, and doorward before it.
type site struct {
	t        testing.TB
	URL      string
	Provider *providertest.Provider
	Upstream *upstream
	Proxy    *proxy.Proxy
	Log      *logBuffer

	server    *httptest.Server
	serving   *atomic.Pointer[proxy.Proxy]
	settings  *config.Config
	stored    *stored         // nil without Redis
	instances *[]*proxy.Proxy // all that were started for these people
}

// rulesOfTheSite are the access rules unless a test sets others.
const rulesOfTheSite = `
/            authenticated
/admin/      group:Admin
/public/     public
/closed/     deny
`

// newSite starts a site on plain http; configure, when not nil, changes its settings.
func newSite(t testing.TB, configure func(*config.Config), mutations ...providertest.Mutation) *site {
	t.Helper()
	return startSite(t, false, configure, mutations)
}

// newTLSSite starts a site whose PUBLIC_URL is https.
func newTLSSite(t testing.TB, configure func(*config.Config), mutations ...providertest.Mutation) *site {
	t.Helper()
	return startSite(t, true, configure, mutations)
}

func startSite(t testing.TB, https bool, configure func(*config.Config), mutations []providertest.Mutation) *site {
	t.Helper()
	s := &site{t: t, Provider: providertest.New(t, mutations...), Upstream: newUpstream(t), Log: &logBuffer{}, serving: &atomic.Pointer[proxy.Proxy]{}, instances: &[]*proxy.Proxy{}}
	// The listener comes first: its address is PUBLIC_URL, and the handler needs that.
	s.server = httptest.NewUnstartedServer(nil)
	s.URL = "http://" + s.server.Listener.Addr().String()
	if https {
		s.URL = "https://" + s.server.Listener.Addr().String()
	}
	c := config.Defaults()
	c.PublicURL = []string{s.URL}
	c.Upstreams = s.Upstream.URL
	c.AccessRules = rulesOfTheSite
	c.IssuerURL = s.Provider.Issuer
	c.ClientID, c.ClientSecret = providertest.ClientID, providertest.ClientSecret
	c.Audience = []string{providertest.Audience}
	c.CookieSecrets = []string{config.NewSecret()}
	c.LogLevel = "debug"
	storeOf(t)(c)
	transportOf(t)(c)
	if configure != nil {
		configure(c)
	}
	var err error
	if s.Proxy, err = proxy.New(proxy.Options{Config: c, Log: proxy.NewLog(s.Log, c), Version: "test"}); err != nil {
		t.Fatalf("building the proxy: %v", err)
	}
	s.serving.Store(s.Proxy)
	s.settings, s.stored, *s.instances = c, openStored(t, c), []*proxy.Proxy{s.Proxy}
	s.server.Config = s.Proxy.Server()
	s.server.Listener = s.Proxy.Limit(s.server.Listener)
	s.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.serving.Load().ServeHTTP(w, r) })
	if https {
		s.server.EnableHTTP2 = true
		s.server.StartTLS()
	} else {
		s.server.Start()
	}
	t.Cleanup(func() {
		s.server.CloseClientConnections()
		s.server.Close()
		s.Proxy.Close()
	})
	reached(t, s.Proxy)
	return s
}

// An upstream is an application that records what it receives and shows it as JSON.
type upstream struct {
	URL string
	// Answer, when set, answers in place of the echo. It is set before the first request.
	Answer http.HandlerFunc
	// Streams leaves it to Answer to read bodies, which may have no end.
	Streams bool

	mu       sync.Mutex
	received []received
}

// accept is for upstreams that do with connections what no http.Server does: serve gets one after the other, until the test ends.
func accept(t testing.TB, serve func(net.Conn)) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serve(conn)
		}
	}()
	return listener
}

// received is a request as the upstream saw it.
type received struct {
	Method, URI, Host, Body string
	Header                  http.Header
	Trailer                 http.Header
}

func newUpstream(t testing.TB) *upstream {
	u := &upstream{}
	server := httptest.NewServer(u)
	u.URL = server.URL
	t.Cleanup(server.Close)
	return u
}

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body []byte
	if !u.Streams {
		body, _ = io.ReadAll(r.Body)
	}
	seen := received{r.Method, r.RequestURI, r.Host, string(body), r.Header.Clone(), r.Trailer.Clone()}
	u.mu.Lock()
	u.received = append(u.received, seen)
	u.mu.Unlock()
	if u.Answer != nil {
		u.Answer(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(seen)
}

// Received are the requests so far, the oldest first.
func (u *upstream) Received() []received {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.received)
}

// last is the latest request; the test fails when there is none.
func (u *upstream) last(t *testing.T) received {
	t.Helper()
	all := u.Received()
	if len(all) == 0 {
		t.Fatal("the upstream received nothing")
	}
	return all[len(all)-1]
}

// A browser keeps cookies and asks as a person's browser does. It follows no redirect unless it is told to walk.
type browser struct {
	t      testing.TB
	client *http.Client
	// Person is whom the browser chooses at the provider; empty leaves the choice to the provider.
	Person string
}

func (s *site) browser() *browser {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: rootsOf(s.server)}}
	s.t.Cleanup(transport.CloseIdleConnections)
	return &browser{t: s.t, client: &http.Client{
		Jar:           jar,
		Transport:     transport,
		Timeout:       30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// page is an answer that has been read.
type page struct {
	*http.Response
	Text string
	URL  string
}

// location is where the answer redirects to, resolved.
func (p *page) location() *url.URL {
	if u, err := p.Response.Location(); err == nil {
		return u
	}
	return &url.URL{}
}

func (p *page) redirects() bool { return p.StatusCode >= 300 && p.StatusCode < 400 }

// setsCookies names the cookies that the answer sets; those that it clears are not among them.
func (p *page) setsCookies() []string {
	var names []string
	for _, c := range p.Cookies() {
		if c.MaxAge >= 0 && c.Value != "" {
			names = append(names, c.Name)
		}
	}
	return names
}

// navigation are the headers of a person's navigation.
func navigation() http.Header {
	return http.Header{
		"Accept":         {"text/html,application/xhtml+xml,*/*;q=0.8"},
		"Sec-Fetch-Mode": {"navigate"},
		"Sec-Fetch-Dest": {"document"},
		"User-Agent":     {"test-browser"},
	}
}

// request makes one request, with the headers given instead of a navigation's.
func (b *browser) request(method, address string, header http.Header, body string) *page {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	maps.Copy(r.Header, header)
	answer, err := b.client.Do(r)
	if err != nil {
		b.t.Fatalf("%s %s: %v", method, r.URL.Path, err)
	}
	return read(b.t, answer, address)
}

func read(t testing.TB, answer *http.Response, address string) *page {
	t.Helper()
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatalf("reading the answer: %v", err)
	}
	return &page{Response: answer, Text: string(text), URL: address}
}

// open navigates to an address and stays at the answer, redirect or not.
func (b *browser) open(address string) *page {
	b.t.Helper()
	return b.request(http.MethodGet, address, navigation(), "")
}

// walk navigates and follows redirects and posted forms until a page is shown.
func (b *browser) walk(address string) *page {
	b.t.Helper()
	return b.follow(b.open(address), func(*url.URL) bool { return false })
}

// walkTo does the same, but stops before the address for which stop says so, and gives that address.
func (b *browser) walkTo(address string, stop func(*url.URL) bool) string {
	b.t.Helper()
	p := b.follow(b.open(address), stop)
	if !p.redirects() {
		b.t.Fatalf("the walk ended with %d at %s: %s", p.StatusCode, p.URL, p.Text)
	}
	return p.location().String()
}

// wander follows redirects to their end, and may be called in any goroutine.
func (b *browser) wander(address string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	r.Header = navigation()
	following := *b.client
	following.CheckRedirect = func(next *http.Request, _ []*http.Request) error {
		next.URL, _ = next.URL.Parse(b.choose(next.URL))
		return nil
	}
	return following.Do(r)
}

func (b *browser) follow(p *page, stop func(*url.URL) bool) *page {
	b.t.Helper()
	for range 12 {
		switch {
		case strings.Contains(p.Text, "document.forms[0].submit()"):
			p = b.submit(p)
		case p.redirects() && !stop(p.location()):
			p = b.open(b.choose(p.location()))
		default:
			return p
		}
	}
	b.t.Fatalf("redirected for ever, at last to %s", p.location())
	return nil
}

// choose is what a person does at the provider: say who they are.
func (b *browser) choose(u *url.URL) string {
	if b.Person != "" && strings.HasSuffix(u.Path, "/"+string(providertest.Authorization)) {
		q := u.Query()
		q.Set("login_hint", b.Person)
		u.RawQuery = q.Encode()
	}
	return u.String()
}

// submit posts the one form of a page, as the script in it would.
func (b *browser) submit(p *page) *page {
	b.t.Helper()
	action := regexp.MustCompile(`action="([^"]*)"`).FindStringSubmatch(p.Text)
	form := url.Values{}
	for _, field := range regexp.MustCompile(`name="([^"]*)" value="([^"]*)"`).FindAllStringSubmatch(p.Text, -1) {
		form.Add(unescape(field[1]), unescape(field[2]))
	}
	header := navigation()
	header.Set("Content-Type", "application/x-www-form-urlencoded")
	header.Set("Sec-Fetch-Site", "cross-site")
	return b.request(http.MethodPost, unescape(action[1]), header, form.Encode())
}

// unescape undoes what html/template does to the characters of parameters.
func unescape(s string) string {
	return strings.NewReplacer("&#43;", "+", "&amp;", "&", "&#34;", `"`, "&#39;", "'", "&lt;", "<", "&gt;", ">").Replace(s)
}

// cookies are those that the browser would send to an address.
func (b *browser) cookies(address string) []*http.Cookie {
	u, _ := url.Parse(address)
	return b.client.Jar.Cookies(u)
}

func isCallback(u *url.URL) bool { return u.Path == "/oauth2/callback" }

// signedIn is a browser in which a person has logged in.
func (s *site) signedIn(person string) *browser {
	s.t.Helper()
	b := s.browser()
	b.Person = person
	if p := b.walk(s.URL + "/"); p.StatusCode != http.StatusOK {
		s.t.Fatalf("logging in as %s ends with %d: %s\n%s", person, p.StatusCode, p.Text, s.Log)
	}
	return b
}

// callbackAddress walks up to the callback, and gives its address, which is not opened yet.
func (b *browser) callbackAddress(s *site, path string) string {
	b.t.Helper()
	return b.walkTo(s.URL+path, isCallback)
}

// cookieHeader is the Cookie header that the browser would send to the site.
func (b *browser) cookieHeader(s *site) string {
	var pairs []string
	for _, c := range b.cookies(s.URL) {
		pairs = append(pairs, c.Name+"="+c.Value)
	}
	return strings.Join(pairs, "; ")
}

// raw sends bytes as they are, where a client library would tidy them, and reads the one answer.
func (s *site) raw(request string) *page {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.server.Listener.Addr().String())
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(conn, request); err != nil {
		s.t.Fatal(err)
	}
	// The method decides whether a body follows.
	method, _, _ := strings.Cut(request, " ")
	answer, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		s.t.Fatalf("reading the answer to %.60q: %v", request, err)
	}
	return read(s.t, answer, s.URL)
}

// rawGet is a GET for a request target spelled exactly so, with further header lines.
func (s *site) rawGet(target string, lines ...string) *page {
	s.t.Helper()
	head := append([]string{"GET " + target + " HTTP/1.1", "Host: " + strings.TrimPrefix(s.URL, "http://"), "Connection: close"}, lines...)
	return s.raw(strings.Join(head, "\r\n") + "\r\n\r\n")
}

// metric is the value of a series, written as the exposition writes it: name{label="value"}.
func (s *site) metric(series string) float64 {
	s.t.Helper()
	value, found := s.metrics()[series]
	if !found {
		s.t.Errorf("there is no series %s", series)
	}
	return value
}

// metrics are all series with their values.
func (s *site) metrics() map[string]float64 {
	s.t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/metrics", nil)
	s.Proxy.Admin().ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		s.t.Fatalf("/metrics answers %d", w.Code)
	}
	series := map[string]float64{}
	for line := range strings.Lines(w.Body.String()) {
		line = strings.TrimSpace(line)
		if at := strings.LastIndexByte(line, ' '); at > 0 && line[0] != '#' {
			series[line[:at]], _ = strconv.ParseFloat(line[at+1:], 64)
		}
	}
	return series
}

// logBuffer is a log that can be read while it is written.
type logBuffer struct {
	mu     sync.Mutex
	text   bytes.Buffer
	parsed []map[string]any // its first lines
	end    int              // of these
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logBuffer) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Reset()
	l.parsed, l.end = nil, 0
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// events are the log's lines with that event. Each line is parsed once, since some tests look at the log after each of a thousand requests.
func (l *logBuffer) events(t *testing.T, name string) []map[string]any {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range bytes.Lines(l.text.Bytes()[l.end:]) {
		var e map[string]any
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatalf("a line of the log is no JSON object: %q", line)
		}
		l.parsed, l.end = append(l.parsed, e), l.end+len(line)
	}
	var events []map[string]any
	for _, e := range l.parsed {
		if e["event"] == name {
			events = append(events, maps.Clone(e))
		}
	}
	return events
}

// lastRequests are the latest lines of the access log, when nobody is served any more: a client may have its answer before its line is
// written.
func (s *site) lastRequests(n int) []map[string]any {
	s.t.Helper()
	eventually(s.t, func() bool { return s.metric("doorward_in_flight_requests") == 0 })
	all := s.Log.events(s.t.(*testing.T), "request")
	if len(all) < n {
		s.t.Fatalf("the log has %d requests", len(all))
	}
	return all[len(all)-n:]
}

// isPage checks that an answer is a page for a person, as every page of ours is.
func isPage(t *testing.T, p *page) {
	t.Helper()
	if kind := p.Header.Get("Content-Type"); !strings.HasPrefix(kind, "text/html") {
		t.Errorf("the answer is %q, not a page", kind)
	}
	if !strings.Contains(p.Text, "<h1>") {
		t.Errorf("the page has no heading: %s", p.Text)
	}
	id := p.Header.Get("X-Request-Id")
	if id == "" || !strings.Contains(p.Text, id) {
		t.Errorf("the page does not show its request id %q", id)
	}
	if p.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("Cache-Control is %q", p.Header.Get("Cache-Control"))
	}
	if p.Header.Get("X-Frame-Options") != "DENY" {
		t.Errorf("X-Frame-Options is %q", p.Header.Get("X-Frame-Options"))
	}
	if policy := p.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") {
		t.Errorf("Content-Security-Policy is %q", policy)
	}
}

// rootsOf trusts a test server's certificate, and nothing when it speaks plain http.
func rootsOf(server *httptest.Server) *x509.CertPool {
	pool := x509.NewCertPool()
	if certificate := server.Certificate(); certificate != nil {
		pool.AddCert(certificate)
	}
	return pool
}

// rawHead sends a request and gives everything that comes back within the heads of the answers, informational ones too.
func (s *site) rawHead(method, target string, lines ...string) string {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.server.Listener.Addr().String())
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	head := append([]string{method + " " + target + " HTTP/1.1", "Host: " + strings.TrimPrefix(s.URL, "http://")}, lines...)
	if _, err := io.WriteString(conn, strings.Join(head, "\r\n")+"\r\n\r\n"); err != nil {
		s.t.Fatal(err)
	}
	var all strings.Builder
	answers := bufio.NewReader(conn)
	for {
		answer, err := http.ReadResponse(answers, nil)
		if err != nil {
			s.t.Fatalf("reading an answer: %v", err)
		}
		_ = answer.Header.Write(&all)
		if answer.StatusCode >= 200 || answer.StatusCode == http.StatusSwitchingProtocols {
			return all.String()
		}
	}
}

// tokensOf are the tokens of the provider's latest answer.
func tokensOf(t *testing.T, s *site) map[string]string {
	t.Helper()
	requests := s.Provider.Requests(providertest.Token)
	var members map[string]any
	if err := json.Unmarshal([]byte(requests[len(requests)-1].Answer), &members); err != nil {
		t.Fatal(err)
	}
	tokens := map[string]string{}
	for _, name := range []string{"access_token", "id_token", "refresh_token"} {
		if token, is := members[name].(string); is {
			tokens[name] = token
		}
	}
	return tokens
}

// claimsOf reads what a token says, without any check.
func claimsOf(t *testing.T, token string) map[string]any {
	t.Helper()
	var claims map[string]any
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("a token has %d parts", len(parts))
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err == nil {
		err = json.Unmarshal(payload, &claims)
	}
	if err != nil {
		t.Fatal(err)
	}
	return claims
}
