package session

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"doorward/deploy/redistest"
)

// One instance has refreshed when Redis goes. When it is back, the others get what came of it before they may ask for it again.
func TestWhatCouldNotBeSharedIsSharedBeforeAnybodyRefreshes(t *testing.T) {
	for _, inRedis := range []bool{false, true} {
		t.Run(fmt.Sprint("in redis: ", inRedis), func(t *testing.T) {
			at := redistest.New(t)
			one, other := overRedis(t, at, inRedis), overRedis(t, at, inRedis)
			s := newSession("alice", 0)
			newBrowser(t).login(one, s)
			next := *s
			next.Generation = 1
			one.redis.lost()
			if err := one.Share(t.Context(), &next); !errors.Is(err, ErrUnavailable) {
				t.Fatalf("sharing it: %v", err)
			}
			run(t, at, "CLIENT", "KILL", "TYPE", "NORMAL")
			eventually(t, "the interruption is noticed", func() bool { return other.redis.settledAt.Load() > 0 })
			newest, end, err := other.BeginRefresh(contextFor(t, 10*time.Second), s)
			if err != nil {
				t.Fatal(err)
			}
			defer end()
			if newest.Generation != 1 {
				t.Errorf("the other would refresh generation %d again", newest.Generation)
			}
			if left := one.shared.late.all(); len(left) > 0 {
				t.Errorf("%d generations are still to be shared", len(left))
			}
		})
	}
}

func TestOnlyTheNewestGenerationIsToBeShared(t *testing.T) {
	var u unshared
	first, second := &Session{ID: "1", Generation: 1}, &Session{ID: "1", Generation: 2}
	u.note(first)
	u.note(second)
	u.known(first)
	if left := u.all(); len(left) != 1 || left[0] != second {
		t.Errorf("left are %v", left)
	}
	u.known(second)
	if left := u.all(); len(left) > 0 {
		t.Errorf("left are %v", left)
	}
}

// A Redis that answers and takes nothing is there.
func TestWhatAFullRedisDoesNotTakeCanWait(t *testing.T) {
	at := redistest.New(t)
	m := overRedis(t, at, true)
	s := newSession("alice", 0)
	newBrowser(t).login(m, s)
	m.shared.late.note(s)
	run(t, at, "CONFIG", "SET", "maxmemory", "1")
	if err := m.shared.catchUp(t.Context()); err != nil {
		t.Errorf("catching up: %v", err)
	}
	if left := m.shared.late.all(); len(left) != 1 {
		t.Errorf("%d generations are still to be shared", len(left))
	}
	run(t, at, "CONFIG", "SET", "maxmemory", "0")
	if err := m.shared.catchUp(t.Context()); err != nil || len(m.shared.late.all()) > 0 {
		t.Errorf("when there is room: %v", err)
	}
}
