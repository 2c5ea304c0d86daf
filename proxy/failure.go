package proxy

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"doorward/proxy/access"
	"doorward/proxy/provider"
	"doorward/session"
)

// failure is an error that knows how it is told: to the client in fixed phrases, to the log with its cause.
type failure struct {
	status  int
	code    string // "error" in JSON, and the outcome in log and metric
	reason  string // a fixed word that says more, for the log
	event   string // an event of its own in the log, besides the request's
	title   string
	text    []string
	details []detail
	notes   []string // for whoever runs doorward: what to look at. Pages alone show them
	actions []action // what to do next, the likeliest first
	header  http.Header
	person  bool          // told as a page whoever asks: only browsers come here
	program bool          // told as JSON whoever asks: only programs come here
	asks    access.StepUp // what the login_url of a 401 asks for
	cause   error
}

func (f *failure) Error() string {
	if f.cause != nil {
		return f.cause.Error()
	}
	return f.title
}

func (f *failure) Unwrap() error { return f.cause }

// description is what programs, and challenges, are told in a sentence or two.
func (f *failure) description() string {
	return strings.Join(append([]string{f.title + "."}, f.text[:min(1, len(f.text))]...), " ")
}

// asFailure is the failure in an error; an error without one means that something is wrong in doorward.
func asFailure(err error) *failure {
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	return broken(err)
}

// because adds what the log, and nobody else, is told.
func (f *failure) because(cause error) *failure {
	f.cause = cause
	return f
}

// retryAfter tells the client how many seconds to wait (RFC 9110 10.2.3).
func (f *failure) retryAfter(seconds int) *failure {
	f.header = http.Header{"Retry-After": {strconv.Itoa(seconds)}}
	return f
}

// Requests that no upstream would want.

func badRequest(why string) *failure {
	return &failure{status: http.StatusBadRequest, code: "bad_request", title: "This request cannot be understood",
		text: []string{"It was refused before it reached the application: " + why + "."}, cause: errors.New(why)}
}

func badTarget(why string) *failure {
	f := badRequest(why)
	f.code = "bad_path"
	return f
}

func methodRefused(allowed string) *failure {
	return &failure{status: http.StatusMethodNotAllowed, code: "method_refused", title: "This method is not allowed here",
		text: []string{"Allowed are: " + allowed + "."}, header: http.Header{"Allow": {allowed}}}
}

// badPath tells a path with several meanings from one that is malformed.
func (p *Proxy) badPath(err error) *failure {
	ambiguous, ok := errors.AsType[*access.AmbiguousPathError](err)
	if !ok {
		f := badTarget("its path is malformed")
		f.cause = err
		return f
	}
	p.metrics.ambiguousPaths.Inc()
	f := &failure{status: http.StatusBadRequest, code: "ambiguous_path", reason: "ambiguous_path", event: "ambiguous_path",
		title: "This address can be read in two ways",
		text: []string{"Different servers would read it differently, and different rules would apply. So it is not passed on. " +
			"Write the address in its plain form."},
		actions: []action{toStart()},
		details: []detail{
			{"Rule as written", ambiguous.Rules[0]},
			{"Rule as read", ambiguous.Rules[1]},
			{"Who reads it so", ambiguous.Meaning},
		},
		cause: err}
	if ambiguous.Trait != "" {
		f.details = append(f.details, detail{"If the upstream never does", "its entry in DOORWARD_UPSTREAMS may say paths=" + ambiguous.Trait})
	}
	return f
}

func (p *Proxy) unknownHost(host string) *failure {
	return &failure{status: http.StatusMisdirectedRequest, code: "unknown_host", event: "unknown_host",
		title:   "Nothing is served under this name",
		text:    []string{"This host is not one that doorward was told about."},
		notes:   []string{"If it should be, add its origin to DOORWARD_PUBLIC_URL."},
		actions: []action{p.toCanonical()},
		cause:   fmt.Errorf("host %.100q is not in DOORWARD_PUBLIC_URL, and no rule or upstream names it", host)}
}

