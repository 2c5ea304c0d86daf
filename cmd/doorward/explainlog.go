package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"strings"

	"doorward/proxy/access"
)

// What was logged is asked again, of the rules as they are now. The log says who made a request, and from where, and no more: neither groups
// nor claims are in it. What depends on those cannot be told, unless flags say it.

// maxLine bounds a line of a log, in bytes: doorward's own have a few thousand.
const maxLine = 1 << 20

// readLines makes a question of each request that lines of the access log are about. Several lines about one request, an event and then the
// request itself, are one question.
func (q *question) readLines(in io.Reader) (*questions, error) {
	asked := new(questions)
	seen := make(map[string]*question)
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	var wrong error
	for lines.Scan() {
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		line, err := parseAccessLine(lines.Text())
		if err != nil {
			asked.passed++
			wrong = err
			continue
		}
		next := q.about(line)
		if before := seen[line.RequestID]; before != nil && line.RequestID != "" {
			*before = *next
			continue
		}
		seen[line.RequestID] = next
		asked.list = append(asked.list, next)
	}
	switch err := lines.Err(); {
	case err != nil:
		return nil, fmt.Errorf("reading the access log: %w", err)
	case len(asked.list) == 0 && asked.passed <= 1 && wrong != nil:
		return nil, fmt.Errorf("reading the line of the access log: %w", wrong)
	case len(asked.list) == 0:
		return nil, errors.New("reading the access log: no line of it is about a request")
	}
	return asked, nil
}

// about is the question that a line asks. Flags say better who asks.
func (q *question) about(line *accessLine) *question {
	next := *q
	next.method, next.host, next.path, next.logged = line.Method, line.Host, line.Path, line
	if next.person.User == "" {
		next.person.User = line.User
	}
	if !next.person.IP.IsValid() {
		next.person.IP, _ = netip.ParseAddr(line.ClientIP) // absent where the peer has none
	}
	return &next
}

// forget marks what the log does not say of people, nor flags, as unknown: it is neither there nor missing.
func (q *question) forget(policy *access.Policy) {
	q.person.GroupsUnknown = q.person.Groups == nil
	claims := make(map[string]any)
	for _, path := range policy.ClaimPaths() {
		claims[path] = nil
	}
	maps.Copy(claims, q.person.Claims)
	q.person.Claims = claims
}

// cannotTell reports a refusal for want of what the log does not say.
func (q *question) cannotTell(refusal *access.Refusal) bool {
	if q.logged == nil {
		return false
	}
	switch refusal.Reason {
	case "group":
		return q.person.GroupsUnknown
	case "claim":
		return q.claimsUnknown()
	case "negated":
		return q.person.GroupsUnknown || q.claimsUnknown()
	case "email":
		return q.person.Email == ""
	case "acr":
		return q.person.ACR == ""
	}
	return false
}

func (q *question) claimsUnknown() bool {
	for _, value := range q.person.Claims {
		if value == nil {
			return true
		}
	}
	return false
}

// anonymous tells a line about somebody who was not signed in.
func (l *accessLine) anonymous() bool { return l != nil && l.User == "" }

// asked tells a line about a request that the server in front had, and passed on itself.
func (l *accessLine) asked() bool { return l != nil && l.Outcome == "forward_auth" }

// happened says what the line says.
func (l *accessLine) happened() string {
	text := l.Outcome
	if text == "" {
		text = "no outcome"
	}
	if l.Reason != "" {
		text += ", " + l.Reason
	}
	if l.Status != 0 {
		text += fmt.Sprintf(" (%d)", l.Status)
	}
	for _, part := range [...][2]string{{"by the rule ", l.Rule}, {"for ", l.User}, {"at ", l.Time}} {
		if part[1] != "" {
			text += " " + part[0] + part[1]
		}
	}
	return text
}

// fate is what came of the request, as far as rules had a part in it.
func (l *accessLine) fate() fate {
	switch l.Outcome {
	case "forwarded", "forward_auth", "cut", "upstream_error", "upstream_timeout":
		return allowed
	case "denied":
		return denied
	case "step_up", "insufficient_user_authentication":
		return again
	case "login", "unauthenticated":
		return signIn
	case "ambiguous_path", "bad_path", "method_refused", "unknown_host":
		return refused
	case "no_upstream":
		return nowhere
	}
	return untold
}

// copies tells a request that two rules decide: that of its path, and that of its Destination, which the line does not have.
func (l *accessLine) copies() bool { return l.Method == "COPY" || l.Method == "MOVE" }

// change is whether now is as then.
type change string

const (
	unchanged change = "as then"
	changed   change = "otherwise"
	unknown   change = "cannot be told"
)

// compare says whether the decision is what the line says. Another rule is a change, whatever it decides.
func (l *accessLine) compare(now decision, out io.Writer) change {
	then := l.fate()
	switch {
	case l.copies() && now.fate.passesRule() && (then != allowed || l.Rule == now.rule):
		line(out, "changed", "cannot be told: the log does not say the Destination, which is asked about too")
		return unknown
	case l.Rule != "" && l.Rule != now.rule:
		text := "the rule was " + l.Rule + " and is " + now.rule
		if then != untold && now.fate != untold && then != now.fate {
			text += "; the request was " + string(then) + " and would be " + string(now.fate)
		}
		line(out, "changed", "yes: "+text)
		return changed
	case now.fate == ours: // a login's callback is no login that a rule asked for
		line(out, "changed", "no: "+string(ours))
		return unchanged
	case then == untold || now.fate == untold:
		line(out, "changed", "cannot be told; the rule is the same")
		return unknown
	case then != now.fate:
		line(out, "changed", "yes: the request was "+string(then)+" and would be "+string(now.fate))
		return changed
	}
	line(out, "changed", "no: decided as then")
	return unchanged
}

// summarize ends an answer about several lines.
func (asked *questions) summarize(changes map[change]int, out io.Writer) {
	if len(asked.list) < 2 && asked.passed == 0 {
		return
	}
	fmt.Fprintf(out, "\n%d requests: %d decided as then, %d otherwise, %d cannot be told", len(asked.list), changes[unchanged], changes[changed], changes[unknown])
	if asked.passed > 0 {
		fmt.Fprintf(out, "; passed over, since they are about none: %d lines", asked.passed)
	}
	fmt.Fprintln(out)
}
