//go:build unix

package fasttransport

import "syscall"

// quietIsKnown says that sockets can be asked whether they are quiet.
const quietIsKnown = true

// isQuiet says whether the upstream has written nothing, and not ended the connection. What is read here is lost: the connection is then, too.
func (c *connection) isQuiet() bool {
	if c.raw == nil {
		return false
	}
	var (
		one [1]byte
		got error
	)
	err := c.raw.Read(func(fd uintptr) bool {
		_, got = syscall.Read(int(fd), one[:])
		return true
	})
	return err == nil && (got == syscall.EAGAIN || got == syscall.EWOULDBLOCK)
}
