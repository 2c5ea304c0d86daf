package proxy

import (
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
)

// An upstream may close a connection just as a request is given to it. What cannot have been served there is sent again over another one, with its
// body, whatever the method:
//
//   - what was not written at all, which quiet.go knows and net/http does not;
//   - in HTTP/2, what the upstream refused, or has not come to before it closes (RFC 9113 6.8, 8.7).
//
// The second net/http does by itself, for whatever has no body or a GetBody: without end, over a new connection each time, and after a PROTOCOL_ERROR
// too, by which some servers say that they have not served a request, and others that they have had enough of it. So nothing has a GetBody here,
// and there is an end. What may have been served, and has no body, net/http repeats where that is harmless (RFC 9110 9.2.2).

// maxTries bounds how often a request is handed to the Transport, and maxShared how often that may give it a connection that others have as well.
const maxTries, maxShared = 10, 20

var errLetGo = errors.New("the upstream lets go of the request again and again, without having served it")

// send hands a request to the Transport, and does so again while it cannot have been served.
func (d *delivery) send(r *http.Request) (answer *http.Response, err error) {
	r = d.onlyWhenQuiet(r)
	for range maxTries {
		try := r
		if r.Body != nil {
			if !d.body.holds() {
				break
			}
			try = new(*r)
			try.Body = d.body.send()
		}
		d.conn = nil // it may be that there will be no connection
		answer, err = d.upstream.transport.RoundTrip(try)
		if err != nil && d.shared > maxShared {
			return nil, errLetGo
		}
		if err == nil || !d.unwritten() && !letGo(err) || r.Context().Err() != nil {
			break
		}
	}
	if err == nil && r.Body != nil {
		d.body.wasAnswered()
	}
	return answer, err
}

// letGo says whether an upstream has not served a request over HTTP/2, by the errors that net/http has for those whose body it cannot send again: the
// first where the request had begun, the second where its connection took no more. There is no type for that.
func letGo(err error) bool {
	why, begun := strings.CutPrefix(err.Error(), "http2: Transport: cannot retry err [")
	return begun && !strings.Contains(why, "PROTOCOL_ERROR") || err.Error() == "net/http: cannot rewind body after connection loss"
}

// unwritten says whether a request failed before anything of it was written, on a connection that had been another's before.
func (d *delivery) unwritten() bool { return d.conn != nil && d.conn.taken.Load() == d }

// maxHeld is how much is held of a body to be sent again, in bytes. Nothing waits for it: it is what has passed.
const maxHeld = 64 << 10

// sending is one try at sending a body. The next one begins with what this one has read, and this one reads no more: the Transport that gave it up
// may still be at it.
type sending struct {
	body *clientBody
	sent int64 // bytes
	over atomic.Bool
}

// send begins a try.
func (b *clientBody) send() *sending {
	s := &sending{body: b}
	b.latest.Store(s)
	return s
}

// holds says whether everything is held that was read.
func (b *clientBody) holds() bool { return b.all.Load() <= maxHeld }

func (s *sending) Read(p []byte) (n int, err error) {
	b := s.body
	b.reading.Lock()
	defer b.reading.Unlock()
	behind := s.sent < b.all.Load()
	switch {
	case b.latest.Load() != s || behind && !b.holds():
		return 0, errors.New("the request's body is being sent in another way, or its request is over")
	case behind:
		n = copy(p, b.held[s.sent:])
	default:
		n, err = b.read(p)
		b.hold(p[:n])
	}
	s.sent += int64(n)
	return n, err
}

// Close says that the upstream wants no more.
func (s *sending) Close() error {
	s.over.Store(true)
	s.body.stop(s)
	return nil
}

// wasAnswered notes that the request of the latest try was answered.
func (b *clientBody) wasAnswered() {
	b.answered.Store(true)
	if s := b.latest.Load(); s != nil {
		b.stop(s)
	}
}

// stop stops whoever still reads a body of which the upstream wants no more once it has answered: over HTTP/2 the answer would not end before the
// client's body does. Over HTTP/1.1 that is left to net/http.
func (b *clientBody) stop(s *sending) {
	if b.latest.Load() == s && s.over.Load() && b.answered.Load() && b.connection.in.ProtoMajor == 2 {
		b.stopped.Store(true)
		_ = b.ReadCloser.Close()
	}
}

// hold counts what was read, and keeps it while it is not too much.
func (b *clientBody) hold(read []byte) {
	b.all.Add(int64(len(read)))
	if b.holds() {
		b.held = append(b.held, read...)
	} else {
		b.held = nil
	}
}
