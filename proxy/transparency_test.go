package proxy_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"doorward/config"
)

// Whoever asks through doorward is to get, and to be seen as, what they would without it. These tests ask everything twice, straight and
// through doorward, and compare both ends of both. What may differ is in asForwarded and asAnswered, and nowhere else.

// TestRandomExchanges asks with random bytes on the wire, the same each time. TRANSPARENCY_REQUESTS=10000 asks so often.
func TestRandomExchanges(t *testing.T) {
	upstream := newScripted(t)
	s := newSite(t, func(c *config.Config) {
		withRole(c)
		c.Upstreams += "\n/public/ http://" + upstream.address
	})
	cookie := s.signedIn("alice").cookieHeader(s)
	for i := range numberFromEnvironment(t, "TRANSPARENCY_REQUESTS", 400) {
		random := rand.New(rand.NewPCG(4711, uint64(i)))
		e := &trial{Rand: random, name: strconv.Itoa(i), host: strings.TrimPrefix(s.URL, "http://")}
		if e.IntN(2) == 0 {
			e.cookie = cookie
		}
		e.write()
		if wrong := e.compare(t, upstream, s); len(wrong) > 0 {
			t.Fatalf("request %d\n%q\n%s", i, e.head, strings.Join(wrong, "\n"))
		}
	}
}

// compare asks straight and through doorward, and gives what differs and should not.
func (e *trial) compare(t *testing.T, upstream *scripted, s *site) []string {
	t.Helper()
	upstream.learn(e)
	straight, through := e.ask(t, upstream.address), e.ask(t, s.server.Listener.Addr().String())
	arrived := upstream.arrivals(e.name)
	if len(arrived) != 2 {
		return []string{fmt.Sprintf("it arrived %d times; doorward answers %+v", len(arrived), through)}
	}
	asForwarded(e, arrived[0])
	withoutOurs(t, e, arrived[1])
	asAnswered(e, straight)
	withoutOurAnswers(e, straight, through)
	return append(differences("arrived", *arrived[0], *arrived[1]), differences("was answered", *straight, *through)...)
}

// differences tells two structs apart, field by field, and headers name by name.
func differences(what string, straight, through any) []string {
	var wrong []string
	differ := func(name string, a, b any) {
		if !reflect.DeepEqual(a, b) {
			wrong = append(wrong, fmt.Sprintf("%s with %s straight %.200q, through doorward %.200q", what, name, fmt.Sprint(a), fmt.Sprint(b)))
		}
	}
	a, b := reflect.ValueOf(straight), reflect.ValueOf(through)
	for i := range a.NumField() {
		name := a.Type().Field(i).Name
		one, isHeader := a.Field(i).Interface().(http.Header)
		if !isHeader {
			differ(name, a.Field(i).Interface(), b.Field(i).Interface())
			continue
		}
		other := b.Field(i).Interface().(http.Header)
		for key := range maps.Keys(union(one, other)) {
			differ(name+" "+key, one[key], other[key])
		}
	}
	return wrong
}

// union is what either header has.
func union(a, b http.Header) http.Header {
	all := http.Header{}
	maps.Copy(all, a)
	maps.Copy(all, b)
	return all
}

// numberFromEnvironment is how often to do what takes long, or how much of it, unless somebody asks for more.
func numberFromEnvironment(t testing.TB, name string, usual int) int {
	t.Helper()
	asked := os.Getenv(name)
	if asked == "" {
		return usual
	}
	n, err := strconv.Atoi(asked)
	if err != nil {
		t.Fatalf("%s is no number: %v", name, err)
	}
	return n
}

// arrival is a request as the upstream saw it, with header names in canonical letter case, and values in their order.
type arrival struct {
	Method, Target, Host string
	Header               http.Header
	Length               int64 // -1 for a body in chunks
	Body                 string
	Trailer              http.Header
}

// reply is an answer as the client saw it.
type reply struct {
	Early   []http.Header // of 103
	Status  int
	Header  http.Header
	Length  int64 // -1 for a body in chunks, or one that ends with the connection
	Body    string
	Trailer http.Header
}

// lengthOf is what a request says of its body's length. An empty body in chunks is none.
func lengthOf(length int64, body string) int64 {
	if body == "" {
		return 0
	}
	return length
}

