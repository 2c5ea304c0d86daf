//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package fasttransport_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"doorward/proxy/fasttransport"
)

// The worst that a proxy can do is to hand one person's answer to another. Here an upstream tries to bring that about: it misbehaves on
// each connection as chance has it, and whatever it writes, surplus, late and half bytes too, bears the token of the request that it was
// written for. No client may ever see another's token.
//
// There is one thing that no client of HTTP/1.1 can notice: what the upstream writes before it has the request, and what arrives after the
// socket was found silent. So a gate makes one step of listening and writing: whatever this upstream says without being asked it says before that, or
// not at all, and who listens waits until it has arrived, which over TCP may be after it was written.

// TestAnswersNeverMeet does so for three seconds; FAST_TRANSPORT_FUZZ=1h, for an hour.
func TestAnswersNeverMeet(t *testing.T) {
	lasts := 3 * time.Second
	if asked := os.Getenv("FAST_TRANSPORT_FUZZ"); asked != "" {
		var err error
		if lasts, err = time.ParseDuration(asked); err != nil {
			t.Fatal(err)
		}
	}
	m := newMeeting(t)
	end := time.Now().Add(lasts)
	var clients sync.WaitGroup
	for i := range 16 {
		random := rand.New(rand.NewPCG(uint64(lasts), uint64(i)))
		clients.Go(func() {
			for time.Now().Before(end) && !t.Failed() {
				m.ask(random)
			}
		})
	}
	clients.Wait()
	m.transport.CloseIdleConnections()
	m.serving.Wait()
	asked, dialled := m.asked.Load(), m.dialled.Load()
	t.Logf("%d requests, %d answers read whole, %d connections", asked, m.whole.Load(), dialled)
	if asked < 100 || dialled > asked*9/10 || m.whole.Load() < asked/4 {
		t.Error("hardly a connection is used again, or hardly an answer is whole: this test tests nothing")
	}
}

// meeting is where clients and upstream meet.
type meeting struct {
	t         *testing.T
	listeners []net.Listener
	transport *fasttransport.Transport
	serving   sync.WaitGroup

	dialling              sync.Mutex
	asked, whole, dialled atomic.Int64
}

func newMeeting(t *testing.T) *meeting {
	m := &meeting{t: t}
	for network, address := range map[string]string{"tcp": "127.0.0.1:0", "unix": filepath.Join(t.TempDir(), "socket")} {
		listener, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = listener.Close() })
		m.listeners = append(m.listeners, listener)
	}
	standard := newStandard()
	standard.DialContext = m.dial
	m.transport = fasttransport.New(&url.URL{Scheme: "http", Host: "upstream.test"}, standard, none)
	return m
}

// dial makes a connection, over TCP and a Unix socket in turn, and serves its other end.
func (m *meeting) dial(context.Context, string, string) (net.Conn, error) {
	m.dialling.Lock()
	defer m.dialling.Unlock()
	number := m.dialled.Add(1)
	listener := m.listeners[number%2]
	here, err := net.Dial(listener.Addr().Network(), listener.Addr().String())
	if err != nil {
		return nil, err
	}
	there, err := listener.Accept()
	if err != nil {
		return nil, err
	}
	g := &gate{}
	m.serving.Go(func() {
		defer there.Close()
		w := &writer{Rand: rand.New(rand.NewPCG(uint64(number), 4711)), conn: there, gate: g}
		w.serve()
	})
	return &gated{Conn: here, gate: g}, nil
}

// gate is what one end of a connection holds while the other must not do something.
type gate struct {
	sync.Mutex
	written atomic.Int64 // requests
	said    int64        // bytes, by the upstream
}

// gated is a client's end, which holds the gate from listening to the end of writing.
type gated struct {
	net.Conn
	gate  *gate
	holds atomic.Bool
	heard int64 // bytes
}

func (g *gated) Read(b []byte) (int, error) {
	n, err := g.Conn.Read(b)
	g.heard += int64(n)
	return n, err
}

func (g *gated) SyscallConn() (syscall.RawConn, error) {
	raw, err := g.Conn.(syscall.Conn).SyscallConn()
	return gatedRaw{raw, g}, err
}

type gatedRaw struct {
	syscall.RawConn
	end *gated
}

