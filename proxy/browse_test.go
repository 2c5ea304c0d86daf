package proxy

import (
	"net/url"
	"slices"
	"strings"
	"testing"
)

// Browse tells where a browser at base, a page of http or https, goes for a Location: to which origin, and there to which path, dot
// segments resolved. It is the URL standard's parser (https://url.spec.whatwg.org/#concept-basic-url-parser), state by state, without
// internationalised names: hosts that are not ASCII come out as they went in, and are nobody's origin here.
func Browse(base, location string) (origin, path string) {
	from, _ := url.Parse(base)
	rest := strings.TrimFunc(location, func(r rune) bool { return r <= ' ' })
	rest = strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(rest)
	scheme, after, named := schemeOf(rest)
	switch {
	case named && !special(scheme):
		return scheme + ":", after
	case named && (scheme != from.Scheme || strings.HasPrefix(after, "//")): // special authority slashes state
		return authority(scheme, strings.TrimLeft(after, `/\`))
	case named: // special relative or authority state
		rest = after
	}
	origin = from.Scheme + "://" + from.Host
	switch {
	case len(rest) > 1 && slash(rest[0]) && slash(rest[1]): // relative slash state
		return authority(from.Scheme, strings.TrimLeft(rest, `/\`))
	case rest == "" || rest[0] == '?' || rest[0] == '#':
		return origin, from.Path
	case slash(rest[0]):
		return origin, resolved(rest)
	}
	return origin, resolved(from.Path[:strings.LastIndexByte(from.Path, '/')+1] + rest)
}

// schemeOf cuts a scheme off (scheme start state, scheme state).
func schemeOf(text string) (scheme, rest string, ok bool) {
	scheme, rest, ok = strings.Cut(strings.ToLower(text), ":")
	for i, c := range []byte(scheme) {
		letter := 'a' <= c && c <= 'z'
		if !letter && (i == 0 || !strings.ContainsRune("0123456789+-.", rune(c))) {
			return "", "", false
		}
	}
	return scheme, text[len(text)-len(rest):], ok && scheme != ""
}

func special(scheme string) bool {
	return slices.Contains([]string{"http", "https", "ws", "wss", "ftp", "file"}, scheme)
}

func slash(c byte) bool { return c == '/' || c == '\\' }

// authority reads host and path (authority state, host state, port state).
func authority(scheme, text string) (origin, path string) {
	end := strings.IndexAny(text+"/", `/\?#`)
	host := text[:end]
	host = host[strings.LastIndexByte(host, '@')+1:]
	if decoded, err := url.PathUnescape(host); err == nil {
		host = decoded
	}
	host = strings.TrimSuffix(strings.ToLower(host), map[string]string{"http": ":80", "https": ":443"}[scheme])
	origin, path = scheme+"://"+strings.TrimSuffix(host, ":"), "/"
	if tail := text[end:]; tail != "" && slash(tail[0]) {
		path = resolved(tail)
	}
	return origin, path
}

// resolved resolves a path's dot segments (path state).
func resolved(text string) string {
	path, _, _ := strings.Cut(text, "?")
	path, _, _ = strings.Cut(path, "#")
	var kept []string
	segments := strings.Split(strings.ReplaceAll(path, `\`, "/"), "/")[1:]
	for i, segment := range segments {
		dots := strings.ReplaceAll(strings.ToLower(segment), "%2e", ".")
		last := i == len(segments)-1
		switch {
		case dots == "..":
			kept = kept[:max(0, len(kept)-1)]
		case dots != ".":
			kept = append(kept, segment)
		}
		if last && (dots == "." || dots == "..") {
			kept = append(kept, "")
		}
	}
	return "/" + strings.Join(kept, "/")
}

// Examples of the URL standard and of its tests (web-platform-tests url/resources/urltestdata.json).
func TestBrowse(t *testing.T) {
	for location, want := range map[string][2]string{
		"/x?y#z":                  {"https://here.example", "/x"},
		"x":                       {"https://here.example", "/a/x"},
		"?x":                      {"https://here.example", "/a/b"},
		"":                        {"https://here.example", "/a/b"},
		"//e":                     {"https://e", "/"},
		`/\e/x`:                   {"https://e", "/x"},
		`\\e\x`:                   {"https://e", "/x"},
		"///e":                    {"https://e", "/"},
		"/\t/e":                   {"https://e", "/"},
		" \x00//e ":               {"https://e", "/"},
		"https:e":                 {"https://here.example", "/a/e"},
		"https:/e":                {"https://here.example", "/e"},
		`https:\\e`:               {"https://e", "/"},
		"http:e":                  {"http://e", "/"},
		"HTTPS://E:443/":          {"https://e", "/"},
		"https://u@x@e:8/p":       {"https://e:8", "/p"},
		"https://here.example@e":  {"https://e", "/"},
		"https://e#@here.example": {"https://e", "/"},
		`https://e\@here.example`: {"https://e", "/@here.example"},
		"https://%68ere.example/": {"https://here.example", "/"},
		"javascript:alert(1)":     {"javascript:", "alert(1)"},
		"mailto:x":                {"mailto:", "x"},
		"1x:y":                    {"https://here.example", "/a/1x:y"},
		"/./x/../y/%2e%2E/z":      {"https://here.example", "/z"},
		"/../../x":                {"https://here.example", "/x"},
		"/x/..":                   {"https://here.example", "/"},
		"/x/.":                    {"https://here.example", "/x/"},
		`/x\..\y`:                 {"https://here.example", "/y"},
		"/.//e":                   {"https://here.example", "//e"},
		"./..//e":                 {"https://here.example", "//e"},
		"/%2f%2fe":                {"https://here.example", "/%2f%2fe"},
	} {
		origin, path := Browse("https://here.example/a/b", location)
		if origin != want[0] || path != want[1] {
			t.Errorf("%q leads to %q %q, want %q", location, origin, path, want)
		}
	}
}
