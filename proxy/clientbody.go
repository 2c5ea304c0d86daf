package proxy

import (
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// clientBody is a request's body on its way to an upstream, in tries (sending.go). It notes that the body could not be read: the client's fault,
// which the Transport reports like the upstream's. It notes that bytes have passed, too. And it gives io.EOF each time once it has ended: the
// Transport reads again after the end, and if the answer is there by then, net/http says that the body is closed, for which the Transport would
// end the connection in the middle of the answer.
type clientBody struct {
	io.ReadCloser
	connection    *connection
	ended, broken atomic.Bool
	brokenOff     atomic.Bool // by us
	received      int64       // bytes; whoever reads has it

	mu      sync.Mutex
	changed sync.Cond // of mu: what follows, which it guards
	latest  *sending  // that may read; nil for none
	held    []byte    // what was read last, and if it is not too much all of it
	from    int64     // where in the body that begins
	err     error     // after it
	reading bool
	passing bool // what was read, to the upstream
}

// begin makes a body ready to be sent.
func (b *clientBody) begin(body io.ReadCloser, of *connection) {
	b.ReadCloser, b.connection, b.changed.L = body, of, &b.mu
}

// Close ends all tries. The client's body is net/http's to close, which waits for whoever reads it.
func (b *clientBody) Close() error {
	b.next(nil)
	return nil
}

// holds says whether everything is held that was read.
func (b *clientBody) holds() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.from == 0 && len(b.held) <= maxHeld
}

// fetch begins to read more, all of which was sent so far, unless that is under way. The caller holds mu.
func (b *clientBody) fetch() {
	if b.reading {
		return
	}
	b.reading = true
	if b.from > 0 || len(b.held) > maxHeld {
		b.from += int64(len(b.held))
		b.held = b.held[:0]
	}
	b.held = slices.Grow(b.held, b.room())
	into := b.held[len(b.held):cap(b.held)]
	go func() {
		n, err := b.read(into)
		b.mu.Lock()
		defer b.mu.Unlock()
		b.held = b.held[:len(b.held)+n]
		b.has(err)
	}()
}

// fetchInto reads more, and keeps it if it is not too much. The caller holds mu, but not while this reads.
func (b *clientBody) fetchInto(p []byte) (n int, err error) {
	b.reading = true
	b.mu.Unlock()
	n, err = b.read(p)
	b.mu.Lock()
	if b.from > 0 || len(b.held)+n > maxHeld {
		b.from += int64(len(b.held) + n)
		b.held = nil
	} else {
		b.held = append(slices.Grow(b.held, b.room()), p[:n]...)
	}
	b.has(err)
	return n, err
}

// has notes that reading has ended. The caller holds mu.
func (b *clientBody) has(err error) {
	b.reading, b.err = false, err
	b.changed.Broadcast()
}

// room is for how many bytes to make room in what is held, which is more when there is more of it.
func (b *clientBody) room() int {
	switch length := b.connection.in.ContentLength; {
	case len(b.held) < cap(b.held):
		return 0
	case len(b.held) == 0 && length > 0 && length <= 32<<10:
		return int(length)
	}
	return min(max(len(b.held), 8<<10), maxHeld+1-len(b.held))
}

// read reads the client, which is waited for without end where it has sent all but the end of its stream.
func (b *clientBody) read(p []byte) (int, error) {
	if length := b.connection.in.ContentLength; length < 0 || b.received < length {
		b.connection.receiving.begin()
		defer b.connection.receiving.end()
	}
	n, err := b.ReadCloser.Read(p)
	b.received += int64(n)
	if n > 0 {
		b.connection.move()
		b.connection.speak()
	}
	if err == io.EOF {
		b.ended.Store(true)
	} else if err != nil {
		b.broken.Store(!b.brokenOff.Load())
	}
	return n, err
}

// passed notes that the upstream has taken what it was given. The caller holds mu.
func (b *clientBody) passed() {
	if b.passing {
		b.connection.passing.end()
		b.passing = false
	}
}

// aMoment is what a client gets that is sending: then reading it ends by itself, and its connection is not reset.
const aMoment = 100 * time.Millisecond

// breakOff stops whoever reads the client for a try that is over, in a moment.
func (b *clientBody) breakOff(s *sending) { time.AfterFunc(aMoment, func() { b.breakOffNow(s) }) }

// breakOffNow does that, unless there is an answer after all or the client has gone. net/http takes the deadline away before it reads what follows the
// request.
func (b *clientBody) breakOffNow(s *sending) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.latest != s || !s.over || !b.reading || b.connection.in.Context().Err() != nil || b.connection.answerBy.Load() == answered {
		return
	}
	b.brokenOff.Store(true)
	if b.connection.in.ProtoMajor == 2 {
		_ = b.ReadCloser.Close()
	} else {
		_ = http.NewResponseController(b.connection.writer).SetReadDeadline(time.Unix(1, 0))
	}
}

// abandon is for a body whose connection is to be closed at once.
func (b *clientBody) abandon(x *exchange, r *http.Request) {
	b.giveUp(x, r, false)
	if r.ContentLength != 0 && r.ProtoMajor == 1 {
		_ = http.NewResponseController(x).SetReadDeadline(time.Unix(1, 0))
	}
}

// giveUp is for a body that the upstream did not wait for: whoever still reads it is stopped, in a moment where that has failed, and the client
// has a while to send the rest, for which net/http would wait for ever. The connection ends with it.
func (b *clientBody) giveUp(x *exchange, r *http.Request, failed bool) {
	if b.ended.Load() || r.ContentLength == 0 || r.ProtoMajor != 1 {
		return
	}
	client, stops := http.NewResponseController(x), time.Unix(1, 0)
	if failed {
		stops = time.Now().Add(aMoment)
	}
	_ = client.SetReadDeadline(stops)
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.reading { // net/http takes the deadline away again while somebody reads
		b.changed.Wait()
	}
	_ = client.SetReadDeadline(time.Now().Add(maxBodyWait))
}
