package proxy

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httputil"
	"slices"
	"strings"
	"unicode"

	"doorward/config"
	"doorward/session"
)

// Rules that this file keeps (RFC 9700 4.13: a reverse proxy sanitizes every header that means something behind it):
//
//   - Identity headers are removed from every request, on public paths too, and then set, on the outgoing request,
//     where no Connection header of the client's can name them.
//   - A name counts as one of ours when a CGI-style server could take it for one: to such a server all characters but letters and digits
//     are the same, so X_Forwarded_User and X.Forwarded.User count as well (CVE-2025-64484 and kin).
//   - Forwarding headers are doorward's own; of others', client.go says what is believed.
//   - Our cookies stay here; other cookies pass byte for byte. An application may clear all of a site's cookies (Clear-Site-Data), ours
//     among them: that ends at worst what any of its pages can end by a POST to sign_out.

// maxGroupsHeader bounds X-Forwarded-Groups, in bytes: beyond it, common servers refuse the whole request.
const maxGroupsHeader = 8 << 10

// description is what applications are told of a person, ready to be sent with each of their requests: a person may be in hundreds of
// groups. It is made once for a session, and nobody changes its values.
type description struct {
	groups        knownGroups
	headers       []header
	token, bearer []string // the access token, alone and as an Authorization
	err           error    // there is too much to tell
}

type header struct {
	name   string // canonical
	values []string
}

// description is what is told of a session's person. FORWARD_GROUPS=matched makes it depend on the rules.
func (p *Proxy) description(s *session.Session, r *rules) (*description, error) {
	d := s.Derived(r, func() any { return p.describe(s, r) }).(*description)
	return d, d.err
}

func (p *Proxy) describe(s *session.Session, r *rules) *description {
	d := &description{groups: p.aliases.known(s.Groups), token: []string{s.AccessToken}, bearer: []string{"Bearer " + s.AccessToken}}
	groups, err := p.groupsHeader(d.groups.names, r)
	d.err = err
	d.tell("X-Forwarded-User", s.User)
	d.tell("X-Forwarded-Email", s.Email)
	d.tell("X-Forwarded-Preferred-Username", s.PreferredUsername)
	d.tell("X-Forwarded-Groups", groups)
	for _, header := range p.headers {
		d.tell(header.Name, claimText(s.Claims[header.Claim]))
	}
	return d
}

func (d *description) tell(name, value string) {
	if value != "" {
		d.headers = append(d.headers, header{http.CanonicalHeaderKey(name), []string{value}})
	}
}

// set sets the headers that name the person.
func (d *description) set(h http.Header) {
	for _, header := range d.headers {
		h[header.name] = header.values
	}
}

