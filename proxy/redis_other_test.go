//go:build !unix

package proxy_test

import "testing"

func startRedis(t testing.TB) string {
	t.Skip("needs redis: redis-server runs on unix alone")
	return ""
}
