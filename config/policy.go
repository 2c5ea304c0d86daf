package config

import (
	"slices"

	"doorward/proxy/access"
)

// Policy returns the access rules compiled together with the patterns of the
// upstreams, whose index is that in [Config.UpstreamTable]. Its error is a
// [Problems].
func (c *Config) Policy() (*access.Policy, error) {
	upstreams, problems := c.upstreams()
	policy, err := access.Compile(c.AccessRules, patterns(upstreams))
	problems = append(problems, compileProblems(err)...)
	return policy, problems.result()
}

// checkPolicy reports what is wrong with the two tables. A table that is not
// there is reported as missing, not as empty.
func checkPolicy(c *Config) Problems {
	_, err := c.Policy()
	problems, _ := err.(Problems)
	var there Problems
	if !isBlank(c.Upstreams) {
		there = problems.Of("UPSTREAMS")
	}
	if !isBlank(c.AccessRules) {
		there = append(there, problems.Of("ACCESS_RULES")...)
	}
	return there
}

// ruleProblems is what may be wrong with rules, upstreams and names of groups as
// they are written: a question of these texts alone, and of no file's.
func (c *Config) ruleProblems() Problems {
	return slices.Concat(checkRequired(c), checkPolicy(c), checkGroupAliases(c))
}

func patterns(upstreams []Upstream) []access.Upstream {
	var all []access.Upstream
	for _, u := range upstreams {
		all = append(all, access.Upstream{Pattern: u.Pattern, Paths: u.Paths, Strip: u.Strip})
	}
	return all
}

// compileProblems gives each problem of the compiler to the table it is about.
func compileProblems(err error) Problems {
	rules, upstreams := verdict{variable: "ACCESS_RULES"}, verdict{variable: "UPSTREAMS"}
	for _, one := range joined(err) {
		p, ok := one.(*access.Problem)
		switch {
		case !ok:
			rules.add(one.Error(), "")
		case p.Upstream:
			upstreams.add(p.Subject()+" "+p.Wrong, p.Mend)
		default:
			rules.add(p.Subject()+" "+p.Wrong, p.Mend)
		}
	}
	return append(rules.problems, upstreams.problems...)
}

// joined returns the errors that errors.Join put together.
func joined(err error) []error {
	if all, ok := err.(interface{ Unwrap() []error }); ok {
		return all.Unwrap()
	}
	if err == nil {
		return nil
	}
	return []error{err}
}