// shown is a body, or what tells a long one apart.
func shown(body string) string {
	if len(body) <= 40 {
		return body
	}
	return fmt.Sprintf("%d bytes, SHA-256 %x", len(body), sha256.Sum256([]byte(body)))
}

// asForwarded does to a request what doorward is to do to it.
func asForwarded(e *trial, a *arrival) {
	if rest, absolute := strings.CutPrefix(a.Target, "http://"); absolute {
		a.Target = rest[strings.IndexByte(rest, '/'):] // RFC 9112 3.2.1: servers behind are asked for a path
	}
	trailers := slices.ContainsFunc(a.Header["Te"], func(line string) bool { return strings.Contains(line, "trailers") })
	kept := maps.Clone(a.Header)
	withoutHops(a.Header)
	for _, name := range []string{"Cookie", "Authorization"} { // these a Connection header cannot take away
		if values := kept[name]; values != nil {
			a.Header[name] = values
		}
	}
	if trailers {
		a.Header["Te"] = []string{"trailers"}
	}
	for _, name := range spoofed() {
		delete(a.Header, http.CanonicalHeaderKey(name))
	}
	if cookies := slices.DeleteFunc(slices.Clone(a.Header["Cookie"]), func(line string) bool { return e.cookie != "" && line == e.cookie }); len(cookies) > 0 {
		a.Header["Cookie"] = cookies
	} else {
		delete(a.Header, "Cookie")
	}
	if a.Header.Get("User-Agent") == "" {
		delete(a.Header, "User-Agent") // net/http sends none for an empty one
	}
	a.Trailer = nil
}

// withoutHops removes what ends at the next hop (RFC 9110 7.6.1).
func withoutHops(h http.Header) {
	for _, line := range h["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			h.Del(strings.TrimSpace(name))
		}
	}
	for _, name := range []string{"Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer", "Transfer-Encoding", "Upgrade"} {
		delete(h, name)
	}
}

// withoutOurs checks what doorward adds to a request, and takes it away.
func withoutOurs(t *testing.T, e *trial, a *arrival) {
	t.Helper()
	ours := []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Request-Id"}
	if e.cookie != "" && !e.authorized {
		ours = append(ours, "X-Forwarded-User", "X-Forwarded-Email", "X-Forwarded-Groups", "X-Forwarded-Preferred-Username", "Authorization")
	}
	for _, name := range ours {
		if values := a.Header[name]; len(values) != 1 || strings.Contains(values[0], canary) {
			t.Errorf("request %s\n%q\narrived with %s: %q", e.name, e.head, name, values)
		}
		delete(a.Header, name)
	}
}

// asAnswered does to an answer what doorward is to do to it.
func asAnswered(e *trial, r *reply) {
	for _, h := range append([]http.Header{r.Header}, r.Early...) {
		withoutHops(h)
		h["Set-Cookie"] = slices.DeleteFunc(h["Set-Cookie"], func(line string) bool { return strings.HasPrefix(line, "doorward") })
		if len(h["Set-Cookie"]) == 0 {
			delete(h, "Set-Cookie")
		}
	}
	if r.Status == http.StatusNotModified { // RFC 9110 15.4.5: it should have neither type nor length
		delete(r.Header, "Content-Type")
	}
	if e.old {
		r.Early, r.Trailer = nil, nil // RFC 9110 15.2, RFC 9112 6.1: HTTP/1.0 knows neither
	}
}

// withoutOurAnswers takes away what doorward adds to an answer.
func withoutOurAnswers(e *trial, straight, through *reply) {
	if straight.Status == http.StatusNotModified {
		straight.Length = through.Length
	}
	if e.method != http.MethodHead && straight.Body == "" && straight.Length == -1 && through.Length == 0 {
		straight.Length = 0 // nothing came, and that is known by now
	}
	delete(through.Header, "Connection") // how long ours to the client lasts
	if straight.Header["Date"] == nil {
		delete(through.Header, "Date") // RFC 9110 6.6.1: who has a clock adds it
	}
	for name, value := range map[string]string{"Cache-Control": "private", "Vary": "Cookie"} { // caches.go
		lines := through.Header[name]
		if n := len(lines) - 1; n >= 0 && n == len(straight.Header[name]) && lines[n] == value {
			through.Header[name] = lines[:n]
		}
		if len(through.Header[name]) == 0 {
			delete(through.Header, name)
		}
	}
}

