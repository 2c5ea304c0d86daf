package deploytest

import (
	"bufio"
	"cmp"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// FrontStory is what must be so behind every server that takes the requests in doorward's place.
type FrontStory struct {
	// Start starts the server, and all that stands behind it.
	Start func(t *testing.T, o FrontOptions) *Front
	// Name begins the names of the screenshots.
	Name string
	// Names is what the headers begin with that name people to the application; X-Forwarded- when empty.
	Names string
	// OneCookie says that the server hands on one cookie alone.
	OneCookie bool
	// Ampersands says that the server writes & for ; in a query.
	Ampersands bool
	// SeveralProtocols is the status of an upgrade to one of several protocols, 200 when zero: it passes as any other request.
	SeveralProtocols int
	// SilentToCaches says that the server can tell caches nothing in the application's place.
	SilentToCaches bool
}

// Tell tells all of it.
func (s FrontStory) Tell(t *testing.T) {
	t.Run("browser", s.Browser)
	t.Run("streams", s.Streams)
	t.Run("spoofed headers do not arrive", s.SpoofedHeaders)
	t.Run("programs get answers for programs", s.Programs)
	t.Run("refreshed sessions reach the browser", s.RefreshedSessions)
	t.Run("nobody else asks", s.Question)
	t.Run("paths with two meanings", s.AmbiguousPaths)
	t.Run("clients do not say where they are", s.ClientAddress)
	t.Run("without doorward nothing passes", s.DoorwardDown)
}

// Traffic tells what a program proves and no stand-in can: what passes through the server itself.
func (s FrontStory) Traffic(t *testing.T) {
	t.Run("upgrades", s.Upgrades)
	t.Run("request ids", s.RequestIDs)
	t.Run("large bodies", s.Large)
	if !s.SilentToCaches {
		t.Run("caches", s.Caches)
	}
}

// Browser tells the story of alice and bob in a browser.
func (s FrontStory) Browser(t *testing.T) {
	f := s.Start(t, FrontOptions{})
	story := Story{Origin: f.Origin, SignIn: signInByButton, Name: s.Name}
	t.Run("alice", story.Alice)
	t.Run("bob", story.Bob)
}

// Alice tells alice's part alone, where the server has a page of its own for those who may not.
func (s FrontStory) Alice(t *testing.T) {
	Story{Origin: s.Start(t, FrontOptions{}).Origin, SignIn: signInByButton, Name: s.Name}.Alice(t)
}

// signInByButton presses a person's button on the demo provider's page.
func signInByButton(b *Browser, user string) Page {
	return b.Click(`button[name=user][value=` + user + `]`)
}

// Streams sees server-sent events and a WebSocket.
func (s FrontStory) Streams(t *testing.T) {
	f := s.Start(t, FrontOptions{})
	b := NewBrowser(t)
	b.Open(f.Origin + "/")
	signInByButton(b, "alice")
	b.Push("#stream")
	b.WaitFor("#tick")
	b.Push("#talk button")
	b.WaitFor("#answer")
}

// forged is in every value that a client forges.
const forged = "forged-4711"

// forgedNames are those under which a client could pass for somebody, or for another request: as doorward and servers in front write
// them, and with other characters that CGI-style servers fold to the same.
func forgedNames(other string) []string {
	var names []string
	for _, who := range []string{"User", "Email", "Groups", "Preferred-Username", "Access-Token"} {
		names = append(names, "X-Forwarded-"+who, "X-Auth-Request-"+who)
	}
	names = append(names, "X-Doorward-Assertion")
	for _, name := range slices.Clone(names) {
		names = append(names, strings.ReplaceAll(name, "-", other))
		for i, c := range name {
			if c == '-' {
				names = append(names, name[:i]+other+name[i+1:])
			}
		}
	}
	return names
}

// otherRequests are headers by which some applications act on another path or method than the one that was asked about, or ask elsewhere.
func otherRequests() []string {
	return []string{
		"X-Original-Url", "X-Original-Uri", "X-Original-Method", "X-Rewrite-Url", "X-Http-Method", "X-Http-Method-Override", "X-Method-Override", "Proxy",
		"X-Forwarded-Method", "X-Forwarded-Uri",
	}
}

// otherClients are headers by which some applications take a client for another, or for one who came by another address. Some servers in
// front say the truth under these names.
func otherClients() []string {
	return []string{
		"Forwarded", "X-Forwarded-For", "X-Real-Ip", "X-Client-Ip", "X-Client-Cert", "Client-Cert", "Client-Cert-Chain", "X-Cluster-Client-Ip", "True-Client-Ip", "Cf-Connecting-Ip",
		"X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-Scheme", "X-Forwarded-Server",
	}
}

// SpoofedHeaders sees that an application is told who is asking by doorward alone, and what for by the request itself.
func (s FrontStory) SpoofedHeaders(t *testing.T) {
	f := s.Start(t, FrontOptions{Application: Echo(t)})
	for _, other := range []string{"_", ".", "~", "`"} {
		s.spoofedHeaders(t, f, other)
	}
}

// spoofedHeaders writes names with another character in the place of hyphens, too: not all of them at once, for servers bound headers.
func (s FrontStory) spoofedHeaders(t *testing.T, f *Front, hyphen string) {
	alice := f.visitorAs(t, "alice")
	header := http.Header{"X-Forwarded-Method": {"GET"}, "X-Forwarded-Uri": {"/status"}, "X-Original-Url": {f.Origin + "/status"}, "X-Original-Method": {"GET"}}
	for _, name := range append(forgedNames(hyphen), strings.ReplaceAll("X-Real-Ip", "-", hyphen), strings.ReplaceAll("X-Forwarded-For", "-", hyphen)) {
		header[name] = []string{forged}
	}
	for _, name := range append(otherRequests(), otherClients()...) {
		if header[name] == nil {
			header[name] = []string{forged}
		}
	}
	for name, visit := range map[string]struct {
		by   *Visitor
		path string
		user string
	}{
		"somebody":                  {alice, "/", "alice"},
		"somebody on a public path": {alice, "/status", "alice"},
		"nobody":                    {f.site.Visitor(t), "/status", ""},
	} {
		sheet := visit.by.Ask(http.MethodGet, f.Origin+visit.path, header, "")
		var arrived http.Header
		if err := json.Unmarshal([]byte(sheet.Body), &arrived); err != nil || sheet.Status != http.StatusOK {
			t.Fatalf("%s: %d %s", name, sheet.Status, sheet.Body)
		}
		for header, values := range arrived {
			if strings.Contains(strings.Join(values, " "), forged) {
				t.Errorf("%s: %s arrives: %q", name, header, values)
			}
		}
		for _, other := range otherRequests() {
			if values := arrived[other]; values != nil {
				t.Errorf("%s: %s arrives: %q", name, other, values)
			}
		}
		if got := strings.Join(arrived[cmp.Or(s.Names, "X-Forwarded-")+"Preferred-Username"], ","); got != visit.user {
			t.Errorf("%s: the application takes them for %q", name, got)
		}
		if got := arrived.Get("Authorization") != ""; got != (visit.user != "") {
			t.Errorf("%s: an access token arrives: %v", name, got)
		}
	}
	if sheet := f.visitorAs(t, "bob").Ask(http.MethodGet, f.Origin+"/admin/", header, ""); sheet.Status != http.StatusForbidden {
		t.Errorf("bob's /admin/ answers %d", sheet.Status)
	}
}

// RequestIDs sees that a client does not choose by what name its requests are known, in doorward's log and to the application.
func (s FrontStory) RequestIDs(t *testing.T) {
	f := s.Start(t, FrontOptions{Application: Echo(t)})
	refused := f.raw(t, "GET / HTTP/1.1\r\nHost: localhost:"+f.Port+"\r\nConnection: close\r\nX-Request-Id: "+forged+"\r\n\r\n")
	if id := refused.Header.Get("X-Request-Id"); id == "" || id == forged {
		t.Errorf("a refusal is known as %q", id)
	}
	header := http.Header{"X-Request-Id": {forged}}
	if passed := f.site.Visitor(t).Ask(http.MethodGet, f.Origin+"/status", header, ""); strings.Contains(passed.Body, forged) {
		t.Errorf("the application gets %s", passed.Body)
	}
}

// Large sees that uploads pass that are larger than servers take by default, and event streams as they come.
func (s FrontStory) Large(t *testing.T) {
	going := make(chan struct{})
	f := s.Start(t, FrontOptions{Application: Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			return
		}
		read, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, read)
		_ = http.NewResponseController(w).Flush()
		select {
		case <-going:
		case <-r.Context().Done():
		}
	}))})
	const size = 3 << 20
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.Origin+"/write", strings.NewReader(strings.Repeat("x", size)))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := f.visitorAs(t, "alice").http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	first := make([]byte, len("3145728"))
	if _, err := io.ReadFull(answer.Body, first); err != nil || string(first) != fmt.Sprint(size) { // which comes before the application has ended
		t.Errorf("%s %q %v", answer.Status, first, err)
	}
	close(going)
}

