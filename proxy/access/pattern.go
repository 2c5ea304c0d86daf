package access

import (
	"slices"
	"strings"
	"unicode"
)

// pattern is the left side of a rule, or what an upstream serves. Its paths are sets, and all precedence is containment of
// these sets: that a pattern /docs/ covers /docs "unless that has a rule" follows from the set of /docs being smaller.
type pattern struct {
	label    string // as written, methods and all: "GET /status"
	methods  methods
	host     string // "" for none; lower case; "*.example.com"
	segments []segment
	subtree  bool   // covers whatever follows the segments, nothing included
	rest     string // name of the {name...} that stands for what follows
}

// segment is a literal (the empty one is what {$} leaves: the path ends in a slash) or a wildcard for any but the empty one.
type segment struct {
	literal  string
	wildcard string // its name
}

func (s segment) covers(name string) bool {
	if s.wildcard != "" {
		return name != ""
	}
	return s.literal == name
}

func (s segment) within(other segment) bool {
	if s.wildcard != "" {
		return other.wildcard != ""
	}
	return other.covers(s.literal)
}

func (s segment) meets(other segment) bool {
	return s.within(other) || other.within(s)
}

// within says whether every path of p is a path of other, too.
func (p *pattern) within(other *pattern) bool {
	if !other.subtree && (p.subtree || len(p.segments) != len(other.segments)) || len(p.segments) < len(other.segments) {
		return false
	}
	for i, s := range other.segments {
		if !p.segments[i].within(s) {
			return false
		}
	}
	return true
}

// meets says whether some path is of both patterns.
func (p *pattern) meets(other *pattern) bool {
	long, short := p, other
	if len(long.segments) < len(short.segments) {
		long, short = short, long
	}
	if len(long.segments) > len(short.segments) && !short.subtree {
		return false
	}
	for i, s := range short.segments {
		if !s.meets(long.segments[i]) {
			return false
		}
	}
	return true
}

// beats says whether p is more specific than other, where both cover a request and stand for the same hosts.
func (p *pattern) beats(other *pattern) bool {
	if !p.within(other) {
		return false
	}
	return !other.within(p) || p.methods.within(other.methods) && !other.methods.within(p.methods)
}

// same says whether both cover the very same requests, whatever their wildcards are called.
func (p *pattern) same(other *pattern) bool {
	return p.host == other.host && p.within(other) && other.within(p) &&
		p.methods.within(other.methods) && other.methods.within(p.methods)
}

// sameBy says whether both cover the very same requests for a server that compares so.
func (p *pattern) sameBy(by comparison, other *pattern) bool {
	a, b := p.inForm(by), other.inForm(by)
	return a.same(&b)
}

// overlaps says whether some request is covered by both although neither beats the other.
func (p *pattern) overlaps(other *pattern) bool {
	return p.host == other.host && p.meets(other) && p.methods.meet(other.methods) && !p.beats(other) && !other.beats(p)
}

// inForm returns the pattern as a server reads it that compares so.
func (p *pattern) inForm(by comparison) pattern {
	formed := *p
	formed.segments = slices.Clone(p.segments)
	for i := range formed.segments {
		formed.segments[i].literal = by.form(formed.segments[i].literal)
	}
	return formed
}

// wildcards returns the names that requirements may use.
func (p *pattern) wildcards() []string {
	var names []string
	for _, s := range p.segments {
		if s.wildcard != "" {
			names = append(names, s.wildcard)
		}
	}
	if p.rest != "" {
		names = append(names, p.rest)
	}
	return names
}

// value returns what the wildcard stands for in a path with these decoded segments, which the pattern covers.
func (p *pattern) value(wildcard string, segments []string) string {
	if wildcard == p.rest {
		return strings.Join(segments[len(p.segments):], "/")
	}
	i := slices.IndexFunc(p.segments, func(s segment) bool { return s.wildcard == wildcard })
	return segments[i]
}

// parsePattern reads the pattern at the beginning of an entry's fields, and returns the fields behind it. The pattern is nil
// where a problem leaves it open where it ends.
func parsePattern(fields []string) (*pattern, []string, *Problem) {
	p := &pattern{}
	if !strings.Contains(fields[0], "/") {
		set, problem := parseMethods(fields[0])
		if problem != nil {
			return nil, nil, problem
		}
		if len(fields) == 1 || !strings.Contains(fields[1], "/") {
			return nil, nil, problemf("write a path that begins with a slash behind the method", "has no path")
		}
		p.methods, p.label, fields = set, fields[0]+" ", fields[1:]
	}
	p.label += fields[0]
	return p, fields[1:], p.parseLocation(fields[0])
}

