package proxy

import (
	"errors"
	"net/http"
	"time"
)

// userinfo tells a signed-in person, or an API client, who they are and how long that holds: GET /oauth2/userinfo. It extends
// nothing, neither the session here nor, by a refresh, the one at the provider, so that an application may poll it. It never shows a
// token (ASVS 10.1.1). No other site can read it: it carries no CORS headers.
func (p *Proxy) userinfo(x *exchange, r *http.Request) error {
	if err := readOnly(r); err != nil {
		return err
	}
	if err := p.oneAuthorization(r); err != nil {
		return err
	}
	who, err := p.recognize(x, r)
	if errors.Is(err, errNoSession) {
		return unauthenticated() // whoever asks, asks for JSON
	}
	if err != nil {
		return err
	}
	s := who.session
	p.loops.arrived(s.ID)
	x.outcome = "userinfo"
	x.Header().Set("Cross-Origin-Resource-Policy", "same-origin")
	p.writeJSON(x, r, http.StatusOK, struct {
		User              string   `json:"user"`
		Email             string   `json:"email,omitempty"`
		Groups            []string `json:"groups"`
		PreferredUsername string   `json:"preferredUsername,omitempty"`
		ExpiresIn         int      `json:"expires_in"`
		TokenExpiresIn    int      `json:"token_expires_in"`
		IdleIn            *int     `json:"idle_in,omitempty"`
	}{
		s.User, s.Email, append([]string{}, p.groupsOf(s, x.rules).names...), s.PreferredUsername,
		secondsUntil(p.sessions.EndsAt(s)), secondsUntil(s.TokenExpiresAt), p.idleIn(who),
	})
	return nil
}

// idleIn is in how many seconds a session ends unless it is used; nil where that does not matter.
func (p *Proxy) idleIn(who *identity) *int {
	end := p.sessions.IdleEndsAt(who.session)
	if end.IsZero() || who.bearer {
		return nil
	}
	seconds := secondsUntil(end)
	return &seconds
}

func secondsUntil(t time.Time) int { return max(0, int(time.Until(t).Seconds())) }
