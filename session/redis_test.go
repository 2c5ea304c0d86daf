package session

import (
	"errors"
	"fmt"
	"net"
	"os/exec"
	"testing"
	"time"
)

// startRedis starts a redis-server that ends with the test, and gives its address.
func startRedis(t testing.TB) string {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("needs redis-server")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	server := exec.Command(program, "--port", fmt.Sprint(port), "--save", "", "--bind", "127.0.0.1")
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Process.Kill(); server.Wait() })
	eventually(t, "redis listens", func() bool {
		c, err := net.Dial("tcp", l.Addr().String())
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return "redis://" + l.Addr().String()
}

// entries is how many entries the stream has.
func entries(t *testing.T, m *Manager) int {
	t.Helper()
	n, err := m.redis.do(t.Context(), m.redis.build().Xlen().Key("test:revocations").Build()).AsInt64()
	if err != nil {
		t.Fatal(err)
	}
	return int(n)
}

func TestANewInstanceKnowsWhatWasRevoked(t *testing.T) {
	at := startRedis(t)
	m := overRedis(t, at, false)
	for i := range readAtOnce + 7 {
		if err := m.RevokeSubject("https://id.example.com", fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	fresh := overRedis(t, at, false)
	if n := len(fresh.revoked.all()); n != readAtOnce+7 {
		t.Errorf("it knows %d", n)
	}
}

// Redis loses its data; whoever is still there knows.
func TestWhatRedisForgotComesBack(t *testing.T) {
	at := startRedis(t)
	all := []*Manager{overRedis(t, at, false), overRedis(t, at, false), overRedis(t, at, false)}
	const many = 2*readAtOnce + 7
	for i := range many {
		if err := all[i%3].RevokeSubject("https://id.example.com", fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range all {
		eventually(t, "all know all", func() bool { return len(m.revoked.all()) == many })
	}
	m := all[0]
	// Their connections go with the data.
	for _, command := range []string{"FLUSHALL", "CLIENT KILL TYPE NORMAL"} {
		run(t, at, command)
	}
	eventually(t, "it is there again", func() bool { return m.Reachable() && entries(t, m) == many })
	for range 3 {
		run(t, at, "CLIENT KILL TYPE NORMAL")
		eventually(t, "nothing is there twice", func() bool { return m.Reachable() && entries(t, m) == many })
	}
}

// run runs a command on a connection of its own.
func run(t *testing.T, at, command string) {
	t.Helper()
	conn, err := net.Dial("tcp", at[len("redis://"):])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "%s\r\n", command)
	if _, err := conn.Read(make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
}

// What is signed out while Redis is away is signed out here, and everywhere when it is back.
func TestASignOutWhileRedisIsAway(t *testing.T) {
	at := startRedis(t)
	m, other := overRedis(t, at, false), overRedis(t, at, false)
	s := person("alice", "1")
	s.CreatedAt = now(t, m)
	b := newBrowser(t)
	b.login(m, s)
	m.redis.lost()
	if err := m.RevokeSubject(s.Issuer, s.Subject); !errors.Is(err, ErrUnavailable) {
		t.Errorf("revoking: %v", err)
	}
	if err := b.status(m); !errors.Is(err, ErrRevoked) {
		t.Errorf("here: %v", err)
	}
	run(t, at, "CLIENT KILL TYPE NORMAL")
	eventually(t, "the other knows", func() bool { return errors.Is(b.status(other), ErrRevoked) })
}

// A full stream ends the sessions that are as old as what it drops, for instances too that come later, and no others.
func TestAFullStreamForgetsNothing(t *testing.T) {
	at := startRedis(t)
	m := overRedis(t, at, false)
	stream := m.revoked.journal.(*sharedRevocations)
	stream.most = 100
	old := person("bystander", "1")
	old.CreatedAt = now(t, m)
	for i := range 101 {
		if err := m.RevokeSubject("https://id.example.com", fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	young := person("bystander", "2")
	young.CreatedAt = now(t, m)
	if n := entries(t, m); n > 100 {
		t.Errorf("%d entries", n)
	}
	fresh := overRedis(t, at, false)
	for _, m := range []*Manager{m, fresh} {
		eventually(t, "older sessions have ended", func() bool { return m.Revoked(old) })
		if m.Revoked(young) {
			t.Error("a younger session has ended")
		}
	}
	first := person("0", "1")
	first.CreatedAt = old.CreatedAt
	if !fresh.Revoked(first) {
		t.Error("what was dropped is forgotten")
	}
}

// An entry that nobody can read may have been anybody's.
func TestAnUnreadableEntryEndsOlderSessions(t *testing.T) {
	at := startRedis(t)
	m := overRedis(t, at, false)
	old := person("alice", "1")
	old.CreatedAt = now(t, m)
	run(t, at, "XADD test:revocations * k short t 1")
	eventually(t, "it has ended", func() bool { return m.Revoked(old) })
	young := person("alice", "2")
	young.CreatedAt = now(t, m).Add(2 * time.Millisecond)
	if m.Revoked(young) {
		t.Error("a younger one has ended")
	}
}

// What could not be added although the heartbeat goes on is added with the next one.
func TestARevocationThatCouldNotBeAddedIsNotForgotten(t *testing.T) {
	at := startRedis(t)
	m, other := overRedis(t, at, false), overRedis(t, at, false)
	s := person("alice", "1")
	s.CreatedAt = now(t, m)
	b := newBrowser(t)
	b.login(m, s)
	m.redis.lost()
	if err := m.RevokeSubject(s.Issuer, s.Subject); !errors.Is(err, ErrUnavailable) {
		t.Skipf("the heartbeat was faster: %v", err)
	}
	eventually(t, "the other knows", func() bool { return errors.Is(b.status(other), ErrRevoked) })
}

// A lock that was taken without anybody hearing of it is its owner's all the same.
func TestALockIsTakenOnceByItsOwner(t *testing.T) {
	m := overRedis(t, startRedis(t), false)
	take := func(mark string) int64 {
		taken, err := m.redis.run(t.Context(), takeLock, "test:lock", mark, milliseconds(lockLifetime)).AsInt64()
		if err != nil {
			t.Fatal(err)
		}
		return taken
	}
	if take("mine") != 1 || take("mine") != 1 || take("theirs") != 0 {
		t.Error("it is not who put their mark there that has it")
	}
}

// Of several servers each has a certificate of its own name. A Sentinel is asked by TLS where its master is.
func TestCertificatesNameTheServerThatIsAsked(t *testing.T) {
	for url, name := range map[string]string{
		"rediss://redis-1:6379":                   "redis-1",
		"rediss://redis-1:6379?addr=redis-2:6379": "",
		"rediss://sentinel-1:26379?master_set=m":  "",
	} {
		option, err := RedisOptions{URL: url}.client()
		if err != nil {
			t.Fatal(err)
		}
		if got := option.TLSConfig.ServerName; got != name {
			t.Errorf("%s: certificates must name %q, want %q", url, got, name)
		}
		if sentinel := option.Sentinel.TLSConfig; option.Sentinel.MasterSet != "" && (sentinel == nil || sentinel.ServerName != "") {
			t.Errorf("%s: the Sentinel is asked with %+v", url, sentinel)
		}
	}
	if option, err := (RedisOptions{URL: "redis://sentinel-1:26379?master_set=m"}).client(); err != nil || option.Sentinel.TLSConfig != nil {
		t.Errorf("without TLS: %v, %v", option.Sentinel.TLSConfig, err)
	}
}
