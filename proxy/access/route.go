package access

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Route is what the policy says of one request: the rules that decide, and the upstream that would serve it.
type Route struct {
	rules    []*rule    // all must hold; none covers the request where it is empty
	bindings []bindings // of the rules; nil where a rule's requirement uses no wildcard
	upstream int

	oneRule     [1]*rule // what rules and bindings nearly always consist of, so that a route is one allocation
	oneBindings [1]bindings
}

// noRule is the label of requests that no rule covers.
const noRule = "none"

// Rule returns the label by which the rule is known in log, metrics and pages: its pattern as written. Two that must both hold are
// joined by " + "; "none" where no rule covers the request.
func (r *Route) Rule() string {
	if len(r.rules) == 0 {
		return noRule
	}
	return r.join(func(rule *rule) string { return rule.label })
}

// Requirement returns what the rule asks for, as written; those of several are joined by " + "; empty where there is no rule.
func (r *Route) Requirement() string {
	return r.join(func(rule *rule) string { return rule.text })
}

func (r *Route) join(text func(*rule) string) string {
	if len(r.rules) == 1 {
		return text(r.rules[0])
	}
	texts := make([]string, len(r.rules))
	for i, rule := range r.rules {
		texts[i] = text(rule)
	}
	return strings.Join(texts, " + ")
}

// Upstream returns the index of the upstream that serves the request, -1 where none does.
func (r *Route) Upstream() int { return r.upstream }

// Access returns what is asked for before anything is known of the person. Where several rules must hold it is the strictest:
// Deny, Restricted, UpstreamAuth, Public.
func (r *Route) Access() Access {
	strictest := Deny
	for i, rule := range r.rules {
		if i == 0 || strictness(rule.access) > strictness(strictest) {
			strictest = rule.access
		}
	}
	return strictest
}

func strictness(a Access) int {
	return slices.Index([]Access{Public, UpstreamAuth, Restricted, Deny}, a)
}

// ChallengeBasic says whether a 401 carries a Basic challenge, too.
func (r *Route) ChallengeBasic() bool {
	return r.Access() == UpstreamAuth && slices.ContainsFunc(r.rules, func(rule *rule) bool { return rule.basic })
}

// MaxAges returns the greatest ages of a login that rules of the route name, the greatest first.
func (r *Route) MaxAges() []time.Duration {
	var ages []time.Duration
	for _, rule := range r.rules {
		for _, t := range rule.terms() {
			if age, ok := t.condition.(loginWithin); ok {
				ages = append(ages, time.Duration(age))
			}
		}
	}
	slices.SortFunc(ages, func(a, b time.Duration) int { return cmp.Compare(b, a) })
	return ages
}

// Check says why the person may not pass; nil means that they may. It is to be asked for everybody with a session, whatever
// Access says: it refuses where that is Deny.
func (r *Route) Check(s *Subject) *Refusal {
	if len(r.rules) == 0 {
		return &Refusal{Rule: noRule, Reason: "no-rule"}
	}
	if i := slices.IndexFunc(r.rules, func(rule *rule) bool { return rule.access == Deny }); i >= 0 {
		return r.rules[i].refusal(s, r.bindings[i]) // whatever the others ask for: neither a group nor a login would help
	}
	for i, rule := range r.rules {
		if refusal := rule.refusal(s, r.bindings[i]); refusal != nil {
			refusal.StepUp, _, refusal.Conflict = r.StepUp(s, StepUp{})
			return refusal
		}
	}
	return nil
}

// Route says which rule decides about a request, and which upstream serves it. The path is escaped, exactly as on the
// request line, without the query; the host may have any letter case, a port and a trailing dot. Its error is a
// *PathError or an *AmbiguousPathError.
func (p *Policy) Route(method, host, path string) (*Route, error) {
	host, _ = Hostname(host)
	q := query{method: method, path: path}
	plain := isPlain(path)
	if !plain {
		if err := checkEscaped(path); err != nil {
			return nil, err
		}
	}
	route := p.lookUp(host, q)
	var err error
	switch {
	case !plain:
		err = p.checkAgreement(route, host, "", q)
		if strip := p.strip(route); err == nil && strip != "" && strings.HasPrefix(path, strip) {
			err = p.checkAgreement(route, host, strip, q)
		}
	default:
		err = p.checkComparisons(route, host, q, nil)
	}
	if err != nil {
		return nil, err
	}
	return route, nil
}

// strip returns the prefix that the route's upstream does not get to see.
func (p *Policy) strip(r *Route) string {
	if r.upstream < 0 {
		return ""
	}
	return p.upstreams[r.upstream].strip
}

func (p *Policy) traits(r *Route) []string {
	if r.upstream < 0 {
		return nil
	}
	return p.upstreams[r.upstream].traits
}

// lookUp reads the path in one way.
func (p *Policy) lookUp(host string, q query) *Route {
	var onStack [8]int
	r := &Route{upstream: -1}
	rules := p.deciding(onStack[:0], host, &q)
	r.rules, r.bindings = r.oneRule[:0], r.oneBindings[:0]
	for _, i := range rules {
		r.rules = append(r.rules, &p.rules[i])
		r.bindings = append(r.bindings, p.bind(i, &q))
	}
	q.method = ""
	if upstreams, _ := p.serves[q.by].find(onStack[:0], host, &q); len(upstreams) > 0 {
		r.upstream = upstreams[0]
	}
	return r
}

// deciding appends the rules that decide. A hostless deny that would decide if no rule had a host decides everywhere.
func (p *Policy) deciding(found []int, host string, q *query) []int {
	rules := p.decides[q.by]
	found, hosted := rules.find(found, host, q)
	if !hosted {
		return found
	}
	hostless := rules.under(rules.any, nil, q)
	if slices.ContainsFunc(hostless, func(i int) bool { return p.rules[i].access == Deny }) {
		return hostless
	}
	return found
}

// bind returns the values of the wildcards that a rule's requirement uses.
func (p *Policy) bind(rule int, q *query) bindings {
	r := &p.rules[rule]
	if len(r.uses) == 0 {
		return nil
	}
	b := make(bindings, len(r.uses))
	values := q.values()
	for _, wildcard := range r.uses {
		b[wildcard] = r.value(wildcard, values)
	}
	return b
}
