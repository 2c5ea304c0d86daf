package access

import (
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
	decides   matchers // of rules
	serves    matchers // of upstreams
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
func (p *Policy) NeedsGroups() bool { return p.asks("group") }

// NeedsEmail says whether a rule asks for an e-mail, or forbids one.
func (p *Policy) NeedsEmail() bool { return p.asks("email") }

// NeedsAddress says whether a rule asks where the client is, or forbids that.
func (p *Policy) NeedsAddress() bool { return p.asks("ip") }

// asks says whether a rule has a term of that kind, be it negated.
func (p *Policy) asks(kind string) bool {
	for t := range p.terms {
		if t.kind == kind {
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

// HostsInUse returns those hosts that an upstream's pattern names exactly, or a rule that lets somebody pass: a name that is only denied may
// belong to nobody any more.
func (p *Policy) HostsInUse() []string {
	var hosts []string
	add := func(host string) {
		if host != "" && !strings.HasPrefix(host, "*") {
			hosts = append(hosts, host)
		}
	}
	for _, r := range p.rules {
		if r.access != Deny {
			add(r.host)
		}
	}
	for _, u := range p.upstreams {
		add(u.host)
	}
	return sortedSet(hosts)
}

// ServesHost says whether a rule or an upstream's pattern names the host, in any letter case, with or without port.
func (p *Policy) ServesHost(host string) bool {
	host, _ = Hostname(host)
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
