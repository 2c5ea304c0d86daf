package providertest

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"slices"
)

// Endpoint names one of the provider's endpoints; its value is the end of its path.
type Endpoint string

// The endpoints. Elsewhere is a second origin to which only misbehaving answers point.
const (
	Discovery     Endpoint = "discovery"
	Keys          Endpoint = "jwks"
	Push          Endpoint = "par"
	Authorization Endpoint = "authorize"
	Token         Endpoint = "token"
	Userinfo      Endpoint = "userinfo"
	EndSession    Endpoint = "end_session"
	Introspection Endpoint = "introspect"
	Revocation    Endpoint = "revoke"
	Elsewhere     Endpoint = "elsewhere"
)

// Request is what a client or browser sent to an endpoint.
type Request struct {
	Method string
	Header http.Header
	Query  url.Values
	Form   url.Values // of the body alone
	// Refused says why the provider refused it; empty when it did not.
	Refused string
	// Answer is the body that was sent back, up to 64 KiB.
	Answer string
}

// Requests are those that an endpoint received, the oldest first.
func (p *Provider) Requests(e Endpoint) []Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.requests[e])
}

// recorded keeps a request before it is served, and its answer afterwards.
func (p *Provider) recorded(e Endpoint, serve http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		at := p.record(e, r)
		kept := &keeper{ResponseWriter: w}
		defer func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.requests[e][at].Answer = kept.body.String()
		}()
		serve(kept, r)
	}
}

// keeper keeps the beginning of what is written through it.
type keeper struct {
	http.ResponseWriter
	body bytes.Buffer
}

// Unwrap lets http.ResponseController through.
func (k *keeper) Unwrap() http.ResponseWriter { return k.ResponseWriter }

func (k *keeper) Write(b []byte) (int, error) {
	k.body.Write(b[:min(len(b), max(0, 64<<10-k.body.Len()))])
	return k.ResponseWriter.Write(b)
}

// record appends to an endpoint's record and says where.
func (p *Provider) record(e Endpoint, r *http.Request) int {
	body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	r.Body = io.NopCloser(bytes.NewReader(body))
	form, _ := url.ParseQuery(string(body))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests[e] = append(p.requests[e], Request{
		Method: r.Method,
		Header: r.Header.Clone(),
		Query:  r.URL.Query(),
		Form:   form,
	})
	return len(p.requests[e]) - 1
}

// refused notes why the endpoint's latest request was refused.
func (p *Provider) refused(e Endpoint, why string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.requests[e]); n > 0 {
		p.requests[e][n-1].Refused = why
	}
}
