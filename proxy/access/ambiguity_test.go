package access

import (
	"errors"
	"net/url"
	"runtime"
	"strings"
	"testing"
)

// ambiguity returns what Route says of an ambiguous path, nil where it is not.
func ambiguity(p *Policy, path string) *AmbiguousPathError {
	_, err := p.Route("GET", "h", path)
	e, _ := errors.AsType[*AmbiguousPathError](err)
	return e
}

func TestAmbiguityIsExplained(t *testing.T) {
	for _, c := range []struct{ name, rules, path, want string }{
		{"dots", adminRules, "/public/%2e%2e/admin",
			`a server that decodes escapes first, then resolves dot segments reads it as /admin, and its rule would be "/admin/" instead of "/public/"`},
		{"case", adminRules, "/ADMIN/", `a server that ignores letter case reads it as /admin/, and its rule would be "/admin/" instead of "/"`},
		{"case and escapes", "/ public\n/\"a b/é\" group:A", "/A%20b/%C3%89", `reads it as /a%20b/%C3%A9, and`},
		{"case beside escapes", "/ public\n/{x}/y group:A", "/Q%2F/Y", `reads it as /q%2F/y, and`},
		{"marks", "/ public\n/büro/ group:A", "/bu%CC%88ro/", `takes Unicode's two spellings of ü for one reads it as /b%C3%BCro/, and its rule would be "/büro/" instead of "/"`},
		{"marks of a rule", "/ public\n/bu\u0308ro/ group:A", "/b%C3%BCro/", `instead of "/"`},
		{"marks and case", "/ public\n/büro/ group:A", "/BU%CC%88RO/", `a server that ignores letter case reads it as /b%C3%BCro/, and`},
		{"marks of small letters alone", "/ public\n/ǰ/ group:A", "/J%CC%8C/", `ignores letter case`},
		{"marks behind escapes", "/ public\n/büro/ group:A", "/bu%25CC%2588ro/", `a server that decodes twice, then takes Unicode's two spellings of ü for one`},
		{"capital rule", "/ public\n/Admin/ group:A", "/admin/", `its rule would be "/Admin/" instead of "/"`},
		{"no rule", "/admin/ group:A", "//admin", `its rule would be "/admin/" instead of "none"`},
		{"wildcard", "/u/{name}/ claim:n={name}", "/u/a%20/", `{name} of rule "/u/{name}/" would have another value`},
		{"unprintable", adminRules, "/admin%00%0a%c3%a9", `reads it as /admin, and`},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := ambiguity(compile(t, c.rules), c.path)
			if e == nil || !strings.Contains(e.Error(), c.want) {
				t.Errorf("%v, want %s", e, c.want)
			}
		})
	}
}

func TestUpstreamsMayNotDiffer(t *testing.T) {
	p := compile(t, "/ public", Upstream{Pattern: "/"}, Upstream{Pattern: "/api/"})
	e := ambiguity(p, "/x/..%2fapi/")
	if e == nil || e.Upstreams != [2]string{"/", "/api/"} || e.Rules != [2]string{"/", "/"} || !strings.Contains(e.Error(), "its upstream would be") {
		t.Errorf("%v", e)
	}
}

func TestUpstreamsMayNotDifferByLetterCase(t *testing.T) {
	p := compile(t, "/ public", Upstream{Pattern: "/"}, Upstream{Pattern: "/API/"})
	if e := ambiguity(p, "/api/"); e == nil || e.Upstreams != [2]string{"/", "/API/"} {
		t.Errorf("%v", e)
	}
}

func TestUnusedWildcardsMayDiffer(t *testing.T) {
	if e := ambiguity(compile(t, "/u/{name}/ authenticated"), "/u/a%20/"); e != nil {
		t.Error(e)
	}
}