func (r gatedRaw) Control(listen func(uintptr)) error {
	if !r.end.holds.Load() { // or the pool has listened, while nobody was to write
		r.end.gate.Lock()
		r.end.holds.Store(true)
	}
	err := r.arrived()
	if err == nil {
		err = r.RawConn.Control(listen)
	}
	if err != nil {
		r.end.leave()
	}
	return err
}

// arrived waits for what is on its way.
func (r gatedRaw) arrived() error {
	if r.end.gate.said == r.end.heard {
		return nil
	}
	return r.RawConn.Read(func(socket uintptr) bool {
		_, _, err := syscall.Recvfrom(int(socket), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		return err != syscall.EAGAIN
	})
}

func (g *gated) Write(b []byte) (int, error) {
	defer g.leave()
	g.gate.written.Add(1)
	return g.Conn.Write(b)
}

func (g *gated) Close() error {
	defer g.leave()
	return g.Conn.Close()
}

func (g *gated) leave() {
	if g.holds.CompareAndSwap(true, false) {
		g.gate.Unlock()
	}
}

// ask is a client's request, which is read, cut off or given up as chance has it.
func (m *meeting) ask(random *rand.Rand) {
	token := fmt.Sprintf("t%09d.", m.asked.Add(1))
	ctx, cancel := context.WithTimeout(m.t.Context(), 2*time.Second)
	defer cancel()
	trace := &httptrace.ClientTrace{Got1xxResponse: func(_ int, header textproto.MIMEHeader) error {
		m.check(token, http.Header(header), "")
		return nil
	}}
	r, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, trace), [...]string{"GET", "GET", "GET", "GET", "GET", "HEAD"}[random.IntN(6)], "http://upstream.test/"+token, nil)
	if err != nil {
		m.t.Error(err)
		return
	}
	if random.IntN(10) == 0 {
		defer time.AfterFunc(time.Duration(random.IntN(500))*time.Microsecond, cancel).Stop()
	}
	answer, err := m.transport.RoundTrip(r)
	if err != nil {
		return
	}
	body, err := m.read(random, answer)
	m.check(token, answer.Header, body)
	m.check(token, answer.Trailer, "")
	if err != nil {
		return
	}
	m.whole.Add(1)
	if want := answer.Header.Get("Whole"); want != "" && r.Method == http.MethodGet && want != strconv.Itoa(len(body)) {
		m.t.Errorf("an answer of %s bytes is taken for one of %d", want, len(body))
	}
}

// read reads a body, or some of it. Its error says that this is not all.
func (m *meeting) read(random *rand.Rand, answer *http.Response) (string, error) {
	defer answer.Body.Close()
	var source io.Reader = answer.Body
	switch random.IntN(12) {
	case 0:
		source = io.LimitReader(source, int64(random.IntN(5000)))
	case 1:
		defer time.AfterFunc(time.Duration(random.IntN(500))*time.Microsecond, func() { _ = answer.Body.Close() }).Stop()
	case 2:
		source = bufio.NewReaderSize(source, 16)
	}
	body, err := io.ReadAll(source)
	if _, limited := source.(*io.LimitedReader); limited && err == nil {
		err = io.ErrShortBuffer
	}
	return string(body), err
}

var tokens = regexp.MustCompile(`t\d{9}\.`)

// check fails the test where something bears another's token.
func (m *meeting) check(token string, header http.Header, body string) {
	all := strings.ReplaceAll(fmt.Sprint(header)+body, token, "")
	if other := tokens.FindString(all); other != "" {
		m.t.Errorf("the answer to %s has something of %s: %v %.300q", token, other, header, body)
	}
}

// writer is an upstream's end of a connection.
type writer struct {
	*rand.Rand
	conn  net.Conn
	gate  *gate
	read  int64 // requests
	token string
}

// part is something to write. What belongs to the answer is written whatever happens: a client that does not wait for it is wrong. surplus
// is written as long as there is no other request.
type part struct {
	text    string
	surplus bool
}

func (w *writer) serve() {
	_ = w.conn.SetDeadline(time.Now().Add(time.Hour))
	for requests := bufio.NewReader(w.conn); ; {
		line, err := requests.ReadString('\n')
		if err != nil {
			return
		}
		fields := strings.Fields(line)
		w.read++
		w.token = strings.TrimPrefix(fields[1], "/")
		early := w.IntN(10) == 0
		if early && !w.write(w.script(fields[0])) {
			return
		}
		for line != "\r\n" {
			if line, err = requests.ReadString('\n'); err != nil {
				return
			}
		}
		if !early && !w.write(w.script(fields[0])) {
			return
		}
	}
}

