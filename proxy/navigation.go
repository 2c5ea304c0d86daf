package proxy

import (
	"errors"
	"mime"
	"net/http"
	"slices"
	"strings"

	"doorward/session"
)

// askToLogin is what follows from having no session, or one that is not enough: the login for people, 401 for programs.
func (p *Proxy) askToLogin(x *exchange, r *http.Request, err error) error {
	again, signedIn := errors.AsType[*failure](err)
	if !isNavigation(r) {
		f := needLogin(err)
		if !signedIn && isForm(r) && asksForPage(r) && x.origin != nil {
			f = formLost(f, p.returnAddress(requested(x, r), x.origin), x.upstreamTime > 0)
		}
		return f
	}
	if x.origin == nil {
		return p.notAnOrigin(x.host)
	}
	returnTo := p.returnAddress(requested(x, r), x.origin)
	if !p.stopOver(x, r, returnTo, needs(err)) {
		login := p.newLogin(r, returnTo)
		askFor(login, needs(err))
		if err := p.login(x, r, login, ""); err != nil {
			return err
		}
	}
	if signedIn {
		x.outcome, x.reason = "step_up", again.reason
	}
	return nil
}

// newLogin is a login that leads back to an address, and knows how many others came right before it.
func (p *Proxy) newLogin(r *http.Request, returnTo string) *session.Login {
	return &session.Login{ReturnTo: returnTo, Rounds: p.sessions.Rounds(r, returnTo)}
}

// needLogin is what those are told who cannot be sent to the login.
func needLogin(err error) *failure {
	if again, signedIn := errors.AsType[*failure](err); signedIn {
		return again
	}
	f := unauthenticated()
	f.asks = needs(err)
	return f
}

// asksForLogin says whether a login would mend the error.
func asksForLogin(err error) bool {
	needed, _ := errors.AsType[*loginNeeded](err)
	return needed != nil || errors.Is(err, errNoSession)
}

// requested is what the browser asked for: path and query, as they came.
func requested(x *exchange, r *http.Request) string {
	if strings.Contains(r.RequestURI, "?") {
		return x.path + "?" + r.URL.RawQuery
	}
	return x.path
}

// isNavigation says whether a person is waiting for a page that can be asked for again.
func isNavigation(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && asksForPage(r)
}

// asksForPage says whether a person is waiting for a page, be it the answer to a form. Browsers say so themselves (Fetch Metadata),
// and where they do not, a page is what asks for HTML and is no XMLHttpRequest. Prefetches are nobody's navigation.
func asksForPage(r *http.Request) bool {
	h := r.Header
	mode, dest := h.Get("Sec-Fetch-Mode"), h.Get("Sec-Fetch-Dest")
	if mode != "" || dest != "" {
		return mode == "navigate" && dest == "document" && h.Get("Sec-Purpose") == ""
	}
	return acceptsHTML(r) && h.Get("X-Requested-With") == "" && h.Get("Sec-Purpose") == "" && h.Get("Upgrade") == ""
}

// isForm says whether a request may be a form that was posted (HTML 4.10.22.6). Of programs that name HTML unasked, as Java's do, many post something
// else.
func isForm(r *http.Request) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return r.Method == http.MethodPost && err == nil &&
		slices.Contains([]string{"application/x-www-form-urlencoded", "multipart/form-data", "text/plain"}, kind)
}

// isZero reads a weight (RFC 9110 12.4.2): 0, 0.0 and so on.
func isZero(weight string) bool { return weight != "" && strings.Trim(weight, "0.") == "" }

// acceptsHTML says whether Accept names HTML; "*/*" does not.
func acceptsHTML(r *http.Request) bool {
	for _, line := range r.Header.Values("Accept") {
		for part := range strings.SplitSeq(line, ",") {
			kind, params, err := mime.ParseMediaType(part)
			if err == nil && !isZero(params["q"]) && (kind == "text/html" || kind == "application/xhtml+xml") {
				return true
			}
		}
	}
	return false
}
