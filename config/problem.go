package config

import (
	"cmp"
	"slices"
	"strings"
)

// Problem is one thing that keeps doorward from starting.
type Problem struct {
	// Variable is the full name of the variable at fault: DOORWARD_PUBLIC_URL.
	Variable string `json:"variable"`
	// Wrong says what is wrong with it. It never holds a secret.
	Wrong string `json:"wrong"`
	// Mend says what to write instead; empty where Wrong says that too.
	Mend string `json:"mend,omitempty"`
}

// Error returns the problem in one line: "DOORWARD_X: wrong; mend".
func (p Problem) Error() string {
	if p.Mend == "" {
		return p.Variable + ": " + p.Wrong
	}
	return p.Variable + ": " + p.Wrong + "; " + p.Mend
}

// Problems is everything that is wrong with a configuration.
type Problems []Problem

// Error returns the problems, one a line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// Of returns the problems of the given settings, named without prefix
// ("ACCESS_RULES"); a file that was to hold the value counts as the setting.
func (ps Problems) Of(names ...string) Problems {
	var some Problems
	for _, p := range ps {
		if slices.Contains(names, strings.TrimPrefix(withoutFile(p.Variable), Prefix+"_")) {
			some = append(some, p)
		}
	}
	return some
}

// concern reports whether one of the problems is with the variable that another
// is about, or misses, or with the file that was to hold its value.
func (ps Problems) concern(other Problem) bool {
	return slices.ContainsFunc(ps, func(p Problem) bool {
		variable := withoutFile(p.Variable)
		return variable == other.Variable || strings.HasPrefix(other.Wrong, "needs "+variable)
	})
}

// and adds problems with what could be read: a value that could not be is judged
// no further, nor said to be missing.
func (ps Problems) and(others Problems) Problems {
	all := slices.Clone(ps)
	for _, p := range others {
		if !ps.concern(p) {
			all = append(all, p)
		}
	}
	return all
}

// result turns the problems into an error: sorted as the table is, unknown
// variables last; nil when there are none.
func (ps Problems) result() error {
	if len(ps) == 0 {
		return nil
	}
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(
			cmp.Compare(place(a.Variable), place(b.Variable)),
			cmp.Compare(a.Variable, b.Variable))
	})
	return ps
}

// verdict gathers the problems of one setting, named without prefix.
type verdict struct {
	variable string
	problems Problems
}

func (v *verdict) add(wrong, mend string) {
	v.problems = append(v.problems, Problem{Variable: Prefix + "_" + v.variable, Wrong: wrong, Mend: mend})
}

// problem is one problem of the setting.
func (s setting) problem(wrong, mend string) Problem {
	return Problem{Variable: s.name, Wrong: wrong, Mend: mend}
}

// problems is one problem of the setting, alone.
func (s setting) problems(wrong, mend string) Problems {
	return Problems{s.problem(wrong, mend)}
}
