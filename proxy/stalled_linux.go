package proxy

import (
	"errors"
	"syscall"
	"time"
)

// tcpUserTimeout is TCP_USER_TIMEOUT of linux/tcp.h, which package syscall does not name.
const tcpUserTimeout = 0x12

// endWhenStalled has the kernel end a connection whose peer takes nothing, for so long, of what is being sent to it (RFC 5482 3): acknowledges
// nothing, or opens no window. Who takes little goes on.
func endWhenStalled(socket syscall.RawConn, patience time.Duration) error {
	var err error
	refused := socket.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(patience.Milliseconds()))
	})
	return errors.Join(refused, err)
}
