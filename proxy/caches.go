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
func (d *delivery) keepPrivate(answer *http.Response) {
	cacheable := d.in.Method == http.MethodGet || d.in.Method == http.MethodHead
	if d.who == nil || !cacheable || answer.StatusCode < 200 || answer.StatusCode == http.StatusNotModified || saysHowToCache(answer.Header) {
		return
	}
	answer.Header.Set("Cache-Control", "private")
	by := "Cookie" // so that a browser does not show one person what another has seen
	if d.who.bearer {
		by = "Authorization"
	}
	answer.Header.Add("Vary", by)
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
