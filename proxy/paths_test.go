package proxy_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"doorward/config"
)

// forbiddenSpellings are ways to write /admin/, or something below it, each of which some server reads so.
func forbiddenSpellings() []string {
	return []string{
		"/admin", "/admin/", "/admin/x", "/admin?x=/public/", "/admin/?", "/admin#/public/", "/admin/x#/public/",
		// Empty and dot segments.
		"//admin/", "///admin/x", "/./admin/", "/.//admin/", "/x/../admin/", "/x/y/../../admin/", "/x/..//admin/", "/admin/../admin/", "/public/../admin/",
		// The same, encoded.
		"/%2e/admin/", "/x/%2e%2e/admin/", "/x/.%2e/admin/", "/x/%2E./admin/", "/public/%2e%2e/admin/",
		// Encoded slashes.
		"/%2fadmin/", "/%2Fadmin%2F", "/admin%2f", "/admin%2fx", "/x%2f..%2fadmin/", "/x/..%2fadmin/", "/x/%2e%2e%2fadmin",
		"/public%2f..%2fadmin", "/public/..%2fadmin/",
		// Backslashes.
		`/\admin/`, `/x\..\admin/`, `/x/..\admin/`, "/%5cadmin/", "/x/..%5cadmin/", "/admin%5cx", `/admin\x`, `/public/..\admin/`,
		// Encoded and double-encoded letters, dots and slashes.
		"/%61dmin/", "/%61%64%6d%69%6e", "/%2561dmin/", "/%252e/admin/", "/x/%252e%252e/admin/", "/x%252f..%252fadmin/",
		"/%252fadmin/", "/public/%252e%252e%252fadmin/",
		// Letter case.
		"/ADMIN/", "/Admin/x", "/aDmIn", "/%41dmin/", "/x/../ADMIN/",
		// Path parameters.
		"/admin;x=1/", "/admin;/x", "/admin;x", "/;x/admin/", "/x;/../admin/", "/x/..;/admin/", "/x/..;a=b/admin/", "/admin%3bx=1/", "/public/..;/admin/",
		// What ends a name for a C library or a file system.
		"/admin%00", "/admin%00/x", "/admin%00.html", "/admin%20/", "/admin./", "/admin%2e/", "/admin%09", "/admin%0a",
		"/admin%0d%0aX-Admin:%201", "/admin%3f", "/admin%23",
		// Overlong and full-width characters.
		"/%c0%afadmin/", "/x/%c0%ae%c0%ae/admin/", "/x/%e0%80%ae%e0%80%ae/admin/", "/%ef%bc%8fadmin/", "/%ef%bd%81dmin/", "/x/%ef%bc%8e%ef%bc%8e/admin/",
		// Percent signs that lead to nothing, and the old way to write characters.
		"/%u0061dmin/", "/%xadmin/", "/admin/%", "/admin/%zz",
	}
}

// isRefused says whether an answer keeps somebody out: they learn nothing from the application.
func isRefused(status int) bool {
	switch status {
	case http.StatusSeeOther, http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden:
		return true
	}
	return false
}

// No spelling of a forbidden path reaches the upstream for somebody whom the rule keeps out.
func TestForbiddenPathHasNoOtherSpelling(t *testing.T) {
	s := newSite(t, nil)
	origin := strings.TrimPrefix(s.URL, "http://")
	for who, lines := range map[string][]string{
		"bob":               {"Cookie: " + s.signedIn("bob").cookieHeader(s)},
		"nobody":            nil,
		"somebody's bearer": {"Authorization: Bearer abc"},
	} {
		t.Run(who, func(t *testing.T) {
			before := len(s.Upstream.Received())
			for _, target := range forbiddenSpellings() {
				for _, written := range []string{target, "http://" + origin + target} {
					p := s.rawGet(written, lines...)
					if !isRefused(p.StatusCode) {
						t.Errorf("%s is answered %d", written, p.StatusCode)
					}
				}
			}
			for _, got := range s.Upstream.Received()[before:] {
				t.Errorf("%s arrived at the upstream", got.URI)
			}
		})
	}
}

