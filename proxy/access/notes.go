package access

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Notes returns what an operator may want to know of a policy that is valid: rules that both hold where they overlap, rules that
// never decide, and patterns that cover less than they seem to. It names what is certain; silence proves nothing.
func (p *Policy) Notes() []string {
	var notes []string
	for i := range p.rules {
		for j := range p.rules[:i] {
			notes = append(notes, pairNotes(&p.rules[j], &p.rules[i])...)
		}
	}
	for i := range p.rules {
		notes = append(notes, p.ruleNotes(&p.rules[i])...)
	}
	return append(notes, p.upstreamNotes()...)
}

func pairNotes(a, b *rule) []string {
	switch {
	case a.overlaps(b.pattern):
		return []string{fmt.Sprintf("rules %q and %q overlap, and neither is more specific: where both cover a request, both must hold", a.label, b.label)}
	case a.meets(b.pattern) || !a.methods.meet(b.methods):
	case a.sameBy(composed, b.pattern):
		return []string{fmt.Sprintf("rules %q and %q differ in the spelling of letters with marks alone (Unicode NFC, NFD): their paths are refused as ambiguous; drop one", a.label, b.label)}
	case a.sameBy(caseless, b.pattern):
		return []string{fmt.Sprintf("rules %q and %q differ in letter case alone: their paths are refused as ambiguous unless the upstream says paths=case-sensitive", a.label, b.label)}
	}
	return nil
}

func (p *Policy) ruleNotes(r *rule) []string {
	var notes []string
	add := func(format string, args ...any) {
		notes = append(notes, fmt.Sprintf("rule %q ", r.label)+fmt.Sprintf(format, args...))
	}
	if shadow := p.closedBy(r); shadow != nil {
		add("never decides: %q holds on every host", shadow.label)
	}
	if p.methodsTaken(r) {
		add("never decides: other rules of the same path cover each of its methods")
	}
	if r.methods != nil && r.methods.within(methods{http.MethodConnect, http.MethodTrace}) {
		add("never decides: CONNECT and TRACE are refused for everybody")
	}
	if len(p.upstreams) > 0 && !p.served(r) {
		add("covers nothing that an upstream serves")
	}
	if wider := p.widerNeighbour(r); wider != nil {
		add("covers that path alone; with a slash behind it %q decides, and many servers answer both alike: end the pattern in a slash", wider.label)
	}
	if weaker := p.weakerNeighbour(r); weaker != nil {
		_, location, _ := strings.Cut(r.label, " ")
		add("guards %s alone; other methods of %s are decided by %q: write a rule without methods if that is too little",
			strings.Join(r.methods, ", "), location, weaker.label)
	}
	if r.onlyForbids() {
		add("only forbids: it lets everybody pass of whom the provider says nothing")
	}
	return notes
}

// upstreamNotes are about patterns that lack the slash at their end, and no other entry has it.
func (p *Policy) upstreamNotes() []string {
	var notes []string
	for _, u := range p.upstreams {
		if u.subtree || u.segments[len(u.segments)-1] == (segment{}) || p.servesBelow(u) {
			continue
		}
		notes = append(notes, fmt.Sprintf("upstream pattern %q is for that path alone and nothing below it: end it in a slash if that is too little", u.label))
	}
	return notes
}

func (p *Policy) servesBelow(u upstream) bool {
	return slices.ContainsFunc(p.upstreams, func(other upstream) bool {
		return other.subtree && other.host == u.host && len(other.segments) == len(u.segments) && u.within(other.pattern)
	})
}

// closedBy returns the hostless deny that decides wherever a rule with a host would.
func (p *Policy) closedBy(r *rule) *rule {
	if r.host == "" {
		return nil
	}
	for i := range p.rules {
		deny := &p.rules[i]
		if deny.host == "" && deny.access == Deny && r.within(deny.pattern) && r.methods.within(deny.methods) && !p.opened(deny, r) {
			return deny
		}
	}
	return nil
}

// opened says whether a hostless rule beats the deny for some request that r covers.
func (p *Policy) opened(deny, r *rule) bool {
	return slices.ContainsFunc(p.rules, func(other rule) bool {
		return other.host == "" && other.access != Deny && other.meets(r.pattern) && other.methods.meet(r.methods) && other.beats(deny.pattern)
	})
}

// methodsTaken says whether more specific rules of the very same path cover all methods of a rule.
func (p *Policy) methodsTaken(r *rule) bool {
	var taken methods
	for _, other := range p.rules {
		if other.host == r.host && other.within(r.pattern) && r.within(other.pattern) && other.beats(r.pattern) {
			taken = append(taken, other.methods...)
		}
	}
	return taken != nil && r.methods != nil && r.methods.within(taken)
}

func (p *Policy) served(r *rule) bool {
	return slices.ContainsFunc(p.upstreams, func(u upstream) bool {
		return u.meets(r.pattern) && hostsMeet(u.host, r.host)
	})
}

// widerNeighbour returns the rule that decides about the path of a guarded rule with a slash behind it, where that is another
// one that does not ask for the same.
func (p *Policy) widerNeighbour(r *rule) *rule {
	last := len(r.segments) - 1
	if r.subtree || r.access == Public || r.segments[last] == (segment{}) {
		return nil
	}
	below := *r.pattern
	below.segments = append(slices.Clone(r.segments), segment{})
	for i := range p.rules {
		other := &p.rules[i]
		if other.host == r.host && below.within(other.pattern) && other.text != r.text && other.access != Deny && !p.beaten(other, &below) {
			return other
		}
	}
	return nil
}

// weakerNeighbour returns the rule that decides about the paths of a rule for methods that it does not name, where that
// is one of wider paths that asks for less.
func (p *Policy) weakerNeighbour(r *rule) *rule {
	if r.methods == nil {
		return nil
	}
	var nearest *rule
	for i := range p.rules {
		other := &p.rules[i]
		if other.methods != nil || other.host != r.host || !r.within(other.pattern) {
			continue
		}
		switch {
		case nearest == nil || other.beats(nearest.pattern):
			nearest = other
		case !nearest.beats(other.pattern):
			return nil // both must hold
		}
	}
	if nearest == nil || nearest.within(r.pattern) || nearest.strictness() >= r.strictness() {
		return nil
	}
	return nearest
}

// beaten says whether another rule is more specific than r for the paths of a pattern.
func (p *Policy) beaten(r *rule, of *pattern) bool {
	return slices.ContainsFunc(p.rules, func(other rule) bool {
		return other.host == r.host && of.within(other.pattern) && other.beats(r.pattern)
	})
}
