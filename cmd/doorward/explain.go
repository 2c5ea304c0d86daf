package main

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"doorward/config"
	"doorward/proxy/access"
)

// explain says which rule decides for a request, why, and where the request
// would go; of a line of the access log also whether that is what happened. It
// needs the rules, the upstreams and the names of groups alone: whatever else is
// wrong or missing in the configuration does not matter to it.
func explain(args []string, in io.Reader, out, errOut io.Writer) int {
	asked, status, ok := parseQuestions(args, in, errOut)
	if !ok {
		return status
	}
	c, err := config.LoadForRules()
	if err != nil {
		fmt.Fprintln(errOut, err)
		return exitUsage
	}
	policy, err := c.Policy()
	if err != nil {
		fmt.Fprintln(errOut, err)
		return exitUsage
	}
	if asked.answer(c, policy, out) {
		return exitOK
	}
	return exitFailed
}

// answer explains each and reports whether all are allowed.
func (asked *questions) answer(c *config.Config, policy *access.Policy, out io.Writer) bool {
	allAllowed := true
	changes := map[change]int{}
	for i, q := range asked.list {
		if i > 0 {
			fmt.Fprintln(out)
		}
		now := q.answer(c, policy, out)
		allAllowed = allAllowed && (now.fate == allowed || now.fate == ours)
		if q.logged != nil {
			changes[q.logged.compare(now, out)]++
		}
	}
	asked.summarize(changes, out)
	return allAllowed
}

// answer explains one question.
func (q *question) answer(c *config.Config, policy *access.Policy, out io.Writer) decision {
	if q.host == "" && q.logged == nil && len(c.Origins()) > 0 {
		q.host = c.Origins()[0].Host
	}
	line(out, "request", q.method+" "+q.host+q.path)
	if q.logged != nil {
		line(out, "then", q.logged.happened())
		q.forget(policy)
	}
	if refusal := q.beforeRules(c, policy); refusal != "" {
		line(out, "verdict", refusal)
		return decision{"none", refused}
	}
	if q.path == c.EndpointPrefix || strings.HasPrefix(q.path, c.EndpointPrefix+"/") {
		line(out, "verdict", "allowed: doorward itself answers under "+c.EndpointPrefix)
		return decision{c.EndpointPrefix + "/", ours}
	}
	route, err := policy.Route(q.method, q.host, q.path)
	if err != nil {
		explainError(out, err)
		return decision{"none", refused}
	}
	line(out, "rule", route.Rule())
	if asks := route.Requirement(); asks != "" {
		line(out, "asks for", asks)
	}
	arrives := q.explainUpstream(c, route, out)
	renamed := q.nameGroups(c)
	now := explainVerdict(q, route, out)
	for _, how := range renamed {
		line(out, "", how)
	}
	if now == allowed {
		now = arrives
	}
	q.explainBeyond(c, route, out)
	return decision{route.Rule(), now}
}

// line writes a line. What a log line quotes may be anybody's words, and a terminal obeys some that nobody sees.
func line(w io.Writer, label, text string) {
	visible := strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
	fmt.Fprintf(w, "%-9s %s\n", label, visible)
}

// nameGroups takes groups that were given as the provider calls them for those
// of their aliases, and says so.
func (q *question) nameGroups(c *config.Config) (renamed []string) {
	names, _ := c.GroupNames()
	for i, group := range q.person.Groups {
		if name := names[group]; name != "" {
			q.person.Groups[i] = name
			renamed = append(renamed, fmt.Sprintf("group %s is %s (%s_GROUP_ALIASES)", group, name, config.Prefix))
		}
	}
	return renamed
}

// beforeRules says what refuses the request before any rule is asked.
func (q *question) beforeRules(c *config.Config, policy *access.Policy) string {
	switch {
	case q.method == "CONNECT" || q.method == "TRACE":
		return "denied: " + q.method + " is never forwarded (405)"
	case q.forPrograms(c):
	case q.misnamed():
		return "denied: the host is neither a name nor an address (421)"
	case q.elsewhere(c) && !policy.ServesHost(q.host):
		return fmt.Sprintf("denied: %s_PUBLIC_URL does not name the host, nor does a rule or upstream (421)", config.Prefix)
	}
	return ""
}

// forPrograms reports an endpoint that answers programs, which may know
// doorward by any name: the server in front is one of them.
func (q *question) forPrograms(c *config.Config) bool {
	endpoint, ours := strings.CutPrefix(q.path, c.EndpointPrefix)
	front := c.FrontServer()
	asked := strings.HasPrefix(endpoint, "/auth/") && (front == nil || len(front.Headers()) == 0)
	return ours && (asked || slices.Contains([]string{"/healthz", "/backchannel-logout", "/jwks", "/auth"}, endpoint))
}

// misnamed reports what no rule takes for a host, where there is one to ask about.
func (q *question) misnamed() bool {
	_, ok := access.Hostname(q.host)
	return !ok && (q.host != "" || q.logged != nil)
}

// elsewhere reports a host of none of the origins, where there are any.
func (q *question) elsewhere(c *config.Config) bool {
	return len(c.Origins()) > 0 && !q.at(c.Origins())
}

