//go:build unix

package redistest

import (
	"net/url"
	"strings"
	"testing"
)

// masterSet is what the Sentinel calls its master.
const masterSet = "doorward"

// Sentinel watches a master and makes the replica master when the first one has been silent for half a second.
type Sentinel struct {
	Master, Replica *Redis

	watch *Redis
}

// NewSentinel starts a master, its replica and a Sentinel, and returns when each knows the others.
func NewSentinel(t testing.TB) *Sentinel {
	t.Helper()
	s := &Sentinel{Master: New(t, "repl-diskless-sync-delay 0")}
	s.Replica = newRedis(t)
	s.Replica.start([]string{"port " + s.Replica.port(), "replicaof " + s.Master.host() + " " + s.Master.port(), "replica-announce-ip " + s.Replica.host()})
	s.Replica.await("its master", func() bool { return s.Replica.says("INFO", "master_link_status:up") })
	s.watch = newRedis(t)
	s.watch.write("redis.conf", strings.Join([]string{
		"bind " + s.watch.host(), "port " + s.watch.port(), "dir " + s.watch.folder,
		"sentinel monitor " + masterSet + " " + s.Master.host() + " " + s.Master.port() + " 1",
		"sentinel down-after-milliseconds " + masterSet + " 500",
		"sentinel failover-timeout " + masterSet + " 2000", "",
	}, "\n"))
	s.watch.run("--sentinel")
	s.watch.await("the replica", func() bool { return s.watch.says("INFO", "slaves=1") })
	return s
}

// URL is what REDIS_URL takes.
func (s *Sentinel) URL() string {
	return "redis://" + s.watch.Addr + "?master_set=" + url.QueryEscape(masterSet)
}

// FailOver kills the master once the replica has all that it knows, and returns when the replica has taken its place and the Sentinel
// tells so. (Redis replicates after it has answered: what was written last would else be lost.)
func (s *Sentinel) FailOver() {
	s.Master.t.Helper()
	s.Master.must("SET", "last", "word")
	s.Replica.await("what its master knows", func() bool { return s.Replica.says("GET last", "word") })
	s.Master.Kill()
	s.Replica.await("its promotion", func() bool { return s.Replica.says("INFO", "role:master") })
	s.watch.await("the new master", func() bool { return s.watch.says("INFO", "address="+s.Replica.Addr) })
}

// says reports whether the answer to a command holds a text.
func (r *Redis) says(command, text string) bool {
	answer, err := r.Do(strings.Fields(command)...).ToString()
	return err == nil && strings.Contains(answer, text)
}
