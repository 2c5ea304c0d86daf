//go:build unix

package proxy_test

import (
	"testing"
	"time"

	"doorward/config"
	"doorward/deploy/redistest"
)

// startRedis starts a redis-server that ends with the test, and gives its address. Where there is none the test is skipped.
func startRedis(t testing.TB) string { return redistest.New(t).URL() }

// While Redis is away, and its grace lasts, what goes on goes on: that nobody can say what others have made of its session is no word of its end.
func TestConnectionsOutliveAnOutageOfRedis(t *testing.T) {
	for _, store := range []string{"cookie", "redis"} {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			server := redistest.New(t)
			s := newLivingSite(t, func(c *config.Config) {
				c.RedisURL, c.SessionStore, c.RedisOutageGrace = server.URL(), store, time.Minute
			})
			b := s.signedIn("alice")
			newEndless(s)
			say, _ := socket(t, s, b.client, "/ws", nil)
			server.Kill()
			eventually(t, func() bool { return !s.Proxy.Sessions().Reachable() })
			ticker := time.NewTicker(100 * time.Millisecond)
			defer ticker.Stop()
			for away := time.Now(); time.Since(away) < 1500*time.Millisecond; { // in which there are several looks
				<-ticker.C
				if err := say(); err != nil {
					t.Fatalf("it is cut after %v: %v\n%s", time.Since(away), err, s.Log)
				}
			}
		})
	}
}