// What names another path in a header changes nothing: only the request line is looked at.
func TestHeadersDoNotChooseTheRule(t *testing.T) {
	s := newSite(t, nil)
	bob := "Cookie: " + s.signedIn("bob").cookieHeader(s)
	before := len(s.Upstream.Received())
	for _, line := range []string{
		"X-Original-URL: /public/", "X-Rewrite-URL: /public/", "X-Forwarded-Uri: /public/", "X-Forwarded-Prefix: /public",
		"X-Forwarded-Method: OPTIONS", "X-HTTP-Method-Override: OPTIONS", "User-Agent: kube-probe/1.30", "X-Forwarded-Host: grafana.example.com",
		"Referer: http://localhost/public/", "Destination: /public/",
	} {
		if p := s.rawGet("/admin/", bob, line); p.StatusCode != http.StatusForbidden {
			t.Errorf("with %q the answer is %d", line, p.StatusCode)
		}
	}
	if n := len(s.Upstream.Received()) - before; n != 0 {
		t.Errorf("the upstream received %d requests", n)
	}
}

// Odd paths about which all servers agree, or whose readings fall under one rule, arrive byte for byte.
func TestHarmlessPathsArriveByteForByte(t *testing.T) {
	s := newSite(t, nil)
	alice := "Cookie: " + s.signedIn("alice").cookieHeader(s)
	for _, target := range []string{
		"/", "/x", "/administrator", "/adminx/", "/x/admin", "/group%2Fproject", "/@scope%2fpkg", "/a//b", "/a%20b", "/%C3%A9", "/caf%c3%a9/",
		"/x;y=1", "/x.y/z~w", "/a+b", "/a:b@c", "/x/$&'()*,=!", "/x?", "/x?a=1;b=2&c=%zz&d=4", "/x?a=%2e%2e/%2fadmin", "/x?/admin/", "/x?q=a+b&q=%00",
		"/admin/", "/admin/a%2Fb", "/%7Euser", "/x/y/", "/.well-known/thing", "/a.b/..c",
	} {
		p := s.rawGet(target, alice)
		if p.StatusCode != http.StatusOK {
			t.Errorf("%s is answered %d: %s", target, p.StatusCode, p.Text)
			continue
		}
		if got := s.Upstream.last(t).URI; got != target {
			t.Errorf("%s arrived as %s", target, got)
		}
	}
}

// An upstream that tells paths apart by letter case may say so.
func TestUpstreamThatKnowsLetterCase(t *testing.T) {
	s := newSite(t, func(c *config.Config) { c.Upstreams += " paths=case-sensitive" })
	bob := "Cookie: " + s.signedIn("bob").cookieHeader(s)

	if p := s.rawGet("/ADMIN/", bob); p.StatusCode != http.StatusOK {
		t.Errorf("/ADMIN/ is answered %d", p.StatusCode)
	}
	if p := s.rawGet("/x/../admin/", bob); p.StatusCode == http.StatusOK {
		t.Error("/x/../admin/ passes")
	}
}

// The page of an ambiguous path names both rules and who reads it so; the metric counts it.
func TestAmbiguousPathIsExplained(t *testing.T) {
	s := newSite(t, nil)
	b := s.signedIn("bob")

	p := s.rawGet("/public/..%2fadmin/", "Accept: text/html", "Cookie: "+b.cookieHeader(s))

	isPage(t, p)
	if p.StatusCode != http.StatusBadRequest || !strings.Contains(p.Text, "/public/") || !strings.Contains(p.Text, "/admin/") {
		t.Errorf("the answer is %d: %s", p.StatusCode, p.Text)
	}
	if n := s.metric("doorward_ambiguous_paths_total"); n != 1 {
		t.Errorf("ambiguous_paths_total is %v", n)
	}
	if n := len(s.Log.events(t, "ambiguous_path")); n != 1 {
		t.Errorf("the log has %d events", n)
	}
}

// The denied page names the rule and what it asks for.
func TestDeniedPageNamesTheRule(t *testing.T) {
	s := newSite(t, nil)

	p := s.signedIn("bob").open(s.URL + "/admin/secret?q=canary-query")

	isPage(t, p)
	if p.StatusCode != http.StatusForbidden || !strings.Contains(p.Text, "/admin/") || !strings.Contains(p.Text, "group:Admin") {
		t.Errorf("the answer is %d: %s", p.StatusCode, p.Text)
	}
	if n := s.metric(`doorward_denials_total{reason="group",rule="/admin/"}`); n != 1 {
		t.Errorf("denials_total is %v", n)
	}
	if events := s.Log.events(t, "denied"); len(events) != 1 || events[0]["rule"] != "/admin/" || events[0]["user"] != "bob" {
		t.Errorf("the log says %v", events)
	}
}

