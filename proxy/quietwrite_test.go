package proxy

import (
	"errors"
	"net"
	"testing"

	"doorward/proxy/fasttransport"
)

// What has arrived before a request is written keeps it from being written, though whoever reads from the connection has not been woken yet.
func TestWriteLooksAtWhatHasArrived(t *testing.T) {
	if !fasttransport.CanListen {
		t.Skip("a socket cannot be asked what is in it here")
	}
	for name, surplus := range map[string]string{"nothing": "", "an answer": "HTTP/1.1 204 No Content\r\n\r\n"} {
		t.Run(name, func(t *testing.T) {
			upstream, conn := quietPair(t)
			conn.put() // as a reader does that waits
			conn.take()
			if surplus != "" {
				upstream.Write([]byte(surplus))
				conn.raw.Read(func(socket uintptr) bool { return !fasttransport.Silent(socket) }) // until it has arrived
			}
			_, err := conn.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
			if refused := errors.Is(err, errNotQuiet); refused != (surplus != "") {
				t.Errorf("with %s in the socket the request's error is %v", name, err)
			}
		})
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
	dialed, err := quietly(false, (&net.Dialer{}).DialContext)(t.Context(), "tcp", listener.Addr().String())
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
