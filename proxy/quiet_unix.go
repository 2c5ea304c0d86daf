//go:build unix

package proxy

import "syscall"

// canReceive says that a socket can be asked what is in it.
const canReceive = true

// receive reads what is in a socket, without waiting: EAGAIN says that nothing is, and no bytes without an error are the end.
func receive(fd uintptr, into []byte) (int, error) {
	for {
		n, err := syscall.Read(int(fd), into)
		if err != syscall.EINTR {
			return max(n, 0), err
		}
	}
}

// isEmpty says whether nothing is in a socket, not even an end. Whatever else the system says is more than nothing.
func isEmpty(fd uintptr) bool {
	var one [1]byte
	_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	return err == syscall.EAGAIN
}