func TestTraits(t *testing.T) {
	rules := "/ authenticated\n/admin/ group:A\n/projects/{id} group:Dev\n/u/{name}/ user:{name}\n/odd/ group:Odd"
	for _, c := range []struct {
		path, trait string
		without     string // the trait that AmbiguousPathError names without any trait
	}{
		{"/ADMIN/", caseSensitive, caseSensitive},
		{"/u/Alice/", caseSensitive, caseSensitive},
		{"/projects/group%2Fproject", opaqueSlash, opaqueSlash},
		{"/odd%2F..%2Fx", opaqueSlash, opaqueSlash},
	} {
		e := ambiguity(compile(t, rules), c.path)
		if e == nil || e.Trait != c.without {
			t.Errorf("%s: %v, want trait %s", c.path, e, c.without)
		}
		if e := ambiguity(compile(t, rules, Upstream{Paths: []string{c.trait}}), c.path); e != nil {
			t.Errorf("%s with %s: %v", c.path, c.trait, e)
		}
	}
}

func TestTraitsAreOfThePlainReadingsUpstream(t *testing.T) {
	p := compile(t, "/ authenticated\n/admin/ group:A", Upstream{Pattern: "/"}, Upstream{Pattern: "/admin/", Paths: []string{caseSensitive}})
	if ambiguity(p, "/ADMIN/") == nil {
		t.Error("the trait of another upstream takes the reading away")
	}
}

func TestMalformedPaths(t *testing.T) {
	p := compile(t, "/ public")
	for _, path := range []string{"", "*", "x", "h:80", "http://h/", "/a b", "/a\x00", "/a\n", "/a\x7f", "/é", "/%", "/%1", "/%zz", "/%u0061", "/a#b", "/a?b"} {
		if _, err := p.Route("GET", "h", path); err == nil {
			t.Errorf("%q passes", path)
		} else if _, ok := errors.AsType[*PathError](err); !ok {
			t.Errorf("%q: %v", path, err)
		}
	}
}

func TestTooManyReadings(t *testing.T) {
	p := compile(t, "/ public")
	for _, path := range []string{
		strings.Repeat("/a;x/%252e%252e//%5cb%2F%c0%ae./c%20./%ef%bc%8e/x:$y", 20),
		"/" + strings.Repeat("%2F", 30_000),
	} {
		if _, err := p.Route("GET", "h", path); err == nil || !strings.Contains(err.Error(), "more ways than") {
			t.Errorf("%.40s…: %v", path, err)
		}
	}
}

// A rule for letters with marks still decides, and where no rule tells spellings apart, each of them passes as it came.
func TestMarksPass(t *testing.T) {
	p := compile(t, "/ public\n/büro/ group:A\n/u/{name}/ user:{name}", Upstream{Paths: []string{caseSensitive}})
	for path, want := range map[string]string{
		"/b%C3%BCro/akten": "/büro/", "/b%c3%bcro": "/büro/", "/Bu%CC%88ro/": "/", "/cafe%CC%81": "/", "/caf%C3%A9": "/", "/u/J%C3%BCrgen/": "/u/{name}/",
	} {
		if route, err := p.Route("GET", "h", path); err != nil || route.Rule() != want {
			t.Errorf("%s: %v, want %s", path, err, want)
		}
	}
}

// Letter case apart, an upstream's promise about it does not speak of marks.
func TestMarksOfCaseSensitiveUpstreams(t *testing.T) {
	p := compile(t, "/ public\n/büro/ group:A\n/u/{name}/ user:{name}", Upstream{Paths: []string{caseSensitive}})
	for _, path := range []string{"/bu%CC%88ro/", "/u/Ju%CC%88rgen/"} {
		if e := ambiguity(p, path); e == nil || e.Trait != "" {
			t.Errorf("%s: %v", path, e)
		}
	}
}

