//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package fasttransport

import "syscall"

// CanListen says that a socket can be asked whether something has arrived on it.
const CanListen = true

// Silent says whether there is nothing to be read from a socket, not even an end. Whatever else the system says is no silence.
func Silent(socket uintptr) bool {
	var one [1]byte
	_, _, err := syscall.Recvfrom(int(socket), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	return err == syscall.EAGAIN
}
