package proxy_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"doorward/proxy/providertest"
)

// begin asks for a login as another site does, by a link or by a form.
func (b *browser) begin(s *site, method string, parameters url.Values) *page {
	b.t.Helper()
	if method == http.MethodGet {
		return b.open(s.URL + "/oauth2/start?" + parameters.Encode())
	}
	header := navigation()
	header.Set("Content-Type", "application/x-www-form-urlencoded")
	header.Set("Sec-Fetch-Site", "cross-site")
	return b.request(method, s.URL+"/oauth2/start", header, parameters.Encode())
}

// Module oidcc-client-test-3rd-party-init-login: another site that knows the provider begins a login (OIDC Core 4).
func TestThirdPartyInitiatedLogin(t *testing.T) {
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		t.Run(method, func(t *testing.T) {
			s := newSite(t, nil)
			for target, want := range map[string]string{
				"": "/", s.URL + "/deep?x=1&y=%20": "/deep?x=1&y=%20", "/path": "/path",
				"https://evil.example/": "/", "//evil.example/": "/", `/\evil.example`: "/", s.URL + "@evil.example/": "/", "/oauth2/sign_out": "/",
			} {
				b := s.browser()
				parameters := url.Values{"iss": {s.Provider.Issuer}, "login_hint": {"bob"}}
				if target != "" {
					parameters.Set("target_link_uri", target)
				}

				p := b.begin(s, method, parameters)

				isLogin(t, s, p)
				if hint := p.location().Query()["login_hint"]; len(hint) != 1 || hint[0] != "bob" {
					t.Errorf("login_hint is %q", hint)
				}
				end := b.walk(p.location().String())
				if got := s.Upstream.last(t); end.StatusCode != http.StatusOK || got.URI != want || got.Header.Get("X-Forwarded-User") != "bob" {
					t.Errorf("target_link_uri=%s leads %s to %s", target, got.Header.Get("X-Forwarded-User"), got.URI)
				}
			}
			hasNoSecret(t, s)
		})
	}
}

// The longest hint that is passed on has 256 bytes; TestStartIsRefused has a longer one.
func TestLongestLoginHint(t *testing.T) {
	s := newSite(t, nil)
	hint := strings.Repeat("b", 256)
	p := s.browser().begin(s, http.MethodGet, url.Values{"iss": {s.Provider.Issuer}, "login_hint": {hint}})
	if isLogin(t, s, p); p.location().Query().Get("login_hint") != hint {
		t.Errorf("it leads to %s", p.location())
	}
}

// Nothing but the hint is passed on to the provider, whatever else another site sends (C21).
func TestThirdPartyChoosesNothing(t *testing.T) {
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		s := newSite(t, nil)
		plain := s.browser().open(s.URL + "/").location().Query()

		q := s.browser().begin(s, method, url.Values{"iss": {s.Provider.Issuer}, "login_hint": {"bob&scope=openid+admin&prompt=none"},
			"scope": {"openid admin"}, "redirect_uri": {"https://evil.example/"}, "state": {"chosen"}, "nonce": {"chosen"}, "prompt": {"none"},
			"client_id": {"other"}, "code_challenge": {"chosen"}, "response_mode": {"fragment"}, "claims": {"{}"}, "request": {"x"}}).location().Query()

		if got := q.Get("login_hint"); got != "bob&scope=openid+admin&prompt=none" {
			t.Errorf("login_hint is %q", got)
		}
		q.Del("login_hint")
		for name := range q {
			if random := name == "state" || name == "nonce" || name == "code_challenge"; !plain.Has(name) || q.Get(name) == "chosen" || !random && q.Get(name) != plain.Get(name) {
				t.Errorf("%s is %q", name, q[name])
			}
		}
	}
}

// What is wrong with a request to begin a login is told on a page; nobody is asked anything.
func TestStartIsRefused(t *testing.T) {
	for name, change := range map[string]func(q url.Values){
		"another provider":             func(q url.Values) { q.Set("iss", "https://evil.example") },
		"the provider without a slash": func(q url.Values) { q.Set("iss", strings.TrimSuffix(q.Get("iss"), "/")) },
		"no provider":                  func(q url.Values) { q.Set("iss", "") },
		"a hint without provider":      func(q url.Values) { q.Del("iss"); q.Del("target_link_uri") },
		"a target without provider":    func(q url.Values) { q.Del("iss"); q.Del("login_hint") },
		"two targets":                  func(q url.Values) { q.Set("rd", "/x") },
		"a long hint":                  func(q url.Values) { q.Set("login_hint", strings.Repeat("x", 257)) },
		"a hint with a line break":     func(q url.Values) { q.Set("login_hint", "alice\r\nX: y") },
		"a hint with a direction mark": func(q url.Values) { q.Set("login_hint", "al\u202eice") },
		"a hint that is not UTF-8":     func(q url.Values) { q.Set("login_hint", "al\xffice") },
		"doubled iss":                  func(q url.Values) { q.Add("iss", q.Get("iss")) },
		"doubled target_link_uri":      func(q url.Values) { q.Add("target_link_uri", "/x") },
		"doubled login_hint":           func(q url.Values) { q.Add("login_hint", "x") },
		"doubled rd":                   func(q url.Values) { q.Del("target_link_uri"); q["rd"] = []string{"/x", "/x"} },
		"doubled acr_values":           func(q url.Values) { q["acr_values"] = []string{"mfa", "mfa"} },
		"doubled max_age":              func(q url.Values) { q["max_age"] = []string{"5", "5"} },
		"an acr that nobody names":     func(q url.Values) { q.Set("acr_values", "pwd") },
		"an acr that a rule forbids":   func(q url.Values) { q.Set("acr_values", "weak") },
		"one acr that nobody names":    func(q url.Values) { q.Set("acr_values", "mfa pwd") },
		"an acr in other letters":      func(q url.Values) { q.Set("acr_values", "MFA") },
		"an empty acr":                 func(q url.Values) { q.Set("acr_values", "") },
		"two blanks between acr":       func(q url.Values) { q.Set("acr_values", "mfa  hwk") },
		"a time in words":              func(q url.Values) { q.Set("max_age", "soon") },
		"a time below nothing":         func(q url.Values) { q.Set("max_age", "-1") },
		"an endless time":              func(q url.Values) { q.Set("max_age", "99999999999") },
		"an empty time":                func(q url.Values) { q.Set("max_age", ""); q.Set("acr_values", "mfa") },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, rules("/strong/ acr:mfa,hwk !acr:weak"))
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				q := url.Values{"iss": {s.Provider.Issuer}, "target_link_uri": {"/x"}, "login_hint": {"alice"}}
				change(q)

				p := s.browser().begin(s, method, q)

				isPage(t, p)
				if p.StatusCode != http.StatusBadRequest || len(p.Header["Set-Cookie"]) != 0 {
					t.Errorf("%s is answered %d, Set-Cookie %q", method, p.StatusCode, p.Header["Set-Cookie"])
				}
			}
			if n := len(s.Provider.Requests(providertest.Discovery)) + len(s.asked()); n != 0 {
				t.Errorf("the provider was asked %d times", n)
			}
		})
	}
}

