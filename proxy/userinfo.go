package proxy

import (
	"errors"
	"net/http"
	"time"
)

// userinfo tells a signed-in person, or an API client, who they are and how long that holds: GET /oauth2/userinfo. It never extends the
// session, so that an application may poll it, and never shows a token (ASVS 10.1.1). No other site can read it: it
// carries no CORS headers.
func (p *Proxy) userinfo(x *exchange, r *http.Request) error {
	if err := readOnly(r); err != nil {
		return err
	}
	if err := p.oneAuthorization(r); err != nil {
		return err
	}
	who, err := p.authenticate(x, r)
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
	}{s.User, s.Email, append([]string{}, s.Groups...), s.PreferredUsername, secondsUntil(s.EndsAt()), secondsUntil(s.TokenExpiresAt)})
	return nil
}

func secondsUntil(t time.Time) int { return max(0, int(time.Until(t).Seconds())) }
