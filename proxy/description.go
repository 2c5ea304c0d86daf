package proxy

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode"

	"doorward/session"
)

// maxGroupsHeader bounds X-Forwarded-Groups, in bytes: beyond it, common servers refuse the whole request.
const maxGroupsHeader = 8 << 10

// description is what applications are told of a person, ready to be sent with each of their requests: a person may be in hundreds of
// groups. It is made once for a session, and nobody changes its values.
type description struct {
	groups        knownGroups
	headers       []header
	token, bearer [1]string // the access token, alone and as an Authorization
	err           error     // there is too much to tell
}

type header struct {
	name  string    // canonical
	value [1]string // as http.Header wants it
}

// description is what is told of a session's person. FORWARD_GROUPS=matched makes it depend on the rules.
func (p *Proxy) description(s *session.Session, r *rules) (*description, error) {
	d := s.Derived(r, func() any { return p.describe(s, r) }).(*description)
	return d, d.err
}

func (p *Proxy) describe(s *session.Session, r *rules) *description {
	d := &description{groups: p.aliases.known(s.Groups), token: [1]string{s.AccessToken}, bearer: [1]string{"Bearer " + s.AccessToken}}
	d.headers = make([]header, 0, 4+len(p.headers))
	groups, err := p.groupsHeader(d.groups.names, r)
	d.err = err
	d.add("X-Forwarded-User", s.User)
	d.add("X-Forwarded-Email", s.Email)
	d.add("X-Forwarded-Preferred-Username", s.PreferredUsername)
	d.add("X-Forwarded-Groups", groups)
	for _, header := range p.headers {
		d.add(header.Name, claimText(s.Claims[header.Claim]))
	}
	return d
}

func (d *description) add(name, value string) {
	if value != "" {
		d.headers = append(d.headers, header{http.CanonicalHeaderKey(name), [1]string{value}})
	}
}

// set sets the headers that name the person.
func (d *description) set(h http.Header) {
	for i := range d.headers {
		header := &d.headers[i]
		h[header.name] = header.value[:]
	}
}

// groupsToForward are those that a rule names, where FORWARD_GROUPS=matched, else all.
func (p *Proxy) groupsToForward(groups []string, r *rules) []string {
	if p.config.ForwardGroups != "matched" {
		return groups
	}
	return slices.DeleteFunc(slices.Clone(groups), func(g string) bool { return !slices.Contains(r.groups, g) })
}

// groupsHeader joins groups with commas. Its error is that they are too many.
func (p *Proxy) groupsHeader(groups []string, r *rules) (string, error) {
	told := p.groupsToForward(groups, r)
	out := make([]string, 0, len(told))
	for _, g := range told {
		out = append(out, encodeGroup(g))
	}
	header := strings.Join(out, ",")
	if len(header) > maxGroupsHeader {
		return "", tooManyGroups(len(groups), len(header))
	}
	return header, nil
}

// encodeGroup percent-encodes what would make the joined value ambiguous: the separator, the percent sign, control
// characters and outer blanks.
func encodeGroup(group string) string {
	if isPlainGroup(group) { // as most are
		return group
	}
	var b strings.Builder
	inner := strings.TrimSpace(group)
	from := strings.Index(group, inner)
	for i, r := range group {
		outer := i < from || i >= from+len(inner)
		if r == ',' || r == '%' || unicode.IsControl(r) || outer {
			b.WriteString(percentEncoded(string(r)))
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// isPlainGroup says whether encodeGroup has nothing to do.
func isPlainGroup(group string) bool {
	odd := func(r rune) bool { return r < ' ' || r > '~' || r == ',' || r == '%' }
	return !strings.ContainsFunc(group, odd) && strings.TrimSpace(group) == group
}

func percentEncoded(text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		fmt.Fprintf(&b, "%%%02X", c)
	}
	return b.String()
}

// claimText is how a claim is written in a header of HEADERS: text as it is, arrays joined with commas like groups,
// anything else as JSON. What would break the header is left out.
func claimText(claim any) string {
	text := ""
	switch claim := claim.(type) {
	case nil:
	case string:
		text = claim
	case []any:
		var members []string
		for _, member := range claim {
			members = append(members, encodeGroup(claimText(member)))
		}
		text = strings.Join(members, ",")
	default:
		encoded, _ := json.Marshal(claim)
		text = string(encoded)
	}
	return headerText(text)
}

// headerText is the text if it arrives in a header as it is, else "": a control character would end the header, and outer
// blanks would be trimmed on the way, so that one name becomes another's.
func headerText(text string) string {
	if strings.ContainsFunc(text, unicode.IsControl) || strings.TrimSpace(text) != text {
		return ""
	}
	return text
}
