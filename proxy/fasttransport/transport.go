// Package fasttransport asks an upstream over HTTP/1.1 on the goroutine of whoever asks. http.Transport wakes two others for each request,
// which costs as much as all the rest that a proxy does for it.
//
// It takes requests without a body, which most are, and leaves every other one to an http.Transport. An answer that reaches the wrong
// person would be the worst that a proxy can do, so it keeps these rules:
//
//   - A connection has one request at a time, and is used again only when nothing is doubtful: the head of the answer came in one piece
//     and is strictly in form (head.go), its length was definite (RFC 9112 6.3), its body was read to the end, nothing was read beyond
//     it, and nobody wanted to cut it meanwhile.
//   - Before it is used again its socket is asked whether it is quiet. Whatever an upstream has written that nobody asked for, and be it the
//     end, ends the connection.
//     What an upstream writes later still, when the next request is under way, is an answer to that, for all that HTTP/1.1 tells anybody.
//   - A request is sent again, once, on a new connection, when a connection from before gave no byte of an answer: these methods change
//     nothing (RFC 9110 9.2.2).
//   - What a request holds that may not be sent is refused as http.Transport refuses it: by http.Transport.
//   - The request's context ends everything at once, and with it the connection.
//
// Files: transport.go and its request.go, head.go and answer.go for the way there and back, body.go, pool.go.
package fasttransport

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"syscall"
	"time"
)

// Transport asks one upstream. It is safe for concurrent use once its fields are set; its zero value lacks Dial and Fallback.
type Transport struct {
	// Dial opens a connection to the upstream.
	Dial func(ctx context.Context) (net.Conn, error)

	// Fallback asks where Transport does not.
	Fallback http.RoundTripper

	// HeaderTimeout is how long the head of an answer may take, from when the request was sent; zero means for ever.
	HeaderTimeout time.Duration

	// MaxHeaderBytes bounds the head of an answer, with the informational ones before it.
	MaxHeaderBytes int64

	// MaxIdle is how many connections are kept that nobody uses, and IdleTimeout for how long.
	MaxIdle     int
	IdleTimeout time.Duration

	idle pool
}

// Errors beside those of connections and of http.ReadResponse.
var (
	errHeaderTooLarge = errors.New("the head of the upstream's answer is too large")
	errSwitched       = errors.New("the upstream switches protocols, which nobody asked for")
	errStale          = errors.New("the connection had ended")
)

// RoundTrip asks the upstream, as http.RoundTripper says. Of a httptrace.ClientTrace it knows Got1xxResponse alone.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if !quietIsKnown || !takes(r) {
		return t.Fallback.RoundTrip(r)
	}
	if c := t.idle.take(t.IdleTimeout); c != nil {
		answer, err := t.ask(c, r)
		if !errors.Is(err, errStale) {
			return answer, err
		}
	}
	conn, err := t.Dial(r.Context())
	if err != nil {
		return nil, err
	}
	return t.ask(newConnection(conn), r)
}

// CloseIdleConnections closes those that nobody uses.
func (t *Transport) CloseIdleConnections() {
	t.idle.close()
	if other, ok := t.Fallback.(interface{ CloseIdleConnections() }); ok {
		other.CloseIdleConnections()
	}
}

// ask sends a request over a connection and reads the head of the answer. errStale says that the connection was used before and is not
// good any more.
func (t *Transport) ask(c *connection, r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	if t.HeaderTimeout > 0 {
		_ = c.SetReadDeadline(time.Now().Add(t.HeaderTimeout))
	}
	c.in.left = t.MaxHeaderBytes
	c.stop = context.AfterFunc(ctx, c.interrupt)
	answer, err := t.exchange(c, r)
	if err == nil && t.HeaderTimeout > 0 {
		err = c.clearDeadline(ctx)
	}
	if err != nil {
		c.giveUp()
		return nil, c.reason(ctx, err)
	}
	c.in.left = unlimited
	answer.Body = &body{transport: t, connection: c, ctx: ctx, rest: answer.Body, again: c.mayGoOn(answer)}
	if c.ended(answer) {
		_ = answer.Body.(*body).end(io.EOF)
		answer.Body = http.NoBody
	}
	return answer, nil
}

// exchange writes the request and reads heads until one is final.
func (t *Transport) exchange(c *connection, r *http.Request) (*http.Response, error) {
	c.out = appendRequest(c.out[:0], r)
	if _, err := c.Write(c.out); err != nil {
		return nil, err
	}
	trace := httptrace.ContextClientTrace(r.Context())
	for {
		answer, err := c.readHead(r)
		switch {
		case err != nil:
			return nil, err
		case answer.StatusCode == http.StatusSwitchingProtocols:
			return nil, errSwitched
		case answer.StatusCode == http.StatusRequestTimeout && c.used && answer.Close:
			return nil, errStale // the upstream was tired of waiting for a request before it saw this one
		case answer.StatusCode >= 200:
			return answer, nil
		}
		c.clean = false
		if answer.StatusCode < 100 { // which is no status (RFC 9110 15), for whoever asks to see
			return answer, nil
		}
		if trace != nil && trace.Got1xxResponse != nil {
			if err := trace.Got1xxResponse(answer.StatusCode, mime(answer.Header)); err != nil {
				return nil, err
			}
		}
	}
}

// reason is why asking failed: because its context ended, because a connection from before was not good any more, or err itself.
func (c *connection) reason(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case c.used && !c.in.any && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) ||
		errors.Is(err, syscall.EPIPE) || errors.Is(err, net.ErrClosed)) && !errors.Is(err, os.ErrDeadlineExceeded):
		return errStale
	}
	return err
}
