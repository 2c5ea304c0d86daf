package deploytest

import (
	"testing"

	"doorward/deploy/programtest"
)

// Await is [programtest.Await] with the patience that steps in the browser get.
func Await(t testing.TB, what string, try func() bool) {
	t.Helper()
	programtest.Await(t, t.Context(), patience, what, try)
}
