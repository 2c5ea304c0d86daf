package fasttransport

import (
	"net/http"
	"strings"
)

// takes says whether a request is one that Transport sends itself: it has no body, wants nothing but an answer, and holds nothing that would
// have to be written in another way than it stands there.
func takes(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	if r.URL == nil || r.URL.Scheme != "http" || r.Close || r.ContentLength != 0 || r.Body != nil && r.Body != http.NoBody ||
		len(r.TransferEncoding) > 0 || len(r.Trailer) > 0 {
		return false
	}
	return isPlain(target(r)) && isHost(host(r)) && plainHeaders(r.Header)
}

func target(r *http.Request) string { return r.URL.RequestURI() }

func host(r *http.Request) string {
	if r.Host != "" {
		return r.Host
	}
	return r.URL.Host
}

// isPlain says whether a text is visible ASCII.
func isPlain(text string) bool {
	for i := range len(text) {
		if c := text[i]; c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return text != ""
}

// isHost says whether a host is a name, or an address, with or without a port. One with a zone or in another script is not sent as it stands.
func isHost(host string) bool {
	for i := range len(host) {
		if c := host[i]; !isAlphanumeric(c) && c != '.' && c != '-' && c != '_' && c != ':' && c != '[' && c != ']' {
			return false
		}
	}
	return host != ""
}

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// plainHeaders says whether all headers may be written as they stand, and speak to the upstream, and not of the connection.
func plainHeaders(h http.Header) bool {
	for name, values := range h {
		switch name {
		case "Connection", "Upgrade", "Te", "Expect", "Trailer", "Transfer-Encoding", "Content-Length", "Keep-Alive", "Proxy-Connection", "Host":
			return false
		}
		if !isToken(name) {
			return false
		}
		for _, value := range values {
			if !isValue(value) {
				return false
			}
		}
	}
	return true
}

// isToken says whether a text is a header's name (RFC 9110 5.6.2).
func isToken[T string | []byte](text T) bool {
	for i := range len(text) {
		if c := text[i]; !isAlphanumeric(c) && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return len(text) > 0
}

// isValue says whether a text is a header's value (RFC 9110 5.5), without blanks around it, which would not arrive.
func isValue[T string | []byte](text T) bool {
	for i := range len(text) {
		if c := text[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return len(text) == 0 || !isBlank(text[0]) && !isBlank(text[len(text)-1])
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// appendRequest appends the head of a request that takes has found in order.
func appendRequest(to []byte, r *http.Request) []byte {
	to = append(append(to, r.Method...), ' ')
	to = append(append(to, target(r)...), " HTTP/1.1\r\nHost: "...)
	to = append(append(to, host(r)...), "\r\n"...)
	if _, said := r.Header["User-Agent"]; !said {
		to = append(to, "User-Agent: Go-http-client/1.1\r\n"...) // as http.Transport does
	}
	for name, values := range r.Header {
		for _, value := range values {
			if name == "User-Agent" && value == "" {
				continue // how http.Transport is told to send none
			}
			to = append(append(to, name...), ": "...)
			to = append(append(to, value...), "\r\n"...)
		}
	}
	return append(to, "\r\n"...)
}