// identify tells an upstream who is asking, and nothing of nobody.
func (d *delivery) identify(h http.Header) {
	if d.who == nil {
		return
	}
	d.told.set(h)
	if d.assertion != "" {
		h["X-Doorward-Assertion"] = []string{d.assertion}
	}
	switch {
	case d.who.token() == "": // dead, and SESSION_WITHOUT_REFRESH keeps the session
	case d.upstream.Token == "bearer":
		h["Authorization"] = d.told.bearer
	case d.upstream.Token == "x-forwarded-access-token":
		h["X-Forwarded-Access-Token"] = d.told.token
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
	var out []string
	for _, g := range p.groupsToForward(groups, r) {
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

// decisive are the headers of a request that ReverseProxy is shown: those by which it decides. The others it would copy, and search for those
// that end at this hop, and rewriteHeaders does both in any case.
func decisive(r *http.Request) http.Header {
	te, webSocket := r.Header["Te"], isWebSocket(r)
	if te == nil && !webSocket {
		return nil
	}
	shown := http.Header{"Te": te}
	if webSocket {
		shown["Connection"], shown["Upgrade"] = r.Header["Connection"], r.Header["Upgrade"]
	}
	return shown
}

// rewriteHeaders makes the outgoing request's headers: the client's, but for those that end here or that nobody is to believe, and then ours,
// which no Connection header of the client's can take away.
func (p *Proxy) rewriteHeaders(pr *httputil.ProxyRequest, d *delivery) {
	in := d.in.Header
	out := make(http.Header, len(in)+maxSet) // a map that has to grow costs more than a new one
	for name, values := range in {
		if !isHop(name) && !p.untrusted(name) {
			out[name] = values
		}
	}
	removeNamed(out, in["Connection"])
	maps.Copy(out, pr.Out.Header) // what ReverseProxy has left of decisive: Te: trailers, and the upgrade to a WebSocket
	pr.Out.Header, pr.Out.Trailer = out, nil
	if cookies := p.sessions.Strip(in["Cookie"]); len(cookies) > 0 {
		out["Cookie"] = cookies
	} else {
		delete(out, "Cookie")
	}
	// What a decision rested on is sent, though the client's Connection header may have named it.
	copyHeader(out, in, "Destination")
	if d.who == nil {
		copyHeader(out, in, "Authorization")
	} else {
		delete(out, "Authorization") // the client's own; what the upstream is to get comes next
	}
	pr.Out.Close = bindsConnection(out["Authorization"])
	d.identify(out)
	p.setForwarded(out, d.in, d.x)
}

// bindsConnection says whether an Authorization may make an upstream take all that follows on its connection for the same person's (RFC 4559,
// against RFC 9110 3.3). So nothing may follow.
func bindsConnection(authorization []string) bool {
	for _, value := range authorization {
		scheme := value[:len(value)-len(strings.TrimLeft(value, tokenCharacters))]
		if strings.EqualFold(scheme, "NTLM") || strings.EqualFold(scheme, "Negotiate") {
			return true
		}
	}
	return false
}

// maxSet is about how many headers are set here.
const maxSet = 12

func copyHeader(to, from http.Header, name string) {
	if values := from[name]; len(values) > 0 {
		to[name] = values
	}
}

// setForwarded says where the request came from: host and scheme are those of PUBLIC_URL, not of the connection,
// which behind a load balancer is another.
func (p *Proxy) setForwarded(out http.Header, in *http.Request, x *exchange) {
	o := p.publicOrigin(x, in)
	values := &x.forwarded
	values[0], values[1], values[2] = o.host, o.scheme, x.id
	out["X-Forwarded-Host"], out["X-Forwarded-Proto"], out["X-Request-Id"] = values[0:1:1], values[1:2:2], values[2:3:3]
	if x.client.peer().IsValid() {
		values[3] = x.client.forwardedFor()
		out["X-Forwarded-For"] = values[3:4:4]
	}
}

// untrusted says whether a header of the client's must not arrive, HEADERS' among them.
func (p *Proxy) untrusted(name string) bool {
	folded := config.FoldHeader(name)
	return config.ClientMayNotSend(folded) || slices.Contains(p.folded, folded)
}

// dropCookieTrailers removes cookies from the trailers, where they mean nothing (RFC 9110 6.5.1), but where whatever stands in front may
// take them for headers.
func (x *exchange) dropCookieTrailers() {
	if x.answered() {
		x.Header().Del("Set-Cookie")
		delete(x.Header(), http.TrailerPrefix+"Set-Cookie")
	}
}

// cleanAnswer removes what an upstream may not say: cookies under our names.
func (p *Proxy) cleanAnswer(h http.Header) {
	lines := h["Set-Cookie"]
	if len(lines) == 0 {
		return
	}
	kept := slices.DeleteFunc(slices.Clone(lines), func(line string) bool {
		name, value, _ := strings.Cut(line, "=")
		if name = strings.TrimSpace(name); name == "" {
			name, _, _ = strings.Cut(strings.TrimSpace(value), "=") // a browser sends back "=name=value" without its first sign
		}
		return p.sessions.Owns(name)
	})
	if len(kept) == 0 {
		h.Del("Set-Cookie")
		return
	}
	h["Set-Cookie"] = kept
}

// removeHops removes what an upstream tells its next hop alone. ReverseProxy does so in final answers only (golang/go#81319).
func removeHops(h http.Header) {
	removeNamed(h, h["Connection"])
	maps.DeleteFunc(h, func(name string, _ []string) bool { return isHop(name) })
}

// removeNamed removes what Connection headers name.
func removeNamed(h http.Header, connection []string) {
	for _, line := range connection {
		for name := range strings.SplitSeq(line, ",") {
			h.Del(strings.TrimSpace(name))
		}
	}
}

// hasItem says whether a header that is a list (RFC 9110 5.6.1) has an item of some kind, which is asked of each in lower case.
func hasItem(lines []string, some func(item string) bool) bool {
	for _, rest := range lines {
		for rest != "" {
			var item string
			if item, rest = cutItem(rest); some(strings.ToLower(strings.TrimSpace(item))) {
				return true
			}
		}
	}
	return false
}

// cutItem cuts a list after its first item. A comma between quotation marks separates nothing (RFC 9110 5.6.4).
func cutItem(list string) (item, rest string) {
	quoted := false
	for i := 0; i < len(list); i++ {
		switch c := list[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			return list[:i], list[i+1:]
		}
	}
	return list, ""
}

// isHop says whether a header ends at the next hop without being named (RFC 9110 7.6.1), or is between a client and its proxy (11.7).
func isHop(name string) bool {
	switch name {
	case "Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade":
		return true
	}
	return false
}
