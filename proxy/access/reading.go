package access

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// The readings of meanings.go. Each takes and returns an escaped path that begins with a slash and in which every % is
// followed by two hexadecimal digits, and returns the very path where it has nothing to do.

// unescape decodes a segment once.
func unescape(escaped string) string {
	return mapEscapes(escaped, func(c byte) bool { return true })
}

// decodeEscapes decodes once, all but slashes (which would separate) and percent signs (which would decode again).
func decodeEscapes(path string) string {
	return mapEscapes(path, func(c byte) bool { return c != '/' && c != '%' })
}

func decodeSlashes(path string) string {
	return mapEscapes(path, func(c byte) bool { return c == '/' })
}

// mapEscapes decodes the escapes of those bytes for which decodes holds.
func mapEscapes(path string, decodes func(c byte) bool) string {
	if !strings.Contains(path, "%") {
		return path
	}
	var decoded strings.Builder
	for {
		i := strings.IndexByte(path, '%')
		if i < 0 {
			decoded.WriteString(path)
			return decoded.String()
		}
		decoded.WriteString(path[:i])
		if c, _ := escapedByte(path[i:]); decodes(c) {
			decoded.WriteByte(c)
		} else {
			decoded.WriteString(path[i : i+3])
		}
		path = path[i+3:]
	}
}

// decodeAgain makes an escape of every escaped percent sign that has hexadecimal digits behind it.
func decodeAgain(path string) string {
	if !strings.Contains(path, "%25") {
		return path
	}
	var decoded strings.Builder
	for path != "" {
		c, ok := escapedByte(path)
		if ok && c == '%' && isHex(path[3:]) {
			decoded.WriteByte('%')
			path = path[3:]
			continue
		}
		decoded.WriteByte(path[0])
		path = path[1:]
	}
	return decoded.String()
}

// escapedByte returns the byte of the escape at the beginning of s.
func escapedByte(s string) (byte, bool) {
	if len(s) < 3 || s[0] != '%' || !isHex(s[1:]) {
		return 0, false
	}
	return hexDigit(s[1])<<4 | hexDigit(s[2]), true
}

func isHex(s string) bool {
	return len(s) >= 2 && hexDigit(s[0]) < 16 && hexDigit(s[1]) < 16
}

// hexDigit returns the digit's value, 16 or more where it is none.
func hexDigit(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 16
}