// Programs are told the same in JSON.
func TestDeniedProgram(t *testing.T) {
	s := newSite(t, nil)

	p := s.signedIn("bob").request(http.MethodGet, s.URL+"/admin/", headers("Accept", "application/json"), "")

	var body map[string]any
	if err := json.Unmarshal([]byte(p.Text), &body); err != nil || p.StatusCode != http.StatusForbidden {
		t.Fatalf("the answer is %d: %s", p.StatusCode, p.Text)
	}
	if body["error"] == "" || body["error_description"] == "" || body["rule"] != "/admin/" || body["request_id"] != p.Header.Get("X-Request-Id") {
		t.Errorf("it says %v", body)
	}
	if p.Header.Get("Cache-Control") != "no-store" || p.Header.Get("WWW-Authenticate") != "" {
		t.Errorf("the headers are %v", p.Header)
	}
}

// It says so when rules ask for groups and the provider sent none, and so does the log.
func TestDeniedPageWithoutGroups(t *testing.T) {
	s := newSite(t, nil)
	for person, says := range map[string]bool{"bob": false, "carol": true} {
		p := s.signedIn(person).open(s.URL + "/admin/")
		logged := fmt.Sprint(s.lastRequests(1)[0]["error"])
		if strings.Contains(p.Text, "no groups") != says || strings.Contains(logged, "no groups") != says {
			t.Errorf("%s reads: %s\nthe log says: %s", person, p.Text, logged)
		}
	}
}

// deny, and no rule at all, are 403 for everybody, and nobody is asked to log in for it.
func TestDenied(t *testing.T) {
	s := newSite(t, func(c *config.Config) {
		c.AccessRules = "/open/ public\n/closed/ deny\n/home/ authenticated\n/admin/ group:Admin acr:gold\n/{any}/secret/ deny"
	})
	alice := s.browser()
	alice.Person = "alice"
	alice.walk(s.URL + "/home/")
	for _, path := range []string{"/closed/", "/closed/x", "/", "/elsewhere", "/admin/secret/"} {
		for name, b := range map[string]*browser{"nobody": s.browser(), "alice": alice} {
			if p := b.open(s.URL + path); p.StatusCode != http.StatusForbidden {
				t.Errorf("%s gets %d for %s", name, p.StatusCode, path)
			}
		}
	}
}

// Methods and forms of requests that no rule is about.
func TestOddRequestsAreRefused(t *testing.T) {
	s := newSite(t, nil)
	host := strings.TrimPrefix(s.URL, "http://")
	for request, status := range map[string]int{
		"CONNECT / HTTP/1.1\r\nHost: " + host:                                        http.StatusMethodNotAllowed,
		"CONNECT " + host + " HTTP/1.1\r\nHost: " + host:                             http.StatusMethodNotAllowed,
		"TRACE /public/ HTTP/1.1\r\nHost: " + host:                                   http.StatusMethodNotAllowed,
		"OPTIONS * HTTP/1.1\r\nHost: " + host:                                        http.StatusBadRequest,
		"GET * HTTP/1.1\r\nHost: " + host:                                            http.StatusBadRequest,
		"GET public/ HTTP/1.1\r\nHost: " + host:                                      http.StatusBadRequest,
		"GET http:///public/ HTTP/1.1\r\nHost: " + host:                              http.StatusBadRequest,
		"GET http://a:b@" + host + "/public/ HTTP/1.1\r\nHost: " + host:              http.StatusBadRequest,
		"GET http://evil.example/public/ HTTP/1.1\r\nHost: " + host:                  http.StatusMisdirectedRequest,
		"GET ftp://" + host + "/public/ HTTP/1.1\r\nHost: " + host:                   http.StatusBadRequest,
		"GET /public/ HTTP/1.1\r\nHost: evil.example":                                http.StatusMisdirectedRequest,
		"GET /public/ HTTP/1.1\r\nHost: " + host + "\r\nX-Forwarded-Host: " + canary: http.StatusOK,
		"GET /public/ HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: " + host:   http.StatusMisdirectedRequest,
	} {
		if p := s.raw(request + "\r\nConnection: close\r\n\r\n"); p.StatusCode != status {
			t.Errorf("%q is answered %d, not %d", request, p.StatusCode, status)
		}
	}
	if n := len(s.Upstream.Received()); n != 1 {
		t.Errorf("the upstream received %d requests", n)
	}
}

