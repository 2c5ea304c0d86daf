// Package programtest starts the real programs that tests run against, and says what happens where one is missing. It imports
// nothing of doorward's, so that every test of doorward can import it.
package programtest

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// Missing ends a test that cannot run because a program is not there. The test is skipped, saying why, unless
// the environment variable TEST_REQUIRE names the program (names are separated by blanks or commas): then it
// fails, so that a run that was meant to be complete cannot pass by skipping.
func Missing(t testing.TB, program, why string) {
	t.Helper()
	if slices.Contains(required(), program) {
		t.Fatalf("%s is required (TEST_REQUIRE): %s", program, why)
	}
	t.Skipf("needs %s: %s", program, why)
}

func required() []string {
	return strings.FieldsFunc(os.Getenv("TEST_REQUIRE"), func(r rune) bool { return r == ',' || r == ' ' })
}
