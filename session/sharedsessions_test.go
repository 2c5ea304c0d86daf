//go:build unix

package session

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"

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