func turnBackslashes(path string) string {
	return strings.ReplaceAll(path, `\`, "/")
}

func mergeSlashes(path string) string {
	for strings.Contains(path, "//") {
		path = strings.ReplaceAll(path, "//", "/")
	}
	return path
}

// mapSegments changes what stands between slashes.
func mapSegments(path string, change func(name string) string) string {
	names := strings.Split(path, "/")
	for i, name := range names {
		names[i] = change(name)
	}
	return strings.Join(names, "/")
}

func dropParameters(path string) string {
	if !strings.Contains(path, ";") {
		return path
	}
	return mapSegments(path, func(name string) string {
		before, _, _ := strings.Cut(name, ";")
		return before
	})
}

// trimNames keeps . and .. (blanks behind them are dropped), and leaves nothing of other names of dots and blanks.
func trimNames(path string) string {
	return mapSegments(path, func(name string) string {
		if dots := strings.TrimRight(name, " "); dots == "." || dots == ".." {
			return dots
		}
		return strings.TrimRight(name, ". ")
	})
}

func cutStreams(path string) string {
	if !strings.Contains(path, ":$") {
		return path
	}
	return mapSegments(path, func(name string) string {
		if !strings.Contains(name, ":$") {
			return name
		}
		before, _, _ := strings.Cut(name, ":")
		return before
	})
}

// resolveDots removes . and .. with what stands before it; a path that ended in either ends in a slash (RFC 3986 5.2.4).
func resolveDots(path string) string {
	resolved, _ := removeDots(path)
	return resolved
}

// resolveDotsFully leaves no slash where the path ended in a dot segment.
func resolveDotsFully(path string) string {
	resolved, endedInDots := removeDots(path)
	if endedInDots && len(resolved) > 1 {
		return strings.TrimSuffix(resolved, "/")
	}
	return resolved
}

func removeDots(path string) (resolved string, endedInDots bool) {
	if !strings.Contains(path, "/.") {
		return path, false
	}
	names := strings.Split(path[1:], "/")
	kept := names[:0]
	for i, name := range names {
		dots := name == "." || name == ".."
		if name == ".." {
			kept = kept[:max(len(kept)-1, 0)]
		}
		if !dots {
			kept = append(kept, name)
		} else if endedInDots = i == len(names)-1; endedInDots {
			kept = append(kept, "")
		}
	}
	return "/" + strings.Join(kept, "/"), endedInDots
}

// dropAuthority drops the host of //host/path; as in browsers, more slashes before it make no difference.
func dropAuthority(path string) string {
	if !strings.HasPrefix(path, "//") {
		return path
	}
	host := strings.TrimLeft(path, "/")
	slash := strings.IndexByte(host, '/')
	if slash < 0 {
		return "/"
	}
	return host[slash:]
}

func isASCII(path string) bool {
	for i := range len(path) {
		if path[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// cutAt returns what ends the path before the first of some ASCII characters; the slash at its beginning stays.
func cutAt(characters string) func(path string) string {
	return func(path string) string {
		if i := strings.IndexAny(path, characters); i >= 0 {
			return path[:i]
		}
		return path
	}
}

func isControl(c rune) bool { return c < ' ' || c == 0x7f }

func dropControls(path string) string {
	if !strings.ContainsFunc(path, isControl) {
		return path
	}
	return mapBytes(path, func(s string) (string, int) {
		if isControl(rune(s[0])) {
			return "", 1
		}
		return s[:1], 1
	})
}

// mapBytes puts together what change returns for the beginning of what is left, of which it takes so many bytes.
func mapBytes(path string, change func(s string) (instead string, taken int)) string {
	var changed strings.Builder
	for path != "" {
		instead, taken := change(path)
		changed.WriteString(instead)
		path = path[taken:]
	}
	return changed.String()
}

func dropIllFormed(path string) string {
	return strings.ToValidUTF8(path, "")
}

func narrowCharacters(path string) string {
	if isASCII(path) {
		return path
	}
	return mapBytes(path, func(s string) (string, int) {
		r, size := utf8.DecodeRuneInString(s)
		if narrow := narrow(r); narrow != "" {
			return narrow, size
		}
		return s[:size], size
	})
}

// narrow returns the ASCII characters that a wide or look-alike character stands for; slash and percent sign escaped, so that
// the other readings say what these mean. It returns nothing for others.
func narrow(r rune) string {
	if r < utf8.RuneSelf {
		return ""
	}
	switch r { // those that normalisation leaves alone
	case '⁄', '∕', '⧸': // fraction slash, division slash, big solidus
		return "%2F"
	case '∖', '⧵', '⧹', '¥', '₩': // the yen and won signs are \ in code pages 932 and 949
		return `\`
	case '。', '｡': // ideographic full stops
		return "."
	}
	return escapeASCII(norm.NFKC.String(string(r)))
}

// escapeASCII returns the text if all of it is ASCII, with slashes and percent signs escaped, else nothing.
func escapeASCII(text string) string {
	if !isASCII(text) {
		return ""
	}
	return strings.ReplaceAll(strings.ReplaceAll(text, "%", "%25"), "/", "%2F") // a Replacer costs ten thousand bytes to make
}

// dropInvisible drops characters that do not show, which normalisers and filters take out: soft hyphen, zero-width characters,
// marks of direction, variation selectors, the byte order mark.
func dropInvisible(path string) string {
	if isASCII(path) {
		return path
	}
	return mapBytes(path, func(s string) (string, int) {
		r, size := utf8.DecodeRuneInString(s)
		if unicode.In(r, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) {
			return "", size
		}
		return s[:size], size
	})
}

// dropCookieless drops "(S(…))" and its like, one letter before the inner bracket, wherever it stands in a segment, and a segment
// that is nothing else as a whole.
func dropCookieless(path string) string {
	if !strings.Contains(path, "))") {
		return path
	}
	names := strings.Split(path, "/")
	kept := names[:1]
	for _, name := range names[1:] {
		rest := withoutCookieless(name)
		if rest != "" || name == "" {
			kept = append(kept, rest)
		}
	}
	if len(kept) == 1 {
		return "/"
	}
	return strings.Join(kept, "/")
}

func withoutCookieless(name string) string {
	var rest strings.Builder
	for {
		open := strings.IndexByte(name, '(')
		if open < 0 || len(name) <= open+2 {
			return rest.String() + name
		}
		if name[open+2] != '(' || !isLetter(name[open+1]) {
			rest.WriteString(name[:open+1])
			name = name[open+1:]
			continue
		}
		end := strings.Index(name[open:], "))")
		if end < 0 { // nor does one stand further on
			return rest.String() + name
		}
		rest.WriteString(name[:open])
		name = name[open+end+len("))"):]
	}
}

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

// shortenOverlong replaces ASCII characters that are spelt with more bytes than one (RFC 3629 3 forbids it).
func shortenOverlong(path string) string {
	if isASCII(path) {
		return path
	}
	return mapBytes(path, func(s string) (string, int) {
		c, size := overlong(s)
		switch {
		case size == 0:
			return s[:1], 1
		case c == '/':
			return "%2F", size
		case c == '%':
			return "%25", size
		}
		return string(rune(c)), size
	})
}

// overlong returns the ASCII character that the beginning of s spells too long, and the length of that; 0 where it does not.
func overlong(s string) (c byte, size int) {
	size = overlongSize(s[0])
	if size == 0 || len(s) < size {
		return 0, 0
	}
	value := int(s[0] & 1) // the last bit of c0 and c1; the longer forms' leads end in a zero bit
	for _, b := range []byte(s[1:size]) {
		continues := b&0xc0 == 0x80
		// Old servers never looked at the upper bits of the second byte: %c1%1c was a backslash.
		if !continues && (size > 2 || b == '%' || b == '/') {
			return 0, 0
		}
		value = value<<6 | int(b&0x3f)
	}
	if value >= utf8.RuneSelf {
		return 0, 0
	}
	return byte(value), size
}

// overlongSize returns the length of a sequence that may spell ASCII too long, by its first byte, and 0 for others.
func overlongSize(lead byte) int {
	switch lead {
	case 0xc0, 0xc1:
		return 2
	case 0xe0:
		return 3
	case 0xf0:
		return 4
	case 0xf8:
		return 5
	case 0xfc:
		return 6
	}
	return 0
}
