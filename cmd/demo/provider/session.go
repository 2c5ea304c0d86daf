package provider

import (
	"net/http"
	"time"
)

// The paths that a browser visits with its session at this provider.
const (
	sessionPath = "/session"
	loginPath   = sessionPath + "/login"
	logoutPath  = sessionPath + "/end"
)

// The cookie's path keeps it from the demo's other programs: cookies do not tell the ports of a host apart.
const (
	sessionCookie   = "demo-provider"
	sessionLifetime = 12 * time.Hour
)

// session remembers who signed in at this provider in this browser: single sign-on.
type session struct {
	id    string
	user  *User
	since time.Time
}

// sessions are the sessions of all browsers, by the values of their cookies.
type sessions struct{ byCookie memory[*session] }

// find returns the browser's session, nil when it has none.
func (s *sessions) find(r *http.Request) *session {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		return nil
	}
	found, _ := s.byCookie.get(cookie.Value)
	return found
}

// begin signs user in; whoever was signed in with this browser is not any more.
func (s *sessions) begin(w http.ResponseWriter, r *http.Request, user *User) *session {
	s.forget(r)
	begun := &session{id: newID(), user: user, since: time.Now()}
	value := newID()
	s.byCookie.put(value, begun, sessionLifetime)
	setCookie(w, value, sessionLifetime)
	return begun
}

// end signs out whoever is signed in with this browser.
func (s *sessions) end(w http.ResponseWriter, r *http.Request) {
	s.forget(r)
	setCookie(w, "", -time.Second)
}

func (s *sessions) forget(r *http.Request) {
	if cookie, err := r.Cookie(sessionCookie); err == nil {
		s.byCookie.take(cookie.Value)
	}
}

func setCookie(w http.ResponseWriter, value string, lifetime time.Duration) {
	http.SetCookie(w, &http.Cookie{
		Name: sessionCookie, Value: value, Path: sessionPath, MaxAge: int(lifetime.Seconds()),
		HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}
