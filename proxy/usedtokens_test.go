package proxy

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestATokenIsTakenOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newUsedTokens()
		until := time.Now().Add(time.Minute)
		if !u.take("a", until) || u.take("a", until) || !u.take("b", until) {
			t.Error("a token is taken twice, or not at all")
		}
		u.giveBack("a")
		if !u.take("a", until) || u.take("a", until) {
			t.Error("a token that was given back is not taken once more")
		}
		time.Sleep(time.Minute)
		if !u.take("c", time.Now().Add(time.Minute)) || len(u.until) != 1 || len(u.order) != 1 {
			t.Errorf("after they are over %d are remembered, %d in order", len(u.until), len(u.order))
		}
	})
}

// One that lasts does not keep those behind it, and one that is forgotten too early was the oldest.
func TestUsedTokensAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newUsedTokens()
		until := time.Now().Add(time.Hour)
		for i := range maxUsedTokens + 10 {
			u.take(fmt.Sprint(i), until)
		}
		if len(u.until) > maxUsedTokens || len(u.order) > maxUsedTokens {
			t.Errorf("%d are remembered, %d in order", len(u.until), len(u.order))
		}
		if u.take(fmt.Sprint(maxUsedTokens), until) || !u.take("0", until) {
			t.Error("it is not the oldest that is forgotten")
		}
	})
}

func TestSeenSessions(t *testing.T) {
	s := newSeenSessions()
	s.note("")
	s.note("a")
	s.note("a")
	if s.take("") || s.take("b") || !s.take("a") || s.take("a") {
		t.Error("what was noted is not what is known")
	}
	for i := range maxSeenSessions + 10 {
		s.note(fmt.Sprint(i))
	}
	if len(s.known) > maxSeenSessions || len(s.order) > maxSeenSessions {
		t.Errorf("%d are known, %d in order", len(s.known), len(s.order))
	}
	if s.take("0") || !s.take(fmt.Sprint(maxSeenSessions)) {
		t.Error("it is not the oldest that is forgotten")
	}
}

func BenchmarkSeenSession(b *testing.B) {
	s := newSeenSessions()
	for b.Loop() {
		s.note("6b1f2f3a-1a0e-4d0a-a3f3-7d6c0f6f2f0c")
	}
}
