package fasttransport

// awaitReadable waits until there is something to read, or an end.
func awaitReadable(c *connection) {
	asked := false
	_ = c.raw.Read(func(uintptr) bool {
		again := asked
		asked = true
		return again // the first time it waits
	})
}
