package proxy

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"time"

	"doorward/proxy/pages"
	"doorward/proxy/provider"
	"doorward/session"
)

// This file is the Authorization Code Flow of OpenID Connect (OIDC Core 3.1) as a person lives through it, in six steps:
//
//	1. The authorization request. They ask for a page and have no session. login remembers where they wanted to go, and
//	   sends them to the provider.
//	2. The provider signs them in, by whatever means it likes, and sends them back to our callback with a code.
//	3. The callback. callback recognises the browser that began the login.
//	4. The token request. redeem exchanges the code for tokens, directly with the provider (provider/tokenrequest.go).
//	5. The checks. Only when everything about the tokens is right (provider/idtoken.go, accesstoken.go, userinfo.go),
//	6. the session. welcome makes it, and the person goes where they wanted to.
//
// The secrets of one login (state, nonce, code verifier) travel in a sealed cookie of its own, so that several tabs
// can log in at once and no server remembers anything between the steps.
//
// Rules that this file keeps:
//
//   - The order of the callback: the login cookie found by state, cleared, iss, error, code exchange, ID token,
//     access token, userinfo, session. No later step begins before the earlier one is done.
//   - A login is used once: its cookie goes with the first callback, whatever comes of it (RFC 9700 4.2.4).
//   - No callback starts another login by itself.

// login sends a person to the provider: step 1, the authorization request (OIDC Core 3.1.2.1).
// hint says whom the provider may expect.
func (p *Proxy) login(x *exchange, r *http.Request, login *session.Login, hint string) error {
	if !p.sessions.Reachable() {
		return p.sessionFailure(session.ErrUnavailable, login.ReturnTo) // now, not after they have signed in
	}
	if x.origin.door != nil {
		p.signInElsewhere(x, login, hint)
		return nil
	}
	// state ties the callback to this browser (RFC 9700 4.7), nonce ties the ID token to this login (OIDC Core
	// 15.5.2), and the verifier ties the code to whoever asked for it (PKCE, RFC 7636). All three are random and
	// new at every login. The registered address of the callback comes from PUBLIC_URL, never from the request.
	request := provider.NewRequest(p.endpointURL(x.origin, "/callback"))
	asks := askedFor(login) // more than who it is, perhaps: stepup.go
	request.ACR, request.MaxAge, request.LoginHint = asks.ACR, asks.MaxAge, hint

	location, err := p.provider.AuthorizationURL(r.Context(), request)
	if err != nil {
		return loginAskedFor(login, p.loginFailure(r, err, login.ReturnTo))
	}
	login.State, login.Nonce, login.Verifier = request.State, request.Nonce, request.Verifier
	login.RedirectURI = request.RedirectURI
	if before, _ := p.sessions.Get(r); before != nil {
		login.Before = before.ID
	}
	if err := p.sessions.BeginLogin(x.Header(), r, login); err != nil {
		return broken(err)
	}
	p.metrics.loginsStarted.Inc()
	x.outcome = "login"
	x.redirect(location)
	return nil
}

// callback is step 3 (OIDC Core 3.1.2.5), and leads to the others.
func (p *Proxy) callback(x *exchange, r *http.Request) error {
	values, err := p.answerValues(x, r)
	if err != nil {
		return err
	}
	if !values.Has("state") && !values.Has("code") && !values.Has("error") {
		return p.strayCallback(x, r) // a bookmark of the bare address
	}
	answer, err := provider.ParseAnswer(values)
	if err != nil {
		return p.loginFailure(r, err, "")
	}

	// The login cookie is found by state. Without one, this browser began no such login: the callback came late,
	// twice, or from somebody who wants to slip us a login of theirs (login CSRF).
	login, err := p.sessions.FindLogin(r, answer.State)
	if err != nil || login.RedirectURI != p.endpointURL(x.origin, "/callback") {
		return p.strayCallback(x, r)
	}
	p.sessions.EndLogin(x.Header(), login)

	person, s, err := p.redeem(r, login, answer)
	if err != nil {
		return err
	}
	x.user = s.User
	x.ofProvider(s.Issuer, s.ProviderSession)
	return p.welcome(x, r, login, person, s)
}

// answerValues are the parameters of the authorization response: from the query string, or, where RESPONSE_MODE is
// form_post, from the form that the provider made the browser post (OAuth 2.0 Form Post Response Mode).
func (p *Proxy) answerValues(x *exchange, r *http.Request) (values url.Values, err error) {
	formPost := p.config.ResponseMode == "form_post"
	switch {
	case r.Method == http.MethodGet:
		values, err = url.ParseQuery(r.URL.RawQuery)
	case r.Method == http.MethodPost && formPost:
		values, err = readForm(x, r)
	case formPost:
		return nil, methodRefused("GET, POST")
	default:
		return nil, methodRefused("GET")
	}
	if err == nil && formPost && r.Method == http.MethodGet && values.Has("code") {
		err = errors.New("a code came in the address, though RESPONSE_MODE is form_post")
	}
	if err != nil {
		f, ok := errors.AsType[*failure](err)
		if !ok {
			f = badRequest("the provider's answer does not parse").because(err)
		}
		return nil, p.loginFailed("invalid_answer", "", f)
	}
	return values, nil
}

