package proxy

import (
	"mime"
	"net/http"
	"strings"

	"doorward/session"
)

// askToLogin is what follows from having no session: the login for people, 401 for programs.
func (p *Proxy) askToLogin(x *exchange, r *http.Request) error {
	if !isNavigation(r) {
		return unauthenticated()
	}
	if x.origin == nil {
		return notAnOrigin(r.Host)
	}
	returnTo := p.returnAddress(requested(x, r), x.origin)
	return p.login(x, r, &session.Login{ReturnTo: returnTo, Rounds: p.sessions.Rounds(r, returnTo)})
}

// requested is what the browser asked for: path and query, as they came.
func requested(x *exchange, r *http.Request) string {
	if strings.Contains(r.RequestURI, "?") {
		return x.path + "?" + r.URL.RawQuery
	}
	return x.path
}

// isNavigation says whether a person is waiting for a page. Browsers say so themselves (Fetch Metadata), and where
// they do not, a page is what asks for HTML and is no XMLHttpRequest. Prefetches are nobody's navigation.
func isNavigation(r *http.Request) bool {
	h := r.Header
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	mode, dest := h.Get("Sec-Fetch-Mode"), h.Get("Sec-Fetch-Dest")
	if mode != "" || dest != "" {
		return mode == "navigate" && dest == "document" && h.Get("Sec-Purpose") == ""
	}
	return acceptsHTML(r) && h.Get("X-Requested-With") == "" && h.Get("Sec-Purpose") == "" && h.Get("Upgrade") == ""
}

// acceptsHTML says whether Accept names HTML; "*/*" does not.
func acceptsHTML(r *http.Request) bool {
	for _, line := range r.Header.Values("Accept") {
		for part := range strings.SplitSeq(line, ",") {
			kind, params, err := mime.ParseMediaType(part)
			if err == nil && params["q"] != "0" && (kind == "text/html" || kind == "application/xhtml+xml") {
				return true
			}
		}
	}
	return false
}
