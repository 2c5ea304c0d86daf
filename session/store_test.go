//go:build unix

package session

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"doorward/deploy/redistest"
)

// What holds wherever sessions live: in their cookies, in their cookies beside a Redis, in Redis. Each is tried with two instances that
// share secrets and Redis; cookies alone are tried with one, which has to do for both.

// instances are two doorwards for the same people.
type instances struct {
	one, other *Manager
	shared     bool // they know of each other
}

// eachStore runs a test wherever sessions may live.
func eachStore(t *testing.T, change func(*Options), test func(t *testing.T, i instances)) {
	t.Run("cookie", func(t *testing.T) {
		m := newManager(t, change)
		test(t, instances{one: m, other: m})
	})
	for _, inRedis := range []bool{false, true} {
		t.Run(map[bool]string{false: "cookie beside redis", true: "redis"}[inRedis], func(t *testing.T) {
			at := redistest.New(t)
			open := func() *Manager { return overRedis(t, at, inRedis, change) }
			test(t, instances{open(), open(), true})
		})
	}
}

// overRedis makes a manager that shares a Redis, and waits until it has reached it.
func overRedis(t testing.TB, at *redistest.Redis, inRedis bool, change ...func(*Options)) *Manager {
	t.Helper()
	m := newManager(t, append([]func(*Options){func(o *Options) {
		o.Redis = RedisOptions{URL: at.URL(), Prefix: "test:", OutageGrace: time.Minute}
		o.InRedis = inRedis
	}}, change...)...)
	t.Cleanup(func() { m.Close() })
	eventually(t, "redis is reached", m.Reachable)
	return m
}

// eventually waits until something is so.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for !is() {
		select {
		case <-ctx.Done():
			t.Fatalf("in vain: %s", what)
		case <-ticker.C:
		}
	}
}

// status is Get's error for a browser.
func (b *browser) status(m *Manager) error {
	_, err := m.Get(b.request())
	return err
}

func TestEveryInstanceFindsASession(t *testing.T) {
	eachStore(t, func(*Options) {}, func(t *testing.T, i instances) {
		s := keycloakSession()
		s.Claims = map[string]any{"department": "audit"}
		b := newBrowser(t)
		b.login(i.one, s)
		for range 2 {
			got, err := i.other.Get(b.request())
			if err != nil {
				t.Fatal(err)
			}
			for _, moment := range []struct{ got, want time.Time }{
				{got.CreatedAt, s.CreatedAt}, {got.ExpiresAt, s.ExpiresAt}, {got.UsedAt, s.UsedAt}, {got.TokenExpiresAt, s.TokenExpiresAt},
			} {
				if !moment.got.Equal(moment.want) {
					t.Errorf("a time came back as %v, not %v", moment.got, moment.want)
				}
			}
			if got.IDToken != s.IDToken || got.AccessToken != s.AccessToken || got.ID != s.ID ||
				!reflect.DeepEqual(got.Groups, s.Groups) || !reflect.DeepEqual(got.Claims, s.Claims) {
				t.Errorf("got %+v, want %+v", got, s)
			}
			got.User = "somebody else" // whoever changes what was found changes their own
		}
	})
}

func TestASessionEndsForEveryInstance(t *testing.T) {
	for name, end := range map[string]func(*Manager, *Session) error{
		"itself":                 (*Manager).Revoke,
		"the provider's session": func(m *Manager, s *Session) error { return m.RevokeProviderSession(s.Issuer, s.ProviderSession) },
		"the person":             func(m *Manager, s *Session) error { return m.RevokeSubject(s.Issuer, s.Subject) },
	} {
		t.Run(name, func(t *testing.T) {
			eachStore(t, func(*Options) {}, func(t *testing.T, i instances) {
				s := person("alice", "1")
				s.CreatedAt = now(t, i.one)
				b := newBrowser(t)
				b.login(i.one, s)
				if err := b.status(i.other); err != nil {
					t.Fatal(err)
				}
				if err := end(i.one, s); err != nil {
					t.Fatal(err)
				}
				if err := b.status(i.one); !errors.Is(err, ErrRevoked) {
					t.Errorf("where it was ended: %v", err)
				}
				eventually(t, "the other instance knows", func() bool { return errors.Is(b.status(i.other), ErrRevoked) })
				if err := i.other.Create(http.Header{}, b.request(), s); errors.Is(err, ErrRevoked) != (i.other.options.InRedis && name == "itself") {
					t.Errorf("writing it anew: %v", err)
				}
				if err := b.status(i.other); !errors.Is(err, ErrRevoked) {
					t.Errorf("after it was written anew: %v", err)
				}

				again := person("alice", "1")
				again.CreatedAt = now(t, i.other)
				b.login(i.other, again)
				if err := b.status(i.one); err != nil {
					t.Errorf("a new login: %v", err)
				}
			})
		})
	}
}

