package proxy

import (
	"net/http"
	"strings"

	"doorward/proxy/access"
	"doorward/proxy/pages"
	"doorward/session"
)

// The fragment of an address (#row-7) never leaves the browser. It keeps one over redirects (Fetch 4.4, "HTTP-redirect fetch"), but not
// over the form in which people sign in at the provider: whoever followed a link into a page would come back to its top. So a browser
// makes a stop on its way to the provider, at a page of ours at /oauth2/start, whose one script puts the fragment into rd. Rules that this
// file keeps:
//
//   - Only browsers make the stop: it takes two requests that bring nothing to whoever knows no fragments. They are told by
//     Upgrade-Insecure-Requests (Upgrade Insecure Requests 3.2.1), which all of them send along with a navigation. Everybody else gets the
//     redirect to the provider at once, and /oauth2/start redirects whoever comes with a fragment, be it an empty one.
//   - Nobody needs the script: without it the page leads on all the same, and the fragment is lost as it would be anyway.
//   - The fragment is part of the return address, and is checked and sealed as such. The provider does not see it.
//   - The page begins no login, and sets no cookie.

// keepsFragments says whether a browser asks, which may have a fragment that it does not send.
func keepsFragments(r *http.Request) bool {
	return r.Method == http.MethodGet && r.Header.Get("Upgrade-Insecure-Requests") == "1" && asksForPage(r)
}

// stopOver sends a browser on its way to the login past the page that asks for its fragment. It says whether it did.
func (p *Proxy) stopOver(x *exchange, r *http.Request, returnTo string, asks access.StepUp) bool {
	if !keepsFragments(r) || !p.mayAskFor(asks.ACR) { // what only an upstream asks for, nobody may choose
		return false
	}
	x.outcome = "login"
	x.redirect(p.endpointURL(x.origin, "/start") + startQuery(returnTo, asks)) // a server in front would take a path for one of ours
	return true
}

// askForFragment shows that page. Its address of /oauth2/start ends rd with "#", behind which the script puts the fragment.
func (p *Proxy) askForFragment(x *exchange, r *http.Request, login *session.Login) error {
	x.outcome = "login"
	return p.page(x, r, http.StatusOK, page{
		Kind:     pages.SigningIn,
		Title:    "Signing in",
		Text:     []string{"One moment, you are being taken to the provider that signs you in."},
		Continue: p.config.EndpointPrefix + "/start" + startQuery(login.ReturnTo+"#", askedFor(login)),
		Fragment: true,
	})
}

// withFragment is a return address with the fragment that the browser had, if any; known says that the browser was asked for it, or that there
// would be no room for one.
func withFragment(returnTo string) (address string, known bool) {
	return strings.TrimSuffix(returnTo, "#"), strings.Contains(returnTo, "#") || len(returnTo) >= session.MaxReturnTo
}
