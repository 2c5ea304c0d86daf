//go:build unix

package watchtest

import (
	"testing"

	"doorward/deploy/programtest"
)

func TestMain(m *testing.M) { programtest.Main(m) }

// A day goes by, and all of it happens as it is meant to.
func TestDay(t *testing.T) {
	i := New(t)
	leave := i.Crowd()
	i.Day()
	leave()
	i.Stop()
}
