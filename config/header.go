package config

// Rules kept here: no further identity header may stand in for one that
// doorward sets or that HTTP itself needs, under any spelling that a server
// could confuse with it (CGI makes X_Forwarded_User and X-Forwarded-User one).

import (
	"fmt"
	"net/textproto"
	"strings"
)

// Header is a further identity header.
type Header struct {
	Name  string // canonical
	Claim string // the claim's name or dotted path
}

// IdentityHeaders returns the headers of HEADERS. Its error is a [Problems].
func (c *Config) IdentityHeaders() ([]Header, error) {
	headers, problems := c.identityHeaders()
	return headers, problems.result()
}

func checkHeaders(c *Config) Problems {
	_, problems := c.identityHeaders()
	return problems
}

func (c *Config) identityHeaders() ([]Header, Problems) {
	v := verdict{variable: "HEADERS"}
	var headers []Header
	seen := make(map[string]bool)
	for i, item := range c.Headers {
		name, claim, ok := strings.Cut(item, "=")
		name, claim = strings.TrimSpace(name), strings.TrimSpace(claim)
		switch {
		case !ok || !token(name) || claim == "":
			v.add(fmt.Sprintf("item %d is no Name=claim", i+1), "write e.g. X-Department=department")
		case taken(FoldHeader(name)):
			v.add(name+" is not free: doorward or HTTP itself uses it", "choose another name, e.g. X-User-Department")
		case seen[FoldHeader(name)]:
			v.add(name+" is there twice", "write it once")
		}
		seen[FoldHeader(name)] = true
		headers = append(headers, Header{Name: textproto.CanonicalMIMEHeaderKey(name), Claim: claim})
	}
	return headers, v.problems
}

// FoldHeader maps all spellings of a header's name that some server takes for
// the same to one: lower case, everything but letters and digits a hyphen, as
// CGI-style servers do (RFC 3875 4.1.18).
func FoldHeader(name string) string {
	folded := []byte(name)
	for i, c := range folded {
		switch {
		case c >= 'A' && c <= 'Z':
			folded[i] = c - 'A' + 'a'
		case c < '0' || c > '9' && c < 'a' || c > 'z':
			folded[i] = '-'
		}
	}
	return string(folded)
}

// ClientMayNotSend reports a folded name under which a client's header must
// not reach an upstream: it would name a person, claim to know where the
// request came from, or make the upstream act on another path or method than
// the one that was decided.
func ClientMayNotSend(folded string) bool {
	for _, prefix := range []string{
		"x-forwarded-", "x-auth-request-", "x-doorward-", "x-original-", "x-rewrite-", "x-http-method",
	} {
		if strings.HasPrefix(folded, prefix) {
			return true
		}
	}
	switch folded {
	case "forwarded", "x-real-ip", "true-client-ip", "x-client-ip", "x-cluster-client-ip", "cf-connecting-ip",
		"x-request-id", "x-client-cert", "client-cert", "client-cert-chain", "x-method-override", "proxy":
		return true
	}
	return false
}

// taken reports a folded name that doorward sets, strips or depends on, that
// ends at one hop (RFC 9110 7.6.1), or that describes message or client.
func taken(name string) bool {
	for _, prefix := range []string{
		"content-", "proxy-", "sec-", "if-", "accept-", "access-control-",
	} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	switch name {
	case "authorization", "cookie", "set-cookie", "host",
		"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade",
		"accept", "expect", "range", "origin", "referer", "user-agent", "date", "via", "max-forwards",
		"cache-control", "pragma", "traceparent", "tracestate", "destination":
		return true
	}
	return ClientMayNotSend(name)
}
