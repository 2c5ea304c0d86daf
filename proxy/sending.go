package proxy

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
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
	if err != nil && d.body.brokenOff.Load() {
		err = errGivenUp // net/http says that the client has gone
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
//
// net/http's Transport says that an upstream is lost only when whoever reads the body has returned, and a client may be silent for hours, perhaps
// because it waits for an answer. So the end of a try ends its reading:
//
//   - Over HTTP/2 the client is read by a goroutine of its own, from which the next try takes over what comes.
//   - Over HTTP/1.1, where that would cost a fifth of an upload's CPU, reading the client is broken off. It is not where nothing of the request was
//     written, for then it is sent again when the client goes on.
type sending struct {
	body  *clientBody
	sent  int64 // bytes
	aside bool  // the client is read by another goroutine; guarded by the body's mu, as the others
	over  bool  // the Transport has given it up
}

// errGivenUp ends a read for a try that is over. The Transport says so, where a connection is lost amid a body.
var errGivenUp = fmt.Errorf("the connection to the upstream ended before all of the request was sent: %w", io.ErrUnexpectedEOF)

// send begins a try.
func (b *clientBody) send() *sending {
	s := &sending{body: b}
	b.next(s)
	return s
}

// next ends the try before, and has another one read; nil for none.
func (b *clientBody) next(s *sending) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.latest = s
	b.changed.Broadcast()
}

// Read waits for the client, or until the try is over.
func (s *sending) Read(p []byte) (n int, err error) {
	b := s.body
	b.mu.Lock()
	defer b.mu.Unlock()
	for s.goesOn() {
		b.passed()
		if s.sent == b.connection.in.ContentLength { // all of it was given, and a client may leave its stream open
			b.connection.awaitAnswer()
		}
		ready := b.held[s.sent-b.from:]
		switch {
		case len(ready) > 0 || b.err != nil:
			if n = copy(p, ready); n == len(ready) {
				err = b.err
			}
			return n, s.pass(n, err)
		case s.aside || b.reading:
			b.fetch()
			b.changed.Wait()
		default:
			if n, err = b.fetchInto(p); s.over || b.latest != s {
				return 0, errGivenUp
			}
			return n, s.pass(n, err)
		}
	}
	if b.err == io.EOF && s.sent == b.from+int64(len(b.held)) {
		return 0, io.EOF // whatever has ended since: the Transport asks once more, and would not use the connection again
	}
	return 0, errGivenUp
}

// goesOn says whether a try is to read on, and can. The caller holds mu.
func (s *sending) goesOn() bool { return !s.over && s.body.latest == s && s.sent >= s.body.from }

// pass notes that the upstream is given so many bytes, and what came after them. The caller holds mu.
func (s *sending) pass(n int, err error) error {
	s.sent += int64(n)
	switch err {
	case nil:
		s.body.connection.passing.begin()
		s.body.passing = true
	case io.EOF:
		s.body.connection.awaitAnswer()
	}
	return err
}

// Close says that the upstream wants no more.
func (s *sending) Close() error {
	s.body.mu.Lock()
	defer s.body.mu.Unlock()
	s.over = true
	s.body.changed.Broadcast()
	return nil
}

// given notes that the latest try goes on, over a connection that it was just given: net/http may have closed it with one that was of no use.
func (b *clientBody) given(shared bool) *sending {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.latest != nil {
		b.latest.over, b.latest.aside = false, shared
	}
	return b.latest
}
