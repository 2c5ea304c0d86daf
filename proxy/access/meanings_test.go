package access

import (
	"math/rand/v2"
	"net/url"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"
)

// server is one thing that servers do to a path, written without a look at reading.go.
type server func(path string) string

func naiveServers() map[string]server {
	parameters := regexp.MustCompile(`;[^/]*`)
	trailing := regexp.MustCompile(`([^./ ][^/]*?)[. ]+(/|$)`)
	slashes := regexp.MustCompile(`//+`)
	authority := regexp.MustCompile(`^//+[^/]*`)
	upTo := func(chars string) server {
		return func(p string) string {
			if i := strings.IndexAny(p, chars); i >= 0 {
				return p[:i]
			}
			return p
		}
	}
	return map[string]server{
		"decode":     decodeOnce,
		"backslash":  func(p string) string { return strings.ReplaceAll(p, `\`, "/") },
		"parameters": func(p string) string { return parameters.ReplaceAllString(p, "") },
		"trailing":   func(p string) string { return trailing.ReplaceAllString(p, "$1$2") },
		"merge":      func(p string) string { return slashes.ReplaceAllString(p, "/") },
		"authority":  func(p string) string { return authority.ReplaceAllString(p, "") },
		"clean":      cleanPath,
		"resolve":    resolveReference,
		"query":      upTo("?"),
		"fragment":   upTo("#"),
		"nul":        upTo("\x00"),
		"newline":    upTo("\r\n"),
		"controls":   strings.NewReplacer("\t", "", "\n", "", "\r", "", "\x00", "").Replace,
		"narrow":     strings.NewReplacer("／", "/", "．", ".", "＼", `\`, "ａ", "a", "；", ";").Replace,
		"overlong":   strings.NewReplacer("\xc0\xaf", "/", "\xc0\xae", ".", "\xe0\x80\xae", ".", "\xc1\x9c", `\`).Replace,
		"ignore":     func(p string) string { return strings.ToValidUTF8(p, "") },
	}
}

func decodeOnce(p string) string {
	if decoded, err := url.PathUnescape(p); err == nil {
		return decoded
	}
	return p
}

// cleanPath is Go's path.Clean as file servers use it, the final slash kept.
func cleanPath(p string) string {
	cleaned := path.Clean(p)
	if strings.HasSuffix(p, "/") && cleaned != "/" {
		return cleaned + "/"
	}
	return cleaned
}

// resolveReference is RFC 3986 5.2.4 by net/url.
func resolveReference(p string) string {
	return (&url.URL{Scheme: "http", Host: "h", Path: "/"}).ResolveReference(&url.URL{Path: p}).Path
}

// behaviours are the servers that do up to three of these things, decoding at least once, in any order.
func behaviours() map[string][]server {
	does := naiveServers()
	all := map[string][]server{"decode": {decodeOnce}}
	for a, first := range does {
		all[a+" decode"] = []server{first, decodeOnce}
		all["decode "+a] = []server{decodeOnce, first}
		for b, second := range does {
			all[a+" decode "+b] = []server{first, decodeOnce, second}
			all["decode "+a+" "+b] = []server{decodeOnce, first, second}
		}
	}
	return all
}

func ambiguityRules() []*reference {
	return []*reference{
		newReference("/", false), newReference("/admin/", false), newReference("/public/", false), newReference("/public/{x}/edit", false),
		newReference("/{tenant}/admin/", false), newReference("/public/a/secret", false), newReference("/health", false),
		newReference("/deep/er/admin/", false), newReference("GET /", false), newReference("h.x/internal/", false), newReference("/deep/é/", false),
	}
}

func checkSpelling(t *testing.T, policy *Policy, rules []*reference, beats map[[2]*reference]bool, all map[string][]server, spelling string) {
	for _, host := range []string{"h.x", "o"} {
		route, err := policy.Route("GET", host, spelling)
		if err != nil {
			continue
		}
		for name, servers := range all {
			read := spelling
			for _, does := range servers {
				read = does(read)
			}
			for _, read := range []string{read, norm.NFC.String(read), strings.ToLower(norm.NFC.String(read))} {
				if !strings.HasPrefix(read, "/") {
					continue
				}
				want := joinLabels(decide(rules, beats, "GET", host, strings.Split(read[1:], "/")))
				if route.Rule() != want {
					t.Fatalf("%q passes by %q, and a server that does %q reads %q, which is of %q", spelling, route.Rule(), name, read, want)
				}
			}
		}
	}
}

func spellingParts() []string {
	return []string{"/", "/", "/", "admin", "public", "a", "secret", "x", "edit", "health", "internal", "deep", "er", ".", "..", "%2e", "%2E",
		"%2f", "%2F", "%5c", `\`, ";", ";v=1", "%3b", "%25", "%252e", "%252f", "%255c", "%00", "%0a", "%09", "%20", "%3f", "%23", "A", "D",
		"%c0%ae", "%c0%af", "%e0%80%ae", "%ef%bc%8f", "%ef%bc%8e", "%ff", "é", "e%cc%81", "%cc%81", "%c3%a9", "%61", "%41", "%2561"}
}

// spell puts parts together, one for each byte.
func spell(data []byte) string {
	parts := spellingParts()
	var spelling strings.Builder
	spelling.WriteString("/")
	for _, c := range data {
		spelling.WriteString(parts[int(c)%len(parts)])
	}
	return spelling.String()
}

// FuzzSpelling: no spelling of a path passes under other rules than those of what some server reads.
func FuzzSpelling(f *testing.F) {
	for _, spelling := range adminSpellings() {
		f.Add(spelling, []byte(spelling))
	}
	rules := ambiguityRules()
	beats, all := beats(rules), behaviours()
	policy, err := Compile(writeTable(rules), nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, spelling string, parts []byte) {
		checkSpelling(t, policy, rules, beats, all, spelling)
		checkSpelling(t, policy, rules, beats, all, spell(parts[:min(len(parts), 12)]))
	})
}

// TestRandomSpellings is FuzzSpelling for every day: the same spellings each time.
func TestRandomSpellings(t *testing.T) {
	rules := ambiguityRules()
	beats, all := beats(rules), behaviours()
	policy := compile(t, writeTable(rules))
	random := rand.New(rand.NewPCG(1, 2))
	for range 400 {
		data := make([]byte, 1+random.IntN(9))
		for i := range data {
			data[i] = byte(random.Uint32())
		}
		checkSpelling(t, policy, rules, beats, all, spell(data))
	}
}

// FuzzCompile: no table of rules makes it panic, and what it accepts can be asked.
func FuzzCompile(f *testing.F) {
	f.Add(precedenceRules, "/a/")
	f.Add(`/x/{n}/ group:"a b",{n} !email:*@x.org | ip:10.0.0.0/8 max-age:1h acr:x claim:"a.b"={n}`, "*.h/")
	f.Add("GET;\"", `"`)
	f.Add("GET,POST h/{a...} group:{a}|!user:x", "{$}/{$}")
	f.Fuzz(func(t *testing.T, rules, upstream string) {
		policy, err := Compile(rules, []Upstream{{Pattern: upstream}})
		if err != nil {
			for _, problem := range strings.Split(err.Error(), "\n") {
				if problem == "" {
					t.Errorf("an empty problem for %q, %q", rules, upstream)
				}
			}
			return
		}
		policy.Notes()
		policy.GroupNames()
		for _, p := range []string{"/", "/a/b", "/a%2Fb/..//c;x"} {
			if route, err := policy.Route("GET", "h", p); err == nil {
				route.Check(&Subject{})
			}
		}
	})
}

// The package comment is where people look up what servers read.
func TestEveryMeaningIsDocumented(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range append(meanings(), *composed.meaning(), *caseless.meaning()) {
		line := regexp.MustCompile(`(?m)^//\t` + regexp.QuoteMeta(m.does) + `\s+(/\S+)\s+\S.*$`).FindSubmatch(doc)
		if line == nil {
			t.Errorf("the table has no line for a server that %s", m.does)
			continue
		}
		if label := routeLabel(compile(t, adminRules+"\n/büro/ group:B"), "GET", "h", string(line[1])); label == "/" || label == "/public/" {
			t.Errorf("the table's %s is decided by %q", line[1], label)
		}
	}
}

func TestEveryMeaningIsNeeded(t *testing.T) {
	p := compile(t, adminRules+"\n/only public\n/dir/{$} public\n")
	needs := map[string]string{
		"decodes escapes first":                         "/public/%2e%2e/admin/",
		"takes %2F for a slash":                         "/admin%2Fx",
		"decodes twice":                                 "/%2561dmin/",
		`takes \ for a slash`:                           `/admin\x`,
		"drops ;parameters of segments":                 "/admin;x/",
		"merges slashes":                                "//admin/",
		"resolves dot segments":                         "/dir/.",
		"resolves dot segments and a final slash":       "/only/.",
		"takes what follows // for a host":              "//x/admin/",
		"takes %3F for the beginning of the query":      "/admin%3Fx",
		"takes %23 for the beginning of the fragment":   "/admin%23x",
		"ends the path at a line break":                 "/admin%0ax",
		"ends the path at NUL":                          "/admin%00x",
		"drops control characters":                      "/ad%09min/",
		"drops dots and blanks at the end of names":     "/admin./",
		"takes :$ for a stream of a file":               "/admin::$DATA",
		"reads wide and look-alike characters as ASCII": "/%ef%bd%81dmin/",
		"drops (S(…)) of cookieless sessions":           "/ad(S(x))min/",
		"drops characters that do not show":             "/ad%e2%80%8bmin/",
		"reads overlong UTF-8":                          "/%c1%a1dmin/",
		"drops bytes that are no UTF-8":                 "/ad%ffmin/",
	}
	for i, m := range p.meanings {
		spelling := needs[m.does]
		if _, err := p.Route("GET", "h", spelling); err == nil {
			t.Errorf("%q passes although a server %s", spelling, m.does)
		}
		without := *p
		without.meanings = slices.Delete(slices.Clone(p.meanings), i, i+1)
		if _, err := without.Route("GET", "h", spelling); err != nil {
			t.Errorf("%q is refused without a server that %s, too: %v", spelling, m.does, err)
		}
	}
}

// The letter before the inner bracket is any.
func TestCookielessSegmentsOfEveryLetter(t *testing.T) {
	p := compile(t, adminRules)
	for _, letter := range []string{"a", "z", "A", "F", "Z"} {
		if ambiguity(p, "/("+letter+"(x))/admin/") == nil {
			t.Errorf("(%s(x)) passes", letter)
		}
	}
}

func TestCookielessSegmentAloneIsTheRoot(t *testing.T) {
	if ambiguity(compile(t, "/ public\n/{$} group:A"), "/(S(x))") == nil {
		t.Error("passes, though ASP.NET reads /")
	}
}

func TestOtherBracketsAreNotCookieless(t *testing.T) {
	p := compile(t, adminRules)
	for _, path := range []string{"/ad(xy))min/", "/ad(1(x))min/"} {
		if e := ambiguity(p, path); e != nil {
			t.Errorf("%s: %v", path, e)
		}
	}
}

// What breaks off in the middle of a spelling is read for what it is.
func TestUnfinishedSpellingsAreRead(t *testing.T) {
	p := compile(t, "/ public")
	for _, path := range []string{"/%c0", "/%e0%80", "/%fc%80%80%80%80", "/%c0%a5", "/x%c0%a5", "/x))(", "/))(x", "/a(b))", "/(S(x))", "/%25", "/x%252"} {
		if _, err := p.Route("GET", "h", path); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// A character of three bytes is not one of ASCII spelt too long, though its last bits look like a slash.
func TestOtherCharactersAreNotOverlong(t *testing.T) {
	if e := ambiguity(compile(t, "/u/{name} user:{name}"), "/u/%e0%a4%af"); e != nil {
		t.Error(e)
	}
}
