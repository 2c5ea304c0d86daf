package fasttransport

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"sync"
	"sync/atomic"
)

// exchange is one request on a connection, and then the body of its answer.
type exchange struct {
	connection *connection // once over is true it is for who made it so, and for nobody else
	idle       *pool
	ctx        context.Context
	unwatch    func() bool // ends the watch over ctx; false when that has struck
	certain    bool        // that it is known where the answer ends
	answer     *http.Response

	over    atomic.Bool // the connection has been given up, or back
	reading sync.Mutex
	body    io.Reader // net/http's, whose Close would drain it
	end     error     // of the body, for those who go on reading
}

// errSwitched is a 101 that nobody asked for.
var errSwitched = errors.New("the upstream switched protocols without having been asked to")

// readAnswer reads the head of the answer. Of those before it (RFC 9110 15.2) it tells whoever wants to know; all of them together have
// one head's bytes and time.
func (x *exchange) readAnswer(r *http.Request) (*http.Response, error) {
	if _, err := x.connection.reader.Peek(1); err != nil {
		return nil, err // as it is: what ends here has not begun
	}
	for {
		frame := x.connection.frame(r.Method)
		answer, err := http.ReadResponse(x.connection.reader, r)
		if err != nil {
			return nil, err
		}
		x.certain = x.certain && frame.is(answer)
		switch {
		case answer.StatusCode == http.StatusSwitchingProtocols:
			return nil, errSwitched
		case answer.StatusCode < 100 || answer.StatusCode > 199:
			return answer, nil
		}
		trace := httptrace.ContextClientTrace(x.ctx)
		if trace == nil || trace.Got1xxResponse == nil {
			continue
		}
		if err := trace.Got1xxResponse(answer.StatusCode, textproto.MIMEHeader(answer.Header)); err != nil {
			return nil, err
		}
	}
}

// Read reads the body.
func (x *exchange) Read(p []byte) (int, error) {
	x.reading.Lock()
	defer x.reading.Unlock()
	switch {
	case x.end != nil:
		return 0, x.end
	case x.over.Load():
		return 0, http.ErrBodyReadAfterClose
	}
	n, err := x.body.Read(p)
	if err != nil {
		x.end = x.finish(err)
	}
	return n, x.end
}

// finish gives the connection up, or back, when the body has ended in one way or another.
func (x *exchange) finish(err error) error {
	if !x.over.CompareAndSwap(false, true) {
		return http.ErrBodyReadAfterClose // and it was Close that ended it
	}
	if err == io.EOF {
		x.release()
		return io.EOF
	}
	x.unwatch()
	x.connection.close()
	return causeOf(x.ctx, err)
}

// release gives back a connection whose answer has been read whole, for the next request, if all is well with it. A watch that has
// struck is about to close it.
func (x *exchange) release() {
	if x.unwatch() && x.certain && len(x.answer.Trailer) == 0 && x.connection.reader.Buffered() == 0 {
		x.idle.put(x.connection)
		return
	}
	x.connection.close()
}

// Close gives the connection up, if the body has not been read to its end. Whoever is reading is freed.
func (x *exchange) Close() error {
	if x.over.CompareAndSwap(false, true) {
		x.unwatch()
		x.connection.close()
	}
	return nil
}