// notAnOrigin is for people at a host from which no login could lead back. Where it shares sessions, one from elsewhere is as good.
func (p *Proxy) notAnOrigin(host string) *failure {
	f := &failure{status: http.StatusForbidden, code: "no_login_here", event: "no_login_here",
		title:   "Nobody can sign in under this name",
		text:    []string{"Pages of this host can be seen, but only those that ask for no login."},
		notes:   []string{"If people should sign in here, add the origin of this host to DOORWARD_PUBLIC_URL."},
		actions: []action{p.toCanonical()},
		cause:   fmt.Errorf("host %.100q is named by a rule or an upstream, but is no origin in DOORWARD_PUBLIC_URL", host)}
	if p.config.SharesSessions(host) {
		door := p.origins[0].String()
		f.text = []string{"Sign in at " + door + ", and then load this page again."}
		f.notes = []string{"If people should sign in here, name this host in a rule of its own, or in DOORWARD_PUBLIC_URL."}
		f.actions = []action{{Label: "Sign in at " + door, Address: p.endpointURL(p.origins[0], "/start")}}
	}
	return f
}

func notFound() *failure {
	return &failure{status: http.StatusNotFound, code: "not_found", title: "There is no such page",
		text: []string{"doorward has no page at this address."}, actions: []action{toStart()}}
}

// noFront is for a server in front that nobody told doorward of. It asks under a name of its own, so the name is not what is wrong.
func noFront() *failure {
	f := notFound()
	f.event, f.cause = "forward_auth_refused", errors.New("DOORWARD_FORWARD_AUTH is unset; where a server in front asks, it says which")
	return f
}

// questionRefused is for a server in front that asks otherwise than FORWARD_AUTH says, and for whoever poses as one.
func questionRefused(cause error) *failure {
	return forPrograms(&failure{status: http.StatusForbidden, code: "forward_auth_refused", event: "forward_auth_refused",
		title: "This is for the server in front", text: []string{"It did not ask as DOORWARD_FORWARD_AUTH says. The log says more."},
		cause: cause})
}

func ownEndpoint(prefix string) *failure {
	return &failure{status: http.StatusForbidden, code: "own_endpoint", event: "forward_auth_refused",
		title: "This address is doorward's own", text: []string{"The server in front has to pass it on to doorward, without asking."},
		cause: errors.New("the server in front asks about a path under " + prefix + "/, which it has to pass on without asking")}
}

// People who may not.

func unauthenticated() *failure {
	return &failure{status: http.StatusUnauthorized, code: "unauthenticated", title: "Signing in is needed",
		text:   []string{"There is no valid session. Sign in at login_url with a browser."},
		header: http.Header{"Www-Authenticate": {`Bearer realm="doorward"`}}}
}

// denied names the rule and what it asks for, so that people know whom to ask for what.
func denied(route *access.Route, refusal *access.Refusal, who *identity) *failure {
	f := &failure{status: http.StatusForbidden, code: "denied", reason: refusal.Reason, event: "denied",
		title:   "You may not go here",
		details: []detail{{"Rule", route.Rule()}}, // as log and metrics have it
		cause:   fmt.Errorf("rule %q asks for %s", refusal.Rule, refusal.Asks)}
	if route.Access() == access.Deny {
		f.text = []string{"Nobody is let through here."}
		if refusal.Reason == "no-rule" {
			f.text = []string{"No rule covers this address, and what no rule covers is closed."}
		}
		f.actions = []action{toStart()}
		return f
	}
	if refusal.Rule != route.Rule() { // one of two that must both hold, or that of the server in front
		f.details = append(f.details, detail{"Refused by", refusal.Rule})
	}
	f.details = append(f.details, detail{"It asks for", refusal.Asks}, detail{"You are", who.session.User})
	f.text = []string{"You are signed in, but the rule for this page asks for something that you do not have.",
		"If you should have it, send the lines below, with the request id, to whoever runs this application."}
	if refusal.Conflict {
		f.text = append(f.text, "Several rules hold for this page, and each wants another way of signing in, so that no login is right for all of them.")
		f.notes = append(f.notes, "See acr: in DOORWARD_ACCESS_RULES.")
	}
	f.actions = []action{toStart(), {Label: "Sign in as somebody else", Address: "sign_out"}}
	return f
}

