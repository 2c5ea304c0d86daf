package proxy

import (
	"errors"
	"io"
	"net"
	"runtime"
	"testing"

	"doorward/proxy/fasttransport"
)

// What has arrived before a request is written keeps it from being written, whether or not whoever reads from the connection has been woken yet.
func TestWriteLooksAtWhatHasArrived(t *testing.T) {
	if !fasttransport.CanListen {
		t.Skip("a socket cannot be asked what is in it here")
	}
	for name, test := range map[string]struct {
		surplus string
		read    bool
	}{
		"nothing":             {},
		"an answer":           {surplus: "HTTP/1.1 204 No Content\r\n\r\n"},
		"an answer, and read": {surplus: "HTTP/1.1 204 No Content\r\n\r\n", read: true},
	} {
		t.Run(name, func(t *testing.T) {
			upstream, conn := quietPair(t)
			conn.into = make([]byte, 100)
			conn.raw.Control(func(socket uintptr) { conn.receive(socket) }) // so that a reader waits
			conn.take(&delivery{})
			if test.surplus != "" {
				upstream.Write([]byte(test.surplus))
				conn.raw.Read(func(socket uintptr) bool { return !fasttransport.Silent(socket) }) // until it has arrived
			}
			if test.read {
				conn.raw.Control(func(socket uintptr) { conn.receive(socket) })
			}
			_, err := conn.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
			if refused := errors.Is(err, errNotQuiet); refused != (test.surplus != "") {
				t.Errorf("the request's error is %v", err)
			}
		})
	}
}

// A reader may be woken for bytes that it has read already, at any moment: while a request looks into the socket, is written, and is answered.
// This one never sleeps.
func TestReaderThatIsWokenForNothing(t *testing.T) {
	if !fasttransport.CanListen {
		t.Skip("a socket cannot be asked what is in it here")
	}
	upstream, conn := quietPair(t)
	go io.Copy(upstream, upstream)
	answers := make(chan error)
	go func() {
		conn.into = make([]byte, 1)
		for {
			conn.n = 0
			if conn.raw.Control(func(socket uintptr) { conn.receive(socket) }) != nil {
				return // it is closed
			}
			if conn.n > 0 || conn.err != nil {
				answers <- conn.err
			}
			runtime.Gosched()
		}
	}()
	for n := range 500 {
		conn.take(&delivery{})
		if _, err := conn.Write([]byte("?")); err != nil {
			t.Fatalf("request %d: %v", n, err)
		}
		if err := <-answers; err != nil {
			t.Fatalf("the answer to request %d: %v", n, err)
		}
	}
}

// quietPair gives both ends of a connection.
func quietPair(t *testing.T) (upstream net.Conn, conn *quietConn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	dialed, err := quietly(false, nil, (&net.Dialer{}).DialContext)(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dialed.Close() })
	if upstream, err = listener.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { upstream.Close() })
	return upstream, dialed.(*quietConn)
}