// Some letters are one with others only when they are large, or have lost their mark.
func TestMarksOfLettersWithoutCase(t *testing.T) {
	p := compile(t, "/ public\n/İstanbul/ group:A\n/i\u0307zmir/ group:A\n/ὑμῖν/ group:A\n/ᾳδης/ group:A\n/straße/ group:A")
	for _, path := range []string{
		"/i\u0307stanbul/", "/I\u0307stanbul/", "/istanbul/", "/ISTANBUL/", "/izmir/", "/İzmir/", "/υ\u0314μι\u0342ν/", "/ὙΜΙ\u0342Ν/", "/αιδης/", "/ΑΙΔΗΣ/",
		"/strasse/", "/STRASSE/", "/STRAẞE/", "/stra\u017fse/",
	} {
		if e := ambiguity(p, (&url.URL{Path: path}).EscapedPath()); e == nil {
			t.Errorf("%+q passes", path)
		}
	}
}

// A name in small letters is what a server reads that ignores letter case, in every script.
func TestSmallLettersPass(t *testing.T) {
	p := compile(t, "/u/{name}/ user:{name}")
	for _, name := range []string{"müller", "ιωάννα", "δημήτρη", "ирина", "straße", "nguyễn", "한글", "漢字", "😀", "µm"} {
		if e := ambiguity(p, (&url.URL{Path: "/u/" + name + "/"}).EscapedPath()); (e == nil) != (name != "µm") {
			t.Errorf("%s: %v", name, e)
		}
	}
}

// What is one name by a comparison is one by all that are looser, which may therefore be asked about alone.
func FuzzComparisons(f *testing.F) {
	f.Add("bu\u0308ro", "BÜRO")
	f.Add("ǰ\xff", "J\u030c")
	f.Add("I\u0307", "ı")
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, name := range []string{a, b, a + b} {
			for _, by := range comparisons {
				if form := by.form(name); by.form(form) != form {
					t.Errorf("%q has the form %q by %v, and that %q", name, form, by, by.form(form))
				}
			}
			if caseless.form(composed.form(name)) != caseless.form(name) {
				t.Errorf("%q: composed, it has another form", name)
			}
		}
	})
}

// mayChange may be wrong in one direction only.
func FuzzMayChange(f *testing.F) {
	f.Add("/A%41")
	f.Add("/b%C3%BCro")
	f.Fuzz(func(t *testing.T, path string) {
		if checkEscaped(path) != nil {
			return
		}
		for _, by := range comparisons {
			if !by.mayChange(path) && by.formPath(path) != path {
				t.Errorf("%q is %q by %v", path, by.formPath(path), by)
			}
		}
	})
}

func TestFoldCase(t *testing.T) {
	for _, c := range []struct{ name, want string }{
		{"admin", "admin"}, {"ADMIN", "admin"}, {"\u212a", "k"}, {"ſ", "s"}, {"ı", "i"}, {"İ", "i"}, {"É", "é"}, {"Σς", "σσ"}, {"A\xff", "a\xff"},
	} {
		if got := foldCase(c.name); got != c.want {
			t.Errorf("%q folds to %q, want %q", c.name, got, c.want)
		}
	}
}

func TestPlainPathIsOneAllocation(t *testing.T) {
	p := compile(t, manyRules(100))
	if n := testing.AllocsPerRun(100, func() { _, _ = p.Route("GET", "app.example.com", "/app/users/42/profile") }); n > 1 {
		t.Errorf("%v allocations", n)
	}
}

