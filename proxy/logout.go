package proxy

import (
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"doorward/proxy/pages"
	"doorward/session"
)

// Rules that this file keeps:
//
//   - A link on another site signs nobody out (ASVS 3.5.3): POST only from pages of this origin, or of ALLOWED_ORIGINS (crosssite.go), GET
//     shows a page with a button, except when the browser vouches that a page of this origin navigated here.
//   - The session here ends whatever the provider says (ASVS 7.4.1), then the provider is asked to end its own
//     (OpenID Connect RP-Initiated Logout 1.0). It sends people back with the state that we sent, another, or none; nothing is done
//     when they come, so state is tied to nothing.
//   - "Everywhere" ends all sessions of whoever can show one of their own, even if its token has expired: somebody who finds their session
//     expired must not believe that the others have ended. One that was revoked or is past its absolute end is not enough: old
//     cookies that somebody found must not sign their owner out for ever.

// The kinds of sign-out, for the metric: here alone, at the provider as well, all sessions of a person.
const (
	logoutHere       = "local"
	logoutAtProvider = "rp_initiated"
	logoutEverywhere = "everywhere"
)

// signOut answers GET and POST /oauth2/sign_out.
func (p *Proxy) signOut(x *exchange, r *http.Request) error {
	everywhere := r.URL.Query().Has("everywhere")
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		return p.askToSignOut(x, r, everywhere)
	case http.MethodPost:
		if p.isForeignWrite(x, r) {
			return foreignSignOut(r)
		}
		return p.leave(x, r, everywhere)
	}
	return methodRefused("GET, HEAD, POST")
}

func (p *Proxy) askToSignOut(x *exchange, r *http.Request, everywhere bool) error {
	x.outcome = "sign_out_page"
	s, err := p.sessionToLeave(x, r)
	if err != nil {
		return err
	}
	if s == nil {
		return p.page(x, r, http.StatusOK, page{
			Kind:    pages.SignedOut,
			Title:   "You are signed out",
			Text:    []string{"You can close this page."},
			Actions: []action{{Label: "Sign in again", Address: p.config.EndpointPrefix + "/start"}},
		})
	}
	if !everywhere && r.Method == http.MethodGet && r.Header.Get("Sec-Fetch-Site") == "same-origin" && isNavigation(r) {
		return p.leave(x, r, false)
	}
	here, back := p.config.EndpointPrefix+"/sign_out", withReturn(r.URL.Query().Get("rd"))
	return p.page(x, r, http.StatusOK, page{
		Kind:  pages.SignOut,
		Title: "Sign out?",
		Text: []string{"This ends your session here and, where the provider supports it, there as well.",
			"Signing out everywhere also ends your sessions here in other browsers and on other devices."},
		Details: []pages.Detail{{Label: "You are", Value: s.User}},
		Actions: []action{
			{Label: "Sign out", Address: here + back, Post: true},
			{Label: "Sign out everywhere", Address: here + "?everywhere" + strings.Replace(back, "?", "&", 1), Post: true},
		},
	})
}

// sessionToLeave is the session that signing out would end; nil for none. One that is over by itself is one: the provider's may go on, and would
// sign in whoever comes next.
func (p *Proxy) sessionToLeave(x *exchange, r *http.Request) (*session.Session, error) {
	who, err := p.recognizeSession(x, r)
	switch {
	case err == nil:
		return who.session, nil
	case !errors.Is(err, errNoSession):
		return nil, err
	}
	if s, err := p.sessions.Get(r); errors.Is(err, session.ErrExpired) && !p.sessions.Revoked(s) {
		return s, nil
	}
	return nil, nil
}

// withReturn carries a return address, and nothing else, from a page to what its button leads to.
func withReturn(address string) string {
	if address == "" || address == "/" {
		return ""
	}
	return "?rd=" + url.QueryEscape(address)
}

// leave ends the session, or all of the person's, here and at the provider.
func (p *Proxy) leave(x *exchange, r *http.Request, everywhere bool) error {
	s, err := p.sessions.Get(r)
	if errors.Is(err, session.ErrUnavailable) {
		return sessionsUnavailable(err) // the cookies stay, to sign out with
	}
	nobody := s == nil || p.sessions.Revoked(s)
	if everywhere && (nobody || !time.Now().Before(s.ExpiresAt)) {
		return nobodyToSignOut()
	}
	p.sessions.Destroy(x.Header(), r)
	p.sessions.ForgetRounds(x.Header(), r)
	x.outcome = "signed_out"
	if !nobody {
		s, x.cause = p.endTokens(s)
	}
	if everywhere {
		x.cause = errors.Join(x.cause, p.sessions.RevokeSubject(s.Issuer, s.Subject))
	}
	kind, location := p.afterSignOut(x, r, s)
	if everywhere {
		kind = logoutEverywhere
	}
	if err == nil || everywhere {
		x.belongsTo(s)
		p.loops.arrived(s.ID)
		p.loggedOut(x, r, kind)
	}
	x.redirect(location)
	return nil
}

// endSession ends a session here. It gives the newest generation, whose ID token is the one to show to the provider. Its error is that
// a restart may bring the session back: it has ended now.
func (p *Proxy) endSession(s *session.Session) (*session.Session, error) {
	err := p.sessions.Revoke(s)
	newest := p.refreshes.generations.of(s).newest
	p.refreshes.generations.forget(s.ID)
	return newest, err
}

// endTokens ends a session as endSession does, and has the provider revoke its refresh token, in the background.
func (p *Proxy) endTokens(s *session.Session) (*session.Session, error) {
	newest, err := p.endSession(s)
	p.revokeToken(newest.RefreshToken)
	return newest, err
}

// replaceSession ends the session that the browser had before a login (ASVS 7.2.4), at once: a late answer to a request of its time
// must not bring its cookies back, and after a sign-out no older session may be left. The callback may have come without its
// cookies (SameSite), but the login knows what it began with. Somebody else's refresh token is revoked; the same person's is not,
// since a provider may count both sessions as one.
func (p *Proxy) replaceSession(r *http.Request, login *session.Login, s *session.Session) {
	before, err := p.sessions.Get(r)
	if before == nil || errors.Is(err, session.ErrRevoked) {
		before = &session.Session{ID: login.Before, Issuer: s.Issuer, Subject: s.Subject}
	}
	switch {
	case before.ID == "":
	case before.Issuer != s.Issuer || before.Subject != s.Subject:
		_, _ = p.endTokens(before)
	default:
		_ = p.sessions.Replace(before)
		p.refreshes.generations.forget(before.ID)
	}
}

// afterSignOut is where a person who has left is sent: to the provider, if it can end its session and there was one
// here, over or not, else where they asked to, else to POST_LOGOUT_URL. The provider compares the address that it sends
// people back to with the registered one, so that rd cannot be part of it.
func (p *Proxy) afterSignOut(x *exchange, r *http.Request, s *session.Session) (kind, location string) {
	if s != nil {
		if location, ok := p.provider.EndSessionURL(r.Context(), s.IDToken, p.config.LogoutURL(), rand.Text()); ok {
			return logoutAtProvider, location
		}
	}
	if rd := r.URL.Query().Get("rd"); rd != "" {
		return logoutHere, p.returnAddress(rd, x.origin)
	}
	return logoutHere, p.config.LogoutURL()
}

// loggedOut tells log and metrics that somebody has left, and how.
func (p *Proxy) loggedOut(x *exchange, r *http.Request, kind string) {
	x.outcome, x.reason = "signed_out", kind
	p.event(x, r, "logout")
	p.metrics.logouts.WithLabelValues(kind).Inc()
}
