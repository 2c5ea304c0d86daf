package proxy

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/url"

	"doorward/session"
)

// On the day an account is stolen, whoever runs doorward ends its sessions here, on the metrics listener. Rules that this file keeps:
//
//   - Without ADMIN_TOKEN there is no such path. With it, it is the one thing that counts: no cookie, query or host does. No page of
//     another site can make a browser send it.
//   - It comes in exactly one Authorization header, and is compared in constant time, by hashes, so that its length does not tell
//     either. A wrong one is a warning in the log, which never holds it.
//   - One name is given, in a form that nobody can misread. A name that no session can have is refused rather than found nowhere.
//   - 200 says that those sessions have ended and that no restart will bring them back, where there is a file for that. It does not say
//     that there were any: where sessions live in cookies, nobody knows. A login that begins later counts.

const logoutByAdmin = "admin"

// revokeSessions answers POST /sessions/revoke of the metrics listener.
func (p *Proxy) revokeSessions(w http.ResponseWriter, r *http.Request) {
	x := w.(*exchange) // as of all that listener answers
	x.path = r.URL.EscapedPath()
	if err := p.endNamed(x, r); err != nil {
		p.tell(x, r, err)
	}
}

// endNamed ends the sessions that the form names, if an administrator asks.
func (p *Proxy) endNamed(x *exchange, r *http.Request) error {
	if r.Method != http.MethodPost {
		return forPrograms(methodRefused("POST"))
	}
	if !p.fromAdmin(r) {
		return notAnAdmin()
	}
	form, err := readForm(x, r)
	if err != nil {
		return notALogout(asFailure(err))
	}
	kind, name, ok := oneName(form)
	if !ok {
		return notALogout(badRequest(oneNameNeeded))
	}
	if err := p.revokeNamed(x, kind, name); err != nil {
		return notEnded(err)
	}
	p.loggedOut(x, r, logoutByAdmin)
	p.writeJSON(x, r, http.StatusOK, map[string]string{"status": "ended", kind: name})
	return nil
}

// fromAdmin says whether a request brings ADMIN_TOKEN.
func (p *Proxy) fromAdmin(r *http.Request) bool {
	lines := r.Header.Values("Authorization")
	if len(lines) != 1 {
		return false
	}
	token, ok := bearerToken(lines[0])
	got, want := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(p.adminToken()))
	return ok && subtle.ConstantTimeCompare(got[:], want[:]) == 1
}

const oneNameNeeded = "it needs one of user, sid and session, once"

// oneName is the one field that a form has, which is there once and not empty.
func oneName(form url.Values) (kind, name string, ok bool) {
	for kind, values := range form {
		return kind, values[0], len(form) == 1 && len(values) == 1 && values[0] != ""
	}
	return "", "", false
}

// revokeNamed ends the sessions of a user, as log and upstreams call them, of a session of the provider's, or the one that has this
// hash in the log. Its error is a *failure where the name is at fault.
func (p *Proxy) revokeNamed(x *exchange, kind, name string) error {
	switch {
	case kind == "user" && headerText(name) == name:
		x.user = name
		return p.sessions.RevokeUser(p.config.IssuerURL, name)
	case kind == "user":
		return badRequest("no user has a name with control characters, or with blanks around it")
	case kind == "sid":
		x.ofProvider(p.config.IssuerURL, name)
		return p.sessions.RevokeProviderSession(p.config.IssuerURL, name)
	case kind == "session":
		return p.revokeLogged(x, name)
	}
	return badRequest(oneNameNeeded)
}

func (p *Proxy) revokeLogged(x *exchange, hash string) error {
	err := p.sessions.RevokeLogged(hash)
	if errors.Is(err, session.ErrNoHash) {
		return badRequest(err.Error())
	}
	x.session = hash
	return err
}
