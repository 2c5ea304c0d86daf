//go:build !linux

package proxy

import (
	"net"
	"syscall"
)

// boundUnsent does nothing here: what other kernels take at once is less, or is not known.
func boundUnsent(string, string, syscall.RawConn) error { return nil }

func boundUnsentTo(net.Conn) {}

func unsent(net.Conn) int { return -1 }
