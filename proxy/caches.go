package proxy

import (
	"net/http"
	"strings"
)

// Rules that this file keeps (RFC 9111):
//
//   - What an upstream tells one person, and says nothing to caches about, no shared cache keeps (4.2.2, 5.2.2.7).
//   - Where it says something, that holds, but for answers that bring a cookie of ours: those no cache keeps.

// keepPrivate tells caches that an answer is one person's, where the upstream said nothing about it. To a 304 nothing is added: it would
// change what the browser was told with the answer that it has (RFC 9111 3.2).
func (d *delivery) keepPrivate(status int, h http.Header) {
	cacheable := d.in.Method == http.MethodGet || d.in.Method == http.MethodHead
	if d.who == nil || !cacheable || status == http.StatusNotModified || saysHowToCache(h) {
		return
	}
	by := "Cookie" // so that a browser does not show one person what another has seen
	if d.who.bearer {
		by = "Authorization"
	}
	values := [...]string{"private", by} // in one piece of memory
	h["Cache-Control"] = values[0:1:1]
	if len(h["Vary"]) == 0 {
		h["Vary"] = values[1:2:2]
		return
	}
	h.Add("Vary", by)
}

func saysHowToCache(h http.Header) bool {
	for name := range h {
		if name == "Cache-Control" || name == "Expires" || name == "Pragma" || isForSharedCaches(name) {
			return true
		}
	}
	return false
}

// isForSharedCaches says whether a header speaks to the caches of delivery networks (RFC 9213).
func isForSharedCaches(name string) bool {
	return strings.HasSuffix(name, "-Cache-Control") || name == "Surrogate-Control"
}

// keepFromCaches makes sure that no cache keeps an answer with a cookie of ours, whatever the upstream says to caches in general
// (RFC 9111 7.3) or to those of a delivery network (RFC 9213).
func keepFromCaches(h http.Header) {
	for name := range h {
		if isForSharedCaches(name) {
			delete(h, name)
		}
	}
	h.Set("Cache-Control", "no-store")
}
