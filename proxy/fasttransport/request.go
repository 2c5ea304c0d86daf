package fasttransport

import (
	"encoding/binary"
	"net/http"
	"strings"
)

// Rules that this file keeps: what it writes is one request, to whoever reads it.
//
//   - Of a request with a doubtful part nothing is written: http.Transport mends it, or says what is wrong with it.
//   - Names are tokens, values hold no control character but the tab (RFC 9110 5.1, 5.5); the target begins with a slash and
//     holds neither blank nor control character (RFC 9112 3.2); the host is made of what addresses and names are.
//   - Nothing that frames a message, ends a connection, or asks for more than an answer passes.
//
// What http.Transport sends differs in the order of the headers alone: it sorts them.

// defaultUserAgent is net/http's, for whoever names none. An empty one is not sent.
const defaultUserAgent = "Go-http-client/1.1"

// appendHead writes a request without a body.
func appendHead(b []byte, r *http.Request) (head []byte, ok bool) {
	target, host := r.URL.RequestURI(), r.Host
	if host == "" {
		host = r.URL.Host
	}
	if !isTarget(target) || !isHost(host) {
		return b, false
	}
	b = append(append(append(b, r.Method...), ' '), target...)
	b = append(append(b, " HTTP/1.1\r\nHost: "...), host...)
	b = append(b, "\r\n"...)
	if _, named := r.Header["User-Agent"]; !named {
		b = append(b, "User-Agent: "+defaultUserAgent+"\r\n"...)
	}
	for name, values := range r.Header {
		if b, ok = appendHeader(b, name, values); !ok {
			return b, false
		}
	}
	return append(b, "\r\n"...), len(b) <= maxHead
}

// maxHead is what any socket takes at once. While more is written nobody reads, and an upstream that answers early, and takes no more, would not
// be heard: a longer head is http.Transport's.
const maxHead = 16 << 10

func appendHeader(b []byte, name string, values []string) (header []byte, ok bool) {
	if !isToken(name) || isSpecial(name) {
		return b, false
	}
	if name == "User-Agent" && len(values) > 0 {
		values = values[:1]
		if values[0] == "" {
			return b, true
		}
	}
	for _, value := range values {
		if !isValue(value) {
			return b, false
		}
		b = append(append(b, name...), ": "...)
		b = append(append(b, strings.Trim(value, " \t")...), "\r\n"...)
	}
	return b, true
}

// isSpecial knows the headers with which a request is more than a question, and those that are written from elsewhere.
func isSpecial(name string) bool {
	switch len(name) {
	case 2:
		return strings.EqualFold(name, "TE")
	case 4:
		return strings.EqualFold(name, "Host")
	case 6:
		return strings.EqualFold(name, "Expect")
	case 7:
		return strings.EqualFold(name, "Upgrade") || strings.EqualFold(name, "Trailer")
	case 10:
		return strings.EqualFold(name, "Connection") || name != "User-Agent" && strings.EqualFold(name, "User-Agent")
	case 14:
		return strings.EqualFold(name, "Content-Length")
	case 17:
		return strings.EqualFold(name, "Transfer-Encoding")
	}
	return false
}

func isToken(name string) bool {
	for _, c := range []byte(name) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-':
		case !strings.ContainsRune("!#$%&'*+.^_`|~", rune(c)):
			return false
		}
	}
	return name != ""
}

func isHost(host string) bool {
	for _, c := range []byte(host) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.', c == ':', c == '_', c == '[', c == ']':
		default:
			return false
		}
	}
	return host != ""
}

func isTarget(target string) bool {
	return target[0] == '/' && !hasControls(target) && strings.IndexByte(target, ' ') < 0
}

// isValue says whether something may be a header's value: its only control characters are tabs.
func isValue(value string) bool {
	return !hasControls(value) || strings.Contains(value, "\t") && !hasControls(strings.ReplaceAll(value, "\t", " "))
}

// hasControls looks at eight bytes at a time, since tokens and cookies are most of a request.
func hasControls(text string) bool {
	for len(text) >= 8 {
		if hasControl(binary.LittleEndian.Uint64([]byte(text[:8]))) {
			return true
		}
		text = text[8:]
	}
	var rest [8]byte
	copy(rest[:], "        ")
	copy(rest[:], text)
	return hasControl(binary.LittleEndian.Uint64(rest[:]))
}

// hasControl says whether one of eight bytes is below 0x20, or 0x7f.
func hasControl(eight uint64) bool {
	const each, top = 0x0101010101010101, 0x8080808080808080
	deletes := eight ^ 0x7f*each
	return ((eight-0x20*each)&^eight|(deletes-each)&^deletes)&top != 0
}
