package access

import (
	"slices"
	"strings"
	"time"
)

// Which login would let somebody pass whom the rules refuse. Only acr and max-age are about the login; everything else is
// about the person, and no login changes that. The rules that this file keeps:
//
//   - What is asked for is all that the chosen alternatives say of the login, not only what fails now: the new login replaces
//     the old one, and must hold for all of them.
//   - A negated term that fails is never mended, and a value that one forbids is never asked for.
//   - Of an alternative's values only those are asked for that every protocol on the way can carry.

// StepUp is what a login has to be so that somebody may pass. Its zero value asks for nothing.
type StepUp struct {
	ACR    []string       // its authentication context is one of these, the first is preferred; none: any will do
	MaxAge *time.Duration // the person proved who they are no longer ago than this, in whole seconds; nil: however long
}

// IsZero says whether any login will do.
func (u StepUp) IsZero() bool { return len(u.ACR) == 0 && u.MaxAge == nil }

// SatisfiedBy says whether the person's login is so already.
func (u StepUp) SatisfiedBy(s *Subject) bool {
	return (len(u.ACR) == 0 || hasACR(u.ACR).holds(s, nil)) && (u.MaxAge == nil || loginWithin(*u.MaxAge).holds(s, nil))
}

// and asks for both; ok is false where no login is both.
func (u StepUp) and(v StepUp) (both StepUp, ok bool) {
	if v.MaxAge == nil || u.MaxAge != nil && *u.MaxAge < *v.MaxAge {
		v.MaxAge = u.MaxAge
	}
	switch {
	case len(u.ACR) == 0:
		return v, true
	case len(v.ACR) == 0:
		return StepUp{u.ACR, v.MaxAge}, true
	}
	v.ACR = slices.DeleteFunc(slices.Clone(v.ACR), func(acr string) bool { return !slices.Contains(u.ACR, acr) })
	return v, len(v.ACR) > 0
}

// combine asks for one of each list, the earlier ones first. ok is false where no login is all of them.
func combine(asked StepUp, lists [][]StepUp) (all StepUp, ok bool) {
	if len(lists) == 0 {
		return asked, true
	}
	for _, one := range lists[0] {
		if both, ok := asked.and(one); ok {
			if all, ok = combine(both, lists[1:]); ok {
				return all, true
			}
		}
	}
	return StepUp{}, false
}

// AtLogin returns what the first login of somebody who is not signed in has to be: what the rules leave no alternative to.
func (r *Route) AtLogin() StepUp {
	var lists [][]StepUp
	for _, rule := range r.rules {
		if len(rule.alternatives) == 1 {
			if asked, ok := askedOfLogin(rule.alternatives[0]); ok {
				lists = append(lists, []StepUp{asked})
			}
		}
	}
	asked, _ := combine(StepUp{}, lists)
	return asked
}

// StepUp returns which login would let the person pass that is also what further asks for. ok is false where none would;
// conflict says that this is because the rules ask for different ones, each of which alone would do.
func (r *Route) StepUp(s *Subject, further StepUp) (asked StepUp, ok, conflict bool) {
	lists := make([][]StepUp, len(r.rules))
	for i, rule := range r.rules {
		if lists[i] = rule.stepUps(s, r.bindings[i]); len(lists[i]) == 0 {
			return StepUp{}, false, false
		}
	}
	asked, ok = combine(further, lists)
	return asked, ok, !ok
}

// stepUps returns the logins any of which would satisfy the rule, in the order of its alternatives; just a zero one where its
// login is nothing that matters.
func (r *rule) stepUps(s *Subject, b bindings) []StepUp {
	if r.access == Deny {
		return nil
	}
	if len(r.alternatives) == 0 {
		return []StepUp{{}}
	}
	var all []StepUp
	for _, terms := range r.alternatives {
		if slices.ContainsFunc(terms, func(t term) bool { return !t.ofLogin() && !t.holds(s, b) }) {
			continue
		}
		asked, ok := askedOfLogin(terms)
		if ok && asked.IsZero() {
			return []StepUp{{}}
		}
		if ok {
			all = append(all, asked)
		}
	}
	return all
}

// ofLogin says whether another login may mend the term.
func (t term) ofLogin() bool { return !t.negated && (t.kind == "acr" || t.kind == "max-age") }

// askedOfLogin returns what an alternative says of the login; ok is false where no login could be asked to be so.
func askedOfLogin(terms []term) (asked StepUp, ok bool) {
	for _, t := range terms {
		one := StepUp{}
		switch c := t.condition.(type) {
		case hasACR:
			if t.negated {
				continue
			}
			if one.ACR = askable(c); len(one.ACR) == 0 {
				return StepUp{}, false
			}
		case loginWithin:
			one.MaxAge = new(time.Duration(c).Truncate(time.Second))
		}
		if asked, ok = asked.and(one); !ok {
			return StepUp{}, false
		}
	}
	return asked.without(terms)
}

// without leaves out what negated terms forbid.
func (u StepUp) without(terms []term) (left StepUp, ok bool) {
	left = u
	for _, t := range terms {
		if forbidden, isACR := t.condition.(hasACR); isACR && t.negated {
			left.ACR = slices.DeleteFunc(left.ACR, func(acr string) bool { return slices.Contains(forbidden, acr) })
		}
	}
	return left, len(left.ACR) > 0 || len(u.ACR) == 0
}

// maxACRValues bounds acr_values, in bytes: they travel in a cookie and in headers.
const maxACRValues = 399

// askable returns those of the values that can be asked for, as many as there is room for.
func askable(values []string) []string {
	var asked []string
	room := maxACRValues
	for _, value := range values {
		if len(value) <= room && isACR(value) {
			asked = append(asked, value)
			room -= len(value) + len(" ")
		}
	}
	return asked
}

// isACR says whether a value can be one of acr_values. They are listed with blanks between them (OIDC Core 3.1.2.1) and stand in quoted
// strings (RFC 9470 3), where nothing is to need an escape.
func isACR(value string) bool {
	return value != "" && !strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' })
}

// ParseACR reads acr_values that somebody else has written.
func ParseACR(text string) (values []string, ok bool) {
	values = strings.Split(text, " ")
	ok = len(text) <= maxACRValues && !slices.ContainsFunc(values, func(value string) bool { return !isACR(value) })
	return values, ok
}

// ACRs returns the lists of authentication contexts that rules ask for, as each term has them.
func (p *Policy) ACRs() [][]string {
	var lists [][]string
	for t := range p.terms {
		if c, ok := t.condition.(hasACR); ok && !t.negated {
			lists = append(lists, askable(c))
		}
	}
	return lists
}
