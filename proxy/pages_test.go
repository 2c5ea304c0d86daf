package proxy_test

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"doorward/config"
)

// withPages gives a site this template for its pages.
func withPages(t *testing.T, text string) func(*config.Config) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "page.html"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return func(c *config.Config) { c.PagesDir = dir }
}

// Whoever brings templates has the right one shown, whatever happens.
func TestEachPageIsOfItsKind(t *testing.T) {
	refused := func(s *site, b *browser) *page {
		state := b.open(s.URL + "/x").location().Query().Get("state")
		return b.open(s.URL + "/oauth2/callback?error=access_denied&state=" + state)
	}
	inCircles := func(s *site, b *browser) (last *page) {
		for range 3 {
			last = b.open(b.callbackAddress(s, "/x"))
			b.forget(s, sessionCookie(last))
		}
		return last
	}
	at := func(path string) func(*site, *browser) *page {
		return func(s *site, b *browser) *page { return b.open(s.URL + path) }
	}
	signedIn := func(path string) func(*site, *browser) *page {
		return func(s *site, _ *browser) *page { return s.signedIn("bob").open(s.URL + path) }
	}
	for name, tt := range map[string]struct {
		kind      string
		open      func(*site, *browser) *page
		configure func(*config.Config)
	}{
		"sign-out":            {"sign-out", signedIn("/oauth2/sign_out"), nil},
		"signed out":          {"signed-out", at("/oauth2/sign_out"), nil},
		"denied":              {"denied", signedIn("/admin/"), nil},
		"no rule":             {"denied", at("/x"), func(c *config.Config) { c.AccessRules = "/y authenticated" }},
		"no login state":      {"login-expired", at("/oauth2/callback?code=x&state=y"), nil},
		"refused":             {"login-failed", refused, nil},
		"in circles":          {"login-loop", inCircles, nil},
		"provider away":       {"provider-down", at("/"), func(c *config.Config) { c.ProviderInternalURL = "http://127.0.0.1:1" }},
		"upstream away":       {"upstream-down", at("/public/x"), func(c *config.Config) { c.Upstreams = "http://127.0.0.1:1" }},
		"ambiguous":           {"ambiguous-path", at("/x/..%2fadmin/"), nil},
		"no login here":       {"unknown-host", func(s *site, _ *browser) *page { return s.frontPageOf("other.example.com") }, rules("other.example.com/ authenticated")},
		"another host":        {"unknown-host", func(s *site, _ *browser) *page { return s.frontPageOf("evil.example.com") }, nil},
		"no endpoint":         {"not-found", at("/oauth2/nothing"), nil},
		"what makes no sense": {"error", at("/oauth2/start?rd=/x&rd=/y"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			own := withPages(t, `<h1>{{.Title}}</h1>this is {{.Kind}}, {{.RequestID}}`)
			s := newSite(t, func(c *config.Config) {
				own(c)
				if tt.configure != nil {
					tt.configure(c)
				}
			})

			p := tt.open(s, s.browser())

			if isPage(t, p); !strings.Contains(p.Text, "this is "+tt.kind+",") {
				t.Errorf("the page is %s", p.Text)
			}
		})
	}
}

// Nothing of others runs on a page of ours, shows it in a frame, learns its address or keeps hold of its window (ASVS 3.4.3 to 3.4.8).
func TestPagesKeepOthersOut(t *testing.T) {
	s := newSite(t, nil)
	for name, tt := range map[string]struct {
		page     *page
		referrer string
	}{
		"sign-out":    {s.signedIn("bob").open(s.URL + "/oauth2/sign_out"), "same-origin"}, // or its form would come from nowhere
		"signed out":  {s.browser().open(s.URL + "/oauth2/sign_out"), "no-referrer"},
		"denied":      {s.signedIn("bob").open(s.URL + "/admin/"), "no-referrer"},
		"no endpoint": {s.browser().open(s.URL + "/oauth2/nothing"), "no-referrer"},
	} {
		h := tt.page.Header
		for header, want := range map[string]string{"Cross-Origin-Opener-Policy": "same-origin", "X-Content-Type-Options": "nosniff", "Referrer-Policy": tt.referrer} {
			if got := h.Values(header); len(got) != 1 || got[0] != want {
				t.Errorf("%s: %s is %q", name, header, got)
			}
		}
		policy := strings.Split(h.Get("Content-Security-Policy"), "; ")
		for _, directive := range []string{"default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"} {
			if !slices.Contains(policy, directive) {
				t.Errorf("%s: the policy is %q", name, policy)
			}
		}
	}
}

// An application that signs people in in a window of its own hears from there when they are back: pages on the way, where it may go on after a
// failure too, leave it the window.
func TestPagesOfLoginsLeaveTheWindowToItsOpener(t *testing.T) {
	s := newSite(t, func(c *config.Config) { c.CookieSamesite = "strict" })
	b := s.browser()
	for name, p := range map[string]*page{
		"stop for the fragment": b.request("GET", s.URL+"/oauth2/start?rd=/x", browsing(), "").wants(t, http.StatusOK),
		"signed in":             b.open(b.callbackAddress(s, "/x")).wants(t, http.StatusOK),
		"late":                  s.browser().open(s.URL+"/oauth2/callback?code=x&state=y").wants(t, http.StatusBadRequest),
	} {
		isPage(t, p)
		if policy := p.Header.Values("Cross-Origin-Opener-Policy"); len(policy) > 0 {
			t.Errorf("%s: it has the policy %q", name, policy)
		}
	}
}

// frontPageOf navigates to another host that leads here.
func (s *site) frontPageOf(host string) *page {
	s.t.Helper()
	return s.raw("GET / HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n" + strings.Join(navigating, "\r\n") + "\r\n\r\n")
}

// A template that fails for some page only leaves nobody without one, and whoever brought it is told.
func TestOwnPageThatFailsIsToldOf(t *testing.T) {
	s := newSite(t, withPages(t, `{{if eq .Title "There is no such page"}}{{index .Text 7}}{{end}}`))

	p := s.browser().open(s.URL + "/oauth2/nothing")

	if isPage(t, p); p.StatusCode != http.StatusNotFound {
		t.Errorf("the answer is %d", p.StatusCode)
	}
	if told := s.Log.events(t, "page_failed"); len(told) != 1 || told[0]["page"] != "not-found" || !strings.Contains(told[0]["error"].(string), "page.html:1") {
		t.Errorf("the log says %v", told)
	}
}

// Whoever meets a failure that may pass can ask for the same page again, and everybody else has somewhere to go.
func TestPagesLeadOn(t *testing.T) {
	s := newSite(t, func(c *config.Config) { c.Upstreams = "http://127.0.0.1:1" })
	b := s.browser()
	for name, tt := range map[string]struct {
		page *page
		next string
	}{
		"the same page":  {b.open(s.URL + "/public/x?a=1&b=%2F"), `<a href="/public/x?a=1&amp;b=%2F">Try again</a>`},
		"a form":         {s.signedInPost("/x"), `<a href="/">Go to the start page</a>`},
		"no such method": {b.request("POST", s.URL+"/oauth2/userinfo", navigation(), ""), `<a href="/">Go to the start page</a>`},
	} {
		if !strings.Contains(tt.page.Text, tt.next) {
			t.Errorf("%s: the page leads nowhere: %s", name, tt.page.Text)
		}
	}
}

// signedInPost posts a form as alice.
func (s *site) signedInPost(path string) *page {
	s.t.Helper()
	b := s.browser()
	b.open(b.callbackAddress(s, path))
	return b.request("POST", s.URL+path, navigation(), "")
}
