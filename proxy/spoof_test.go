package proxy_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"doorward/config"
	"doorward/proxy/providertest"
)

// canary is what every forged value holds, so that it is found wherever it arrives.
const canary = "evil-4711"

// spoofed are the names under which a client could pass for somebody, from somewhere, or for another request: the plain ones,
// and those that a CGI-style server folds into them (CVE-2025-64484 and kin).
func spoofed() []string {
	return []string{
		"X-Forwarded-User", "x-forwarded-user", "X-FORWARDED-USER", "X_Forwarded_User", "X-Forwarded_User", "X.Forwarded.User",
		"X!Forwarded!User", "X-Forwarded-User~", "X~Forwarded~User",
		"X-Forwarded-Email", "X_Forwarded_Email", "X-Forwarded-Groups", "x_forwarded_groups", "X-Forwarded-Preferred-Username",
		"X-Forwarded-Preferred_Username", "X-Forwarded-Access-Token", "X_Forwarded_Access_Token",
		"X-Auth-Request-User", "X-Auth-Request-Email", "X-Auth-Request-Groups", "X-Auth-Request-Anything", "X_Auth_Request_User",
		"X-Auth-Request_User", "X.Auth.Request.User",
		"X-Doorward-Assertion", "X-Doorward-Anything", "X_Doorward_Assertion",
		"X-Forwarded-For", "x_forwarded_for", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Forwarded-Prefix",
		"X-Forwarded-Server", "X-Forwarded-Uri", "X-Forwarded-Method", "X-Forwarded-Scheme", "X-Forwarded-Ssl", "Forwarded",
		"X-Real-IP", "X_Real_IP", "True-Client-IP", "X-Original-URL", "X-Original-Method", "X-Rewrite-URL", "X-Client-Cert", "Client-Cert", "Client-Cert-Chain", "Proxy",
		"X-Client-IP", "X-Cluster-Client-IP", "CF-Connecting-IP", "CF_Connecting_IP",
		"X-HTTP-Method-Override", "X-Method-Override", "X-Request-Id", "X_Request_Id",
		"X-Corp-Role", "x-corp-role", "X_Corp_Role",
	}
}

// withRole configures a further identity header, whose name is protected as well.
func withRole(c *config.Config) { c.Headers = []string{"X-Corp-Role=role"} }

// arrived checks that nothing forged is in what the upstream received.
func notArrived(t *testing.T, r received) {
	t.Helper()
	for _, headers := range []http.Header{r.Header, r.Trailer} {
		for name, values := range headers {
			if strings.Contains(strings.Join(values, " "), canary) {
				t.Errorf("%s: %q arrived at the upstream", name, values)
			}
		}
	}
}

// Forged headers never arrive: on public paths neither, without a session neither, whatever the method.
func TestSpoofedHeadersNeverArrive(t *testing.T) {
	s := newSite(t, withRole)
	alice := "Cookie: " + s.signedIn("alice").cookieHeader(s)
	for _, way := range []struct {
		name, method, path string
		lines              []string
	}{
		{"public path", "GET", "/public/x", nil},
		{"public path with a session", "GET", "/public/x", []string{alice}},
		{"public path with credentials of its own", "GET", "/public/x", []string{"Authorization: Bearer abc"}},
		{"public preflight", "OPTIONS", "/public/x", []string{"Origin: https://other.example", "Access-Control-Request-Method: PUT"}},
		{"public upgrade", "GET", "/public/x", []string{
			"Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGVzdA==",
		}},
		{"with a session", "GET", "/x", []string{alice}},
		{"HEAD with a session", "HEAD", "/x", []string{alice}},
		{"DELETE with a session", "DELETE", "/x", []string{alice}},
		{"in a group", "GET", "/admin/", []string{alice}},
	} {
		t.Run(way.name, func(t *testing.T) {
			for _, name := range spoofed() {
				before := len(s.Upstream.Received())
				s.rawRequest(way.method, way.path, append(slices.Clone(way.lines), name+": "+canary)...)
				all := s.Upstream.Received()
				if len(all) != before+1 {
					t.Errorf("with %s the request did not arrive", name)
					continue
				}
				notArrived(t, all[before])
			}
		})
	}
}

// rawRequest is rawGet for any method; an answer to HEAD has no body to wait for.
func (s *site) rawRequest(method, target string, lines ...string) *page {
	s.t.Helper()
	head := []string{method + " " + target + " HTTP/1.1", "Host: " + strings.TrimPrefix(s.URL, "http://")}
	if !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, "Connection:") }) {
		head = append(head, "Connection: close")
	}
	return s.raw(strings.Join(append(head, lines...), "\r\n") + "\r\n\r\n")
}

