package proxy

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// Rules that this file keeps:
//
//   - Nothing of a request chooses an address that we send a browser to: redirect_uri, X-Forwarded-Host and
//     X-Forwarded-Proto are those of a configured origin (security: CVE-2026-33495 and its kin).
//   - A host that neither PUBLIC_URL nor a rule nor an upstream names gets 421.
//   - A request target has one form: origin-form, or absolute-form for http and https.

// origin is one of PUBLIC_URL.
type origin struct {
	scheme, host string // host with its port, as browsers send it
}

func newOrigin(u *url.URL) *origin { return &origin{scheme: u.Scheme, host: u.Host} }

func (o *origin) String() string { return o.scheme + "://" + o.host }

// originOf finds the origin that a request is for, or nil for a host that only rules or upstreams name.
func (p *Proxy) originOf(r *http.Request) (*origin, error) {
	asked := strings.ToLower(r.Host)
	name := hostname(asked)
	var found *origin
	for _, o := range p.origins {
		if o.host == asked {
			return o, nil
		}
		if found == nil && hostname(o.host) == name {
			found = o
		}
	}
	if found == nil && !p.policy.ServesHost(r.Host) {
		return nil, p.unknownHost(r.Host)
	}
	return found, nil
}

// hostname is a host without port and trailing dot.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.TrimSuffix(strings.Trim(host, "[]"), ".")
}

// rawPath is the path as it stood on the request line: net/url would already have read it in one way.
func rawPath(r *http.Request) (string, error) {
	switch {
	case r.Method == http.MethodConnect, r.Method == http.MethodTrace:
		return "", methodRefused("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
	case r.RequestURI == "*":
		return "", badTarget("a request target * asks about the server as a whole")
	}
	target := r.RequestURI
	if !strings.HasPrefix(target, "/") {
		scheme, rest, _ := strings.Cut(target, "://")
		if !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https") {
			return "", badTarget("the request target is neither a path nor an http address")
		}
		target = rest[min(len(rest), strings.IndexAny(rest+"/", "/?")):]
	}
	path, _, _ := strings.Cut(target, "?")
	if path == "" {
		path = "/"
	}
	return path, nil
}

// clientIP is the peer's address: forwarding headers are believed from nobody.
func clientIP(r *http.Request) netip.Addr {
	addr, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return addr.Addr().Unmap().WithZone("")
}
