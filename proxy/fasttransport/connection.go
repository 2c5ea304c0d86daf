package fasttransport

import (
	"bufio"
	"errors"
	"net"
	"syscall"
	"time"
)

// connection is one to the upstream, with everything that is needed for one request after the other.
type connection struct {
	conn   net.Conn
	raw    syscall.RawConn
	reader *bufio.Reader // of the connection itself, see Read

	allowance int64 // bytes that may still be read
	answered  bool  // since the last request was written, or is to be
	err       error // that ended reading

	abort     func()        // is close
	listen    func(uintptr) // is listenOn
	nothing   bool          // was to be heard when listening
	idleSince time.Time
}

// readBuffer holds a whole head and a small body. A head that is longer is read all the same, but ends its connection.
const readBuffer = 4 << 10

var errNoSocket = errors.New("the connection to the upstream is not a socket")

func newConnection(conn net.Conn) (*connection, error) {
	socket, ok := conn.(syscall.Conn)
	if !ok {
		_ = conn.Close()
		return nil, errNoSocket
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	c := &connection{conn: conn, raw: raw}
	c.reader = bufio.NewReaderSize(c, readBuffer)
	c.abort, c.listen = c.close, c.listenOn
	return c, nil
}

// close may be called by anybody, at any time, and more than once.
func (c *connection) close() { _ = c.conn.Close() }

// Read is what reader reads from. An error stays: bufio forgets it, and after a reset the socket itself would speak of an orderly end.
func (c *connection) Read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	if c.allowance <= 0 {
		c.err = errTooLong
		return 0, c.err
	}
	n, err := c.conn.Read(p[:min(int64(len(p)), c.allowance)])
	c.allowance -= int64(n)
	c.answered = c.answered || n > 0
	c.err = err
	return n, err
}

// errTooLong is more before an answer's body than MaxResponseHeaderBytes.
var errTooLong = errors.New("the head of the upstream's answer is too long")

func (c *connection) listenOn(socket uintptr) { c.nothing = Silent(socket) }

// silent says that the upstream has sent nothing and has not closed the connection either.
func (c *connection) silent() bool {
	c.nothing = false
	err := c.raw.Control(c.listen)
	return err == nil && c.nothing && c.reader.Buffered() == 0
}

// frame looks at the head that comes next, and waits for it as ReadResponse would: until it is whole, or strange.
func (c *connection) frame(method string) frame {
	for {
		seen, _ := c.reader.Peek(c.reader.Buffered())
		frame, enough := frameOf(seen, method)
		if enough {
			return frame
		}
		if _, err := c.reader.Peek(len(seen) + 1); err != nil {
			return frame // ReadResponse says what is wrong, if anything is
		}
	}
}
