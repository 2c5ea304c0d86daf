package proxy_test

import (
	"net/http"
	"strings"
	"testing"

	"doorward/config"
)

// further is an origin that ALLOWED_ORIGINS of the site names.
const further = "https://spa.example"

func withFurtherOrigin(c *config.Config) { c.AllowedOrigins = []string{"https://SPA.example:443/"} }

// upgrading are the lines of a request for a WebSocket, and more.
func upgrading(more ...string) []string {
	return append([]string{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="}, more...)
}

// upgrades answers as an application does that speaks WebSocket.
func upgrades(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Connection", "Upgrade")
	w.Header().Set("Upgrade", "websocket")
	w.WriteHeader(http.StatusSwitchingProtocols)
}

// A WebSocket speaks for a session when a page of this origin, or of an allowed one, opened it.
func TestWebSocketNeedsAKnownOrigin(t *testing.T) {
	s := newSite(t, withFurtherOrigin)
	b := s.browserThat(t, "alice")
	s.Upstream.Answer = upgrades
	host := strings.TrimPrefix(s.URL, "http://")
	for origins, passes := range map[string]bool{
		s.URL:                           true,
		further:                         true,
		"":                              false,
		"null":                          false,
		"https://evil.example":          false,
		"http://spa.example":            false,
		"https://spa.example:444":       false,
		"https://x.spa.example":         false,
		further + "/":                   false,
		"HTTPS://spa.example":           false,
		"https://" + host:               false,
		"http://127.0.0.1":              false,
		s.URL + ".evil.example":         false,
		s.URL + "," + further:           false,
		s.URL + " " + s.URL:             false,
		s.URL + "|" + s.URL:             false, // two headers
		"https://evil.example|" + s.URL: false,
	} {
		t.Run(origins, func(t *testing.T) {
			before := len(s.Upstream.Received())
			lines := upgrading("Cookie: " + b.cookieHeader(s))
			for line := range strings.SplitSeq(origins, "|") {
				if line != "" {
					lines = append(lines, "Origin: "+line)
				}
			}
			p := s.rawRequest("GET", "/ws", lines...)
			if passes {
				p.wants(t, http.StatusSwitchingProtocols)
				return
			}
			p.wants(t, http.StatusForbidden)
			if !strings.Contains(p.Text, `"cross_site"`) || len(s.Upstream.Received()) != before {
				t.Errorf("the answer is %s, and the upstream received %d requests", p.Text, len(s.Upstream.Received())-before)
			}
		})
	}
	refused := s.Log.events(t, "denied")
	if n := s.metric(`doorward_denials_total{reason="cross_site",rule="/"}`); n != 15 || len(refused) != 15 || refused[0]["reason"] != "cross_site" {
		t.Errorf("%v denials are counted, and the log has %v", n, refused)
	}
}

// A server in front may take Upgrade out of a browser's request; a WebSocket is known all the same.
func TestWebSocketWithoutItsUpgrade(t *testing.T) {
	s := newSite(t, nil)
	alice := "Cookie: " + s.signedIn("alice").cookieHeader(s)
	for origin, status := range map[string]int{s.URL: http.StatusOK, "https://evil.example": http.StatusForbidden} {
		s.rawRequest("GET", "/ws", alice, "Origin: "+origin, "Sec-WebSocket-Version: 13").wants(t, status)
	}
}

// Whoever brings an access token is no browser that another site could have sent.
func TestWebSocketOfAnAPIClientNeedsNoOrigin(t *testing.T) {
	s := newSite(t, nil)
	s.Upstream.Answer = upgrades
	for _, more := range [][]string{nil, {"Origin: https://evil.example"}} {
		p := s.rawRequest("GET", "/ws", upgrading(append(more, "Authorization: Bearer "+s.Provider.APIToken("alice"))...)...)
		p.wants(t, http.StatusSwitchingProtocols)
	}
}

// On a public path the WebSocket of another site gets what anybody gets.
func TestPublicWebSocketOfAnotherSiteIsNobodys(t *testing.T) {
	s := newSite(t, nil)
	b := s.browserThat(t, "alice")
	s.Upstream.Answer = upgrades
	for origin, user := range map[string]string{s.URL: "alice", "https://evil.example": ""} {
		p := s.rawRequest("GET", "/public/ws", upgrading("Cookie: "+b.cookieHeader(s), "Origin: "+origin)...)
		p.wants(t, http.StatusSwitchingProtocols)
		got := s.Upstream.last(t).Header
		if got.Get("X-Forwarded-User") != user || (got.Get("Authorization") != "") != (user != "") {
			t.Errorf("from %s the upstream is told of %q and %.12q", origin, got.Get("X-Forwarded-User"), got.Get("Authorization"))
		}
	}
}

// protectedWrites is a site that refuses what other sites write.
func protectedWrites(c *config.Config) {
	withFurtherOrigin(c)
	c.CsrfProtection = "writes"
}

// Fetch metadata decide, and without them Origin. Whoever sends neither is no browser.
func TestWritesOfOtherSites(t *testing.T) {
	s := newSite(t, protectedWrites)
	cookie := s.signedIn("alice").cookieHeader(s)
	const evil = "https://evil.example"
	for name, test := range map[string]struct {
		method, site, origin string
		status               int
	}{
		"same origin":                           {"POST", "same-origin", s.URL, 200},
		"same origin that keeps its name":       {"POST", "same-origin", "null", 200},
		"the person's own doing":                {"POST", "none", "", 200},
		"other site":                            {"POST", "cross-site", evil, 403},
		"other site that keeps its name":        {"POST", "cross-site", "null", 403},
		"other site without Origin":             {"DELETE", "cross-site", "", 403},
		"sibling host":                          {"PUT", "same-site", "https://sibling.example", 403},
		"allowed":                               {"PATCH", "cross-site", further, 200},
		"allowed, of the same site":             {"POST", "same-site", further, 200},
		"allowed, by its name without a scheme": {"POST", "cross-site", "spa.example", 403},
		"old browser":                           {"POST", "", s.URL, 200},
		"old browser, other site":               {"POST", "", evil, 403},
		"old browser, no name":                  {"POST", "", "null", 403},
		"old browser, other scheme":             {"POST", "", strings.Replace(s.URL, "http:", "https:", 1), 403},
		"old browser, allowed":                  {"POST", "", further, 200},
		"program":                               {"POST", "", "", 200},
		"what no browser says":                  {"POST", "same-origin-ish", evil, 403},
		"says two things":                       {"POST", "same-origin\r\nSec-Fetch-Site: cross-site", evil, 403},
		"says two things, the other first":      {"POST", "cross-site\r\nSec-Fetch-Site: same-origin", evil, 403},
		"says two things, without Origin":       {"POST", "same-origin\r\nSec-Fetch-Site: cross-site", "", 403},
		"unusual method":                        {"REPORT", "cross-site", evil, 403},
		"COPY":                                  {"COPY", "cross-site", evil, 403},
		"reading":                               {"GET", "cross-site", evil, 200},
		"HEAD":                                  {"HEAD", "cross-site", evil, 200},
		"OPTIONS":                               {"OPTIONS", "cross-site", evil, 200},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(s.Upstream.Received())
			lines := []string{"Cookie: " + cookie}
			if test.site != "" {
				lines = append(lines, "Sec-Fetch-Site: "+test.site)
			}
			if test.origin != "" {
				lines = append(lines, "Origin: "+test.origin)
			}
			p := s.rawRequest(test.method, "/x", lines...)
			p.wants(t, test.status)
			if n := len(s.Upstream.Received()) - before; (n == 1) != (test.status == 200) {
				t.Errorf("the upstream received %d requests", n)
			}
		})
	}
}

