package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"doorward/config"
	"doorward/proxy/access"
)

// question is a request that somebody who is signed in makes.
type question struct {
	method, scheme, host, path string // path as on the request line, without query
	person                     access.Subject
}

// explain says which rule decides for a request, why, and where the request
// would go. It needs the rules and the upstreams alone: whatever else is wrong
// or missing in the configuration does not matter to it.
func explain(args []string, out, errOut io.Writer) int {
	q, status, ok := parseQuestion(args, errOut)
	if !ok {
		return status
	}
	c, err := config.Load()
	if err := rulesProblem(err); err != nil {
		fmt.Fprintln(errOut, err)
		return exitUsage
	}
	policy, err := c.Policy()
	if err != nil {
		fmt.Fprintln(errOut, err)
		return exitUsage
	}
	if answer(c, policy, q, out) {
		return exitOK
	}
	return exitFailed
}

// rulesProblem is what of the problems concerns explain.
func rulesProblem(err error) error {
	problems, _ := errors.AsType[config.Problems](err)
	if some := problems.Of("ACCESS_RULES", "UPSTREAMS"); len(some) > 0 {
		return some
	}
	return nil
}

const explainUsage = `usage: doorward explain [METHOD] URL [--group G]… [--email E] [--user U] [--claim k=v]… [--acr X] [--ip A]
       doorward explain '<line of the access log>' [flags]
`

func parseQuestion(args []string, errOut io.Writer) (*question, int, bool) {
	q := new(question)
	flags := newFlags("explain", errOut)
	q.personFlags(flags)
	if status, ok := flags.parse(args, 2); !ok {
		return nil, status, false
	}
	if err := q.setRequest(flags.words); err != nil {
		fmt.Fprintf(errOut, "doorward explain: %v\n%s", err, explainUsage)
		return nil, exitUsage, false
	}
	return q, exitOK, true
}

// personFlags defines the flags that say who asks. The login is taken to have
// just happened, so that only what a rule asks of the person counts.
func (q *question) personFlags(f *flags) {
	q.person.Now = time.Now()
	q.person.AuthTime = q.person.Now
	q.person.Claims = make(map[string]any)
	f.StringVar(&q.person.User, "user", "", "the user's name")
	f.StringVar(&q.person.Email, "email", "", "the user's e-mail address, vouched for by the provider")
	f.StringVar(&q.person.ACR, "acr", "", "authentication context of the login")
	f.Func("group", "a group of the user; may be repeated", func(g string) error {
		q.person.Groups = append(q.person.Groups, g)
		return nil
	})
	f.Func("claim", "a claim as name=value; repeated, the values make a list", q.addClaim)
	f.Func("ip", "the client's address", func(text string) (err error) {
		q.person.IP, err = netip.ParseAddr(text)
		return err
	})
}

func (q *question) addClaim(text string) error {
	name, value, ok := strings.Cut(text, "=")
	if !ok || name == "" {
		return errors.New("write name=value")
	}
	switch before := q.person.Claims[name].(type) {
	case nil:
		q.person.Claims[name] = value
	case []any:
		q.person.Claims[name] = append(before, value)
	default:
		q.person.Claims[name] = []any{before, value}
	}
	return nil
}

// setRequest reads "[METHOD] URL" or a line of the access log.
func (q *question) setRequest(words []string) error {
	switch {
	case len(words) == 1 && strings.HasPrefix(strings.TrimSpace(words[0]), "{"):
		return q.setLogLine(words[0])
	case len(words) == 1:
		q.method = "GET"
		return q.setURL(words[0])
	case len(words) == 2:
		q.method = strings.ToUpper(words[0])
		return q.setURL(words[1])
	}
	return errors.New("there is no URL")
}

func (q *question) setLogLine(text string) error {
	var line struct{ Method, Host, Path, User string }
	if err := json.Unmarshal([]byte(text), &line); err != nil {
		return fmt.Errorf("reading the line of the access log: %w", err)
	}
	if line.Method == "" || line.Path == "" {
		return errors.New("the line of the access log has no method or path")
	}
	q.method, q.host, q.path = line.Method, line.Host, line.Path
	if q.person.User == "" {
		q.person.User = line.User
	}
	return nil
}