// write writes an answer in some pieces, then perhaps something that nobody waits for, and says whether the connection goes on.
func (w *writer) write(parts []part, ends bool) bool {
	if w.IntN(8) == 0 {
		parts = append(parts, part{w.surplus(), true})
	}
	for i, p := range parts {
		if i > 0 {
			w.pause()
		}
		w.gate.Lock()
		if !p.surplus || w.gate.written.Load() == w.read {
			n, _ := io.WriteString(w.conn, p.text)
			w.gate.said += int64(n)
		}
		w.gate.Unlock()
	}
	if ends || w.IntN(20) == 0 {
		w.pause()
		w.hangUp()
		return false
	}
	return true
}

func (w *writer) hangUp() {
	switch tcp, isTCP := w.conn.(*net.TCPConn); {
	case isTCP && w.IntN(3) == 0:
		_ = tcp.SetLinger(0)
	case isTCP && w.IntN(2) == 0:
		_ = tcp.CloseWrite()
		_, _ = io.Copy(io.Discard, w.conn)
	}
}

func (w *writer) pause() {
	if w.IntN(2) == 0 {
		time.Sleep(time.Duration(w.IntN(300)) * time.Microsecond) // so that pieces arrive apart
	}
}

func (w *writer) one(of ...string) string { return of[w.IntN(len(of))] }

func (w *writer) body() string {
	return strings.Repeat(w.token, w.IntN(1<<w.IntN(12)))
}

// plain is an answer with a length.
func (w *writer) plain(headers ...string) string {
	body := w.body()
	return w.head("200 OK", append(headers, fmt.Sprintf("Content-Length: %d", len(body)), fmt.Sprintf("Whole: %d", len(body)))...) + body
}

// inChunks is an answer in chunks.
func (w *writer) inChunks(headers ...string) string {
	body := w.body()
	return w.head("200 OK", append(headers, "Transfer-Encoding: chunked", fmt.Sprintf("Whole: %d", len(body)))...) + w.chunks(body)
}

func (w *writer) chunks(body string) string {
	var text strings.Builder
	for len(body) > 0 {
		n := 1 + w.IntN(len(body))
		fmt.Fprintf(&text, "%x\r\n%s\r\n", n, body[:n])
		body = body[n:]
	}
	return text.String() + "0\r\n\r\n"
}

func (w *writer) head(status string, headers ...string) string {
	headers = append(headers, "Token: "+w.token)
	w.Shuffle(len(headers), func(i, j int) { headers[i], headers[j] = headers[j], headers[i] })
	return "HTTP/1.1 " + status + "\r\n" + strings.Join(headers, "\r\n") + "\r\n\r\n"
}

// surplus is what should not be there: mostly something that would be an answer, if anybody took it for one.
func (w *writer) surplus() string {
	return w.one(w.plain(), w.plain(), w.inChunks(), w.token, "\r\n", "0\r\n\r\n", "\n"+w.plain(), w.head("408 Request Timeout", "Content-Length: 0"), w.head("100 Continue"), "H")
}

// split cuts an answer into pieces.
func (w *writer) split(text string) []part {
	var parts []part
	for w.IntN(3) == 0 && len(text) > 1 {
		n := 1 + w.IntN(len(text)-1)
		parts, text = append(parts, part{text: text[:n]}), text[n:]
	}
	return append(parts, part{text: text})
}

// script is an answer, and whether the connection ends with it.
func (w *writer) script(method string) (parts []part, ends bool) {
	if method == http.MethodHead {
		return w.bodiless(w.one("200 OK", "404 Not Found", "204 No Content"))
	}
	switch w.IntN(8) {
	case 0, 1:
		return w.split(w.plain()), false
	case 2, 3:
		return w.split(w.inChunks()), false
	case 4:
		return w.bodiless(w.one("204 No Content", "304 Not Modified"))
	case 5:
		parts = w.split(w.one(w.plain(), w.inChunks()))
		parts[len(parts)-1].text += w.surplus() // at one go: the client may be satisfied before
		return parts, false
	}
	text, ends := w.strange()
	return w.split(text), ends
}

