//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package fasttransport

import (
	"bufio"
	"io"
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
		var ends []net.Conn
		for range 3 {
			here, there := net.Pipe()
			ends = append(ends, there)
			p.put(&connection{conn: here})
			time.Sleep(time.Minute)
		}
		closed := func(conn net.Conn) bool {
			_ = conn.SetReadDeadline(time.Now().Add(time.Nanosecond))
			_, err := conn.Read(make([]byte, 1))
			return err == io.EOF
		}
		if !closed(ends[0]) || !closed(ends[1]) || closed(ends[2]) {
			t.Error("after 180, 120 and 60 s other connections are open than the last")
		}
		if c := p.take(); c == nil || p.take() != nil {
			t.Error("after 60 s the connection is not there")
		} else {
			p.put(c)
		}
		time.Sleep(89 * time.Second)
		if closed(ends[2]) {
			t.Error("a connection is closed too early")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if !closed(ends[2]) || p.take() != nil || p.sweeping {
			t.Error("the last connection is there for ever, or looked for")
		}
	})
}

// A timer that comes late leaves nothing to be taken that is too old.
func TestOldConnectionsAreNotTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pool{most: 10, patience: 90 * time.Second, sweeping: true} // by a sweep that does not come
		here, _ := net.Pipe()
		p.put(&connection{conn: here})
		time.Sleep(90 * time.Second)
		if p.take() != nil {
			t.Error("it is taken")
		}
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
		here, there := net.Pipe()
		c := &connection{conn: here, reader: bufio.NewReader(here)}
		x := &exchange{connection: c, idle: p, unwatch: func() bool { return true }, certain: true, answer: &http.Response{}}
		spoil(x)
		x.release()
		if kept := p.take() == c; kept != (name == "nothing") {
			t.Errorf("%s: the connection is kept: %v", name, kept)
		}
		_ = there.SetReadDeadline(time.Now())
		if _, err := there.Read(make([]byte, 1)); (err == io.EOF) != (name != "nothing") {
			t.Errorf("%s: the other end reads %v", name, err)
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
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(pair[0]), "socket")
	conn, err := net.FileConn(file)
	if err != nil {
		t.Fatal(err)
	}
	_ = file.Close()
	defer conn.Close()
	c, err := newConnection(conn)
	if err != nil {
		t.Fatal(err)
	}
	if !c.silent() {
		t.Error("where nobody has said anything, something is heard")
	}
	reader := c.reader
	if c.reader = leftover(); c.silent() {
		t.Error("what is in the buffer is not heard")
	}
	c.reader = reader
	if _ = syscall.Close(pair[1]); c.silent() {
		t.Error("the end is not heard")
	}
}
