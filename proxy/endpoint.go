package proxy

import (
	"net/http"
	"slices"
	"strings"
)

// endpoints are all that we have under our prefix, but for /healthz, which nobody traces.
func endpoints() []string {
	return []string{"/start", "/sign_in", "/callback", "/sign_out", "/userinfo", "/auth", "/jwks", "/backchannel-logout", "/frontchannel-logout"}
}

// ownRule is what log and metrics say in the place of a rule's pattern where an endpoint of ours answers.
func (p *Proxy) ownRule() string { return p.config.EndpointPrefix + "/" }

// endpointOf says whether a path is under our prefix, spelled exactly so: any other spelling belongs to the upstream
// and needs what its rule asks for.
func (p *Proxy) endpointOf(path string) (string, bool) {
	rest, ours := strings.CutPrefix(path, p.config.EndpointPrefix)
	return rest, ours && (rest == "" || rest[0] == '/')
}

// serveEndpoint dispatches under our prefix. An origin is needed there, since every endpoint but the health check
// deals in cookies and redirects of one; but whoever has a session by COOKIE_DOMAIN can ask about it, and leave, wherever it holds.
func (p *Proxy) serveEndpoint(endpoint string, x *exchange, r *http.Request) error {
	ofSession := endpoint == "/userinfo" || endpoint == "/sign_out"
	if x.origin == nil && !(ofSession && p.config.SharesSessions(x.host)) {
		return p.notAnOrigin(x.host)
	}
	if r.Method != http.MethodPost || !slices.Contains([]string{"/callback", "/start", "/sign_in"}, endpoint) {
		x.refuseBody(r) // forms that begin and end logins are the only bodies that are read here
	}
	switch endpoint {
	case "/start", "/sign_in":
		return p.start(x, r)
	case "/callback":
		return p.callback(x, r)
	case "/sign_out":
		return p.signOut(x, r)
	case "/frontchannel-logout":
		return p.frontChannelLogout(x, r)
	case "/userinfo":
		return p.userinfo(x, r)
	}
	return notFound()
}

// endpointURL is an address under our prefix, at an origin.
func (p *Proxy) endpointURL(o *origin, endpoint string) string {
	return o.String() + p.config.EndpointPrefix + endpoint
}

// readOnly refuses methods with which an endpoint that only shows something has nothing to do.
func readOnly(r *http.Request) error {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return methodRefused("GET, HEAD")
	}
	return nil
}
