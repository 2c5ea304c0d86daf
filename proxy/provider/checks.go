package provider

import (
	"errors"
	"fmt"
)

// Check is one check that a login passed, for those who want to see what is checked and why, as the demo shows it.
type Check struct {
	Of     string // what was checked: "answer", "token response", "ID token", "access token", "userinfo"
	What   string // what was found to be so
	Source string // where the rule stands, "OIDC Core 3.1.3.7 (2)"
}

// rule is one rule of a standard and the check that keeps it. The check says what it found to be so, or nothing when there was
// nothing to check.
type rule struct {
	source string
	check  func() (found string, err error)
}

// checklist goes through rules in order and writes down those that were kept.
type checklist struct {
	of   string
	kind Kind // of the failure when a rule is broken, unless the check knows better
	made []Check
}

// run stops at the first rule that is broken.
func (l *checklist) run(rules []rule) error {
	for _, r := range rules {
		found, err := r.check()
		if err != nil {
			return l.broken(r, err)
		}
		if found != "" {
			l.made = append(l.made, Check{Of: l.of, What: found, Source: r.source})
		}
	}
	return nil
}

func (l *checklist) broken(r rule, err error) error {
	if known, ok := errors.AsType[*Error](err); ok {
		return known
	}
	return &Error{Kind: l.kind, cause: fmt.Errorf("%w (%s)", err, r.source)}
}
