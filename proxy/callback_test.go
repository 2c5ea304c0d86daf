package proxy_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"doorward/config"
	"doorward/proxy"
	"doorward/proxy/providertest"
)

// Deep links survive the login, query and all, byte for byte.
func TestDeepLinkSurvivesTheLogin(t *testing.T) {
	for _, target := range []string{
		"/", "/reports/2026?from=1&to=2", "/x?q=a+b%20c&empty=&flag", "/caf%C3%A9?x=%C3%A9", "/x?next=https://other.example/", "/a//b?c=//d",
	} {
		t.Run(target, func(t *testing.T) {
			s := newSite(t, nil)

			if p := s.browser().walk(s.URL + target); p.StatusCode != http.StatusOK {
				t.Fatalf("the login ends with %d: %s", p.StatusCode, p.Text)
			}

			if got := s.Upstream.last(t).URI; got != target {
				t.Errorf("the login leads to %s", got)
			}
		})
	}
}

// The callback answers with a redirect that tells the next page nothing of its own address (RFC 9700 4.2.4).
func TestCallbackLeavesNoTrace(t *testing.T) {
	s := newSite(t, nil)
	b := s.browser()

	p := b.open(b.callbackAddress(s, "/next"))

	if p.StatusCode != http.StatusSeeOther || p.Header.Get("Location") != "/next" {
		t.Errorf("the answer is %d to %q", p.StatusCode, p.Header.Get("Location"))
	}
	if p.Header.Get("Cache-Control") != "no-store" || p.Header.Get("Referrer-Policy") != "no-referrer" || strings.Contains(p.Text, "code") {
		t.Errorf("headers %v, body %q", p.Header, p.Text)
	}
}

// Logins in several tabs do not disturb one another, in whatever order they come back.
func TestSeveralTabs(t *testing.T) {
	s := newSite(t, nil)
	b := s.browser()
	var callbacks []string
	for i := range 5 {
		callbacks = append(callbacks, b.callbackAddress(s, fmt.Sprintf("/tab/%d", i)))
	}

	for _, i := range []int{3, 0, 4, 1, 2} {
		if p := b.open(callbacks[i]); p.Header.Get("Location") != fmt.Sprintf("/tab/%d", i) {
			t.Errorf("tab %d is answered %d and led to %q", i, p.StatusCode, p.Header.Get("Location"))
		}
	}
}

// At most seven logins are in flight; the oldest goes, so that cookies never fill the browser.
func TestSevenLoginsInFlight(t *testing.T) {
	s := newSite(t, nil)
	b := s.browser()
	var callbacks []string
	for i := range 12 {
		callbacks = append(callbacks, b.callbackAddress(s, fmt.Sprintf("/tab/%d", i)))
	}

	if n := len(b.cookies(s.URL)); n > 7 {
		t.Errorf("the browser holds %d login cookies", n)
	}
	if p := b.open(callbacks[11]); p.StatusCode != http.StatusSeeOther {
		t.Errorf("the latest login is answered %d", p.StatusCode)
	}
	if p := s.browser().open(callbacks[0]); p.StatusCode != http.StatusBadRequest {
		t.Errorf("the oldest login is answered %d", p.StatusCode)
	}
}

// A callback that is reloaded leads on when there is a session. It reaches neither the provider nor a second session.
func TestCallbackIsReloaded(t *testing.T) {
	s := newSite(t, nil)
	b := s.browser()
	callback := b.callbackAddress(s, "/next")
	b.open(callback)
	before := b.cookieHeader(s)

	p := b.open(callback)

	if p.StatusCode != http.StatusSeeOther || p.Header.Get("Location") != "/" {
		t.Errorf("the answer is %d to %q", p.StatusCode, p.Header.Get("Location"))
	}
	if b.cookieHeader(s) != before {
		t.Error("the session changed")
	}
	if n := len(s.Provider.Requests("token")); n != 1 {
		t.Errorf("the code was sent to the provider %d times", n)
	}
}

// Without a session it is a page with a button, and nothing starts by itself.
func TestCallbackWithoutLoginCookie(t *testing.T) {
	s := newSite(t, nil)
	callback := s.browser().callbackAddress(s, "/next")
	stranger := s.browser()

	p := stranger.open(callback)

	isPage(t, p)
	if p.StatusCode != http.StatusBadRequest || !strings.Contains(p.Text, "/oauth2/start") {
		t.Errorf("the answer is %d: %s", p.StatusCode, p.Text)
	}
	if len(p.setsCookies()) != 0 || len(s.Provider.Requests("token")) != 0 {
		t.Error("a login went on")
	}
	if s.metric(`doorward_logins_total{result="no_login_state"}`) != 1 {
		t.Errorf("it is counted as %v", counted(s))
	}
}

