//go:build unix

package session

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"doorward/deploy/redistest"
)

// beside makes an instance that shares a Redis, and waits until it has reached it.
func beside(t *testing.T, server *redistest.Redis, change ...func(*Options)) *Manager {
	t.Helper()
	m := newManager(t, append([]func(*Options){func(o *Options) {
		o.Redis = RedisOptions{URL: server.URL(), Prefix: "test:", OutageGrace: time.Second}
	}}, change...)...)
	t.Cleanup(func() { m.Close() })
	eventually(t, "redis is reached", m.Reachable)
	return m
}

// tell sends a server one command.
func tell(t *testing.T, server *redistest.Redis, command ...string) {
	t.Helper()
	if err := server.Do(command...).Error(); err != nil {
		t.Fatal(err)
	}
}

// length is how many entries the stream has.
func length(t *testing.T, server *redistest.Redis) int64 {
	t.Helper()
	n, err := server.Do("XLEN", "test:revocations").AsInt64()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Connections stay when somebody empties Redis, and when it evicts. Nobody tells.
func TestWhatRedisForgotComesBackThoughNoConnectionBroke(t *testing.T) {
	for name, forget := range map[string]func(*testing.T, *redistest.Redis, *Manager){
		"emptied": func(t *testing.T, server *redistest.Redis, _ *Manager) { tell(t, server, "FLUSHALL") },
		"evicted": func(t *testing.T, server *redistest.Redis, _ *Manager) { tell(t, server, "DEL", "test:revocations") },
		"emptied, and written to at once": func(t *testing.T, server *redistest.Redis, m *Manager) {
			tell(t, server, "FLUSHALL")
			if err := m.Revoke(person("bob", "2")); err != nil {
				t.Fatal(err)
			}
		},
		"emptied, and its clock set back": func(t *testing.T, server *redistest.Redis, _ *Manager) {
			script := `redis.call('FLUSHALL') redis.call('XADD', KEYS[1], '1-1', 'k', ARGV[1], 't', '1') return 1` // at once, before anybody tells it anything
			tell(t, server, "EVAL", script, "1", "test:revocations", fmt.Sprintf("%032d", 7))
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := redistest.New(t)
			m, other := beside(t, server), beside(t, server)
			s := person("alice", "1")
			s.CreatedAt = now(t, m)
			const many = readAtOnce + 7
			for i := range many - 1 {
				if err := m.RevokeSubject(s.Issuer, fmt.Sprint(i)); err != nil {
					t.Fatal(err)
				}
			}
			if err := other.RevokeSubject(s.Issuer, s.Subject); err != nil {
				t.Fatal(err)
			}
			eventually(t, "all is read", func() bool { return m.Revoked(s) })
			for range 2 {
				forget(t, server, m)
				eventually(t, "it is there again", func() bool { return length(t, server) >= many })
			}
			if !beside(t, server).Revoked(s) {
				t.Error("a new instance does not know of it")
			}
		})
	}
}

// What was revoked while Redis was away is known here to the nanosecond, and there to the microsecond: it is added once.
func TestWhatIsThereToTheMicrosecondIsNotMissing(t *testing.T) {
	m := beside(t, redistest.New(t))
	one := revocation{keyOfSubject("https://id.example.com", "alice"), time.UnixMicro(now(t, m).UnixMicro()).Add(time.Nanosecond)}
	m.revoked.take(one)
	s := &sharedRevocations{redis: m.redis, set: m.revoked, most: maxRevocations}
	if _, err := s.write(t.Context(), string(one.key[:]), microseconds(one.at)); err != nil {
		t.Fatal(err)
	}
	line, release := (*m.redis.client.Load()).Dedicate()
	defer release()
	if missing, err := s.readAll(t.Context(), line); err != nil || len(missing) != 0 {
		t.Errorf("%d are missing, %v", len(missing), err)
	}
}

