package pages

import (
	"strings"
	"testing"

	"doorward/config"
	"doorward/deploy/deploytest"
)

// branded is a doorward with name and logo, as README.md tells people to give it.
func branded(c *config.Config) { c.BrandName, c.BrandLogo = "Acme Intranet", "example/logo.svg" }

// ownPages is one with the templates of the example beside.
func ownPages(c *config.Config) {
	branded(c)
	c.PagesDir = "example"
}

// A name and a logo are on the pages, and the logo can be seen: the policy lets it pass.
func TestBrowserShowsTheBrand(t *testing.T) {
	s, source, b := newSite(t, branded), axe(t), deploytest.NewBrowser(t)

	page := signedIn("alice", "/oauth2/sign_out")(visit{t, b, s})

	if page.Title != "Sign out? · Acme Intranet" || !strings.HasPrefix(page.Text, "Acme Intranet") {
		t.Errorf("the title is %q, and the page says:\n%s", page.Title, page.Text)
	}
	for _, view := range deploytest.Views() {
		lookAt(t, b, view, "branded", source)
		if width := deploytest.Evaluate[int](b, `document.querySelector("header img").naturalWidth`); width == 0 {
			t.Errorf("as %s the logo is not seen", view.Name)
		}
	}
	hasNoViolations(t, b)
}

// The templates of the example are shown as they are meant to look, and where there is none for a page, ours is.
func TestBrowserShowsOwnPages(t *testing.T) {
	s, source, b := newSite(t, ownPages), axe(t), deploytest.NewBrowser(t)
	for name, tt := range map[string]struct {
		open func(visit) deploytest.Page
		says string
	}{
		"own-denied":     {signedIn("bob", "/admin/"), "You are signed in as bob. Ask your manager"},
		"own-sign-out":   {signedIn("alice", "/oauth2/sign_out"), "Questions? help@example.com"},
		"own-not-found":  {typed("/oauth2/nothing"), "Questions? help@example.com"},
		"own-signing-in": {still("/oauth2/start?rd=/"), "you are being taken to the provider"},
	} {
		t.Run(name, func(t *testing.T) {
			b.Forget()
			if page := tt.open(visit{t, b, s}); !strings.Contains(page.Text, tt.says) || !strings.Contains(page.Text, "Acme Intranet") {
				t.Errorf("the page does not say %q:\n%s", tt.says, page.Text)
			}
			if colour := deploytest.Evaluate[string](b, `getComputedStyle(document.querySelector("main a, main button")).cursor`); colour != "pointer" {
				t.Errorf("the page has no style")
			}
			for _, view := range deploytest.Views() {
				lookAt(t, b, view, name, source)
			}
		})
	}
	hasNoViolations(t, b)
}

// The buttons of an own page work like ours: a form of it is posted from this site.
func TestBrowserSignsOutOnAnOwnPage(t *testing.T) {
	s, b := newSite(t, ownPages), deploytest.NewBrowser(t)
	signedIn("alice", "/oauth2/sign_out")(visit{t, b, s})

	if page := b.Press("Sign out"); page.Title != "You are signed out · Acme Intranet" {
		t.Errorf("the button leads to %s, %q", page.URL, page.Title)
	}
}

func hasNoViolations(t *testing.T, b *deploytest.Browser) {
	t.Helper()
	if broken := b.Violations(); len(broken) > 0 {
		t.Errorf("pages broke their own policy: %q", broken)
	}
}
