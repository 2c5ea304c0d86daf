//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package fasttransport

import "syscall"

// canListen says that a socket can be asked whether something has arrived on it.
const canListen = true

// listenOn notes whether there is nothing to be read, not even an end. Whatever else the system says is no silence.
func (c *connection) listenOn(socket uintptr) {
	var one [1]byte
	_, _, err := syscall.Recvfrom(int(socket), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	c.nothing = err == syscall.EAGAIN
}
