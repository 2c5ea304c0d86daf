//go:build linux

package main

import (
	"fmt"
	"os"
	"strings"
)

// place is where a table stands in a README: between two marks of a name.
type place struct{ file, name string }

// places are those of the tables that these options make. They are paths from the root of the sources.
func (o options) places() []place {
	if o.scaling {
		return []place{{"deploy/benchmark/README.md", "scaling"}}
	}
	return []place{{"deploy/benchmark/README.md", "benchmark"}, {"README.md", "benchmark"}}
}

// write puts a text there in the place of what was there before.
func (p place) write(text string) error {
	page, err := os.ReadFile(p.file)
	if err != nil {
		return fmt.Errorf("writing the table (run this in the root of the sources): %w", err)
	}
	begin, end := "<!-- "+p.name+" -->\n", "<!-- end of "+p.name+" -->\n"
	before, rest, found := strings.Cut(string(page), begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		return fmt.Errorf("%s has no room for the table: it stands between %q and %q", p.file, begin, end)
	}
	return os.WriteFile(p.file, []byte(before+begin+text+end+after), 0o644)
}
