//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package proxy

import "syscall"

// receive reads what is in a socket, without waiting: EAGAIN says that nothing is, and no bytes without an error are the end. It may be told to
// leave what it reads where it is.
func receive(socket uintptr, into []byte, leave bool) (n int, err error) {
	for {
		if leave {
			n, _, err = syscall.Recvfrom(int(socket), into, syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		} else {
			n, err = syscall.Read(int(socket), into)
		}
		if err != syscall.EINTR {
			return max(n, 0), err
		}
	}
}
