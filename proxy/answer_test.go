package proxy_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"doorward/config"
)

// What an upstream tells one person no shared cache may keep, unless the upstream says something about caches itself.
func TestPersonalAnswersArePrivate(t *testing.T) {
	s := newSite(t, withoutBearers)
	alice := "Cookie: " + s.browserThat(t, "alice").cookieHeader(s)
	for name, test := range map[string]struct {
		request, says string
		want          string // Cache-Control and Vary
	}{
		"silent":                    {"GET /x", "", "private Cookie"},
		"HEAD":                      {"HEAD /x", "", "private Cookie"},
		"varies already":            {"GET /x", "Vary: Accept", "private Accept+Cookie"},
		"has a date":                {"GET /x", "Last-Modified: Mon, 02 Jan 2006 15:04:05 GMT", "private Cookie"},
		"not found":                 {"GET /x?404", "", "private Cookie"},
		"moved":                     {"GET /x?301", "", "private Cookie"},
		"Cache-Control":             {"GET /x", "Cache-Control: public, max-age=60", "public, max-age=60 "},
		"Expires":                   {"GET /x", "Expires: 0", "private "},                // says nothing of shared caches
		"Pragma":                    {"GET /x", "Pragma: no-cache", "no-cache+private "}, // net/http adds what it means
		"of a delivery network":     {"GET /x", "CDN-Cache-Control: max-age=60", " "},
		"of another":                {"GET /x", "Surrogate-Control: max-age=60", " "},
		"not modified":              {"GET /x?304", "", " "},
		"POST":                      {"POST /x", "", " "},
		"public, a session":         {"GET /public/x", "", "private Cookie"},
		"public, nobody":            {"GET /public/x nobody", "", " "},
		"public, own Authorization": {"GET /public/x basic", "", " "},
	} {
		t.Run(name, func(t *testing.T) {
			s.Upstream.Answer = func(w http.ResponseWriter, r *http.Request) {
				if field, value, says := strings.Cut(test.says, ": "); says {
					w.Header().Set(field, value)
				}
				status := http.StatusOK
				_, _ = fmt.Sscan(r.URL.RawQuery, &status)
				w.WriteHeader(status)
			}
			method, rest, _ := strings.Cut(test.request, " ")
			path, who, _ := strings.Cut(rest, " ")
			line := map[string]string{"": alice, "nobody": "X-Nothing: 1", "basic": alice + "\r\nAuthorization: Basic YTpi"}[who]
			p := s.rawRequest(method, path, line)
			if got := strings.Join(p.Header["Cache-Control"], "+") + " " + strings.Join(p.Header["Vary"], "+"); got != test.want {
				t.Errorf("Cache-Control and Vary are %q, want %q", got, test.want)
			}
		})
	}
}

func TestAnswersToAPIClientsArePrivate(t *testing.T) {
	s := newSite(t, nil)
	p := s.bears("/x", s.Provider.APIToken("alice"))
	if p.Header.Get("Cache-Control") != "private" || p.Header.Get("Vary") != "Authorization" {
		t.Errorf("Cache-Control is %q, Vary %q", p.Header.Get("Cache-Control"), p.Header.Get("Vary"))
	}
}

// Cookies do not pass in trailers, announced or not; other trailers do.
func TestTrailersBringNoCookies(t *testing.T) {
	for name, announced := range map[string]string{"announced": "Trailer: Set-Cookie, X-Sum\r\n", "not announced": ""} {
		t.Run(name, func(t *testing.T) {
			s := public(t, nil)
			s.Upstream.Answer = hangUp("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" + announced +
				"\r\n2\r\nhi\r\n0\r\nSet-Cookie: doorward=evil; Path=/\r\nX-Sum: 7\r\n\r\n")
			p := s.rawGet("/")
			if p.Text != "hi" || p.Trailer.Get("X-Sum") != "7" || len(p.Trailer["Set-Cookie"]) > 0 {
				t.Errorf("the answer is %q with the trailers %v", p.Text, p.Trailer)
			}
		})
	}
}

// Clear-Site-Data is the application's own way of signing somebody out.
func TestClearSiteDataPasses(t *testing.T) {
	s := newSite(t, func(c *config.Config) { c.AccessRules = "/ public" })
	s.Upstream.Answer = func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Clear-Site-Data", `"cookies"`) }
	if got := s.rawGet("/").Header.Get("Clear-Site-Data"); got != `"cookies"` {
		t.Errorf("Clear-Site-Data is %q", got)
	}
}

// An answer that clears a cookie of ours is nobody's to keep, whatever the upstream says.
func TestAnswersThatClearNotesAreNotCached(t *testing.T) {
	s := newSite(t, nil)
	s.Upstream.Answer = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=600")
		w.Header().Set("CDN-Cache-Control", "max-age=600")
	}
	p := s.rawGet("/", "Cookie: "+s.signedIn("alice").cookieHeader(s)+"; doorward-login-round-x=1")
	if len(p.Header["Set-Cookie"]) != 1 || !slices.Equal(p.Header["Cache-Control"], []string{"no-store"}) || p.Header.Get("CDN-Cache-Control") != "" {
		t.Errorf("the answer has %v", p.Header)
	}
}

