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

// meanings returns the table, with some servers that read so. Letter case and marks are not among them, since they change how names
// are compared and not where they end; they are asked about every reading (see comparison).
func meanings() []meaning {
	return []meaning{
		// Apache httpd, nginx and most others decode before they do anything below; some proxies after it.
		{does: "decodes escapes first", read: decodeEscapes},

		// Go's URL.Path, WSGI and CGI (PATH_INFO), PHP, IIS, Tomcat with encodedSolidusHandling=decode.
		{does: "takes %2F for a slash", trait: opaqueSlash, read: decodeSlashes},

		// IIS with allowDoubleEscaping, applications that decode what their server has decoded, a proxy that passes the decoded
		// path on to a second server.
		{does: "decodes twice", read: decodeAgain},

		// IIS, ASP.NET, any file system of Windows, URL parsers by the WHATWG standard (Node's and Deno's URL).
		{does: `takes \ for a slash`, read: turnBackslashes},

		// Tomcat, Jetty, WildFly, Spring: /public/..;/admin/.
		{does: "drops ;parameters of segments", read: dropParameters},

		// ASP.NET with cookieless sessions: /(S(x))/admin/ and /ad(S(x))min/ (CVE-2023-36899).
		{does: "drops (S(…)) of cookieless sessions", read: dropCookieless},

		// nginx (merge_slashes), Apache httpd (MergeSlashes), Go's ServeMux, every file system.
		{does: "merges slashes", read: mergeSlashes},

		// Nearly all; RFC 3986 5.2.4.
		{does: "resolves dot segments", read: resolveDots},
		// Go's path.Clean, Python's normpath.
		{does: "resolves dot segments and a final slash", read: resolveDotsFully},

		// new URL(request.url, base) in Node, urlsplit in Python: what follows // is a host (RFC 3986 4.2).
		{does: "takes what follows // for a host", read: dropAuthority},

		// Whoever passes the decoded path on as a URL: nginx's proxy_pass with $uri, Apache's RewriteRule, many gateways.
		{does: "takes %3F for the beginning of the query", read: func(path string) string { return cutAt(path, isQuestionMark) }},
		{does: "takes %23 for the beginning of the fragment", read: func(path string) string { return cutAt(path, isHash) }},

		// Whatever hands a path to C: CGI, old PHP and Perl.
		{does: "ends the path at NUL", read: func(path string) string { return cutAt(path, isNUL) }},
		// Whoever writes the decoded path into a request line.
		{does: "ends the path at a line break", read: func(path string) string { return cutAt(path, isLineBreak) }},
		// URL parsers by the WHATWG standard drop tab, CR and LF.
		{does: "drops control characters", read: dropControls},

		// Windows: file APIs drop dots and blanks at the end of names, and know streams (/admin:$i30:$INDEX_ALLOCATION/).
		{does: "drops dots and blanks at the end of names", read: trimNames},
		{does: "takes :$ for a stream of a file", read: cutStreams},

		// Windows (best fit into the ANSI code page), applications that normalise by NFKC (Python's identifiers, many user directories).
		{does: "reads wide and look-alike characters as ASCII", read: narrowCharacters},
		// Applications that normalise names before they compare them (IDNA, PRECIS), filters in front of them.
		{does: "drops characters that do not show", read: dropInvisible},

		// Lax decoders of UTF-8: old IIS, old Java, many written by hand.
		{does: "reads overlong UTF-8", read: shortenOverlong},
		// iconv //IGNORE, decoders with errors=ignore.
		{does: "drops bytes that are no UTF-8", read: dropIllFormed},
	}
}
