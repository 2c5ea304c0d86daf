//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package fasttransport

import (
	"bufio"
	"io"
	"net"
	"net/http"
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

// A connection that the end of a request is about to close is not kept, whatever else is well with it.
func TestConnectionsAboutToBeClosed(t *testing.T) {
	for _, struck := range []bool{false, true} {
		p := &pool{most: 10, patience: time.Hour}
		here, there := net.Pipe()
		c := &connection{conn: here, reader: bufio.NewReader(here)}
		x := &exchange{connection: c, idle: p, unwatch: func() bool { return !struck }, certain: true, answer: &http.Response{}}
		x.release()
		if kept := p.take() == c; kept == struck {
			t.Errorf("the end of the request has struck: %v, the connection is kept: %v", struck, kept)
		}
		_ = there.SetReadDeadline(time.Now())
		if _, err := there.Read(make([]byte, 1)); (err == io.EOF) != struck {
			t.Errorf("the end of the request has struck: %v, the other end reads %v", struck, err)
		}
	}
}
