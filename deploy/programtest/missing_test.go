package programtest

import (
	"slices"
	"testing"
)

func TestRequiredProgramsAreSeparatedByBlanksOrCommas(t *testing.T) {
	t.Setenv("TEST_REQUIRE", "chromium keycloak,nginx")
	if got := required(); !slices.Equal(got, []string{"chromium", "keycloak", "nginx"}) {
		t.Errorf("required() = %q", got)
	}
}