// scripted is an upstream that answers with the very bytes that a trial wants.
type scripted struct {
	address string

	mu      sync.Mutex
	answers map[string]string
	arrived map[string][]*arrival
}

func newScripted(t *testing.T) *scripted {
	u := &scripted{answers: map[string]string{}, arrived: map[string][]*arrival{}}
	u.address = accept(t, func(conn net.Conn) { go u.serve(conn) }).Addr().String()
	return u
}

// serve answers requests until one of them, or its answer, ends the connection.
func (u *scripted) serve(conn net.Conn) {
	defer conn.Close()
	requests := bufio.NewReader(conn)
	for {
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		r, err := http.ReadRequest(requests)
		if err != nil {
			return
		}
		if r.Header.Get("Expect") != "" {
			_, _ = io.WriteString(conn, "HTTP/1.1 100 Continue\r\n\r\n")
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		answer := u.note(r, string(body))
		if _, err := io.WriteString(conn, answer); err != nil || strings.Contains(answer, "\r\nConnection: close\r\n") {
			return
		}
	}
}

// note notes a request, and gives its answer.
func (u *scripted) note(r *http.Request, body string) string {
	u.mu.Lock()
	defer u.mu.Unlock()
	name := r.Header.Get("Trial")
	delete(r.Header, "Content-Length") // is Length
	u.arrived[name] = append(u.arrived[name], &arrival{r.Method, r.RequestURI, r.Host, r.Header, lengthOf(r.ContentLength, body), shown(body), r.Trailer})
	return u.answers[name]
}

func (u *scripted) learn(e *trial) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.answers[e.name] = e.answer
}

// arrivals are what came of a trial: straight, and through doorward.
func (u *scripted) arrivals(name string) []*arrival {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.arrived[name]
}

// trial is one exchange: the bytes of a request, and those of its answer.
type trial struct {
	*rand.Rand
	name, host string
	cookie     string // of a session, empty for none

	old        bool // HTTP/1.0
	authorized bool // by an Authorization of the client's own
	method     string
	head, body string
	answer     string
}

// ask sends the request, and reads its answer.
func (e *trial) ask(t *testing.T, address string) *reply {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(conn, e.head+e.body); err != nil {
		t.Fatalf("sending %q: %v", e.head, err)
	}
	answers, reply := bufio.NewReader(conn), &reply{}
	for {
		answer, err := http.ReadResponse(answers, &http.Request{Method: e.method})
		if err != nil {
			t.Fatalf("reading the answer of trial %s from %s: %v\n%q\n%.300q", e.name, address, err, e.head, e.answer)
		}
		if answer.StatusCode == http.StatusEarlyHints {
			reply.Early = append(reply.Early, answer.Header)
		}
		if answer.StatusCode < 200 {
			continue
		}
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatalf("reading the answer's body of trial %s from %s: %v\n%q\n%.300q", e.name, address, err, e.head, e.answer)
		}
		reply.Status, reply.Header, reply.Length, reply.Body, reply.Trailer = answer.StatusCode, answer.Header, answer.ContentLength, shown(string(body)), answer.Trailer
		delete(reply.Header, "Content-Length") // is Length
		return reply
	}
}

func (e *trial) one(of ...string) string { return of[e.IntN(len(of))] }

// often says so in n of ten cases.
func (e *trial) often(n int) bool { return e.IntN(10) < n }

// write makes request and answer.
func (e *trial) write() {
	e.old = e.IntN(20) == 0
	e.method = e.one("GET", "GET", "GET", "HEAD", "POST", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "REPORT", "QUERY", "M-SEARCH", "X")
	version := map[bool]string{false: " HTTP/1.1", true: " HTTP/1.0"}[e.old]
	lines := []string{e.method + " " + e.target() + version, "Host: " + e.host, "Trial: " + e.name}
	lines = append(lines, e.requestHeaders()...)
	framing := e.frame()
	e.head = strings.Join(append(lines, framing...), "\r\n") + "\r\n\r\n"
	e.writeAnswer()
}