// Nobody who is asked to sign in once more, for ever, finds out alone that the browser keeps no cookies.
func TestCallbackOfABrowserWithoutCookies(t *testing.T) {
	s := newSite(t, nil)
	callback := s.browser().callbackAddress(s, "/next")
	for _, hasCookies := range []bool{false, true} {
		b := s.browser()
		header := navigation()
		if hasCookies {
			header.Set("Cookie", "theme=dark")
		}
		p := b.request(http.MethodGet, callback, header, "")
		if said := strings.Contains(p.Text, "keeps no cookies"); said == hasCookies {
			t.Errorf("with cookies %t: %s", hasCookies, p.Text)
		}
	}
}

// Login CSRF: somebody else's callback makes nobody somebody else, and ends no session (RFC 9700 4.7).
func TestForeignCallbackChangesNoSession(t *testing.T) {
	s := newSite(t, nil)
	mallory := s.browser()
	mallory.Person = "bob"
	theirs := mallory.callbackAddress(s, "/")
	alice := s.signedIn("alice")

	alice.open(theirs)
	alice.open(s.URL + "/x")

	if user := s.Upstream.last(t).Header.Get("X-Forwarded-User"); user != "alice" {
		t.Errorf("alice has become %q", user)
	}
}

// A stolen code in one's own login: the verifier belongs to another challenge, and the provider refuses it.
func TestStolenCodeIsWorthless(t *testing.T) {
	s := newSite(t, nil)
	victim, thief := s.browser(), s.browser()
	victim.Person, thief.Person = "alice", "bob"
	stolen, _ := url.Parse(victim.callbackAddress(s, "/"))
	own, _ := url.Parse(thief.callbackAddress(s, "/"))
	q := own.Query()
	q.Set("code", stolen.Query().Get("code"))
	own.RawQuery = q.Encode()

	p := thief.open(own.String())

	isPage(t, p)
	hasNoSession(t, s, thief)
}

// The callback is for GET, and for POST where the provider posts. Anything else changes nothing: the login can still end.
func TestMethodsOfTheCallback(t *testing.T) {
	for _, method := range []string{"HEAD", "POST", "PUT", "OPTIONS", "DELETE"} {
		t.Run(method, func(t *testing.T) {
			s := newSite(t, nil)
			b := s.browser()
			callback := b.callbackAddress(s, "/next")

			if p := b.request(method, callback, navigation(), ""); p.StatusCode != http.StatusMethodNotAllowed || p.Header.Get("Allow") == "" {
				t.Errorf("the answer is %d, Allow %q", p.StatusCode, p.Header.Get("Allow"))
			}
			if p := b.open(callback); p.StatusCode != http.StatusSeeOther {
				t.Errorf("afterwards the callback is answered %d", p.StatusCode)
			}
		})
	}
}

// Doubled parameters are refused, whichever of the two would have been right (RFC 6749 3.1).
func TestDoubledParametersOfTheCallback(t *testing.T) {
	for _, name := range []string{"state", "code", "iss", "error", "error_description", "error_uri"} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, nil)
			b := s.browser()
			callback := b.callbackAddress(s, "/")
			at, _ := url.Parse(callback)
			q := at.Query()
			q.Add(name, q.Get(name))
			q.Add(name, "other")
			at.RawQuery = q.Encode()

			p := b.open(at.String())

			isPage(t, p)
			if p.StatusCode != http.StatusBadRequest {
				t.Errorf("the answer is %d", p.StatusCode)
			}
			hasNoSession(t, s, b)
		})
	}
}

// Unreadable callbacks are 400 pages.
func TestUnreadableCallback(t *testing.T) {
	s := newSite(t, nil)
	for _, query := range []string{
		"", "?", "?code=%zz&state=x", "?state=%00", "?code=a;state=b",
		"?" + strings.Repeat("a=b&", 5000), "?code=x&state=" + strings.Repeat("s", 20_000),
	} {
		p := s.rawGet("/oauth2/callback"+query, "Accept: text/html")
		isPage(t, p)
		if p.StatusCode != http.StatusBadRequest {
			t.Errorf("%.40s is answered %d", query, p.StatusCode)
		}
	}
}

