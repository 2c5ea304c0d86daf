package proxy_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"doorward/config"
)

// headers makes a header of pairs.
func headers(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

// fetched are the fetch metadata of a browser, and more headers.
func fetched(mode, destination string, more ...string) http.Header {
	return headers(append([]string{"Sec-Fetch-Mode", mode, "Sec-Fetch-Dest", destination}, more...)...)
}

// upgrade is what asks for a WebSocket, in Connection and Upgrade.
func upgrade(h http.Header) http.Header {
	h.Set("Connection", "Upgrade")
	h.Set("Upgrade", "websocket")
	h.Set("Sec-WebSocket-Version", "13")
	h.Set("Sec-WebSocket-Key", "dGVzdA==")
	return h
}

// People get the login, programs get 401: who is who is told by fetch metadata, and without them by Accept.
func TestWhoIsSentToTheLogin(t *testing.T) {
	s := newSite(t, nil)
	const html = "text/html,application/xhtml+xml,*/*;q=0.8"
	for name, test := range map[string]struct {
		method string
		header http.Header
		login  bool
	}{
		"navigation":                      {"GET", fetched("navigate", "document", "Accept", html), true},
		"HEAD as navigation":              {"HEAD", fetched("navigate", "document", "Accept", html), true},
		"old browser":                     {"GET", headers("Accept", html), true},
		"old browser, HEAD":               {"HEAD", headers("Accept", html), true},
		"old browser that knows XHTML":    {"GET", headers("Accept", "application/xhtml+xml"), true},
		"fetch":                           {"GET", fetched("cors", "empty", "Accept", "*/*"), false},
		"fetch that asks for HTML":        {"GET", fetched("cors", "empty", "Accept", html), false},
		"frame":                           {"GET", fetched("navigate", "iframe", "Accept", html), false},
		"image":                           {"GET", fetched("no-cors", "image", "Accept", "image/*"), false},
		"script":                          {"GET", fetched("no-cors", "script"), false},
		"prefetch":                        {"GET", fetched("navigate", "document", "Sec-Purpose", "prefetch", "Accept", html), false},
		"prerender":                       {"GET", fetched("navigate", "document", "Sec-Purpose", "prefetch;prerender", "Accept", html), false},
		"old browser's prefetch":          {"GET", headers("Sec-Purpose", "prefetch", "Accept", html), false},
		"destination without mode":        {"GET", headers("Sec-Fetch-Dest", "empty", "Accept", html), false},
		"mode without destination":        {"GET", headers("Sec-Fetch-Mode", "navigate", "Accept", html), false},
		"XMLHttpRequest":                  {"GET", headers("X-Requested-With", "XMLHttpRequest", "Accept", html), false},
		"program that accepts everything": {"GET", headers("Accept", "*/*"), false},
		"program that says nothing":       {"GET", headers(), false},
		"program that wants no HTML":      {"GET", headers("Accept", "text/html;q=0.0, */*"), false},
		"program that asks for JSON":      {"GET", headers("Accept", "application/json"), false},
		"fetch that posts":                {"POST", fetched("cors", "empty", "Accept", "*/*", "Content-Type", "application/x-www-form-urlencoded"), false},
		"form posted in a frame":          {"POST", fetched("navigate", "iframe", "Accept", html, "Content-Type", "application/x-www-form-urlencoded"), false},
		"Java that posts JSON":            {"POST", headers("Accept", "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", "Content-Type", "application/json"), false},
		"program that puts a form":        {"PUT", headers("Accept", html, "Content-Type", "application/x-www-form-urlencoded"), false},
		"program that posts nothing":      {"POST", headers("Accept", html), false},
		"PUT":                             {"PUT", headers("Accept", html), false},
		"OPTIONS":                         {"OPTIONS", headers("Accept", html), false},
		"preflight":                       {"OPTIONS", headers("Origin", "https://other.example", "Access-Control-Request-Method", "GET"), false},
		"WebSocket that accepts HTML":     {"GET", upgrade(headers("Accept", html)), false},
		"WebSocket":                       {"GET", upgrade(headers()), false},
		"WebSocket of a browser":          {"GET", upgrade(fetched("websocket", "websocket")), false},
		"own credentials":                 {"GET", headers("Authorization", "Bearer abc", "Accept", "application/json"), false},
	} {
		t.Run(name, func(t *testing.T) {
			p := s.browser().request(test.method, s.URL+"/app?x=canary-query", test.header, "")

			if test.login {
				isLogin(t, s, p)
				return
			}
			isChallenge(t, s, p)
		})
	}
	if n := len(s.Upstream.Received()); n != 0 {
		t.Errorf("the upstream received %d requests", n)
	}
}

// A form cannot be sent again by itself. The person is told what became of it, and where to sign in.
func TestPostedFormWithoutASession(t *testing.T) {
	s := newSite(t, nil)
	form := []string{"Accept", "text/html", "Content-Type", "application/x-www-form-urlencoded"}
	for name, header := range map[string]http.Header{
		"browser":     fetched("navigate", "document", form...),
		"plain text":  fetched("navigate", "document", "Accept", "text/html", "Content-Type", "text/plain"),
		"old browser": headers(form...),
	} {
		t.Run(name, func(t *testing.T) {
			b := s.browser()
			p := b.request("POST", s.URL+"/pay?to=1", header, "sum=1")

			isPage(t, p)
			if p.StatusCode != http.StatusUnauthorized || !strings.HasPrefix(p.Header.Get("WWW-Authenticate"), "Bearer") || len(p.setsCookies()) != 0 {
				t.Errorf("the answer is %d, %q", p.StatusCode, p.Header)
			}
			_, link, _ := strings.Cut(p.Text, `<a href="`)
			link, _, _ = strings.Cut(link, `"`)
			end := b.walk(s.URL + unescape(link))
			if received := s.Upstream.last(t); end.StatusCode != http.StatusOK || received.URI != "/pay?to=1" || received.Method != "GET" {
				t.Errorf("the page leads to %s and %d at %s", link, end.StatusCode, received.URI)
			}
		})
	}
}

// isLogin checks the redirect to the provider.
func isLogin(t *testing.T, s *site, p *page) {
	t.Helper()
	if p.StatusCode != http.StatusSeeOther || !strings.HasPrefix(p.Header.Get("Location"), s.Provider.Issuer) {
		t.Errorf("the answer is %d to %.60q", p.StatusCode, p.Header.Get("Location"))
	}
	if len(p.setsCookies()) != 1 {
		t.Errorf("the cookies set are %v, not the one of the login", p.setsCookies())
	}
	if p.Header.Get("Cache-Control") != "no-store" || p.Header.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("Cache-Control is %q, Referrer-Policy %q", p.Header.Get("Cache-Control"), p.Header.Get("Referrer-Policy"))
	}
}