// Three copies of a header are as good as one: the upstream sees ours alone.
func TestOneIdentityHeaderEach(t *testing.T) {
	s := newSite(t, nil)
	b := s.signedIn("alice")

	s.rawGet("/x", "Cookie: "+b.cookieHeader(s),
		"x-forwarded-user: "+canary, "X-FORWARDED-USER: "+canary, "X-Forwarded-User: "+canary, "X-Forwarded-Groups: Admin", "X-Forwarded-Groups: Root")

	got := s.Upstream.last(t)
	notArrived(t, got)
	for name, want := range map[string]string{
		"X-Forwarded-User": "alice", "X-Forwarded-Email": "alice@example.com", "X-Forwarded-Groups": "Admin,Dev",
		"X-Forwarded-Preferred-Username": "alice@corp", "X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http",
		"X-Forwarded-Host": strings.TrimPrefix(s.URL, "http://"),
	} {
		if values := got.Header[name]; len(values) != 1 || values[0] != want {
			t.Errorf("%s is %q, not %q", name, values, want)
		}
	}
	if len(got.Header["X-Request-Id"]) != 1 {
		t.Errorf("X-Request-Id is %q", got.Header["X-Request-Id"])
	}
}

// A claim that is absent leaves no room for the client's header (CVE-2026-30851).
func TestAbsentClaimsLeaveNoRoom(t *testing.T) {
	s := newSite(t, withRole)
	s.Provider.AddUser(providertest.User{Subject: "carol"})
	b := s.signedIn("carol")

	s.rawGet("/x", "Cookie: "+b.cookieHeader(s), "X-Forwarded-Groups: "+canary, "X-Forwarded-Email: "+canary, "X-Corp-Role: "+canary)

	got := s.Upstream.last(t)
	for _, name := range []string{"X-Forwarded-Groups", "X-Forwarded-Email", "X-Corp-Role"} {
		if values, there := got.Header[name]; there {
			t.Errorf("%s arrived as %q", name, values)
		}
	}
}

// A configured header is set from its claim.
func TestFurtherIdentityHeaders(t *testing.T) {
	s := newSite(t, func(c *config.Config) { c.Headers = []string{"x-corp-role=role", "X-Corp-Site=place.site"} })
	s.Provider.AddUser(providertest.User{Subject: "dave", Groups: []string{}, Claims: map[string]any{
		"role": "auditor", "place": map[string]any{"site": "Oslo"},
	}})
	s.signedIn("dave")

	got := s.Upstream.last(t).Header
	if got.Get("X-Corp-Role") != "auditor" || got.Get("X-Corp-Site") != "Oslo" {
		t.Errorf("the upstream is told %q and %q", got["X-Corp-Role"], got["X-Corp-Site"])
	}
}

// A header that the client nominates as hop-by-hop is taken away from the client's headers, never from ours (CVE-2024-45410).
func TestConnectionCannotRemoveOurHeaders(t *testing.T) {
	s := newSite(t, nil)
	cookie := "Cookie: other=1; " + s.signedIn("alice").cookieHeader(s)
	for _, lines := range [][]string{
		{"Connection: close, X-Forwarded-User, X-Forwarded-Groups, Authorization, X-Forwarded-For, X-Request-Id"},
		{"Connection: close, x-forwarded-user,x-forwarded-groups,authorization,x-forwarded-for,x-request-id"},
		{"Connection: ", "Connection: close", "connection: X-Forwarded-User, X-Forwarded-Groups", "CONNECTION: Authorization, X-Forwarded-For, X-Request-Id"},
		{"Connection: close, Cookie, Host, Content-Length, X-Forwarded-User"},
	} {
		s.rawRequest("GET", "/x", append(lines, cookie)...)

		got := s.Upstream.last(t).Header
		if got.Get("X-Forwarded-User") != "alice" || got.Get("X-Forwarded-Groups") != "Admin,Dev" || got.Get("X-Forwarded-For") == "" ||
			got.Get("X-Request-Id") == "" || !strings.HasPrefix(got.Get("Authorization"), "Bearer ") {
			t.Errorf("with %q the upstream received %v", lines, got)
		}
	}
}

// Trailers come after the headers were cleaned.
func TestTrailersCarryNoIdentity(t *testing.T) {
	s := newSite(t, nil)
	b := s.signedIn("alice")

	s.raw("POST /x HTTP/1.1\r\nHost: " + strings.TrimPrefix(s.URL, "http://") + "\r\nConnection: close\r\nCookie: " + b.cookieHeader(s) +
		"\r\nTransfer-Encoding: chunked\r\nTrailer: X-Forwarded-User, X-Auth-Request-User\r\n\r\n" +
		"2\r\nhi\r\n0\r\nX-Forwarded-User: " + canary + "\r\nX-Auth-Request-User: " + canary + "\r\n\r\n")

	got := s.Upstream.last(t)
	notArrived(t, got)
	if got.Body != "hi" {
		t.Errorf("the body arrived as %q", got.Body)
	}
	for name := range got.Trailer {
		t.Errorf("the trailer %s is announced to the upstream", name)
	}
}

