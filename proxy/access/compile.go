package access

import (
	"errors"
	"slices"
	"strings"
)

// Compile reads the rules and the upstreams' patterns. Its error joins a *Problem for everything that is wrong.
func Compile(rules string, upstreams []Upstream) (*Policy, error) {
	p := &Policy{meanings: meanings()}
	problems := append(p.readRules(rules), p.readUpstreams(upstreams)...)
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	p.decides = newMatchers(p.rules, func(r rule) *pattern { return r.pattern })
	p.serves = newMatchers(p.upstreams, func(u upstream) *pattern { return u.pattern })
	return p, nil
}

// readRules reads the table of rules and returns everything that is wrong with it.
func (p *Policy) readRules(text string) []error {
	var problems []error
	entries, err := SplitTable(text)
	if err != nil {
		problems = append(problems, err)
	}
	for _, entry := range entries {
		r, wrong := readRule(entry.Text)
		for _, problem := range wrong {
			problem.Entry, problem.Line = entry.Text, entry.Line
			problems = append(problems, problem)
		}
		if len(wrong) > 0 {
			continue
		}
		r.line = entry.Line
		if twin := p.twin(r.pattern); twin != nil {
			problems = append(problems, twin.refuses(entry))
			continue
		}
		p.rules = append(p.rules, r)
	}
	if len(entries) == 0 && err == nil {
		problems = append(problems, problemf("write a rule such as / authenticated", "has no rule, so that nobody could pass"))
	}
	return problems
}

func readRule(entry string) (rule, []*Problem) {
	fields, err := SplitFields(entry)
	if problem, ok := errors.AsType[*Problem](err); ok {
		return rule{}, []*Problem{problem}
	}
	pattern, behind, problem := parsePattern(fields)
	switch {
	case pattern == nil:
		return rule{}, []*Problem{problem}
	case problem != nil:
		_, more := parseRequirement(behind, nil)
		return rule{}, append([]*Problem{problem}, more...)
	}
	requirement, problems := parseRequirement(behind, pattern)
	return rule{pattern: pattern, requirement: requirement, uses: requirement.wildcards()}, problems
}

// twin returns the rule that covers the very same requests.
func (p *Policy) twin(of *pattern) *rule {
	i := slices.IndexFunc(p.rules, func(r rule) bool { return r.same(of) })
	if i < 0 {
		return nil
	}
	return &p.rules[i]
}

func (r *rule) refuses(entry Entry) *Problem {
	problem := problemf("write one rule with both requirements, or | between them", "has the same pattern as %q in line %d", r.label, r.line)
	problem.Entry, problem.Line = entry.Text, entry.Line
	return problem
}

// readUpstreams reads the upstreams' patterns and returns everything that is wrong with them.
func (p *Policy) readUpstreams(upstreams []Upstream) []error {
	var problems []error
	for _, u := range upstreams {
		pattern, problem := parseUpstream(u)
		if problem == nil {
			problem = p.clash(pattern)
		}
		if problem != nil {
			problem.Entry, problem.Upstream = u.Pattern, true
			problems = append(problems, problem)
			continue
		}
		p.upstreams = append(p.upstreams, upstream{pattern, u.Paths, u.Strip})
	}
	return problems
}

func parseUpstream(u Upstream) (*pattern, *Problem) {
	fields, err := SplitFields(u.Pattern)
	if problem, ok := errors.AsType[*Problem](err); ok {
		return nil, problem
	}
	for _, trait := range u.Paths {
		if trait != caseSensitive && trait != opaqueSlash {
			return nil, problemf("write paths=case-sensitive, paths=opaque-slash or both with a comma", "has the unknown paths=%s", trait)
		}
	}
	switch {
	case len(fields) == 0:
		fields = []string{"/"}
	case len(fields) > 1:
		return nil, problemf("leave the methods out, rules choose by them", "has methods or blanks, which patterns of upstreams do not bear")
	case !strings.Contains(fields[0], "/"):
		return nil, problemf("write "+fields[0]+"/ for a host, /"+fields[0]+"/ for a path", "has no slash")
	}
	pattern, _, problem := parsePattern(fields)
	return pattern, problem
}

// clash says why a pattern cannot stand beside those of the upstreams before it: a request goes to one upstream.
func (p *Policy) clash(of *pattern) *Problem {
	for _, u := range p.upstreams {
		switch {
		case u.same(of):
			return problemf("write each pattern once", "covers the same requests as %q", u.label)
		case u.overlaps(of):
			return problemf("write a third pattern for what both cover, or make one part of the other", "overlaps with %q, and neither is more specific", u.label)
		}
	}
	return nil
}