// At a host that only a rule names, its own pages write, and those of the host where people sign in are another site's.
func TestWritesAtAHostThatOnlyARuleNames(t *testing.T) {
	s := newSite(t, func(c *config.Config) {
		protectedWrites(c)
		c.AccessRules += "\nother.test/ authenticated"
	})
	cookie := s.signedIn("alice").cookieHeader(s)
	for origin, status := range map[string]int{"http://other.test": 200, s.URL: 403, "https://other.test": 403, "http://other.test:81": 403} {
		p := s.raw("POST /x HTTP/1.1\r\nHost: other.test\r\nConnection: close\r\nCookie: " + cookie + "\r\nOrigin: " + origin + "\r\n\r\n")
		if p.StatusCode != status {
			t.Errorf("from %s it is answered %d, want %d", origin, p.StatusCode, status)
		}
	}
	if got := s.Upstream.last(t).Header; got.Get("X-Forwarded-Host") != "other.test" || got.Get("X-Forwarded-Proto") != "http" {
		t.Errorf("the upstream is told of host %q and scheme %q", got.Get("X-Forwarded-Host"), got.Get("X-Forwarded-Proto"))
	}
}

// A session that lets COPY and MOVE write to a place speaks for no other site, wherever they read.
func TestWritesOfOtherSitesByDestination(t *testing.T) {
	s := newSite(t, protectedWrites)
	alice := "Cookie: " + s.signedIn("alice").cookieHeader(s)
	for origin, status := range map[string]int{s.URL: http.StatusOK, "https://evil.example": http.StatusForbidden} {
		for _, method := range []string{"COPY", "MOVE"} {
			before := len(s.Upstream.Received())
			s.rawRequest(method, "/public/x", alice, "Origin: "+origin, "Destination: /y").wants(t, status)
			if n := len(s.Upstream.Received()) - before; (n == 1) != (status == http.StatusOK) {
				t.Errorf("%s from %s: the upstream received %d requests", method, origin, n)
			}
		}
	}
}

