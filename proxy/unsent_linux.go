package proxy

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxUnsent is how much the kernel takes of what it cannot send yet.
const maxUnsent = 128 << 10

// boundUnsent keeps the kernel from taking megabytes of what a slow upstream takes by and by: between two writes it would seem to take nothing.
// What is on its way is not bounded. It is for [net.Dialer.Control]; sockets that know no such bound have none.
func boundUnsent(_, _ string, socket syscall.RawConn) error {
	return socket.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, maxUnsent)
	})
}

// boundUnsentTo does the same for a client: of HTTP/2, where one write waits until the kernel has room again, no stream goes on meanwhile.
func boundUnsentTo(client net.Conn) {
	if socket := socketOf(client); socket != nil {
		_ = boundUnsent("", "", socket)
	}
}

// unsent is how many bytes the kernel still has of what was written to a connection, or the peer has not acknowledged (SIOCOUTQ, tcp(7)); -1 where
// that is not known.
func unsent(conn net.Conn) (bytes int) {
	bytes = -1
	if socket := socketOf(conn); socket != nil {
		_ = socket.Control(func(fd uintptr) {
			if n, err := unix.IoctlGetInt(int(fd), unix.TIOCOUTQ); err == nil {
				bytes = n
			}
		})
	}
	return bytes
}

// socketOf is the socket of a connection; nil where it has none.
func socketOf(conn net.Conn) syscall.RawConn {
	raw, ok := conn.(syscall.Conn)
	if !ok {
		return nil
	}
	socket, err := raw.SyscallConn()
	if err != nil {
		return nil
	}
	return socket
}
