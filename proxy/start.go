package proxy

import (
	"net/http"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A login begins on request of a page of ours, or of an application (rd, acr_values, max_age), or of another site that knows the
// provider and where the person wants to go: third-party-initiated login (OIDC Core 4: iss, target_link_uri, login_hint). Rules
// that this file keeps:
//
//   - Whoever asks chooses nothing but these: whom the provider may expect, where the login leads back to within this site
//     (returnaddress.go), and a login that some page asks for anyway. All else that is sent is ignored (OIDC Core 4).
//   - A login at another provider is refused before anybody is asked anything.
//   - What comes twice, or contradicts itself, is refused.

// maxHint bounds login_hint, in bytes.
const maxHint = 256

// start begins a login on request: GET /oauth2/start?rd=/path, and for other sites POST, too.
func (p *Proxy) start(x *exchange, r *http.Request) error {
	query, err := startValues(x, r)
	if err != nil {
		return err
	}
	if why := p.faultOfStart(r, query); why != "" {
		return badRequest(why)
	}
	returnTo := query.Get("rd")
	if query.Has("target_link_uri") {
		returnTo = query.Get("target_link_uri")
	}
	returnTo, known := withFragment(p.returnAddress(returnTo, x.origin))
	login := p.newLogin(r, returnTo)
	if query.Has("acr_values") || query.Has("max_age") {
		asks, ok := parseStepUp(query)
		if !ok || !p.mayAskFor(asks.ACR) {
			return badRequest("it asks for a way of signing in that neither a rule nor DOORWARD_AUTH_PARAMS names")
		}
		askFor(login, asks)
	}
	// Images, fetches and prefetches begin no login: they could not finish it, and would litter the browser with
	// login cookies (ASVS 7.6.2).
	if !asksForPage(r) {
		return errNoSession
	}
	if !known && keepsFragments(r) && query.Has("rd") && !query.Has("login_hint") {
		return p.askForFragment(x, r, login)
	}
	return p.login(x, r, login, query.Get("login_hint"))
}

// startValues are the parameters: of the query string, or of a form.
func startValues(x *exchange, r *http.Request) (values url.Values, err error) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		values, err = url.ParseQuery(r.URL.RawQuery)
	case http.MethodPost:
		return readForm(x, r)
	default:
		return nil, methodRefused("GET, HEAD, POST")
	}
	if err != nil {
		return nil, badRequest("its parameters do not parse").because(err)
	}
	return values, nil
}

// faultOfStart says what is wrong with the parameters; "" where nothing is.
func (p *Proxy) faultOfStart(r *http.Request, query url.Values) string {
	for _, name := range []string{"rd", "iss", "target_link_uri", "login_hint", "acr_values", "max_age"} {
		if len(query[name]) > 1 {
			return name + " is there twice"
		}
	}
	fromElsewhere := r.Method == http.MethodPost || query.Has("target_link_uri") || query.Has("login_hint")
	switch {
	case fromElsewhere && !query.Has("iss"):
		return "it does not say at which provider to sign in (iss)"
	case query.Has("iss") && query.Get("iss") != p.config.IssuerURL:
		return "it asks to sign in at another provider"
	case query.Has("rd") && query.Has("target_link_uri"):
		return "rd and target_link_uri both say where to go"
	case !isHint(query.Get("login_hint")):
		return "login_hint is too long, or no plain text"
	}
	return ""
}

func isHint(text string) bool {
	return len(text) <= maxHint && utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
}
