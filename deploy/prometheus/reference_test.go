//go:build unix

package prometheus

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"doorward/deploy/watchtest"
)

// exposed is a family of metrics as doorward exposes it: its type, and the values of each label.
type exposed struct {
	kind   string
	labels map[string][]string
}

// families reads an exposition, as far as it is doorward's own.
func families(text string) map[string]*exposed {
	all := map[string]*exposed{}
	for _, match := range regexp.MustCompile(`(?m)^# TYPE (doorward_\w+) (\w+)$`).FindAllStringSubmatch(text, -1) {
		all[match[1]] = &exposed{match[2], map[string][]string{}}
	}
	for _, match := range regexp.MustCompile(`(?m)^(doorward_\w+)\{(.*)\} \S+$`).FindAllStringSubmatch(text, -1) {
		family := all[match[1]]
		if family == nil {
			family = all[regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(match[1], "")]
		}
		for _, label := range regexp.MustCompile(`(\w+)="((?:[^"\\]|\\.)*)"`).FindAllStringSubmatch(match[2], -1) {
			if name, value := label[1], label[2]; name != "le" && !slices.Contains(family.labels[name], value) {
				family.labels[name] = append(family.labels[name], value)
			}
		}
	}
	return all
}

// README.md lists all metrics that doorward exposes, with type and labels, and no others; and every value that a label with fixed values has.
func TestReferenceIsComplete(t *testing.T) {
	i := watchtest.New(t)
	i.Day()
	all := families(i.Exposition())
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(doorward_\\w+)(?:\\{(.*)\\})?` \\| (\\w+) \\|").FindAllStringSubmatch(string(readme), -1) {
		name, labels, kind := row[1], strings.FieldsFunc(row[2], func(r rune) bool { return r == ',' }), row[3]
		listed[name] = true
		family := all[name]
		if family == nil {
			t.Errorf("README.md lists %s, which doorward does not expose", name)
			continue
		}
		if slices.Sort(labels); kind != family.kind || !slices.Equal(labels, slices.Sorted(maps.Keys(family.labels))) {
			t.Errorf("%s is a %s with %v, and README.md says %s with %v", name, family.kind, family.labels, kind, labels)
		}
	}
	for name := range all {
		if !listed[name] {
			t.Errorf("README.md does not list %s", name)
		}
	}
	for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\| `(doorward_\\w+)` \\| (.*) \\|$").FindAllStringSubmatch(string(readme), -1) {
		for _, value := range all[row[2]].labels[row[1]] {
			if !strings.Contains(row[3], "`"+value+"`") {
				t.Errorf("README.md does not say that %s of %s may be %s", row[1], row[2], value)
			}
		}
	}
}
