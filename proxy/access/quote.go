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

// quoted returns what stands between quotation marks.
func quoted(s string) string {
	var inside strings.Builder
	for i, part := range strings.Split(s, string(quotationMark)) {
		if i%2 == 1 {
			inside.WriteString(part)
		}
	}
	return inside.String()
}

// unquoted returns what stands outside quotation marks.
func unquoted(s string) string {
	var outside strings.Builder
	for i, part := range strings.Split(s, string(quotationMark)) {
		if i%2 == 0 {
			outside.WriteString(part)
		}
	}
	return outside.String()
}
