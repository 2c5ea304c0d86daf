//go:build unix

package proxy_test

import (
	"testing"

	"doorward/deploy/redistest"
)

// startRedis starts a redis-server that ends with the test, and gives its address. Where there is none the test is skipped.
func startRedis(t testing.TB) string { return redistest.New(t).URL() }