// The upstream gets the person's access token, and nobody else's.
func TestAuthorizationIsReplaced(t *testing.T) {
	s := newSite(t, withoutBearers)
	b := s.signedIn("alice")
	issued := tokensOf(t, s)["access_token"]

	b.request(http.MethodGet, s.URL+"/x", http.Header{"Authorization": {"Bearer " + canary}}, "")

	if got := s.Upstream.last(t).Header["Authorization"]; len(got) != 1 || got[0] != "Bearer "+issued {
		t.Errorf("Authorization is not the person's access token: %.40q", got)
	}
}

func TestAuthorizationIsRemoved(t *testing.T) {
	s := newSite(t, func(c *config.Config) { c.ForwardAccessToken, c.BearerTokens = false, new(false) })
	b := s.signedIn("alice")

	b.request(http.MethodGet, s.URL+"/x", http.Header{"Authorization": {"Bearer " + canary}}, "")

	if got := s.Upstream.last(t).Header; len(got["Authorization"])+len(got["X-Forwarded-Access-Token"]) != 0 {
		t.Errorf("the upstream received %v", got)
	}
}

func TestAccessTokenInAHeaderOfItsOwn(t *testing.T) {
	s := newSite(t, func(c *config.Config) {
		c.Upstreams += " token=x-forwarded-access-token"
		c.BearerTokens = new(false)
	})
	b := s.signedIn("alice")
	issued := tokensOf(t, s)["access_token"]

	b.request(http.MethodGet, s.URL+"/x", http.Header{"Authorization": {"Bearer " + canary}}, "")

	got := s.Upstream.last(t).Header
	if got.Get("X-Forwarded-Access-Token") != issued || len(got["Authorization"]) != 0 {
		t.Error("the token is not where token=x-forwarded-access-token puts it")
	}
}

// On a public path Authorization passes as it is, and then without identity, even where there is a session.
func TestAuthorizationPassesOnPublicPaths(t *testing.T) {
	s := newSite(t, nil)
	b := s.signedIn("alice")

	b.request(http.MethodGet, s.URL+"/public/x", http.Header{"Authorization": {"Basic YTpi"}}, "")

	got := s.Upstream.last(t).Header
	if got.Get("Authorization") != "Basic YTpi" || got.Get("X-Forwarded-User") != "" {
		t.Errorf("Authorization is %q, the user %q", got["Authorization"], got["X-Forwarded-User"])
	}
}

// On a public path a session is shown, where there is one.
func TestIdentityOnPublicPaths(t *testing.T) {
	s := newSite(t, nil)
	b := s.signedIn("alice")

	b.open(s.URL + "/public/x")

	if user := s.Upstream.last(t).Header.Get("X-Forwarded-User"); user != "alice" {
		t.Errorf("the upstream is told the user %q", user)
	}
}

func TestTwoAuthorizationHeaders(t *testing.T) {
	s := newSite(t, nil)
	for _, path := range []string{"/x", "/public/x"} {
		p := s.rawGet(path, "Authorization: Bearer a", "authorization: Basic YTpi")
		if p.StatusCode != http.StatusBadRequest {
			t.Errorf("%s is answered %d", path, p.StatusCode)
		}
	}
	if n := len(s.Upstream.Received()); n != 0 {
		t.Errorf("the upstream received %d requests", n)
	}
}

// Claims come from outside as well: what is in them never becomes another header (CVE-2024-21499).
func TestClaimsCannotBreakHeaders(t *testing.T) {
	for name, value := range map[string]string{
		"a line of its own": "a\r\nX-Admin: " + canary,
		"a lone CR":         "a\rX-Admin: 1",
		"a lone LF":         "a\nX-Admin: 1",
		"NUL":               "a\x00b",
		"a letter":          "Zoë",
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, func(c *config.Config) {
				c.UserClaim, c.Headers = "nick", []string{"X-Corp-Role=nick"}
			})
			s.Provider.AddUser(providertest.User{Subject: "mallory", Groups: []string{value}, Claims: map[string]any{"nick": value}})
			b := s.browser()
			b.Person = "mallory"

			p := b.walk(s.URL + "/x")

			for _, got := range s.Upstream.Received() {
				if _, there := got.Header["X-Admin"]; there {
					t.Errorf("a claim became a header: %v", got.Header)
				}
				for header, values := range got.Header {
					if len(values) > 1 {
						t.Errorf("%s arrived %d times", header, len(values))
					}
				}
			}
			if p.StatusCode == http.StatusOK && len(s.Upstream.Received()) == 0 {
				t.Error("the person is let in, but nothing arrived")
			}
			if p.StatusCode == http.StatusInternalServerError {
				t.Errorf("the answer is a 500: %s", p.Text)
			}
		})
	}
}

