package proxy

import (
	"net/http"
	"slices"
	"strings"
)

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
