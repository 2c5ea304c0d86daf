package proxy_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"doorward/config"
	"doorward/proxy/providertest"
)

// behindFront is a site that a server in front, on this machine, asks about requests.
func behindFront(t testing.TB, front string, configure func(*config.Config)) *site {
	t.Helper()
	return newSite(t, asFrontOf(front, configure))
}

func asFrontOf(front string, configure func(*config.Config)) func(*config.Config) {
	return func(c *config.Config) {
		c.ForwardAuth, c.TrustedProxies = front, []string{"127.0.0.1"}
		if front == "ingress-nginx" {
			c.SessionCookieMaxBytes = 3900
		}
		if configure != nil {
			configure(c)
		}
	}
}

// fronts are the servers in front, each with the question that it asks about a request: its request line, Host and headers.
var fronts = map[string]func(method, host, address string) (line, to string, headers []string){
	"nginx": forwarded, "traefik": forwarded, "caddy": forwarded,
	"ingress-nginx": func(method, host, address string) (string, string, []string) {
		return "GET /oauth2/auth", "doorward", []string{"X-Original-Method: " + method, "X-Original-URL: http://" + host + address, "X-Doorward-Host: " + host}
	},
	"envoy": func(method, host, address string) (string, string, []string) {
		return method + " /oauth2/auth" + address, host, nil
	},
}

func forwarded(method, host, address string) (string, string, []string) {
	return "GET /oauth2/auth", "doorward", []string{"X-Forwarded-Method: " + method, "X-Forwarded-Proto: http",
		"X-Forwarded-Host: " + host, "X-Forwarded-Uri: " + address}
}

// question asks as the server in front does about a request to the site, with headers that its client sent.
func (s *site) question(front, method, address string, lines ...string) *page {
	s.t.Helper()
	return s.questionAbout(front, method, strings.TrimPrefix(s.URL, "http://"), address, lines...)
}

func (s *site) questionAbout(front, method, host, address string, lines ...string) *page {
	s.t.Helper()
	line, to, headers := fronts[front](method, host, address)
	head := append([]string{line + " HTTP/1.1", "Host: " + to, "Connection: close"}, append(headers, lines...)...)
	return s.raw(strings.Join(head, "\r\n") + "\r\n\r\n")
}