// aboutGroups says why somebody whom a rule asks for a group may be in none, and how that is mended.
func (f *failure) aboutGroups(known knownGroups, leftOut bool) {
	switch {
	case len(known.taken) > 0:
		f.reason = "group_name_taken"
		f.cause = fmt.Errorf("%w, and the provider has a group of its own by the name %q, which DOORWARD_GROUP_ALIASES gives to another", f.cause, known.taken[0])
		f.text = append(f.text, "The provider has a group whose own name is one that doorward's settings give to another group, and you are in it. "+
			"It counts as neither.")
		f.notes = append(f.notes, "Choose other names: see DOORWARD_GROUP_ALIASES.")
	case leftOut:
		f.reason = "groups_left_out"
		f.cause = fmt.Errorf("%w, and the provider left the groups out; %s", f.cause, mendForTooMany)
		f.text = append(f.text, "The rule asks for a group, and the provider left yours out: you are in too many for its tokens, or it keeps them at its "+
			"userinfo, which refuses doorward's access token.")
		f.notes = append(f.notes, strings.ToUpper(mendForTooMany[:1])+mendForTooMany[1:]+". Where it is its userinfo that refuses, the log says userinfo_refused.")
	default:
		f.cause = fmt.Errorf("%w, and the provider sent no groups: see DOORWARD_SCOPES and DOORWARD_GROUPS_CLAIM", f.cause)
		f.text = append(f.text, "The rule asks for a group, and the provider sent no groups for you. Either you are in none, or it was not asked for them.")
		f.notes = append(f.notes, "Does the provider want a scope for groups (DOORWARD_SCOPES), or call them otherwise (DOORWARD_GROUPS_CLAIM)? "+
			"doorward check --live asks it.")
	}
}

// mendForTooMany is what whoever runs the provider can do.
const mendForTooMany = "let the provider put into its tokens only the groups that this application needs (Entra ID: \"Groups assigned to the " +
	"application\" in the groups claim, or app roles, with DOORWARD_GROUPS_CLAIM=roles)"

// tooOldAlready is a refusal by a rule whose max-age was over as soon as the login was through.
func tooOldAlready(refused *failure, page string) *failure {
	refused.text = []string{"You signed in just now, and for this page that is too long ago already. Either its rule allows less time than " +
		"signing in takes, or the clocks of doorward and the provider differ.",
		"If it happens again, send the lines below, with the request id, to whoever runs this application."}
	refused.actions = append([]action{{Label: "Try again", Address: page}}, refused.actions...)
	return refused
}

// loginInsufficient tells programs, and people who posted a form, that another login is needed (RFC 9470 3).
func loginInsufficient(asks access.StepUp) *failure {
	f := &failure{status: http.StatusUnauthorized, code: insufficient, event: "denied", title: "Signing in again is needed",
		text: []string{"The login was made in another way, or longer ago, than is asked for here.", "Nothing of what was sent was passed on."},
		asks: asks}
	if len(asks.ACR) > 0 {
		f.details = append(f.details, detail{"ACR values", acrText(asks)})
	}
	if asks.MaxAge != nil {
		f.details = append(f.details, detail{"Max age", maxAgeText(asks)})
	}
	f.header = http.Header{"Www-Authenticate": {writeChallenge(asks, f.description())}}
	return f
}

// toCanonical leads to where people can sign in for sure.
func (p *Proxy) toCanonical() action {
	return action{Label: "Go to " + p.origins[0].String(), Address: p.origins[0].String() + "/"}
}

func toStart() action { return action{Label: "Go to the start page", Address: "/"} }

// otherSite is a request that a page of another site may have made the browser send.
func otherSite(text string, cause error) *failure {
	return &failure{status: http.StatusForbidden, code: "cross_site", event: "denied", reason: "cross_site",
		title: "Another site asked for this", text: []string{text}, cause: cause}
}

func nobodyToSignOut() *failure {
	return &failure{status: http.StatusForbidden, code: "unauthenticated", title: "Nobody is signed in here",
		text:    []string{"So it is not known whose sessions should end, and nothing was done. Sign in, and then sign out everywhere."},
		actions: []action{{Label: "Sign in", Address: "start"}}}
}

// Logins that fail.

