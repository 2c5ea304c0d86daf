package session

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// A browser holds cookies of one name side by side that are for different hosts and domains, and sends them all; nothing in a request tells
// which is for what (RFC 6265bis 8.6). Of two, none is a session. So whatever was made for another domain, before COOKIE_DOMAIN was set, unset
// or changed, or was planted by a sibling host, would keep a person out until the browser is closed. Rules that this file keeps:
//
//   - What is made for one domain opens for no other: neither by its name (names.go), nor by what it is sealed for (chunks.go).
//   - When a login begins or a session ends, the browser is told to forget all cookies of ours that it brings and that may be for another
//     domain. What bears a path as well stays, since a request does not tell it: such a cookie is planted, and keeps its owner
//     out below that path until it is deleted.
//   - A browser forgets only what it is told with the very domain. It may be any that the host lies in, so each is told.

// maxDomains bounds for how many domains a cookie is cleared, the host's own first.
const maxDomains = 6

// clearElsewhere clears the cookies of sessions that a request carries, wherever they may be for but our own domain. Each is cleared
// once, however often it comes.
func (m *Manager) clearElsewhere(h http.Header, r *http.Request) {
	var cleared []string
	for name := range pairs(r.Header["Cookie"]) {
		_, current := m.names.index(name)
		if !current && !m.names.isKin(name) || slices.Contains(cleared, name) {
			continue
		}
		cleared = append(cleared, name)
		for _, domain := range m.elsewhere(name, r.Host) {
			m.writeFor(domain, h, name, "", -1)
		}
	}
}

// elsewhere gives the domains for which a cookie that came to a host has to be cleared; "" is the host alone. A cookie with the prefix __Host- can
// be for no domain. One that is for a domain, and bears another name than ours, is in nobody's way and may be another installation's.
func (m *Manager) elsewhere(name, host string) (domains []string) {
	_, current := m.names.index(name)
	switch {
	case !current && m.options.Domain == "", current && strings.HasPrefix(name, "__Host-"):
		return nil
	case !current:
		return []string{""}
	}
	ours := func(domain string) bool { return domain == m.options.Domain }
	return slices.DeleteFunc(append([]string{""}, domainsOf(host)...), ours)
}

// domainsOf are the domains for which a host can have set a cookie: its own name, and those above it that are no top-level ones.
func domainsOf(host string) (domains []string) {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil || strings.Trim(host, hostCharacters) != "" {
		return nil
	}
	for strings.Contains(host, ".") && len(domains) < maxDomains {
		domains = append(domains, host)
		_, host, _ = strings.Cut(host, ".")
	}
	return domains
}

// hostCharacters are those of names that browsers, and net/http, take in Domain.
const hostCharacters = "abcdefghijklmnopqrstuvwxyz0123456789-."
