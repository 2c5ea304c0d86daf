//go:build unix

package session

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"doorward/deploy/redistest"
)

func inRedis(o *Options) { o.InRedis = true }

// Who shares the Redis can make a value as large as they like. It is no session, and costs nobody's memory.
func TestAHugeValueIsNotRead(t *testing.T) {
	server := redistest.New(t)
	m := beside(t, server, inRedis)
	b, s := newBrowser(t), newSession("alice", 0)
	b.login(m, s)
	sent := func() int {
		info, err := server.Do("INFO", "stats").ToString()
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(info, "total_net_output_bytes:")
		digits, _, _ := strings.Cut(rest, "\r")
		n, err := strconv.Atoi(digits)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := sent()
	tell(t, server, "SETRANGE", m.shared.key(s.ID), strconv.Itoa(50<<20), "x")
	eventually(t, "it is no session", func() bool { return errors.Is(b.status(m), ErrNone) })
	if _, _, err := m.BeginRefresh(contextFor(t, redisPatience), s); !errors.Is(err, ErrRevoked) {
		t.Errorf("refreshing it: %v", err)
	}
	if n := sent() - before; n > 1<<20 {
		t.Errorf("redis sent %d bytes", n)
	}
}

// While Redis is away the newest generation counts that was seen, though an older one was to be written after it.
func TestALateAnswerDoesNotBringAnOlderGenerationToMind(t *testing.T) {
	server := redistest.New(t)
	m := beside(t, server, inRedis)
	b, s := newBrowser(t), newSession("alice", 0)
	b.login(m, s)
	next := *s
	next.Generation = 1
	if err := m.Share(t.Context(), &next); err != nil {
		t.Fatal(err)
	}
	if err := m.Create(http.Header{}, b.request(), s); err != nil {
		t.Fatal(err)
	}
	m.redis.lost()
	if got, err := m.Get(b.request()); err != nil || got.Generation != 1 {
		t.Errorf("got %+v, %v", got, err)
	}
}

// The metric that says when an old secret may go knows of what is sealed with it in Redis. During a rotation one instance may have made the cookie
// and another, which has not heard of the new secret's turn, what it names.
func TestKeyUsesTellOfWhatIsInRedis(t *testing.T) {
	server := redistest.New(t)
	var uses []int
	note := func(o *Options) { o.OnOpen = func(key int) { uses = append(uses, key) } }
	ahead, behind := beside(t, server, inRedis, secrets(2, 1), note), beside(t, server, inRedis, secrets(1, 2))
	b, s := newBrowser(t), newSession("alice", 0)
	b.login(ahead, s)
	use := func() (key int) {
		uses = nil
		if err := b.status(ahead); err != nil || len(uses) != 1 {
			t.Fatalf("got %v, counted were %v", err, uses)
		}
		return uses[0]
	}
	if key := use(); key != 0 {
		t.Errorf("before the refresh key %d is counted", key)
	}

	next := *s
	next.Generation = 1
	if err := behind.Share(t.Context(), &next); err != nil {
		t.Fatal(err)
	}

	eventually(t, "the older secret is counted", func() bool { return use() == 1 })
	if key := use(); key != 1 {
		t.Errorf("from memory key %d is counted", key)
	}
	if err := ahead.UseSecrets([][]byte{secret(2)}); err != nil {
		t.Fatal(err)
	}
	if err := b.status(ahead); !errors.Is(err, ErrNone) {
		t.Errorf("without it: %v", err)
	}
}

// However many sessions there are, what the client keeps of Redis's answers is bounded.
func TestWhatIsReadFromRedisTakesBoundedMemory(t *testing.T) {
	server := redistest.New(t)
	m := beside(t, server, inRedis)
	heap := func() uint64 {
		var now runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&now)
		return now.HeapAlloc
	}
	before, value := heap(), strings.Repeat("x", 100_000)
	for i := range 2000 {
		id := strconv.Itoa(i)
		if err := m.redis.do(t.Context(), m.redis.build().Set().Key(m.shared.key(id)).Value(value).Build()).Error(); err != nil {
			t.Fatal(err)
		}
		if _, err := m.shared.read(t.Context(), m.shared.key(id)); err != nil {
			t.Fatal(err)
		}
	}
	if grown := heap() - before; grown > 100<<20 {
		t.Errorf("it takes %d MiB", grown>>20)
	}
}

// A session is written though its client has gone away: a late answer may have told another of its requests.
func TestASessionIsWrittenForAClientThatHasGone(t *testing.T) {
	server := redistest.New(t)
	m, b, s := beside(t, server, inRedis), newBrowser(t), newSession("alice", 0)
	gone, leave := context.WithCancel(t.Context())
	leave()
	if err := m.Create(http.Header{}, b.request().WithContext(gone), s); err != nil {
		t.Fatal(err)
	}
	if value, err := server.Do("GET", m.shared.key(s.ID)).ToString(); value == "" || err != nil {
		t.Errorf("there is %q, %v", value, err)
	}
}

// Somebody else can write before a sealed value that it is newer than it is.
func TestWhatIsInTheClearMakesNoSessionNewer(t *testing.T) {
	server := redistest.New(t)
	m := beside(t, server, inRedis)
	s := newSession("alice", 0)
	newBrowser(t).login(m, s)
	value, err := server.Do("GET", m.shared.key(s.ID)).ToString()
	if err != nil {
		t.Fatal(err)
	}
	tell(t, server, "SET", m.shared.key(s.ID), "7"+value[1:])
	eventually(t, "the change is known", func() bool {
		read, err := m.shared.read(t.Context(), m.shared.key(s.ID))
		return err == nil && read != value
	})
	if newer, err := m.Newer(t.Context(), s); newer != nil || err != nil {
		t.Errorf("got %+v, %v", newer, err)
	}
}