// target is a path and perhaps a query, with whatever clients may put into them.
func (e *trial) target() string {
	var target strings.Builder
	if e.often(1) {
		target.WriteString("http://" + e.host)
	}
	target.WriteString("/public/")
	for range e.IntN(6) {
		target.WriteString(e.one("/", "/a", "b", "%2F", "%2f", "%C3%A9", ";v=1", "~", "%20", ".x", "=", "@scope", ":", "(", "!", "*", "'", "%25", "{}", "|", "\"", "^", "$", "+", ","))
	}
	if e.often(5) {
		target.WriteString("?")
		for range e.IntN(8) {
			target.WriteString(e.one("a=1", "&", ";", "b=2", "%zz", "%", "+", "%20", "=", "é", "?", "/../", "%00", "[]", "|", "\"", "<>", "{", "^", "`", "\\", strings.Repeat("x", 2000)))
		}
	}
	return target.String()
}

// requestHeaders are some of the lines that clients send, in any order and letter case, some of them twice.
func (e *trial) requestHeaders() []string {
	var lines []string
	for range e.IntN(12) {
		name := e.one("Accept", "accept-encoding", "Accept-Language", "Range", "If-Range", "If-None-Match", "If-Modified-Since", "Cache-Control", "PRAGMA",
			"Content-Type", "Content-Encoding", "Content-Language", "Content-Disposition", "Origin", "Referer", "Via", "Priority", "DNT", "X-Custom", "x_under", "x.dot",
			"Depth", "Max-Forwards", "Sec-Fetch-Site", "Traceparent", "Early-Data", "Cookie", "Sec-WebSocket-Protocol", "HTTP2-Settings", "Warning", "From", "Prefer", "!#$%&'*+-.^_`|~")
		lines = append(lines, name+e.one(":", ": ", ":\t ")+e.value()+e.one("", "", " ", "\t"))
	}
	for _, line := range []string{"TE: trailers", "TE: deflate;q=0.5, trailers", "TE: gzip", "Keep-Alive: timeout=5", "Proxy-Connection: keep-alive", "Proxy-Authorization: Basic eDp5",
		"Connection: keep-alive", "Connection: X-Custom, close", "Connection: Cookie, Via", "Upgrade: h2c", "Expect: 100-continue"} {
		if e.often(1) && !(e.old && strings.HasPrefix(line, "Expect")) {
			lines = append(lines, line)
		}
	}
	if e.often(5) {
		lines = append(lines, e.one("User-Agent: a (b) c/1", "user-agent:"))
	}
	if e.often(2) {
		lines = append(lines, e.one(spoofed()...)+": "+canary)
	}
	if e.often(1) {
		lines, e.authorized = append(lines, e.one("Authorization: Basic eDp5", "authorization: Bearer abc", "Authorization: token")), true
	}
	if e.cookie != "" {
		lines = append(lines, "Cookie: "+e.cookie)
	}
	e.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	return lines
}

// value is a header's value, without outer blanks.
func (e *trial) value() string {
	return e.one("", "x", "a, b;q=0.5", `"quoted \" text"`, "bytes=0-99,200-", "W/\"tag\"", "Sat, 01 Jan 2000 00:00:00 GMT", "caf\xc3\xa9", "latin \xe9\xff", "tab\tinside", "a=1; b=2; c=\"3\"", "=", "%0d%0a",
		"gzip, br", "*/*", strings.Repeat("long ", 300)+"end", strconv.Itoa(e.IntN(1000)))
}

// bytes are random, few or many.
func (e *trial) bytes() string {
	b := make([]byte, e.IntN(1<<(1+e.IntN(17))))
	for i := range b {
		b[i] = byte(e.Uint32())
	}
	return string(b)
}

// frame chooses a body and how its end is told.
func (e *trial) frame() []string {
	switch {
	case e.often(4):
		return nil
	case e.often(6) || e.old:
		e.body = e.bytes()
		return []string{fmt.Sprintf("Content-Length: %d", len(e.body))}
	}
	chunks := e.chunked()
	if e.often(3) {
		e.body = chunks + "X-Trailer: " + canary + "\r\n\r\n"
		return []string{"Transfer-Encoding: chunked", "Trailer: X-Trailer"}
	}
	e.body = chunks + "\r\n"
	return []string{"Transfer-Encoding: chunked"}
}

