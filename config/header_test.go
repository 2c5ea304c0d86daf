package config

import "testing"

func TestFoldHeaderConfusesWhatServersConfuse(t *testing.T) {
	for _, name := range []string{"X-Forwarded-User", "x_forwarded_user", "X.Forwarded-User", "X-FORWARDED_USER", "X!Forwarded~User"} {
		if got := FoldHeader(name); got != "x-forwarded-user" {
			t.Errorf("FoldHeader(%q) = %q", name, got)
		}
	}
}
