//go:build unix

package session

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/rueidis"

	"doorward/deploy/redistest"
)

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
	at := redistest.New(t)
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
	at := redistest.New(t)
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
	run(t, at, "FLUSHALL")
	run(t, at, "CLIENT", "KILL", "TYPE", "NORMAL")
	eventually(t, "it is there again", func() bool { return m.Reachable() && entries(t, m) == many })
	for range 3 {
		run(t, at, "CLIENT", "KILL", "TYPE", "NORMAL")
		eventually(t, "nothing is there twice", func() bool { return m.Reachable() && entries(t, m) == many })
	}
}

// run has Redis run a command.
func run(t *testing.T, at *redistest.Redis, command ...string) {
	t.Helper()
	if err := at.Do(command...).Error(); err != nil {
		t.Fatal(err)
	}
}

// What is signed out while Redis is away is signed out here, and everywhere when it is back: with the next heartbeat, or over a connection made anew.
func TestASignOutWhileRedisIsAway(t *testing.T) {
	for _, anew := range []bool{false, true} {
		t.Run(fmt.Sprint("anew: ", anew), func(t *testing.T) {
			at := redistest.New(t)
			m, other := overRedis(t, at, false), overRedis(t, at, false)
			s := person("alice", "1")
			s.CreatedAt = now(t, m)
			b := newBrowser(t)
			b.login(m, s)
			m.redis.lost()
			if err := m.RevokeSubject(s.Issuer, s.Subject); !errors.Is(err, ErrUnavailable) {
				t.Skipf("the heartbeat was faster: %v", err)
			}
			if err := b.status(m); !errors.Is(err, ErrRevoked) {
				t.Errorf("here: %v", err)
			}
			if anew {
				run(t, at, "CLIENT", "KILL", "TYPE", "NORMAL")
			}
			eventually(t, "the other knows", func() bool { return errors.Is(b.status(other), ErrRevoked) })
		})
	}
}

// A full stream ends the sessions that are as old as what it drops, for instances too that come later, and no others.
func TestAFullStreamForgetsNothing(t *testing.T) {
	at := redistest.New(t)
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
	at := redistest.New(t)
	m := overRedis(t, at, false)
	old := person("alice", "1")
	old.CreatedAt = now(t, m)
	run(t, at, "XADD", "test:revocations", "*", "k", "short", "t", "1")
	eventually(t, "it has ended", func() bool { return m.Revoked(old) })
	young := person("alice", "2")
	young.CreatedAt = now(t, m).Add(2 * time.Millisecond)
	if m.Revoked(young) {
		t.Error("a younger one has ended")
	}
}

// It is as old as its millisecond, at the end of it: a session that began in the same one may be whose it was.
func TestAnUnreadableEntryEndsSessionsOfItsMillisecond(t *testing.T) {
	entry := rueidis.XRangeEntry{ID: "1700000000123-0", FieldValues: map[string]string{"k": "short", "t": "1"}}
	m := newManager(t)
	m.revoked.take(readEntry(entry))
	s := person("alice", "1")
	for began, want := range map[time.Time]bool{
		time.UnixMicro(1700000000123999): true,
		time.UnixMicro(1700000000124000): false,
	} {
		if s.CreatedAt = began; m.Revoked(s) != want {
			t.Errorf("one that began at %d us is revoked: %t", began.UnixMicro(), !want)
		}
	}
}

