// Package pages makes the pages that people see of doorward: what happened, what to do about it, and a request id to quote. It knows
// nothing of requests; whoever answers one says which [Kind] of page it is, and what stands on it.
//
// There is one design, page.html with page.css. It may wear a name and a logo ([Options]), and whoever wants another one brings
// templates of their own, for each kind or for all. Rules that this package keeps:
//
//   - A page loads nothing. Style and pictures stand in it, and its policy lets nothing else pass: the style by its hash, pictures as
//     data: (Content Security Policy Level 3). So a page can be shown under any name, to anybody, by any server in front. Templates of
//     somebody's own may take pictures and fonts from the same site.
//   - A page runs no script, but for the one that is ours, allowed by its hash (fragment.js). Templates with a script are refused.
//   - Whatever stands on a page was written by html/template: names, reasons of the provider and addresses may be anybody's.
//   - Templates are parsed and tried when doorward starts. One that fails later nevertheless is replaced by ours.
package pages

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
)

//go:embed page.html page.css fragment.js
var files embed.FS

// Page is all that a person is ever shown. Templates are executed with it, so its fields are known to the outside: deploy/pages.
type Page struct {
	Kind    Kind
	Title   string
	Text    []string // paragraphs
	Details []Detail
	Notes   []string // for whoever runs doorward
	Actions []Action // the first is the likeliest

	RequestID string

	// Continue is an address that the page leads on to by itself; with Fragment, the browser's own fragment is added to it first.
	Continue string
	Fragment bool

	// Brand, Style and Script are filled in by Render.
	Brand  Brand
	Style  template.CSS
	Script template.JS
}

// Detail is a line to quote.
type Detail struct{ Label, Value string }

// Action is something to do next: a link, or a button that posts.
type Action struct {
	Label, Address string
	Post           bool
}

// Options are what can be said about the pages. The zero value gives ours as they are.
type Options struct {
	Name string // shown on each page and in its title
	Logo string // path of a PNG, JPEG or SVG file
	Dir  string // folder of templates
}

// Set is the pages of one doorward. It is safe for concurrent use.
type Set struct {
	brand  Brand
	style  template.CSS
	script template.JS
	ours   *template.Template
	policy string
	own    map[Kind]*ownPage
}

// New reads and tries everything that the options name. Its error joins a [Problem] for each thing that is wrong.
func New(o Options) (*Set, error) {
	style, err := files.ReadFile("page.css")
	if err != nil {
		return nil, fmt.Errorf("reading the style of pages: %w", err)
	}
	script, err := files.ReadFile("fragment.js")
	if err != nil {
		return nil, fmt.Errorf("reading the script of pages: %w", err)
	}
	s := &Set{style: template.CSS(style), script: template.JS(script), policy: policy("data:", string(style)), own: map[Kind]*ownPage{}}
	if s.ours, err = template.ParseFS(files, "page.html"); err != nil {
		return nil, fmt.Errorf("reading the template of pages: %w", err)
	}
	problems := s.readBrand(o)
	return s, errors.Join(append(problems, s.readOwn(o.Dir)...)...)
}

// Rendered is a page as it is sent, with the Content-Security-Policy that it needs.
type Rendered struct {
	Body   []byte
	Policy string
}

// Render makes a page. An error beside a page says that it is ours, since the one that should be there failed.
func (s *Set) Render(p Page) (*Rendered, error) {
	p = s.fill(p)
	own := s.own[p.Kind]
	if own == nil {
		return s.renderOurs(p)
	}
	body, err := own.execute(p)
	if err != nil {
		ours, oursErr := s.renderOurs(p)
		return ours, errors.Join(err, oursErr)
	}
	return &Rendered{body, own.policy}, nil
}

func (s *Set) fill(p Page) Page {
	p.Brand, p.Style, p.Script = s.brand, s.style, ""
	if p.Fragment {
		p.Script = s.script
	}
	return p
}

func (s *Set) renderOurs(p Page) (*Rendered, error) {
	var body bytes.Buffer
	if err := s.ours.Execute(&body, p); err != nil {
		return nil, fmt.Errorf("rendering a page: %w", err)
	}
	r := &Rendered{body.Bytes(), s.policy}
	if p.Fragment {
		r.Policy += "; script-src " + hash(string(s.script))
	}
	return r, nil
}