// A claim of HEADERS that would break its header is left out, and its person is served all the same.
func TestAClaimThatBreaksItsHeaderIsLeftOut(t *testing.T) {
	s := newSite(t, func(c *config.Config) { c.Headers = []string{"X-Corp-Role=role"} })
	for subject, role := range map[string]string{"dave": "a\r\nX-Admin: 1", "erin": "a\x00b", "fay": "a\x7fb"} {
		s.Provider.AddUser(providertest.User{Subject: subject, Claims: map[string]any{"role": role}})
		s.signedIn(subject)
		got := s.Upstream.last(t).Header
		if values, there := got["X-Corp-Role"]; there || got.Get("X-Forwarded-User") != subject {
			t.Errorf("%q: the upstream is told %q of %q", role, values, got.Get("X-Forwarded-User"))
		}
	}
}

// Our cookies stay with us; others pass byte for byte.
func TestOurCookiesNeverArrive(t *testing.T) {
	s := newSite(t, nil)
	b := s.signedIn("alice")
	b.open(s.URL + "/oauth2/start?rd=/later") // a login in flight, beside the session
	ours := b.cookieHeader(s)
	if !strings.Contains(ours, ";") {
		t.Fatalf("there are no two cookies: %s", ours)
	}
	for _, path := range []string{"/x", "/public/x"} {
		s.rawGet(path, `Cookie: first=1; `+ours+`; second="a b"; third=x=y; =odd`)

		got := strings.Join(s.Upstream.last(t).Header["Cookie"], "; ")
		for pair := range strings.SplitSeq(ours, "; ") {
			if strings.Contains(got, pair[:strings.IndexByte(pair, '=')+1]) {
				t.Errorf("%s: a cookie of ours arrived", path)
			}
		}
		for _, pair := range []string{"first=1", `second="a b"`, "third=x=y"} {
			if !strings.Contains(got, pair) {
				t.Errorf("%s: the cookie %s did not arrive as it was: %s", path, pair, got)
			}
		}
	}
}

// Of a request that brings nothing but our cookies no Cookie header is left.
func TestOurCookiesAloneNeverArrive(t *testing.T) {
	s := newSite(t, nil)
	ours := s.signedIn("alice").cookieHeader(s)
	for _, path := range []string{"/x", "/public/x"} {
		s.rawGet(path, "Cookie: "+ours)

		if got, there := s.Upstream.last(t).Header["Cookie"]; there {
			t.Errorf("%s: %d Cookie headers arrived", path, len(got))
		}
	}
}

// An upstream cannot replace our cookies or clear them: not in its answer, not in an informational one, not with an upgrade.
func TestUpstreamCannotSetOurCookies(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"200": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) },
		"302": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(http.StatusFound)
		},
		"103 and 200": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusOK)
		},
		"101": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Upgrade", "websocket")
			w.Header().Set("Connection", "Upgrade")
			w.WriteHeader(http.StatusSwitchingProtocols)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, nil)
			b := s.signedIn("alice")
			ours := b.cookies(s.URL)[0].Name
			s.Upstream.Answer = func(w http.ResponseWriter, r *http.Request) {
				w.Header().Add("Set-Cookie", ours+"="+canary+"; Path=/")
				w.Header().Add("Set-Cookie", ours+"_1="+canary+"; Path=/")
				w.Header().Add("Set-Cookie", "="+ours+"="+canary+"; Path=/")
				w.Header().Add("Set-Cookie", ours+" = "+canary+"; Path=/") // browsers take the blanks off
				w.Header().Add("Set-Cookie", "\t"+ours+"\t="+canary+"; Path=/")
				w.Header().Add("Set-Cookie", "theirs=1; Path=/")
				answer(w, r)
			}
			lines := []string{"Cookie: " + b.cookieHeader(s), "Connection: close"}
			if name == "101" {
				lines = []string{lines[0], "Origin: " + s.URL, "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGVzdA=="}
			}

			head := s.rawHead("GET", "/x", lines...)

			if strings.Contains(head, ours) || strings.Contains(head, canary) {
				t.Errorf("the browser is told to set a cookie of ours:\n%s", head)
			}
			if !strings.Contains(head, "theirs=1") {
				t.Errorf("the application's own cookie is lost:\n%s", head)
			}
		})
	}
}
