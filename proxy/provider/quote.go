package provider

import (
	"strconv"
	"strings"
	"unicode"
)

// How much is repeated of what came from outside.
const (
	maxSaid  = 500 // characters of a provider's error that we repeat to people
	maxValue = 200 // characters of a claim that we repeat in the log
)

// printable is text with everything that is not printable replaced by a blank and cut to limit characters: no line breaks that
// forge log lines, no direction marks that turn a page around.
func printable(text string, limit int) string {
	var b strings.Builder
	count := 0
	for _, r := range text {
		if count == limit {
			return b.String() + "…"
		}
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			r = ' '
		}
		b.WriteRune(r)
		count++
	}
	return strings.TrimSpace(b.String())
}

// quoted shows a value that came from outside in an error.
func quoted(value string) string {
	return strconv.Quote(printable(value, maxValue))
}