// parseLocation reads host and path.
func (p *pattern) parseLocation(written string) *Problem {
	if strings.ContainsAny(inside(written), "{}") {
		return problemf("close the quotation marks before it", "has a brace within quotation marks")
	}
	if strings.HasSuffix(written, ":") {
		return problemf("leave it out (a path that does end so goes between quotation marks)", "has a colon behind its path")
	}
	location := unquote(written)
	slash := strings.IndexByte(location, '/')
	host, problem := parseHost(location[:slash])
	if problem != nil {
		return problem
	}
	p.host = host
	return p.parsePath(location[slash:])
}

// parsePath reads a path that begins with a slash.
func (p *pattern) parsePath(path string) *Problem {
	if problem := checkPath(path); problem != nil {
		return problem
	}
	names := strings.Split(path[1:], "/")
	last := len(names) - 1
	for i, name := range names {
		if name == "" && i < last {
			return problemf("write one slash", "has an empty segment, //, in its path")
		}
		if problem := p.addSegment(name, i == last); problem != nil {
			return problem
		}
	}
	return nil
}

// addSegment adds what stands between two slashes, or behind the last one.
func (p *pattern) addSegment(name string, last bool) *Problem {
	inner, opened := strings.CutPrefix(name, "{")
	inner, closed := strings.CutSuffix(inner, "}")
	switch {
	case opened != closed || strings.ContainsAny(inner, "{}") || !opened && inner != name:
		return problemf("write /{name}/, the wildcard as a whole segment", "has braces within the segment %q", name)
	case opened:
		return p.addWildcard(inner, last)
	case name == "":
		p.subtree = true
		return nil
	}
	p.segments = append(p.segments, segment{literal: name})
	return checkSegment(name)
}

func (p *pattern) addWildcard(name string, last bool) *Problem {
	name, rest := strings.CutSuffix(name, "...")
	switch {
	case (rest || name == "$") && !last:
		return problemf("write it at the end of the path", "has a wildcard for the end of the path before its end")
	case name == "$" && !rest:
		p.segments = append(p.segments, segment{})
		return nil
	case !isIdentifier(name):
		return problemf("write a name of letters, digits and underscores, as in {name}, {name...} or {$}", "has a wildcard without a proper name, %q", name)
	case slices.Contains(p.wildcards(), name):
		return problemf("give each a name of its own", "has two wildcards {%s}", name)
	case rest:
		p.subtree, p.rest = true, name
		return nil
	}
	p.segments = append(p.segments, segment{wildcard: name})
	return nil
}

// checkPath refuses what no request is ever compared as: paths are compared decoded, cleaned and without a query.
func checkPath(path string) *Problem {
	for _, c := range path {
		switch {
		case c == '?':
			return problemf("leave the query string out, it never chooses a rule", "has a query string")
		case c == '#':
			return problemf("leave the fragment out, browsers never send it", "has a fragment")
		case c == '%':
			return problemf("write the characters themselves (a blank in quotation marks)", "has a percent-encoded path, and paths are compared decoded")
		case c == '*':
			return problemf("write a slash at the end for everything below, {name} for one segment", "has a star in its path")
		case c == '\\' || c == ';' || unicode.IsControl(c) || c == unicode.ReplacementChar:
			return problemf("leave it out, servers disagree on what it means", "has the character %q in its path", c)
		}
	}
	return nil
}

func checkSegment(name string) *Problem {
	switch {
	case name == "." || name == "..":
		return problemf("write the path that it leads to", "has the dot segment %q in its path", name)
	case strings.HasSuffix(name, ".") || strings.HasSuffix(name, " "):
		return problemf("leave it out, servers disagree on what it means", "has a segment that ends in a dot or a blank, %q", name)
	}
	return nil
}

func isIdentifier(name string) bool {
	for i, c := range name {
		if c != '_' && !unicode.IsLetter(c) && (i == 0 || !unicode.IsDigit(c)) {
			return false
		}
	}
	return name != ""
}
