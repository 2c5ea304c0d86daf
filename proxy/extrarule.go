package proxy

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"doorward/proxy/access"
)

// extraRule is what the server in front asks for in its question, beside the rules: allowed_groups, allowed_emails and
// allowed_email_domains, each a list with commas. All of them must hold; what is unknown, empty or there twice is refused, since to leave
// it out would let more people pass. It is nil where nothing is asked for. Envoy's parameters are those of the request.
func (p *Proxy) extraRule(r *http.Request) (*access.Policy, error) {
	if r.URL.RawQuery == "" || len(p.front.asking) == 0 {
		return nil, nil
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, errors.New("the question's parameters do not parse")
	}
	var terms []string
	for name, values := range query {
		term := map[string]string{"allowed_groups": "group:", "allowed_emails": "email:", "allowed_email_domains": "email:*@"}[name]
		if term == "" || len(values) != 1 {
			return nil, errors.New("the question's parameters are not allowed_groups, allowed_emails and allowed_email_domains, each once; " +
				"the query of the client's request does not belong there")
		}
		terms = append(terms, term+quotedList(term, values[0]))
	}
	slices.Sort(terms)
	policy, err := access.Compile("/ "+strings.Join(terms, " "), nil)
	if err != nil {
		return nil, errors.New("a parameter of the question holds nothing that can be asked for")
	}
	return policy, nil
}

// quotedList writes a list as rules do. An item with a quotation mark, or with a control character, becomes an empty one, which Compile refuses.
func quotedList(term, list string) string {
	items := strings.Split(list, ",")
	for i, item := range items {
		item = strings.TrimSpace(item)
		if strings.ContainsFunc(item, func(c rune) bool { return c < ' ' || c == '"' }) {
			item = ""
		}
		if items[i] = `"` + item + `"`; i > 0 && strings.HasSuffix(term, "*@") {
			items[i] = "*@" + items[i]
		}
	}
	return strings.Join(items, ",")
}

// allowExtra asks the extra rule, which needs somebody to ask about.
func (p *Proxy) allowExtra(x *exchange, r *http.Request, route *access.Route, who *identity, extra *access.Policy) error {
	if extra == nil {
		return nil
	}
	if who == nil {
		return errNoSession
	}
	asks, err := extra.Route(http.MethodGet, "localhost", "/")
	if err != nil {
		return err
	}
	subject := p.subject(x, who)
	refusal := asks.Check(&subject)
	if refusal == nil {
		return nil
	}
	refusal.Rule = "that of the server in front"
	return p.deny(x, r, route, who, refusal)
}
