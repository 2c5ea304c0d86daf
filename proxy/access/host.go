package access

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

const anySubdomain = "*."

// Hostname returns a host as rules compare it: in lower case, without port and trailing dot; an IPv6 address keeps its brackets, and is spelled
// as browsers do. It is strict, since rules, origins and upstreams must all see the same host: anything else than a name or an address is not ok.
func Hostname(host string) (name string, ok bool) {
	name = host
	end := strings.LastIndexByte(host, ']') + 1 // the colons of an IPv6 address begin no port
	if colon := strings.IndexByte(host[end:], ':'); colon >= 0 {
		name = host[:end+colon]
		if _, err := strconv.ParseUint(host[end+colon+1:], 10, 16); err != nil {
			return "", false
		}
	}
	if isBracketed(name) {
		address, err := netip.ParseAddr(strings.ToLower(name[1 : len(name)-1]))
		return bracketed(address), err == nil && address.Is6()
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	return name, isHostname(name)
}

// hostCovers says whether a pattern's host ("" for none) covers a host as Hostname gives it.
func hostCovers(pattern, host string) bool {
	suffix, wild := strings.CutPrefix(pattern, "*")
	if wild {
		return len(host) > len(suffix) && strings.HasSuffix(host, suffix)
	}
	return pattern == "" || pattern == host
}

// hostsMeet says whether some host is covered by both patterns' hosts.
func hostsMeet(a, b string) bool {
	return a == "" || b == "" || hostCovers(a, strings.TrimPrefix(b, "*")) || hostCovers(b, strings.TrimPrefix(a, "*")) || a == b
}

// parseHost reads the host of a pattern.
func parseHost(written string) (string, *Problem) {
	host := strings.ToLower(strings.TrimSuffix(written, "."))
	name := strings.TrimPrefix(host, anySubdomain)
	switch {
	case host == "":
		return "", nil
	case strings.HasSuffix(host, ":"):
		return "", problemf("write the host alone, as in app.example.com/", "has a scheme in its pattern")
	case isBracketed(name):
		return parseAddress(host)
	case strings.Contains(name, ":"):
		alone, _, _ := strings.Cut(written, ":")
		return "", problemf("write "+alone+" alone, it covers every port", "has a port in its host")
	case strings.Contains(name, "*"):
		return "", problemf("write *.example.com, the star as the whole first label", "has a star within its host")
	case !isHostname(name):
		return "", problemf("write the path with a slash first, or a host of letters, digits, hyphens and dots (punycode for others)",
			"has %q where a host or a path should begin", written)
	}
	return host, nil
}

func isBracketed(host string) bool {
	return strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]")
}

// bracketed spells an IPv6 address as browsers do: by RFC 5952, but without the dots that it recommends for what stands for an IPv4 address
// (WHATWG URL 3.5).
func bracketed(address netip.Addr) string {
	if address.Is4In6() {
		b := address.As16()
		return fmt.Sprintf("[::ffff:%x:%x]", binary.BigEndian.Uint16(b[12:]), binary.BigEndian.Uint16(b[14:]))
	}
	return "[" + address.String() + "]"
}

// parseAddress reads an IPv6 address between brackets.
func parseAddress(host string) (string, *Problem) {
	address, err := netip.ParseAddr(host[1 : len(host)-1])
	if err != nil || !address.Is6() || address.Zone() != "" {
		return "", problemf("write an IPv6 address between the brackets, as in [2001:db8::1]/", "has %q, which is no host", host)
	}
	return bracketed(address), nil
}

// isHostname says whether a text in lower case is a name of labels between dots.
func isHostname(text string) bool {
	last := byte('.')
	for i := range len(text) {
		c := text[i]
		label := 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_'
		if !label && (c != '.' || last == '.') {
			return false
		}
		last = c
	}
	return last != '.'
}
