package proxy

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// A page of another site can make a browser ask for things here, and the browser sends the person's cookies along, so that it looks
// like their own doing (CWE-352; for WebSockets CWE-1385). SameSite keeps cookies from foreign sites, but not from sibling hosts.
//
// Rules that this file keeps:
//
//   - A WebSocket speaks for a session only when it was opened by a page of the origin that it leads to, or of ALLOWED_ORIGINS:
//     browsers let every page open one and read what comes (RFC 6455 10.2). They always name the page's origin, so that a request
//     without Origin, or with several, is refused as well.
//   - With CSRF_PROTECTION=writes the same holds for whatever is no GET, HEAD or OPTIONS. Browsers say where a request comes from (Fetch
//     Metadata 2.4), and those that do not name the origin of whatever writes (Fetch 3.1); whoever says neither is no browser.
//   - Whoever brings an access token is not asked: no page can make a browser do that without having the token.
//   - On a public path, what is refused elsewhere passes as nobody's: it gets what it would get without a session.
//   - A preflight is nobody's, whatever comes with it: browsers send none of a person's credentials with one (Fetch 4.8).
//   - Pages of ALLOWED_ORIGINS may read our 401s, and so learn where to sign in (Fetch 3.2); no other page, and no other answer of ours:
//     a 403 tells who somebody is. What upstreams answer is theirs to open.
//   - Origins are compared exactly, with scheme and port, and "null" is none (RFC 6454 7.1).

// acrossSites says why a request may be another site's doing; nil when it is not.
func (p *Proxy) acrossSites(x *exchange, r *http.Request) *failure {
	if opensWebSocket(r) && !p.knowsOrigin(x, r) {
		return foreignWebSocket(r)
	}
	if p.config.CsrfProtection == "writes" && p.isForeignWrite(x, r) {
		return foreignWrite(r)
	}
	return nil
}

// isForeignWrite says whether another site may have asked for something that changes things (RFC 9110 9.2.1).
func (p *Proxy) isForeignWrite(x *exchange, r *http.Request) bool {
	site := strings.Join(r.Header["Sec-Fetch-Site"], ",")
	switch {
	case r.Method == http.MethodGet, r.Method == http.MethodHead, r.Method == http.MethodOptions:
		return false
	case site == "same-origin", site == "none", site == "" && len(r.Header["Origin"]) == 0:
		return false
	}
	return !p.knowsOrigin(x, r)
}

// isPreflight says whether a browser asks whether a page of another site may ask (Fetch 4.8).
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && len(r.Header["Origin"]) > 0 && len(r.Header["Access-Control-Request-Method"]) > 0
}

// opensWebSocket says whether a browser asks for a WebSocket, and knows that too by what is left where a server in front has taken the
// hop-by-hop headers out of its question: browsers always name the version (RFC 6455 4.1, RFC 8441 5), and no page can.
func opensWebSocket(r *http.Request) bool {
	return isWebSocket(r) || len(r.Header["Sec-Websocket-Version"]) > 0
}

// refuseOtherSites refuses what another site may have asked for on behalf of a session.
func (p *Proxy) refuseOtherSites(x *exchange, r *http.Request, who *identity) error {
	if who == nil || who.bearer {
		return nil
	}
	refused := p.acrossSites(x, r)
	if refused == nil {
		return nil
	}
	p.metrics.denials.WithLabelValues(x.rule, refused.reason).Inc()
	p.arrived(who, nil)
	return refused
}

// knowsOrigin says whether a request comes from a page of the origin that it leads to, or of one that is allowed.
func (p *Proxy) knowsOrigin(x *exchange, r *http.Request) bool {
	origin, one := originOf(r)
	return one && (origin == p.publicOrigin(x, r).String() || slices.Contains(p.allowed, origin))
}

// originOf is the origin of the page that a request comes from, if it says so, and once.
func originOf(r *http.Request) (origin string, one bool) {
	lines := r.Header["Origin"]
	if len(lines) != 1 {
		return "", false
	}
	return lines[0], true
}

// letRead lets a page of an allowed origin read an answer that it asked for with cookies. Whether it does depends on Origin, and caches
// are told so.
func (p *Proxy) letRead(h http.Header, r *http.Request) {
	if len(p.allowed) == 0 {
		return
	}
	h.Add("Vary", "Origin")
	if origin, one := originOf(r); one && slices.Contains(p.allowed, origin) {
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Allow-Credentials", "true")
	}
}

// addOrigin is the mend of what is refused to a page that is none of another site.
const addOrigin = "If that page belongs to this application, whoever runs doorward adds its origin to DOORWARD_ALLOWED_ORIGINS."

func foreignWrite(r *http.Request) *failure {
	return otherSite("A page of another site may not change anything here for whoever is signed in, so it was not passed on. "+addOrigin,
		fmt.Errorf("a write on behalf of a session, with Sec-Fetch-Site %.20q and Origin %.100q", r.Header["Sec-Fetch-Site"], r.Header["Origin"]))
}

func foreignSignOut(r *http.Request) *failure {
	return otherSite("Signing out was not asked for by a page of this site, so nothing was done.",
		fmt.Errorf("a sign-out, with Sec-Fetch-Site %.20q and Origin %.100q", r.Header["Sec-Fetch-Site"], r.Header["Origin"]))
}

func foreignWebSocket(r *http.Request) *failure {
	origin, one := originOf(r)
	why, text := fmt.Errorf("a WebSocket on behalf of a session, from the origin %.100q, which is not that of the host and not in DOORWARD_ALLOWED_ORIGINS", origin),
		addOrigin
	if !one {
		why, text = fmt.Errorf("a WebSocket on behalf of a session, with %d Origin headers", len(r.Header["Origin"])),
			"It names no origin, as every browser does. A program brings an access token in place of cookies."
	}
	return otherSite("A WebSocket with somebody's session is opened by pages of this site alone, so it was not passed on. "+text, why)
}
