//go:build !linux

package proxy

import (
	"syscall"
	"time"
)

// endWhenStalled does nothing here: other kernels end such connections after a time of their own, or never.
func endWhenStalled(syscall.RawConn, time.Duration) error { return nil }
