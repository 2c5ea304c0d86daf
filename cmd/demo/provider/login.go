package provider

import (
	"net/http"
	"net/url"
)

// loginPage is what login.html shows.
type loginPage struct {
	ID     string
	Client string
	Users  []User
	// Again is who is signed in already, where the client wants to be sure.
	Again *User
}

// showLogin lets somebody sign in for the request that the query names, or finishes it without a page where the browser is
// signed in already.
func (p *Provider) showLogin(w http.ResponseWriter, r *http.Request) {
	asked, ok := p.requests.get(r.FormValue("id"))
	if !ok {
		p.loginUnknown(w)
		return
	}
	known := p.sessions.find(r)
	switch {
	case known != nil && !asked.mustAsk(known):
		p.finish(w, r, asked, known)
	case asked.mayNotAsk():
		http.Redirect(w, r, answerURL(asked), http.StatusFound) // where op says interaction_required
	default:
		p.askWho(w, asked, known)
	}
}

func (p *Provider) askWho(w http.ResponseWriter, asked *request, known *session) {
	data := loginPage{ID: asked.id, Client: asked.asked.ClientID, Users: p.users}
	if known != nil {
		data.Again = known.user
	}
	p.pages.Write(w, http.StatusOK, "login.html", data)
}

// pickUser signs in the user whose button was pressed.
func (p *Provider) pickUser(w http.ResponseWriter, r *http.Request) {
	asked, ok := p.requests.get(r.PostFormValue("id"))
	if !ok {
		p.loginUnknown(w)
		return
	}
	user := find(p.users, r.PostFormValue("user"))
	if user == nil {
		http.Error(w, "There is no such user.", http.StatusBadRequest)
		return
	}
	p.finish(w, r, asked, p.sessions.begin(w, r, user))
}

// finish goes back to op, which answers the client.
func (p *Provider) finish(w http.ResponseWriter, r *http.Request, asked *request, s *session) {
	p.requests.put(asked.id, asked.signedIn(s), requestLifetime)
	http.Redirect(w, r, answerURL(asked), http.StatusSeeOther)
}

func answerURL(asked *request) string {
	return "/authorize/callback?" + url.Values{"id": {asked.id}}.Encode()
}

func (p *Provider) loginUnknown(w http.ResponseWriter) {
	p.pages.Write(w, http.StatusBadRequest, "unknown.html", nil)
}

func (p *Provider) home(w http.ResponseWriter, r *http.Request) {
	p.pages.Write(w, http.StatusOK, "home.html", p.users)
}
