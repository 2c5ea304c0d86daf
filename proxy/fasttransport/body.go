package fasttransport

import (
	"context"
	"io"
	"net/http"
	"sync/atomic"
)

// body is the body of an answer. When it was read to its end, its connection may serve another request; else it ends with it.
type body struct {
	transport  *Transport
	connection *connection
	ctx        context.Context // of the request
	rest       io.Reader       // as http.ReadResponse gives it. It is never closed: that would read on
	again      bool            // the connection may be used again
	over       atomic.Bool     // the connection is none of ours any more
}

func (b *body) Read(p []byte) (int, error) {
	if b.over.Load() {
		return 0, http.ErrBodyReadAfterClose
	}
	n, err := b.rest.Read(p)
	if err != nil {
		err = b.end(err)
	}
	return n, err
}

// end gives the connection back, or up, and says why the body ends.
func (b *body) end(why error) error {
	if !b.over.CompareAndSwap(false, true) {
		return why
	}
	c := b.connection
	switch {
	case why == io.EOF && b.again && c.answers.Buffered() == 0 && c.stop():
		b.transport.idle.put(c, b.transport.MaxIdle, b.transport.IdleTimeout)
	default:
		c.giveUp()
	}
	if why != io.EOF && b.ctx.Err() != nil {
		return context.Cause(b.ctx)
	}
	return why
}

// Close ends the connection, unless the body was read to its end.
func (b *body) Close() error {
	if b.over.CompareAndSwap(false, true) {
		b.connection.giveUp()
	}
	return nil
}
