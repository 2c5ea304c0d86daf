package proxy

import (
	"net/http"
	"slices"
	"strings"

	"doorward/config"
)

// Rules that this file keeps (RFC 9111):
//
//   - What an upstream tells one person, and says nothing to caches about, no shared cache keeps (4.2.2, 5.2.2.7).
//   - Nor what it says in answer to an access token, unless it lets them (3.5): our client's request had a cookie in its place, of which
//     they think nothing.
//   - What varies with what we tell it of the person varies with Cookie and Authorization, which are all that a cache before us sees (4.1).
//   - Where it says something else, that holds, but for answers that bring a cookie of ours: those no cache keeps.

// keepPrivate tells caches that an answer is one person's, where the upstream did not say that it is everybody's. To a 304 no more
// than what it varies with is added: it would change what the browser was told with the answer that it has (RFC 9111 3.2).
func (p *Proxy) keepPrivate(d *delivery, status int, h http.Header) {
	if d.in.Method != http.MethodGet && d.in.Method != http.MethodHead {
		return
	}
	if p.variesWithPerson(h) {
		h.Add("Vary", "Cookie, Authorization") // either may name the person, and an answer to nobody is not one to somebody
	}
	switch {
	case d.who == nil, status == http.StatusNotModified:
	case !saysHowToCache(h):
		d.sayPrivate(h)
	case d.sentToken() && !sharedCachesMayKeep(h):
		h.Add("Cache-Control", "private")
	}
}

// sayPrivate says that an answer is for one person, and for a browser that it is for this one alone.
func (d *delivery) sayPrivate(h http.Header) {
	by := "Cookie"
	if d.who.bearer {
		by = "Authorization"
	}
	values := [...]string{"private", by} // in one piece of memory
	h["Cache-Control"] = values[0:1:1]
	switch {
	case len(h["Vary"]) == 0:
		h["Vary"] = values[1:2:2]
	case !hasItem(h["Vary"], func(name string) bool { return strings.EqualFold(name, by) }):
		h.Add("Vary", by)
	}
}

// sentToken says whether the upstream saw an Authorization where our client sent a cookie.
func (d *delivery) sentToken() bool {
	return d.upstream.Token == "bearer" && !d.who.bearer && d.who.token() != ""
}

// sharedCachesMayKeep says whether shared caches may keep an answer to a request with Authorization (RFC 9111 3.5), or are told of that
// by themselves.
func sharedCachesMayKeep(h http.Header) bool {
	for name := range h {
		if isForSharedCaches(name) {
			return true
		}
	}
	return hasItem(h["Cache-Control"], func(directive string) bool {
		name, _, qualified := strings.Cut(directive, "=")
		switch name {
		case "public", "s-maxage", "must-revalidate", "no-store":
			return true
		case "private":
			return !qualified // or it is about the headers that it names (RFC 9111 5.2.2.7)
		}
		return false
	})
}

// variesWithPerson says whether an answer is said to depend on what upstreams are told of people.
func (p *Proxy) variesWithPerson(h http.Header) bool {
	return hasItem(h["Vary"], func(name string) bool {
		return name == "authorization" || strings.HasPrefix(name, "x-forwarded-") || strings.HasPrefix(name, "x-doorward-") ||
			slices.ContainsFunc(p.headers, func(told config.Header) bool { return strings.EqualFold(told.Name, name) })
	})
}

func saysHowToCache(h http.Header) bool {
	for name := range h {
		if name == "Cache-Control" || name == "Expires" || isForSharedCaches(name) {
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