// What the provider says about an error is shown as text, bounded, and nothing in it is believed.
func TestProviderErrorIsShown(t *testing.T) {
	s := newSite(t, nil)
	b := s.browser()
	at, _ := url.Parse(b.callbackAddress(s, "/"))
	q := url.Values{"state": {at.Query().Get("state")}, "error": {"access_denied"},
		"error_description": {"No <b>licence</b> for \u202eyou\r\nX-Admin: 1" + strings.Repeat("!", 5000)}, "error_uri": {"javascript:alert(1)"}}
	at.RawQuery = q.Encode()

	p := b.open(at.String())

	isPage(t, p)
	if !strings.Contains(p.Text, "access_denied") || !strings.Contains(p.Text, "No &lt;b&gt;licence") {
		t.Errorf("the page does not say what the provider said: %s", p.Text)
	}
	if strings.Contains(p.Text, "<b>") || strings.Contains(p.Text, "javascript:") || strings.Contains(p.Text, "\u202e") || len(p.Text) > 20_000 {
		t.Errorf("the page believes it: %.3000s", p.Text)
	}
}

// forget makes the browser lose the session, as one does that does not keep cookies.
func (b *browser) forget(s *site, name string) {
	at, _ := url.Parse(s.URL)
	b.client.Jar.SetCookies(at, []*http.Cookie{{Name: name, MaxAge: -1, Path: "/"}})
}

// Three completed logins for one address, without a request of the session between them, are a loop; it is explained.
func TestLoginLoopIsExplained(t *testing.T) {
	s := newSite(t, nil)
	b := s.browser()
	var last *page
	for range 3 {
		last = b.open(b.callbackAddress(s, "/app?q=canary-query"))
		b.forget(s, sessionCookie(last))
	}

	isPage(t, last)
	if last.StatusCode != http.StatusBadRequest || !strings.Contains(last.Text, "cookies") {
		t.Errorf("the third login is answered %d: %s", last.StatusCode, last.Text)
	}
	if n := s.metric("doorward_login_loops_total"); n != 1 {
		t.Errorf("login_loops_total is %v", n)
	}
	if n := len(s.Log.events(t, "login_loop")); n != 1 {
		t.Errorf("the log has %d events", n)
	}
}

// sessionCookie is the name of the cookie that an answer sets.
func sessionCookie(p *page) string {
	if names := p.setsCookies(); len(names) > 0 {
		return names[0]
	}
	return ""
}

// The note that counts logins is in the browser from the second on, and goes with the first request that its session is good for.
func TestCountOfLoginsGoes(t *testing.T) {
	s := newSite(t, nil)
	b := s.browser()
	for i, want := range []int{1, 2} {
		p := b.open(b.callbackAddress(s, "/app"))
		if got := len(b.cookies(s.URL)); got != want {
			t.Fatalf("after login %d the browser holds %d cookies, want %d", i+1, got, want)
		}
		if i == 0 {
			b.forget(s, sessionCookie(p))
		}
	}
	b.open(s.URL + "/app")
	if got := len(b.cookies(s.URL)); got != 1 {
		t.Errorf("after a request with the session the browser holds %d cookies", got)
	}
}

// A session that comes back is no lost one, whatever is answered: who signs out, or is denied, may sign in as often as they like.
func TestSessionsThatCameBackAreNoLoop(t *testing.T) {
	for name, use := range map[string]func(s *site, b *browser){
		"signed out": func(s *site, b *browser) {
			b.request("POST", s.URL+"/oauth2/sign_out", http.Header{"Sec-Fetch-Site": {"same-origin"}}, "")
		},
		"denied":   func(s *site, b *browser) { b.open(s.URL + "/admin/") },
		"userinfo": func(s *site, b *browser) { b.open(s.URL + "/oauth2/userinfo") },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, nil)
			b := s.browser()
			b.Person = "bob"
			for i := range 4 {
				p := b.open(b.callbackAddress(s, "/app"))
				if p.StatusCode != http.StatusSeeOther {
					t.Fatalf("login %d is answered %d: %s", i+1, p.StatusCode, p.Text)
				}
				use(s, b)
				b.forget(s, sessionCookie(p))
			}
		})
	}
}

