package proxy

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"doorward/proxy/pages"
)

// tell tells the client of an error: people see a page or the login, programs get JSON.
func (p *Proxy) tell(x *exchange, r *http.Request, err error) {
	x.refuseBody(r)
	if asksForLogin(err) {
		if err = p.askToLogin(x, r, err); err == nil {
			return
		}
	}
	f := asFailure(err)
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
	p.write(x, r, f)
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

// write writes a failure as a page or as JSON.
func (p *Proxy) write(x *exchange, r *http.Request, f *failure) {
	for name, values := range f.header {
		for _, value := range values {
			x.Header().Add(name, value)
		}
	}
	if f.status == http.StatusUnauthorized {
		p.letRead(x.Header(), r)
	}
	if f.person || !f.program && f.status != http.StatusUnauthorized && (isNavigation(r) || acceptsHTML(r)) {
		p.writePage(x, r, f)
		return
	}
	p.writeError(x, r, f)
}

// writePage shows a page. An action whose address has no slash is for an endpoint of ours.
func (p *Proxy) writePage(x *exchange, r *http.Request, f *failure) {
	shown := page{Kind: f.kind(), Title: f.title, Text: f.text, Notes: f.notes}
	for _, d := range f.details {
		shown.Details = append(shown.Details, pages.Detail(d))
	}
	for _, todo := range p.nextSteps(x, r, f) {
		if !strings.Contains(todo.Address, "/") {
			todo.Address = p.config.EndpointPrefix + "/" + todo.Address
		}
		shown.Actions = append(shown.Actions, todo)
	}
	if err := p.page(x, r, f.status, shown); err != nil {
		x.cause = err
	}
}

// nextSteps are what a person can do. Where a failure knows of nothing in particular, they may try again what may work by then.
func (p *Proxy) nextSteps(x *exchange, r *http.Request, f *failure) []action {
	switch {
	case len(f.actions) > 0:
		return f.actions
	case f.status >= http.StatusInternalServerError && isNavigation(r):
		return []action{{Label: "Try again", Address: p.returnAddress(requested(x, r), x.origin)}}
	}
	return []action{toStart()}
}

// writeError writes the error as JSON. Whoever has no session learns where people sign in.
func (p *Proxy) writeError(x *exchange, r *http.Request, f *failure) {
	body := map[string]string{
		"error":             f.code,
		"error_description": f.description(),
		"request_id":        x.id,
	}
	for _, d := range f.details {
		body[strings.ReplaceAll(strings.ToLower(d.Label), " ", "_")] = d.Value
	}
	if f.status == http.StatusUnauthorized && x.origin != nil {
		body["login_url"] = p.endpointURL(x.origin, "/start") + startQuery("", f.asks)
	}
	p.writeJSON(x, r, f.status, body)
}

func (p *Proxy) writeJSON(x *exchange, r *http.Request, status int, body any) {
	encoded, err := json.Marshal(body)
	if err != nil {
		x.cause = err
		status, encoded = http.StatusInternalServerError, []byte(`{"error":"internal_error"}`)
	}
	noStore(x.Header())
	x.send(r, status, "application/json", append(encoded, '\n'))
}

// send writes an answer of our own, but for its body where only the head was asked for.
func (x *exchange) send(r *http.Request, status int, kind string, body []byte) {
	h := x.Header()
	h.Set("Content-Type", kind)
	h.Set("X-Request-Id", x.id)
	x.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = x.Write(body)
	}
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