// A Redis without memory answers every question. Nobody is to lose their session because somebody signed out.
func TestASignOutThatRedisDoesNotTakeIsNoOutage(t *testing.T) {
	server := redistest.New(t)
	m, other := beside(t, server), beside(t, server)
	s := person("alice", "1")
	s.CreatedAt = now(t, m)
	tell(t, server, "CONFIG", "SET", "maxmemory", "1")
	if err := m.RevokeSubject(s.Issuer, s.Subject); !errors.Is(err, ErrUnavailable) {
		t.Fatalf("signing out: %v", err)
	}
	ended := time.Now().Add(3 * time.Second) // longer than the grace
	eventually(t, "the grace is over", func() bool {
		if !m.available() || !other.available() {
			t.Fatal("all sessions have ended")
		}
		return time.Now().After(ended)
	})
	if !m.Revoked(s) {
		t.Error("where it was signed out it counts")
	}
	tell(t, server, "CONFIG", "SET", "maxmemory", "0")
	eventually(t, "the other instance knows", func() bool { return other.Revoked(s) })
}

// What somebody else put among the entries does not keep a full stream from taking new ones.
func TestAFullStreamWithForeignEntriesTakesMore(t *testing.T) {
	for _, foreign := range [][]string{{"x", "y"}, {"t", "1", "k", fmt.Sprintf("%032d", 7)}, {"k", fmt.Sprintf("%032d", 7), "t", "nan"}} {
		t.Run(fmt.Sprint(foreign), func(t *testing.T) {
			server := redistest.New(t)
			m := beside(t, server)
			m.revoked.journal.(*sharedRevocations).most = 20
			tell(t, server, slices.Concat([]string{"XADD", "test:revocations", "*"}, foreign)...)
			for i := range 50 {
				if err := m.RevokeSubject("https://id.example.com", fmt.Sprint(i)); err != nil {
					t.Fatal(err)
				}
			}
			if n := length(t, server); n > 20 {
				t.Errorf("it has %d entries", n)
			}
		})
	}
}

