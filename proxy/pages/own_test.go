package pages

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// own is a folder with one template, for a kind.
func own(t *testing.T, text string) Options {
	return Options{Dir: write(t, map[string]string{"denied.html": text})}
}

func TestOwnPageStandsInForItsKindAlone(t *testing.T) {
	s := newSet(t, own(t, `<h1>No: {{.Title}}</h1>{{range .Text}}{{.}}{{end}}{{range .Details}}{{.Label}}={{.Value}}{{end}} {{.RequestID}} {{.Kind}}`))

	if text, _ := render(t, s, denied()); text != `<h1>No: You may not go here</h1>Why.You are=&lt;b&gt;alice&lt;/b&gt; REQUEST7 denied` {
		t.Errorf("the page is %s", text)
	}
	for _, kind := range append(kinds()[:2], Error, SigningIn) {
		if text, _ := render(t, s, Page{Kind: kind, Title: "Other"}); !strings.Contains(text, "<main>\n<h1>Other</h1>") {
			t.Errorf("%s is not ours: %s", kind, text)
		}
	}
}

func TestOnePageForAllKinds(t *testing.T) {
	s := newSet(t, Options{Dir: write(t, map[string]string{
		"page.html": `{{template "_top.html" .}}all`, "denied.html": `{{template "_top.html" .}}denied`, "_top.html": `<h1>{{.Title}}</h1>`,
		"README.md": "not ours", ".hidden.html": "{{", "style.css": "",
	})})
	for _, kind := range append(kinds(), SigningIn, SignedIn) {
		want := "<h1>T</h1>all"
		switch kind {
		case Denied:
			want = "<h1>T</h1>denied"
		case SigningIn, SignedIn: // they lead on by themselves
			want = "<main>"
		}
		if text, _ := render(t, s, Page{Kind: kind, Title: "T"}); !strings.Contains(text, want) {
			t.Errorf("%s is %.60s", kind, text)
		}
	}
}

// A style of one's own is allowed by its hash, ours beside it, and pictures of the site and within the page.
func TestOwnStyleIsAllowed(t *testing.T) {
	s := newSet(t, own(t, "<style>p { color: red }</style><STYLE media=print>\n{{.Style}}\n</STYLE ><p>{{.Title}}"))

	text, policy := render(t, s, denied())

	styles := stylesOf([]byte(text))
	if len(styles) != 2 || !strings.Contains(styles[1], "--paper") {
		t.Fatalf("the page has %d styles: %.200s", len(styles), text)
	}
	want := "default-src 'none'; style-src " + hash(styles[0]) + " " + hash(styles[1]) + "; img-src 'self' data:; font-src 'self' data:; base-uri 'none'; frame-ancestors 'none'"
	if policy != want {
		t.Errorf("the policy is %s, not %s", policy, want)
	}
}

func TestBrandIsForOwnPagesToo(t *testing.T) {
	dir := write(t, map[string]string{"denied.html": `<img src="{{.Brand.Logo}}" alt="{{.Brand.Name}}">`, "logo.svg": svg})
	s := newSet(t, Options{Name: "Acme", Logo: filepath.Join(dir, "logo.svg"), Dir: dir})

	if text, _ := render(t, s, denied()); !strings.HasPrefix(text, `<img src="data:image/svg`) || !strings.HasSuffix(text, `alt="Acme">`) {
		t.Errorf("the page is %s", text)
	}
}

func TestWhatIsWrongWithAnOwnPage(t *testing.T) {
	for name, tt := range map[string]struct{ text, says string }{
		"syntax":            {"<p>\n{{if}}", "denied.html:2: missing value for if"},
		"unknown function":  {"{{nothing .}}", `denied.html:1: function "nothing" not defined`},
		"unknown field":     {"<p>\n\n{{.Titel}}", "denied.html:3: executing \"denied.html\" at <.Titel>: can't evaluate field Titel"},
		"unknown part":      {`{{template "_none.html"}}`, "no such template"},
		"index":             {"\n{{index .Actions 0}}", "denied.html:2: executing"},
		"half an element":   {"<p title={{.Title}}>\n<a href=\"{{if .Text}}x\">{{end}}", "denied.html:2: {{if}} branches end in different contexts"},
		"script":            {"<p>\n<SCRIPT src=/x.js></SCRIPT>", "denied.html:2: a script does not run"},
		"event handler":     {`<button class="a" onclick="x()">`, "denied.html:1: an event handler"},
		"style attribute":   {"<p>\n<p id=a style=\"color: red\">", "denied.html:2: a style attribute"},
		"style sheet":       {`<link rel="stylesheet" href="/x.css">`, "denied.html:1: a style sheet is not loaded"},
		"style that varies": {`<style>p::before { content: {{.Title}} }</style>`, "its <style> changes"},
		"too large":         {strings.Repeat("x", maxTemplate+1), "larger than 256 KiB"},
	} {
		t.Run(name, func(t *testing.T) { isProblem(t, own(t, tt.text), "Dir", tt.says) })
	}
}