// loginFailed counts a failed login under a fixed result. Its page offers to try again, for the address that was wanted.
func (p *Proxy) loginFailed(result, returnTo string, f *failure) *failure {
	p.metrics.logins.WithLabelValues(result).Inc()
	f.code, f.event, f.reason, f.person = "login_failed", "login_failed", result, true
	f.actions = []action{{Label: "Try again", Address: "start" + withReturn(returnTo)}}
	return f
}

// loginFailure tells what the provider did wrong, or said, unless the client did not wait for it.
func (p *Proxy) loginFailure(r *http.Request, err error, returnTo string) *failure {
	if r.Context().Err() != nil {
		return clientGone(err)
	}
	known, ok := errors.AsType[*provider.Error](err)
	if !ok {
		return p.loginFailed("internal_error", returnTo, broken(err))
	}
	return p.loginFailed(known.Kind.String(), returnTo, p.providerFailure(known).because(err))
}

func (p *Proxy) providerFailure(err *provider.Error) *failure {
	switch err.Kind {
	case provider.KindUnavailable:
		return providerDown()
	case provider.KindProviderError:
		return providerRefused(err)
	case provider.KindUnmetAuthentication:
		return loginUnmet(err)
	case provider.KindTokenRequestFailed:
		return p.exchangeRefused(err)
	case provider.KindCodeRefused:
		return codeRefused(err)
	case provider.KindPARFailed:
		return p.requestRefused(err)
	case provider.KindInvalidAnswer, provider.KindIssuerMismatch:
		return &failure{status: http.StatusBadRequest, title: "Signing in did not work",
			text: []string{"The answer that came back from the provider is not one to this login. You are not signed in."}}
	}
	return &failure{status: http.StatusBadGateway, title: "Signing in did not work",
		text: []string{"The provider's answer did not pass doorward's checks, so you are not signed in. " +
			"If it happens again, send the request id below to whoever runs this application: the log says what was wrong."}}
}

// codeRefused is a code that the provider does not take. Whatever code the browser brings, the fault is not this side's.
func codeRefused(err *provider.Error) *failure {
	return &failure{status: http.StatusBadRequest, title: "Signing in did not work", details: []detail{{"Error", err.Code}},
		text: []string{"The provider does not take the code that your browser brought back from it: it was used before, is too old, " +
			"or belongs to another login. Sign in once more. If it happens again, send the request id below to whoever runs this application."}}
}

// exchangeRefused is a token request that failed.
func (p *Proxy) exchangeRefused(err *provider.Error) *failure {
	return p.clientRefused(err, "The provider signed you in, but then did not give doorward its tokens. "+
		"If it happens again, send the request id below to whoever runs this application: the log says why.")
}

// requestRefused is a pushed authorization request that failed (RFC 9126 2.3): nobody has been asked to sign in yet.
func (p *Proxy) requestRefused(err *provider.Error) *failure {
	return p.clientRefused(err, "doorward announces each login to the provider before it sends you there, and the provider did not take this one. "+
		"If it happens again, send the request id below to whoever runs this application: the log says why.")
}

// clientRefused is a request of ours that failed where we prove who we are. The commonest reason is a credential, which people
// cannot mend; for any other there is text.
func (p *Proxy) clientRefused(err *provider.Error, text string) *failure {
	f := &failure{status: http.StatusBadGateway, title: "Signing in did not work", text: []string{text}}
	if err.Code == "invalid_client" || err.Code == "unauthorized_client" {
		f.text = []string{"The provider does not accept the way in which doorward identifies itself. Nothing that you can do will change that: " +
			"send the request id below to whoever runs this application."}
		f.notes = []string{"Compare " + p.clientSettings() + " with what the provider knows of this client."}
	}
	if err.Code != "" {
		f.details = []detail{{"Error", err.Code}}
	}
	return f
}

// clientSettings names the settings by which the provider knows us.
func (p *Proxy) clientSettings() string {
	switch p.config.ClientAuth {
	case "private_key_jwt":
		return "DOORWARD_CLIENT_ID, DOORWARD_CLIENT_AUTH and DOORWARD_CLIENT_KEY"
	case "none":
		return "DOORWARD_CLIENT_ID and DOORWARD_CLIENT_AUTH"
	}
	return "DOORWARD_CLIENT_ID, DOORWARD_CLIENT_SECRET and DOORWARD_CLIENT_AUTH"
}

