package proxy

import "syscall"

// tcpNotsentLowat is TCP_NOTSENT_LOWAT of linux/tcp.h, which package syscall does not name.
const tcpNotsentLowat = 0x19

// maxUnsent is how much the kernel takes of what it cannot send yet.
const maxUnsent = 128 << 10

// boundUnsent keeps the kernel from taking megabytes of what a slow upstream takes by and by: between two writes it would seem to take nothing.
// What is on its way is not bounded. It is for [net.Dialer.Control]; sockets that know no such bound have none.
func boundUnsent(_, _ string, socket syscall.RawConn) error {
	return socket.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpNotsentLowat, maxUnsent)
	})
}
