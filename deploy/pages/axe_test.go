package pages

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"doorward/deploy/deploytest"
	"doorward/deploy/programtest"
)

// axe is the source of axe-core, which knows what assistive technology stumbles over.
func axe(t *testing.T) string {
	t.Helper()
	source, err := os.ReadFile("node_modules/axe-core/axe.min.js")
	if err != nil {
		programtest.Missing(t, "axe", "npm ci has not run in deploy/pages")
	}
	return string(source)
}

// finding is what axe-core says of a page.
type finding struct {
	ID, Help, HelpURL string
	Nodes             []struct{ HTML string }
}

func (f finding) String() string {
	lines := []string{f.ID + ": " + f.Help + " (" + f.HelpURL + ")"}
	for _, n := range f.Nodes {
		lines = append(lines, "\t"+n.HTML)
	}
	return strings.Join(lines, "\n")
}

// examine lets axe-core look at the page that the browser shows, with every rule that it has, and wants it to find nothing, and to have
// understood the colours: a contrast that it cannot compute is nobody's reassurance.
func examine(t *testing.T, b *deploytest.Browser, axe string) {
	t.Helper()
	found := deploytest.Evaluate[struct{ Violations, Incomplete []finding }](b, axe+`;Promise.all(document.getAnimations().map(a => a.finished)).then(() => axe.run(document, {rules: {"target-size": {enabled: true}}})).then(r => ({
		violations: r.violations, incomplete: r.incomplete.filter(f => f.id == "color-contrast")}))`)
	for _, f := range append(found.Violations, found.Incomplete...) {
		t.Error(fmt.Sprint(f))
	}
}