// Who uses the session in between logs in as often as they like.
func TestLoginsThatAreUsedAreNoLoop(t *testing.T) {
	s := newSite(t, nil)
	b := s.browser()
	for i := range 5 {
		p := b.open(b.callbackAddress(s, "/app"))
		if p.StatusCode != http.StatusSeeOther {
			t.Fatalf("login %d is answered %d: %s", i, p.StatusCode, p.Text)
		}
		if p := b.open(s.URL + "/app"); p.StatusCode != http.StatusOK {
			t.Fatalf("the session of login %d is answered %d", i, p.StatusCode)
		}
		b.forget(s, sessionCookie(p))
	}
}

// A page that is still loading uses the session already.
func TestLoginsOfPagesThatLoadAreNoLoop(t *testing.T) {
	s := newSite(t, nil)
	end := make(chan struct{})
	s.Upstream.Answer = func(w http.ResponseWriter, _ *http.Request) {
		_ = http.NewResponseController(w).Flush()
		<-end
	}
	b := s.browser()
	for i := range 4 {
		p := b.open(b.callbackAddress(s, "/app"))
		if p.StatusCode != http.StatusSeeOther {
			t.Errorf("login %d is answered %d: %s", i, p.StatusCode, p.Text)
		}
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/app", nil)
		loading, err := b.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer loading.Body.Close()
		b.forget(s, sessionCookie(p))
	}
	close(end)
}

// A person who signs in with several browsers is in no loop, even when none of them has shown a page yet.
func TestSeveralBrowsersAreNoLoop(t *testing.T) {
	s := newSite(t, nil)
	for i := range 5 {
		b := s.browser()
		if p := b.open(b.callbackAddress(s, "/app")); p.StatusCode != http.StatusSeeOther {
			t.Errorf("the login of browser %d is answered %d", i, p.StatusCode)
		}
	}
}

// Starts that were abandoned, and the logins of other tabs, never count.
func TestAbandonedStartsAndOtherTabsAreNoLoop(t *testing.T) {
	s := newSite(t, nil)
	b := s.browser()
	for range 6 {
		b.open(s.URL + "/app")
	}
	var callbacks []string
	for range 4 {
		callbacks = append(callbacks, b.callbackAddress(s, "/app"))
	}
	for i, callback := range callbacks {
		if p := b.open(callback); p.StatusCode != http.StatusSeeOther {
			t.Errorf("the login of tab %d is answered %d", i, p.StatusCode)
		}
	}
	for i := range 3 {
		if p := b.open(b.callbackAddress(s, fmt.Sprintf("/oauth2/start?rd=/other/%d", i))); p.StatusCode != http.StatusSeeOther {
			t.Errorf("the login for another address is answered %d", p.StatusCode)
		}
	}
}

// attacksOnTheReturnAddress are values of rd that some browser, proxy or library takes for another site.
func attacksOnTheReturnAddress() []string {
	return []string{
		"//evil.example", "///evil.example", "////evil.example", `/\evil.example`, `\\evil.example`, `\/evil.example`,
		`/\/evil.example`, "/%09/evil.example", "/\t/evil.example", "\t//evil.example", " //evil.example",
		"/\r\n/evil.example", "/%0d%0aLocation:%20//evil.example", "/%5cevil.example", "/%2fevil.example",
		"%2f%2fevil.example", "/%2f%2fevil.example", "/%252fevil.example", "/.//evil.example", `/./\evil.example`,
		`/./../../\evil.example`, "/..//evil.example", "/x/..//evil.example", "/x/../..//evil.example",
		"/%2e%2e//evil.example", "https:evil.example", "https:/evil.example", "http:///evil.example", "https://evil.example",
		"HTTPS://evil.example", "//evil.example%00", "https://good@evil.example", "https://good.evil.example",
		"https://evil.example#@good", "//\uff0fevil.example", "/\uff0fevil.example", "https://evil\u3002example",
		"javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "vbscript:x", "/\u3031evil.example",
		"user@evil.example", "//[::1]", "//evil.example:80", "x", "?x", "#x", "", ".", "..", "./", "../", "/\x00", "/\x7f",
		"/" + strings.Repeat("a", 30_000), "{origin}.evil.example", "{origin}@evil.example", "{origin}:80@evil.example",
		"{origin}//evil.example", `{origin}\@evil.example`, `{origin}/\evil.example`, "{origin}%2f%2fevil.example",
		"{origin}evil.example", "{origin}\t.evil.example",
	}
}

