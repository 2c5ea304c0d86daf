package pages

import (
	"net/http"
	"strings"
	"testing"

	"doorward/deploy/deploytest"
)

// links are deep ones, as applications make them.
var links = map[string]string{
	"fragment":          "/reports/2026?from=mail#row-7",
	"route":             "/app/#/boards/7?view=table&sort=%2Fname",
	"encoded":           "/search?q=a%26b%23c&next=%2Fx%3Fy#p%C3%A4ge%25",
	"signs":             `/x?q={"a":[1,2]}|'#{"b":'c|d'}`,
	"backslash in both": `/x?path=C:\temp#D:\temp`,
	"only a query":      "/reports/2026?from=mail&to=me",
	"nothing":           "/",
}

// A link leads where it should, through the login form of the provider, which keeps no fragment.
func TestBrowserFollowsALinkThroughALogin(t *testing.T) {
	s := newSite(t, nil)
	for name, link := range links {
		t.Run(name, func(t *testing.T) {
			b := deploytest.NewBrowser(t)
			want := deploytest.Evaluate[string](b, "new URL(String.raw`"+s.Origin+link+"`).href")
			if form := b.Open(s.Origin + link); !strings.HasPrefix(form.URL, s.Provider) || strings.Contains(form.URL, "#") {
				t.Fatalf("the login is at %s, with the title %q", form.URL, form.Title)
			}
			if page := b.SignIn("alice"); strings.ReplaceAll(page.URL, "%5C", `\`) != strings.ReplaceAll(want, "%5C", `\`) {
				t.Errorf("the link to %s ended at %s", want, page.URL)
			}
			if past := strings.Join(b.History(), " "); strings.Contains(past, "/oauth2/") {
				t.Errorf("the back button leads to %s", past)
			}
			hasNoViolations(t, b)
		})
	}
}

// Somebody who is signed in at the provider already sees no form, and passes through unseen.
func TestBrowserFollowsALinkThroughSingleSignOn(t *testing.T) {
	s := newSite(t, nil)
	b := deploytest.NewBrowser(t)
	b.Open(s.Origin)
	b.SignIn("alice")
	signedOut := deploytest.Evaluate[int](b, `fetch("/oauth2/sign_out", {method: "POST", redirect: "manual"})
		.then(() => fetch("/oauth2/userinfo")).then(answer => answer.status)`)
	if signedOut != http.StatusUnauthorized {
		t.Fatalf("after the sign-out userinfo answers %d", signedOut)
	}

	if page := b.Open(s.Origin + "/reports?x=1#row-7"); page.URL != s.Origin+"/reports?x=1#row-7" || page.Title != "The application" {
		t.Errorf("the link ended at %s, with the title %q", page.URL, page.Title)
	}
}

// Without scripts the login works as well. The fragment is lost then, and nothing else.
func TestBrowserWithoutScriptsFollowsALink(t *testing.T) {
	s := newSite(t, nil)
	b := deploytest.NewBrowser(t)
	b.WithoutScripts()
	b.Open(s.Origin + "/reports?x=1#row-7")
	b.WaitFor("button[value=alice]")

	if page := b.SignIn("alice"); page.URL != s.Origin+"/reports?x=1" || page.Title != "The application" {
		t.Errorf("the link ended at %s, with the title %q", page.URL, page.Title)
	}
}
