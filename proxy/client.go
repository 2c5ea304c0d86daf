package proxy

import (
	"iter"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Rules that this file keeps:
//
//   - A forwarding header is believed when the peer is one of TRUSTED_PROXIES, and from nobody else (CVE-2026-76835).
//   - The client is the right-most entry of X-Forwarded-For that no trusted proxy wrote about another one; what stands to the left of it
//     is what the client itself says, and counts for nothing (CVE-2024-47070 and kin).
//   - What is no address ends the walk at the last hop that is known. Nothing is guessed.
//   - Rules, log and upstream all see the same client.

// client is where a request comes from.
type client struct {
	// hops are the addresses that it came through, from right to left: the peer's first, and at last the client's.
	hops []netip.Addr
	// trusted says that the peer is one of TRUSTED_PROXIES, so that its forwarding headers are believed.
	trusted bool

	peerText string // once somebody has asked for it
}

func (c *client) address() netip.Addr { return c.hops[len(c.hops)-1] }

func (c *client) peer() netip.Addr { return c.hops[0] }

// peerIP is the peer's address as log and headers write it.
func (c *client) peerIP() string {
	if c.peerText == "" {
		c.peerText = c.peer().String()
	}
	return c.peerText
}

// forwardedFor is the X-Forwarded-For that upstreams get: the client first, and then who passed the request on to us.
func (c *client) forwardedFor() string {
	if len(c.hops) == 1 {
		return c.peerIP()
	}
	var list strings.Builder
	for i, hop := range slices.Backward(c.hops) {
		list.WriteString(hop.String())
		if i > 0 {
			list.WriteString(", ")
		}
	}
	return list.String()
}

// meet finds out where a request comes from beyond its peer, and takes its id where the peer may give one.
func (p *Proxy) meet(x *exchange, r *http.Request) {
	if !x.client.trusted {
		p.ignoreForwarded(x, r)
		return
	}
	for entry := range fromTheRight(r.Header["X-Forwarded-For"]) {
		hop, ok := parseHop(entry)
		if !ok || !p.isTrusted(x.client.address()) {
			break
		}
		x.client.hops = append(x.client.hops, hop)
	}
	if ids := r.Header["X-Request-Id"]; len(ids) == 1 && isRequestID(ids[0]) {
		x.id = ids[0]
	}
}

func (p *Proxy) isTrusted(address netip.Addr) bool {
	return slices.ContainsFunc(p.trusted, func(n netip.Prefix) bool { return n.Contains(address) })
}

// peerOf is the address at the other end of the connection.
func peerOf(r *http.Request) netip.Addr {
	addr, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return plain(addr.Addr())
}

// plain is an address as networks are written: IPv4 never as IPv6 (CVE-2024-24790), and without the name of a network card.
func plain(address netip.Addr) netip.Addr { return address.Unmap().WithZone("") }

// fromTheRight are the entries of a list that may be spread over several header lines (RFC 9110 5.3), the last one first.
func fromTheRight(lines []string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, line := range slices.Backward(lines) {
			for more := true; more; {
				comma := strings.LastIndexByte(line, ',')
				if !yield(strings.Trim(line[comma+1:], " \t")) {
					return
				}
				line, more = line[:max(comma, 0)], comma >= 0
			}
		}
	}
}

// parseHop reads an entry of X-Forwarded-For: an address, which some servers write with its port.
func parseHop(entry string) (netip.Addr, bool) {
	if withPort, err := netip.ParseAddrPort(entry); err == nil {
		return plain(withPort.Addr()), true
	}
	if inner, bracketed := strings.CutPrefix(entry, "["); bracketed && strings.HasSuffix(inner, "]") {
		entry = strings.TrimSuffix(inner, "]")
	}
	address, err := netip.ParseAddr(entry)
	return plain(address), err == nil
}

// isRequestID says whether an id that a trusted proxy gave can stand in log, pages and headers.
func isRequestID(id string) bool {
	return id != "" && len(id) <= 128 && strings.Trim(id, token68Characters+"=:@") == ""
}
