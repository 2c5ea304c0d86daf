//go:build !unix

package proxy

import "errors"

// canReceive says that a socket can be asked what is in it.
const canReceive = false

func receive(uintptr, []byte) (int, error) { return 0, errors.ErrUnsupported }

func isEmpty(uintptr) bool { return false }
