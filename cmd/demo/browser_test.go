package main

import (
	"net/http"
	"strings"
	"testing"

	"doorward/deploy/deploytest"
)

// These tests look at the demo through a real browser, the first thing that a newcomer sees. With the environment variable
// SCREENSHOTS they leave pictures of every page.

// signInByButton presses a user's button on the demo provider's page.
func signInByButton(b *deploytest.Browser, user string) deploytest.Page {
	return b.Click(`button[name=user][value=` + user + `]`)
}

func TestBrowserStory(t *testing.T) {
	story := deploytest.Story{Origin: start(t).url, SignIn: signInByButton, Name: "demo"}
	t.Run("alice", story.Alice)
	t.Run("bob", story.Bob)
}

func TestBrowserShowsCarolThatSheIsInNoGroup(t *testing.T) {
	d := start(t)
	b := deploytest.NewBrowser(t)
	b.Open(d.url)
	home := signInByButton(b, "carol")
	if !strings.Contains(home.Text, "You are in no group.") {
		t.Errorf("carol sees:\n%s", home.Text)
	}
	denied := b.Open(d.url + "/admin/")
	if denied.Status != http.StatusForbidden || !strings.Contains(denied.Text, "group:Admin") {
		t.Errorf("/admin/ answers %d:\n%s", denied.Status, denied.Text)
	}
	b.Screenshot("demo-denied-no-group")
}

func TestBrowserShowsTheFlow(t *testing.T) {
	d := start(t)
	b := deploytest.NewBrowser(t)
	b.Open(d.url + "/flow")
	page := signInByButton(b, "alice")
	if page.URL != d.url+"/flow" || !strings.Contains(page.Text, "How you got here, alice") ||
		!strings.Contains(page.Text, "You asked for /flow and brought no session") {
		t.Errorf("after the login the browser shows %s:\n%s", page.URL, page.Text)
	}
	b.Screenshot("demo-flow")
	expectNoViolations(t, b)
}

// TestBrowserStreams sees that server-sent events and a WebSocket pass through doorward as a page's script uses them.
func TestBrowserStreams(t *testing.T) {
	d := start(t)
	b := deploytest.NewBrowser(t)
	b.Open(d.url)
	signInByButton(b, "alice")
	b.Push("#stream")
	b.WaitFor("#tick")
	b.Push("#talk button")
	b.WaitFor("#answer")
	b.Screenshot("demo-streams")
	expectNoViolations(t, b)
}

func TestBrowserPages(t *testing.T) {
	d := start(t)
	b := deploytest.NewBrowser(t)
	b.Open(d.url)
	signInByButton(b, "alice")
	for _, tt := range []struct {
		name, path string
		status     int
		says       string
	}{
		{"status", "/status", http.StatusOK, "All is well"},
		{"closed", "/internal/", http.StatusForbidden, "/internal/"},
		{"ambiguous", "/x/..%2fadmin/", http.StatusBadRequest, "/admin/"},
		{"late-callback", "/oauth2/callback?code=x&state=y", http.StatusOK, "Demo backend"},
		{"failed-callback", "/oauth2/callback?error=access_denied&state=y", http.StatusOK, "Demo backend"},
		{"no-endpoint", "/oauth2/nothing", http.StatusNotFound, ""},
		{"no-page", "/nothing", http.StatusNotFound, "no such page"},
		{"ask-to-sign-out", "/oauth2/sign_out", http.StatusOK, "Sign out"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			page := b.Open(d.url + tt.path)
			if page.Status != tt.status || !strings.Contains(page.Text, tt.says) {
				t.Errorf("%s answers %d:\n%s", tt.path, page.Status, page.Text)
			}
			b.Screenshot("demo-" + tt.name)
		})
	}
	expectNoViolations(t, b)
}

func expectNoViolations(t *testing.T, b *deploytest.Browser) {
	t.Helper()
	if broken := b.Violations(); len(broken) > 0 {
		t.Errorf("pages broke their own content security policy:\n%s", strings.Join(broken, "\n"))
	}
}
