//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package proxy

import "errors"

// receive is not called here: fasttransport.CanListen is false.
func receive(uintptr, []byte, bool) (int, error) { return 0, errors.ErrUnsupported }