// Other spellings of our own endpoints are paths of the application, and need what its rules ask for.
func TestOtherSpellingsOfOurEndpoints(t *testing.T) {
	s := newSite(t, nil)
	for _, target := range []string{
		"/oauth2/../x", "/OAUTH2/userinfo", "/oauth2%2fcallback", "//oauth2/callback", "/oauth2/..%2fadmin/", "/%6fauth2/start",
		"/oauth2/callback/../../admin/",
		"/oauth2/unknown", "/oauth2/", "/oauth2", "/oauth2/callback/", "/oauth2/metrics", "/oauth2x",
	} {
		if p := s.rawGet(target, "Accept: text/html"); p.StatusCode == http.StatusOK {
			t.Errorf("%s is answered 200: %s", target, p.Text)
		}
	}
	if n := len(s.Upstream.Received()); n != 0 {
		t.Errorf("the upstream received %d requests", n)
	}
	if p := s.rawGet("/oauth2x", "Accept: text/html"); p.StatusCode != http.StatusSeeOther {
		t.Errorf("what begins like our prefix is the application's, and is answered %d", p.StatusCode)
	}
}

// Hosts are compared as DNS does: letter case and a final dot mean nothing.
func TestSpellingsOfTheHost(t *testing.T) {
	var port string
	s := newSite(t, func(c *config.Config) {
		at, _ := url.Parse(c.PublicURL[0])
		port = at.Port()
		c.PublicURL = []string{"http://app.localhost:" + port}
	})
	for host, status := range map[string]int{
		"app.localhost": 303, "APP.localhost": 303, "app.localhost.": 303,
		"app.localhost.evil.example": 421, "evil-app.localhost": 421, "localhost": 421, "127.0.0.1": 421, "app.localhost@evil.example": 400, "": 400,
	} {
		at := host
		if host != "" {
			at += ":" + port
		}
		p := s.raw("GET /x HTTP/1.1\r\nHost: " + at + "\r\nAccept: text/html\r\nConnection: close\r\n\r\n")
		if p.StatusCode != status && (status < 400 || p.StatusCode != 421 && p.StatusCode != 400) {
			t.Errorf("host %q is answered %d, not %d", at, p.StatusCode, status)
		}
		if p.StatusCode == http.StatusSeeOther && !strings.Contains(p.Header.Get("Location"), url.QueryEscape("http://app.localhost:"+port+"/oauth2/callback")) {
			t.Errorf("with host %q the redirect is to %s", at, p.Header.Get("Location"))
		}
	}
}

// The rules of a host hold for it however it is spelled; what is no host is refused.
func TestRulesOfAHostHoldForEverySpelling(t *testing.T) {
	s := newSite(t, func(c *config.Config) { c.AccessRules = "/ public\n127.0.0.1/closed/ deny" })
	port := s.URL[strings.LastIndexByte(s.URL, ':'):]
	for _, host := range []string{"127.0.0.1", "127.0.0.1.", "[127.0.0.1]", "127.0.0.1]", "]127.0.0.1[", "[127.0.0.1", "127.0.0.1:1:2", "[::ffff:127.0.0.1]", "127.0.0.1%00", "127.0.0.1..", "127.0.0.1...", ".127.0.0.1"} {
		for _, at := range []string{host, host + port} {
			p := s.raw("GET /closed/ HTTP/1.1\r\nHost: " + at + "\r\nConnection: close\r\n\r\n")
			if p.StatusCode < 400 || len(s.Upstream.Received()) > 0 {
				t.Errorf("host %q is answered %d", at, p.StatusCode)
			}
		}
	}
}

// Some servers take "post" for POST.
func TestMethodsInSmallLettersAreRefused(t *testing.T) {
	s := newSite(t, func(c *config.Config) { c.AccessRules = "/ public\nPOST /write/ group:Writers" })
	for _, method := range []string{"post", "Post", "pOST", "get", "copy"} {
		p := s.raw(method + " /write/ HTTP/1.1\r\nHost: " + strings.TrimPrefix(s.URL, "http://") + "\r\nConnection: close\r\n\r\n")
		if p.StatusCode != http.StatusBadRequest || len(s.Upstream.Received()) > 0 {
			t.Errorf("%s is answered %d", method, p.StatusCode)
		}
	}
}