func providerDown() *failure {
	f := &failure{status: http.StatusServiceUnavailable, title: "Signing in is not possible right now",
		text: []string{"The provider that signs you in does not answer. doorward keeps trying. Wait a moment and try again."}}
	return f.retryAfter(5)
}

func providerRefused(err *provider.Error) *failure {
	f := &failure{status: http.StatusForbidden, title: "The provider did not sign you in",
		text:    []string{"It gave the reason below. If you should be let in, send it, with the request id, to whoever runs this application."},
		details: []detail{{"Error", err.Code}}}
	if err.Description != "" {
		f.details = append(f.details, detail{"Description", err.Description})
	}
	switch err.Code {
	case "server_error", "temporarily_unavailable":
		f.status = http.StatusBadGateway
	case "access_denied", "login_required", "consent_required", "interaction_required", "account_selection_required":
	default:
		f.status = http.StatusBadRequest
	}
	return f
}

// loginUnmet is a login that was asked for in a certain way, or to be recent, and is not.
func loginUnmet(err *provider.Error) *failure {
	f := &failure{status: http.StatusForbidden, title: "The provider did not sign you in as this page asks for",
		text: []string{"It was asked for a certain way of signing in, or for a login that is recent, and its answer was another one. " +
			"Nothing has changed: if you were signed in before, you still are.",
			"You can try again, if the provider let you choose. Otherwise send the lines below, with the request id, to whoever runs this application."}}
	if err.Code != "" {
		f.details = append(f.details, detail{"Error", err.Code})
	}
	if err.Description != "" {
		f.details = append(f.details, detail{"Description", err.Description})
	}
	return f
}

// loginAskedFor adds to a failed login what it had been asked for, and leads back to the page itself, which asks for it again: a
// login from the beginning would ask for less.
func loginAskedFor(login *session.Login, f *failure) *failure {
	asks := askedFor(login)
	if asks.IsZero() {
		return f
	}
	f.details = append(f.details, detail{"Asked for", inWords(asks)})
	f.actions = []action{{Label: "Try again", Address: login.ReturnTo}, toStart()}
	return f
}

func loginExpired() *failure {
	return &failure{status: http.StatusBadRequest, title: "This login is over",
		text:  []string{"The page was reloaded, opened from a bookmark, or took too long. Nothing is lost: sign in once more."},
		cause: errors.New("the browser has no login cookie for this state: late, loaded again, or begun by somebody else")}
}

func unusableClaims(err error) *failure {
	if groups, ok := errors.AsType[*failure](err); ok {
		return groups // they have a page of their own
	}
	return &failure{status: http.StatusBadGateway, title: "Signing in did not work",
		text: []string{"The provider signed you in, but what it says about you cannot be used. The log says why."}, cause: err}
}

func tooManyGroups(groups, bytes int) *failure {
	return &failure{status: http.StatusInternalServerError, code: "too_many_groups", title: "You are in too many groups",
		text:  []string{fmt.Sprintf("The header that names your %d groups would take %d bytes; upstreams are sent %d at most.", groups, bytes, maxGroupsHeader)},
		notes: []string{"Set DOORWARD_FORWARD_GROUPS=matched, which forwards only groups that a rule names."},
		cause: fmt.Errorf("the groups header of %d bytes for %d groups is over %d; set DOORWARD_FORWARD_GROUPS=matched", bytes, groups, maxGroupsHeader)}
}

// sessionFailure tells a session that does not fit from whatever else keeps one from being made.
func (p *Proxy) sessionFailure(err error, returnTo string) *failure {
	if errors.Is(err, session.ErrUnavailable) {
		return p.loginFailed("redis_unavailable", returnTo, sessionsUnavailable(err))
	}
	tooLarge, ok := errors.AsType[*session.TooLargeError](err)
	if !ok {
		return p.loginFailed("internal_error", returnTo, broken(err))
	}
	place := "this browser's cookies"
	if tooLarge.Stored {
		place = "what doorward keeps of a person"
	}
	return p.loginFailed("session_too_large", returnTo, &failure{status: http.StatusInternalServerError, title: "Your session is too large",
		text: []string{"What the provider says about you does not fit into " + place + ": " + err.Error()}, cause: err})
}

