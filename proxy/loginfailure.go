package proxy

import (
	"errors"
	"fmt"
	"net/http"

	"doorward/proxy/access"
	"doorward/proxy/provider"
	"doorward/session"
)

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

func loginExpired(cookies bool) *failure {
	f := &failure{status: http.StatusBadRequest, title: "This login is over",
		text:  []string{"The page was reloaded, opened from a bookmark, or took too long. Nothing is lost: sign in once more."},
		cause: errors.New("the browser has no login cookie for this state: late, loaded again, or begun by somebody else")}
	if !cookies {
		f.text = append(f.text, "If you have only just signed in, your browser keeps no cookies of this site. Let it keep them.")
		f.cause = fmt.Errorf("%w; it sent no cookie at all", f.cause)
	}
	return f
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
			"It can also be that the provider's access tokens have expired before they arrive: compare the clocks."},
		actions: []action{{Label: "Try once more", Address: returnTo}},
		cause:   errors.New("the same person completed several logins in a row for one address, and no request used their session")}
	if domain := p.config.SessionDomain(); domain != "" {
		f.text = append(f.text, "Another server under "+domain+" may have set a cookie of the same name: delete the cookies of this site.")
		f.notes = append(f.notes, "The cookies are for all of "+domain+" (DOORWARD_COOKIE_DOMAIN). Browsers keep none for a domain under which anybody can have a name, such as co.uk.")
	}
	if !asks.IsZero() {
		f.text = []string{fmt.Sprintf("You have signed in %d times in a row, and each time the page asked for another login.", loopLimit),
			"Most often an application and the rules before it ask for different ways of signing in (acr), or an application asks for " +
				"one that it then does not recognise. Whoever runs them can mend it."}
		f.details = []detail{{"Asked for at last", inWords(asks)}}
	}
	return f
}
