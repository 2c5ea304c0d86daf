package proxy

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"doorward/proxy/access"
)

// Rules that this file keeps:
//
//   - Nothing of a request chooses an address that we send a browser to: redirect_uri, X-Forwarded-Host and
//     X-Forwarded-Proto are those of a configured origin (security: CVE-2026-33495 and its kin).
//   - A host that neither PUBLIC_URL nor a rule nor an upstream names gets 421.
//   - People sign in at the origins of PUBLIC_URL; with COOKIE_DOMAIN also for hosts in it that a rule or an upstream names exactly. Hosts that
//     only a pattern such as *.example.com covers are nobody's to lead to.
//   - A request target has one form: origin-form, or absolute-form for http and https, which HTTP/2 does not know.
//   - A request has one host.

// origin is one of PUBLIC_URL, or a sibling of theirs with which they share sessions (COOKIE_DOMAIN).
type origin struct {
	scheme, host string  // host with its port, as browsers send it
	name         string  // host without it
	door         *origin // where people sign in, and whose callback the provider knows; nil for one of PUBLIC_URL, which is its own
}

func newOrigin(u *url.URL) *origin {
	name, _ := access.Hostname(u.Host)
	return &origin{scheme: u.Scheme, host: u.Host, name: name}
}

// isAt says whether a Host header names the origin's host and port. Some servers in front write the scheme's own port, which browsers leave out.
func (o *origin) isAt(host string) bool {
	if strings.EqualFold(o.host, host) {
		return true
	}
	port := ":443"
	if o.scheme == "http" {
		port = ":80"
	}
	return strings.EqualFold(o.host+port, host)
}

func (o *origin) String() string { return o.scheme + "://" + o.host }

// siblingsUnder are the origins beyond those of PUBLIC_URL that rules make, by their names.
func (p *Proxy) siblingsUnder(policy *access.Policy) map[string]*origin {
	siblings := map[string]*origin{}
	for _, u := range p.config.SiblingOriginsUnder(policy) {
		sibling := newOrigin(u)
		sibling.door = p.origins[0]
		siblings[sibling.name] = sibling
	}
	return siblings
}

// severalHosts says whether more than one host is served.
func (p *Proxy) severalHosts(policy *access.Policy) bool {
	names := policy.Hosts()
	for _, o := range p.origins {
		names = append(names, o.name)
	}
	return slices.ContainsFunc(names, func(name string) bool { return name != names[0] || strings.HasPrefix(name, "*") })
}

// findOrigin notes the host that a request is for, and its origin: none for a host that only rules or upstreams name, and where nobody
// signs in.
func (p *Proxy) findOrigin(x *exchange, r *http.Request) error {
	if slices.ContainsFunc(r.Header["Host"], func(host string) bool { return host != r.Host }) {
		return badRequest("its Host header contradicts :authority") // RFC 9113 8.3.1; of HTTP/1.1, net/http takes Host out
	}
	name, ok := access.Hostname(r.Host)
	if !ok {
		return p.unknownHost(r.Host)
	}
	x.host = name
	for _, o := range p.origins {
		if o.name == name && (x.origin == nil || o.isAt(r.Host)) {
			x.origin = o
		}
	}
	if x.origin == nil {
		x.origin = x.rules.siblings[name]
	}
	if x.origin == nil && !x.rules.policy.ServesHost(name) {
		return p.unknownHost(r.Host)
	}
	return nil
}

// publicOrigin is the origin that a browser takes a request's answer for: one of ours, or, where only rules or upstreams name the
// host, that host with the same scheme.
func (p *Proxy) publicOrigin(x *exchange, r *http.Request) *origin {
	if x.origin != nil {
		return x.origin
	}
	return &origin{scheme: p.origins[0].scheme, host: r.Host}
}

// rawPath is the path as it stood on the request line: net/url would already have read it in one way.
func rawPath(r *http.Request) (string, error) {
	switch {
	case r.Method == http.MethodConnect, r.Method == http.MethodTrace:
		return "", methodRefused("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
	case strings.ToUpper(r.Method) != r.Method:
		// Methods are case-sensitive (RFC 9110 9.1), but some servers take "post" for POST, and its rule would not.
		return "", badRequest("its method is not written in capital letters")
	case r.RequestURI == "*":
		return "", badTarget("a request target * asks about the server as a whole")
	}
	path, ok := pathOf(r.RequestURI)
	if !ok || r.ProtoMajor > 1 && r.RequestURI[0] != '/' {
		return "", badTarget("the request target is neither a path nor an http address")
	}
	path, query, _ := strings.Cut(path, "?")
	if strings.Contains(path, "#") { // nor is it for the log, since tokens stand there (RFC 6749 4.2.2)
		return "", badTarget("it holds a fragment, which is nobody's but the browser's")
	}
	if strings.Contains(query, " ") { // which HTTP/2 can say (RFC 9113 10.3), and which would end the target on a line of HTTP/1.1
		return "", badTarget("its query holds a blank")
	}
	return path, nil
}

// pathOf is what stands behind the host of an http address, or the address itself where it begins with a slash. An address without a
// host, or with a user, is none (RFC 9110 4.2.1, 4.2.4).
func pathOf(address string) (path string, ok bool) {
	if strings.HasPrefix(address, "/") {
		return address, true
	}
	scheme, rest, found := strings.Cut(address, "://")
	if !found || !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https") {
		return "", false
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	host, path := rest[:end], rest[end:]
	if host == "" || strings.Contains(host, "@") {
		return "", false
	}
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	return path, true
}