// explainBeyond says what of the request's fate the rule does not tell.
func (q *question) explainBeyond(c *config.Config, route *access.Route, out io.Writer) {
	login := route.Access() == access.Restricted || route.Access() == access.UpstreamAuth
	switch {
	case login && q.at(c.SiblingOrigins()):
		line(out, "", fmt.Sprintf("people without a session sign in at %s, and come back (%s_COOKIE_DOMAIN)", c.Origins()[0], config.Prefix))
	case login && q.elsewhere(c):
		host, _ := access.Hostname(q.host)
		line(out, "", fmt.Sprintf("nobody can sign in at %s: %s_PUBLIC_URL does not name it", host, config.Prefix))
	}
	if q.method == "COPY" || q.method == "MOVE" {
		line(out, "", "the rule of the path in the Destination header is asked too, as for "+q.method+" of that path")
	}
}

// at reports a host that is one of some origins'.
func (q *question) at(origins []*url.URL) bool {
	host, ok := access.Hostname(q.host)
	return ok && slices.ContainsFunc(origins, func(o *url.URL) bool {
		name, _ := access.Hostname(o.Host)
		return name == host
	})
}

// explainError says why the path itself is refused; of an ambiguous one the
// error names both rules and the meaning.
func explainError(out io.Writer, err error) {
	line(out, "verdict", fmt.Sprintf("denied: %v (400)", err))
	if ambiguous, ok := errors.AsType[*access.AmbiguousPathError](err); ok && ambiguous.Trait != "" {
		line(out, "", "if the upstream never reads paths so, write paths="+ambiguous.Trait+" in its entry")
	}
}

// explainUpstream says where the request would go, and what comes of it there: allowed, nowhere or refused.
func (q *question) explainUpstream(c *config.Config, route *access.Route, out io.Writer) fate {
	upstreams, _ := c.UpstreamTable()
	if front := c.FrontServer(); front != nil && (route.Upstream() < 0 || q.logged.asked()) {
		line(out, "upstream", front.Name+" passes it on ("+config.Prefix+"_FORWARD_AUTH)")
		return allowed
	}
	if route.Upstream() < 0 {
		line(out, "upstream", "none covers it (404)")
		return nowhere
	}
	u := upstreams[route.Upstream()]
	sent, err := u.PathToSend(q.path)
	if err != nil {
		line(out, "upstream", u.Name()+" is not sent this path: "+err.Error()+" (400)")
		return refused
	}
	line(out, "upstream", u.Name()+" as "+sent)
	return allowed
}

// explainVerdict says whether the rule lets the person through.
func explainVerdict(q *question, route *access.Route, out io.Writer) fate {
	switch route.Access() {
	case access.Public:
		line(out, "verdict", "allowed: everybody, signed in or not")
		return allowed
	case access.Deny:
		if route.Requirement() == "" {
			line(out, "verdict", fmt.Sprintf("denied: no rule covers this path; add one to %s_ACCESS_RULES (403)", config.Prefix))
			return denied
		}
		line(out, "verdict", "denied: everybody, signed in or not (403)")
		return denied
	}
	if q.logged.anonymous() && !q.described {
		line(out, "verdict", "nobody was signed in"+without(route))
		if then := q.logged.fate(); route.Access() == access.UpstreamAuth && (then.passesRule() || then == refused) {
			return allowed // it brought its own
		}
		return signIn
	}
	if refusal := route.Check(&q.person); refusal != nil {
		return q.explainRefusal(refusal, out)
	}
	age := within(route, q.person)
	line(out, "verdict", "allowed: this person, signed in"+age+without(route))
	if age != "" && q.logged != nil && q.logged.fate() == again {
		return untold // how old the login was is not in the log
	}
	return allowed
}

// explainRefusal says what is missing, and whether another login would mend it.
func (q *question) explainRefusal(refusal *access.Refusal, out io.Writer) fate {
	asks := "the rule " + refusal.Rule + " asks for " + refusal.Asks
	if q.cannotTell(refusal) {
		line(out, "verdict", "cannot be told: "+asks+", and the log does not say that of people; say it with --group, --email, --claim or --acr")
		return untold
	}
	came := denied
	if refusal.StepUp.IsZero() {
		line(out, "verdict", "denied: "+asks+" (403)")
	} else {
		line(out, "verdict", "denied with this login: "+asks)
		line(out, "", "another would do: "+loginThatWouldDo(refusal.StepUp)+". People are sent to sign in again; others get 401")
		came = again
	}
	if refusal.Conflict {
		line(out, "", "other rules hold there as well, and no login is what all of them ask for (acr)")
	}
	if refusal.NeedsGroups {
		line(out, "", "the person has no groups; give them with --group")
	}
	return came
}

func loginThatWouldDo(asked access.StepUp) string {
	var words []string
	if len(asked.ACR) > 0 {
		words = append(words, "with acr "+strings.Join(asked.ACR, " or "))
	}
	if asked.MaxAge != nil {
		words = append(words, "not older than "+shortDuration(*asked.MaxAge))
	}
	return "one " + strings.Join(words, ", ")
}

// within says how old the login of a person who is allowed may be, and what becomes of an older one.
func within(route *access.Route, person access.Subject) string {
	for _, age := range route.MaxAges() {
		person.AuthTime = time.Time{}
		if route.Check(&person) == nil {
			return "" // its age does not matter
		}
		person.AuthTime = person.Now.Add(-age)
		if route.Check(&person) == nil {
			return ", for a login not older than " + shortDuration(age) + "; people with an older one are sent to sign in again, others get 401"
		}
	}
	return ""
}

// shortDuration writes 15m0s as rules do: 15m.
func shortDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// without says what happens to a request that has no session.
func without(route *access.Route) string {
	if route.Access() == access.UpstreamAuth {
		return "; so is a request that brings its own Authorization"
	}
	return "; a request without a session is sent to sign in first, or gets 401"
}
