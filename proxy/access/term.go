package access

import (
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// term is one condition of a requirement, perhaps negated.
type term struct {
	kind      string // what stands before the colon: the reason of a refusal
	negated   bool
	condition condition
}

func (t term) holds(s *Subject, b bindings) bool {
	if t.negated {
		return t.condition.known(s) && !t.condition.holds(s, b)
	}
	return t.condition.holds(s, b)
}

func (t term) reason() string {
	if t.negated {
		return "negated"
	}
	return t.kind
}

// templates returns the values in which wildcards may stand.
func (t term) templates() []template {
	switch c := t.condition.(type) {
	case inGroup:
		return c
	case isUser:
		return c
	case hasClaim:
		return c.values
	}
	return nil
}

// examples shows a term of every kind, for those who wrote something else.
func examples() map[string]string {
	return map[string]string{
		"group":   "group:NAME",
		"user":    "user:NAME",
		"email":   "email:someone@example.com or email:*@example.com",
		"claim":   "claim:name=value",
		"acr":     "acr:VALUE",
		"max-age": "max-age:15m",
		"ip":      "ip:10.0.0.0/8",
	}
}

const quoteBlanks = `a value with blanks needs quotation marks: group:"Site Reliability"`

// parseTerm reads one term; the pattern is asked for the wildcards that values may use.
func parseTerm(written string, of *pattern) (term, *Problem) {
	text, negated := strings.CutPrefix(written, "!")
	kind, value, colon := strings.Cut(text, ":")
	example, known := examples()[kind]
	switch {
	case text == "":
		return term{}, problemf("write ! and the requirement without a blank between them", "has a ! before nothing")
	case !known:
		return term{}, unknownTerm(text, kind)
	case !colon || value == "":
		return term{}, problemf("write "+example, "has %s: without a value", kind)
	case negated && kind == "max-age":
		return term{}, problemf("leave it out", "negates max-age, which has no meaning")
	}
	condition, problem := parseCondition(kind, value, of)
	return term{kind, negated, condition}, problem
}

// strays says whether a word belongs to no requirement: a comment begins, or the next rule.
func strays(word string) bool { return strings.HasPrefix(word, "#") || strings.HasPrefix(word, "/") }

func unknownTerm(text, kind string) *Problem {
	if strings.HasPrefix(text, "#") {
		return problemf("put the comment on a line of its own", "has a comment behind its requirement")
	}
	return problemf(mendTerm(text, kind), "has the unknown requirement %q", text)
}

// mendTerm guesses what was meant by a term.
func mendTerm(text, kind string) string {
	switch strings.ToLower(text) {
	case "or":
		return "write | in its place"
	case "and", "&", "&&":
		return "leave it out: of what stands side by side all must hold"
	}
	if strings.HasPrefix(text, "/") {
		return "write each rule on a line of its own, or a semicolon between two"
	}
	kind, _, _ = strings.Cut(kind, "=")
	for known, example := range examples() {
		if strings.EqualFold(kind, known) || strings.EqualFold(kind, known+"s") {
			return "write " + example
		}
	}
	return "write public, authenticated, deny, upstream-auth, or one of group:, user:, email:, claim:, acr:, max-age:, ip: (" + quoteBlanks + ")"
}

func parseCondition(kind, value string, of *pattern) (condition, *Problem) {
	if kind == "claim" {
		return parseClaim(value, of)
	}
	values, problem := parseValues(kind, value)
	if problem != nil {
		return nil, problem
	}
	switch kind {
	case "group":
		templates, problem := parseTemplates(values, of)
		return inGroup(templates), problem
	case "user":
		templates, problem := parseTemplates(values, of)
		return isUser(templates), problem
	}
	return parseLiteral(kind, values)
}

// parseLiteral reads the kinds whose values take no wildcard.
func parseLiteral(kind string, values []string) (condition, *Problem) {
	if slices.ContainsFunc(values, func(v string) bool { return strings.ContainsAny(outside(v), "{}") }) {
		return nil, problemf("use group:, user: or claim: for it, or put the value into quotation marks", "uses a wildcard in %s:", kind)
	}
	switch kind {
	case "email":
		return parseEmails(values)
	case "ip":
		return parseNetworks(values)
	case "max-age":
		return parseMaxAge(values)
	}
	acrs := make(hasACR, len(values))
	for i, value := range values {
		acrs[i] = unquote(value)
	}
	return acrs, nil
}

// parseValues splits alternative values. None may be empty: an empty list that allows everybody is a classic.
func parseValues(kind, value string) ([]string, *Problem) {
	values := splitOutside(value, ',')
	for _, v := range values {
		if strings.TrimSpace(unquote(v)) == "" {
			mend := "write " + examples()[kind]
			if strings.Contains(value, ",") {
				mend = "take the comma out, or write the next value right behind it, without a blank"
			}
			return nil, problemf(mend, "has an empty value in %s:", kind)
		}
		if mark, _ := utf8.DecodeRuneInString(v); beginsQuote(mark, value) {
			return nil, problemf(`write " in its place, or nothing; a name that does begin so goes between two "`, "has a value that begins with %c, which is no quotation mark here", mark)
		}
	}
	return values, nil
}

// beginsQuote says whether a character before a value is meant for a quotation mark. One that is an apostrophe too, as in 's-Gravenhage, is where
// the values end in another.
func beginsQuote(mark rune, values string) bool {
	last, _ := utf8.DecodeLastRuneInString(values)
	return strings.ContainsRune("“”„«", mark) || strings.ContainsRune("'`‘’", mark) && strings.ContainsRune("'`‘’", last)
}

func parseTemplates(values []string, of *pattern) ([]template, *Problem) {
	templates := make([]template, len(values))
	for i, value := range values {
		t, problem := parseTemplate(value, of)
		if problem != nil {
			return nil, problem
		}
		templates[i] = t
	}
	return templates, nil
}

func parseClaim(written string, of *pattern) (condition, *Problem) {
	name, value, found := cutOutside(written, '=')
	path := unquote(name)
	if !found || strings.TrimSpace(path) == "" || strings.ContainsAny(outside(name), "{},") {
		return nil, problemf("write "+examples()["claim"], "has a claim without a name or without =, %q", written)
	}
	values, problem := parseValues("claim", value)
	if problem != nil {
		return nil, problem
	}
	templates, problem := parseTemplates(values, of)
	return hasClaim{path, templates}, problem
}

func parseEmails(values []string) (condition, *Problem) {
	emails := make(hasEmail, len(values))
	for i, value := range values {
		m, ok := parseMailbox(unquote(value))
		if !ok || strings.ContainsAny(m.domain, "* ") || strings.Contains(m.local, "*") && m.local != "*" {
			return nil, problemf("write "+examples()["email"], "has %q, which is no e-mail", value)
		}
		if m.local == "*" && !strings.Contains(inside(value), "*") {
			m.local = ""
		}
		emails[i] = m
	}
	return emails, nil
}

func parseNetworks(values []string) (condition, *Problem) {
	networks := make(fromNetwork, len(values))
	for i, value := range values {
		network, problem := parseNetwork(unquote(value))
		if problem != nil {
			return nil, problem
		}
		networks[i] = network
	}
	return networks, nil
}

// parseNetwork takes a prefix or a single address.
func parseNetwork(value string) (netip.Prefix, *Problem) {
	if address, err := netip.ParseAddr(value); err == nil && address.Zone() == "" {
		address = address.Unmap()
		return netip.PrefixFrom(address, address.BitLen()), nil
	}
	network, err := netip.ParsePrefix(value)
	switch {
	case err != nil || network.Addr().Is4In6():
		return netip.Prefix{}, problemf("write "+examples()["ip"]+", or an address", "has %q, which is no network", value)
	case network != network.Masked():
		return netip.Prefix{}, problemf("write ip:"+network.Masked().String(), "has the network %s with bits behind its length", value)
	}
	return network, nil
}

func parseMaxAge(values []string) (condition, *Problem) {
	age, err := time.ParseDuration(unquote(values[0]))
	if err != nil || age <= 0 || len(values) > 1 {
		return nil, problemf("write a duration such as max-age:15m or max-age:8h", "has %q, which is no time span", strings.Join(values, ","))
	}
	return loginWithin(age), nil
}