// What a full stream drops may have been anybody's: sessions from before it have ended for instances too that come later.
func TestAnUnreadableEntryCountsAfterAFullStreamDroppedIt(t *testing.T) {
	server := redistest.New(t)
	m := beside(t, server)
	m.revoked.journal.(*sharedRevocations).most = 5
	s := person("alice", "1")
	s.CreatedAt = now(t, m)
	tell(t, server, "XADD", "test:revocations", "*", "x", "y")
	for i := range 5 {
		if err := m.RevokeSubject(s.Issuer, fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	if !beside(t, server).Revoked(s) {
		t.Error("it has not ended")
	}
}

// Where SESSION_MAX_AGE is lower for a while, a sign-out is not to be forgotten that a session outlives when it is raised again.
func TestALifetimeThatGrowsAgainForgetsNoSignOutInRedis(t *testing.T) {
	server := redistest.New(t)
	living := func(age time.Duration) *Manager {
		return beside(t, server, func(o *Options) { o.MaxAge = age })
	}
	before := living(12 * time.Hour)
	s := person("alice", "1")
	s.CreatedAt = now(t, before).Add(-time.Hour)
	signedOut, key := s.CreatedAt.Add(30*time.Minute), keyOfSubject(s.Issuer, s.Subject)
	for i := range 3 {
		tell(t, server, "XADD", "test:revocations", fmt.Sprintf("%d-%d", signedOut.UnixMilli(), i), "k", string(key[:]), "t", microseconds(signedOut))
	}
	before.Close()

	lower := living(time.Minute)
	if err := lower.RevokeSubject(s.Issuer, "somebody else"); err != nil {
		t.Fatal(err)
	}
	lower.Close()
	if n := length(t, server); n != 2 {
		t.Errorf("the stream has %d entries: those that are outlived are to be one", n)
	}
	stays, err := server.Do("PTTL", "test:revocations").AsInt64()
	if err != nil || stays < (12*time.Hour).Milliseconds() {
		t.Errorf("the stream stays for %d ms, %v", stays, err)
	}

	again := living(12 * time.Hour)
	eventually(t, "the sign-out counts", func() bool { return again.Revoked(s) })
	s.CreatedAt = now(t, again).Add(-time.Minute)
	if s.Subject = "a third one"; again.Revoked(s) {
		t.Error("a session from afterwards has ended")
	}
}

// The servers of a Cluster have clocks of their own. A login and a sign-out are to be told apart by one.
func TestOneServerOfAClusterTellsTheTime(t *testing.T) {
	cluster := redistest.NewCluster(t)
	m := newManager(t, func(o *Options) {
		o.Redis = RedisOptions{URL: cluster.URL(), Prefix: "test:", OutageGrace: time.Second}
	})
	t.Cleanup(func() { m.Close() })
	eventually(t, "redis is reached", m.Reachable)
	for range 30 {
		now(t, m)
	}
	var asked []string
	for _, server := range cluster.Masters {
		info, err := server.Do("INFO", "commandstats").ToString()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(info, "cmdstat_time:") {
			asked = append(asked, server.Addr)
		}
	}
	if len(asked) != 1 {
		t.Errorf("asked were %v", asked)
	}
}

// By an instance whose clock is behind, a session is over when by Redis's clock its revocation has been for a while. It does not go
// before, or all others of that age would go with it.
func TestARevocationOutlivesTheSessionByClocksThatDiffer(t *testing.T) {
	m := beside(t, redistest.New(t), func(o *Options) { o.MaxAge = time.Hour })
	m.redis.ahead.Store(int64(10 * time.Minute))
	sessionOf := func(user string) (*browser, *Session) {
		b, s := newBrowser(t), newSession(user, 0)
		s.CreatedAt = time.Now().Add(-55 * time.Minute)
		s.ExpiresAt = s.CreatedAt.Add(time.Hour)
		b.login(m, s)
		return b, s
	}
	b, s := sessionOf("alice")
	another, _ := sessionOf("bob")
	m.revoked.take(revocation{keyOfSubject(s.Issuer, s.Subject), s.CreatedAt.Add(time.Second)})
	if err := b.status(m); !errors.Is(err, ErrRevoked) {
		t.Errorf("got %v", err)
	}
	if err := another.status(m); err != nil {
		t.Errorf("somebody else's: %v", err)
	}
}

// Who is signed out a second time, while Redis is away, is so at every instance: what Redis knows of the first time is not enough.
func TestASecondSignOutWhileRedisIsAway(t *testing.T) {
	server := redistest.New(t)
	m, other := beside(t, server), beside(t, server)
	s := person("alice", "1")
	if err := m.RevokeSubject(s.Issuer, s.Subject); err != nil {
		t.Fatal(err)
	}
	s.CreatedAt = now(t, m)
	server.Kill()
	eventually(t, "redis is away", func() bool { return !m.Reachable() })
	if err := m.RevokeSubject(s.Issuer, s.Subject); !errors.Is(err, ErrUnavailable) {
		t.Fatalf("signing out: %v", err)
	}
	server.Restart()
	eventually(t, "the other instance knows", func() bool { return other.Revoked(s) })
}

// An instance whose clock is behind ends today's sessions, too, when Redis cannot tell it what time it is.
func TestASignOutByAClockBehindRedis(t *testing.T) {
	for name, fail := range map[string]func(*testing.T, *redistest.Redis, *Manager){
		"redis is away": func(t *testing.T, server *redistest.Redis, m *Manager) {
			server.Kill()
			eventually(t, "it is noticed", func() bool { return !m.Reachable() })
		},
		"redis is full": func(t *testing.T, server *redistest.Redis, _ *Manager) {
			tell(t, server, "CONFIG", "SET", "maxmemory", "1")
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := redistest.New(t)
			m := beside(t, server)
			fail(t, server, m)
			m.redis.ahead.Store(int64(10 * time.Minute))
			s := person("alice", "1")
			s.CreatedAt = time.Now().Add(5 * time.Minute)
			if err := m.RevokeSubject(s.Issuer, s.Subject); !errors.Is(err, ErrUnavailable) {
				t.Fatalf("signing out: %v", err)
			}
			if !m.Revoked(s) {
				t.Error("the session has not ended")
			}
		})
	}
}
