//go:build unix

package watchtest

import (
	"regexp"
	"strings"
)

// Metrics are the names that doorward exposes, as a query may write them.
func (i *Installation) Metrics() map[string]bool {
	i.t.Helper()
	known := map[string]bool{}
	for line := range strings.Lines(i.Exposition()) {
		if name := regexp.MustCompile(`^[a-z_]+`).FindString(line); name != "" {
			known[name] = true
		}
	}
	return known
}

// MetricsIn are the metrics that an expression asks for: names before a brace, and doorward's wherever they are.
func MetricsIn(expression string) []string {
	var names []string
	for _, match := range regexp.MustCompile(`\b(?:([a-z_]+)\{|(doorward_\w+))`).FindAllStringSubmatch(expression, -1) {
		names = append(names, match[1]+match[2])
	}
	return names
}
