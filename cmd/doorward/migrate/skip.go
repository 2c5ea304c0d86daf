package migrate

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// skip is a route without a login.
type skip struct {
	from, text string // the option and what it says
	method     string
	expression string
	negated    bool // all paths but those that the expression matches
}

// skips reads METHOD=expression, METHOD!=expression, =, !=, and the expression alone, as oauth2-proxy does.
func (m *Migration) skips() []skip {
	var all []skip
	for _, text := range m.list("skip_auth_regex") {
		all = append(all, skip{from: "skip_auth_regex", text: text, expression: text})
	}
	for _, text := range m.list("skip_auth_routes") {
		s := skip{from: "skip_auth_routes", text: text, expression: text, negated: strings.Contains(text, "!=")}
		if parts := regexp.MustCompile(`!?=`).Split(text, 2); len(parts) == 2 {
			s.method, s.expression = strings.ToUpper(parts[0]), parts[1]
		}
		all = append(all, s)
	}
	return all
}

// skip makes a route public as far as patterns can say it.
func (m *Migration) skip(t *ruleTable, s skip) {
	what := fmt.Sprintf("%s `%s`", s.from, s.text)
	said, err := sayExpression(s.expression)
	switch {
	case err != nil:
		m.todo("%s: it is no regular expression", what)
	case s.method != "" && !regexp.MustCompile(`^[A-Z]+$`).MatchString(s.method):
		m.todo("%s: it has no proper method", what)
	case s.negated:
		m.skipAllBut(t, s, said, what)
	case len(said.patterns) == 0 && said.exact:
		m.change("%s: it matches no path", what)
	case len(said.patterns) == 0:
		m.todo("%s: no pattern says this, so its paths need a login. Write rules for those that have to be public", what)
	default:
		for _, pattern := range said.patterns {
			t.allow(strings.TrimSpace(s.method + " " + pattern))
		}
		m.keepAsked(t, said)
		if slices.Contains(said.patterns, "/") {
			m.change("%s: it matches every path, so all of the site is public, as it was", what)
		} else if !said.exact {
			m.change("%s: public is %s; what else the expression matches needs a login", what, strings.Join(said.patterns, " "))
		}
	}
}

// skipAllBut makes everything public but what the expression matches, where that can be said whole. Of two such routes each opens
// what the other closes.
func (m *Migration) skipAllBut(t *ruleTable, s skip, said said, what string) {
	others := slices.ContainsFunc(m.skips(), func(other skip) bool { return other.negated && other.text != s.text })
	if !said.exact || others || slices.Contains(said.patterns, "/") {
		m.todo("%s: no patterns say this, so its paths need a login. Write rules for those that have to be public", what)
		return
	}
	t.allow(strings.TrimSpace(s.method + " /"))
	if len(said.asked) > 0 {
		m.change("%s: %s needs a login as well", what, strings.Join(said.asked, " "))
	}
	t.kept = append(t.kept, said.patterns...)
}

// keepAsked gives paths back to the general rule that a pattern takes along, unless another route opens them.
func (m *Migration) keepAsked(t *ruleTable, said said) {
	for _, pattern := range said.asked {
		path, one := onePath(pattern)
		opened := one && slices.ContainsFunc(m.skips(), func(s skip) bool {
			re, err := regexp.Compile(s.expression)
			return err == nil && s.method == "" && re.MatchString(path) != s.negated
		})
		if !opened {
			t.kept = append(t.kept, pattern)
		}
	}
}
