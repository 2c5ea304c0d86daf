//go:build !unix

package fasttransport

// quietIsKnown says that sockets cannot be asked whether they are quiet, so that http.Transport asks for everything.
const quietIsKnown = false

func (c *connection) isQuiet() bool { return false }