// A cache before doorward sees cookies and access tokens alone of what an answer depends on.
func TestAnswersThatVaryWithThePersonVaryWithWhatNamesThem(t *testing.T) {
	s := newSite(t, func(c *config.Config) { c.Headers = []string{"X-Tenant=tenant"} })
	alice := "Cookie: " + s.browserThat(t, "alice").cookieHeader(s)
	client := "Authorization: Bearer " + s.Provider.APIToken("alice")
	for name, test := range map[string]struct {
		line, path, vary string
		more             string // of Vary
		status           int
	}{
		"Authorization":       {alice, "/x", "Authorization", ", Cookie, Authorization", http.StatusOK},
		"a header of ours":    {alice, "/x", "accept, X-Forwarded-Groups", ", Cookie, Authorization", http.StatusOK},
		"an assertion":        {alice, "/x", "X-Doorward-Assertion", ", Cookie, Authorization", http.StatusOK},
		"a header of HEADERS": {alice, "/x", "x-tenant", ", Cookie, Authorization", http.StatusOK},
		"an API client":       {client, "/x", "X-Forwarded-User", ", Cookie, Authorization", http.StatusOK},
		"nobody":              {"X-Nothing: 1", "/public/x", "X-Forwarded-User", ", Cookie, Authorization", http.StatusOK},
		"not modified":        {alice, "/x", "X-Forwarded-User", ", Cookie, Authorization", http.StatusNotModified},
		"something else":      {alice, "/x", "Accept, Origin", "", http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			s.Upstream.Answer = func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Cache-Control", "public, max-age=60")
				w.Header().Set("Vary", test.vary)
				w.WriteHeader(test.status)
			}
			if got := strings.Join(s.rawGet(test.path, test.line).Header["Vary"], ", "); got != test.vary+test.more {
				t.Errorf("Vary is %q", got)
			}
		})
	}
}

// What an upstream that was sent an access token says to caches is said of a request with Authorization (RFC 9111 3.5), which the client's is not.
func TestWhatIsSaidOfARequestWithAuthorization(t *testing.T) {
	s := newSite(t, nil)
	for says, want := range map[string]string{
		"max-age=60":                          "max-age=60, private",
		`max-age=60, private="Set-Cookie"`:    `max-age=60, private="Set-Cookie", private`,
		`max-age=60, no-cache="a, public, b"`: `max-age=60, no-cache="a, public, b", private`,
		"public, max-age=60":                  "public, max-age=60",
		"s-maxage=60":                         "s-maxage=60",
		"must-revalidate, max-age=60":         "must-revalidate, max-age=60",
		"no-store":                            "no-store",
		`max-age=60, x="\", public, \""`:      `max-age=60, x="\", public, \"", private`,
	} {
		t.Run(says, func(t *testing.T) {
			authorized := ""
			s.Upstream.Answer = func(w http.ResponseWriter, r *http.Request) {
				authorized = r.Header.Get("Authorization")
				w.Header().Set("Cache-Control", says)
			}
			p := s.rawGet("/x", "Cookie: "+s.browserThat(t, "alice").cookieHeader(s))
			if !strings.HasPrefix(authorized, "Bearer ") {
				t.Fatal("the upstream got no token")
			}
			if got := strings.Join(p.Header["Cache-Control"], ", "); got != want {
				t.Errorf("Cache-Control is %q, want %q", got, want)
			}
		})
	}
}

// Where the upstream was sent no token, or the client's own, it speaks of the request that caches have seen.
func TestWhatIsSaidOfTheRequestItself(t *testing.T) {
	for name, test := range map[string]struct {
		configure func(*config.Config)
		age       time.Duration // of the session; none: an API client asks
	}{
		"an API client":              {nil, 0},
		"an upstream without tokens": {func(c *config.Config) { c.ForwardAccessToken = false }, time.Minute},
		"a dead token":               {func(c *config.Config) { c.SessionWithoutRefresh = "keep" }, 2 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, test.configure)
			s.Upstream.Answer = func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Cache-Control", "max-age=60") }
			line := "Authorization: Bearer " + s.Provider.APIToken("alice")
			if test.age > 0 {
				b := s.browserThat(t, "alice")
				b.age(s, test.age)
				b.open(s.URL+"/x").wants(t, http.StatusOK) // which notes that the session is in use
				line = "Cookie: " + b.cookieHeader(s)
			}
			if got := strings.Join(s.rawGet("/x", line).Header["Cache-Control"], ", "); got != "max-age=60" {
				t.Errorf("Cache-Control is %q", got)
			}
		})
	}
}