// A login leads back to this site, however the address is spelled: what counts is the Location that is sent, as a browser reads it.
func TestReturnAddressStaysHere(t *testing.T) {
	s := newSite(t, nil)
	for _, attack := range attacksOnTheReturnAddress() {
		b := s.browser()
		rd := strings.ReplaceAll(attack, "{origin}", s.URL)

		p := b.finish(s, rd)

		emitted := p.Header.Get("Location")
		if p.StatusCode != http.StatusSeeOther || !staysOn(s.URL, emitted) {
			t.Errorf("rd=%q is answered %d and leads to %q", rd, p.StatusCode, emitted)
		}
	}
}

// finish logs in with a return address and gives the callback's answer. The session is used once, so that many logins in a row
// are no loop.
func (b *browser) finish(s *site, rd string) *page {
	b.t.Helper()
	p := b.open(b.callbackAddress(s, "/oauth2/start?rd="+url.QueryEscape(rd)))
	b.open(s.URL + "/used")
	return p
}

// staysOn tells whether a browser at an origin stays there when it follows a Location, and so does somebody who resolves it twice.
func staysOn(origin, location string) bool {
	at, path := proxy.Browse(origin+"/oauth2/callback", location)
	return at == origin && !strings.HasPrefix(path, "//")
}

// Addresses of this site are followed as they are.
func TestReturnAddressIsFollowed(t *testing.T) {
	s := newSite(t, nil)
	for rd, want := range map[string]string{
		"/x?y=1&z=%20#part":        "/x?y=1&z=%20#part",
		"/a//b":                    "/a//b",
		"/group%2Fproject":         "/group%2Fproject",
		"/x?to=https://other.test": "/x?to=https://other.test",
		"{origin}/x?y=1":           "/x?y=1",
		"{origin}":                 "/",
	} {
		b := s.browser()
		rd = strings.ReplaceAll(rd, "{origin}", s.URL)

		p := b.finish(s, rd)

		if got := strings.TrimPrefix(p.Header.Get("Location"), s.URL); got != want {
			t.Errorf("rd=%s leads to %q", rd, got)
		}
	}
}

// No login leads to an endpoint of ours: to sign out, or round in circles.
func TestReturnAddressIsNoEndpoint(t *testing.T) {
	s := newSite(t, nil)
	for _, rd := range []string{
		"/oauth2/sign_out", "/oauth2/start", "/oauth2/callback?code=x", "/oauth2", "/oauth2/",
		"{origin}/oauth2/sign_out", "/%6fauth2/sign_out",
	} {
		b := s.browser()

		p := b.finish(s, strings.ReplaceAll(rd, "{origin}", s.URL))

		if got := p.Header.Get("Location"); got != "/" {
			t.Errorf("rd=%s leads to %q", rd, got)
		}
	}
}

// A return address of any length neither breaks the login nor makes a cookie that browsers drop.
func TestLongReturnAddress(t *testing.T) {
	s := newSite(t, nil)
	for _, length := range []int{1000, 2048, 2049, 8000, 30_000} {
		b := s.browser()
		target := "/" + strings.Repeat("a", length-1)

		p := b.open(s.URL + target)

		if p.StatusCode != http.StatusSeeOther {
			t.Errorf("an address of %d bytes is answered %d", length, p.StatusCode)
		}
		for _, c := range p.Cookies() {
			if len(c.Name)+len(c.Value) > 4096 {
				t.Errorf("an address of %d bytes makes a cookie of %d", length, len(c.Name)+len(c.Value))
			}
		}
		if end := b.walk(s.URL + target); end.StatusCode != http.StatusOK {
			t.Errorf("the login for an address of %d bytes ends with %d", length, end.StatusCode)
		}
	}
}

// redirect_uri comes from the settings alone, whatever the request says of its host and scheme.
func TestRedirectURIComesFromTheSettings(t *testing.T) {
	s := newSite(t, func(c *config.Config) { c.AccessRules += "\ngrafana.example.com/ authenticated" })
	for _, lines := range [][]string{
		{"X-Forwarded-Host: evil.example"}, {"X-Forwarded-Proto: https"}, {"Forwarded: host=evil.example;proto=https"}, {"X-Forwarded-Port: 444"},
	} {
		p := s.rawGet("/x", append(lines, "Accept: text/html")...)
		at, _ := url.Parse(p.Header.Get("Location"))
		if got := at.Query().Get("redirect_uri"); got != s.URL+"/oauth2/callback" {
			t.Errorf("with %q redirect_uri is %q", lines, got)
		}
	}
}