// Caches sees that no shared cache keeps what an application tells one person, unless the application says so, nor an answer with a session's
// cookies, whatever it says; and that no other answer sets any.
func (s FrontStory) Caches(t *testing.T) {
	f := s.Start(t, FrontOptions{Lifetime: 4 * time.Second, Application: Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if says := r.URL.Query().Get("says"); says != "" {
			w.Header().Set("Cache-Control", says)
		}
		if r.URL.Query().Has("missing") {
			w.WriteHeader(http.StatusNotFound)
		}
	}))})
	for query, want := range map[string]string{"": "private", "?says=no-store": "no-store", "?says=public": "public", "?missing": "private"} {
		answer := f.raw(t, "GET /status"+query+" HTTP/1.1\r\nHost: localhost:"+f.Port+"\r\nConnection: close\r\n\r\n")
		if got := strings.Join(answer.Header["Cache-Control"], ", "); got != want {
			t.Errorf("/status%s: %q", query, got)
		}
		if got := answer.Header["Set-Cookie"]; len(got) > 0 {
			t.Errorf("/status%s sets %q", query, got)
		}
	}
	alice := f.visitorAs(t, "alice")
	alice.Forbid(f.Origin + "/oauth2/callback")
	refreshed := alice.awaitCookies(f.Origin + "/x?says=public")
	if got := strings.Join(refreshed.Header["Cache-Control"], ", "); !strings.Contains(got, "no-store") {
		t.Errorf("the session's cookies come with %q", got)
	}
}