// Without the setting writes are the upstream's business.
func TestWritesOfOtherSitesPassWhenUnset(t *testing.T) {
	s := newSite(t, nil)
	p := s.rawRequest("POST", "/x", "Cookie: "+s.signedIn("alice").cookieHeader(s), "Sec-Fetch-Site: cross-site", "Origin: https://evil.example")
	p.wants(t, http.StatusOK)
}

// What is asked without anybody's session harms nobody's.
func TestWritesWithoutASession(t *testing.T) {
	s := newSite(t, protectedWrites)
	cookie := "Cookie: " + s.signedIn("alice").cookieHeader(s)
	foreign := []string{"Sec-Fetch-Site: cross-site", "Origin: https://evil.example"}
	for name, test := range map[string]struct {
		path, more, user string
		status           int
	}{
		"access token":           {"/x", "Authorization: Bearer " + s.Provider.APIToken("bob"), "bob", 200},
		"public path":            {"/public/x", "X-Nothing: 1", "", 200},
		"public path, a session": {"/public/x", cookie, "", 200},
		"nobody":                 {"/x", "X-Nothing: 1", "", 401},
		"closed":                 {"/closed/", cookie, "", 403},
	} {
		t.Run(name, func(t *testing.T) {
			p := s.rawRequest("POST", test.path, append(foreign, test.more)...)
			p.wants(t, test.status)
			if user := s.Upstream.last(t).Header.Get("X-Forwarded-User"); test.status == 200 && user != test.user {
				t.Errorf("the upstream is told of %q, want %q", user, test.user)
			}
		})
	}
}

// A refused form is explained to the person who sees it.
func TestForeignWriteIsExplained(t *testing.T) {
	s := newSite(t, protectedWrites)
	header := navigation()
	header.Set("Sec-Fetch-Site", "cross-site")
	p := s.signedIn("alice").request("POST", s.URL+"/x", header, "a=b")
	p.wants(t, http.StatusForbidden)
	isPage(t, p)
	if !strings.Contains(p.Text, "DOORWARD_ALLOWED_ORIGINS") || s.metric(`doorward_denials_total{reason="cross_site",rule="/"}`) != 1 {
		t.Errorf("the page says %s", p.Text)
	}
}

// Browsers send no credentials with a preflight, and so none count.
func TestPreflightIsNobodys(t *testing.T) {
	s := newSite(t, withFurtherOrigin)
	alice := "Cookie: " + s.signedIn("alice").cookieHeader(s)
	for name, test := range map[string]struct {
		path, more, user string
		status           int
	}{
		"public":                  {"/public/x", alice, "", 200},
		"public, token":           {"/public/x", "Authorization: Bearer abc", "", 200},
		"protected":               {"/x", "X-Nothing: 1", "", 401},
		"protected, a session":    {"/x", alice, "", 401},
		"protected, access token": {"/x", "Authorization: Bearer " + s.Provider.APIToken("alice"), "", 401},
		"closed":                  {"/closed/", alice, "", 403},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(s.Upstream.Received())
			p := s.rawRequest("OPTIONS", test.path, "Origin: "+further, "Access-Control-Request-Method: PUT", test.more)
			p.wants(t, test.status)
			all := s.Upstream.Received()[before:]
			if (len(all) == 1) != (test.status == 200) || len(all) == 1 && all[0].Header.Get("X-Forwarded-User") != "" {
				t.Errorf("the upstream received %v", all)
			}
		})
	}
}

// An OPTIONS that is no preflight is a request like any other.
func TestOptionsOfASession(t *testing.T) {
	s := newSite(t, nil)
	for _, more := range []string{"Origin: " + further, "Access-Control-Request-Method: PUT"} {
		s.rawRequest("OPTIONS", "/x", "Cookie: "+s.signedIn("alice").cookieHeader(s), more).wants(t, http.StatusOK)
		if user := s.Upstream.last(t).Header.Get("X-Forwarded-User"); user != "alice" {
			t.Errorf("with %s the upstream is told of %q", more, user)
		}
	}
}