// bodiless is an answer that has no body, and yet.
func (w *writer) bodiless(status string) ([]part, bool) {
	body := w.plain()
	switch w.IntN(5) {
	case 0:
		return []part{{text: w.head(status)}, {body, true}}, false
	case 1:
		return []part{{text: w.head(status, fmt.Sprintf("Content-Length: %d", len(body)))}, {text: body}}, false
	case 2:
		return []part{{text: w.head(status, "Transfer-Encoding: chunked")}, {text: w.chunks(body)}}, false
	case 3:
		return []part{{text: w.head(status) + body}}, false
	}
	return []part{{text: w.head(status)}}, false
}

// strange is an answer that can be read in more than one way, or in none. A client is to give up on it, or on the connection: it is written to its
// end, whatever a client takes for that.
func (w *writer) strange() (text string, ends bool) {
	body, other, more := w.body(), w.body(), w.plain()
	length, chunks := fmt.Sprintf("Content-Length: %d", len(body)), w.chunks(body)
	switch w.IntN(22) {
	case 0:
		broken := strings.Replace(w.plain(), "Whole", "Broken", 1)
		return broken[:w.IntN(len(broken))], true
	case 1:
		return w.head("200 OK", fmt.Sprintf("Content-Length: %d", len(body)+1+len(more))) + body, true
	case 2:
		return w.head("200 OK", "Transfer-Encoding: chunked", fmt.Sprintf("Content-Length: %d", len(chunks)+len(more))) + chunks + more, false
	case 3:
		return w.head("200 OK", "Transfer-Encoding: chunked", "Content-Length: 5") + chunks, false
	case 4:
		return w.head("200 OK", length, fmt.Sprintf("Content-Length: %d", len(body)+len(more))) + body + more, false
	case 5:
		return w.head("200 OK", length, length) + body + more, false
	case 6:
		return strings.Replace(w.head("200 OK", length, "Connection: keep-alive"), "1.1", "1.0", 1) + body + more, false
	case 7:
		return w.head("200 OK") + body + more, true
	case 8:
		return strings.Repeat(w.head(w.one("100 Continue", "102 Processing", "103 Early Hints"), "Link: "+w.token), 1+w.IntN(5)) + w.plain(), false
	case 9:
		return w.head("103 Early Hints", length) + body + w.plain(), false
	case 10:
		return w.head("101 Switching Protocols", "Connection: Upgrade", "Upgrade: x") + more, false
	case 11:
		return w.head("200 OK", "Transfer-Encoding: chunked") + strings.Replace(chunks, "\r\n", w.one("\n", "zz\r\n", "\r\n\r\n", ""), 1), true
	case 12:
		return w.head("200 OK", "X: y\r\n "+length, fmt.Sprintf("Content-Length: %d", len(body)+len(more))) + body + more, false
	case 13:
		return strings.ReplaceAll(w.head("200 OK", length), "\r\n", "\n") + body + more, false
	case 14:
		return w.head("200 OK", "X: y\n"+length, fmt.Sprintf("Content-Length : %d", len(body)+len(more))) + body + more, false
	case 15:
		return w.head("200 OK", fmt.Sprintf("Content-Length : %d", len(body)+len(more)), length) + body + more, false
	case 16:
		return "", true
	case 17:
		return w.plain("X: " + strings.Repeat("x", 3000+w.IntN(5000))), false
	case 18:
		return w.head("200 OK", "Transfer-Encoding: chunked") + strings.TrimSuffix(chunks, "\r\n") + "X: " + w.token + "\r\n\r\n", false
	case 19:
		return w.head("200 OK", "Transfer-Encoding: chunked") + strings.TrimSuffix(chunks, "\r\n") + "X: " + w.token + w.one("\n\n", "\n\r\n", "\r\n\n") + more, false
	case 20:
		return w.head("408 Request Timeout", length) + body, false
	case 21:
		return w.plain("Connection: " + w.one("close", "keep-alive, close", "x", "upgrade")), false
	}
	return w.head("200 OK", "Transfer-Encoding: "+w.one("gzip, chunked", "identity", "chunked, chunked", "xchunked"), length) + chunks + other, false
}