// A lock that was taken without anybody hearing of it is its owner's all the same.
func TestALockIsTakenOnceByItsOwner(t *testing.T) {
	m := overRedis(t, redistest.New(t), false)
	take := func(mark string) int64 {
		taken, err := m.redis.run(t.Context(), takeLock, "test:lock", mark, milliseconds(lockLifetime)).AsInt64()
		if err != nil {
			t.Fatal(err)
		}
		return taken
	}
	for i, mark := range []string{"mine", "mine", "theirs"} {
		if got := take(mark) == 1; got != (mark == "mine") {
			t.Errorf("%d: %s takes it: %v", i, mark, got)
		}
	}
	for _, script := range []*rueidis.Lua{prolongLock, removeLock} {
		if changed, err := m.redis.run(t.Context(), script, "test:lock", "theirs", "3600000").AsInt64(); err != nil || changed != 0 {
			t.Errorf("another changes it: %d, %v", changed, err)
		}
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

// A Sentinel is not told the servers' password: a function that gives one would be asked for each connection, and so for those to Sentinels.
func TestSentinelsAreNotToldThePassword(t *testing.T) {
	option, err := RedisOptions{URL: "redis://sentinel-1:26379?master_set=m", Password: func() string { return "secret" }}.client()
	if err != nil {
		t.Fatal(err)
	}
	if option.AuthCredentialsFn != nil || option.Sentinel.Password != "" {
		t.Errorf("they are told %q, or whatever a function gives", option.Sentinel.Password)
	}
	if option.Password != "secret" {
		t.Errorf("the servers are told %q", option.Password)
	}
}

// Close waits for nobody who does not answer, and leaves nothing running.
func TestCloseIsBounded(t *testing.T) {
	for name, state := range map[string]func(*testing.T) *Manager{
		"redis is there": func(t *testing.T) *Manager { return overRedis(t, redistest.New(t), true) },
		"redis is frozen": func(t *testing.T) *Manager {
			at := redistest.New(t)
			m := overRedis(t, at, true)
			at.Freeze()
			t.Cleanup(at.Thaw)
			return m
		},
		"redis froze a while ago": func(t *testing.T) *Manager {
			at := redistest.New(t)
			m := overRedis(t, at, true)
			at.Freeze()
			t.Cleanup(at.Thaw)
			eventually(t, "it is noticed", func() bool { return !m.Reachable() })
			return m
		},
		"redis froze before": func(t *testing.T) *Manager {
			at := redistest.New(t)
			at.Freeze()
			t.Cleanup(at.Thaw)
			return newManager(t, func(o *Options) { o.Redis = RedisOptions{URL: at.URL(), Prefix: "test:"} })
		},
		"redis was never there": func(t *testing.T) *Manager {
			at := redistest.New(t)
			at.Kill()
			return newManager(t, func(o *Options) { o.Redis = RedisOptions{URL: at.URL(), Prefix: "test:"} })
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := state(t)
			began := time.Now()
			m.Close()
			if took := time.Since(began); took > 3*time.Second {
				t.Errorf("it took %v", took)
			}
			eventually(t, "all goroutines end", func() bool {
				all := make([]byte, 1<<20)
				all = all[:runtime.Stack(all, true)]
				return !bytes.Contains(all, []byte("sharedRevocations")) && !bytes.Contains(all, []byte("rueidis.(*pipe)"))
			})
		})
	}
}

// A token is spent by one instance, which may try again, and is good for another once it was given back or is over.
func TestATokenIsSpentByOneInstance(t *testing.T) {
	at := redistest.New(t)
	one, other := overRedis(t, at, false), overRedis(t, at, true)
	spends := func(m *Manager, d time.Duration) bool {
		t.Helper()
		ours, err := m.Spend(t.Context(), "a", time.Now().Add(d))
		if err != nil {
			t.Fatal(err)
		}
		return ours
	}
	first, again := spends(one, time.Minute), spends(one, time.Minute)
	if !first || !again || spends(other, time.Minute) {
		t.Error("it is not who was first that has it")
	}
	if left, err := at.Do("PTTL", one.redis.key("spent", "a")).AsInt64(); err != nil || left < 50_000 || left > 60_000 {
		t.Errorf("it is kept from others for %d ms, %v", left, err)
	}
	other.GiveBack(t.Context(), "a")
	if spends(other, time.Minute) {
		t.Error("it was given back by another")
	}
	one.GiveBack(t.Context(), "a")
	if !spends(other, 50*time.Millisecond) || spends(one, time.Minute) {
		t.Error("it is not good again")
	}
	eventually(t, "it is over", func() bool { return spends(one, time.Minute) })
}

// Which sessions of the provider's people came with is known as long as theirs may live, and once.
func TestProviderSessionsAreNoted(t *testing.T) {
	at := redistest.New(t)
	one, other := overRedis(t, at, false), overRedis(t, at, true)
	takes := func(issuer, sid string) bool {
		t.Helper()
		noted, err := other.TakeProviderSession(t.Context(), issuer, sid)
		if err != nil {
			t.Fatal(err)
		}
		return noted
	}
	s := person("alice", "1")
	nameless, short := person("alice", ""), person("alice", "2")
	short.ExpiresAt = time.Now().Add(-time.Second)
	for _, s := range []*Session{s, nameless, short} {
		if err := one.NoteProviderSession(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	if takes(s.Issuer, "") || takes(s.Issuer, "3") || takes("https://other.example.com", "1") || !takes(s.Issuer, "1") || takes(s.Issuer, "1") {
		t.Error("what is known is not what was noted")
	}
	eventually(t, "one that is over goes", func() bool { return entriesOf(t, at, "test:sid:*") == 0 })
}

// entriesOf is how many keys there are.
func entriesOf(t *testing.T, at *redistest.Redis, pattern string) int {
	t.Helper()
	keys, err := at.Do("KEYS", pattern).AsStrSlice()
	if err != nil {
		t.Fatal(err)
	}
	return len(keys)
}

// The password may change while doorward runs: each connection is made with the one of that moment, though the URL has one, too.
func TestThePasswordChanges(t *testing.T) {
	for name, inURL := range map[string]bool{"it stands alone": false, "the URL has it, too": true} {
		t.Run(name, func(t *testing.T) {
			at := redistest.NewWithPassword(t)
			address := url.URL{Scheme: "redis", Host: at.Addr}
			if inURL {
				address.User = url.UserPassword("", at.Password)
			}
			var password atomic.Pointer[string]
			password.Store(&at.Password)
			m := newManager(t, func(o *Options) {
				o.Redis = RedisOptions{URL: address.String(), Prefix: "test:", OutageGrace: time.Minute, Password: func() string { return *password.Load() }}
			})
			t.Cleanup(func() { m.Close() })
			eventually(t, "redis is reached", m.Reachable)
			next := "another-password"
			run(t, at, "CONFIG", "SET", "requirepass", next)
			password.Store(&next)
			at.Password = next
			run(t, at, "CLIENT", "KILL", "TYPE", "NORMAL")
			eventually(t, "it is connected anew", func() bool {
				list, err := at.Do("CLIENT", "LIST").ToString()
				return err == nil && strings.Contains(list, "name=doorward") && m.Reachable()
			})
		})
	}
}

// A password of its own goes with the user that the URL names.
func TestAPasswordBesideTheURLIsThatOfItsUser(t *testing.T) {
	at := redistest.NewWithUser(t, "~test:* &* +@all")
	_, err := PingRedis(t.Context(), RedisOptions{URL: "redis://doorward@" + at.Addr, Prefix: "test:", Password: func() string { return at.Password }})
	if err != nil {
		t.Error(err)
	}
}

// A Redis that is there and does not answer keeps nobody waiting for longer than redisPatience.
func TestReadsWaitForAMoment(t *testing.T) {
	at := redistest.New(t)
	b := newBrowser(t)
	b.login(overRedis(t, at, true), keycloakSession())
	other := overRedis(t, at, true) // which has not read it yet
	at.Freeze()
	t.Cleanup(at.Thaw)
	if _, err := other.Get(b.request()); !errors.Is(err, ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// Once it is known that Redis does not answer, nobody waits for it any more.
func TestNobodyWaitsForARedisThatIsAway(t *testing.T) {
	at := redistest.New(t)
	m, b, s := overRedis(t, at, true), newBrowser(t), keycloakSession()
	b.login(overRedis(t, at, true), s)
	at.Freeze()
	t.Cleanup(at.Thaw)
	eventually(t, "it is noticed", func() bool { return !m.Reachable() })
	for what, ask := range map[string]func() error{
		"a session":                   func() error { return b.status(m) },
		"its use":                     func() error { return m.Touch(t.Context(), s) },
		"writing it":                  func() error { return m.Create(http.Header{}, b.request(), s) },
		"the time":                    func() error { _, err := m.Now(t.Context()); return err },
		"a refresh":                   func() error { _, _, err := m.BeginRefresh(t.Context(), s); return err },
		"what it brought":             func() error { return m.Share(t.Context(), s) },
		"a token":                     func() error { _, err := m.Spend(t.Context(), "a", s.ExpiresAt); return err },
		"a session of the provider's": func() error { return m.NoteProviderSession(t.Context(), s) },
		"the end of that":             func() error { _, err := m.TakeProviderSession(t.Context(), s.Issuer, s.ProviderSession); return err },
		"a sign-out":                  func() error { return m.Revoke(s) },
	} {
		began := time.Now()
		if err := ask(); !errors.Is(err, ErrUnavailable) || time.Since(began) >= redisPatience {
			t.Errorf("%s: %v after %v", what, err, time.Since(began))
		}
	}
}

func TestPatienceRunsFromTheFirstQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &patience{Context: t.Context()}
		defer p.end()
		time.Sleep(time.Hour)
		if err := p.Err(); err != nil {
			t.Fatalf("it ends before anybody asks: %v", err)
		}
		begun := time.Now()
		<-p.Done()
		if took := time.Since(begun); took != redisPatience || !errors.Is(p.Err(), context.DeadlineExceeded) {
			t.Errorf("it ends after %v, with %v", took, p.Err())
		}
	})
}

func TestPatienceEndsWithItsCaller(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p := &patience{Context: ctx}
	defer p.end()
	done := p.Done()
	cancel()
	<-done
	if !errors.Is(p.Err(), context.Canceled) {
		t.Errorf("it ends with %v", p.Err())
	}
}

func TestPatienceThatIsOverCanBeAsked(t *testing.T) {
	p := &patience{Context: t.Context()}
	p.end()
	if _, limited := p.Deadline(); limited || p.Err() != nil {
		t.Errorf("it is not its caller's: %v", p.Err())
	}
}

// BenchmarkGetFromRedis is BenchmarkGet for sessions that live in Redis.
func BenchmarkGetFromRedis(b *testing.B) { benchmarkGet(b, overRedis(b, redistest.New(b), true)) }

// What Redis has called over, whoever was told, is not known again when Redis goes away.
func TestWhatIsOverStaysSoWhileRedisIsAway(t *testing.T) {
	learn := map[string]func(*Manager, *browser, *Session) error{
		"by a request": func(m *Manager, b *browser, _ *Session) error { return b.status(m) },
		"by a write":   func(m *Manager, b *browser, s *Session) error { return m.Create(http.Header{}, b.request(), new(*s)) },
		"by its use":   func(m *Manager, _ *browser, s *Session) error { return m.shared.touch(context.Background(), s.ID) },
	}
	for name, is := range learn {
		t.Run(name, func(t *testing.T) {
			at := redistest.New(t)
			m, b, s := overRedis(t, at, true), newBrowser(t), newSession("alice", 0)
			b.login(m, s)
			if err := b.status(m); err != nil {
				t.Fatal(err)
			}
			at.Do("SET", m.shared.key(s.ID), endMark, "PX", "300000")
			eventually(t, "it is over", func() bool { return errors.Is(is(m, b, s), ErrRevoked) })
			at.Kill()
			eventually(t, "redis is away", func() bool { return !m.Reachable() })
			if err := b.status(m); !errors.Is(err, ErrUnavailable) {
				t.Errorf("while redis is away: %v", err)
			}
		})
	}
}

// An instance whose clock is behind takes what others wrote by theirs for what it is: a session of today.
func TestAClockBehindRedisLosesNoSession(t *testing.T) {
	m := beside(t, redistest.New(t))
	m.redis.ahead.Store(int64(10 * time.Minute))
	b, s := newBrowser(t), newSession("alice", 0)
	s.CreatedAt = time.Now().Add(10 * time.Minute)
	s.UsedAt = s.CreatedAt
	b.login(m, s)
	if err := b.status(m); err != nil {
		t.Error(err)
	}
}