// awaitCookies asks again and again until an answer sets cookies.
func (v *Visitor) awaitCookies(address string) *http.Response {
	v.t.Helper()
	pause := time.NewTicker(200 * time.Millisecond)
	defer pause.Stop()
	for until := time.Now().Add(patience); time.Now().Before(until); <-pause.C {
		answer, err := v.http.Get(address)
		if err != nil {
			v.t.Fatal(err)
		}
		_ = answer.Body.Close()
		if len(answer.Header["Set-Cookie"]) > 0 {
			return answer
		}
	}
	v.t.Fatal("no answer sets cookies")
	return nil
}

// Upgrades sees that no protocol but WebSockets takes a connection over, of which nobody would ask about what passes, and that a client's
// Connection does not name what whoever stands before the application would then drop.
func (s FrontStory) Upgrades(t *testing.T) {
	application := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if named := r.Header.Get("Connection"); strings.Contains(named, "X-") {
			t.Errorf("the application is told: Connection: %s", named)
		}
		if protocol := r.Header.Get("Upgrade"); protocol != "" {
			w.Header().Set("Connection", "Upgrade")
			w.Header().Set("Upgrade", protocol)
			w.WriteHeader(http.StatusSwitchingProtocols)
		}
	}))
	t.Cleanup(application.Close)
	f := s.Start(t, FrontOptions{Application: application.URL})
	several := cmp.Or(s.SeveralProtocols, http.StatusOK)
	for protocol, want := range map[string]int{"websocket": http.StatusSwitchingProtocols, "h2c": http.StatusOK, "websocket, h2c": several} {
		answer := f.raw(t, "GET /status HTTP/1.1\r\nHost: localhost:"+f.Port+"\r\nConnection: Upgrade, X-Auth-Request-User, X-Forwarded-User\r\nUpgrade: "+protocol+"\r\n\r\n")
		if answer.StatusCode != want {
			t.Errorf("an upgrade to %s is answered %d", protocol, answer.StatusCode)
		}
	}
}

