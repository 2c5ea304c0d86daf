package pages

import (
	"testing"

	"doorward/deploy/deploytest"
)

// By keyboard, the likeliest thing to do comes first, and one sees where one is.
func TestBrowserWorksByKeyboard(t *testing.T) {
	s, b := newSite(t, nil), deploytest.NewBrowser(t)
	signedIn("alice", "/oauth2/sign_out")(visit{t, b, s})
	for _, label := range []string{"Sign out", "Sign out everywhere"} {
		b.Tab()
		at := deploytest.Evaluate[struct{ Text, Outline string }](b, `({text: document.activeElement.innerText, outline: getComputedStyle(document.activeElement).outlineStyle})`)
		if at.Text != label || at.Outline != "solid" {
			t.Errorf("the tabulator leads to %q with an outline that is %s, not to %q", at.Text, at.Outline, label)
		}
	}

	if page := b.Enter(); page.Title != "You are signed out" {
		t.Errorf("enter leads to %s, %q", page.URL, page.Title)
	}
}