// A full Redis takes neither mark nor revocation. It can still forget the session, and then no instance finds it.
func TestAFullRedisForgetsWhoSignedOut(t *testing.T) {
	server := redistest.New(t)
	m, other := beside(t, server, inRedis), beside(t, server, inRedis)
	b, s := newBrowser(t), newSession("alice", 0)
	b.login(m, s)
	if err := b.status(other); err != nil {
		t.Fatal(err)
	}
	tell(t, server, "CONFIG", "SET", "maxmemory", "1")
	if err := m.Revoke(s); !errors.Is(err, ErrUnavailable) {
		t.Errorf("signing out: %v", err)
	}
	eventually(t, "the other instance finds no session", func() bool { return errors.Is(b.status(other), ErrNone) })
}

// A full Redis can be asked.
func TestAFullRedisIsRead(t *testing.T) {
	server := redistest.New(t)
	m, other := beside(t, server, inRedis), beside(t, server, inRedis)
	b := newBrowser(t)
	b.login(m, newSession("alice", 0))
	tell(t, server, "CONFIG", "SET", "maxmemory", "1")
	if err := b.status(other); err != nil {
		t.Error(err)
	}
}

// A generation that was refreshed since is older, however late it was used.
func TestUseMakesNoGenerationNewer(t *testing.T) {
	s := newSession("alice", 0)
	s.Generation, s.UsedAt = 2, time.Now()
	for generation, want := range map[int]bool{1: false, 2: true, 3: true} {
		if got := newerThan(s, generation, s.UsedAt.Add(time.Minute)); got != want {
			t.Errorf("generation %d: %v", generation, got)
		}
	}
}

// What Redis has lost is no session any more: nothing that is written late brings it back.
func TestALateWriteBringsNoLostSessionBack(t *testing.T) {
	server := redistest.New(t)
	m := beside(t, server, inRedis)
	b, s := newBrowser(t), newSession("alice", 0)
	b.login(m, s)
	tell(t, server, "DEL", m.shared.key(s.ID))
	next := *s
	next.Generation = 1
	if err := m.Share(t.Context(), &next); !errors.Is(err, ErrRevoked) {
		t.Errorf("sharing a refresh: %v", err)
	}
	if err := m.Create(http.Header{}, b.request(), &next); !errors.Is(err, ErrRevoked) {
		t.Errorf("writing it anew: %v", err)
	}
	eventually(t, "it is no session", func() bool { return errors.Is(b.status(m), ErrNone) })
}

// What a refresh brings is kept, though another instance has noted a use meanwhile: the refresh token before it is spent.
func TestUseDuringARefreshDoesNotOutlastIt(t *testing.T) {
	server := redistest.New(t)
	m, other := beside(t, server, inRedis), beside(t, server, inRedis)
	s := newSession("alice", 0)
	newBrowser(t).login(m, s)
	next := *s
	next.Generation = 1
	if err := other.Touch(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if err := m.Share(t.Context(), &next); err != nil {
		t.Fatal(err)
	}
	if got, err := other.shared.get(t.Context(), s.ID); err != nil || got.Generation != 1 {
		t.Errorf("got %+v, %v", got, err)
	}
}

// What Redis has lost, or was made to forget by a sign-out, is not known again when Redis goes away.
func TestWhatRedisLostStaysSoWhileRedisIsAway(t *testing.T) {
	server := redistest.New(t)
	m, b, s := beside(t, server, inRedis), newBrowser(t), newSession("alice", 0)
	b.login(m, s)
	tell(t, server, "DEL", m.shared.key(s.ID))
	eventually(t, "it is no session", func() bool { return errors.Is(b.status(m), ErrNone) })
	m.redis.lost()
	if err := b.status(m); err == nil {
		t.Error("it is a session again")
	}
}

// Who signs out leaves no tokens in memory.
func TestASessionThatWasEndedIsForgotten(t *testing.T) {
	m, b, s := beside(t, redistest.New(t), inRedis), newBrowser(t), newSession("alice", 0)
	b.login(m, s)
	if err := b.status(m); err != nil || len(m.shared.opened.known) != 1 {
		t.Fatalf("%d sessions are known, %v", len(m.shared.opened.known), err)
	}
	if err := m.Revoke(s); err != nil {
		t.Fatal(err)
	}
	if n := len(m.shared.opened.known); n != 0 {
		t.Errorf("%d sessions are known", n)
	}
}

// While Redis is away a session counts where it was only read, too: whichever instance somebody comes to, they stay signed in.
func TestWhatWasReadIsKnownWhileRedisIsAway(t *testing.T) {
	server := redistest.New(t)
	m, other := beside(t, server, inRedis), beside(t, server, inRedis)
	b := newBrowser(t)
	b.login(m, newSession("alice", 0))
	if err := b.status(other); err != nil {
		t.Fatal(err)
	}
	other.redis.lost()
	if err := b.status(other); err != nil {
		t.Error(err)
	}
}

// Whoever is told that a session has ended leaves no lock behind: the next one is told the same, and does not wait.
func TestASessionThatHasEndedIsNotLocked(t *testing.T) {
	m := beside(t, redistest.New(t), inRedis)
	s := newSession("alice", 0)
	newBrowser(t).login(m, s)
	if err := m.Revoke(s); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, _, err := m.BeginRefresh(contextFor(t, 3*redisPatience), s); !errors.Is(err, ErrRevoked) {
			t.Errorf("got %v", err)
		}
	}
}
