// Package spa tests the fetch that README.md recommends to single-page applications, in a browser, as it stands in the file.
package spa

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"doorward/config"
	"doorward/deploy/deploytest"
)

// application serves index.html and fetch.js of this folder, and an API.
func application() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/app/", http.StripPrefix("/app", http.FileServer(http.Dir("."))))
	mux.HandleFunc("GET /api/board", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "The board of "+r.Header.Get("X-Forwarded-User"))
	})
	mux.HandleFunc("POST /api/refused", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"error": "the application's own"}`)
	})
	return mux
}

// view is where somebody is in the application.
const view = "/app/?team=a%26b#/boards/7?sort=%2Fname&tab=2"

func open(t *testing.T, settings func(*config.Config)) (*deploytest.DemoSite, *deploytest.Browser) {
	t.Helper()
	s, b := deploytest.NewDemoSite(t, application(), settings), deploytest.NewBrowser(t)
	b.Open(s.Origin + view)
	if page := b.SignIn("alice"); page.URL != s.Origin+view {
		t.Fatalf("the login leads to %s:\n%s", page.URL, page.Text)
	}
	return s, b
}

// answers presses a button and waits for what the page says then, which is not what it said before.
func answers(b *deploytest.Browser, button string) string {
	deploytest.Evaluate[any](b, `document.querySelector("#answer").textContent = ""; null`)
	b.Push(button)
	b.WaitFor("#answer")
	return deploytest.Evaluate[string](b, `document.querySelector("#answer").textContent`)
}

func TestBrowserFetchesWhileSignedIn(t *testing.T) {
	_, b := open(t, nil)

	if got := answers(b, "#load"); got != "The board of alice" {
		t.Errorf("the page says %q", got)
	}
	if got := answers(b, "#save"); got != "401" {
		t.Errorf("of the application's own 401 the page says %q", got)
	}
}

// The session is over, at the provider too: the fetch leads to the login, and the login back to the same view, be it one request or many.
func TestBrowserComesBackToTheView(t *testing.T) {
	for _, button := range []string{"#load", "#all"} {
		t.Run(button, func(t *testing.T) {
			s, b := open(t, nil)
			elsewhere := strings.Replace(view, "boards/7", "boards/8", 1)
			deploytest.Evaluate[any](b, `location.hash = "`+elsewhere[strings.Index(elsewhere, "#"):]+`"; null`)
			b.Forget()

			if form := b.Click(button); !strings.HasPrefix(form.URL, s.Provider) {
				t.Fatalf("the fetch leads to %s:\n%s", form.URL, form.Text)
			}
			if back := b.SignIn("bob"); back.URL != s.Origin+elsewhere {
				t.Fatalf("the login leads to %s, not to %s", back.URL, s.Origin+elsewhere)
			}
			if left := deploytest.Evaluate[string](b, `sessionStorage.getItem("left")`); left != "1" {
				t.Errorf("the page was left %s times", left)
			}
			if got := answers(b, "#load"); got != "The board of bob" {
				t.Errorf("the page says %q", got)
			}
		})
	}
}

// Somebody who is still signed in at the provider is back at once.
func TestBrowserComesBackUnseen(t *testing.T) {
	s, b := open(t, nil)
	deploytest.Evaluate[any](b, `fetch("/oauth2/sign_out", {method: "POST", redirect: "manual"}).then(() => null)`)

	if back := b.Click("#load"); back.URL != s.Origin+view || back.Title != "An application of one page" {
		t.Errorf("the fetch leads to %s:\n%s", back.URL, back.Text)
	}
}

// A page of another origin that answers like doorward leads nobody anywhere.
func TestBrowserIsNotLedElsewhere(t *testing.T) {
	elsewhere := deploytest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"login_url": "https://evil.example/", "request_id": "x"}`)
	}))
	s, b := open(t, nil)

	status := deploytest.Evaluate[int](b, `import("/app/fetch.js").then(m => m.fetch("`+elsewhere+`")).then(answer => answer.status)`)

	if page := b.Page(); status != http.StatusUnauthorized || page.URL != s.Origin+view {
		t.Errorf("the fetch answers %d, and the browser is at %s", status, page.URL)
	}
}