// What pages ask for, applications may ask for on their behalf, in any order, and as recent as they like.
func TestStartAsksForALogin(t *testing.T) {
	s := newSite(t, rules("/strong/ acr:mfa,hwk"))
	for query, want := range map[string]struct{ acr, maxAge string }{
		"acr_values=hwk+mfa":         {"hwk mfa", ""},
		"acr_values=mfa&max_age=900": {"mfa", "900"},
		"max_age=0":                  {"", "0"},
		"max_age=2147483647":         {"", "2147483647"},
		"rd=/x":                      {"", ""},
	} {
		times := len(s.asked())
		if p := s.browser().walk(s.URL + "/oauth2/start?" + query); p.StatusCode != http.StatusOK {
			t.Errorf("%s: the login ends with %d: %s", query, p.StatusCode, p.Text)
		}
		wasAsked(t, s, times+1, want.acr, want.maxAge)
	}
}

// Another site's form begins a login as a link does: for a person's navigation, and by a form alone.
func TestPostedStart(t *testing.T) {
	s := newSite(t, nil)
	form := url.Values{"iss": {s.Provider.Issuer}}.Encode()
	const kind = "application/x-www-form-urlencoded"
	for name, c := range map[string]struct {
		header http.Header
		body   string
		status int
	}{
		"a person's":       {fetched("navigate", "document", "Content-Type", kind), form, http.StatusSeeOther},
		"an old browser's": {headers("Accept", "text/html", "Content-Type", kind), form, http.StatusSeeOther},
		"a frame's":        {fetched("navigate", "iframe", "Content-Type", kind), form, http.StatusUnauthorized},
		"a script's":       {fetched("no-cors", "empty", "Content-Type", kind), form, http.StatusUnauthorized},
		"a program's":      {headers("Content-Type", kind), form, http.StatusUnauthorized},
		"JSON":             {fetched("navigate", "document", "Content-Type", "application/json"), `{}`, http.StatusUnsupportedMediaType},
		"not said what":    {fetched("navigate", "document"), form, http.StatusUnsupportedMediaType},
		"without a form":   {fetched("navigate", "document", "Content-Type", kind), "", http.StatusBadRequest},
		"malformed":        {fetched("navigate", "document", "Content-Type", kind), form + "&x=%zz", http.StatusBadRequest},
		"large":            {fetched("navigate", "document", "Content-Type", kind), form + "&x=" + strings.Repeat("x", 100_000), http.StatusRequestEntityTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			p := s.browser().request(http.MethodPost, s.URL+"/oauth2/start", c.header, c.body)
			if p.StatusCode != c.status || (len(p.setsCookies()) == 1) != (c.status == http.StatusSeeOther) {
				t.Errorf("the answer is %d: %s", p.StatusCode, p.Text)
			}
			if p.StatusCode == http.StatusSeeOther && p.Close {
				t.Error("the connection is closed, as if the form had not been read")
			}
		})
	}
	for _, method := range []string{"PUT", "DELETE", "OPTIONS"} {
		if p := s.browser().request(method, s.URL+"/oauth2/start", navigation(), ""); p.StatusCode != http.StatusMethodNotAllowed || p.Header.Get("Allow") != "GET, HEAD, POST" {
			t.Errorf("%s is answered %d, Allow %q", method, p.StatusCode, p.Header.Get("Allow"))
		}
	}
	// What stands in the address of a form is no part of it.
	p := s.browser().request(http.MethodPost, s.URL+"/oauth2/start?rd=/query&login_hint=bob", fetched("navigate", "document", "Content-Type", kind), form)
	if p.StatusCode != http.StatusSeeOther || p.location().Query().Has("login_hint") {
		t.Errorf("a form with a query is answered %d to %v", p.StatusCode, p.location().Query())
	}
}
