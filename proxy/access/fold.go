package access

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// foldCase returns the name as a server compares it that ignores letter case. Names that differ by case alone fold to one,
// in every script; the dotted and the dotless i of Turkish fold to i as well. Bytes that are no UTF-8 stay.
func foldCase(name string) string {
	if !hasCase(name) {
		return name
	}
	var folded strings.Builder
	for len(name) > 0 {
		r, size := utf8.DecodeRuneInString(name)
		if r == utf8.RuneError {
			folded.WriteString(name[:size])
		} else {
			folded.WriteRune(foldRune(r))
		}
		name = name[size:]
	}
	return folded.String()
}

// foldPath folds the names in an escaped path. Those that have no case stay as they are escaped.
func foldPath(path string) string {
	return mapSegments(path, func(escaped string) string {
		name := unescape(escaped)
		if folded := foldCase(name); folded != name {
			return url.PathEscape(folded)
		}
		return escaped
	})
}

// hasCase says whether folding might change the name.
func hasCase(name string) bool {
	for i := range len(name) {
		if c := name[i]; 'A' <= c && c <= 'Z' || c >= utf8.RuneSelf {
			return true
		}
	}
	return false
}

func foldRune(r rune) rune {
	if r == 'İ' || r == 'ı' {
		return 'i'
	}
	least := r
	for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
		least = min(least, next)
	}
	return unicode.ToLower(least)
}