// loginLoop explains what browsers would call too many redirects.
func (p *Proxy) loginLoop(returnTo string, asks access.StepUp) *failure {
	f := &failure{status: http.StatusBadRequest, code: "login_loop", event: "login_loop", person: true,
		title: "You keep being sent back to the login",
		text: []string{fmt.Sprintf("You have signed in %d times in a row, and each time the next page knew nothing of it.", loopLimit),
			"Most often the browser does not keep this site's cookies. Let it keep them, and try once more."},
		notes: []string{"Is the address in the browser one of DOORWARD_PUBLIC_URL? Does something between browser and doorward remove cookies? " +
			"It can also be that the provider's access tokens are over before they arrive: compare the clocks."},
		actions: []action{{Label: "Try once more", Address: returnTo}},
		cause:   errors.New("the same person completed several logins in a row for one address, and no request used their session")}
	if domain := p.config.SessionDomain(); domain != "" {
		f.text = append(f.text, "Another server under "+domain+" may have set a cookie of the same name: delete the cookies of this site.")
		f.notes = append(f.notes, "The cookies are for all of "+domain+" (DOORWARD_COOKIE_DOMAIN). Browsers keep none for a domain under which anybody can have a name, such as co.uk.")
	}
	if !asks.IsZero() {
		f.text = []string{fmt.Sprintf("You have signed in %d times in a row, and each time the page asked for another login.", loopLimit),
			"Most often an application and the rules before it ask for different ways of signing in (acr), or an application asks for " +
				"one that it does not recognise then. Whoever runs them can mend it."}
		f.details = []detail{{"Asked for at last", inWords(asks)}}
	}
	return f
}

// Sessions whose access token is dead.

// cannotRefresh is for people and programs alike: a login would not get further than the refresh did.
func cannotRefresh() *failure {
	return &failure{status: http.StatusBadGateway, code: "refresh_unavailable", reason: "refresh_unavailable",
		title: "Your session cannot be renewed right now",
		text: []string{"You are still signed in, but the provider that vouches for you does not answer. doorward keeps trying. " +
			"Wait a moment and try again."},
		actions: []action{toStart()},
		cause:   errors.New("the access token has expired, and the provider is not available to refresh it")}
}

// sessionsUnavailable is for people and programs alike: whoever is signed in still is, and whoever is not would not get further.
func sessionsUnavailable(cause error) *failure {
	return (&failure{status: http.StatusServiceUnavailable, code: "sessions_unavailable", reason: "redis_unavailable",
		title: "Sessions cannot be looked up right now",
		text: []string{"The store in which doorward keeps who is signed in does not answer. doorward keeps trying. " +
			"Wait a moment and try again."},
		actions: []action{toStart()}, cause: cause}).retryAfter(5)
}

// Logouts that the provider reports.

// notALogout is a failure of a request to end sessions, by the provider or an administrator, in which the request is at fault
// (OpenID Connect Back-Channel Logout 2.8).
func notALogout(f *failure) *failure {
	f.code, f.event = "invalid_request", "logout_failed"
	return forPrograms(f)
}

func forPrograms(f *failure) *failure {
	f.program = true
	return f
}

// logoutTokenRefused tells a token that is at fault from one that cannot be checked now.
func logoutTokenRefused(err error) *failure {
	if known, ok := errors.AsType[*provider.Error](err); !ok || known.Kind != provider.KindInvalidLogoutToken {
		return tryLogoutAgain("The logout token cannot be checked now", "The provider's keys are not to be had. Send it again.", err)
	}
	return notALogout(&failure{status: http.StatusBadRequest, title: "The logout token is not accepted",
		text: []string{"The log says what is wrong with it."}, cause: err})
}

func logoutTokenUsed() *failure {
	return notALogout(&failure{status: http.StatusBadRequest, title: "The logout token was used before",
		text: []string{"Nothing was done this time."}, cause: errors.New("the logout token's jti came before")})
}

func logoutNotKept(err error) *failure {
	return tryLogoutAgain("The logout may not survive a restart", "The sessions have ended, but that cannot be written down. Send it again.", err)
}

