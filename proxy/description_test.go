package proxy

import (
	"testing"

	"doorward/config"
	"doorward/session"
)

// BenchmarkDescribe is what the first request of a session pays for its description.
func BenchmarkDescribe(b *testing.B) {
	p := &Proxy{config: &config.Config{}}
	s := &session.Session{User: "alice", Email: "alice@example.com", PreferredUsername: "alice", Groups: []string{"Admin", "Dev", "Site Reliability"}, AccessToken: "ey"}
	b.ReportAllocs()
	for b.Loop() {
		p.describe(s, nil)
	}
}
