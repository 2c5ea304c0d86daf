package access

import "strings"

// PathError is a path that no server should be sent.
type PathError struct {
	Wrong string // continues "the path": "holds a % without two hexadecimal digits"
}

// Error says what is wrong; it does not repeat the path.
func (e *PathError) Error() string { return "reading the path: it " + e.Wrong }

// checkEscaped refuses what may not stand on a request line (RFC 9112 3.2.1, RFC 3986 3.3).
func checkEscaped(path string) error {
	if !strings.HasPrefix(path, "/") {
		return &PathError{"does not begin with a slash"}
	}
	for i := range len(path) {
		switch c := path[i]; {
		case isControl(rune(c)) || c == ' ':
			return &PathError{"holds a control character or a blank"}
		case c > 0x7f:
			return &PathError{"holds a byte beyond ASCII that is not percent-encoded"}
		case c == '#':
			return &PathError{"holds a fragment"}
		case c == '?':
			return &PathError{"holds a query"}
		case c == '%' && !isHex(path[i+1:]):
			return &PathError{"holds a % without two hexadecimal digits"}
		}
	}
	return nil
}

// isPlain says whether every known server reads the path alike, but for letter case.
func isPlain(path string) bool {
	last := byte(0)
	for i := range len(path) {
		c := path[i]
		switch {
		case 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.':
		case c == '/':
			if last == '/' || last == '.' {
				return false
			}
		case !isHarmless(c):
			return false
		}
		last = c
	}
	return path != "" && path[0] == '/' && last != '.'
}

// isHarmless says of a rarer byte that it stands for itself everywhere (RFC 3986 3.3, without ; and $ and brackets).
func isHarmless(c byte) bool {
	switch c {
	case '~', '!', '&', '\'', '*', '+', ',', '=', ':', '@':
		return true
	}
	return false
}
