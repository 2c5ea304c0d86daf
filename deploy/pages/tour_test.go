package pages

import (
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"doorward/config"
	"doorward/deploy/deploytest"
)

// stop is a page on the tour: how a person comes to see it, what its heading says, and what is the likeliest thing to do next.
type stop struct {
	name, title, next string
	status            int
	open              func(v visit) deploytest.Page
	settings          func(*config.Config) // nil: all is well
}

// visit is somebody's, with a browser that knows nothing yet.
type visit struct {
	t *testing.T
	b *deploytest.Browser
	s *deploytest.DemoSite
}

// tour is every page of doorward's, each as people come to see it.
func tour() []stop {
	return []stop{
		{name: "signing-in", title: "Signing in", next: "Continue", status: 200, open: still("/oauth2/start?rd=/reports")},
		{name: "sign-out", title: "Sign out?", next: "Sign out", status: 200, open: signedIn("alice", "/oauth2/sign_out")},
		{name: "signed-out", title: "You are signed out", next: "Sign in again", status: 200, open: typed("/oauth2/sign_out")},
		{name: "denied", title: "You may not go here", next: "Go to the start page", status: 403, open: signedIn("bob", "/admin/")},
		{name: "denied-no-groups", title: "You may not go here", next: "Go to the start page", status: 403, open: signedIn("carol", "/admin/")},
		{name: "closed", title: "You may not go here", next: "Go to the start page", status: 403, open: typed("/internal/")},
		{name: "login-expired", title: "This login is over", next: "Try again", status: 400, open: typed("/oauth2/callback?code=x&state=y")},
		{name: "login-failed", title: "The provider did not sign you in", next: "Try again", status: 403, open: refused},
		{name: "login-loop", title: "You keep being sent back to the login", next: "Try once more", status: 400, open: inCircles, settings: func(c *config.Config) {
			c.SessionMaxAge = time.Nanosecond
		}},
		{name: "provider-down", title: "Signing in is not possible right now", next: "Try again", status: 503, open: typed("/oauth2/start"), settings: func(c *config.Config) {
			c.ProviderInternalURL = "http://127.0.0.1:1"
		}},
		{name: "upstream-down", title: "The application does not answer", next: "Try again", status: 502, open: typed("/status"), settings: func(c *config.Config) {
			c.Upstreams = "http://127.0.0.1:1"
		}},
		{name: "ambiguous-path", title: "This address can be read in two ways", next: "Go to the start page", status: 400, open: typed("/x/..%2fadmin/")},
		{name: "unknown-host", title: "Nothing is served under this name", next: "Go to", status: 421, open: func(v visit) deploytest.Page {
			return v.b.Open(strings.Replace(v.s.Origin, "localhost", "127.0.0.1", 1))
		}},
		{name: "not-found", title: "There is no such page", next: "Go to the start page", status: 404, open: typed("/oauth2/nothing")},
		{name: "cross-site", title: "Another site asked for this", next: "Go to the start page", status: 403, open: fromElsewhere},
	}
}

// typed goes to an address without a session.
func typed(path string) func(visit) deploytest.Page {
	return func(v visit) deploytest.Page { return v.b.Open(v.s.Origin + path) }
}

// signedIn goes there after a login.
func signedIn(user, path string) func(visit) deploytest.Page {
	return func(v visit) deploytest.Page {
		v.b.Open(v.s.Origin)
		v.b.SignIn(user)
		return v.b.Open(v.s.Origin + path)
	}
}

// refused is somebody to whom the provider says no.
func refused(v visit) deploytest.Page {
	v.b.Open(v.s.Origin + "/reports#row-7")
	return v.b.Open(v.s.Origin + "/oauth2/callback?" + url.Values{"error": {"access_denied"}, "error_description": {"You are not assigned to this application."},
		"state": {v.s.Asked().Get("state")}, "iss": {v.s.Provider}}.Encode())
}

// inCircles is somebody whose session is over before it begins.
func inCircles(v visit) deploytest.Page {
	v.b.Open(v.s.Origin + "/reports#row-7")
	return v.b.SignIn("alice")
}

// fromElsewhere presses a button of another site.
func fromElsewhere(v visit) deploytest.Page {
	elsewhere := deploytest.Serve(v.t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, `<form method="post" action="`+v.s.Origin+`/oauth2/sign_out"><button>Win a prize</button></form>`)
	}))
	v.b.Open(elsewhere)
	return v.b.Press("Win a prize")
}

// still is a page that leads on by itself, without what makes it do so.
func still(path string) func(visit) deploytest.Page {
	return func(v visit) deploytest.Page {
		r, err := http.NewRequestWithContext(v.t.Context(), http.MethodGet, v.s.Origin+path, nil)
		if err != nil {
			v.t.Fatal(err)
		}
		r.Header.Set("Accept", "text/html")
		r.Header.Set("Upgrade-Insecure-Requests", "1")
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			v.t.Fatal(err)
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			v.t.Fatal(err)
		}
		leadingOn := regexp.MustCompile(`(?s)<noscript>.*?</noscript>|<script>.*?</script>`)
		copied := deploytest.Serve(v.t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = w.Write(leadingOn.ReplaceAll(body, nil))
		}))
		return v.b.Open(copied)
	}
}

// Every page says what happened, what to do and which request it was, fits the narrowest phone, and is nothing that assistive technology
// would stumble over, by day and by night. With the environment variable SCREENSHOTS the tour leaves a picture of each.
func TestBrowserTour(t *testing.T) {
	healthy, source, b := newSite(t, nil), axe(t), deploytest.NewBrowser(t)
	for _, at := range tour() {
		t.Run(at.name, func(t *testing.T) {
			s := healthy
			if at.settings != nil {
				s = newSite(t, at.settings)
			}
			b.Forget()
			page := at.open(visit{t, b, s})
			if page.Status != at.status || page.Title != at.title || !strings.Contains(page.Text, "Request id") {
				t.Fatalf("%s answers %d with the title %q:\n%s", page.URL, page.Status, page.Title, page.Text)
			}
			if next := deploytest.Evaluate[string](b, `document.querySelector("main a, main button").innerText`); !strings.HasPrefix(next, at.next) {
				t.Errorf("the likeliest thing to do is %q, not %q", next, at.next)
			}
			for _, view := range deploytest.Views() {
				lookAt(t, b, view, at.name, source)
			}
		})
	}
	hasNoViolations(t, b)
}

// lookAt looks at the page in one way.
func lookAt(t *testing.T, b *deploytest.Browser, view deploytest.View, name, axe string) {
	t.Helper()
	b.Look(view)
	if width := deploytest.Evaluate[int64](b, "document.documentElement.scrollWidth"); width > view.Width {
		t.Errorf("as %s the page is %d wide, and the window %d", view.Name, width, view.Width)
	}
	examine(t, b, axe)
	if directory := os.Getenv("SCREENSHOTS"); directory != "" {
		b.Save(filepath.Join(directory, "pages-"+name+"-"+view.Name+".png"))
	}
}