// setURL takes the URL apart by hand: net/url would tidy the path, whose very
// bytes the rules are about.
func (q *question) setURL(text string) error {
	if scheme, rest, ok := strings.Cut(text, "://"); ok && !strings.ContainsAny(scheme, "/?#") {
		end := min(len(rest), strings.IndexAny(rest+"/", "/?#"))
		q.scheme, q.host, text = strings.ToLower(scheme), rest[:end], rest[end:]
	}
	text, _, _ = strings.Cut(text, "#") // browsers never send it
	text, _, _ = strings.Cut(text, "?") // no rule looks at it
	if text == "" && q.host != "" {
		text = "/"
	}
	if !strings.HasPrefix(text, "/") {
		return fmt.Errorf("%q is neither a URL nor a path", text)
	}
	q.path = text
	return nil
}

// answer explains and reports whether the request is allowed.
func answer(c *config.Config, policy *access.Policy, q *question, out io.Writer) bool {
	if q.host == "" && len(c.Origins()) > 0 {
		q.host = c.Origins()[0].Host
	}
	line(out, "request", q.method+" "+q.host+q.path)
	if refusal := q.beforeRules(c, policy); refusal != "" {
		line(out, "verdict", refusal)
		return false
	}
	if q.path == c.EndpointPrefix || strings.HasPrefix(q.path, c.EndpointPrefix+"/") {
		line(out, "verdict", "allowed: doorward itself answers under "+c.EndpointPrefix)
		return true
	}
	route, err := policy.Route(q.method, q.host, q.path)
	if err != nil {
		explainError(out, err)
		return false
	}
	line(out, "rule", route.Rule())
	if asks := route.Requirement(); asks != "" {
		line(out, "asks for", asks)
	}
	reached := explainUpstream(c, q.path, route, out)
	return explainVerdict(q, route, out) && reached
}

func line(w io.Writer, label, text string) {
	fmt.Fprintf(w, "%-9s %s\n", label, text)
}

// beforeRules says what refuses the request before any rule is asked.
func (q *question) beforeRules(c *config.Config, policy *access.Policy) string {
	host := hostname(q.host)
	known := slices.ContainsFunc(c.Origins(), func(o *url.URL) bool { return o.Hostname() == host })
	switch {
	case q.method == "CONNECT" || q.method == "TRACE":
		return "denied: " + q.method + " is never forwarded (405)"
	case len(c.Origins()) > 0 && !known && !policy.ServesHost(host):
		return fmt.Sprintf("denied: %s_PUBLIC_URL does not name the host, nor does a rule or upstream (421)", config.Prefix)
	}
	return ""
}

// hostname is a host in lower case without port and trailing dot.
func hostname(host string) string {
	name := (&url.URL{Host: host}).Hostname()
	return strings.ToLower(strings.TrimSuffix(name, "."))
}

// explainError says why the path itself is refused; of an ambiguous one the
// error names both rules and the meaning.
func explainError(out io.Writer, err error) {
	line(out, "verdict", fmt.Sprintf("denied: %v (400)", err))
	if ambiguous, ok := errors.AsType[*access.AmbiguousPathError](err); ok && ambiguous.Trait != "" {
		line(out, "", "if the upstream never reads paths so, write paths="+ambiguous.Trait+" in its entry")
	}
}

// explainUpstream says where the request would go, and whether it gets there.
func explainUpstream(c *config.Config, path string, route *access.Route, out io.Writer) bool {
	upstreams, _ := c.UpstreamTable()
	if route.Upstream() < 0 {
		line(out, "upstream", "none covers it (404)")
		return false
	}
	u := upstreams[route.Upstream()]
	stripped, ok := u.StripPath(path)
	if !ok {
		line(out, "upstream", u.Name()+" takes no path but under "+u.Strip+" (400)")
		return false
	}
	line(out, "upstream", u.Name()+" as "+stripped)
	return true
}

// explainVerdict says whether the rule lets the person through.
func explainVerdict(q *question, route *access.Route, out io.Writer) bool {
	switch route.Access() {
	case access.Public:
		line(out, "verdict", "allowed: everybody, signed in or not")
		return true
	case access.Deny:
		line(out, "verdict", "denied: everybody, signed in or not (403)")
		return false
	}
	if refusal := route.Check(&q.person); refusal != nil {
		line(out, "verdict", "denied: the rule "+refusal.Rule+" asks for "+refusal.Asks+" (403)")
		if refusal.NeedsGroups {
			line(out, "", "the person has no groups; give them with --group")
		}
		return false
	}
	line(out, "verdict", "allowed: this person, signed in"+without(route))
	return true
}

// without says what happens to a request that has no session.
func without(route *access.Route) string {
	if route.Access() == access.UpstreamAuth {
		return "; so is a request that brings its own Authorization"
	}
	return "; a request without a session is sent to sign in first, or gets 401"
}
