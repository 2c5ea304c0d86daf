package config_test

import (
	"os"
	"strings"
	"testing"
)

// The manual's table of settings is what `doorward config --markdown` prints.
func TestManualListsTheSettings(t *testing.T) {
	readme, err := os.ReadFile("../deploy/manual/settings.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, begins := strings.Cut(string(readme), "<!-- settings -->\n")
	listed, _, ends := strings.Cut(rest, "<!-- /settings -->")
	if !begins || !ends {
		t.Fatal("deploy/manual/settings.md has no <!-- settings --> and <!-- /settings --> on lines of their own")
	}
	if strings.TrimSpace(listed) != strings.TrimSpace(table(true)) {
		t.Error("the settings in deploy/manual/settings.md are not those of the program: put the output of `go run ./cmd/doorward config --markdown` between the marks")
	}
}
