package proxy

import (
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"doorward/session"
)

// answer tells the client of an error: people see a page or the login, programs get JSON.
func (p *Proxy) answer(x *exchange, r *http.Request, err error) {
	if errors.Is(err, errNoSession) {
		if err = p.askToLogin(x, r); err == nil {
			return
		}
	}
	f, ok := errors.AsType[*failure](err)
	if !ok {
		f = broken(err)
	}
	x.outcome, x.reason, x.cause = f.code, f.reason, f.cause
	if f.event != "" {
		p.event(x, r, f.event)
	}
	if x.answered() {
		return
	}
	if f.status == statusClientGone {
		x.status = statusClientGone
		return
	}
	x.refuseBody(r)
	p.tell(x, r, f)
}

// maxBodyWait is how long a client that is refused may take to send the body that nobody wants.
const maxBodyWait = 5 * time.Second

// refuseBody answers without waiting for the request's body: net/http would read it first, for as long as it takes.
func (x *exchange) refuseBody(r *http.Request) {
	if r.ContentLength == 0 || r.ProtoMajor != 1 {
		return
	}
	x.Header().Set("Connection", "close")
	_ = http.NewResponseController(x).SetReadDeadline(time.Now().Add(maxBodyWait))
}

// askToLogin is what follows from having no session: the login for people, 401 for programs.
func (p *Proxy) askToLogin(x *exchange, r *http.Request) error {
	if !isNavigation(r) {
		return unauthenticated()
	}
	if x.origin == nil {
		return notAnOrigin(r.Host)
	}
	returnTo := p.returnAddress(requested(x, r), x.origin)
	return p.login(x, r, &session.Login{ReturnTo: returnTo, Rounds: p.sessions.Rounds(r, returnTo)})
}

// requested is what the browser asked for: path and query, as they came.
func requested(x *exchange, r *http.Request) string {
	if strings.Contains(r.RequestURI, "?") {
		return x.path + "?" + r.URL.RawQuery
	}
	return x.path
}

// isNavigation says whether a person is waiting for a page. Browsers say so themselves (Fetch Metadata), and where
// they do not, a page is what asks for HTML and is no XMLHttpRequest. Prefetches are nobody's navigation.
func isNavigation(r *http.Request) bool {
	h := r.Header
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	mode, dest := h.Get("Sec-Fetch-Mode"), h.Get("Sec-Fetch-Dest")
	if mode != "" || dest != "" {
		return mode == "navigate" && dest == "document" && h.Get("Sec-Purpose") == ""
	}
	return acceptsHTML(r) && h.Get("X-Requested-With") == "" && h.Get("Sec-Purpose") == "" && h.Get("Upgrade") == ""
}

// acceptsHTML says whether Accept names HTML; "*/*" does not.
func acceptsHTML(r *http.Request) bool {
	for _, line := range r.Header.Values("Accept") {
		for part := range strings.SplitSeq(line, ",") {
			kind, params, err := mime.ParseMediaType(part)
			if err == nil && params["q"] != "0" && (kind == "text/html" || kind == "application/xhtml+xml") {
				return true
			}
		}
	}
	return false
}

// tell writes a failure as a page or as JSON.
func (p *Proxy) tell(x *exchange, r *http.Request, f *failure) {
	for name, values := range f.header {
		for _, value := range values {
			x.Header().Add(name, value)
		}
	}
	if f.person || f.status != http.StatusUnauthorized && (isNavigation(r) || acceptsHTML(r)) {
		p.tellPerson(x, r, f)
		return
	}
	p.tellProgram(x, r, f)
}

// tellPerson shows a page. An action whose address has no slash is for an endpoint of ours.
func (p *Proxy) tellPerson(x *exchange, r *http.Request, f *failure) {
	shown := page{Title: f.title, Text: f.text, Details: f.details}
	for _, todo := range f.actions {
		if !strings.Contains(todo.Address, "/") {
			todo.Address = p.config.EndpointPrefix + "/" + todo.Address
		}
		shown.Actions = append(shown.Actions, todo)
	}
	if err := p.page(x, r, f.status, shown); err != nil {
		x.cause = err
	}
}

// tellProgram writes the error as JSON. Whoever has no session learns where people sign in.
func (p *Proxy) tellProgram(x *exchange, r *http.Request, f *failure) {
	body := map[string]string{
		"error":             f.code,
		"error_description": strings.Join(append([]string{f.title + "."}, f.text[:min(1, len(f.text))]...), " "),
		"request_id":        x.id,
	}
	for _, d := range f.details {
		body[strings.ReplaceAll(strings.ToLower(d.Label), " ", "_")] = d.Value
	}
	if f.status == http.StatusUnauthorized && x.origin != nil {
		body["login_url"] = p.endpointURL(x.origin, "/start")
	}
	p.writeJSON(x, r, f.status, body)
}

func (p *Proxy) writeJSON(x *exchange, r *http.Request, status int, body any) {
	encoded, err := json.Marshal(body)
	if err != nil {
		x.cause = err
		status, encoded = http.StatusInternalServerError, []byte(`{"error":"internal_error"}`)
	}
	h := x.Header()
	noStore(h)
	h.Set("Content-Type", "application/json")
	h.Set("X-Request-Id", x.id)
	x.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = x.Write(append(encoded, '\n'))
	}
}

// maxForm bounds the forms that are posted to us, in bytes.
const maxForm = 64 << 10

// readForm reads a posted form, strictly: its type, its size, its syntax.
func readForm(r *http.Request) (url.Values, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, errors.New("the body is no form")
	}
	r.Body = http.MaxBytesReader(nil, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return nil, errors.New("the form does not parse")
	}
	return r.PostForm, nil
}

// redirect answers with 303 See Other (RFC 9700 4.12: never 307, which would repeat a POST and what it carries).
// Location is written by hand, since http.Redirect cleans paths and so turns "/./\host" into an address elsewhere.
func (x *exchange) redirect(location string) {
	h := x.Header()
	h.Set("Location", location)
	noStore(h)
	x.WriteHeader(http.StatusSeeOther)
}

// noStore marks an answer of our own: no cache keeps it, and no page that follows it learns its address.
func noStore(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
}
