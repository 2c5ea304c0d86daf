package proxy

import (
	"net/url"
	"strings"

	"doorward/session"
)

// Rules that this file keeps (RFC 9700 4.11.1: clients must not be open redirectors):
//
//   - A login leads back to a path of the origin that it began on, or to a configured origin (host.go says which are), or to "/".
//   - What a browser could resolve to another host is not let through, however it is spelled: in a path browsers take `\` for
//     "/", anywhere they drop tabs and line ends, and resolve dot segments before they look for "//".
//   - It never leads to an endpoint of ours, which would sign people out or send them round in circles.

// returnAddress makes a safe Location of what somebody asks to be sent back to.
func (p *Proxy) returnAddress(asked string, o *origin) string {
	if len(asked) > session.MaxReturnTo {
		return "/"
	}
	configured, rest := p.placeOf(asked)
	switch {
	case configured == nil:
		return p.safePath(asked)
	case configured == o:
		return p.safePath(rest)
	}
	return configured.String() + p.safePath(rest)
}

// placeOf is the configured origin that an address begins with, and what follows, which begins with a slash; nil for none.
func (p *Proxy) placeOf(address string) (*origin, string) {
	for _, o := range p.origins {
		if rest, found := o.cut(address); found {
			return o, rest
		}
	}
	for _, o := range p.rules.Load().siblings {
		if rest, found := o.cut(address); found {
			return o, rest
		}
	}
	return nil, ""
}

// cut takes the origin off an address of it.
func (o *origin) cut(address string) (rest string, found bool) {
	rest, found = strings.CutPrefix(address, o.String())
	if !found || rest != "" && rest[0] != '/' && rest[0] != '?' {
		return "", false
	}
	if rest == "" || rest[0] == '?' {
		rest = "/" + rest
	}
	return rest, true
}

// safePath is the address if it is a plain path, with query and fragment, that stays here; else "/".
func (p *Proxy) safePath(address string) string {
	for i := range len(address) {
		if c := address[i]; c <= ' ' || c >= 0x7f {
			return "/"
		}
	}
	path := address
	if end := strings.IndexAny(path, "?#"); end >= 0 {
		path = path[:end]
	}
	// Other software on the way may decode once or twice before it resolves.
	for range 3 {
		if !staysHere(path) || p.isEndpoint(path) {
			return "/"
		}
		path = unescaped(path)
	}
	return address
}

// unescaped undoes percent-encoding as browsers do: what is malformed stays as it is, and hides nothing that stands beside it.
func unescaped(path string) string {
	var b strings.Builder
	for rest := path; rest != ""; {
		size := 1
		if c, err := url.PathUnescape(rest[:min(3, len(rest))]); rest[0] == '%' && err == nil {
			b.WriteString(c)
			size = 3
		} else {
			b.WriteByte(rest[0])
		}
		rest = rest[size:]
	}
	return b.String()
}

// staysHere says whether a path, read as a browser or a sloppy server reads it, is one of this host.
func staysHere(path string) bool {
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.Contains(path, `\`) {
		return false
	}
	if strings.ContainsFunc(path, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		return false
	}
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return false
		}
	}
	return true
}

func (p *Proxy) isEndpoint(path string) bool {
	_, ours := p.endpointOf(path)
	return ours
}
