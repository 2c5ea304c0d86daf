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
}

// authenticate finds out who is asking. It serves proxying and userinfo alike; they differ in how they answer. A
// cookie that does not open, whatever the reason, is no session.
func (p *Proxy) authenticate(x *exchange, r *http.Request) (*identity, error) {
	s, err := p.sessions.Get(r)
	p.metrics.sessionLoaded(err, err != nil && p.sessions.Carries(r))
	if err != nil {
		return nil, errNoSession
	}
	x.belongsTo(s)
	return &identity{session: s}, nil
}
