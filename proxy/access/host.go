package access

import (
	"net/netip"
	"strings"
)

const anySubdomain = "*."

// canonicalHost returns a request's host as rules compare it: lower case, without port and trailing dot.
func canonicalHost(host string) string {
	if end := strings.IndexByte(host, ']'); strings.HasPrefix(host, "[") && end > 0 {
		host = host[:end+1]
	} else if colon := strings.IndexByte(host, ':'); colon >= 0 {
		host = host[:colon]
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// hostCovers says whether a pattern's host ("" for none) covers a canonical host.
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
	case isBracketedAddress(name):
		return host, nil
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

func isBracketedAddress(host string) bool {
	inner, opened := strings.CutPrefix(host, "[")
	inner, closed := strings.CutSuffix(inner, "]")
	_, err := netip.ParseAddr(inner)
	return opened && closed && err == nil
}

func isHostname(name string) bool {
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return true
}
