//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package fasttransport

import (
	"bufio"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// What has been idle for too long is closed when its time has come, with nobody taking anything, and not taken a moment before.
func TestIdleConnectionsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pool{most: 10, patience: 90 * time.Second}
		var ends []end
		for range 3 {
			c, there := pair(t)
			ends = append(ends, there)
			p.put(c)
			time.Sleep(time.Minute)
		}
		if !ends[0].closed() || !ends[1].closed() || ends[2].closed() {
			t.Error("after 180, 120 and 60 s other connections are open than the last")
		}
		if c := p.take(); c == nil || p.take() != nil {
			t.Error("after 60 s the connection is not there")
		} else {
			p.put(c)
		}
		time.Sleep(89 * time.Second)
		if ends[2].closed() {
			t.Error("a connection is closed too early")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if !ends[2].closed() || p.take() != nil || p.sweeping {
			t.Error("the last connection is there for ever, or looked for")
		}
	})
}

// What the upstream has closed, or spoken on, is closed within a second, and what is beside it is kept.
func TestIdleConnectionsThatAreOfNoUse(t *testing.T) {
	for name, spoil := range map[string]func(end){
		"closed": func(there end) { _ = syscall.Shutdown(there.fd, syscall.SHUT_WR) },
		"spoken": func(there end) { _, _ = syscall.Write(there.fd, []byte("x")) },
	} {
		synctest.Test(t, func(t *testing.T) {
			p := &pool{most: 10, patience: time.Hour}
			var ends []end
			for range 3 {
				c, there := pair(t)
				ends = append(ends, there)
				p.put(c)
			}
			spoil(ends[1])
			time.Sleep(time.Second)
			synctest.Wait()
			if ends[0].closed() || !ends[1].closed() || ends[2].closed() || len(p.idle) != 2 {
				t.Errorf("%s: it is kept, or another is not", name)
			}
			p.close()
		})
	}
}

// A timer that comes late leaves nothing to be taken that is too old.
func TestOldConnectionsAreNotTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pool{most: 10, patience: 90 * time.Second, sweeping: true} // by a sweep that does not come
		c, _ := pair(t)
		p.put(c)
		time.Sleep(90 * time.Second)
		if p.take() != nil {
			t.Error("it is taken")
		}
	})
}

// One gives way of those that the upstream has not closed: the one that has been idle for longest.
func TestGivingWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pool{most: 10, patience: time.Hour}
		p.giveWay() // which may be none
		var ends []end
		for range 3 {
			c, there := pair(t)
			ends = append(ends, there)
			p.put(c)
		}
		_ = syscall.Shutdown(ends[0].fd, syscall.SHUT_WR)
		p.giveWay()
		if !ends[0].closed() || !ends[1].closed() || ends[2].closed() || len(p.idle) != 1 {
			t.Error("another gives way than the one that has been idle for longest and is open")
		}
		p.close()
	})
}

// Each of the things that must be well with a connection is reason enough not to keep it, also where others would find it.
func TestConnectionsThatAreNotKept(t *testing.T) {
	for name, spoil := range map[string]func(*exchange){
		"nothing":                 func(*exchange) {},
		"the request has ended":   func(x *exchange) { x.unwatch = func() bool { return false } },
		"doubt about the answer":  func(x *exchange) { x.certain = false },
		"a trailer":               func(x *exchange) { x.answer.Trailer = http.Header{"X": nil} },
		"something is left of it": func(x *exchange) { x.connection.reader = leftover() },
	} {
		p := &pool{most: 10, patience: time.Hour}
		c, there := pair(t)
		x := &exchange{connection: c, idle: p, unwatch: func() bool { return true }, certain: true, answer: &http.Response{}}
		spoil(x)
		x.release()
		if kept := p.take() == c; kept != (name == "nothing") {
			t.Errorf("%s: the connection is kept: %v", name, kept)
		}
		if there.closed() != (name != "nothing") {
			t.Errorf("%s: for the other end it is closed: %v", name, there.closed())
		}
	}
}

// leftover is a reader that has read more than was asked of it.
func leftover() *bufio.Reader {
	r := bufio.NewReader(strings.NewReader("x"))
	_, _ = r.Peek(1)
	return r
}

// A silent socket does not make up for what has been read from it already.
func TestSilence(t *testing.T) {
	c, there := pair(t)
	if !c.silent() {
		t.Error("where nobody has said anything, something is heard")
	}
	reader := c.reader
	if c.reader = leftover(); c.silent() {
		t.Error("what is in the buffer is not heard")
	}
	c.reader = reader
	if _ = syscall.Shutdown(there.fd, syscall.SHUT_WR); c.silent() {
		t.Error("the end is not heard")
	}
}

// end is the other end of a connection.
type end struct{ fd int }

// pair makes a connection.
func pair(t *testing.T) (*connection, end) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(fds[0]), "socket")
	defer file.Close()
	conn, err := net.FileConn(file)
	if err != nil {
		t.Fatal(err)
	}
	c, err := newConnection(conn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.close(); _ = syscall.Close(fds[1]) })
	return c, end{fds[1]}
}

// closed says whether the connection is.
func (e end) closed() bool { return !Silent(uintptr(e.fd)) }