// Each origin of PUBLIC_URL has a callback and logins of its own, and a login may lead to another of them.
func TestSeveralOrigins(t *testing.T) {
	var second string
	s := newSite(t, func(c *config.Config) {
		second = strings.Replace(c.PublicURL[0], "127.0.0.1", "localhost", 1)
		c.PublicURL = append(c.PublicURL, second)
	})
	host := strings.TrimPrefix(second, "http://")

	p := s.raw("GET /x HTTP/1.1\r\nHost: " + host + "\r\nAccept: text/html\r\nConnection: close\r\n\r\n")
	if at, _ := url.Parse(p.Header.Get("Location")); at.Query().Get("redirect_uri") != second+"/oauth2/callback" {
		t.Errorf("on the second origin redirect_uri is %q", at.Query().Get("redirect_uri"))
	}
	b := s.browser()
	if got := b.finish(s, second+"/y?z=1").Header.Get("Location"); got != second+"/y?z=1" {
		t.Errorf("rd of the second origin leads to %q", got)
	}
}

// A login ends on the origin on which it began, whose callback is its redirect_uri.
func TestCallbackOnAnotherOrigin(t *testing.T) {
	var second string
	s := newSite(t, func(c *config.Config) {
		second = strings.Replace(c.PublicURL[0], "127.0.0.1", "localhost", 1)
		c.PublicURL = append(c.PublicURL, second)
	})
	b := s.browser()
	callback := b.callbackAddress(s, "/")

	p := s.raw("GET " + strings.TrimPrefix(callback, s.URL) + " HTTP/1.1\r\nHost: " + strings.TrimPrefix(second, "http://") +
		"\r\nCookie: " + b.cookieHeader(s) + "\r\nAccept: text/html\r\nConnection: close\r\n\r\n")

	isPage(t, p)
	if p.StatusCode != http.StatusBadRequest || len(s.Provider.Requests("token")) != 0 {
		t.Errorf("the answer is %d", p.StatusCode)
	}
}

// Two login cookies of one name: somebody on a sibling host has set one of them (RFC 6265bis 8.6). Neither is believed.
func TestTwoLoginCookies(t *testing.T) {
	s := newSite(t, nil)
	b := s.browser()
	callback := b.callbackAddress(s, "/")
	cookie := b.cookieHeader(s)
	name, _, _ := strings.Cut(cookie, "=")
	for _, cookies := range []string{name + "=AAAAAAAAAAAAAAAAAAAA; " + cookie, cookie + "; " + name + "=AAAAAAAAAAAAAAAAAAAA"} {
		p := s.rawGet(strings.TrimPrefix(callback, s.URL), "Accept: text/html", "Cookie: "+cookies)
		if p.StatusCode != http.StatusBadRequest || len(p.setsCookies()) != 0 {
			t.Errorf("the answer is %d", p.StatusCode)
		}
	}
}

// A posted callback is a form, and a small one.
func TestPostedCallback(t *testing.T) {
	s := newTLSSite(t, func(c *config.Config) { c.ResponseMode = "form_post" })
	form := func(kind string) http.Header { return headers("Content-Type", kind, "Accept", "text/html") }
	for name, test := range map[string]struct {
		header http.Header
		body   string
		status int
	}{
		"JSON":      {form("application/json"), `{"code":"x","state":"y"}`, 415},
		"multipart": {form("multipart/form-data; boundary=x"), "--x--", 415},
		"no type":   {headers("Accept", "text/html"), "code=x&state=y", 415},
		"empty":     {form("application/x-www-form-urlencoded"), "", 400},
		"malformed": {form("application/x-www-form-urlencoded"), "code=%zz", 400},
		"large":     {form("application/x-www-form-urlencoded"), "code=" + strings.Repeat("x", 200_000), 413},
	} {
		t.Run(name, func(t *testing.T) {
			p := s.browser().request(http.MethodPost, s.URL+"/oauth2/callback", test.header, test.body)
			isPage(t, p)
			if p.StatusCode != test.status {
				t.Errorf("the answer is %d", p.StatusCode)
			}
		})
	}
}

