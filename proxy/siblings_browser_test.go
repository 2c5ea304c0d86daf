package proxy_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"doorward/config"
	"doorward/deploy/deploytest"
)

// Browsers know all of *.localhost at this machine, and keep cookies for doorward.localhost as for any domain.
const browsersDomain = "doorward.localhost"

// newBrowsersHosts is a site at app and b of that domain, and at wiki, which a rule alone names, over https or not.
func newBrowsersHosts(t *testing.T, https bool, domain string, configure func(*config.Config)) *site {
	t.Helper()
	start := newSite
	if https {
		start = newTLSSite
	}
	s := start(t, func(c *config.Config) {
		scheme, rest, _ := strings.Cut(c.PublicURL[0], "://")
		_, port, _ := strings.Cut(rest, ":")
		c.PublicURL = []string{scheme + "://app." + browsersDomain + ":" + port, scheme + "://b." + browsersDomain + ":" + port}
		c.AccessRules += "\nwiki." + browsersDomain + "/ authenticated"
		c.CookieDomain = domain
		if configure != nil {
			configure(c)
		}
	})
	s.URL = s.settings.PublicURL[0]
	return s
}

// at is an address of the site at another of the hosts.
func (s *site) browsersAt(name, path string) string {
	return strings.Replace(s.URL, "app", name, 1) + path
}

// opens checks that a person gets to a page of the application, after so many logins of the whole site.
func (s *site) opens(t *testing.T, b *deploytest.Browser, address string, logins float64) {
	t.Helper()
	page := b.Open(address)
	if page.Status != http.StatusOK || page.URL != address || !strings.Contains(page.Text, `"X-Forwarded-User":["alice"]`) {
		t.Fatalf("opening %s shows %s (%d): %.300s", address, page.URL, page.Status, page.Text)
	}
	if got := s.logins(); got != logins {
		t.Errorf("after %s there were %v logins, want %v", address, got, logins)
	}
}

// A real browser keeps one session for all hosts of the domain, over https and http, whichever of its SameSite the cookies have.
func TestBrowserAtSeveralHosts(t *testing.T) {
	for name, start := range map[string]func(t *testing.T) *site{
		"https": func(t *testing.T) *site { return newBrowsersHosts(t, true, browsersDomain, nil) },
		"http":  func(t *testing.T) *site { return newBrowsersHosts(t, false, browsersDomain, nil) },
		"strict": func(t *testing.T) *site {
			return newBrowsersHosts(t, true, browsersDomain, func(c *config.Config) { c.CookieSamesite = "strict" })
		},
		"form_post": func(t *testing.T) *site {
			return newBrowsersHosts(t, true, browsersDomain, func(c *config.Config) { c.ResponseMode = "form_post" })
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			b := deploytest.NewBrowser(t)
			strict := name == "strict"
			if strict { // whose page between needs a moment
				b.Open(s.browsersAt("wiki", "/deep?x=1&y=%20"))
				eventually(t, func() bool { return b.Page().URL == s.browsersAt("wiki", "/deep?x=1&y=%20") })
			}
			s.opens(t, b, s.browsersAt("wiki", "/deep?x=1&y=%20"), 1)
			s.opens(t, b, s.browsersAt("b", "/other"), 1)
			s.opens(t, b, s.browsersAt("app", "/"), 1)

			b.Open(s.browsersAt("b", "/oauth2/sign_out"))
			b.Press("Sign out")

			for _, host := range []string{"b", "app", "wiki"} {
				if page := b.Open(s.browsersAt(host, "/oauth2/sign_out")); !strings.Contains(page.Text, "You are signed out") {
					t.Errorf("at %s the browser shows %.200s", host, page.Text)
				}
			}
			if got := b.Violations(); len(got) != 0 {
				t.Errorf("pages did what they must not: %q", got)
			}
		})
	}
}

