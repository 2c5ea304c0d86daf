//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package proxy

import "syscall"

// receive reads what is in a socket, without waiting: EAGAIN says that nothing is, and no bytes without an error are the end.
func receive(socket uintptr, into []byte) (int, error) {
	for {
		n, err := syscall.Read(int(socket), into)
		if err != syscall.EINTR {
			return max(n, 0), err
		}
	}
}
