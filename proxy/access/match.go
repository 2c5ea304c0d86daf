package access

import (
	"slices"
	"strings"
)

// matcher finds among patterns those that decide: of the most specific host that has any, those that no other one beats.
// Its cost grows with the segments of the path, not with the number of patterns. It never changes once built.
type matcher struct {
	patterns []pattern
	hosts    map[string]*node // exact ones
	wild     map[string]*node // by ".example.com" for *.example.com
	any      *node            // patterns without a host
}

// node is a place in the tree of segments.
type node struct {
	literals map[string]*node
	wildcard *node
	exact    []int // patterns whose path ends here
	subtree  []int // patterns that cover whatever follows
}

func newMatcher(patterns []pattern) *matcher {
	m := &matcher{patterns: patterns, hosts: map[string]*node{}, wild: map[string]*node{}, any: &node{}}
	for i := range patterns {
		m.root(patterns[i].host).add(&patterns[i], i)
	}
	return m
}

// root returns the tree of a pattern's host.
func (m *matcher) root(host string) *node {
	trees, name := m.hosts, host
	suffix, wild := strings.CutPrefix(host, "*")
	switch {
	case host == "":
		return m.any
	case wild:
		trees, name = m.wild, suffix
	}
	if trees[name] == nil {
		trees[name] = &node{}
	}
	return trees[name]
}

func (n *node) add(p *pattern, index int) {
	for _, s := range p.segments {
		n = n.child(s)
	}
	if p.subtree {
		n.subtree = append(n.subtree, index)
	} else {
		n.exact = append(n.exact, index)
	}
}

func (n *node) child(s segment) *node {
	if s.wildcard != "" {
		if n.wildcard == nil {
			n.wildcard = &node{}
		}
		return n.wildcard
	}
	if n.literals == nil {
		n.literals = map[string]*node{}
	}
	if n.literals[s.literal] == nil {
		n.literals[s.literal] = &node{}
	}
	return n.literals[s.literal]
}

// query is one question to a matcher. Its answers gather in found, which may lie on the caller's stack.
type query struct {
	method string // empty for patterns without methods
	path   string // escaped, begins with a slash
	by     comparison
}

// find appends the patterns that decide for a host as Hostname gives it. hosted says that their host is not the empty one.
func (m *matcher) find(found []int, host string, q *query) (_ []int, hosted bool) {
	if root := m.hosts[host]; root != nil {
		if found = m.under(root, found, q); len(found) > 0 {
			return found, true
		}
	}
	for suffix := host; len(m.wild) > 0 && suffix != ""; {
		dot := strings.IndexByte(suffix[1:], '.')
		if dot < 0 {
			break
		}
		suffix = suffix[1+dot:]
		if root := m.wild[suffix]; root != nil {
			if found = m.under(root, found, q); len(found) > 0 {
				return found, true
			}
		}
	}
	return m.under(m.any, found, q), false
}

// under appends the patterns of one tree that decide.
func (m *matcher) under(root *node, found []int, q *query) []int {
	found = m.walk(root, found, q, q.path[1:], true, nil)
	if len(found) < 2 {
		return found
	}
	slices.Sort(found)
	return m.unbeaten(slices.Compact(found))
}

// walk appends, for every way through the tree, the deepest patterns that cover the rest of the path; deepest are those
// found so far. Those of other ways may still beat them.
func (m *matcher) walk(n *node, found []int, q *query, rest string, more bool, deepest []int) []int {
	if m.cover(n.subtree, q.method) {
		deepest = n.subtree
	}
	if !more {
		if m.cover(n.exact, q.method) {
			deepest = n.exact
		}
		return m.append(found, deepest, q.method)
	}
	if n.literals == nil && n.wildcard == nil {
		return m.append(found, deepest, q.method)
	}
	escaped, rest, more := strings.Cut(rest, "/")
	name := q.name(escaped)
	literal := n.literals[name]
	if literal != nil {
		found = m.walk(literal, found, q, rest, more, deepest)
	}
	if n.wildcard != nil && name != "" {
		return m.walk(n.wildcard, found, q, rest, more, deepest)
	}
	if literal != nil {
		return found
	}
	return m.append(found, deepest, q.method)
}

// name returns a segment as patterns compare it.
func (q *query) name(escaped string) string {
	return q.by.form(unescape(escaped))
}

// values returns all segments as wildcards stand for them.
func (q *query) values() []string {
	names := strings.Split(q.path[1:], "/")
	for i, escaped := range names {
		names[i] = q.by.value(unescape(escaped))
	}
	return names
}

func (m *matcher) cover(patterns []int, method string) bool {
	for _, i := range patterns {
		if m.patterns[i].methods.cover(method) {
			return true
		}
	}
	return false
}

func (m *matcher) append(found, patterns []int, method string) []int {
	for _, i := range patterns {
		if m.patterns[i].methods.cover(method) {
			found = append(found, i)
		}
	}
	return found
}

// unbeaten drops the patterns that another one beats.
func (m *matcher) unbeaten(found []int) []int {
	kept := make([]int, 0, len(found))
	for _, i := range found {
		beaten := slices.ContainsFunc(found, func(j int) bool {
			return i != j && m.patterns[j].beats(&m.patterns[i])
		})
		if !beaten {
			kept = append(kept, i)
		}
	}
	return append(found[:0], kept...)
}

// matchers find patterns for servers of each comparison. Where a comparison changes no pattern, its matcher is the exact one.
type matchers [len(comparisons) + 1]*matcher

func newMatchers[T any](entries []T, of func(T) *pattern) matchers {
	var patterns []pattern
	for _, entry := range entries {
		patterns = append(patterns, *of(entry))
	}
	m := matchers{exact: newMatcher(patterns)}
	for _, by := range comparisons {
		m[by] = m[exact]
		if formed := inForm(patterns, by); !slices.EqualFunc(patterns, formed, sameSegments) {
			m[by] = newMatcher(formed)
		}
	}
	return m
}

func inForm(patterns []pattern, by comparison) []pattern {
	formed := make([]pattern, len(patterns))
	for i := range patterns {
		formed[i] = patterns[i].inForm(by)
	}
	return formed
}

func sameSegments(a, b pattern) bool { return slices.Equal(a.segments, b.segments) }

// apart says whether the comparison changes a pattern.
func (m *matchers) apart(by comparison) bool { return m[by] != m[exact] }
