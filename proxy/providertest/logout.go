package providertest

import (
	"crypto/rand"
	"html/template"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// logoutEvent is the member of events that makes a token a logout token (Back-Channel Logout 2.4).
const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// Logout is a request to the client's back-channel logout endpoint about to be sent.
type Logout struct {
	Method      string
	ContentType string
	Query       string
	Form        url.Values
	// Body takes the place of Form when it is not empty.
	Body string
}

// LogoutAnswer is what the client answered.
type LogoutAnswer struct {
	Status int
	Header http.Header
	Body   string
}

// RegisterLogout makes known where the client wants to hear of logouts; an empty address is none. The end-session endpoint then
// tells it as the certification suite does, while the browser is there: directly, and by a frame in the page that it shows.
func (p *Provider) RegisterLogout(backChannel, frontChannel string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.backChannel, p.frontChannel = backChannel, frontChannel
}

// LogoutToken makes a logout token for a person and a session of theirs; what is empty is left out. Like the suite's it has no
// "typ", a claim that nobody asked for, and two minutes to live.
func (p *Provider) LogoutToken(subject, sid string) string {
	now := time.Now().Unix()
	claims := map[string]any{
		"iss": p.Issuer, "aud": ClientID, "iat": now, "exp": now + 120, "jti": rand.Text(), "extra": "to be ignored",
		"events": map[string]any{logoutEvent: map[string]any{}},
	}
	for name, value := range map[string]string{"sub": subject, "sid": sid} {
		if value != "" {
			claims[name] = value
		}
	}
	j := newJWT(p.signingKey(), claims)
	for _, m := range p.mutations {
		if m.LogoutToken != nil {
			m.LogoutToken(p, j)
		}
	}
	return j.Compact()
}

// PostLogout sends a logout token to the client, with a field beside it that is to be ignored, and keeps the answer.
func (p *Provider) PostLogout(token string) LogoutAnswer {
	l := &Logout{Method: http.MethodPost, ContentType: "application/x-www-form-urlencoded",
		Form: url.Values{"logout_token": {token}, "extra": {"to be ignored"}}}
	for _, m := range p.mutations {
		if m.LogoutRequest != nil {
			m.LogoutRequest(p, l)
		}
	}
	p.mu.Lock()
	address := p.backChannel
	p.mu.Unlock()
	answer := p.sendLogout(address, l)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.logouts = append(p.logouts, answer)
	return answer
}

func (p *Provider) sendLogout(address string, l *Logout) LogoutAnswer {
	body := l.Body
	if body == "" {
		body = l.Form.Encode()
	}
	r := must(http.NewRequestWithContext(p.t.Context(), l.Method, address+l.Query, strings.NewReader(body)))
	r.Header.Set("Accept", "text/html, */*; q=.2") // as Java's client does without being asked
	if l.ContentType != "" {
		r.Header.Set("Content-Type", l.ContentType)
	}
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		p.t.Errorf("the client's logout endpoint: %v", err)
		return LogoutAnswer{}
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body)
	return LogoutAnswer{answer.StatusCode, answer.Header, string(text)}
}

// Logouts are the client's answers, the oldest first.
func (p *Provider) Logouts() []LogoutAnswer {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]LogoutAnswer{}, p.logouts...)
}

// serveEndSession is RP-initiated logout (OpenID Connect RP-Initiated Logout 2). The hint must be an ID token of ours; the client
// is told in the ways that it registered, and the browser goes on to the post-logout address.
func (p *Provider) serveEndSession(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, "unreadable parameters", http.StatusBadRequest)
		return
	}
	g := p.issued(r.Form.Get("id_token_hint"))
	if g == nil {
		p.refused(EndSession, "id_token_hint is no ID token that was issued")
		http.Error(w, "unknown id_token_hint", http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	backChannel, frontChannel := p.backChannel, p.frontChannel
	p.mu.Unlock()
	if backChannel != "" {
		p.PostLogout(p.LogoutToken(g.subject, g.sid))
	}
	target := p.postLogoutAddress(r.Form)
	if frontChannel != "" {
		frame := frontChannel + "?" + url.Values{"iss": {p.Issuer}, "sid": {g.sid}}.Encode()
		showFrame(w, frame, target)
		return
	}
	if target == "" {
		_, _ = w.Write([]byte("signed out"))
		return
	}
	http.Redirect(w, r, target, http.StatusFound)
}

// postLogoutAddress is where the browser goes on to, with the state.
func (p *Provider) postLogoutAddress(form url.Values) string {
	target, err := url.Parse(form.Get("post_logout_redirect_uri"))
	if err != nil || !target.IsAbs() {
		return ""
	}
	q := target.Query()
	if state := form.Get("state"); state != "" {
		q.Set("state", state)
	}
	for _, m := range p.mutations {
		if m.EndSession != nil {
			m.EndSession(p, q)
		}
	}
	target.RawQuery = q.Encode()
	return target.String()
}

// showFrame is a page with the client's frame in it, and a link onwards (OpenID Connect Front-Channel Logout 3).
func showFrame(w http.ResponseWriter, frame, target string) {
	const page = `<!doctype html><title>Signing out</title><iframe src="{{.Frame}}"></iframe><a id="on" href="{{.Target}}">Continue</a>`
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = template.Must(template.New("page").Parse(page)).Execute(w, map[string]any{"Frame": template.URL(frame), "Target": template.URL(target)})
}
