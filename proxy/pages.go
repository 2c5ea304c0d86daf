package proxy

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
)

//go:embed pages/page.html pages/page.css
var pageFiles embed.FS

// page is all that a person is ever shown: what happened, what to do about it, and a request id to quote.
type page struct {
	Title    string
	Text     []string
	Details  []detail
	Actions  []action // the first is the likeliest
	Continue string   // an address that the page leads on to by itself

	RequestID string
	Style     template.CSS
}

// detail is a line to quote.
type detail struct{ Label, Value string }

// action is something to do next: a link, or a button that posts.
type action struct {
	Label, Address string
	Post           bool
}

// pages renders the one template.
type pages struct {
	template *template.Template
	style    template.CSS
	policy   string
}

// newPages reads the embedded template. Its style is inline, and the policy lets only that pass, by its hash: no
// script, no image, no frame. form-action is not restricted, since browsers apply it to the redirects that follow
// signing out, which lead to the provider.
func newPages() (*pages, error) {
	style, err := pageFiles.ReadFile("pages/page.css")
	if err != nil {
		return nil, fmt.Errorf("reading the style of pages: %w", err)
	}
	t, err := template.ParseFS(pageFiles, "pages/page.html")
	if err != nil {
		return nil, fmt.Errorf("reading the template of pages: %w", err)
	}
	sum := sha256.Sum256(style)
	return &pages{template: t, style: template.CSS(style), policy: "default-src 'none'; style-src 'sha256-" +
		base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; frame-ancestors 'none'"}, nil
}

// page writes a page.
func (p *Proxy) page(x *exchange, r *http.Request, status int, shown page) error {
	shown.RequestID, shown.Style = x.id, p.pages.style
	var body bytes.Buffer
	if err := p.pages.template.Execute(&body, shown); err != nil {
		return fmt.Errorf("rendering a page: %w", err)
	}
	h := x.Header()
	noStore(h)
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", p.pages.policy)
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Request-Id", x.id)
	x.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = x.Write(body.Bytes())
	}
	return nil
}