// maxForm bounds the forms that are posted to us, in bytes.
const maxForm = 64 << 10

// readForm reads a posted form, strictly: its type, its size, its syntax, and how long it takes to come.
func readForm(x *exchange, r *http.Request) (url.Values, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, notAForm()
	}
	if r.ProtoMajor == 1 && len(r.TransferEncoding) > 0 {
		x.Header().Set("Connection", "close") // what follows is no second request (golang/go#80942)
	}
	limits := http.NewResponseController(x)
	_ = limits.SetReadDeadline(time.Now().Add(maxBodyWait))
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxForm))
	_ = limits.SetReadDeadline(time.Time{}) // what follows is not the client's to be in time with
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, bodyTooLarge(err)
	}
	if err != nil {
		return nil, badRequest("the form did not arrive")
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, badRequest("the form does not parse")
	}
	return form, nil
}

// redeem is steps 4 and 5, a conversation with the provider: provider.Complete looks at iss and error, exchanges the code, and checks
// both tokens. What comes back is a person of whom every claim has been verified, and their session, which has not begun yet.
func (p *Proxy) redeem(r *http.Request, login *session.Login, answer provider.Answer) (*provider.Person, *session.Session, error) {
	asks := askedFor(login)
	began := time.Now()
	created, err := p.sessions.Now(r.Context())
	if err != nil {
		return nil, nil, p.sessionFailure(err, login.ReturnTo)
	}
	person, err := p.provider.Complete(r.Context(), provider.Request{
		State:       login.State,
		Nonce:       login.Nonce,
		Verifier:    login.Verifier,
		RedirectURI: login.RedirectURI,
		ACR:         asks.ACR,
		MaxAge:      asks.MaxAge,
	}, answer)
	if err != nil {
		return nil, nil, loginAskedFor(login, p.loginFailure(r, err, login.ReturnTo))
	}
	s, err := p.newSession(person, began)
	if err != nil {
		if !p.mayHoldOn(r, login, person) {
			p.revokeToken(person.RefreshToken) // nobody will hold it
		}
		return nil, nil, p.loginFailed("unusable_claims", login.ReturnTo, unusableClaims(err))
	}
	s.CreatedAt = created
	return person, s, nil
}

// mayHoldOn says whether a login that made no session leaves an older session of the same person in place: the provider may count both as one,
// so that revoking the new token would end the old one, too.
func (p *Proxy) mayHoldOn(r *http.Request, login *session.Login, person *provider.Person) bool {
	before, _ := p.sessions.Get(r)
	if before == nil {
		return login.Before != "" // its cookies may not have come along
	}
	return before.Issuer == person.Issuer && before.Subject == person.Subject
}

// welcome is step 6: it begins the session of a person who has logged in, and sends them where they wanted to go.
func (p *Proxy) welcome(x *exchange, r *http.Request, login *session.Login, person *provider.Person, s *session.Session) error {
	p.replaceSession(r, login, s)
	if err := p.sessions.Create(x.Header(), r, s); err != nil {
		p.sessions.Destroy(x.Header(), r) // whoever was signed in before is not who has just logged in
		p.revokeToken(s.RefreshToken)
		return p.sessionFailure(err, login.ReturnTo)
	}
	x.belongsTo(s)
	p.remember(s)
	p.tellOthers(r.Context(), s)
	x.outcome = "login"
	p.metrics.logins.WithLabelValues("ok").Inc()
	p.event(x, r, "login")
	if p.onLogin != nil {
		p.onLogin(r, person)
	}
	returnTo := p.returnAddress(login.ReturnTo, x.origin) // once more: settings may have changed meanwhile
	switch rounds := p.loops.completed(s, login); {
	case rounds >= loopLimit:
		p.metrics.loginLoops.Inc()
		return p.loginLoop(returnTo, askedFor(login))
	case rounds > 1:
		if err := p.sessions.CountRound(x.Header(), r, login.ReturnTo, rounds); err != nil {
			return broken(err)
		}
	}
	if p.config.CookieSamesite == "strict" {
		return p.stepOver(x, r, returnTo)
	}
	x.redirect(returnTo)
	return nil
}

// stepOver leads on from a page of ours: a redirect would still belong to the navigation that the provider's site
// began, and a Strict cookie does not go along with that (RFC 6265bis 5.2).
func (p *Proxy) stepOver(x *exchange, r *http.Request, returnTo string) error {
	return p.page(x, r, http.StatusOK, page{
		Kind:     pages.SignedIn,
		Title:    "You are signed in",
		Text:     []string{"One moment, you are being taken back."},
		Continue: returnTo,
	})
}

// strayCallback answers a callback without its login cookie: reloaded, bookmarked, late, or forged. Somebody who is
// signed in just goes on; anybody else gets a page with a button. Nothing starts by itself, or a broken cookie would
// send browsers round in circles.
func (p *Proxy) strayCallback(x *exchange, r *http.Request) error {
	_, err := p.recognizeSession(x, r)
	switch {
	case err == nil:
		x.outcome = "login_stale"
		x.redirect("/")
		return nil
	case !errors.Is(err, errNoSession):
		return err
	}
	return p.loginFailed("no_login_state", "", loginExpired(r.Header.Get("Cookie") != ""))
}