// notEnded tells a name that is at fault from what could not be written down.
func notEnded(err error) *failure {
	if f, ok := errors.AsType[*failure](err); ok {
		return notALogout(f)
	}
	return logoutNotKept(err)
}

// notAnAdmin says nothing of what was wrong with the token.
func notAnAdmin() *failure {
	return forPrograms(&failure{status: http.StatusUnauthorized, code: "unauthenticated", event: "admin_refused",
		title: "This is for administrators", text: []string{"It needs DOORWARD_ADMIN_TOKEN as a bearer token, in one Authorization header."},
		header: http.Header{"Www-Authenticate": {`Bearer realm="doorward-admin"`}},
		cause:  errors.New("the request brings not exactly one Authorization header, or not DOORWARD_ADMIN_TOKEN in it")})
}

func tryLogoutAgain(title, text string, err error) *failure {
	f := &failure{status: http.StatusServiceUnavailable, code: "temporarily_unavailable", event: "logout_failed",
		title: title, text: []string{text}, cause: err}
	return forPrograms(f).retryAfter(5)
}

// Upstreams that fail, and clients that leave.

func noUpstream() *failure {
	return &failure{status: http.StatusNotFound, code: "no_upstream", title: "There is no such page",
		text: []string{"No upstream serves this address."}}
}

// leftToUs is a request that a server in front passed on, as it does when a question of its own is refused.
func leftToUs() *failure {
	return &failure{status: http.StatusNotFound, code: "no_upstream", title: "The server in front passed this on to doorward",
		text: []string{"You are let through, but the application is reached past doorward, by the server in front. It most likely asked " +
			"doorward in a way that was refused. Whoever runs doorward looks for forward_auth_refused in its log."},
		cause: errors.New("no upstream serves this address, and the server in front has to; forward_auth_refused says why it may not have")}
}

func upstreamDown(reason string, err error) *failure {
	return &failure{status: http.StatusBadGateway, code: "upstream_error", reason: reason, event: "upstream_error",
		title: "The application does not answer",
		text:  []string{"You are let through, but the application behind doorward cannot be reached. Try again in a moment."}, cause: err}
}

func upstreamTimeout(err error) *failure {
	return &failure{status: http.StatusGatewayTimeout, code: "upstream_timeout", reason: "timeout", event: "upstream_error",
		title: "The application takes too long",
		text:  []string{"You are let through, but the application behind doorward did not answer in time."}, cause: err}
}

// shuttingDown is for clients that another instance may serve.
func shuttingDown() *failure {
	f := &failure{status: http.StatusServiceUnavailable, code: "shutdown", reason: "shutdown", title: "doorward is being restarted",
		text: []string{"Try again in a moment."}}
	return f.retryAfter(1)
}

// requestTimeout is for clients that do not send what they began to (RFC 9110 15.5.9).
func requestTimeout() *failure {
	return &failure{status: http.StatusRequestTimeout, code: "request_timeout", title: "This request did not arrive",
		text: []string{"Nothing more of its body came for as long as doorward waits (IDLE_TIMEOUT)."}}
}

func notAForm() *failure {
	return &failure{status: http.StatusUnsupportedMediaType, code: "bad_request", title: "This is not a form",
		text: []string{"The body must be application/x-www-form-urlencoded."}, cause: errors.New("the body is no form")}
}

func bodyTooLarge(err error) *failure {
	return &failure{status: http.StatusRequestEntityTooLarge, code: "body_too_large", reason: "body_too_large",
		title: "This is too large", text: []string{"The body of the request is larger than is accepted here."}, cause: err}
}

// statusClientGone is what logs show for a client that did not wait; nobody receives it.
const statusClientGone = 499

func clientGone(err error) *failure {
	return &failure{status: statusClientGone, code: "client_gone", reason: "client_gone", title: "The client went away", cause: err}
}

func broken(err error) *failure {
	return &failure{status: http.StatusInternalServerError, code: "internal_error", event: "internal_error",
		title: "Something is wrong in doorward",
		text:  []string{"The request was refused to be on the safe side. The log says more under the request id below."}, cause: err}
}