// An upstream behind a prefix reads what is left of the path, which may begin in ways in which the whole does not.
func TestReadingsBehindAPrefix(t *testing.T) {
	p, err := Compile("/api/ authenticated\n/api/admin/ group:Admin", []Upstream{{Pattern: "/api/", Strip: "/api"}})
	if err != nil {
		t.Fatal(err)
	}
	for path, fine := range map[string]bool{
		"/api/x": true, "/api": true, "/api//x": true, "/api/x%2Fy": true,
		"/api//x/admin/": false, "/api/%2Fx/admin/": false, `/api/%5Cx/admin/`: false, "/api/;/x/admin/": false, "/api/%252fx/admin/": false, "/api/./%2fx/admin": false,
	} {
		_, err := p.Route("GET", "app.example.com", path)
		if fine != (err == nil) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// A carriage return ends a line by itself for some servers.
func TestPathEndsAtACarriageReturn(t *testing.T) {
	if ambiguity(compile(t, adminRules), "/admin%0dx") == nil {
		t.Error("passes, though a server that ends the path at a line break reads /admin")
	}
}

func TestOverlongCharacterAtTheEndIsRead(t *testing.T) {
	if ambiguity(compile(t, "/ group:A\n/public/ public"), "/public/.%c0%ae") == nil {
		t.Error("passes, though a server that reads overlong UTF-8 reads /public/..")
	}
}

// Rules tell /docs from /docs/, and no server is taken to add or drop the slash.
func TestFinalSlashIsNoReading(t *testing.T) {
	p := compile(t, "/docs public\n/docs/ group:A")
	for _, path := range []string{"/d%6Fcs", "/d%6Fcs/"} {
		if e := ambiguity(p, path); e != nil {
			t.Errorf("%s: %v", path, e)
		}
	}
}

// What is read goes into a page and the log, and shows every byte there.
func TestWhatIsReadIsPrintable(t *testing.T) {
	p := compile(t, adminRules)
	for path, want := range map[string]string{
		"/public/%2e%2e/admin/%0a":    "/admin/%0A",
		"/public/%2e%2e/admin/a%20b":  "/admin/a%20b",
		"/public/%2e%2e/admin/%7f":    "/admin/%7F",
		"/public/%2e%2e/admin/%c3%a9": "/admin/%C3%A9",
	} {
		if e := ambiguity(p, path); e == nil || e.Read != want {
			t.Errorf("%s: %v, want %s", path, e, want)
		}
	}
}

func TestManyReadingsOfAShortPathAreRefused(t *testing.T) {
	_, err := compile(t, "/ public").Route("GET", "h", "/a;b%2F.%20/%5cc//%252e;d%00x%23y")
	if err == nil || !strings.Contains(err.Error(), "more ways than") {
		t.Error(err)
	}
}

// Names of people, files and addresses within addresses have far fewer readings than are looked at.
func TestOddNamesAreRead(t *testing.T) {
	p := compile(t, "/ authenticated")
	for _, path := range []string{
		"/wiki/%EF%BC%88a%EF%BC%89%2Fb%20(c)%3F%23;x=1.",
		"/files/100%25%20of%20%23x.%3Fpdf",
		"/proxy/https%3A%2F%2Fexample.com%2Fa%3Fb%3Dc%23d",
		"/proxy/https://example.com/a;b/../c%2520d%253F",
		"/query/%7B%22x%22%3A%22y%2Fz%3F%23%22%7D",
	} {
		if _, err := p.Route("GET", "h", path); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// A path of some bytes that many servers read in many ways costs whoever sends it little, and must not cost us much.
func TestManyReadingsCostLittle(t *testing.T) {
	p := compile(t, "/ authenticated\n/admin/ group:Admin\n/{a}/x/ user:{a}\n/füß/ group:A")
	for name, test := range map[string]struct {
		path string
		most uint64 // KiB
	}{
		"look-alike characters":  {"/" + strings.Repeat("%EF%BD%81", 1000), 1000},
		"look-alike percent":     {"/" + strings.Repeat("%EF%BC%85", 1000), 1000},
		"one of each, and again": {`/zz/%EF%AC%83:$.25%EF%AC%83:$%EF%AC%83\%25;%2e2f.%3bx%ef%bc%8f%E2%80%8B%ff%ff%c0%af25%EF%AC%83%25%ff%3bx%00;25%2525%2F.%E2%80%8B%3b%2e%2e`, 500},
	} {
		t.Run(name, func(t *testing.T) {
			const times = 20
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for range times {
				_, _ = p.Route("GET", "h", test.path)
			}
			runtime.ReadMemStats(&after)
			if took := (after.TotalAlloc - before.TotalAlloc) / times >> 10; took > test.most {
				t.Errorf("it takes %d KiB, more than %d", took, test.most)
			}
		})
	}
}
