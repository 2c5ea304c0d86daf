package proxy

import (
	"maps"
	"net/http"
	"strings"
)

// removeHops removes what an upstream tells its next hop alone. ReverseProxy does so in final answers only (golang/go#81319).
func removeHops(h http.Header) {
	removeNamed(h, h["Connection"])
	maps.DeleteFunc(h, func(name string, _ []string) bool { return isHop(name) })
}

// removeNamed removes what Connection headers name.
func removeNamed(h http.Header, connection []string) {
	for _, line := range connection {
		for name := range strings.SplitSeq(line, ",") {
			h.Del(strings.TrimSpace(name))
		}
	}
}

// hasItem says whether a header that is a list (RFC 9110 5.6.1) has an item of some kind, which is asked of each in lower case.
func hasItem(lines []string, some func(item string) bool) bool {
	for _, rest := range lines {
		for rest != "" {
			var item string
			if item, rest = cutItem(rest); some(strings.ToLower(strings.TrimSpace(item))) {
				return true
			}
		}
	}
	return false
}

// cutItem cuts a list after its first item. A comma between quotation marks separates nothing (RFC 9110 5.6.4).
func cutItem(list string) (item, rest string) {
	quoted := false
	for i := 0; i < len(list); i++ {
		switch c := list[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			return list[:i], list[i+1:]
		}
	}
	return list, ""
}

// isHop says whether a header ends at the next hop without being named (RFC 9110 7.6.1), or is between a client and its proxy (11.7).
func isHop(name string) bool {
	switch name {
	case "Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade":
		return true
	}
	return false
}
