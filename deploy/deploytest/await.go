package deploytest

import (
	"testing"
	"time"
)

// Await tries again and again until something has come about, and ends the test when it takes longer than patience.
func Await(t testing.TB, what string, try func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for !try() {
		select {
		case <-deadline.C:
			t.Fatalf("waited %v in vain for %s", patience, what)
		case <-ticker.C:
		}
	}
}