// navigating are the headers of a person's navigation, as lines.
var navigating = []string{"Accept: text/html", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"}

// askedAbout are requests of all kinds.
var askedAbout = []struct{ method, address string }{
	{"GET", "/"}, {"GET", "/page?x=1&rd=//evil.example"}, {"HEAD", "/"}, {"POST", "/page"}, {"GET", "/admin/"}, {"GET", "/admin"}, {"GET", "/public/x"},
	{"GET", "/closed/"}, {"GET", "/ADMIN/"}, {"GET", "/%61dmin/"}, {"GET", "/x/../admin/"}, {"GET", "//admin/"}, {"GET", "/public/%2e%2e/admin/"},
	{"GET", "/public/..%2fadmin/"}, {"GET", "/admin;x/"}, {"GET", "/a#/../admin/"}, {"GET", `/\admin/`}, {"GET", "/public/%zz"}, {"GET", "/%00"},
	{"CONNECT", "/"}, {"TRACE", "/"}, {"get", "/"}, {"PROPFIND", "/public/"}, {"COPY", "/public/a"}, {"GET", "/a//b"}, {"GET", "/group%2Fproject"},
}

// The request that is asked about is told what it is told when it comes itself: its status, its rule, and where it may go instead.
func TestForwardAuthDecidesAsForRequestsOfItsOwn(t *testing.T) {
	for front := range fronts {
		t.Run(front, func(t *testing.T) {
			s := behindFront(t, front, nil)
			alice, bob := s.signedIn("alice").cookieHeader(s), s.signedIn("bob").cookieHeader(s)
			for _, as := range [][]string{nil, navigating, {"Cookie: " + alice}, {"Cookie: " + bob}, append([]string{"Cookie: " + bob}, navigating...),
				{"Authorization: Bearer abc"}, {"Authorization: Basic abc", "Authorization: Basic abc"}} {
				for _, about := range askedAbout {
					if front == "envoy" && about.method == "CONNECT" {
						continue // it has no path then
					}
					s.sameAnswer(front, about.method, about.address, as)
				}
			}
		})
	}
}

// So it is where other sites, keys of the application's own, and places to write to come in.
func TestForwardAuthDecidesAsForRequestsOfOtherSites(t *testing.T) {
	const evil = "Origin: https://evil.example"
	for _, front := range []string{"nginx", "traefik", "envoy"} {
		for _, as := range []string{"nobody", "alice", "bob", "key"} {
			t.Run(front+" "+as, func(t *testing.T) {
				s := behindFront(t, front, func(c *config.Config) {
					protectedWrites(c)
					c.AccessRules += "\n/git/ upstream-auth challenge:basic"
				})
				brings := map[string]string{"nobody": "A: b", "key": "Authorization: Basic eDp5"}[as]
				if brings == "" {
					brings = "Cookie: " + s.signedIn(as).cookieHeader(s)
				}
				for _, more := range [][]string{
					nil, {evil}, {"Origin: null"}, {"Origin: " + s.URL}, {evil, "Sec-Fetch-Site: cross-site"}, {"Sec-Fetch-Site: same-origin"},
					{evil, "Access-Control-Request-Method: PUT"}, {evil, "Sec-WebSocket-Version: 13"}, {"Origin: " + s.URL, "Sec-WebSocket-Version: 13"},
					{"Destination: /admin/x"}, {"Destination: /x", evil}, {"Destination: /public/x", evil}, {"Destination: /git/x"}, {"Destination: http://other.example/"},
				} {
					for _, method := range []string{"GET", "POST", "OPTIONS", "MOVE"} {
						for _, path := range []string{"/x", "/public/x", "/git/x"} {
							s.sameAnswer(front, method, path, append([]string{brings}, more...))
						}
					}
				}
			})
		}
	}
}

// sameAnswer compares the answer to a question with that to the request itself.
func (s *site) sameAnswer(front, method, address string, lines []string) {
	s.t.Helper()
	itself := s.raw(strings.Join(append([]string{method + " " + address + " HTTP/1.1", "Host: " + strings.TrimPrefix(s.URL, "http://"), "Connection: close"}, lines...), "\r\n") + "\r\n\r\n")
	asked := s.question(front, method, address, lines...)
	requests := s.lastRequests(2)
	what := fmt.Sprintf("%s %s %.40q", method, address, lines)
	switch got, want := asked.StatusCode, itself.StatusCode; {
	case address == "/public/%zz" && want == http.StatusBadRequest: // net/http refuses it before anybody sees it
		if got < 400 {
			s.t.Errorf("%s: the answer is %d", what, got)
		}
		return
	case want == http.StatusOK:
		if got != yes(front) {
			s.t.Errorf("%s: the answer is %d, and the request itself passes", what, got)
		}
	case strings.HasSuffix(front, "nginx"):
		if (want == 401 || want == 303) != (got == 401) || got != 401 && got != 403 || asked.Header.Get("X-Doorward-Reason") == "" {
			s.t.Errorf("%s: the answer is %d %q, and to the request itself %d", what, got, asked.Header.Get("X-Doorward-Reason"), want)
		}
	default:
		if got != want || asked.location().Path != itself.location().Path {
			s.t.Errorf("%s: the answer is %d %s, and to the request itself %d %s", what, got, asked.location(), want, itself.location())
		}
	}
	if requests[0]["rule"] != requests[1]["rule"] || requests[0]["method"] != requests[1]["method"] || requests[0]["host"] != requests[1]["host"] {
		s.t.Errorf("%s: the log has the rules %v and %v", what, requests[0]["rule"], requests[1]["rule"])
	}
}

func yes(front string) int {
	if front == "envoy" {
		return http.StatusOK
	}
	return http.StatusAccepted
}

// No upstream is needed, and a yes needs none.
func TestForwardAuthWithoutUpstream(t *testing.T) {
	s := behindFront(t, "traefik", func(c *config.Config) { c.Upstreams = "" })
	if got := s.question("traefik", "GET", "/public/x"); got.StatusCode != http.StatusAccepted || got.Text != "" {
		t.Errorf("the answer is %d: %s", got.StatusCode, got.Text)
	}
}

// Whoever logs in through a server that relays our answers comes back to the address that they asked for.
func TestForwardAuthLogin(t *testing.T) {
	for _, front := range []string{"traefik", "caddy", "envoy"} {
		s := behindFront(t, front, nil)
		b := s.browser()
		answer := s.question(front, "GET", "/page?a=1&b=2", navigating...)
		if answer.StatusCode != http.StatusSeeOther {
			t.Fatalf("%s: the answer is %d: %s", front, answer.StatusCode, answer.Text)
		}
		b.keep(s, answer.Header)
		if back := b.walkTo(answer.location().String(), isCallback); b.open(back).location().String() != s.URL+"/page?a=1&b=2" {
			t.Errorf("%s: the callback leads elsewhere", front)
		}
	}
}

// A question that is not asked exactly as FORWARD_AUTH says is refused: nothing is read out of it, and nobody is named.
func TestForwardAuthQuestionsThatAreRefused(t *testing.T) {
	for name, test := range map[string]struct {
		front string
		lines []string
	}{
		"nothing told":                     {"nginx", nil},
		"address missing":                  {"nginx", []string{"X-Forwarded-Method: GET", "X-Forwarded-Proto: http", "X-Forwarded-Host: HOST"}},
		"method missing":                   {"nginx", []string{"X-Forwarded-Uri: /", "X-Forwarded-Proto: http", "X-Forwarded-Host: HOST"}},
		"host missing":                     {"nginx", []string{"X-Forwarded-Uri: /", "X-Forwarded-Method: GET", "X-Forwarded-Proto: http"}},
		"scheme missing":                   {"nginx", []string{"X-Forwarded-Uri: /", "X-Forwarded-Method: GET", "X-Forwarded-Host: HOST"}},
		"address twice":                    {"nginx", told("X-Forwarded-Uri: /public/", "X-Forwarded-Uri: /admin/")},
		"the same address twice":           {"nginx", told("X-Forwarded-Uri: /", "x-forwarded-uri: /")},
		"method twice":                     {"traefik", told("X-Forwarded-Uri: /", "X-Forwarded-Method: POST")},
		"host twice":                       {"traefik", told("X-Forwarded-Uri: /", "X-Forwarded-Host: HOST")},
		"scheme twice":                     {"traefik", told("X-Forwarded-Uri: /", "X-Forwarded-Proto: https")},
		"address empty":                    {"caddy", told("X-Forwarded-Uri:")},
		"address with underscores":         {"caddy", told("X_Forwarded_Uri: /")},
		"address of a URL":                 {"caddy", told("X-Forwarded-Uri: http://HOST/")},
		"address without slash":            {"caddy", told("X-Forwarded-Uri: public/x")},
		"address is a star":                {"caddy", told("X-Forwarded-Uri: *")},
		"address is a query":               {"caddy", told("X-Forwarded-Uri: ?x=1")},
		"address is a fragment":            {"caddy", told("X-Forwarded-Uri: #/")},
		"method is a list":                 {"caddy", []string{"X-Forwarded-Method: GET, POST", "X-Forwarded-Proto: http", "X-Forwarded-Host: HOST", "X-Forwarded-Uri: /"}},
		"method is no ASCII":               {"caddy", []string{"X-Forwarded-Method: G\xc5\x92T", "X-Forwarded-Proto: http", "X-Forwarded-Host: HOST", "X-Forwarded-Uri: /"}},
		"scheme is another":                {"caddy", []string{"X-Forwarded-Method: GET", "X-Forwarded-Proto: ftp", "X-Forwarded-Host: HOST", "X-Forwarded-Uri: /"}},
		"scheme is a list":                 {"caddy", []string{"X-Forwarded-Method: GET", "X-Forwarded-Proto: https,http", "X-Forwarded-Host: HOST", "X-Forwarded-Uri: /"}},
		"those of ingress-nginx, nginx":    {"nginx", []string{"X-Original-Method: GET", "X-Original-URL: http://HOST/"}},
		"those of nginx, ingress-nginx":    {"ingress-nginx", told("X-Forwarded-Uri: /")},
		"URL twice":                        {"ingress-nginx", []string{"X-Original-Method: GET", "X-Original-URL: http://HOST/", "X-Original-URL: http://HOST/"}},
		"URL is a path":                    {"ingress-nginx", []string{"X-Original-Method: GET", "X-Original-URL: /"}},
		"URL without a path":               {"ingress-nginx", []string{"X-Original-Method: GET", "X-Original-URL: http://HOST"}},
		"URL of another scheme":            {"ingress-nginx", []string{"X-Original-Method: GET", "X-Original-URL: gopher://HOST/"}},
		"URL with a query for a path":      {"ingress-nginx", []string{"X-Original-Method: GET", "X-Original-URL: http://HOST?/"}},
		"method missing for ingress-nginx": {"ingress-nginx", []string{"X-Original-URL: http://HOST/"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := behindFront(t, test.front, nil)
			lines := append([]string{"Cookie: " + s.signedIn("alice").cookieHeader(s)}, navigating...)
			for _, line := range test.lines {
				lines = append(lines, strings.Replace(line, "HOST", strings.TrimPrefix(s.URL, "http://"), 1))
			}
			answer := s.rawGet("/oauth2/auth", lines...)
			isRefusedQuestion(t, s, answer)
		})
	}
}

// told is what is told beside the address.
func told(lines ...string) []string {
	return append(lines, "X-Forwarded-Method: GET", "X-Forwarded-Proto: http", "X-Forwarded-Host: HOST")
}

func isRefusedQuestion(t *testing.T, s *site, answer *page) {
	t.Helper()
	if answer.StatusCode != http.StatusForbidden || !strings.Contains(answer.Text, "forward_auth_refused") {
		t.Errorf("the answer is %d: %s", answer.StatusCode, answer.Text)
	}
	for name := range answer.Header {
		if strings.HasPrefix(name, "X-Auth-Request-") || name == "Set-Cookie" || name == "Location" {
			t.Errorf("the answer has %s", name)
		}
	}
	if events := s.Log.events(t, "forward_auth_refused"); len(events) != 1 || events[0]["error"] == nil {
		t.Errorf("the log has %v", events)
	}
}

// Hosts are read as those of requests are, and the peer's own Host counts for nothing.
func TestForwardAuthHosts(t *testing.T) {
	for _, front := range []string{"traefik", "ingress-nginx", "envoy"} {
		s := behindFront(t, front, func(c *config.Config) {
			c.AccessRules = "/ authenticated; open.example.com/ public; *.wild.example.com/ public"
		})
		for host, want := range map[string]bool{
			"open.example.com": true, "OPEN.example.com:8443": true, "open.example.com.": true, "a.wild.example.com": true,
			"other.example.com": false, "open.example.com@other.example.com": false, "other.example.com@open.example.com": false,
			"open.example.com:x": false, "open.example.com:80:80": false, "open.example.com,other.example.com": false, "": false,
		} {
			if host == "" && front != "ingress-nginx" {
				continue // that is an empty header, or no host
			}
			got := s.questionAbout(front, "GET", host, "/").StatusCode
			if (got == yes(front)) != want || got == http.StatusInternalServerError {
				t.Errorf("%s: %q is answered %d", front, host, got)
			}
		}
	}
}

// A request line with a whole address may say another host than the Host line. Where ingress-nginx passes it on by the one and asks about the
// other, nobody passes.
func TestForwardAuthAboutAnotherHostThanTheOneServed(t *testing.T) {
	several := func(c *config.Config) {
		c.AccessRules = "open.example.com/ public; closed.example.com/ deny"
	}
	one := func(c *config.Config) { c.AccessRules = "/ public" }
	for name, test := range map[string]struct {
		configure func(*config.Config)
		host      string
		served    []string
		want      int
	}{
		"the same":                            {several, "open.example.com", []string{"open.example.com"}, 202},
		"the same, otherwise spelt":           {several, "OPEN.example.com.:8443", []string{"open.example.com"}, 202},
		"another":                             {several, "open.example.com", []string{"closed.example.com"}, 403},
		"nothing, of several hosts":           {several, "open.example.com", nil, 403},
		"two":                                 {several, "open.example.com", []string{"open.example.com", "open.example.com"}, 403},
		"none that is one":                    {several, "open.example.com", []string{"open.example.com,closed.example.com"}, 403},
		"nothing, of one host":                {one, "", nil, 202},
		"another, than the only one":          {one, "", []string{"closed.example.com"}, 403},
		"the one that the client says itself": {one, "", []string{"localhost", "localhost"}, 403},
	} {
		t.Run(name, func(t *testing.T) {
			s := behindFront(t, "ingress-nginx", test.configure)
			host := test.host
			if host == "" {
				host = strings.TrimPrefix(s.URL, "http://")
			}
			lines := []string{"X-Original-Method: GET", "X-Original-URL: http://" + host + "/"}
			for _, served := range test.served {
				lines = append(lines, "X-Doorward-Host: "+served)
			}
			if answer := s.rawGet("/oauth2/auth", lines...); answer.StatusCode != test.want {
				t.Errorf("%d %s", answer.StatusCode, answer.Text)
			}
		})
	}
}

// Nobody but the server in front may ask, and where there is none, there is nothing to ask.
func TestForwardAuthIsForTheServerInFront(t *testing.T) {
	s := newSite(t, func(c *config.Config) { c.ForwardAuth, c.TrustedProxies = "traefik", []string{"192.0.2.1"} })
	alice := "Cookie: " + s.signedIn("alice").cookieHeader(s)
	isRefusedQuestion(t, s, s.question("traefik", "GET", "/public/", alice, "X-Forwarded-For: 192.0.2.1"))

	if got := s.rawGet("/oauth2/auth/public/"); got.StatusCode != http.StatusNotFound {
		t.Errorf("a path behind the endpoint, which Envoy alone has, is answered %d", got.StatusCode)
	}
}

// Whatever name it asks under, the log says that FORWARD_AUTH is what is missing.
func TestForwardAuthUnset(t *testing.T) {
	s := newSite(t, nil)
	for front := range fronts {
		got := s.question(front, "GET", "/public/")
		if logged := s.lastRequests(1)[0]; got.StatusCode != http.StatusNotFound || !strings.Contains(fmt.Sprint(logged["error"]), "DOORWARD_FORWARD_AUTH is unset") {
			t.Errorf("%s is answered %d, logged as %v", front, got.StatusCode, logged)
		}
	}
}

// A server in front whose questions are refused may pass the requests on: the page is not about an address that is wrong.
func TestForwardAuthLeavesTheApplicationToTheServerInFront(t *testing.T) {
	s := behindFront(t, "nginx", func(c *config.Config) { c.Upstreams = "" })
	if got := s.rawGet("/public/", navigating...); got.StatusCode != http.StatusNotFound || !strings.Contains(got.Text, "forward_auth_refused") {
		t.Errorf("the answer is %d: %s", got.StatusCode, got.Text)
	}
}

// Questions are GETs, but for Envoy's, which keep the method of the request.
func TestForwardAuthMethodOfTheQuestion(t *testing.T) {
	s := behindFront(t, "nginx", nil)
	_, _, headers := forwarded("GET", strings.TrimPrefix(s.URL, "http://"), "/public/")
	answer := s.raw("POST /oauth2/auth HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n" + strings.Join(headers, "\r\n") + "\r\n\r\n")
	isRefusedQuestion(t, s, answer)
}

// Envoy's may say that a body follows, which stays with Envoy: the answer does not wait for it.
func TestForwardAuthWaitsForNoBody(t *testing.T) {
	s := behindFront(t, "envoy", nil)
	line, host, _ := fronts["envoy"]("POST", strings.TrimPrefix(s.URL, "http://"), "/public/")
	for _, framing := range []string{"Content-Length: 10", "Transfer-Encoding: chunked"} {
		got := s.raw(line+" HTTP/1.1\r\nHost: "+host+"\r\n"+framing+"\r\n\r\n").wants(t, http.StatusOK)
		if !got.Close {
			t.Errorf("%s: the connection is to go on, with a body that was not read", framing)
		}
	}
}

// What begins as the endpoint's path does is another, whoever is in front.
func TestForwardAuthPathsThatOnlyBeginAsTheEndpoint(t *testing.T) {
	for front := range fronts {
		s := behindFront(t, front, nil)
		s.rawGet("/oauth2/authority").wants(t, http.StatusNotFound)
		if events := s.Log.events(t, "forward_auth_refused"); len(events) != 0 {
			t.Errorf("%s: the log has %v", front, events)
		}
	}
}

// Our own paths are not the application's: to ask about them would lead from login to login.
func TestForwardAuthAboutOurOwnPaths(t *testing.T) {
	for front := range fronts {
		s := behindFront(t, front, nil)
		for _, address := range []string{"/oauth2/start", "/oauth2/callback?code=x&state=y", "/oauth2", "/oauth2/auth"} {
			answer := s.question(front, "GET", address, navigating...)
			if answer.StatusCode != http.StatusForbidden || len(answer.Header["Location"]) > 0 {
				t.Errorf("%s: %s is answered %d", front, address, answer.StatusCode)
			}
		}
	}
}

// A yes has every header that may name a person, whoever is asking, and nothing of what the client sent.
func TestForwardAuthNamesThePerson(t *testing.T) {
	for front := range fronts {
		t.Run(front, func(t *testing.T) {
			s := behindFront(t, front, func(c *config.Config) {
				c.Headers, c.AuthResponseHeaders = []string{"X-Corp-Role=role", "X-Name=name"}, []string{"X-Name", "access-token"}
			})
			b := s.signedIn("alice")
			carried := b.carried(s)
			forged := []string{"X-Auth-Request-User: " + canary, "X-Auth-Request-Groups: Admin", "X-Name: " + canary, "X-Forwarded-User: " + canary}

			named := s.question(front, "GET", "/", append(forged, "Cookie: "+b.cookieHeader(s))...)
			for name, want := range map[string]string{
				"X-Auth-Request-User": carried.User, "X-Auth-Request-Email": carried.Email, "X-Auth-Request-Groups": strings.Join(carried.Groups, ","),
				"X-Auth-Request-Preferred-Username": carried.PreferredUsername, "X-Auth-Request-Access-Token": carried.AccessToken,
				"X-Name": fmt.Sprint(carried.Claims["name"]),
			} {
				if got := named.Header[name]; len(got) != 1 || got[0] != want || want == "" {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
			if named.Header["X-Corp-Role"] != nil || named.Header["Authorization"] != nil {
				t.Error("the answer has headers that were not asked for")
			}

			nobody := s.question(front, "GET", "/public/", forged...)
			for _, name := range []string{"X-Auth-Request-User", "X-Auth-Request-Email", "X-Auth-Request-Groups", "X-Auth-Request-Preferred-Username",
				"X-Auth-Request-Access-Token", "X-Name"} {
				if got, there := nobody.Header[name]; !there || len(got) != 1 || got[0] != "" {
					t.Errorf("for nobody, %s is %q", name, got)
				}
			}
		})
	}
}

// The application's Authorization is the access token where somebody is named to it, and otherwise its own business.
func TestForwardAuthAuthorization(t *testing.T) {
	s := behindFront(t, "caddy", func(c *config.Config) {
		c.AuthResponseHeaders, c.AccessRules = []string{"authorization"}, rulesOfTheSite+"/git/ upstream-auth"
		c.BearerTokens = new(false)
	})
	b := s.signedIn("alice")
	alice, token := "Cookie: "+b.cookieHeader(s), "Bearer "+b.carried(s).AccessToken
	for name, test := range map[string]struct {
		address string
		lines   []string
		want    string
	}{
		"a session":                              {"/", []string{alice}, token},
		"a session beside foreign credentials":   {"/", []string{alice, "Authorization: Basic abc"}, token},
		"a public path":                          {"/public/", nil, ""},
		"a public path with a session":           {"/public/", []string{alice}, token},
		"a public path with credentials":         {"/public/", []string{alice, "Authorization: Basic abc"}, "Basic abc"},
		"credentials of the application":         {"/git/", []string{"Authorization: Basic abc"}, "Basic abc"},
		"credentials of the application, signed": {"/git/", []string{alice, "Authorization: Basic abc"}, "Basic abc"},
	} {
		answer := s.question("caddy", "GET", test.address, test.lines...)
		if got := answer.Header["Authorization"]; answer.StatusCode != http.StatusAccepted || len(got) != 1 || got[0] != test.want {
			t.Errorf("%s: %d with %q, want %q", name, answer.StatusCode, got, test.want)
		}
	}
}

// A refreshed session reaches the browser in as many cookies as the server in front hands on, in the way that it does.
func TestForwardAuthHandsOnRefreshedSessions(t *testing.T) {
	for front, bytes := range map[string]int{"nginx": 15600, "ingress-nginx": 3900, "traefik": 15600, "caddy": 3900} {
		t.Run(front, func(t *testing.T) {
			s := newLivingSite(t, asFrontOf(front, func(c *config.Config) { c.SessionCookieMaxBytes = bytes }))
			b := s.signedIn("alice")
			old := b.age(s, untilDead)
			before := opened(t, s, old).AccessToken

			answer := s.question(front, "GET", "/", "Cookie: "+old)

			if answer.StatusCode != yes(front) {
				t.Fatalf("the answer is %d: %s", answer.StatusCode, answer.Text)
			}
			handed := http.Header{"Set-Cookie": answer.Header["Set-Cookie"]}
			if front == "nginx" || front == "caddy" {
				handed = http.Header{}
				for i := range 4 {
					if line := answer.Header.Get(fmt.Sprintf("X-Doorward-Set-Cookie-%d", i+1)); line != "" {
						handed.Add("Set-Cookie", line)
					}
				}
			}
			b.keep(s, handed)
			if after := b.carried(s).AccessToken; after == before {
				t.Error("the browser keeps the old session")
			}
		})
	}
}

// The largest session that may be made for nginx, and cookies beyond those that it hands on.
func TestForwardAuthLimitsCookies(t *testing.T) {
	for front, want := range map[string]struct{ plain, numbered int }{"nginx": {0, 4}, "ingress-nginx": {1, 0}, "caddy": {0, 4}, "traefik": {6, 0}} {
		s := newLivingSite(t, asFrontOf(front, nil))
		b := s.signedIn("alice")
		cookie := b.age(s, untilDead)
		for i := range 5 { // of sessions that were larger
			cookie += fmt.Sprintf("; doorward_%d=stale-stale-stale", i+1)
		}
		answer := s.question(front, "GET", "/", "Cookie: "+cookie)
		numbered := 0
		for name := range answer.Header {
			if strings.HasPrefix(name, "X-Doorward-Set-Cookie-") {
				numbered++
			}
		}
		if got := len(answer.Header["Set-Cookie"]); got != want.plain || numbered != want.numbered {
			t.Errorf("%s: %d cookies, and %d in headers of their own, want %+v", front, got, numbered, want)
		}
		if first := answer.Header.Get("Set-Cookie") + answer.Header.Get("X-Doorward-Set-Cookie-1"); !strings.HasPrefix(first, "doorward=1.") {
			t.Errorf("%s: the first cookie is %.20q", front, first)
		}
	}
}

// What the server in front asks for holds beside the rules, for public paths too; what it asks for wrongly is refused.
func TestForwardAuthParameters(t *testing.T) {
	s := behindFront(t, "traefik", nil)
	alice, bob := "Cookie: "+s.signedIn("alice").cookieHeader(s), "Cookie: "+s.signedIn("bob").cookieHeader(s)
	for _, test := range []struct {
		query, address, as string
		want               int
	}{
		{"allowed_groups=Admin", "/", alice, 202},
		{"allowed_groups=Other,Admin", "/", alice, 202},
		{"allowed_groups=Other,%20Admin", "/", alice, 202},
		{"allowed_groups=Other,Admin", "/", bob, 403},
		{"allowed_groups=admin", "/", alice, 403},
		{"allowed_groups=Admin", "/public/", bob, 403},
		{"allowed_groups=Admin", "/public/", "", 401},
		{"allowed_groups=Dev", "/admin/", bob, 403},
		{"allowed_groups=Admin", "/closed/", alice, 403},
		{"allowed_emails=ALICE@example.com", "/", alice, 202},
		{"allowed_emails=alice@example.com", "/", bob, 403},
		{"allowed_email_domains=other.example,example.com", "/", bob, 202},
		{"allowed_email_domains=other.example", "/", bob, 403},
		{"allowed_email_domains=ample.com", "/", bob, 403},
		{"allowed_groups=Admin&allowed_emails=bob@example.com", "/", alice, 403},
		{"allowed_groups=", "/", alice, 403},
		{"allowed_groups=Admin,", "/", alice, 403},
		{"allowed_groups=Admin&allowed_groups=Dev", "/", alice, 403},
		{`allowed_groups=Admin%22|group:%22Dev`, "/", bob, 403},
		{"allowed_groups={x}", "/", bob, 403},
		{"allowed_email_domains=*", "/", bob, 403},
		{"allowed_group=Dev", "/", alice, 403},
		{"allowed_groups=%zz", "/", alice, 403},
		{"x=1", "/public/", "", 403},
	} {
		line, _, headers := forwarded("GET", strings.TrimPrefix(s.URL, "http://"), test.address)
		head := append([]string{line + "?" + test.query + " HTTP/1.1", "Host: doorward", "Connection: close", "Accept: application/json"}, headers...)
		if test.as != "" {
			head = append(head, test.as)
		}
		if got := s.raw(strings.Join(head, "\r\n") + "\r\n\r\n").StatusCode; got != test.want {
			t.Errorf("?%s for %s as %.12s: %d, want %d", test.query, test.address, test.as, got, test.want)
		}
	}
}

// Envoy's question has the query of its client's request, which asks for nothing.
func TestForwardAuthQueryOfEnvoy(t *testing.T) {
	s := behindFront(t, "envoy", nil)
	if got := s.question("envoy", "GET", "/public/?allowed_groups=Admin&x=1"); got.StatusCode != http.StatusOK {
		t.Errorf("the answer is %d: %s", got.StatusCode, got.Text)
	}
}

// Log and metrics tell of the request that was asked about.
func TestForwardAuthInLogAndMetrics(t *testing.T) {
	s := behindFront(t, "traefik", nil)
	alice := "Cookie: " + s.signedIn("alice").cookieHeader(s)
	s.question("traefik", "POST", "/admin/x?token="+canary, alice)
	line := s.lastRequests(1)[0]
	for name, want := range map[string]any{"method": "POST", "path": "/admin/x", "rule": "/admin/", "outcome": "forward_auth", "status": 202.0,
		"host": strings.TrimPrefix(s.URL, "http://"), "peer_ip": "127.0.0.1"} {
		if line[name] != want {
			t.Errorf("%s is %v, want %v", name, line[name], want)
		}
	}
	if strings.Contains(s.Log.String(), canary) {
		t.Error("the log has the query")
	}
	if n := s.metric(`doorward_requests_total{code="202",method="POST",outcome="forward_auth",rule="/admin/"}`); n != 1 {
		t.Errorf("counted %v times", n)
	}
}

// Rules see the client that the server in front names.
func TestForwardAuthSeesTheClient(t *testing.T) {
	s := behindFront(t, "traefik", func(c *config.Config) { c.AccessRules = "/ authenticated; /office/ ip:192.0.2.0/24" })
	alice := "Cookie: " + s.signedIn("alice").cookieHeader(s)
	for address, want := range map[string]int{"192.0.2.7": 202, "203.0.113.9": 403} {
		if got := s.question("traefik", "GET", "/office/", alice, "X-Forwarded-For: "+address).StatusCode; got != want {
			t.Errorf("from %s: %d, want %d", address, got, want)
		}
	}
}

// A step-up is the login's business where our answers are relayed, and 401 where they are not.
func TestForwardAuthStepUp(t *testing.T) {
	for front, want := range map[string]int{"traefik": http.StatusSeeOther, "nginx": http.StatusUnauthorized} {
		s := behindFront(t, front, func(c *config.Config) { c.AccessRules = "/ authenticated; /vault/ acr:gold" })
		alice := "Cookie: " + s.signedIn("alice").cookieHeader(s)
		answer := s.question(front, "GET", "/vault/", append([]string{alice}, navigating...)...)
		if answer.StatusCode != want {
			t.Errorf("%s: the answer is %d: %s", front, answer.StatusCode, answer.Text)
		}
		if front == "nginx" && answer.Header.Get("X-Doorward-Reason") != "insufficient_user_authentication" {
			t.Errorf("the reason is %q", answer.Header.Get("X-Doorward-Reason"))
		}
	}
}

// Who was let through is in no loop, however often they sign in; and what the browser was made to note of that goes.
func TestForwardAuthEndsLoops(t *testing.T) {
	const noted = "doorward-login-round-"
	s := behindFront(t, "traefik", nil)
	b := s.browser()
	login := func() *page {
		t.Helper()
		return b.open(b.walkTo(s.URL+"/oauth2/start?rd=/page", isCallback))
	}
	for range 4 {
		if p := login(); p.StatusCode != http.StatusSeeOther {
			t.Fatalf("the login ends with %d: %s", p.StatusCode, p.Text)
		}
		if strings.Contains(b.cookieHeader(s), noted) {
			t.Error("a login is counted after one whose session was used")
		}
		s.question("traefik", "GET", "/page", "Cookie: "+b.cookieHeader(s))
	}
	login()
	login()
	if !strings.Contains(b.cookieHeader(s), noted) {
		t.Fatal("two logins in a row were not noted")
	}
	b.keep(s, s.question("traefik", "GET", "/page", "Cookie: "+b.cookieHeader(s)).Header)
	if strings.Contains(b.cookieHeader(s), noted) {
		t.Error("the note stays")
	}
}

// The application behind another server can believe an assertion, too.
func TestForwardAuthAssertion(t *testing.T) {
	s := behindFront(t, "traefik", func(c *config.Config) {
		c.AuthResponseHeaders, c.AssertionKeys = []string{"assertion"}, inPEMs(newEC())
	})
	b := s.signedIn("alice")
	answer := s.question("traefik", "GET", "/", "Cookie: "+b.cookieHeader(s))
	if _, claims := s.verified(t, answer.Header.Get("X-Doorward-Assertion")); claims["aud"] != s.URL || claims["sub"] != b.carried(s).User {
		t.Errorf("the assertion says %v", claims)
	}
	if got := s.question("traefik", "GET", "/public/").Header["X-Doorward-Assertion"]; len(got) != 1 || got[0] != "" {
		t.Errorf("for nobody, it is %q", got)
	}
}

// What other sites may not make a browser do here, they may not behind another server: a WebSocket is known by what is left of it there.
func TestForwardAuthRefusesOtherSites(t *testing.T) {
	for front := range fronts {
		s := behindFront(t, front, nil)
		alice := "Cookie: " + s.signedIn("alice").cookieHeader(s)
		for origin, want := range map[string]bool{s.URL: true, "https://evil.example": false} {
			got := s.question(front, "GET", "/ws", alice, "Sec-WebSocket-Version: 13", "Origin: "+origin).StatusCode
			if (got == yes(front)) != want {
				t.Errorf("%s: from %s the answer is %d", front, origin, got)
			}
		}
	}
}

// A refusal, which the client may get to see, names nobody: here, somebody whose groups fit into no assertion.
func TestForwardAuthRefusalsNameNobody(t *testing.T) {
	s := behindFront(t, "traefik", func(c *config.Config) {
		c.AuthResponseHeaders, c.AssertionKeys = []string{"access-token", "authorization", "assertion"}, inPEMs(newEC())
	})
	s.Provider.AddUser(providertest.User{Subject: "crowd", Groups: strings.Split(strings.Repeat("group-of-some-name,", 400), ",")})
	answer := s.question("traefik", "GET", "/", "Authorization: Bearer "+s.Provider.APIToken("crowd"))
	if answer.StatusCode != http.StatusInternalServerError {
		t.Fatalf("the answer is %d", answer.StatusCode)
	}
	for name := range answer.Header {
		if strings.HasPrefix(name, "X-Auth-Request-") || name == "Authorization" || name == "X-Doorward-Assertion" {
			t.Errorf("the refusal has %s", name)
		}
	}
}

// Where the server in front has the upstreams, there is one place to write to.
func TestForwardAuthAboutADestination(t *testing.T) {
	s := behindFront(t, "traefik", func(c *config.Config) { c.Upstreams = "" })
	s.question("traefik", "COPY", "/public/a", "Destination: /public/b").wants(t, http.StatusAccepted)
	s.question("traefik", "COPY", "/public/a", "Destination: /admin/b").wants(t, http.StatusUnauthorized)
}

// Envoy asks about two lines as about one, and passes two on.
func TestForwardAuthAboutTwoDestinations(t *testing.T) {
	s := behindFront(t, "envoy", func(c *config.Config) { c.Upstreams = "" })
	s.question("envoy", "COPY", "/public/a", "Destination: /public/b").wants(t, http.StatusOK)
	s.question("envoy", "COPY", "/public/a", "Destination: /public/b%2C/admin/x").wants(t, http.StatusOK)
	s.question("envoy", "COPY", "/public/a", "Destination: /public/b,/admin/x").wants(t, http.StatusBadRequest)
}

// Most servers in front are asked by https, and some name a WebSocket's scheme.
func TestForwardAuthSchemes(t *testing.T) {
	s := behindFront(t, "traefik", nil)
	host := strings.TrimPrefix(s.URL, "http://")
	for _, scheme := range []string{"http", "https", "ws", "wss"} {
		p := s.rawGet("/oauth2/auth", "X-Forwarded-Method: GET", "X-Forwarded-Proto: "+scheme, "X-Forwarded-Host: "+host, "X-Forwarded-Uri: /public/")
		if p.StatusCode != http.StatusAccepted {
			t.Errorf("%s: %d %s", scheme, p.StatusCode, p.Text)
		}
	}
}

// A header that is empty says nothing, and no rule is chosen by nothing.
func TestForwardAuthQuestionsWithEmptyHeaders(t *testing.T) {
	s := behindFront(t, "caddy", nil)
	lines := []string{"X-Forwarded-Method: GET", "X-Forwarded-Proto: http", "X-Forwarded-Host: " + strings.TrimPrefix(s.URL, "http://"), "X-Forwarded-Uri: /public/"}
	for i, line := range lines {
		name, _, _ := strings.Cut(line, " ")
		question := append(append(append([]string{}, lines[:i]...), name), lines[i+1:]...)
		if p := s.rawGet("/oauth2/auth", question...); p.StatusCode != http.StatusForbidden || !strings.Contains(p.Text, "forward_auth_refused") {
			t.Errorf("with an empty %s %d %s", name, p.StatusCode, p.Text)
		}
	}
}

// A session opens no host that neither PUBLIC_URL nor a rule nor an upstream names.
func TestForwardAuthAboutAnUnknownHost(t *testing.T) {
	s := behindFront(t, "traefik", nil)
	alice := "Cookie: " + s.signedIn("alice").cookieHeader(s)
	s.questionAbout("traefik", "GET", "other.example.com", "/", alice).wants(t, http.StatusMisdirectedRequest)
}

// Whoever brings a token has no cookies here: none is set, and none taken away.
func TestForwardAuthByBearerTouchesNoCookie(t *testing.T) {
	s := behindFront(t, "traefik", nil)
	b := s.browser()
	for range 2 { // is noted in a cookie
		b.open(b.walkTo(s.URL+"/oauth2/start?rd=/page", isCallback))
	}
	if !strings.Contains(b.cookieHeader(s), "doorward-login-round-") {
		t.Fatal("two logins in a row were not noted")
	}
	p := s.question("traefik", "GET", "/page", "Authorization: Bearer "+s.Provider.APIToken("alice"), "Cookie: "+b.cookieHeader(s)).wants(t, http.StatusAccepted)
	if p.Header.Get("X-Auth-Request-User") != "alice" || len(p.Header["Set-Cookie"]) > 0 {
		t.Errorf("the user is %q, the cookies %q", p.Header.Get("X-Auth-Request-User"), p.Header["Set-Cookie"])
	}
}

// A session that outlives its access token goes on without one.
func TestForwardAuthHandsOnNoDeadToken(t *testing.T) {
	s := behindFront(t, "traefik", func(c *config.Config) {
		c.SessionWithoutRefresh, c.AuthResponseHeaders = "keep", []string{"access-token", "authorization"}
	})
	b := s.signedIn("alice")
	p := s.question("traefik", "GET", "/", "Cookie: "+b.age(s, untilDead)).wants(t, http.StatusAccepted)
	if p.Header.Get("X-Auth-Request-User") != "alice" || p.Header.Get("X-Auth-Request-Access-Token") != "" || p.Header.Get("Authorization") != "" {
		t.Errorf("the headers are %v", p.Header)
	}
}

// A single cookie is in Set-Cookie too, for who hands that on alone.
func TestForwardAuthHandsOnASingleCookieBothWays(t *testing.T) {
	s := newLivingSite(t, asFrontOf("nginx", nil))
	b := s.signedIn("alice")
	p := s.question("nginx", "GET", "/", "Cookie: "+b.age(s, untilDead)).wants(t, http.StatusAccepted)
	if lines := p.Header["Set-Cookie"]; len(lines) != 1 || lines[0] != p.Header.Get("X-Doorward-Set-Cookie-1") {
		t.Errorf("%q, and numbered %q", lines, p.Header.Get("X-Doorward-Set-Cookie-1"))
	}
}

// Envoy adds Cache-Control of a yes to the application's answer, which may say public.
func TestForwardAuthSaysToEnvoyThatCookiesAreNotKept(t *testing.T) {
	s := newLivingSite(t, asFrontOf("envoy", nil))
	b := s.signedIn("alice")
	p := s.question("envoy", "GET", "/", "Cookie: "+b.age(s, untilDead)).wants(t, http.StatusOK)
	if len(p.Header["Set-Cookie"]) == 0 || p.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%q come with Cache-Control %q", p.Header["Set-Cookie"], p.Header.Get("Cache-Control"))
	}
}

// One host of a rule beside that of PUBLIC_URL are several.
func TestForwardAuthAboutTheHostOfARuleBesideOurOwn(t *testing.T) {
	s := behindFront(t, "ingress-nginx", func(c *config.Config) { c.AccessRules = "/ authenticated; open.example.com/ public" })
	about := []string{"X-Original-Method: GET", "X-Original-URL: http://open.example.com/"}
	s.rawGet("/oauth2/auth", about...).wants(t, http.StatusForbidden)
	s.rawGet("/oauth2/auth", append(about, "X-Doorward-Host: open.example.com")...).wants(t, http.StatusAccepted)
}

// Neither a yes nor a no is kept by anybody, and a 401 says how to sign in.
func TestForwardAuthAnswersAreNotKept(t *testing.T) {
	for front := range fronts {
		s := behindFront(t, front, nil)
		alice := "Cookie: " + s.signedIn("alice").cookieHeader(s)
		for status, as := range map[int]string{yes(front): alice, http.StatusUnauthorized: "A: b"} {
			p := s.question(front, "GET", "/", as, "Accept: application/json").wants(t, status)
			kept := p.Header.Get("Cache-Control") != "no-store"
			if status == http.StatusOK { // Envoy adds Cache-Control to the application's answer
				kept = p.Header.Get("Cache-Control") != "" || p.Header.Get("Vary") != "*"
			}
			if kept {
				t.Errorf("%s: with %d, Cache-Control is %q, Vary %q", front, status, p.Header.Get("Cache-Control"), p.Header.Get("Vary"))
			}
			if status == http.StatusUnauthorized && p.Header.Get("WWW-Authenticate") == "" {
				t.Errorf("%s: the 401 has no challenge", front)
			}
		}
	}
}

// What is under doorward's own prefix comes under no rule, whoever asks about it and however it is refused: so the log has it, by which
// `doorward explain` compares.
func TestOwnEndpointsComeUnderNoRule(t *testing.T) {
	s := behindFront(t, "traefik", nil)
	s.question("traefik", "GET", "/oauth2/callback")
	s.raw("POST /oauth2/healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	for _, line := range s.lastRequests(2) {
		if line["rule"] != "/oauth2/" {
			t.Errorf("%v of %v is under the rule %v", line["outcome"], line["path"], line["rule"])
		}
	}
}
