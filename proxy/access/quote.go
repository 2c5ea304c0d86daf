package access

import "strings"

const quotationMark = '"'

// indexOutside returns the place of the first byte of s outside quotation marks for which is holds, or -1. closed is false
// where s ends inside quotation marks; the place is then that of the mark that was left open.
func indexOutside(s string, is func(c byte) bool) (place int, closed bool) {
	open := -1
	for i := range len(s) {
		switch {
		case s[i] == quotationMark && open < 0:
			open = i
		case s[i] == quotationMark:
			open = -1
		case open < 0 && is(s[i]):
			return i, true
		}
	}
	return open, open < 0
}

// cutOutside cuts s around the first separator outside quotation marks.
func cutOutside(s string, separator byte) (before, after string, found bool) {
	place, closed := indexOutside(s, func(c byte) bool { return c == separator })
	if place < 0 || !closed {
		return s, "", false
	}
	return s[:place], s[place+1:], true
}

// splitOutside splits s at every separator outside quotation marks.
func splitOutside(s string, separator byte) []string {
	var parts []string
	for {
		before, after, found := cutOutside(s, separator)
		parts = append(parts, before)
		if !found {
			return parts
		}
		s = after
	}
}

// unquote removes the quotation marks: what stood between them is taken literally.
func unquote(s string) string {
	return strings.ReplaceAll(s, string(quotationMark), "")
}

// inside returns what stands between quotation marks.
func inside(s string) string { return everyOther(s, 1) }

// outside returns what stands elsewhere.
func outside(s string) string { return everyOther(s, 0) }

// everyOther joins every second of the parts between the marks of s.
func everyOther(s string, first int) string {
	parts := strings.Split(s, string(quotationMark))
	var joined strings.Builder
	for i := first; i < len(parts); i += 2 {
		joined.WriteString(parts[i])
	}
	return joined.String()
}