// A rule with methods opens nothing to others, known or not.
func TestOtherMethodsNeedTheOtherRule(t *testing.T) {
	s := newSite(t, func(c *config.Config) { c.AccessRules = "/ group:Admin\nGET / public" })
	for method, status := range map[string]int{"GET": 200, "HEAD": 200, "POST": 401, "DELETE": 401, "OPTIONS": 401, "PURGE": 401, "BREW": 401, "GETX": 401} {
		for _, line := range []string{"X: y", "X-HTTP-Method-Override: GET", "X-HTTP-Method: GET", "X-Method-Override: GET"} {
			if p := s.rawRequest(method, "/x?_method=GET", line); p.StatusCode != status {
				t.Errorf("%s with %q is answered %d, not %d", method, line, p.StatusCode, status)
			}
		}
	}
}

// Paths and hosts that only begin or end like those of a rule are not its.
func TestRulesEndAtTheirBoundaries(t *testing.T) {
	s := newSite(t, func(c *config.Config) {
		c.AccessRules += "\n*.open.localhost/ public\nxn--mnchen-3ya.localhost/ public"
	})
	port := s.URL[strings.LastIndexByte(s.URL, ':'):]
	for address, status := range map[string]int{
		"127.0.0.1/public/": 200, "127.0.0.1/public": 200, "127.0.0.1/publicx": 401, "127.0.0.1/publicx/": 401, "127.0.0.1/public.x/": 401, "127.0.0.1/x/public/": 401,
		"a.open.localhost/x": 200, "open.localhost/x": 421, "evilopen.localhost/x": 421, "a.open.localhost.evil.example/x": 421,
		"xn--mnchen-3ya.localhost/x": 200, "XN--MNCHEN-3YA.localhost/x": 200, "m\u00fcnchen.localhost/x": 400, "2130706433/public/": 421, "0x7f.1/public/": 421, "[::ffff:127.0.0.1]/public/": 421,
	} {
		host, path, _ := strings.Cut(address, "/")
		p := s.raw("GET /" + path + " HTTP/1.1\r\nHost: " + host + port + "\r\nConnection: close\r\n\r\n")
		if p.StatusCode != status && (status < 402 || p.StatusCode != 400) {
			t.Errorf("%s is answered %d, not %d", address, p.StatusCode, status)
		}
	}
}

// More parameters than Go takes apart pass as they are (CVE-2026-39825), and choose no rule.
func TestManyParameters(t *testing.T) {
	s := newSite(t, nil)
	target := "/public/?" + strings.Repeat("a&", 20_000) + "b=%zz;c"
	if p := s.rawGet(target); p.StatusCode != http.StatusOK || s.Upstream.last(t).URI != target {
		t.Errorf("the answer is %d", p.StatusCode)
	}
	if p := s.rawGet("/admin/?" + strings.Repeat("a&", 20_000) + "/public/"); p.StatusCode != http.StatusUnauthorized {
		t.Errorf("behind many parameters /admin/ is answered %d", p.StatusCode)
	}
}

// Two Host headers mean two things to two servers.
func TestTwoHosts(t *testing.T) {
	s := newSite(t, nil)
	host := strings.TrimPrefix(s.URL, "http://")
	p := s.raw("GET /public/ HTTP/1.1\r\nHost: " + host + "\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
	if p.StatusCode != http.StatusBadRequest || len(s.Upstream.Received()) != 0 {
		t.Errorf("the answer is %d", p.StatusCode)
	}
}

// A request target may be an http address, with or without a path (RFC 9112 3.2.2).
func TestAbsoluteRequestTargets(t *testing.T) {
	s := public(t, nil)
	host := strings.TrimPrefix(s.URL, "http://")
	for target, want := range map[string]string{
		"http://" + host + "/x?y": "/x?y", "https://" + host + "/x": "/x", "HTTP://" + host + "/x": "/x",
		"http://" + host: "/", "http://" + host + "?y": "/?y",
	} {
		s.rawGet(target).wants(t, http.StatusOK)
		if got := s.Upstream.last(t).URI; got != want {
			t.Errorf("%s arrives as %q, want %q", target, got, want)
		}
	}
}
