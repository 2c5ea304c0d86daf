package proxy_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"doorward/config"
)

// flight is a login that a browser began and that is waiting for its callback.
type flight struct {
	cookies string
	answer  url.Values // with which the provider sends the browser back
}

// begin takes a new browser up to its callback.
func begin(s *site, person string) *flight {
	b := s.browser()
	b.Person = person
	p := b.follow(b.open(s.URL+"/next"), isCallback)
	if p.redirects() {
		return &flight{b.cookieHeader(s), p.location().Query()}
	}
	s.t.Fatalf("the provider answers %d", p.StatusCode)
	return nil
}

// beginPost does the same where the provider posts its answer.
func beginPost(s *site, person string) *flight {
	b := s.browser()
	b.Person = person
	p := b.open(b.choose(b.open(s.URL + "/next").location()))
	answer := url.Values{}
	for _, field := range regexp.MustCompile(`name="([^"]*)" value="([^"]*)"`).FindAllStringSubmatch(p.Text, -1) {
		answer.Add(unescape(field[1]), unescape(field[2]))
	}
	return &flight{b.cookieHeader(s), answer}
}

// come is a request as it would come to the site, were net/http to let every byte through.
func come(s *site, method, path, query, body, cookies string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.URL.RawQuery, r.RequestURI = query, path+"?"+query
	r.Host = s.server.Listener.Addr().String()
	r.Header = navigation()
	r.Header.Set("Cookie", cookies)
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	w := httptest.NewRecorder()
	s.Proxy.ServeHTTP(w, r)
	return w
}

// isSomebody tells whether the cookies that an answer sets make a session.
func isSomebody(s *site, answer *httptest.ResponseRecorder) bool {
	var pairs []string
	for _, c := range answer.Result().Cookies() {
		if c.Value != "" && c.MaxAge >= 0 {
			pairs = append(pairs, c.Name+"="+c.Value)
		}
	}
	return len(pairs) > 0 && come(s, http.MethodGet, "/oauth2/userinfo", "", "", strings.Join(pairs, "; ")).Code == http.StatusOK
}

// honest tells whether parameters are an answer to the very login: each once, none of them another's, and no error.
func honest(parameters string, login *flight, issuer string) bool {
	v, err := url.ParseQuery(parameters)
	for _, name := range []string{"code", "state", "iss", "error", "error_description", "error_uri"} {
		if len(v[name]) > 1 || len(v.Get(name)) > 8<<10 {
			return false
		}
	}
	return err == nil && v.Get("code") == login.answer.Get("code") && v.Get("state") == login.answer.Get("state") &&
		(!v.Has("iss") || v.Get("iss") == issuer) && v.Get("error") == ""
}

// Whatever comes to the callback, with whatever is known of another login, only the answer to the login that this browser began makes a
// session. Nothing that comes is an error of ours.
func FuzzCallback(f *testing.F) {
	plain := newSite(f, nil)
	posted := newTLSSite(f, func(c *config.Config) { c.ResponseMode = "form_post" })
	for _, parameters := range []string{
		"code={code}&state={state}", "code={code}&state={state}&iss={iss}", "code={code}&state={state}&iss={iss}1", "code={code}&state={state}&iss=",
		"code={code2}&state={state}", "code={code}&state={state2}", "code={code2}&state={state2}", "code={code}&state={state}&state={state2}",
		"code={code}&code={code2}&state={state}", "code=&state={state}", "code={code}", "state={state}", "", "code={code}&state=",
		"error=access_denied&state={state}", "error=access_denied&state={state2}", "error=x&code={code}&state={state}", "error=&code={code}&state={state}",
		"error=x&error_description=%3Cscript%3E&error_uri=javascript:x&state={state}", "code={code};state={state}", "code=%zz&state={state}",
		"code=%00&state={state}", "code={code}&state={state}%00", "CODE={code}&STATE={state}", "code[]={code}&state={state}", "&&=&code={code}&state={state}&session_state=x",
		"code={code}&state={state}&code%20=x", "code=" + strings.Repeat("c", 9000) + "&state={state}", strings.Repeat("a=b&", 20000) + "code={code}&state={state}",
		"code=x&state={state}", "code={code}\r\nX: y&state={state}", "code={code}&state={state}&iss={iss}&iss={iss}", "response={code}&state={state}", "code={code}&state=\u017ftate",
	} {
		for _, post := range []bool{false, true} {
			f.Add(parameters, post, post)
		}
	}
	f.Add("code={code}&state={state}", true, false)
	f.Add("code={code}&state={state}", false, true)

	type pair struct{ own, other *flight }
	waiting := map[bool]pair{}
	f.Fuzz(func(t *testing.T, parameters string, form, post bool) {
		s, start := *plain, begin
		if form {
			s, start = *posted, beginPost
		}
		s.t = t
		if waiting[form].own == nil {
			waiting[form] = pair{start(&s, "alice"), start(&s, "bob")}
		}
		own, other := waiting[form].own, waiting[form].other
		parameters = strings.NewReplacer(
			"{code}", own.answer.Get("code"), "{state}", own.answer.Get("state"), "{iss}", url.QueryEscape(s.Provider.Issuer),
			"{code2}", other.answer.Get("code"), "{state2}", other.answer.Get("state"),
		).Replace(parameters)

		method, query, body := http.MethodGet, parameters, ""
		if post {
			method, query, body = http.MethodPost, "", parameters
		}
		w := come(&s, method, "/oauth2/callback", query, body, own.cookies)

		if w.Code >= 500 {
			t.Errorf("%q is answered %d: %s", parameters, w.Code, w.Body)
		}
		if got, want := isSomebody(&s, w), form == post && honest(parameters, own, s.Provider.Issuer); got != want {
			t.Errorf("%q makes a session: %v, answered %d", parameters, got, w.Code)
		}
		if used(w) {
			delete(waiting, form)
		}
	})
}

// used tells whether an answer clears a login's cookie: the login is over, however it ended.
func used(answer *httptest.ResponseRecorder) bool {
	for _, c := range answer.Result().Cookies() {
		if c.MaxAge < 0 && strings.Contains(c.Name, "login") {
			return true
		}
	}
	return false
}
