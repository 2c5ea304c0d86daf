package proxy

import (
	"bufio"
	"crypto/rand"
	"net"
	"net/http"
	"net/netip"
	"time"

	"doorward/proxy/access"
	"doorward/session"
)

// exchange is one request and its answer, as log and metrics will tell it. It is the ResponseWriter that every part
// writes to, and notes what passes.
type exchange struct {
	http.ResponseWriter

	id      string
	start   time.Time
	client  client
	peer    [1]netip.Addr // the memory of client.hops, which are the peer alone as a rule
	path    string        // as on the request line; "-" for one that does not parse
	host    string        // in lower case, without port: the one that every rule is asked about; "" where doorward answers under any name
	origin  *origin       // of the host, where people can sign in; nil at any other
	asked   *http.Request // the request that the server in front asks about (forward-auth), in place of its question; else nil
	rules   *rules        // that were in use when it came
	rule    string        // the deciding rule's pattern, our prefix, or "none"
	outcome string        // a fixed word: forwarded, login, denied, …
	reason  string        // a fixed word that says more
	cause   error         // for the log alone

	user    string           // as far as it is known; for the log
	whose   *session.Session // the session of the user; nil for none
	session string           // the hash of one that is not the user's own

	providerSession string // the hash of the provider's, at a login and a logout

	strict bool              // the answer tells browsers to come by https
	gone   <-chan struct{}   // is closed when a stream of HTTP/2 ends, whatever its handler does; nil over HTTP/1.1
	idle   time.Duration     // IDLE_TIMEOUT: how long an answer may be left unread, or the rest of the request unsent or untaken
	onHead func(http.Header) // is called once, when the final head is about to be written; may be nil

	trace *trace // nil where there is none

	subject    access.Subject // what rules were last asked about
	connection connection     // what may end it early, while it is on its way to an upstream
	forwarded  [4]string      // the values of forwarding headers, in one piece of memory

	upstream     string
	upstreamTime time.Duration

	status int
	bytes  int64
}

func newExchange(w http.ResponseWriter, r *http.Request, idle time.Duration) *exchange {
	x := &exchange{ResponseWriter: w, id: rand.Text(), start: time.Now(), idle: idle, rule: "none", path: "-", peer: [1]netip.Addr{peerOf(r)}}
	x.client.hops = x.peer[:]
	if r.ProtoMajor == 2 {
		x.gone = r.Context().Done()
	}
	return x
}

// belongsTo notes whose request this is.
func (x *exchange) belongsTo(s *session.Session) { x.user, x.whose = s.User, s }

// sessionHash stands for the session in the log. It opens nothing; "" where there is none.
func (x *exchange) sessionHash() string {
	if x.session != "" || x.whose == nil {
		return x.session
	}
	return x.whose.Hash()
}

// WriteHeader notes the final status. An informational answer is not final: what belongs to the answer is not in its head, and
// httputil.ReverseProxy clears the headers after it (golang/go#81207).
func (x *exchange) WriteHeader(status int) {
	if status >= 200 && x.status == 0 {
		x.status = status
		x.finishHead()
		if x.outcome != "forwarded" {
			x.hurry()
		}
	}
	x.connection.delivering.begin() // a head that is not final is sent at once
	x.ResponseWriter.WriteHeader(status)
	x.connection.delivering.end()
}

// hurry bounds how long what is left of an answer waits for its client to read it: all of one of ours, the end of another's. Otherwise a client
// that is not even signed in could hold its connection for ever: over HTTP/2 by granting no window, over HTTP/1.1 by asking on and on and
// reading nothing. net/http takes the deadline back before the next request. Over HTTP/2 it is the stream's, and ends nothing where the client does
// not read its connection: newServer bounds that. One that its client has reset gets none, which net/http would keep, and the stream with it, until
// it is over: whoever opens streams and resets them has thousands a second.
func (x *exchange) hurry() {
	select {
	case <-x.gone:
		return
	default:
	}
	_ = http.NewResponseController(x.ResponseWriter).SetWriteDeadline(time.Now().Add(x.idle))
}

// rest takes back what hurry did where the client has reset its stream meanwhile: net/http may have heard of that first.
func (x *exchange) rest() {
	select {
	case <-x.gone:
		_ = http.NewResponseController(x.ResponseWriter).SetWriteDeadline(time.Time{})
	default:
	}
}

// finishHead adds to the final head what is known only now.
func (x *exchange) finishHead() {
	if x.strict {
		setStrict(x.Header())
	}
	if finish := x.onHead; finish != nil {
		x.onHead = nil
		finish(x.Header())
	}
}

func (x *exchange) Write(b []byte) (n int, _ error) {
	if x.status == 0 {
		x.WriteHeader(http.StatusOK)
	}
	for {
		wrote, err := x.write(x.connection.piece(b[n:]))
		if n += wrote; err != nil || n >= len(b) {
			return n, err
		}
	}
}

// write writes what the client is to take at once.
func (x *exchange) write(piece []byte) (int, error) {
	x.connection.delivering.begin()
	n, err := x.ResponseWriter.Write(piece)
	x.connection.delivering.end()
	x.bytes += int64(n)
	x.connection.move()
	return n, err
}

// FlushError sends what was written, for http.ResponseController.
func (x *exchange) FlushError() error {
	x.connection.delivering.begin()
	defer x.connection.delivering.end()
	return http.NewResponseController(x.ResponseWriter).Flush()
}

// Hijack hands the connection over after an upgrade; of what passes then, only that it does is noted. The head of the answer, with the
// headers that are set here, is written by whoever takes the connection.
func (x *exchange) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	x.finishHead()
	conn, rw, err := http.NewResponseController(x.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	x.status = http.StatusSwitchingProtocols
	x.connection.goesOn()
	return upgraded{conn, &x.connection, rw.Reader}, rw, nil
}

// Unwrap lets http.ResponseController set deadlines.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

func (x *exchange) answered() bool { return x.status != 0 }

func (x *exchange) upgraded() bool { return x.status == http.StatusSwitchingProtocols }
