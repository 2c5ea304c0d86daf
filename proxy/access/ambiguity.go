package access

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// AmbiguousPathError is a path that leads one kind of server to other rules, another upstream or other values than it says itself.
type AmbiguousPathError struct {
	Meaning   string    // who reads it otherwise: "a server that decodes escapes first, then resolves dot segments"
	Read      string    // what it reads, escaped
	Rules     [2]string // labels: of the path as it stands, and as it reads then
	Upstreams [2]string // patterns of the upstreams likewise, "none" without one
	Wildcard  string    // the wildcard whose value differs, where rules and upstreams are equal
	Trait     string    // what paths= of the upstream may say if it never reads so: "case-sensitive", "opaque-slash", or empty
}

// Error names what differs, and the meaning.
func (e *AmbiguousPathError) Error() string {
	differs := fmt.Sprintf("its rule would be %q instead of %q", e.Rules[1], e.Rules[0])
	switch {
	case e.Rules[0] != e.Rules[1]:
	case e.Upstreams[0] != e.Upstreams[1]:
		differs = fmt.Sprintf("its upstream would be %q instead of %q", e.Upstreams[1], e.Upstreams[0])
	default:
		differs = fmt.Sprintf("{%s} of rule %q would have another value", e.Wildcard, e.Rules[0])
	}
	return fmt.Sprintf("reading the path: %s reads it as %s, and %s", e.Meaning, e.Read, differs)
}

// The bounds of what is read of one path. Honest paths have a handful of readings, the oddest two dozen.
const (
	maxReadings     = 64
	maxReadingBytes = 64 << 10
)

// reading is one way to read a path.
type reading struct {
	path string
	from *reading // nil for the path as it stands
	by   *meaning
}

// steps returns what is done to the path, in order.
func (r *reading) steps() []*meaning {
	var steps []*meaning
	for at := r; at.from != nil; at = at.from {
		steps = append(steps, at.by)
	}
	slices.Reverse(steps)
	return steps
}

// checkAgreement returns an error where some reading of the path leads elsewhere than the route, which is that of the path as it
// stands. The prefix is what servers never see of it; what they make of the rest is looked up behind the prefix again. The
// shortest explanation comes first.
func (p *Policy) checkAgreement(route *Route, host, prefix string, q query) error {
	traits := p.traits(route)
	rest := cmp.Or(strings.TrimPrefix(q.path, prefix), "/")
	readings := []*reading{{path: rest}}
	seen := map[string]bool{rest: true}
	bytes := 0
	for i := 0; i < len(readings); i++ {
		at := readings[i]
		if bytes += len(at.path); i > maxReadings || bytes > maxReadingBytes {
			return &PathError{"may be read in more ways than can be looked at"}
		}
		q.path = prefix + at.path
		if err := p.compare(route, host, q, at.steps()); err != nil {
			return err
		}
		if err := p.checkComparisons(route, host, q, at.steps()); err != nil {
			return err
		}
		for j := range p.meanings {
			by := &p.meanings[j]
			if slices.Contains(traits, by.trait) {
				continue
			}
			if path := by.read(at.path); !seen[path] {
				seen[path] = true
				readings = append(readings, &reading{path, at, by})
			}
		}
	}
	return nil
}

// checkComparisons returns an error where the query leads elsewhere with a server that does not compare names exactly.
func (p *Policy) checkComparisons(route *Route, host string, q query, steps []*meaning) error {
	for _, by := range comparisons {
		same := !p.decides.apart(by) && !p.serves.apart(by) && !by.mayChange(q.path)
		if same || by == caseless && slices.Contains(p.traits(route), caseSensitive) {
			continue
		}
		q.by = by
		if err := p.compare(route, host, q, append(steps, by.meaning())); err != nil {
			return err
		}
	}
	return nil
}

// compare returns an error where the query leads elsewhere than the route.
func (p *Policy) compare(route *Route, host string, q query, steps []*meaning) error {
	other := p.lookUp(host, q)
	wildcard, differ := differingWildcard(route, other)
	if slices.Equal(route.rules, other.rules) && route.upstream == other.upstream && !differ {
		return nil
	}
	e := &AmbiguousPathError{
		Read:      printable(q.by.formPath(q.path)),
		Rules:     [2]string{route.Rule(), other.Rule()},
		Upstreams: [2]string{p.upstreamLabel(route), p.upstreamLabel(other)},
		Wildcard:  wildcard,
	}
	var does []string
	for _, step := range steps {
		does = append(does, step.does)
		e.Trait = cmp.Or(e.Trait, step.trait)
	}
	e.Meaning = "a server that " + strings.Join(does, ", then ")
	return e
}

// differingWildcard returns a wildcard that has another value in the second of two routes with the same rules.
func differingWildcard(a, b *Route) (name string, differ bool) {
	if !slices.Equal(a.rules, b.rules) {
		return "", false
	}
	for i, values := range a.bindings {
		for name, value := range values {
			if b.bindings[i][name] != value {
				return name, true
			}
		}
	}
	return "", false
}

func (p *Policy) upstreamLabel(r *Route) string {
	if r.upstream < 0 {
		return "none"
	}
	return p.upstreams[r.upstream].label
}

// printable escapes what would not show, or would show otherwise, in a page or a log.
func printable(path string) string {
	return mapBytes(path, func(s string) (string, int) {
		if s[0] <= ' ' || s[0] >= 0x7f {
			return fmt.Sprintf("%%%02X", s[0]), 1
		}
		return s[:1], 1
	})
}
