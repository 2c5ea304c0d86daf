package providertest

import (
	"crypto/rand"
	"html/template"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// grant is what a code stands for.
type grant struct {
	user        User
	clientID    string
	redirectURI string
	nonce       string
	challenge   string
	scope       string
	acr         string    // how they signed in; "" for nothing worth a name
	authTime    time.Time // when they signed in
	stepUp      bool      // the request asked for acr_values or max_age

	spent       bool
	idToken     string
	accessToken string
	subject     string // as the ID token names them
	sid         string
	refreshes   int  // that this grant has seen
	over        bool // it is refreshed no more
}

// serveAuthorization answers at once for the person who is signed in (OIDC Core 3.1.2). What it finds wrong with a request
// fails the test: a client that is configured right never sends such a request.
func (p *Provider) serveAuthorization(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if _, required := p.pushing(); required || q.Has("request_uri") {
		var err error
		if q, err = p.pushedRequest(q); err != nil {
			p.refused(Authorization, err.Error())
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	if fault := faultOf(q); fault != "" {
		p.refused(Authorization, fault)
		p.t.Errorf("the authorization request is wrong: %s", fault)
		http.Error(w, fault, http.StatusBadRequest)
		return
	}
	if p.keepsBrowser(w, r, q) {
		return
	}
	parameters := p.answer(q)
	for _, m := range p.mutations {
		if m.Callback != nil {
			m.Callback(p, parameters)
		}
	}
	if q.Get("response_mode") == "form_post" {
		p.postForm(w, q.Get("redirect_uri"), parameters)
		return
	}
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+parameters.Encode(), http.StatusFound)
}

// keepsBrowser shows a page of its own: where the redirect URI is not a registered one (RFC 6749 3.1.2.4, 4.1.2.1), or where a mutation
// wants people to see one.
func (p *Provider) keepsBrowser(w http.ResponseWriter, r *http.Request, q url.Values) bool {
	uris := p.registered().RedirectURIs
	registered := uris == nil || slices.Contains(uris, q.Get("redirect_uri"))
	if !registered {
		p.refused(Authorization, "redirect_uri is not registered")
	}
	for _, m := range p.mutations {
		if m.Page == nil {
			continue
		}
		if a := m.Page(p, q, registered); a != nil {
			p.send(w, r, a)
			return true
		}
	}
	if !registered {
		http.Error(w, "redirect_uri is not registered", http.StatusBadRequest)
	}
	return !registered
}

// answer is how a sound request is answered: with a code, or with an error (OIDC Core 3.1.2.5, 3.1.2.6).
func (p *Provider) answer(q url.Values) url.Values {
	parameters := url.Values{"state": {q.Get("state")}}
	if code := p.refusal(q); code != "" {
		parameters.Set("error", code)
	} else {
		parameters.Set("code", p.newGrant(q))
	}
	return parameters
}

// refusal is the error with which the request is answered, or nothing.
func (p *Provider) refusal(q url.Values) string {
	for _, m := range p.mutations {
		if m.Refuse == nil {
			continue
		}
		if code := m.Refuse(p, q); code != "" {
			return code
		}
	}
	if q.Get("prompt") == "none" && p.mustAsk(q) {
		return "login_required"
	}
	return ""
}

// mustAsk says whether the person has to prove anew who they are (OIDC Core 3.1.2.1: prompt, max_age).
func (p *Provider) mustAsk(q url.Values) bool {
	seconds, err := strconv.Atoi(q.Get("max_age"))
	return q.Get("prompt") == "login" || err == nil && time.Since(p.authenticated()) > time.Duration(seconds)*time.Second
}

// faultOf says what is wrong with an authorization request, or nothing.
func faultOf(q url.Values) string {
	for name, values := range q {
		if len(values) > 1 {
			return name + " is sent twice (RFC 6749 3.1)"
		}
	}
	// 43 characters are 32 bytes in base64url; the certification suite warns of longer or other ones.
	token := regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)
	switch {
	case q.Get("client_id") != ClientID:
		return "client_id is not the registered one"
	case q.Get("response_type") != "code":
		return "response_type is not code"
	case !strings.Contains(" "+q.Get("scope")+" ", " openid "):
		return "scope lacks openid"
	case !token.MatchString(q.Get("state")):
		return "state is not 43 characters of base64url"
	case !token.MatchString(q.Get("nonce")):
		return "nonce is not 43 characters of base64url"
	case !token.MatchString(q.Get("code_challenge")):
		return "code_challenge is not 43 characters of base64url (RFC 7636 4.2)"
	case q.Get("code_challenge_method") != "S256":
		return "code_challenge_method is not S256"
	case !strings.HasPrefix(q.Get("redirect_uri"), "http"):
		return "redirect_uri is not an address"
	}
	return faultOfStepUp(q)
}

// faultOfStepUp says the same of what asks for a certain login (OIDC Core 3.1.2.1).
func faultOfStepUp(q url.Values) string {
	seconds := regexp.MustCompile(`^[0-9]{1,10}$`)
	acr := q.Get("acr_values")
	switch {
	case q.Has("max_age") && !seconds.MatchString(q.Get("max_age")):
		return "max_age is not a number of seconds"
	case q.Has("acr_values") && (acr == "" || strings.Join(strings.Fields(acr), " ") != acr):
		return "acr_values are not values between blanks"
	}
	return ""
}

// newGrant makes a code for the request's person.
func (p *Provider) newGrant(q url.Values) string {
	acr, _, _ := strings.Cut(q.Get("acr_values"), " ") // they can do whatever is asked of them, and do what is preferred
	if p.mustAsk(q) {
		p.SignInAt(time.Now())
	}
	g := &grant{
		user:        p.person(q.Get("login_hint")),
		clientID:    q.Get("client_id"),
		redirectURI: q.Get("redirect_uri"),
		nonce:       q.Get("nonce"),
		challenge:   q.Get("code_challenge"),
		scope:       q.Get("scope"),
		acr:         acr,
		authTime:    p.authenticated(),
		stepUp:      q.Has("acr_values") || q.Has("max_age"),
	}
	code := "code-" + rand.Text()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.grants[code] = g
	return code
}

// postForm is the form_post response mode (OAuth 2.0 Form Post Response Mode 2).
func (p *Provider) postForm(w http.ResponseWriter, action string, parameters url.Values) {
	const page = `<!doctype html><form method="post" action="{{.Action}}">
{{range $name, $values := .Parameters}}{{range $values}}<input type="hidden" name="{{$name}}" value="{{.}}">
{{end}}{{end}}</form><script>document.forms[0].submit()</script>`
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = template.Must(template.New("form").Parse(page)).Execute(w, map[string]any{
		"Action": action, "Parameters": parameters,
	})
}

// grantOf finds the grant of an access token.
func (p *Provider) grantOf(accessToken string) *grant {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, g := range p.grants {
		if accessToken != "" && g.accessToken == accessToken {
			return g
		}
	}
	return nil
}

// issued finds the grant for which this provider issued the ID token, byte for byte.
func (p *Provider) issued(idToken string) *grant {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, g := range p.grants {
		if idToken != "" && g.idToken == idToken {
			return g
		}
	}
	return nil
}
