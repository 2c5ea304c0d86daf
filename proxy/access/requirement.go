package access

import (
	"slices"
	"strings"
)

// Access is what a route asks for before anything is known of the person. Its zero value lets nobody pass.
type Access int

const (
	// Deny lets nobody pass, signed in or not.
	Deny Access = iota
	// Public asks nothing of anybody.
	Public
	// UpstreamAuth takes a session, or a request that brings its own Authorization.
	UpstreamAuth
	// Restricted needs a session, and Route.Check to agree.
	Restricted
)

// String returns the name as messages write it.
func (a Access) String() string {
	switch a {
	case Public:
		return "public"
	case UpstreamAuth:
		return "upstream-auth"
	case Restricted:
		return "restricted"
	}
	return "deny"
}

// requirement is the right side of a rule.
type requirement struct {
	text         string // as written
	access       Access
	basic        bool     // challenge:basic
	alternatives [][]term // one of which must hold whole; none for authenticated
}

// blame returns the term that best explains why the person may not pass; allowed is true where nothing is to explain. A
// missing group comes first, since no other login of the same person would help; else the first term that fails.
func (q *requirement) blame(s *Subject, b bindings) (blamed term, allowed bool) {
	var failed []term
	for _, terms := range q.alternatives {
		before := len(failed)
		for _, t := range terms {
			if !t.holds(s, b) {
				failed = append(failed, t)
			}
		}
		if len(failed) == before {
			return term{}, true
		}
	}
	if len(failed) == 0 {
		return term{}, true
	}
	group := slices.IndexFunc(failed, func(t term) bool { return t.kind == "group" && !t.negated })
	return failed[max(group, 0)], false
}

// terms returns the terms of all alternatives.
func (q *requirement) terms() []term {
	return slices.Concat(q.alternatives...)
}

// strictness orders requirements by what they ask for; those with terms are equal.
func (q *requirement) strictness() int {
	asked := 2 * strictness(q.access)
	if len(q.alternatives) > 0 {
		asked++ // more than a login
	}
	return asked
}

// asksForGroup says whether some term wants (negated: or forbids) a group.
func (q *requirement) asksForGroup() bool {
	return slices.ContainsFunc(q.terms(), func(t term) bool { return t.kind == "group" })
}

// onlyForbids says whether some alternative has negated terms alone.
func (q *requirement) onlyForbids() bool {
	return slices.ContainsFunc(q.alternatives, func(terms []term) bool {
		return !slices.ContainsFunc(terms, func(t term) bool { return !t.negated })
	})
}

// wildcards returns the names of the wildcards that its values use, sorted.
func (q *requirement) wildcards() []string {
	var names []string
	for _, t := range q.terms() {
		for _, value := range t.templates() {
			names = append(names, value.wildcards()...)
		}
	}
	return sortedSet(names)
}

// parseRequirement reads the fields behind a pattern, which is nil where it cannot be read itself.
func parseRequirement(fields []string, of *pattern) (requirement, []*Problem) {
	q := requirement{text: strings.Join(fields, " "), access: Restricted}
	alternatives := splitAlternatives(fields)
	words := slices.Concat(alternatives...)
	switch {
	case len(fields) == 0:
		return q, []*Problem{problemf("write public, authenticated, deny or group:NAME behind the pattern", "has no requirement")}
	case slices.ContainsFunc(alternatives, func(words []string) bool { return len(words) == 0 }):
		return q, []*Problem{problemf("write a requirement on both sides of each |", "has a | with nothing on one side")}
	case slices.ContainsFunc(words, standsAlone):
		return q.parseAlone(words)
	}
	var problems []*Problem
	for _, words := range alternatives {
		var terms []term
		for _, word := range words {
			t, problem := parseTerm(word, of)
			if problem != nil {
				problems = append(problems, problem)
			}
			terms = append(terms, t)
		}
		q.alternatives = append(q.alternatives, terms)
	}
	return q, problems
}

// splitAlternatives returns the words of each alternative.
func splitAlternatives(fields []string) [][]string {
	alternatives := [][]string{nil}
	for _, field := range fields {
		for i, word := range splitOutside(field, '|') {
			if i > 0 {
				alternatives = append(alternatives, nil)
			}
			if last := len(alternatives) - 1; word != "" {
				alternatives[last] = append(alternatives[last], word)
			}
		}
	}
	return alternatives
}

func standsAlone(word string) bool {
	switch word := strings.TrimPrefix(word, "!"); word {
	case "public", "authenticated", "deny", "upstream-auth":
		return true
	default:
		return strings.HasPrefix(word, "challenge:")
	}
}

// parseAlone reads a requirement with a word that stands alone.
func (q requirement) parseAlone(words []string) (requirement, []*Problem) {
	switch q.text {
	case "public":
		q.access = Public
	case "authenticated":
		q.access = Restricted
	case "deny":
		q.access = Deny
	case "upstream-auth":
		q.access = UpstreamAuth
	case "upstream-auth challenge:basic", "challenge:basic upstream-auth":
		q.access, q.basic = UpstreamAuth, true
	default:
		return q, []*Problem{explainAlone(words)}
	}
	return q, nil
}

// decidesAlone says whether a word says by itself who gets in, whoever they are.
func decidesAlone(word string) bool { return standsAlone(word) && word != "authenticated" }

func explainAlone(words []string) *Problem {
	// What belongs on another line is no reason to take a requirement out.
	if stray := slices.IndexFunc(words, strays); stray >= 0 {
		return unknownTerm(words[stray], words[stray])
	}
	challenge := slices.IndexFunc(words, func(word string) bool { return strings.Contains(word, "challenge:") && word != "challenge:basic" })
	alone := words[slices.IndexFunc(words, standsAlone)]
	switch {
	case challenge >= 0:
		return problemf("write challenge:basic", "has the unknown %s", words[challenge])
	case alone == "challenge:basic" && !slices.Contains(words, "upstream-auth"):
		return problemf("write upstream-auth challenge:basic", "has challenge:basic without upstream-auth")
	case strings.HasPrefix(alone, "!"):
		return problemf("write what you want to ask for instead", "negates %s", alone[1:])
	case alone == "authenticated" && !slices.ContainsFunc(words, decidesAlone):
		return problemf("leave it out, every other requirement needs a login anyway", "has authenticated beside others")
	}
	return problemf("leave "+alone+" or all the others out", "has %s beside others, and it stands alone", alone)
}
