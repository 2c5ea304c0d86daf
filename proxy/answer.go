package proxy

import (
	"errors"
	"net/http"
	"slices"
	"strings"
)

// What an upstream may not say: a cookie under one of our names, set or cleared, and a switch of protocols that nobody asked for.

// refuseAnswer says why an answer does not pass: it is none, or asks for a login, which is ours to begin.
func (p *Proxy) refuseAnswer(d *delivery, answer *http.Response) error {
	if answer.StatusCode < 100 {
		return errBadStatus
	}
	if answer.StatusCode == http.StatusSwitchingProtocols && (d.mustClose() || !switches(d.in.Header) || !switches(answer.Header)) {
		return errUninvited
	}
	if needed := p.challenged(d, answer); needed != nil {
		return needed
	}
	return nil
}

// prepareAnswer makes an answer one that passes, and notes what follows from its having begun.
func (p *Proxy) prepareAnswer(d *delivery, answer *http.Response) {
	p.cleanAnswer(answer.Header)
	d.length = answer.ContentLength
	if answer.StatusCode != http.StatusSwitchingProtocols {
		d.rest = upstreamBody{answer.Body, d, p}
		answer.Body = &d.rest
	}
	if d.mustClose() {
		answer.Header.Set("Connection", "close")
	}
	if d.who != nil && !d.who.bearer {
		p.arrived(d.who, nil) // now, not when a long answer ends
		if p.sessions.ForgetRounds(answer.Header, d.in) {
			keepFromCaches(answer.Header)
		}
	}
	if isEventStream(answer) {
		d.x.connection.goesOn()
	}
}

// mustClose says whether nothing may follow a request on its connection. One case is a body in chunks: where a front server went by
// Content-Length instead, what follows is not a second request (golang/go#80942). The other is a body that was answered before its end: to keep
// the connection, net/http would read the rest of it, which is the upstream's.
func (d *delivery) mustClose() bool {
	if d.in.ProtoMajor != 1 {
		return false
	}
	return len(d.in.TransferEncoding) > 0 || d.in.ContentLength > 0 && !d.body.ended.Load()
}

// errBadStatus is an answer that net/http could not pass on (RFC 9110 15: from 100 to 599).
var errBadStatus = errors.New("the upstream's status is below 100")

// errUninvited is a switch of protocols that no request asked for (RFC 9110 15.2.2), or one with a body. ReverseProxy compares it with what was
// asked for, but leaves the upstream's connection open then.
var errUninvited = errors.New("the upstream switches protocols without having been asked to, or to another one, or amid a request's body")

// answerFilter cleans informational answers (103 Early Hints), which ReverseProxy passes on without asking
// ModifyResponse, and keeps net/http from adding to the final one.
type answerFilter struct {
	d *delivery
	*exchange
	p             *Proxy
	informational bool // HTTP/1.0 knows no such answers (RFC 9110 15.2)
}

// WriteHeader makes the final head what it is to be, whoever wrote it: the upstream, or ReverseProxy in its place.
func (f *answerFilter) WriteHeader(status int) {
	if status < 200 {
		f.inform(status)
		return
	}
	h := f.Header()
	f.p.keepPrivate(f.d, status, h)
	if _, said := h["Content-Type"]; !said {
		h["Content-Type"] = nil // or net/http guesses one from the body: text/html, for what the upstream kept from being guessed
	}
	f.p.partWith(f.exchange, f.d.in) // an informational answer before it took that away
	f.exchange.WriteHeader(status)
	if f.d.length > bufferSize {
		_ = f.FlushError()
	}
}

// inform passes an informational answer on. A 100 net/http itself sends once the body is read, which it is from now on: two would be one too many.
func (f *answerFilter) inform(status int) {
	if !f.informational || status == http.StatusContinue && f.d.in.Header.Get("Expect") != "" {
		return
	}
	h := f.Header()
	removeHops(h)
	f.p.cleanAnswer(h)
	f.exchange.WriteHeader(status)
}

// Write passes on at once what an upstream has written of a body. ReverseProxy does so by itself where the length is not known; where it is,
// its FlushInterval would do it, and cost every answer a timer. The last piece goes out with the end of the answer, and a small body with its
// head, which saves a trip through the kernel each time.
func (f *answerFilter) Write(b []byte) (int, error) {
	n, err := f.exchange.Write(b)
	if err == nil && f.bytes < f.d.length {
		_ = f.FlushError()
	}
	return n, err
}

// dropCookieTrailers removes cookies from the trailers, where they mean nothing (RFC 9110 6.5.1), but where whatever stands in front may
// take them for headers.
func (x *exchange) dropCookieTrailers() {
	if x.answered() {
		x.Header().Del("Set-Cookie")
		delete(x.Header(), http.TrailerPrefix+"Set-Cookie")
	}
}

// cleanAnswer removes what an upstream may not say: cookies under our names.
func (p *Proxy) cleanAnswer(h http.Header) {
	lines := h["Set-Cookie"]
	if len(lines) == 0 {
		return
	}
	kept := slices.DeleteFunc(slices.Clone(lines), func(line string) bool {
		name, value, _ := strings.Cut(line, "=")
		if name = strings.TrimSpace(name); name == "" {
			name, _, _ = strings.Cut(strings.TrimSpace(value), "=") // a browser sends back "=name=value" without its first sign
		}
		return p.sessions.Owns(name)
	})
	if len(kept) == 0 {
		h.Del("Set-Cookie")
		return
	}
	h["Set-Cookie"] = kept
}
