package pages

import (
	"bytes"
	"errors"
	"image"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><path d="M0 0h1v1z"/></svg>`

// write puts files into a folder of their own.
func write(t *testing.T, files map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func newSet(t *testing.T, o Options) *Set {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// render renders a page, and wants it to be as it should be.
func render(t *testing.T, s *Set, p Page) (text, policy string) {
	t.Helper()
	r, err := s.Render(p)
	if err != nil {
		t.Fatal(err)
	}
	return string(r.Body), r.Policy
}

func denied() Page {
	return Page{Kind: Denied, Title: "You may not go here", Text: []string{"Why."}, RequestID: "REQUEST7", Details: []Detail{{"You are", "<b>alice</b>"}},
		Actions: []Action{{Label: "Go", Address: "/"}, {Label: "Do", Address: "/do", Post: true}}}
}

func TestPageSaysEverything(t *testing.T) {
	text, policy := render(t, newSet(t, Options{}), denied())

	for _, part := range []string{"<title>You may not go here</title>", "<h1>You may not go here</h1>", "<p>Why.</p>", "<dt>You are</dt><dd>&lt;b&gt;alice&lt;/b&gt;</dd>",
		`<a href="/">Go</a>`, `<form method="post" action="/do"><button type="submit">Do</button></form>`, "<code>REQUEST7</code>", `<html lang="en">`} {
		if !strings.Contains(text, part) {
			t.Errorf("the page lacks %s", part)
		}
	}
	if strings.Contains(text, "<header>") || strings.Contains(text, "<script") || strings.Contains(policy, "script-src") || strings.Contains(policy, "'self'") {
		t.Errorf("the page has more than it needs: %s\n%s", policy, text)
	}
}

// An address of a page is one that html/template lets through: javascript: is none.
func TestAddressesRunNoScript(t *testing.T) {
	text, _ := render(t, newSet(t, Options{}), Page{Actions: []Action{{Label: "Go", Address: "javascript:alert(1)"}}, Continue: "javascript:alert(2)"})
	if strings.Contains(text, "javascript:") {
		t.Errorf("the page leads to a script: %s", text)
	}
}

func TestBrandIsOnEveryPage(t *testing.T) {
	dir := write(t, map[string]string{"logo.svg": svg})
	s := newSet(t, Options{Name: "Acme & Söhne", Logo: filepath.Join(dir, "logo.svg")})
	for _, kind := range append(kinds(), SigningIn, SignedIn) {
		text, policy := render(t, s, Page{Kind: kind, Title: "A title", Continue: "/x"})
		for _, part := range []string{"<title>A title · Acme &amp; Söhne</title>", "<span>Acme &amp; Söhne</span>", `<img src="data:image/svg&#43;xml;base64,PHN2`} {
			if !strings.Contains(text, part) && !strings.Contains(text, strings.ReplaceAll(part, "&#43;", "+")) {
				t.Errorf("%s lacks %s: %.900s", kind, part, text)
			}
		}
		if !strings.Contains(policy, "img-src data:;") {
			t.Errorf("%s does not let the logo be seen: %s", kind, policy)
		}
	}
}

func TestLogosOfEachKind(t *testing.T) {
	picture := image.NewGray(image.Rect(0, 0, 2, 2))
	var asPNG, asJPEG bytes.Buffer
	if err := errors.Join(png.Encode(&asPNG, picture), jpeg.Encode(&asJPEG, picture, nil)); err != nil {
		t.Fatal(err)
	}
	dir := write(t, map[string]string{"a": asPNG.String(), "b": asJPEG.String(), "c": svg, "d": "\ufeff<?xml version=\"1.0\"?>\n<!-- by hand -->\n" + svg})
	for name, want := range map[string]string{"a": "data:image/png;base64,", "b": "data:image/jpeg;base64,", "c": "data:image/svg+xml;base64,", "d": "data:image/svg+xml;base64,"} {
		if s := newSet(t, Options{Logo: filepath.Join(dir, name)}); !strings.HasPrefix(string(s.brand.Logo), want) {
			t.Errorf("%s begins with %.40s, not with %s", name, s.brand.Logo, want)
		}
	}
}

func TestWhatIsWrongWithABrand(t *testing.T) {
	dir := write(t, map[string]string{
		"large.svg": svg + strings.Repeat(" ", maxLogo), "text.svg": "a logo", "cut.svg": svg[:60], "html.svg": `<p><svg xmlns="http://www.w3.org/2000/svg"/></p>`,
		"bare.svg": `<svg viewBox="0 0 1 1"/>`, "gif": "GIF89a", "comment.svg": "<!-- <svg -->",
	})
	for name, tt := range map[string]struct {
		options      Options
		option, says string
	}{
		"long name":       {Options{Name: strings.Repeat("ö", maxName+1)}, "Name", "longer than 60"},
		"name of lines":   {Options{Name: "Acme\nInc."}, "Name", "cannot be printed"},
		"no name":         {Options{Name: "\xff"}, "Name", "cannot be printed"},
		"no file":         {Options{Logo: filepath.Join(dir, "none.svg")}, "Logo", "none.svg: no such file"},
		"a folder":        {Options{Logo: dir}, "Logo", "is a directory"},
		"too large":       {Options{Logo: filepath.Join(dir, "large.svg")}, "Logo", "larger than 64 KiB"},
		"no picture":      {Options{Logo: filepath.Join(dir, "text.svg")}, "Logo", "no PNG, JPEG or SVG"},
		"another picture": {Options{Logo: filepath.Join(dir, "gif")}, "Logo", "no PNG, JPEG or SVG"},
		"half a picture":  {Options{Logo: filepath.Join(dir, "cut.svg")}, "Logo", "it is no SVG"},
		"a web page":      {Options{Logo: filepath.Join(dir, "html.svg")}, "Logo", "its root is no <svg"},
		"no element":      {Options{Logo: filepath.Join(dir, "comment.svg")}, "Logo", "it is no SVG"},
		"no namespace":    {Options{Logo: filepath.Join(dir, "bare.svg")}, "Logo", "its root is no <svg"},
	} {
		t.Run(name, func(t *testing.T) { isProblem(t, tt.options, tt.option, tt.says) })
	}
}

// isProblem wants New to find one thing wrong with an option, and to say what to do.
func isProblem(t *testing.T, o Options, option, says string) {
	t.Helper()
	_, err := New(o)
	p, ok := errors.AsType[*Problem](err)
	if !ok || p.Option != option || !strings.Contains(p.Wrong, says) || p.Mend == "" || strings.Contains(err.Error(), "\n") {
		t.Errorf("it says %v, not %s: %s", err, option, says)
	}
}
