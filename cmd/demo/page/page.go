// Package page renders the pages of the demo's three applications, so that they look alike and answer with the same strict
// headers. A page loads nothing: its style, and its script where it has one, stand in the page itself and are allowed by
// their hashes. A page of any of these applications can therefore be shown to somebody who may fetch nothing else.
package page

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"strings"
)

//go:embed style.css
var style string

//go:embed layout.html
var layout string

// Set is the pages of one application.
type Set struct {
	pages  *template.Template
	policy string
}

// New parses every *.html file of files. A page begins with {{template "top" "its title"}} and ends with
// {{template "bottom"}}. Script, which may be empty, is the one script that pages may bring along, with {{script}}.
// It panics when a template is wrong: they are part of the program.
func New(files fs.FS, script string) *Set {
	functions := template.FuncMap{
		"style":  func() template.CSS { return template.CSS(style) },
		"script": func() template.HTML { return template.HTML("<script>" + script + "</script>") },
		"join":   strings.Join,
	}
	pages := template.Must(template.New("layout").Funcs(functions).Parse(layout))
	return &Set{
		pages:  template.Must(pages.ParseFS(files, "*.html")),
		policy: policy(script),
	}
}

// policy is the Content-Security-Policy of every page. The one image is the empty icon, which spares a request for
// /favicon.ico. There is no form-action: Chromium applies that to the redirects after
// a form too, and both sign-in and sign-out end on another origin.
func policy(script string) string {
	p := "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; img-src data:; style-src " + hash(style)
	if script != "" {
		p += "; connect-src 'self'; script-src " + hash(script)
	}
	return p
}

// hash is the source expression that allows exactly this text (CSP 3, section 2.3.1).
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// Write answers with the page name, filled with data. A template that fails makes a 500, never half a page.
func (s *Set) Write(w http.ResponseWriter, status int, name string, data any) {
	var body bytes.Buffer
	if err := s.pages.ExecuteTemplate(&body, name, data); err != nil {
		http.Error(w, fmt.Sprintf("rendering %s: %v", name, err), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", s.policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	w.Write(body.Bytes())
}
