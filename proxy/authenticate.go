package proxy

import (
	"errors"
	"log/slog"
	"net/http"

	"doorward/session"
)

// errNoSession says that nobody is signed in. What follows from it is decided by who is asking: people are sent to
// the login, programs get 401.
var errNoSession = errors.New("no session")

// identity is a person who proved who they are.
type identity struct {
	session *session.Session
	bearer  bool // by an access token: the session is made of it for this request, has no ID, and is in no cookie
}

// token is the access token for whoever serves them: a session's while it lives, and the one that a client brought as long as it counts.
func (i *identity) token() string {
	if i.bearer {
		return i.session.AccessToken
	}
	return i.session.LivingToken()
}

// authenticate finds out who is asking, on whose behalf something is about to be done. Where bearer tokens are accepted, one decides
// alone: whoever brings a bad one is not who their cookie says. Else the session counts as used, its token is refreshed when it is
// near its end, and what the browser is to keep of that goes with the answer. The error is errNoSession, or a failure that no login
// mends.
func (p *Proxy) authenticate(x *exchange, r *http.Request) (*identity, error) {
	if isPreflight(r) {
		return nil, errNoSession
	}
	if who, brought, err := p.byToken(x, r); brought {
		return who, err
	}
	carried, err := p.carriedSession(x, r)
	if err != nil {
		return nil, err
	}
	x.onHead = func(h http.Header) { p.saveNewest(h, r, carried) }
	s, err := p.refreshes.fresh(r.Context(), carried, func() []slog.Attr { return x.request(nil, r) })
	if err != nil {
		return nil, err
	}
	x.belongsTo(s)
	x.connection.cameWith(carried, s)
	p.sessions.Used(s)
	return &identity{session: s}, nil
}

// recognize finds out the same and leaves everything as it is: nothing is refreshed, and the session does not count as used.
func (p *Proxy) recognize(x *exchange, r *http.Request) (*identity, error) {
	if who, brought, err := p.byToken(x, r); brought {
		return who, err
	}
	return p.recognizeSession(x, r)
}

// recognizeSession does so where a token counts for nothing: at the end of a login, and of a session.
func (p *Proxy) recognizeSession(x *exchange, r *http.Request) (*identity, error) {
	carried, err := p.carriedSession(x, r)
	if err != nil {
		return nil, err
	}
	s, err := p.refreshes.current(carried)
	if err != nil {
		return nil, err
	}
	x.belongsTo(s)
	return &identity{session: s}, nil
}

// byToken finds out who is asking by a bearer token, where these are accepted and the request brings one.
func (p *Proxy) byToken(x *exchange, r *http.Request) (who *identity, brought bool, err error) {
	token, ok := bearerToken(r.Header.Get("Authorization"))
	if !ok || !p.config.AcceptsBearerTokens() {
		return nil, false, nil
	}
	who, err = p.authenticateBearer(x, r, token)
	return who, true, err
}

// noSession is what follows when a session is not good: there is none, or nobody knows, which a login would not mend.
func noSession(err error) error {
	if errors.Is(err, session.ErrUnavailable) {
		return sessionsUnavailable(err)
	}
	return errNoSession
}

// carriedSession is the session that a request's cookies stand for. A cookie that does not open, whatever the reason, is no session.
func (p *Proxy) carriedSession(x *exchange, r *http.Request) (*session.Session, error) {
	x.connection.seals = p.sessions.Seals() // before, or what is opened with a secret that goes meanwhile would be looked at no more
	s, err := p.sessions.Get(r)
	p.metrics.sessionLoaded(err, err != nil && p.sessions.Carries(r))
	if err != nil {
		return nil, noSession(err)
	}
	x.belongsTo(s)
	p.remember(s)
	return s, nil
}