// chunked is a random body in random chunks, without the trailer and the line at the end.
func (e *trial) chunked() string {
	var chunks bytes.Buffer
	for body := e.bytes(); body != ""; {
		n := 1 + e.IntN(len(body))
		fmt.Fprintf(&chunks, "%x%s\r\n%s\r\n", n, e.one("", "", ";ext=1"), body[:n])
		body = body[n:]
	}
	chunks.WriteString("0\r\n")
	return chunks.String()
}

// writeAnswer makes an answer that suits the request.
func (e *trial) writeAnswer() {
	var answer strings.Builder
	for e.often(1) {
		answer.WriteString("HTTP/1.1 103 Early Hints\r\nLink: </x.css>; rel=preload\r\nX-Hop: 1\r\n" + e.one("", "Connection: X-Hop\r\nKeep-Alive: 1\r\n", "Set-Cookie: doorward="+canary+"\r\n") + "\r\n")
	}
	status := e.one("200 OK", "200 OK", "200 Fine", "201 Created", "206 Partial Content", "204 No Content", "301 Moved", "303 See Other", "304 Not Modified",
		"400 Bad", "401 Unauthorized", "403 Forbidden", "404 Not Found", "416 Range", "418 Teapot", "429 Slow", "500 Oops", "503 Busy", "299 Odd", "599 Odder")
	lines := append([]string{e.one("HTTP/1.1 ", "HTTP/1.1 ", "HTTP/1.1 ", "HTTP/1.0 ") + status}, e.answerHeaders()...)
	framing, body := e.frameAnswer(status)
	if strings.HasPrefix(strings.Join(framing, ""), "Transfer-Encoding") {
		lines[0] = "HTTP/1.1 " + status // HTTP/1.0 knows no chunks
	}
	answer.WriteString(strings.Join(append(lines, framing...), "\r\n") + "\r\n\r\n" + body)
	e.answer = answer.String()
}

func (e *trial) answerHeaders() []string {
	var lines []string
	for range e.IntN(10) {
		name := e.one("Content-Type", "content-encoding", "Content-Language", "ETag", "Last-Modified", "Cache-Control", "Vary", "Location", "Set-Cookie", "Accept-Ranges", "Content-Range", "Server", "Via",
			"X-Custom", "x_under", "X-Frame-Options", "Content-Security-Policy", "Link", "Retry-After", "Access-Control-Allow-Origin", "Age", "Expires", "Alt-Svc", "X-Forwarded-User", "WWW-Authenticate", "Date", "Allow", "Refresh")
		lines = append(lines, name+": "+e.value())
	}
	for _, line := range []string{"Set-Cookie: theirs=1; Path=/", "Set-Cookie: other=\"a b\", c; Secure", "Set-Cookie: doorward=" + canary, "Connection: X-Custom", "Keep-Alive: timeout=5", "Proxy-Authenticate: Basic", "Upgrade: h2c"} {
		if e.often(1) {
			lines = append(lines, line)
		}
	}
	return lines
}

// frameAnswer chooses a body and how its end is told.
func (e *trial) frameAnswer(status string) (lines []string, body string) {
	bodiless := e.method == "HEAD" || status[:3] == "304"
	switch {
	case status[:3] == "204":
		return nil, ""
	case bodiless && e.often(5):
		return []string{fmt.Sprintf("Content-Length: %d", e.IntN(10000))}, ""
	case bodiless:
		return nil, ""
	case e.often(5):
		body = e.bytes()
		return []string{fmt.Sprintf("Content-Length: %d", len(body))}, body
	case e.often(5) || e.old:
		return []string{"Connection: close"}, e.bytes()
	case e.often(3):
		return []string{"Transfer-Encoding: chunked", "Trailer: X-Sum"}, e.chunked() + "X-Sum: 42\r\nX-Unannounced: 1\r\n\r\n"
	}
	return []string{"Transfer-Encoding: chunked"}, e.chunked() + "\r\n"
}
