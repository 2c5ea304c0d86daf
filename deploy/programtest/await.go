package programtest

import (
	"context"
	"testing"
	"time"
)

// Await tries again and again until something has come about, and ends the test when that takes longer than patience, or when what it
// takes has ended: a program, by the context of [Run].
func Await(t testing.TB, running context.Context, patience time.Duration, what string, try func() bool) {
	t.Helper()
	deadline, ticker := time.After(patience), time.NewTicker(50*time.Millisecond)
	defer ticker.Stop()
	for !try() {
		select {
		case <-running.Done():
			t.Fatalf("it has ended before %s", what)
		case <-deadline:
			t.Fatalf("waited %v in vain for %s", patience, what)
		case <-ticker.C:
		}
	}
}
