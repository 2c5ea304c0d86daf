package access

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// comparison says which names a server takes for one. The names that are one for the exact comparison are one for each other, and
// those of composed for caseless, so that what agrees in the loosest agrees in all.
type comparison int

const (
	exact    comparison = iota
	composed            // letters with marks in both spellings of Unicode: APFS, HFS+, ZFS, Samba, applications that normalise names
	caseless            // and without regard to letter case: IIS, ASP.NET, Express, file systems of Windows and macOS
)

// comparisons are those beside the exact one.
var comparisons = [...]comparison{composed, caseless}

// meaning says what a server does that compares so.
func (c comparison) meaning() *meaning {
	if c == composed {
		return &meaning{does: "takes Unicode's two spellings of ü for one"}
	}
	return &meaning{does: "ignores letter case", trait: caseSensitive}
}

// form returns the name in a form that all names have in common which are one for the comparison. Bytes that are no UTF-8 stay.
func (c comparison) form(name string) string {
	if c == caseless && !isASCII(name) {
		name = expansions.Replace(name)
	}
	return c.value(name)
}

// value returns a name in that form, but for the letters that two stand for when large: whoever is called Strauß is not refused for it.
func (c comparison) value(name string) string {
	switch c {
	case composed:
		return norm.NFC.String(name)
	case caseless:
		// Without their marks, since some letters are one character only when small (ǰ, J̌), and one, ͅ , is a mark then.
		return norm.NFC.String(foldCase(norm.NFD.String(name)))
	}
	return name
}

// formPath returns an escaped path with the names in that form. Those that have it already stay as they are escaped.
func (c comparison) formPath(path string) string {
	return mapSegments(path, func(escaped string) string {
		name := unescape(escaped)
		if form := c.form(name); form != name {
			return url.PathEscape(form)
		}
		return escaped
	})
}

// expansions are the letters of which full case folding makes several, and canonical decomposition does not (Unicode's CaseFolding.txt, status F):
// APFS and ext4 (casefold), Python's casefold.
var expansions = strings.NewReplacer("ß", "ss", "ẞ", "ss", "ŉ", "ʼn", "ẚ", "aʾ", "ﬀ", "ff", "ﬁ", "fi", "ﬂ", "fl", "ﬃ", "ffi", "ﬄ", "ffl", "ﬅ", "st", "ﬆ", "st",
	"և", "եւ", "ﬓ", "մն", "ﬔ", "մե", "ﬕ", "մի", "ﬖ", "վն", "ﬗ", "մխ")

// mayChange says whether a name in an escaped path may not be in that form.
func (c comparison) mayChange(path string) bool {
	for i := range len(path) {
		switch b := path[i]; {
		case b >= utf8.RuneSelf, b == '%' && (c == caseless || path[i+1] >= '8'):
			return true
		case c == caseless && 'A' <= b && b <= 'Z':
			return true
		}
	}
	return false
}

// foldCase returns the name, whose letters stand apart from their marks (NFD), in one letter case. Names that differ by case alone fold to
// one, in every script; the dotted and the dotless i of Turkish fold to i as well, with or without the dot that İ leaves above it.
func foldCase(name string) string {
	if !hasCase(name) {
		return name
	}
	var folded strings.Builder
	dotted := false // what stands before has an i, and nothing but marks behind it
	for len(name) > 0 {
		r, size := utf8.DecodeRuneInString(name)
		small := foldRune(r)
		dotted = small == 'i' || dotted && unicode.Is(unicode.Mn, r)
		switch {
		case r == utf8.RuneError:
			folded.WriteString(name[:size])
		case dotted && r == '\u0307':
		default:
			folded.WriteRune(small)
		}
		name = name[size:]
	}
	return folded.String()
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
	return unicode.ToLower(unicode.ToUpper(least)) // the least may be a small letter of its own kind, as µ is of μ
}