// What is right must not be refused for a resemblance.
func TestWhatIsRightInAnOwnPage(t *testing.T) {
	for _, text := range []string{
		`<p class="style">A style = a fashion, a script of a play, on = not off</p>`, `<link rel="icon" href="data:,">`,
		`<style>p { color: red }</style>`, `{{with .Brand.Name}}<p>{{.}}{{end}}`, `<style>body::after { content: "{{.Kind}}" }</style>`,
	} {
		newSet(t, own(t, text))
	}
}

func TestWhatIsWrongWithAFolder(t *testing.T) {
	for name, tt := range map[string]struct {
		files map[string]string
		says  string
	}{
		"misspelt":       {map[string]string{"deny.html": "x"}, "deny.html: is the name of no page"},
		"another ending": {map[string]string{"denied.htm": "x"}, "denied.htm: is the name of no page"},
		"always ours":    {map[string]string{"signing-in.html": "x"}, "signing-in.html: is the name of no page"},
		"a part":         {map[string]string{"_top.html": "\n{{end}}", "denied.html": `{{template "_top.html"}}`}, "_top.html:2: unexpected {{end}}"},
		"one for all":    {map[string]string{"page.html": "{{.Titel}}"}, "page.html:1: executing"},
	} {
		t.Run(name, func(t *testing.T) { isProblem(t, Options{Dir: write(t, tt.files)}, "Dir", tt.says) })
	}
	isProblem(t, Options{Dir: filepath.Join(t.TempDir(), "none")}, "Dir", "no such file or directory")
}

func TestEveryFileThatIsWrongIsNamed(t *testing.T) {
	_, err := New(Options{Name: "\n", Logo: "/none", Dir: write(t, map[string]string{"denied.html": "{{", "error.html": "<script>", "page.htm": ""})})
	for _, says := range []string{"cannot be printed", "/none", "denied.html:1", "error.html:1", "page.htm: "} {
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s is not named: %v", says, err)
		}
	}
}

// Kubernetes shows a ConfigMap as links, past a hidden folder.
func TestFolderOfLinks(t *testing.T) {
	dir := write(t, map[string]string{})
	if err := os.Mkdir(filepath.Join(dir, "..data"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "..data", "denied.html"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("..data/denied.html", filepath.Join(dir, "denied.html")); err != nil {
		t.Fatal(err)
	}
	if text, _ := render(t, newSet(t, Options{Dir: dir}), denied()); text != "mine" {
		t.Errorf("the page is %s", text)
	}
}

// What the samples did not show must not leave people without a page.
func TestOwnPageThatFailsIsReplaced(t *testing.T) {
	s := newSet(t, own(t, `{{if eq .RequestID "REQUEST7"}}{{index .Text 7}}{{end}}`))

	r, err := s.Render(denied())

	if err == nil || !strings.Contains(err.Error(), "denied.html") || r == nil || !strings.Contains(string(r.Body), "<h1>You may not go here</h1>") || r.Policy != s.policy {
		t.Errorf("the page is %+v, with %v", r, err)
	}
}

// The README that people write templates by names every kind, and no other.
func TestReadmeNamesTheKinds(t *testing.T) {
	readme, err := os.ReadFile("../../deploy/pages/README.md")
	if err != nil {
		t.Fatal(err)
	}
	var named []Kind
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z-]+)\\.html` \\|").FindAllStringSubmatch(string(readme), -1) {
		named = append(named, Kind(row[1]))
	}
	if !slices.Equal(named, kinds()) {
		t.Errorf("it names %q, and there are %q", named, kinds())
	}
}
