package access

// One meaning or none. The rules this file keeps:
//
//   - A path that different servers read differently passes only where every reading leads to the same rules, the same upstream and
//     the same values of the wildcards that the rules' requirements use.
//   - The readings are every sequence of those below, in any order and number, since servers stand behind each other and
//     each adds its own. Every server decodes escapes once when it splits the path into segments; that is
//     no reading of its own but how each of them is compared with the patterns (see query.name).
//   - A path with more readings than can be looked at is refused.
//   - An upstream takes readings away by its traits (paths=): case-sensitive, opaque-slash. The traits that count are those of
//     the upstream to which the path leads when it is taken as it stands.
//
// Not among the readings: a final slash added or dropped (the rules tell /docs from /docs/, and a pattern with the slash covers both),
// file name extensions that choose a view, short names of Windows (ADMINI~1), + for a blank, blanks before a name, accents dropped,
// scripts that take the rest of the path (/index.php/admin/).

// The traits of an upstream.
const (
	caseSensitive = "case-sensitive"
	opaqueSlash   = "opaque-slash"
)

// meaning is one thing that a known kind of server does to a path.
type meaning struct {
	does  string // completes "a server that …"
	trait string // of upstreams that do not do it
	read  func(path string) string
}

// meanings returns the table; which servers read so, and what, stands in the package's documentation. Letter case and marks are not among
// them, since they change how names are compared and not where they end; they are asked about every reading (comparison.go).
func meanings() []meaning {
	return []meaning{
		{does: "decodes escapes first", read: decodeEscapes},
		{does: "takes %2F for a slash", trait: opaqueSlash, read: decodeSlashes},
		{does: "decodes twice", read: decodeAgain},
		{does: `takes \ for a slash`, read: turnBackslashes},
		{does: "drops ;parameters of segments", read: dropParameters},
		{does: "drops (S(…)) of cookieless sessions", read: dropCookieless},
		{does: "merges slashes", read: mergeSlashes},
		{does: "resolves dot segments", read: resolveDots},
		{does: "resolves dot segments and a final slash", read: resolveDotsFully},
		{does: "takes what follows // for a host", read: dropAuthority},
		{does: "takes %3F for the beginning of the query", read: cutAt("?")},
		{does: "takes %23 for the beginning of the fragment", read: cutAt("#")},
		{does: "ends the path at NUL", read: cutAt("\x00")},
		{does: "ends the path at a line break", read: cutAt("\r\n")},
		{does: "drops control characters", read: dropControls},
		{does: "drops dots and blanks at the end of names", read: trimNames},
		{does: "takes :$ for a stream of a file", read: cutStreams},
		{does: "reads wide and look-alike characters as ASCII", read: narrowCharacters},
		{does: "drops characters that do not show", read: dropInvisible},
		{does: "reads overlong UTF-8", read: shortenOverlong},
		{does: "drops bytes that are no UTF-8", read: dropIllFormed},
	}
}
