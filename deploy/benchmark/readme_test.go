//go:build linux

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The READMEs have room for what is written into them.
func TestTheTablesHaveTheirPlaces(t *testing.T) {
	for _, o := range []options{{}, {scaling: true}} {
		for _, p := range o.places() {
			page, err := os.ReadFile(filepath.Join("../..", p.file))
			if err != nil {
				t.Fatal(err)
			}
			copied := place{filepath.Join(t.TempDir(), "README.md"), p.name}
			if err := os.WriteFile(copied.file, page, 0o600); err != nil {
				t.Fatal(err)
			}
			for _, text := range []string{"first\n", "| second |\n"} {
				if err := copied.write(text); err != nil {
					t.Fatal(err)
				}
			}
			written, _ := os.ReadFile(copied.file)
			want := "<!-- " + p.name + " -->\n| second |\n<!-- end of " + p.name + " -->\n"
			if strings.Count(string(written), want) != 1 || strings.Contains(string(written), "first\n<!--") {
				t.Errorf("%s: what was written does not stand there once, alone:\n%s", p.file, written)
			}
		}
	}
}

func TestAPageWithoutMarksStaysAsItIs(t *testing.T) {
	p := place{filepath.Join(t.TempDir(), "README.md"), "benchmark"}
	for _, page := range []string{"", "<!-- benchmark -->\nnever ends", "<!-- end of benchmark -->\n"} {
		if err := os.WriteFile(p.file, []byte(page), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := p.write("table\n"); err == nil {
			t.Errorf("%q takes a table", page)
		}
		if now, _ := os.ReadFile(p.file); string(now) != page {
			t.Errorf("%q became %q", page, now)
		}
	}
}