// corsHeaders are what an answer says about who may read it.
func corsHeaders(p *page) string {
	var all []string
	for _, name := range []string{"Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Vary"} {
		all = append(all, strings.Join(p.Header[name], "+"))
	}
	return strings.Join(all, " ")
}

// A page of an allowed origin can read where to sign in; no other page can.
func TestAllowedOriginsReadLoginURL(t *testing.T) {
	s := newSite(t, withFurtherOrigin)
	for name, test := range map[string]struct{ path, lines, want string }{
		"allowed":              {"/x", "Origin: " + further, further + " true Origin"},
		"userinfo":             {"/oauth2/userinfo", "Origin: " + further, further + " true Origin"},
		"bad access token":     {"/x", "Origin: " + further + "\r\nAuthorization: Bearer bad", further + " true Origin"},
		"preflight":            {"/x", "Origin: " + further + "\r\nAccess-Control-Request-Method: GET", further + " true Origin"},
		"another":              {"/x", "Origin: https://evil.example", "  Origin"},
		"one that begins so":   {"/x", "Origin: " + further + ".evil.example", "  Origin"},
		"null":                 {"/x", "Origin: null", "  Origin"},
		"two":                  {"/x", "Origin: " + further + "\r\nOrigin: https://evil.example", "  Origin"},
		"none":                 {"/x", "X-Nothing: 1", "  Origin"},
		"answer that is a 403": {"/closed/", "Origin: " + further, "  "},
	} {
		t.Run(name, func(t *testing.T) {
			method := "GET"
			if name == "preflight" {
				method = "OPTIONS"
			}
			p := s.rawRequest(method, test.path, test.lines)
			if p.StatusCode != http.StatusUnauthorized && p.StatusCode != http.StatusForbidden {
				t.Fatalf("the answer is %d", p.StatusCode)
			}
			if got := corsHeaders(p); got != test.want {
				t.Errorf("the answer says %q, want %q", got, test.want)
			}
		})
	}
}

// Without the setting nothing is said, and what upstreams say is theirs.
func TestUpstreamsSayWhoReadsTheirAnswers(t *testing.T) {
	if got := corsHeaders(newSite(t, nil).rawGet("/x", "Origin: "+further)); got != "  " {
		t.Errorf("without ALLOWED_ORIGINS the answer says %q", got)
	}
	s := newSite(t, withFurtherOrigin)
	b := s.browserThat(t, "alice")
	for want, status := range map[string]int{"  ": http.StatusOK, "  Accept": http.StatusUnauthorized, "* true ": http.StatusUnauthorized} {
		s.Upstream.Answer = func(w http.ResponseWriter, _ *http.Request) {
			for i, value := range strings.Split(want, " ") {
				if value != "" {
					w.Header().Set([]string{"Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Vary"}[i], value)
				}
			}
			w.Header().Set("Cache-Control", "no-cache")
			w.WriteHeader(status)
		}
		p := s.rawGet("/x", "Origin: "+further, "Cookie: "+b.cookieHeader(s))
		if got := corsHeaders(p); p.StatusCode != status || got != want {
			t.Errorf("the answer %d says %q, want %q", p.StatusCode, got, want)
		}
	}
}

// A preflight is an OPTIONS request: whatever else has its headers is whoever's cookies say.
func TestOnlyOptionsIsAPreflight(t *testing.T) {
	s := newSite(t, nil)
	alice := "Cookie: " + s.signedIn("alice").cookieHeader(s)
	s.rawRequest("GET", "/x", alice, "Origin: "+s.URL, "Access-Control-Request-Method: PUT").wants(t, http.StatusOK)
	s.rawRequest("OPTIONS", "/x", alice, "Origin: "+s.URL, "Access-Control-Request-Method: PUT").wants(t, http.StatusUnauthorized)
}

// An upgrade to a WebSocket is one though it names no version.
func TestWebSocketWithoutItsVersion(t *testing.T) {
	s := newSite(t, nil)
	b := s.signedIn("alice")
	s.Upstream.Answer = upgrades
	lines := []string{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Cookie: " + b.cookieHeader(s)}
	s.rawRequest("GET", "/ws", append(lines, "Origin: https://evil.example")...).wants(t, http.StatusForbidden)
}