// With form_post, a code that comes in the address, where logs and Referer keep it, is none, and the login goes on.
func TestCodeInTheAddressDespiteFormPost(t *testing.T) {
	s := newTLSSite(t, func(c *config.Config) { c.ResponseMode = "form_post" })
	b := s.browser()
	state := b.open(s.URL + "/x").location().Query().Get("state")

	p := b.open(s.URL + "/oauth2/callback?code=canary-code&state=" + state)

	isPage(t, p)
	if p.StatusCode != http.StatusBadRequest || len(p.setsCookies()) > 0 || len(s.Provider.Requests(providertest.Token)) > 0 {
		t.Errorf("the answer is %d, with the cookies %q", p.StatusCode, p.setsCookies())
	}
	if end := b.walk(s.URL + "/x"); end.StatusCode != http.StatusOK {
		t.Errorf("the next login ends with %d", end.StatusCode)
	}
}

// A client that does not wait for the provider says nothing of it: no log and no metric tells of a login that failed.
func TestLoginsThatTheirClientsLeave(t *testing.T) {
	for name, m := range map[string]providertest.Mutation{
		"before it begins": {PAR: "required"},
		"at the callback":  {},
	} {
		t.Run(name, func(t *testing.T) {
			arrived, left := make(chan struct{}), make(chan struct{})
			wait := func(*providertest.Provider, *providertest.Answer) { close(arrived); <-left }
			if m.PushReply = wait; m.PAR == "" {
				m.PushReply, m.TokenReply = nil, wait
			}
			s := newSite(t, nil, m)
			b := s.browser()
			b.Person = "alice"
			address := s.URL + "/"
			if m.PAR == "" {
				address = b.callbackAddress(s, "/")
			}
			ctx, leave := context.WithCancel(t.Context())
			gone := make(chan struct{})
			go func() {
				defer close(gone)
				r, _ := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
				r.Header = navigation()
				if answer, err := b.client.Do(r); err == nil {
					t.Errorf("the answer is %s", answer.Status)
				}
			}()
			<-arrived
			leave()
			<-gone
			if last := s.lastRequests(1)[0]; last["outcome"] != "client_gone" || last["status"] != 499.0 {
				t.Errorf("the log says %v", last)
			}
			close(left)
			if failed := s.Log.events(t, "login_failed"); len(failed) != 0 {
				t.Errorf("the log tells of %v", failed)
			}
			for series, n := range s.metrics() {
				if strings.HasPrefix(series, "doorward_logins_total") && n != 0 {
					t.Errorf("%s is %v", series, n)
				}
			}
		})
	}
}

// The refresh token of a login that makes no session is nobody's, and the provider is told so.
func TestLoginsWithoutASessionGiveBackTheirTokens(t *testing.T) {
	for name, configure := range map[string]func(*config.Config){
		"a claim that is missing":      func(c *config.Config) { c.UserClaim = "employee_no" },
		"more than a session can hold": func(c *config.Config) { c.SessionCookieMaxBytes = 1024 },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, configure)
			s.Provider.IssueRefreshTokens()
			b := s.browser()
			b.Person = "alice"
			if p := b.walk(s.URL + "/"); p.StatusCode != http.StatusBadGateway && p.StatusCode != http.StatusInternalServerError {
				t.Errorf("the login ends with %d", p.StatusCode)
			}
			s.Proxy.Rest()
			if n := len(s.Provider.Requests(providertest.Revocation)); n != 1 {
				t.Errorf("%d tokens are revoked", n)
			}
		})
	}
}

// Of two origins that differ by their ports alone, people sign in at the one that they are at.
func TestOriginsThatDifferByPort(t *testing.T) {
	for name, other := range map[string]func(c *config.Config){
		"another before": func(c *config.Config) { c.PublicURL = append([]string{"http://127.0.0.1:1"}, c.PublicURL...) },
		"another behind": func(c *config.Config) { c.PublicURL = append(c.PublicURL, "http://127.0.0.1:1") },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, other)
			if got := s.browser().open(s.URL + "/x").location().Query().Get("redirect_uri"); got != s.URL+"/oauth2/callback" {
				t.Errorf("redirect_uri is %q", got)
			}
		})
	}
}

// Whoever may not go where their login leads has arrived there all the same.
func TestADenialIsNoLoop(t *testing.T) {
	s := newSite(t, nil)
	b := s.browser()
	b.Person = "bob"
	for range 4 {
		b.open(b.walkTo(s.URL+"/oauth2/start?rd=/admin/x", isCallback)).wants(t, http.StatusSeeOther)
		b.open(s.URL+"/admin/x").wants(t, http.StatusForbidden)
	}
}