// Without COOKIE_DOMAIN each origin has its session, and signing out at one is no signing out at the other, unless it is from everywhere.
func TestBrowserAtHostsThatShareNothing(t *testing.T) {
	s := newBrowsersHosts(t, true, "", nil)
	b := deploytest.NewBrowser(t)
	s.opens(t, b, s.browsersAt("app", "/deep?x=1"), 1)
	s.opens(t, b, s.browsersAt("b", "/deep?x=1"), 2) // unseen, with single sign-on at the provider
	if page := b.Open(s.browsersAt("wiki", "/")); page.Status != http.StatusForbidden || !strings.Contains(page.Text, "Nobody can sign in under this name") {
		t.Errorf("where nobody signs in the browser shows %.200s", page.Text)
	}
	b.Open(s.browsersAt("b", "/oauth2/sign_out"))
	b.Press("Sign out")
	s.opens(t, b, s.browsersAt("app", "/"), 2)
	b.Open(s.browsersAt("b", "/"))
	b.Open(s.browsersAt("b", "/oauth2/sign_out"))
	b.Press("Sign out everywhere")
	if page := b.Open(s.browsersAt("app", "/oauth2/sign_out")); !strings.Contains(page.Text, "You are signed out") {
		t.Errorf("after signing out everywhere the other host shows %.200s", page.Text)
	}
}

// A sibling is another server of the domain, which sets what cookies it likes. It gives its address.
func sibling(t *testing.T, lines ...string) string {
	t.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Set-Cookie"] = lines
		_, _ = io.WriteString(w, "planted")
	}))
	t.Cleanup(server.Close)
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	return "https://evil." + browsersDomain + ":" + port
}

// lines are Set-Cookie lines for the domain of the cookies that somebody holds at the site.
func (s *site) lines(b *browser, attributes string) (lines []string) {
	for _, c := range b.cookies(s.URL) {
		lines = append(lines, c.Name+"="+c.Value+"; Domain="+browsersDomain+"; Secure"+attributes)
	}
	return lines
}

// mallory is somebody of their own, who has a session here.
func (s *site) mallory(t *testing.T) *browser {
	t.Helper()
	b := s.visitor("bob")
	b.client.Transport.(*http.Transport).TLSClientConfig.InsecureSkipVerify = true // httptest has no certificate for this domain
	if p := b.walk(s.URL + "/"); p.StatusCode != http.StatusOK || len(b.cookies(s.URL)) == 0 {
		t.Fatalf("signing in ends with %d: %s", p.StatusCode, p.Text)
	}
	return b
}

// What COOKIE_DOMAIN gives up, as its README says: another server of the domain can sign people in as somebody else. Without it, no other can.
func TestBrowserWhereASiblingPlantsASession(t *testing.T) {
	for domain, want := range map[string]string{browsersDomain: `"user":"bob"`, "": `"error":"unauthenticated"`} {
		s := newBrowsersHosts(t, true, domain, nil)
		evil := sibling(t, s.lines(s.mallory(t), "; Path=/")...)
		b := deploytest.NewBrowser(t)
		b.Open(evil)
		if page := b.Open(s.browsersAt("b", "/oauth2/userinfo")); !strings.Contains(page.Text, want) {
			t.Errorf("with COOKIE_DOMAIN=%s the browser is told %s", domain, page.Text)
		}
	}
}

// A login that somebody else has begun is not ended in this browser, COOKIE_DOMAIN or not: its cookie cannot be planted (RFC 9700 4.7).
func TestBrowserWhereASiblingPlantsALogin(t *testing.T) {
	for _, domain := range []string{browsersDomain, ""} {
		s := newBrowsersHosts(t, true, domain, nil)
		mallory := s.visitor("bob")
		mallory.client.Transport.(*http.Transport).TLSClientConfig.InsecureSkipVerify = true
		callback := mallory.callbackAddress(s, "/")
		b := deploytest.NewBrowser(t)
		b.Open(sibling(t, s.lines(mallory, "; Path=/")...))
		if page := b.Open(callback); page.Status != http.StatusBadRequest || !strings.Contains(page.Text, "This login is over") {
			t.Errorf("with COOKIE_DOMAIN=%s the browser shows %d: %s", domain, page.Status, page.Text)
		}
	}
}

// A cookie for one path stays in the way, since a request does not tell of its path: the page that ends the circle says what to do, and other
// paths are as they were.
func TestBrowserWhereASiblingPlantsACookieForAPath(t *testing.T) {
	s := newBrowsersHosts(t, true, browsersDomain, nil)
	evil := sibling(t, s.lines(s.mallory(t), "; Path=/app")...)
	b := deploytest.NewBrowser(t)
	s.opens(t, b, s.browsersAt("app", "/"), 2)
	b.Open(evil)
	if page := b.Open(s.browsersAt("app", "/app/x")); !strings.Contains(page.Text, "delete the cookies of this site") || page.Status != http.StatusBadRequest {
		t.Errorf("the browser shows %s (%d): %.500s", page.URL, page.Status, page.Text)
	}
	s.opens(t, b, s.browsersAt("b", "/other"), 5)
}
