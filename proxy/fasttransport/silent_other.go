//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package fasttransport

const CanListen = false

func Silent(uintptr) bool { return false }
