package fasttransport

import (
	"bufio"
	"context"
	"io"
	"math"
	"net"
	"net/http"
	"net/textproto"
	"syscall"
	"time"
)

// connection is a connection to the upstream, with all that a request on it needs.
type connection struct {
	net.Conn
	in      *source
	answers *bufio.Reader
	out     []byte // the head of a request

	used  bool // by a request before this one
	clean bool // all heads of this request's answer were
	stop  func() bool

	raw   syscall.RawConn
	since time.Time // it has been idle
}

// answerBuffer is what a head must fit in, for its connection to be used again.
const answerBuffer = 8 << 10

func newConnection(conn net.Conn) *connection {
	c := &connection{Conn: conn, in: &source{from: conn}, clean: true}
	c.answers = bufio.NewReaderSize(c.in, answerBuffer)
	if socket, ok := conn.(syscall.Conn); ok {
		c.raw, _ = socket.SyscallConn() // without one it is never found quiet
	}
	return c
}

// source is what a connection gives, as far as it may.
type source struct {
	from io.Reader
	left int64 // bytes that may come
	any  bool  // have come since the request
}

const unlimited = math.MaxInt64

func (s *source) Read(p []byte) (int, error) {
	if s.left <= 0 {
		return 0, errHeaderTooLarge
	}
	n, err := s.from.Read(p[:min(int64(len(p)), s.left)])
	if n > 0 {
		s.any = true
	}
	if s.left != unlimited {
		s.left -= int64(n)
	}
	return n, err
}

// readHead reads a head, informational or final.
func (c *connection) readHead(r *http.Request) (*http.Response, error) {
	clean, err := c.awaitHead()
	if err != nil {
		return nil, err
	}
	c.clean = c.clean && clean
	return http.ReadResponse(c.answers, r)
}

// awaitHead waits until the whole head is there, and says whether it is clean. One that does not fit is not.
func (c *connection) awaitHead() (clean bool, err error) {
	for n := 1; ; n = c.answers.Buffered() + 1 {
		_, err := c.answers.Peek(n)
		there, _ := c.answers.Peek(c.answers.Buffered())
		if end := endOfHead(there); end > 0 {
			return isClean(there[:end]), nil
		}
		if err == bufio.ErrBufferFull {
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
}

// interrupt ends whatever waits for the connection.
func (c *connection) interrupt() { _ = c.SetDeadline(time.Unix(1, 0)) }

// clearDeadline takes the head's time limit away, but not what interrupt may have set meanwhile.
func (c *connection) clearDeadline(ctx context.Context) error {
	err := c.SetReadDeadline(time.Time{})
	if ctx.Err() != nil {
		c.interrupt()
	}
	return err
}

// mayGoOn says whether the connection may be used again when the answer has been read to its end.
func (c *connection) mayGoOn(answer *http.Response) bool {
	chunked := len(answer.TransferEncoding) == 1 && answer.TransferEncoding[0] == "chunked"
	return c.clean && !answer.Close && answer.ProtoMajor == 1 && answer.ProtoMinor == 1 && (chunked || answer.ContentLength >= 0 || c.ended(answer))
}

// ended says whether an answer has no body.
func (c *connection) ended(answer *http.Response) bool { return answer.Body == http.NoBody }

// giveUp ends the connection.
func (c *connection) giveUp() {
	c.stop()
	_ = c.Close()
}

// mime is what httptrace wants.
func mime(h http.Header) textproto.MIMEHeader { return textproto.MIMEHeader(h) }
