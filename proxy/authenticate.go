package proxy

import (
	"errors"
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

// authenticate finds out who is asking. It serves proxying and userinfo alike; they differ in how they answer. Where
// bearer tokens are accepted, one decides alone: whoever brings a bad one is not who their cookie says.
func (p *Proxy) authenticate(x *exchange, r *http.Request) (*identity, error) {
	if token, ok := bearerToken(r.Header.Get("Authorization")); ok && p.config.AcceptsBearerTokens() {
		return p.authenticateBearer(x, r, token)
	}
	return p.authenticateSession(x, r)
}

// authenticateSession finds out whose session it is. A cookie that does not open, whatever the reason, is no session.
func (p *Proxy) authenticateSession(x *exchange, r *http.Request) (*identity, error) {
	s, err := p.sessions.Get(r)
	p.metrics.sessionLoaded(err, err != nil && p.sessions.Carries(r))
	if err != nil {
		return nil, errNoSession
	}
	x.belongsTo(s)
	return &identity{session: s}, nil
}
