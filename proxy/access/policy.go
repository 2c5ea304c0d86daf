package access

import (
	"errors"
	"slices"
	"strings"
)

// Upstream is what the policy needs to know of an upstream.
type Upstream struct {
	Pattern string   // "" or "/" for everything; never with methods
	Paths   []string // traits of how it reads paths: "case-sensitive", "opaque-slash"
	Strip   string   // a prefix that is removed from paths before they are sent, without a slash at its end; "" for none
}

// Policy is a compiled table of rules beside the patterns of the upstreams. It never changes, and may be used by many at once.
type Policy struct {
	rules     []rule
	upstreams []upstream
	decides   table // of rules
	serves    table // of upstreams
	meanings  []meaning
}

// rule is a pattern and what it asks for.
type rule struct {
	*pattern
	requirement
	line int
	uses []string // wildcards whose values the requirement compares
}

type upstream struct {
	*pattern
	traits []string
	strip  string
}

// table finds patterns for servers of both kinds.
type table struct {
	plain  *matcher
	folded *matcher // for servers that ignore letter case; the plain one where no pattern has upper-case letters
}

// Compile reads the rules and the upstreams' patterns. Its error joins a *Problem for everything that is wrong.
func Compile(rules string, upstreams []Upstream) (*Policy, error) {
	p := &Policy{meanings: meanings()}
	problems := append(p.readRules(rules), p.readUpstreams(upstreams)...)
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	p.decides = newTable(p.rules, func(r rule) *pattern { return r.pattern })
	p.serves = newTable(p.upstreams, func(u upstream) *pattern { return u.pattern })
	return p, nil
}

func newTable[T any](entries []T, of func(T) *pattern) table {
	var plain, folded []pattern
	differ := false
	for _, entry := range entries {
		p := of(entry)
		plain, folded = append(plain, *p), append(folded, p.folded())
		differ = differ || !slices.Equal(p.segments, folded[len(folded)-1].segments)
	}
	t := table{plain: newMatcher(plain)}
	t.folded = t.plain
	if differ {
		t.folded = newMatcher(folded)
	}
	return t
}

// foldedApart says whether letter case matters to a path that has no upper-case letters.
func (t table) foldedApart() bool { return t.plain != t.folded }

func (t table) of(q *query) *matcher {
	if q.fold {
		return t.folded
	}
	return t.plain
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

// ClaimPaths returns the claims that rules compare, as written there, sorted.
func (p *Policy) ClaimPaths() []string {
	var paths []string
	for t := range p.terms {
		if c, ok := t.condition.(hasClaim); ok {
			paths = append(paths, c.path)
		}
	}
	return sortedSet(paths)
}

// NeedsGroups says whether a rule asks for a group, or forbids one.
func (p *Policy) NeedsGroups() bool {
	return slices.ContainsFunc(p.rules, func(r rule) bool { return r.asksForGroup() })
}

// NeedsEmail says whether a rule asks for an e-mail, or forbids one.
func (p *Policy) NeedsEmail() bool {
	for t := range p.terms {
		if t.kind == "email" {
			return true
		}
	}
	return false
}

// RulesBelow returns the labels of the rules that cover nothing but a plain path and what is below it, whatever their host.
func (p *Policy) RulesBelow(path string) []string {
	below := pattern{subtree: true}
	for name := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		below.segments = append(below.segments, segment{literal: name})
	}
	var labels []string
	for _, r := range p.rules {
		if r.within(&below) {
			labels = append(labels, r.label)
		}
	}
	return labels
}

// GroupNames returns the groups that rules name, sorted; those that a wildcard of the path stands for cannot be among them.
func (p *Policy) GroupNames() []string {
	var names []string
	for t := range p.terms {
		groups, _ := t.condition.(inGroup)
		for _, g := range groups {
			if len(g.wildcards()) == 0 {
				names = append(names, g.expand(nil))
			}
		}
	}
	return sortedSet(names)
}

// Hosts returns the hosts that rules and upstreams' patterns name, as patterns: "app.example.com", "*.dev.example.com".
func (p *Policy) Hosts() []string {
	var hosts []string
	for pattern := range p.patterns {
		if pattern.host != "" {
			hosts = append(hosts, pattern.host)
		}
	}
	return sortedSet(hosts)
}

// ServesHost says whether a rule or an upstream's pattern names the host, in any letter case, with or without port.
func (p *Policy) ServesHost(host string) bool {
	host = canonicalHost(host)
	for pattern := range p.patterns {
		if pattern.host != "" && hostCovers(pattern.host, host) {
			return true
		}
	}
	return false
}

// patterns yields those of rules and upstreams.
func (p *Policy) patterns(yield func(*pattern) bool) {
	for _, r := range p.rules {
		if !yield(r.pattern) {
			return
		}
	}
	for _, u := range p.upstreams {
		if !yield(u.pattern) {
			return
		}
	}
}

// terms yields those of all rules.
func (p *Policy) terms(yield func(term) bool) {
	for _, r := range p.rules {
		for _, t := range r.requirement.terms() {
			if !yield(t) {
				return
			}
		}
	}
}

func sortedSet(names []string) []string {
	slices.Sort(names)
	return slices.Compact(names)
}
