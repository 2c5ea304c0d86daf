package deploytest

import (
	"net/http"
	"strings"
	"testing"
)

// Story is what must happen in a browser in front of the demo backend, whoever the provider is: alice, of group Admin,
// signs in, sees the backend, opens /admin/ and signs out, at the provider too; bob, who is not of that group, is
// shown at /admin/ what it takes.
type Story struct {
	// Origin is doorward's PUBLIC_URL.
	Origin string
	// SignIn fills in the provider's own page, which the browser shows, and returns the page after it.
	SignIn func(b *Browser, user string) Page
	// SignOut says yes on the page on which the provider asks whether to sign out there too, and returns the page after it.
	// Nil: this provider does not ask.
	SignOut func(b *Browser) Page
	// Name begins the names of the screenshots.
	Name string
}

// Alice tells alice's part in a fresh browser.
func (s Story) Alice(t *testing.T) {
	b := NewBrowser(t)
	s.signIn(t, b, "alice", "/")
	b.Screenshot(s.Name + "-backend")

	admin := b.Open(s.Origin + "/admin/")
	admin.expect(t, http.StatusOK, "The admin area")
	b.Screenshot(s.Name + "-admin")

	b.Open(s.Origin + "/")
	out := b.Press("Sign out")
	if s.SignOut != nil {
		out = s.SignOut(b)
	}
	if !strings.HasPrefix(out.URL, s.Origin+"/oauth2/sign_out") {
		t.Errorf("signing out ended at %s, not back at doorward", out.URL)
	}
	out.expect(t, http.StatusOK, "signed out")
	b.Screenshot(s.Name + "-signed-out")

	if page := b.Open(s.Origin + "/"); strings.HasPrefix(page.URL, s.Origin) {
		t.Errorf("after signing out, the provider let alice in again without asking:\n%s", page.Text)
	}
}

// Bob tells bob's part in a fresh browser, beginning with a deep link to what he may not see.
func (s Story) Bob(t *testing.T) {
	b := NewBrowser(t)
	b.Open(s.Origin + "/admin/?from=a+link#part-2")
	denied := s.SignIn(b, "bob")
	if denied.URL != s.Origin+"/admin/?from=a+link#part-2" {
		t.Fatalf("the deep link ended at %s:\n%s", denied.URL, denied.Text)
	}
	denied.expect(t, http.StatusForbidden, "/admin/", "group:Admin")
	b.Screenshot(s.Name + "-denied")

	b.Open(s.Origin+"/").expect(t, http.StatusOK, "Demo backend", "bob")
}

func (s Story) signIn(t *testing.T, b *Browser, user, path string) {
	t.Helper()
	asked := b.Open(s.Origin + path)
	if strings.HasPrefix(asked.URL, s.Origin) {
		t.Fatalf("nobody was sent to the provider:\n%s", asked.Text)
	}
	b.Screenshot(s.Name + "-login")
	page := s.SignIn(b, user)
	if page.URL != s.Origin+path {
		t.Fatalf("signing in ended at %s, not at %s:\n%s", page.URL, s.Origin+path, page.Text)
	}
	page.expect(t, http.StatusOK, "Demo backend", user)
}

// expect checks a page's status and that a person sees each of the texts, in whatever letter case.
func (p Page) expect(t *testing.T, status int, texts ...string) {
	t.Helper()
	if p.Status != status {
		t.Errorf("%s answered %d, want %d:\n%s", p.URL, p.Status, status, p.Text)
	}
	for _, text := range texts {
		if !strings.Contains(strings.ToLower(p.Text), strings.ToLower(text)) {
			t.Errorf("%s does not show %q:\n%s", p.URL, text, p.Text)
		}
	}
}