// visitorAs is a person who has signed in.
func (f *Front) visitorAs(t *testing.T, user string) *Visitor {
	t.Helper()
	v := f.site.Visitor(t)
	if sheet := v.Send(v.Open(f.Origin+"/"), url.Values{"user": {user}}); sheet.Status != http.StatusOK || !strings.HasPrefix(sheet.URL.String(), f.Origin) {
		t.Fatalf("signing in as %s ends with %d at %s: %s", user, sheet.Status, sheet.URL, sheet.Body)
	}
	return v
}

// Ask makes a request as a page's script does, and follows no redirect to the login.
func (v *Visitor) Ask(method, address string, header http.Header, body string) *Sheet {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		v.t.Fatal(err)
	}
	for name, values := range header {
		r.Header[name] = values
	}
	client := *v.http
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	answer, err := client.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	sheet, err := read(answer)
	if err != nil {
		v.t.Fatal(err)
	}
	return sheet
}

// Programs sees that requests and answers of programs pass as they are.
func (s FrontStory) Programs(t *testing.T) {
	reads := Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %d", r.Method, r.RequestURI, len(body))
	}))
	f := s.Start(t, FrontOptions{Application: reads})
	body, query := strings.Repeat("x", 300<<10), "a=%zz;b"
	if s.Ampersands {
		query = "a=%zz&b"
	}
	for name, test := range map[string]struct {
		by           *Visitor
		method, path string
		status       int
		says         string
	}{
		"nobody":                    {f.site.Visitor(t), http.MethodGet, "/api?x=1", http.StatusUnauthorized, `"login_url":"` + f.Origin + `/oauth2/start"`},
		"nobody, with a body":       {f.site.Visitor(t), http.MethodPost, "/write", http.StatusUnauthorized, `"login_url"`},
		"somebody who may not":      {f.visitorAs(t, "bob"), http.MethodPost, "/write", http.StatusForbidden, `"rule":"POST /write"`},
		"somebody who may":          {f.visitorAs(t, "alice"), http.MethodPost, "/write?a=%zz;b", http.StatusOK, "POST /write?" + query + " 307200"},
		"nobody, on a public path":  {f.site.Visitor(t), http.MethodGet, "/status?x", http.StatusOK, "GET /status?x 0"},
		"a method that is not open": {f.site.Visitor(t), http.MethodPut, "/status", http.StatusUnauthorized, `"login_url"`},
	} {
		sent := ""
		if test.method == http.MethodPost {
			sent = body
		}
		if sheet := test.by.Ask(test.method, f.Origin+test.path, nil, sent); sheet.Status != test.status || !strings.Contains(sheet.Body, test.says) {
			t.Errorf("%s: %d %s", name, sheet.Status, sheet.Body)
		}
	}
}

// RefreshedSessions sees that a browser keeps up with its session, in as many cookies as the server hands on. With old ones it would have
// none after the second refresh.
func (s FrontStory) RefreshedSessions(t *testing.T) {
	o, most := FrontOptions{Lifetime: 4 * time.Second}, 1
	if !s.OneCookie {
		for range 100 {
			o.Groups = append(o.Groups, rand.Text())
		}
		most = 3
	}
	f := s.Start(t, o)
	alice := f.visitorAs(t, "alice")
	if n := len(alice.cookies(f.Origin)); n > most || n < most-1 {
		t.Fatalf("the session fills %d cookies", n)
	}
	alice.Forbid(f.Origin + "/oauth2/callback") // a provider that still knows her would sign her in anew
	alice.AwaitNewTokens(f.Origin, 4)
}

// cookies are those that go to an address.
func (v *Visitor) cookies(address string) []*http.Cookie {
	u, err := url.Parse(address)
	if err != nil {
		v.t.Fatal(err)
	}
	return v.http.Jar.Cookies(u)
}