// isChallenge checks the 401 for programs.
func isChallenge(t *testing.T, s *site, p *page) {
	t.Helper()
	if p.StatusCode != http.StatusUnauthorized {
		t.Errorf("the answer is %d", p.StatusCode)
		return
	}
	if !strings.HasPrefix(p.Header.Get("WWW-Authenticate"), "Bearer") {
		t.Errorf("WWW-Authenticate is %q", p.Header.Get("WWW-Authenticate"))
	}
	if lines := p.Header["Set-Cookie"]; len(lines) != 0 {
		t.Errorf("cookies are set: %q", lines)
	}
	if p.Header.Get("Cache-Control") != "no-store" || p.Header.Get("Location") != "" {
		t.Errorf("Cache-Control is %q, Location %q", p.Header.Get("Cache-Control"), p.Header.Get("Location"))
	}
	isChallengeJSON(t, s, p)
}

func isChallengeJSON(t *testing.T, s *site, p *page) {
	t.Helper()
	if kind := p.Header.Get("Content-Type"); !strings.HasPrefix(kind, "application/json") {
		t.Errorf("Content-Type is %q", kind)
	}
	var body map[string]string
	if err := json.Unmarshal([]byte(p.Text), &body); err != nil {
		t.Fatalf("the body is no JSON object of texts: %v: %s", err, p.Text)
	}
	if body["error"] == "" || body["error_description"] == "" || body["login_url"] != s.URL+"/oauth2/start" {
		t.Errorf("the body is %v", body)
	}
}

