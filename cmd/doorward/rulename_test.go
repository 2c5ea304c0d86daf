package main

import (
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"doorward/config"
	"doorward/proxy"
	"doorward/proxy/providertest"
)

// Who is refused quotes what the page says; who is asked greps the log for it, looks at the metric, and asks explain. So a rule has one name in
// all of them: its pattern as it is written, with host and method, and both patterns where two must hold.
func TestARuleHasOneNameEverywhere(t *testing.T) {
	const rules = `
/admin/                        group:Admin
POST /admin/                   group:Writers
GET,HEAD  /docs/               group:Writers
wiki.example.com/              group:Writers
PUT wiki.example.com/pages/    group:Writers
*.dev.example.com/             group:Writers
/user/{name}/                  claim:preferred_username={name}
/{room}/locked/                group:Keys
/safe/                         group:Safe
/closed/                       deny
/exact/{$}                     group:Writers
COPY /from/                    authenticated
COPY /to/                      group:Writers`
	s := startForRules(t, rules)
	for _, r := range []struct{ method, host, path, destination, name string }{
		{"GET", "", "/admin/x", "", "/admin/"},
		{"POST", "", "/admin/x", "", "POST /admin/"},
		{"GET", "", "/docs/", "", "GET,HEAD /docs/"},
		{"GET", "wiki.example.com", "/x", "", "wiki.example.com/"},
		{"PUT", "wiki.example.com", "/pages/1", "", "PUT wiki.example.com/pages/"},
		{"GET", "a.dev.example.com", "/x", "", "*.dev.example.com/"},
		{"GET", "", "/user/lee/", "", "/user/{name}/"},
		{"GET", "", "/safe/locked/", "", "/{room}/locked/ + /safe/"},
		{"GET", "", "/closed/x", "", "/closed/"},
		{"GET", "", "/exact/", "", "/exact/{$}"},
		{"GET", "", "/nowhere", "", "none"},
		{"COPY", "", "/to/x", "/to/y", "COPY /to/"},
	} {
		t.Run(r.method+" "+r.host+r.path, func(t *testing.T) {
			names := map[string]string{"page": s.denied(t, r.method, r.host, r.path, r.destination)}
			for _, event := range []string{"request", "denied"} {
				names["log: "+event] = s.logged(t, event, r.method, r.path)
			}
			host := r.host
			if host == "" {
				host = strings.TrimPrefix(s.url, "http://")
			}
			_, out, _ := command(t, "explain", r.method, "http://"+host+r.path, "--user", "bob", "--group", "Dev")
			names["explain"] = found(t, `(?m)^rule +(.*)$`, out)
			for place, name := range names {
				if name != r.name {
					t.Errorf("%s: %q, want %q", place, name, r.name)
				}
			}
			for _, metric := range []string{"doorward_requests_total", "doorward_denials_total"} {
				if !regexp.MustCompile(metric + `\{[^\n]*rule="` + regexp.QuoteMeta(r.name) + `"[^\n]*\} [1-9]`).MatchString(s.metrics(t)) {
					t.Errorf("%s has no series for %q", metric, r.name)
				}
			}
		})
	}
}

// It is the rule of the destination that refuses, and so that is named.
func TestTheRuleOfADestinationIsNamed(t *testing.T) {
	s := startForRules(t, "/admin/ group:Admin\nCOPY /from/ authenticated\nCOPY /to/ group:Writers")
	page := s.denied(t, "COPY", "", "/from/x", "/to/y")
	if logged := s.logged(t, "request", "COPY", "/from/x"); page != "COPY /to/" || logged != page {
		t.Errorf("the page says %q, the log %q", page, logged)
	}
}

// forRules is a doorward in which bob, who is in the group Dev, is signed in.
type forRules struct {
	url    string
	client *http.Client
	proxy  *proxy.Proxy
	log    *writes
}

func startForRules(t *testing.T, rules string) *forRules {
	t.Helper()
	p := providertest.New(t)
	p.SignIn("bob")
	server := httptest.NewUnstartedServer(nil)
	t.Cleanup(server.Close)
	s := &forRules{url: "http://" + server.Listener.Addr().String(), log: new(writes)}
	environment(t, map[string]string{
		"PUBLIC_URL": s.url, "UPSTREAMS": aServer(t), "ACCESS_RULES": rules,
		"ISSUER_URL": p.Issuer, "CLIENT_ID": providertest.ClientID, "CLIENT_SECRET": providertest.ClientSecret,
	})
	c, err := config.Load()
	if err != nil {
		t.Fatal(err)
	}
	if s.proxy, err = proxy.New(proxy.Options{Config: c, Log: proxy.NewLog(s.log, c)}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.proxy.Close)
	server.Config.Handler = s.proxy
	server.Start()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	s.client = &http.Client{Jar: jar}
	s.denied(t, "GET", "", "/admin/", "") // by way of the provider
	return s
}

// denied makes a request that is refused, and gives the name of the rule on the page.
func (s *forRules) denied(t *testing.T, method, host, path, destination string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	if host != "" { // as with a cookie that all of these hosts share
		r.Host = host
		for _, c := range s.client.Jar.Cookies(r.URL) {
			r.AddCookie(c)
		}
	}
	if destination != "" {
		r.Header.Set("Destination", destination)
	}
	answer, err := s.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	page, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusForbidden {
		t.Fatalf("status %d, %v, page\n%s", answer.StatusCode, err, page)
	}
	name := html.UnescapeString(found(t, `<dt>Rule</dt><dd>([^<]*)</dd>`, string(page)))
	if both := strings.Contains(name, " + "); both != strings.Contains(string(page), "<dt>Refused by</dt><dd>/{room}/locked/</dd>") {
		t.Errorf("which of both refuses is told: %v, on\n%s", !both, page)
	}
	return name
}

// logged is the rule in the latest line of an event about a request.
func (s *forRules) logged(t *testing.T, event, method, path string) string {
	t.Helper()
	var rule string
	for line := range strings.Lines(s.log.String()) {
		var one struct{ Event, Method, Path, Rule string }
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatal(err)
		}
		if one.Event == event && one.Method == method && one.Path == path {
			rule = one.Rule
		}
	}
	return rule
}

func (s *forRules) metrics(t *testing.T) string {
	t.Helper()
	answer := httptest.NewRecorder()
	s.proxy.Admin().ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	return answer.Body.String()
}

// found is the one group of a pattern's first match.
func found(t *testing.T, pattern, text string) string {
	t.Helper()
	match := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if match == nil {
		t.Fatalf("%s is not in\n%s", pattern, text)
	}
	return match[1]
}