// Question sees that a browser cannot ask what the server in front asks: it would be given its own access token.
func (s FrontStory) Question(t *testing.T) {
	f := s.Start(t, FrontOptions{})
	cookie := ""
	for _, c := range f.visitorAs(t, "alice").cookies(f.Origin) {
		cookie += c.Name + "=" + c.Value + "; "
	}
	for _, target := range []string{"/oauth2/auth", "/oauth2/auth?x=1", "/oauth2/auth/", "/oauth2//auth", "/oauth2/%61uth", "/oauth2/x/../auth",
		"/x/../oauth2/auth", "/OAUTH2/auth", "//oauth2/auth", "http://localhost:" + f.Port + "/oauth2/auth", "/oauth2/auth/admin/"} {
		answer := f.raw(t, "GET "+target+" HTTP/1.1\r\nHost: localhost:"+f.Port+"\r\nConnection: close\r\nCookie: "+cookie+
			"\r\nX-Forwarded-Method: GET\r\nX-Forwarded-Uri: /\r\nX-Forwarded-Host: localhost:"+f.Port+"\r\nX-Forwarded-Proto: http\r\n\r\n")
		for name := range answer.Header {
			if strings.HasPrefix(name, "X-Auth-Request-") || name == "Authorization" {
				t.Errorf("%s is answered %d with %s", target, answer.StatusCode, name)
			}
		}
		if answer.StatusCode == http.StatusAccepted {
			t.Errorf("%s is answered as a question", target)
		}
	}
}

// ClientAddress sees that rules ask about the address that a client has, not the one that it claims (CVE-2024-47070 and kin).
func (s FrontStory) ClientAddress(t *testing.T) {
	f := s.Start(t, FrontOptions{Application: Echo(t)})
	cookie := ""
	for _, c := range f.visitorAs(t, "alice").cookies(f.Origin) {
		cookie += c.Name + "=" + c.Value + "; "
	}
	for address, want := range map[string]int{"127.0.0.7": http.StatusOK, "127.0.0.2": http.StatusForbidden} {
		answer := f.rawFrom(t, address, "GET /office/ HTTP/1.1\r\nHost: localhost:"+f.Port+"\r\nConnection: close\r\nCookie: "+cookie+
			"\r\nX-Forwarded-For: 127.0.0.7\r\nX-Real-IP: 127.0.0.7\r\nForwarded: for=127.0.0.7\r\n\r\n")
		if answer.StatusCode != want {
			t.Errorf("%s is answered %d, want %d", address, answer.StatusCode, want)
		}
	}
}

// raw sends bytes as they are, and reads the head of the answer.
func (f *Front) raw(t *testing.T, request string) *http.Response {
	t.Helper()
	return f.rawFrom(t, "127.0.0.1", request)
}

// rawFrom does so from another address of this machine.
func (f *Front) rawFrom(t *testing.T, address, request string) *http.Response {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	conn, err := dialer.DialContext(t.Context(), "tcp", "127.0.0.1:"+f.Port)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("%.60q: %v", request, err)
	}
	_ = answer.Body.Close()
	return answer
}

// AmbiguousPaths sees that no spelling of /admin/ reaches the application for somebody who may not go there.
func (s FrontStory) AmbiguousPaths(t *testing.T) {
	f := s.Start(t, FrontOptions{Application: Echo(t)})
	cookie := ""
	for _, c := range f.visitorAs(t, "bob").cookies(f.Origin) {
		cookie += c.Name + "=" + c.Value + "; "
	}
	for target, want := range map[string]bool{
		"/": true, "/page": true, "/a//b": true, "/group%2Fproject": true,
		"/admin/": false, "/admin": false, "/ADMIN/": false, "/%61dmin/": false, "//admin/": false, "/x/../admin/": false, "/x/%2e%2e/admin/": false,
		"/x/..%2fadmin/": false, "/admin;x/": false, "/admin%2f": false, "/status/../admin/": false, "/./admin/": false, `/\admin/`: false,
		"/%2561dmin/": false,
	} {
		answer := f.raw(t, "GET "+target+" HTTP/1.1\r\nHost: localhost:"+f.Port+"\r\nConnection: close\r\nCookie: "+cookie+"\r\n\r\n")
		if (answer.StatusCode == http.StatusOK) != want {
			t.Errorf("%s is answered %d", target, answer.StatusCode)
		}
	}
}

// DoorwardDown sees that without an answer nothing passes, public paths neither.
func (s FrontStory) DoorwardDown(t *testing.T) {
	f := s.Start(t, FrontOptions{Application: Echo(t)})
	alice := f.visitorAs(t, "alice")
	f.site.server.CloseClientConnections()
	f.site.server.Close()
	for _, path := range []string{"/", "/status", "/admin/"} {
		if sheet := alice.Ask(http.MethodGet, f.Origin+path, nil, ""); sheet.Status < 500 {
			t.Errorf("%s answers %d", path, sheet.Status)
		}
	}
}
