package proxy

import (
	"errors"
	"fmt"
	"io"
	"net/http"
)

// An upstream may close a connection just as a request is given to it. What cannot have been served there is sent again over another one, with its
// body, whatever would come of it if it were served twice:
//
//   - what was not written at all, which quiet.go knows and net/http does not;
//   - in HTTP/2, what the upstream refused, or has not come to before it closes (RFC 9113 6.8, 8.7): that net/http repeats by itself, if only it is
//     given the body anew. A stream that is reset for a PROTOCOL_ERROR is taken for refused, since some servers say it so (5.1.2, golang/go#47635).
//
// What may have been served net/http repeats where that is harmless (RFC 9110 9.2.2), but here nothing that has a body.

// send hands a request to the Transport, and does so again while nothing of it was written.
func (d *delivery) send(r *http.Request) (*http.Response, error) {
	r = d.onlyWhenQuiet(r)
	for {
		d.conn = nil // it may be that there will be no connection
		answer, err := d.upstream.transport.RoundTrip(r)
		if err == nil || !d.unwritten() || r.Context().Err() != nil {
			return answer, err
		}
		next := new(*r)
		if r.Body != nil {
			body, spent := r.GetBody()
			if spent != nil {
				return nil, err
			}
			next.Body = body
		}
		r = next
	}
}

// unwritten says whether a request failed before anything of it was written, on a connection that had been another's before.
func (d *delivery) unwritten() bool { return d.conn != nil && d.conn.taken.Load() }

// bodyAgain is an [http.Request.GetBody].
func (d *delivery) bodyAgain() (io.ReadCloser, error) {
	if d.conn != nil && !d.unwritten() {
		return nil, fmt.Errorf("the upstream closed the connection instead of answering: %w", io.ErrUnexpectedEOF)
	}
	return d.body.send()
}

// maxHeld is how much is held of a body to be sent again, in bytes. Nothing waits for it: it is what has passed.
const maxHeld = 64 << 10

// sending is one try at sending a body. The next one begins with what this one has read, and this one reads no more: the Transport that gave it up
// may still be at it.
type sending struct {
	body *clientBody
	sent int // bytes
}

// send begins a try.
func (b *clientBody) send() (io.ReadCloser, error) {
	if b.dropped.Load() {
		return nil, fmt.Errorf("the upstream closed the connection, and more of the request's body had been read than is held: %w", io.ErrUnexpectedEOF)
	}
	s := &sending{body: b}
	b.latest.Store(s)
	return s, nil
}

func (s *sending) Read(p []byte) (n int, err error) {
	b := s.body
	b.reading.Lock()
	defer b.reading.Unlock()
	switch {
	case b.latest.Load() != s || s.sent < b.all && b.dropped.Load():
		return 0, errors.New("the request's body is being sent in another way, or its request is over")
	case s.sent < b.all:
		n = copy(p, b.held[s.sent:])
	default:
		n, err = b.read(p)
		b.hold(p[:n])
	}
	s.sent += n
	return n, err
}

// Close leaves the client's body to net/http.
func (s *sending) Close() error { return nil }

func (b *clientBody) hold(read []byte) {
	b.all += len(read)
	if b.all <= maxHeld {
		b.held = append(b.held, read...)
		return
	}
	b.held = nil
	b.dropped.Store(true)
}