// now is the time that a login has.
func now(t *testing.T, m *Manager) time.Time {
	t.Helper()
	now, err := m.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return now
}

func TestWhatIsOverIsOverForEveryInstance(t *testing.T) {
	eachStore(t, func(o *Options) { o.IdleTimeout = 10 * time.Minute }, func(t *testing.T, i instances) {
		for name, change := range map[string]func(*Session){
			"its absolute end": func(s *Session) { s.ExpiresAt = time.Now().Add(20 * time.Millisecond) },
			"its idle limit":   func(s *Session) { s.UsedAt = time.Now().Add(20*time.Millisecond - 10*time.Minute) },
			"its token's end":  func(s *Session) { s.TokenExpiresAt = time.Now().Add(20 * time.Millisecond) },
		} {
			s := newSession("alice", 0)
			change(s)
			b := newBrowser(t)
			b.login(i.one, s)
			eventually(t, name, func() bool { return b.status(i.one) != nil && b.status(i.other) != nil })
			if err := b.status(i.other); !errors.Is(err, ErrExpired) && !errors.Is(err, ErrNone) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// A late answer writes what it knew when it began.
func TestANewerGenerationIsNotOverwritten(t *testing.T) {
	at := redistest.New(t)
	one, other := overRedis(t, at, true), overRedis(t, at, true)
	s := newSession("alice", 0)
	b := newBrowser(t)
	b.login(one, s)
	next := *s
	next.Generation, next.AccessToken = 1, "newer"
	if err := one.Share(t.Context(), &next); err != nil {
		t.Fatal(err)
	}
	late := *s
	late.UsedAt = time.Now().Add(time.Second)
	if err := other.Create(http.Header{}, b.request(), &late); err != nil {
		t.Fatal(err)
	}
	used := next
	used.UsedAt = time.Now().Add(2 * time.Second)
	if err := other.Create(http.Header{}, b.request(), &used); err != nil {
		t.Fatal(err)
	}
	for _, m := range []*Manager{one, other} {
		eventually(t, "the newer generation, used", func() bool {
			got, err := m.Get(b.request())
			return err == nil && got.AccessToken == "newer" && got.UsedAt.Equal(used.UsedAt)
		})
	}
}

// Nor does a late answer bring back an earlier use, by which the session would end too soon.
func TestALaterUseIsNotOverwritten(t *testing.T) {
	at := redistest.New(t)
	one, other := overRedis(t, at, true), overRedis(t, at, true)
	s, b := newSession("alice", 0), newBrowser(t)
	b.login(one, s)
	later, late := *s, *s
	later.UsedAt, late.UsedAt = s.UsedAt.Add(2*time.Second), s.UsedAt.Add(time.Second)
	for _, written := range []*Session{&later, &late} {
		if err := other.Create(http.Header{}, b.request(), written); err != nil {
			t.Fatal(err)
		}
	}
	got, err := one.shared.get(t.Context(), s.ID)
	if err != nil || !got.UsedAt.Equal(later.UsedAt) {
		t.Errorf("got %v, used at %v, want %v", err, got.UsedAt, later.UsedAt)
	}
}

func TestOneInstanceRefreshesAndTheOthersKnow(t *testing.T) {
	for _, inRedis := range []bool{false, true} {
		t.Run(fmt.Sprint("in redis: ", inRedis), func(t *testing.T) {
			at := redistest.New(t)
			var all []*Manager
			for range 3 {
				all = append(all, overRedis(t, at, inRedis))
			}
			s := newSession("alice", 0)
			s.RefreshToken = "refresh-0"
			newBrowser(t).login(all[0], s)
			var mu sync.Mutex
			refreshes := map[int]int{}
			var waiting sync.WaitGroup
			for i := range 30 {
				waiting.Go(func() {
					newest, end, err := all[i%3].BeginRefresh(t.Context(), s)
					if err != nil {
						t.Error(err)
						return
					}
					defer end()
					if newest.Generation > 0 {
						return
					}
					mu.Lock()
					refreshes[newest.Generation]++
					mu.Unlock()
					next := *newest
					next.Generation, next.RefreshToken = 1, "refresh-1"
					if err := all[i%3].Share(t.Context(), &next); err != nil {
						t.Error(err)
					}
				})
			}
			waiting.Wait()
			if refreshes[0] != 1 {
				t.Errorf("refreshed %d times", refreshes[0])
			}
		})
	}
}

func TestWhatARefreshBringsAfterALogoutIsDropped(t *testing.T) {
	for _, inRedis := range []bool{false, true} {
		t.Run(fmt.Sprint("in redis: ", inRedis), func(t *testing.T) {
			at := redistest.New(t)
			one, other := overRedis(t, at, inRedis), overRedis(t, at, inRedis)
			s := newSession("alice", 0)
			b := newBrowser(t)
			b.login(one, s)
			_, end, err := one.BeginRefresh(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			defer end()
			if err := other.Revoke(s); err != nil {
				t.Fatal(err)
			}
			next := *s
			next.Generation = 1
			if err := one.Share(t.Context(), &next); !errors.Is(err, ErrRevoked) {
				t.Errorf("sharing it: %v", err)
			}
			if _, _, err := other.BeginRefresh(contextFor(t, time.Second), s); err == nil {
				t.Error("it can be refreshed")
			}
		})
	}
}

func contextFor(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// A process that ends while it holds a lock holds up the others no longer than the lock lives, and one that lives keeps it.
func TestALockLivesAsLongAsItsHolder(t *testing.T) {
	at := redistest.New(t)
	m := overRedis(t, at, false)
	ctx := contextFor(t, 20*time.Second)
	if err := m.redis.do(ctx, m.redis.build().Set().Key("test:k").Value("of the dead").PxMilliseconds(700).Build()).Error(); err != nil {
		t.Fatal(err)
	}
	unlock, err := m.redis.lock(ctx, "test:k")
	if err != nil {
		t.Fatal(err)
	}
	left := func() int64 {
		n, err := m.redis.do(ctx, m.redis.build().Pttl().Key("test:k").Build()).AsInt64()
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := left()
	eventually(t, "it has been prolonged", func() bool {
		now := left()
		prolonged := now > before
		before = now
		return prolonged
	})
	unlock()
	if n := left(); n != -2 {
		t.Errorf("after it was given back it lives for %d ms", n)
	}
	// Whoever lost it does not remove another's.
	unlock, err = m.redis.lock(ctx, "test:k")
	if err != nil {
		t.Fatal(err)
	}
	m.redis.do(ctx, m.redis.build().Set().Key("test:k").Value("another's").Build())
	unlock()
	if n := left(); n != -1 {
		t.Errorf("another's lock: %d", n)
	}
}

func TestRedisHoldsNoSecrets(t *testing.T) {
	at := redistest.New(t)
	m := overRedis(t, at, true)
	s := keycloakSession()
	s.RefreshToken = "a-refresh-token"
	newBrowser(t).login(m, s)
	if err := m.RevokeSubject(s.Issuer, s.Subject); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	keys, err := m.redis.do(ctx, m.redis.build().Keys().Pattern("*").Build()).AsStrSlice()
	if err != nil || len(keys) < 2 {
		t.Fatalf("keys %v, %v", keys, err)
	}
	for _, key := range keys {
		dump, err := m.redis.do(ctx, m.redis.build().Dump().Key(key).Build()).ToString()
		if err != nil {
			t.Fatal(err)
		}
		ttl, err := m.redis.do(ctx, m.redis.build().Pttl().Key(key).Build()).AsInt64()
		if err != nil || ttl < 0 {
			t.Errorf("%s never ends", key)
		}
		if left := time.Until(s.ExpiresAt).Milliseconds(); strings.HasPrefix(key, "test:session:") && ttl > left+1000 {
			t.Errorf("the session is kept for %d ms, and is over in %d", ttl, left)
		}
		if !strings.HasPrefix(key, "test:") {
			t.Errorf("%s lies beside what this installation may use", key)
		}
		for _, secret := range []string{s.ID, base64.RawURLEncoding.EncodeToString([]byte(s.ID)), s.Subject, s.Email, s.AccessToken[:20], s.RefreshToken, s.ProviderSession, "Cooper"} {
			if strings.Contains(key+dump, secret) {
				t.Errorf("%s shows %q", key, secret)
			}
		}
	}
}

// A value of one session under the key of another does not open, nor a cookie in the place of a value.
func TestStoredValuesAreBoundToTheirKey(t *testing.T) {
	at := redistest.New(t)
	m := overRedis(t, at, true)
	alice, bob := newBrowser(t), newBrowser(t)
	a, b := newSession("alice", 0), newSession("bob", 0)
	alice.login(m, a)
	bob.login(m, b)
	ctx := t.Context()
	value, err := m.redis.do(ctx, m.redis.build().Get().Key(m.shared.key(a.ID)).Build()).ToString()
	if err != nil {
		t.Fatal(err)
	}
	for _, planted := range []string{value, "0 0 " + bob.cookies["__Host-doorward"].Value, "", "0", "nonsense", value[:len(value)-1]} {
		if err := m.redis.do(ctx, m.redis.build().Set().Key(m.shared.key(b.ID)).Value(planted).Build()).Error(); err != nil {
			t.Fatal(err)
		}
		eventually(t, fmt.Sprintf("%.20q is no session", planted), func() bool { return errors.Is(bob.status(m), ErrNone) })
	}
}

// Cookies of the one store mean nothing to the other.
func TestStoresDoNotOpenEachOthersCookies(t *testing.T) {
	at := redistest.New(t)
	inCookies, inRedis := overRedis(t, at, false), overRedis(t, at, true)
	for _, pair := range [][2]*Manager{{inCookies, inRedis}, {inRedis, inCookies}} {
		b := newBrowser(t)
		b.login(pair[0], newSession("alice", 0))
		if err := b.status(pair[1]); !errors.Is(err, ErrNone) {
			t.Errorf("got %v", err)
		}
	}
}

func TestSessionsInUseAreReadFromMemory(t *testing.T) {
	at := redistest.New(t)
	m := overRedis(t, at, true)
	b := newBrowser(t)
	b.login(m, newSession("alice", 0))
	gets := func() (n int) {
		info, err := m.redis.do(t.Context(), m.redis.build().Info().Section("commandstats").Build()).ToString()
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(info, "cmdstat_getrange:calls=")
		fmt.Sscanf(rest, "%d", &n)
		return n
	}
	if err := b.status(m); err != nil {
		t.Fatal(err)
	}
	before := gets()
	for range 100 {
		if err := b.status(m); err != nil {
			t.Fatal(err)
		}
	}
	if n := gets() - before; n != 0 {
		t.Errorf("redis was asked %d times", n)
	}
}

// While Redis is away nobody may know who was signed out: what is known here counts for the grace, and then nobody has a session.
func TestNobodyHasASessionAfterTheGrace(t *testing.T) {
	for name, inRedis := range map[string]bool{"cookie": false, "redis": true} {
		t.Run(name, func(t *testing.T) {
			at := redistest.New(t)
			m, b, s := overRedis(t, at, inRedis), newBrowser(t), newSession("alice", 0)
			b.login(m, s)
			if err := b.status(m); err != nil {
				t.Fatal(err)
			}
			at.Kill()
			eventually(t, "redis is away", func() bool { return !m.Reachable() })
			if err, check := b.status(m), m.Check(s); err != nil || check != nil {
				t.Errorf("within the grace: %v, %v", err, check)
			}
			m.redis.grace = 0
			if err, check := b.status(m), m.Check(s); !errors.Is(err, ErrUnavailable) || !errors.Is(check, ErrUnavailable) {
				t.Errorf("after the grace: %v, %v", err, check)
			}
			if _, _, err := m.BeginRefresh(t.Context(), s); !errors.Is(err, ErrUnavailable) {
				t.Errorf("a refresh: %v", err)
			}
		})
	}
}

// The grace is a matter of time alone.
func TestHowLongWhatIsKnownCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &redis{grace: time.Minute, start: time.Now()}
		check := func(what string, up, counts bool) {
			t.Helper()
			if r.up() != up || r.counts() != counts {
				t.Errorf("%s: up %v, counts %v", what, r.up(), r.counts())
			}
		}
		check("never reached", false, false)
		time.Sleep(time.Second)
		r.reached()
		check("reached", true, true)
		time.Sleep(heartbeat + 2*redisPatience)
		check("without a heartbeat", false, true)
		r.reached()
		r.lost()
		check("lost", false, true)
		time.Sleep(time.Minute - time.Nanosecond)
		check("at the end of the grace", false, true)
		time.Sleep(time.Nanosecond)
		check("after the grace", false, false)
		r.reached()
		check("reached again", true, true)
	})
}

// A generation is held once it is in Redis, and nowhere where sessions live in their cookies: who comes with an older one is given it.
func TestAGenerationIsHeldOnceItIsShared(t *testing.T) {
	for _, inRedis := range []bool{false, true} {
		t.Run(fmt.Sprint("in redis: ", inRedis), func(t *testing.T) {
			m, s := overRedis(t, redistest.New(t), inRedis), newSession("alice", 0)
			if m.Holds(s) {
				t.Error("one that is new is held")
			}
			newBrowser(t).login(m, s)
			next := *s
			next.Generation = 1
			if m.Holds(s) != inRedis || m.Holds(&next) {
				t.Errorf("after the login: %v, and the next one %v", m.Holds(s), m.Holds(&next))
			}
			if err := m.Share(t.Context(), &next); err != nil {
				t.Fatal(err)
			}
			if m.Holds(&next) != inRedis {
				t.Errorf("after it is shared: %v", m.Holds(&next))
			}
		})
	}
}

func TestOtherInstancesLearnOfAGenerationAndOfUse(t *testing.T) {
	for _, inRedis := range []bool{false, true} {
		t.Run(fmt.Sprint("in redis: ", inRedis), func(t *testing.T) {
			at := redistest.New(t)
			one, other := overRedis(t, at, inRedis), overRedis(t, at, inRedis)
			s := newSession("alice", 0)
			b := newBrowser(t)
			b.login(one, s)
			if newer, err := other.Newer(t.Context(), s); newer != nil || err != nil {
				t.Errorf("before: %+v, %v", newer, err)
			}
			next := *s
			next.Generation, next.Groups = 1, []string{"Dev"}
			if err := one.Share(t.Context(), &next); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the other instance has the newer generation", func() bool {
				newer, _ := other.Newer(t.Context(), s)
				return newer != nil && newer.Generation == 1 && len(newer.Groups) == 1
			})
			if newer, err := other.Newer(t.Context(), &next); newer != nil || err != nil {
				t.Errorf("of the newest: %+v, %v", newer, err)
			}
			if !inRedis {
				return
			}
			if err := other.Touch(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			eventually(t, "its use is known to connections", func() bool {
				newer, _ := one.Newer(t.Context(), &next)
				return newer != nil && newer.UsedAt.After(s.UsedAt)
			})
			eventually(t, "its use is known", func() bool {
				got, err := one.Get(b.request())
				return err == nil && got.UsedAt.After(s.UsedAt) && got.Generation == 1
			})
		})
	}
}

// While Redis is away nobody knows what others have made of a session. That is no word of its end, or what goes on for long would be cut.
func TestARedisThatIsAwayEndsNoSession(t *testing.T) {
	for _, inRedis := range []bool{false, true} {
		t.Run(fmt.Sprint("in redis: ", inRedis), func(t *testing.T) {
			at := redistest.New(t)
			m, s := overRedis(t, at, inRedis), newSession("alice", 0)
			newBrowser(t).login(m, s)
			at.Kill()
			eventually(t, "redis is away", func() bool { return !m.Reachable() })
			if newer, err := m.Newer(t.Context(), s); newer != nil || err != nil {
				t.Errorf("got %+v, %v", newer, err)
			}
		})
	}
}
