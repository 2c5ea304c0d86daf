//go:build unix

package fasttransport

import "syscall"

// awaitReadable waits until there is something to read, or an end, and reads nothing.
func awaitReadable(c *connection) {
	_ = c.raw.Read(func(fd uintptr) bool {
		_, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK)
		return err != syscall.EAGAIN && err != syscall.EINTR
	})
}