// /oauth2/start begins logins for navigations only: an image in a mail must not fill the browser with login cookies.
func TestStartIsForNavigations(t *testing.T) {
	s := newSite(t, nil)
	for _, endpoint := range []string{"/oauth2/start", "/oauth2/sign_in"} {
		isLogin(t, s, s.browser().open(s.URL+endpoint))
		isChallenge(t, s, s.browser().request("GET", s.URL+endpoint, fetched("no-cors", "image"), ""))
		isChallenge(t, s, s.browser().request("GET", s.URL+endpoint, headers("Accept", "*/*"), ""))
		if p := s.browser().request("POST", s.URL+endpoint, navigation(), ""); p.StatusCode != http.StatusUnsupportedMediaType || len(p.setsCookies()) != 0 {
			t.Errorf("POST %s is answered %d", endpoint, p.StatusCode)
		}
	}
}

// Everything that opens no session means the same: nobody is signed in, and no error tells why.
func TestCookiesThatOpenNoSession(t *testing.T) {
	s := newSite(t, nil)
	name := s.signedIn("alice").cookies(s.URL)[0].Name
	for what, cookie := range map[string]string{
		"nothing in it":       name + "=",
		"noise":               name + "=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"binary":              name + "=\x80\xff\x01",
		"quotation marks":     name + `="x"`,
		"empty pairs":         ";;=;;" + name + ";=;",
		"a chunk of millions": name + "_99999999=x; " + name + "_chunks=99999999",
		"many cookies":        strings.Repeat("a=b; ", 4000) + name + "=x",
	} {
		t.Run(what, func(t *testing.T) {
			p := s.rawGet("/app", "Accept: application/json", "Cookie: "+cookie)
			if p.StatusCode != http.StatusUnauthorized && p.StatusCode != http.StatusBadRequest && p.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
				t.Errorf("the answer is %d: %s", p.StatusCode, p.Text)
			}
		})
	}
}

// The public listener shows nothing of the metrics listener.
func TestMetricsAreNotPublic(t *testing.T) {
	s := newSite(t, nil)
	for _, path := range []string{"/metrics", "/healthz", "/readyz", "/oauth2/metrics", "/debug/pprof/"} {
		if p := s.rawGet(path, "Accept: application/json"); p.StatusCode == http.StatusOK {
			t.Errorf("%s is answered 200: %s", path, p.Text)
		}
	}
}

// Load balancers probe the public port under any host.
func TestHealthForLoadBalancers(t *testing.T) {
	s := newSite(t, nil)
	if p := s.raw("GET /oauth2/healthz HTTP/1.1\r\nHost: 10.0.0.7\r\nConnection: close\r\n\r\n"); p.StatusCode != http.StatusOK {
		t.Errorf("/oauth2/healthz is answered %d", p.StatusCode)
	}
}

// A challenge belongs to a 401.
func TestBasicChallengeComesWith401Alone(t *testing.T) {
	s := newSite(t, func(c *config.Config) { c.AccessRules += "\n/git/ upstream-auth challenge:basic" })
	p := s.browser().open(s.URL + "/git/x")
	if p.StatusCode != http.StatusUnauthorized && p.Header.Get("WWW-Authenticate") != "" {
		t.Errorf("%d carries the challenge %q", p.StatusCode, p.Header["Www-Authenticate"])
	}
}
