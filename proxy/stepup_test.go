package proxy_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"doorward/config"
	"doorward/proxy/providertest"
)

// rules adds to those of the site.
func rules(more string) func(*config.Config) {
	return func(c *config.Config) { c.AccessRules += "\n" + more }
}

// asked are the authorization requests so far: how often somebody was sent to the provider.
func (s *site) asked() []url.Values {
	var all []url.Values
	for _, r := range s.Provider.Requests(providertest.Authorization) {
		all = append(all, r.Query)
	}
	return all
}

// wasAsked checks how often the provider was asked, and for what at last.
func wasAsked(t *testing.T, s *site, times int, acr, maxAge string) {
	t.Helper()
	asked := s.asked()
	if len(asked) != times {
		t.Fatalf("the provider was asked %d times, not %d", len(asked), times)
	}
	last := asked[times-1]
	if last.Get("acr_values") != acr || last.Get("max_age") != maxAge || last.Has("acr_values") != (acr != "") || last.Has("max_age") != (maxAge != "") {
		t.Errorf("at last it was asked for acr_values %q, max_age %q", last["acr_values"], last["max_age"])
	}
}

// People whose login is not enough for a page are sent to the provider once, which is asked for the right one, and come back.
func TestStepUpByARule(t *testing.T) {
	for rule, want := range map[string]struct{ acr, maxAge string }{
		"acr:mfa":                      {"mfa", ""},
		"acr:mfa,hwk group:Admin":      {"mfa hwk", ""},
		"max-age:15m":                  {"", "900"},
		"acr:mfa,hwk max-age:1500ms":   {"mfa hwk", "1"},
		"group:Nobody | acr:mfa":       {"mfa", ""},
		"!group:Nobody acr:mfa !acr:x": {"mfa", ""},
	} {
		t.Run(rule, func(t *testing.T) {
			s := newSite(t, rules("/strong/ "+rule))
			s.Provider.SignInAt(time.Now().Add(-time.Hour))
			b := s.signedIn("alice")
			before := b.cookieHeader(s)

			p := b.walk(s.URL + "/strong/page?x=%20y&z")

			if p.StatusCode != http.StatusOK || s.Upstream.last(t).URI != "/strong/page?x=%20y&z" {
				t.Fatalf("the walk ends with %d at %s: %s\n%s", p.StatusCode, s.Upstream.last(t).URI, p.Text, s.Log)
			}
			wasAsked(t, s, 2, want.acr, want.maxAge)
			if step := stepped(t, s); len(step) != 1 || step[0]["reason"] != rule[:strings.Index(rule, ":")] && !strings.Contains(rule, " ") {
				t.Errorf("the log has the step-ups %v", step)
			}
			if now := b.cookieHeader(s); now == before || strings.Contains(now, "; ") {
				t.Errorf("the browser holds %s", now)
			}
			hasNoSecret(t, s)
		})
	}
}

// stepped are the requests that led to another login, as the log has them.
func stepped(t *testing.T, s *site) []map[string]any {
	t.Helper()
	var all []map[string]any
	for _, e := range s.Log.events(t, "request") {
		if e["outcome"] == "step_up" {
			all = append(all, e)
		}
	}
	return all
}

// What is there need not be asked for again.
func TestStepUpHolds(t *testing.T) {
	s := newSite(t, rules("/strong/ acr:mfa max-age:15m"))
	b := s.signedIn("alice")
	b.walk(s.URL + "/strong/")
	for range 5 {
		if p := b.open(s.URL + "/strong/"); p.StatusCode != http.StatusOK {
			t.Fatalf("the answer is %d", p.StatusCode)
		}
	}
	wasAsked(t, s, 2, "mfa", "900")
}

// Where a rule leaves no alternative, the first login is asked for it already.
func TestFirstLoginIsAskedForWhatTheRuleWants(t *testing.T) {
	s := newSite(t, rules("/strong/ acr:mfa max-age:15m\n/either/ group:Admin | acr:mfa"))

	if p := s.browser().walk(s.URL + "/strong/x"); p.StatusCode != http.StatusOK {
		t.Fatalf("the login ends with %d: %s", p.StatusCode, p.Text)
	}
	wasAsked(t, s, 1, "mfa", "900")

	if p := s.browser().walk(s.URL + "/either/x"); p.StatusCode != http.StatusOK {
		t.Fatalf("the login ends with %d: %s", p.StatusCode, p.Text)
	}
	wasAsked(t, s, 2, "", "")
}

// A refusal that another login would not mend is one, and nobody is asked anything.
func TestRefusalsThatNoLoginMends(t *testing.T) {
	for _, rule := range []string{"group:Nobody acr:mfa", "!acr:mfa", "user:bob max-age:1s", "claim:x=y | acr:\"m f a\"", "acr:x acr:y", "ip:10.0.0.0/8 acr:x"} {
		s := newSite(t, func(c *config.Config) {
			c.AccessRules += "\n/strong/ " + rule
			c.AuthParams = []string{"acr_values=mfa"}
		})
		b := s.signedIn("alice")

		p := b.open(s.URL + "/strong/")

		isPage(t, p)
		if p.StatusCode != http.StatusForbidden || len(s.asked()) != 1 {
			t.Errorf("%s: the answer is %d, the provider was asked %d times", rule, p.StatusCode, len(s.asked()))
		}
	}
}

// Two rules that hold together and want what no single login is.
func TestRulesThatContradictEachOther(t *testing.T) {
	s := newSite(t, rules("/{team}/strong/ acr:mfa\n/dev/ acr:hwk"))
	b := s.signedIn("alice")

	p := b.open(s.URL + "/dev/strong/")

	isPage(t, p)
	if p.StatusCode != http.StatusForbidden || !strings.Contains(p.Text, "no login is right for all of them") {
		t.Errorf("the answer is %d: %s", p.StatusCode, p.Text)
	}
	if p := b.walk(s.URL + "/dev/x"); p.StatusCode != http.StatusOK {
		t.Errorf("where one of them holds the answer is %d", p.StatusCode)
	}
}

// Programs are told what is missing, in the header (RFC 9470 3) and in JSON, and where people get it.
func TestStepUpForPrograms(t *testing.T) {
	s := newSite(t, rules("/strong/ acr:mfa,hwk max-age:15m"))
	b := s.signedIn("alice")
	before := b.cookieHeader(s)
	for name, header := range map[string]http.Header{
		"fetch":   fetched("cors", "empty", "Accept", "*/*"),
		"program": headers("Accept", "application/json"),
		"frame":   fetched("navigate", "iframe", "Accept", "text/html"),
	} {
		t.Run(name, func(t *testing.T) {
			p := b.request("GET", s.URL+"/strong/api", header, "")

			if p.StatusCode != http.StatusUnauthorized || b.cookieHeader(s) != before || len(p.Header["Set-Cookie"]) != 0 {
				t.Fatalf("the answer is %d, Set-Cookie %q", p.StatusCode, p.Header["Set-Cookie"])
			}
			var body map[string]string
			if err := json.Unmarshal([]byte(p.Text), &body); err != nil {
				t.Fatal(err)
			}
			want := `Bearer error="insufficient_user_authentication", error_description="` + body["error_description"] + `", acr_values="mfa hwk", max_age="900"`
			if got := p.Header["Www-Authenticate"]; len(got) != 1 || got[0] != want || body["error_description"] == "" {
				t.Errorf("WWW-Authenticate is %q, not %q", got, want)
			}
			if body["error"] != "insufficient_user_authentication" || body["acr_values"] != "mfa hwk" || body["max_age"] != "900" ||
				body["login_url"] != s.URL+"/oauth2/start?acr_values=mfa+hwk&max_age=900" {
				t.Errorf("the body is %v", body)
			}
			if s.metric(`doorward_denials_total{reason="acr",rule="/strong/"}`) == 0 {
				t.Error("no denial is counted")
			}
		})
	}
	if len(s.asked()) != 1 {
		t.Errorf("the provider was asked %d times", len(s.asked()))
	}
}

// An application in a page takes its user to login_url, adds where to come back to, and goes on.
func TestLoginURLIsGoodForAStepUp(t *testing.T) {
	s := newSite(t, rules("/strong/ acr:mfa,hwk max-age:15m"))
	b := s.signedIn("alice")
	for _, program := range []*browser{b, s.browser()} { // whether somebody is signed in or not
		var body map[string]string
		p := program.request("GET", s.URL+"/strong/api", headers("Accept", "application/json"), "")
		if err := json.Unmarshal([]byte(p.Text), &body); err != nil {
			t.Fatal(err)
		}
		times := len(s.asked())

		if p := b.walk(body["login_url"] + "&rd=/strong/spa"); p.StatusCode != http.StatusOK || s.Upstream.last(t).URI != "/strong/spa" {
			t.Errorf("the login ends with %d at %s", p.StatusCode, s.Upstream.last(t).URI)
		}
		wasAsked(t, s, times+1, "mfa hwk", "900")
	}
}

// A form that was posted is not passed on, and not sent again by itself. The person gets a page.
func TestStepUpForAPostedForm(t *testing.T) {
	s := newSite(t, rules("/strong/ acr:mfa"))
	b := s.signedIn("alice")

	p := b.request("POST", s.URL+"/strong/pay?to=1", fetched("navigate", "document", "Accept", "text/html", "Content-Type", "application/x-www-form-urlencoded"), "sum=1")

	isPage(t, p)
	if p.StatusCode != http.StatusUnauthorized || !strings.HasPrefix(p.Header.Get("WWW-Authenticate"), `Bearer error="insufficient_user_authentication"`) {
		t.Errorf("the answer is %d, %q", p.StatusCode, p.Header.Get("WWW-Authenticate"))
	}
	if n := len(s.Upstream.Received()); n != 1 {
		t.Errorf("the upstream received %d requests", n)
	}
	_, link, _ := strings.Cut(p.Text, `<a href="`)
	link, _, _ = strings.Cut(link, `"`)
	if end := b.walk(s.URL + unescape(link)); end.StatusCode != http.StatusOK || s.Upstream.last(t).URI != "/strong/pay?to=1" {
		t.Errorf("the page leads to %s and %d at %s", link, end.StatusCode, s.Upstream.last(t).URI)
	}
	wasAsked(t, s, 2, "mfa", "")
}

// A provider that does not sign people in as it is asked to ends the login on a page. It is asked once, the session stays as
// it was, and whoever had none has none.
func TestProviderFallsShort(t *testing.T) {
	for _, m := range providertest.Shortcomings() {
		t.Run(m.Name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, rules("/strong/ acr:mfa,hwk max-age:15m"), m)
			b := s.signedIn("alice")
			before := b.cookieHeader(s)

			p := b.walk(s.URL + "/strong/?q=canary-query")

			fellShort(t, s, m, p)
			wasAsked(t, s, 2, "mfa hwk", "900")
			if b.cookieHeader(s) != before {
				t.Error("the session has changed")
			}
			if p := b.open(s.URL + "/x"); p.StatusCode != http.StatusOK {
				t.Errorf("afterwards a page is answered %d", p.StatusCode)
			}
			hasNoSecret(t, s)

			stranger := s.browser()
			p = stranger.walk(s.URL + "/strong/?q=canary-query")

			isPage(t, p)
			wasAsked(t, s, 3, "mfa hwk", "900")
			hasNoSession(t, s, stranger)
			if n := len(stranger.cookies(s.URL)); n != 0 {
				t.Errorf("the browser still holds %d cookies", n)
			}
		})
	}
}

// fellShort checks page, metric and log of a login that was not as it should be.
func fellShort(t *testing.T, s *site, m providertest.Mutation, p *page) {
	t.Helper()
	isPage(t, p)
	if p.StatusCode < 400 || !strings.Contains(p.Text, "acr mfa or hwk, a login that is not older than 15m0s") ||
		!strings.Contains(p.Text, `href="/strong/?q=canary-query"`) {
		t.Errorf("the answer is %d: %s", p.StatusCode, p.Text)
	}
	if reached := len(s.Provider.Requests(providertest.Token)) == 2; reached != (m.Stops == providertest.AtTokens) {
		t.Error("the login went too far, or not far enough")
	}
	result := "unmet_authentication"
	switch m.Name {
	case "step-up-acr-number", "step-up-acr-list", "step-up-acr-null", "step-up-auth-time-future", "step-up-auth-time-text":
		result = "invalid_id_token"
	case "step-up-access-denied", "step-up-login-required":
		result = "provider_error"
	}
	if s.metric(`doorward_logins_total{result="`+result+`"}`) != 1 || s.metric(`doorward_logins_total{result="ok"}`) != 1 {
		t.Errorf("it is counted as %v", counted(s))
	}
	failed := s.Log.events(t, "login_failed")
	if len(failed) != 1 || failed[0]["reason"] != result || failed[0]["error"] == "" {
		t.Errorf("the log says %v", failed)
	}
	if result == "unmet_authentication" && !strings.Contains(p.Text, "did not sign you in as this page asks for") {
		t.Errorf("the page says %s", p.Text)
	}
}

// Less is not asked for in the first place, whatever is named elsewhere: what every login is asked for stays.
func TestStepUpKeepsToWhatEveryLoginIsAskedFor(t *testing.T) {
	s := newSite(t, func(c *config.Config) {
		c.AccessRules += "\n/kiosk/ acr:pwd,mfa\n/vault/ acr:hwk max-age:1h\n/till/ acr:pwd,mfa max-age:5m"
		c.AuthParams = []string{"acr_values=mfa", "max_age=600"}
	})
	for path, want := range map[string]string{"/kiosk/": "mfa", "/vault/": "hwk", "/": "mfa"} {
		times := len(s.asked())
		if p := s.browser().walk(s.URL + path); p.StatusCode != http.StatusOK {
			t.Errorf("%s is answered %d: %s", path, p.StatusCode, p.Text)
		}
		wasAsked(t, s, times+1, want, "600")
	}
	// Nor is it asked for by a rule that only the time of the login does not satisfy.
	s.Provider.SignInAt(time.Now().Add(-9 * time.Minute))
	b, times := s.signedIn("alice"), len(s.asked()) // with that login
	if p := b.walk(s.URL + "/till/"); p.StatusCode != http.StatusOK {
		t.Errorf("the walk ends with %d: %s", p.StatusCode, p.Text)
	}
	wasAsked(t, s, times+1, "mfa", "300")
	for acr, status := range map[string]int{"mfa": 303, "hwk": 303, "hwk mfa": 303, "pwd": 400, "mfa pwd": 400, "other": 400} {
		if p := s.browser().open(s.URL + "/oauth2/start?acr_values=" + url.QueryEscape(acr)); p.StatusCode != status {
			t.Errorf("acr_values=%s is answered %d", acr, p.StatusCode)
		}
	}
}

// Clocks that differ, and a max-age that is shorter than signing in takes: the login is as good as it gets, and asked for once.
func TestLoginIsTooOldAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		maxAge  string
		ago     time.Duration
		allowed bool
	}{
		"clock behind":                        {"5s", 25 * time.Second, false},
		"shorter than the provider's seconds": {"1ms", 2 * time.Second, false},
		"a second":                            {"1s", 5 * time.Second, false},
		"clock ahead":                         {"1s", -25 * time.Second, true},
		"long enough":                         {"1m", 25 * time.Second, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, rules("/strong/ max-age:"+c.maxAge), providertest.Mutation{Name: "clock", StepUp: func(_ *providertest.Provider, j *providertest.JWT) {
				j.Claims["auth_time"] = time.Now().Add(-c.ago).Unix()
			}})
			s.Provider.SignInAt(time.Now().Add(-time.Hour))
			for i, b := range []*browser{s.signedIn("alice"), s.browser()} {
				p := b.walk(s.URL + "/strong/")

				if len(s.asked()) != 2+i {
					t.Errorf("the provider was asked %d times", len(s.asked()))
				}
				if c.allowed != (p.StatusCode == http.StatusOK) {
					t.Errorf("the answer is %d: %s", p.StatusCode, p.Text)
				}
				if !c.allowed {
					isPage(t, p)
					if p.StatusCode != http.StatusForbidden || !strings.Contains(p.Text, "too long ago already") || !strings.Contains(p.Text, `href="/strong/"`) {
						t.Errorf("the answer is %d: %s", p.StatusCode, p.Text)
					}
				}
			}
		})
	}
}

// A provider that is away when it is needed for a step-up: the page leads back to the one that asks for it.
func TestStepUpWithoutProvider(t *testing.T) {
	s := newSite(t, rules("/strong/ acr:mfa"))
	b := s.browser()
	s.Provider.Stop()

	p := b.open(s.URL + "/strong/x")

	isPage(t, p)
	if p.StatusCode != http.StatusServiceUnavailable || !strings.Contains(p.Text, `href="/strong/x"`) {
		t.Errorf("the answer is %d: %s", p.StatusCode, p.Text)
	}
}

// A login that was made just now, but is an old one of the provider's, is no reason to refuse a step-up.
func TestStepUpRightAfterAnOldLogin(t *testing.T) {
	s := newSite(t, rules("/strong/ max-age:15m"))
	s.Provider.SignInAt(time.Now().Add(-time.Hour))
	b := s.signedIn("alice")
	if p := b.walk(s.URL + "/strong/"); p.StatusCode != http.StatusOK {
		t.Errorf("the answer is %d: %s", p.StatusCode, p.Text)
	}
}

// AUTH_PARAMS that ask for much, or for too much, are asked once for a login, too.
func TestAuthParamsAreAskedOnce(t *testing.T) {
	for _, params := range []string{"max_age=0", "prompt=login", "prompt=login max_age=0"} {
		s := newSite(t, func(c *config.Config) { c.AuthParams = strings.Fields(params) })
		b := s.signedIn("alice")
		for range 3 {
			if p := b.open(s.URL + "/x"); p.StatusCode != http.StatusOK {
				t.Errorf("%s: the answer is %d", params, p.StatusCode)
			}
		}
		if n := len(s.asked()); n != 1 {
			t.Errorf("%s: the provider was asked %d times", params, n)
		}
	}
	for _, code := range []string{"login_required", "interaction_required", "consent_required", "account_selection_required"} {
		s := newSite(t, func(c *config.Config) { c.AuthParams = []string{"prompt=none"} },
			providertest.Mutation{Name: code, Refuse: func(*providertest.Provider, url.Values) string { return code }})
		b := s.browser()

		p := b.walk(s.URL + "/x")

		isPage(t, p)
		if n := len(s.asked()); n != 1 || p.StatusCode != http.StatusForbidden || !strings.Contains(p.Text, code) {
			t.Errorf("%s: the provider was asked %d times, the answer is %d: %s", code, n, p.StatusCode, p.Text)
		}
		hasNoSession(t, s, b)
	}
}

const wantsGold = `Bearer error="insufficient_user_authentication", acr_values="gold"`

// challenging is an upstream that answers so many requests with a challenge, each with the next one, and then as usual.
func challenging(s *site, times int, challenges ...string) {
	s.Upstream.Answer = func(w http.ResponseWriter, r *http.Request) {
		n := len(s.Upstream.Received())
		if r.URL.Path != "/app" || n > times {
			fmt.Fprint(w, "fine")
			return
		}
		w.Header().Set("WWW-Authenticate", challenges[(n-1)%len(challenges)])
		w.Header().Set("X-Upstream", "its own")
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, "the upstream's own words")
	}
}

// passed checks that an upstream's 401 arrived as it is.
func passed(t *testing.T, p *page, challenge string) {
	t.Helper()
	if p.StatusCode != http.StatusUnauthorized || p.Text != "the upstream's own words" || p.Header.Get("X-Upstream") != "its own" ||
		len(p.Header["Www-Authenticate"]) != 1 || p.Header.Get("WWW-Authenticate") != challenge {
		t.Errorf("the answer is %d %q: %s", p.StatusCode, p.Header["Www-Authenticate"], p.Text)
	}
}

// An API client has no login that could be another, whatever it looks like.
func TestChallengeOfAnAPIClientPasses(t *testing.T) {
	s := newSite(t, nil)
	challenging(s, 2, wantsGold)
	passed(t, s.browser().request("GET", s.URL+"/app", fetched("navigate", "document", "Authorization", "Bearer "+s.Provider.APIToken("bob")), ""), wantsGold)
}

// An upstream that wants another login gets it, if it is a person who waits for a page (RFC 9470).
func TestStepUpByAnUpstream(t *testing.T) {
	for challenge, want := range map[string]struct{ acr, maxAge string }{
		wantsGold: {"gold", ""},
		`Bearer error="insufficient_user_authentication", acr_values="gold silver", max_age="5"`:      {"gold silver", "5"},
		`Basic realm="x", bearer Error=insufficient_user_authentication, MAX_AGE=60`:                  {"", "60"},
		`Bearer realm="a, b=c", error="insufficient_user_authentication", max_age="60", acr_values=x`: {"x", "60"},
	} {
		t.Run(challenge, func(t *testing.T) {
			s := newSite(t, nil)
			s.Provider.SignInAt(time.Now().Add(-time.Hour))
			b := s.browser()
			b.open(b.callbackAddress(s, "/"))
			challenging(s, 1, challenge)

			p := b.walk(s.URL + "/app?q=canary-query")

			if p.StatusCode != http.StatusOK || p.Text != "fine" || s.Upstream.last(t).URI != "/app?q=canary-query" {
				t.Errorf("the walk ends with %d: %s\n%s", p.StatusCode, p.Text, s.Log)
			}
			wasAsked(t, s, 2, want.acr, want.maxAge)
			hasNoSecret(t, s)
		})
	}
}

// An upstream that is not satisfied by what it asked for has its answer passed on. It is asked for once.
func TestUpstreamIsNeverSatisfied(t *testing.T) {
	for _, challenge := range []string{wantsGold, `Bearer error="insufficient_user_authentication", max_age="0"`,
		`Bearer error="insufficient_user_authentication", max_age="3600", acr_values="gold"`} {
		t.Run(challenge, func(t *testing.T) {
			s := newSite(t, nil)
			s.Provider.SignInAt(time.Now().Add(-2 * time.Hour))
			b := s.browser()
			b.open(b.callbackAddress(s, "/"))
			challenging(s, 1000, challenge)

			passed(t, b.walk(s.URL+"/app"), challenge)

			if n := len(s.asked()); n != 2 {
				t.Errorf("the provider was asked %d times", n)
			}
			if b.open(s.URL+"/x").StatusCode != http.StatusOK {
				t.Error("the session is gone")
			}
		})
	}
}

// An upstream that asks for something else each time is stopped as any other loop.
func TestUpstreamAsksForSomethingElseEachTime(t *testing.T) {
	s := newSite(t, nil)
	b := s.browser()
	b.open(b.callbackAddress(s, "/"))
	challenging(s, 1000, wantsGold, strings.Replace(wantsGold, "gold", "silver", 1))

	p := b.walk(s.URL + "/app")

	isPage(t, p)
	if p.StatusCode != http.StatusBadRequest || !strings.Contains(p.Text, "asked for another login") {
		t.Errorf("the walk ends with %d: %s", p.StatusCode, p.Text)
	}
	if n := len(s.asked()); n != 4 {
		t.Errorf("the provider was asked %d times", n)
	}
	if s.metric("doorward_login_loops_total") != 1 || len(s.Log.events(t, "login_loop")) != 1 {
		t.Error("it is not counted as a loop")
	}
}

// An upstream cannot ask for what the rules before it refuse; what else it asks for is asked for together with what they want.
func TestUpstreamAsksForLessThanTheRules(t *testing.T) {
	for rule, c := range map[string]struct {
		challenge, acr, maxAge string
	}{
		"acr:gold,silver": {strings.Replace(wantsGold, `"gold"`, `"bronze silver"`, 1), "silver", ""},
		"acr:silver":      {`Bearer error="insufficient_user_authentication", max_age="60"`, "silver", "60"},
		"acr:platinum":    {wantsGold, "", ""},
	} {
		t.Run(rule, func(t *testing.T) {
			s := newSite(t, rules("/app "+rule))
			s.Provider.SignInAt(time.Now().Add(-time.Hour))
			b := s.browser()
			if p := b.walk(s.URL + "/oauth2/start?rd=/app&acr_values=" + strings.Split(rule[4:], ",")[0]); p.StatusCode != http.StatusOK {
				t.Fatalf("the login ends with %d: %s", p.StatusCode, p.Text)
			}
			challenging(s, 2, c.challenge)

			p := b.walk(s.URL + "/app")

			if c.acr == "" {
				passed(t, p, c.challenge)
				wasAsked(t, s, 1, "platinum", "")
				return
			}
			if p.StatusCode != http.StatusOK {
				t.Errorf("the walk ends with %d: %s", p.StatusCode, p.Text)
			}
			wasAsked(t, s, 2, c.acr, c.maxAge)
		})
	}
}

// Whom an upstream's challenge does not concern gets it byte for byte.
func TestChallengesThatPass(t *testing.T) {
	navigate, program := navigation(), headers("Accept", "application/json")
	for name, c := range map[string]struct {
		challenge string
		configure func(*config.Config)
		header    http.Header
		method    string
		anonymous bool
	}{
		"to a program":          {wantsGold, nil, program, "GET", false},
		"to a fetch":            {wantsGold, nil, fetched("cors", "empty"), "GET", false},
		"to a posted form":      {wantsGold, nil, navigate, "POST", false},
		"without our token":     {wantsGold, func(c *config.Config) { c.ForwardAccessToken = false }, navigate, "GET", false},
		"to nobody":             {wantsGold, rules("/app public"), navigate, "GET", true},
		"of another kind":       {strings.Replace(wantsGold, "insufficient_user_authentication", "invalid_token", 1), nil, navigate, "GET", false},
		"of another scheme":     {strings.Replace(wantsGold, "Bearer", "DPoP", 1), nil, navigate, "GET", false},
		"that asks nothing":     {`Bearer error="insufficient_user_authentication"`, nil, navigate, "GET", false},
		"that is malformed":     {wantsGold + `, max_age="`, nil, navigate, "GET", false},
		"that is there twice":   {wantsGold + ", " + wantsGold, nil, navigate, "GET", false},
		"that asks for odd acr": {strings.Replace(wantsGold, "gold", "g\u00f6ld", 1), nil, navigate, "GET", false},
		"with an odd time":      {strings.Replace(wantsGold, `acr_values="gold"`, `max_age="1e3"`, 1), nil, navigate, "GET", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, c.configure)
			b := s.signedIn("alice")
			if c.anonymous {
				b = s.browser()
			}
			challenging(s, 2, c.challenge)

			passed(t, b.request(c.method, s.URL+"/app", c.header, ""), c.challenge)

			if n := len(s.asked()); n != 1 {
				t.Errorf("the provider was asked %d times", n)
			}
		})
	}
}

// A challenge is about the token that the upstream was sent. Where that is dead, and the session goes on without, there was none.
func TestChallengesOfUpstreamsThatGotNoToken(t *testing.T) {
	s := newSite(t, func(c *config.Config) { c.SessionWithoutRefresh = "keep" })
	b := s.signedIn("alice")
	b.age(s, 2*time.Hour)
	challenging(s, 2, wantsGold)
	passed(t, b.open(s.URL+"/app"), wantsGold)
	if got := s.Upstream.last(t).Header.Get("Authorization"); got != "" {
		t.Errorf("the upstream got %.20q", got)
	}
}

// At a host where nobody signs in, an upstream's challenge passes, and who posted a form is led to no login.
func TestStepUpAtAHostThatOnlyARuleNames(t *testing.T) {
	s := newSite(t, rules("other.test/app authenticated\nother.test/strong/ acr:mfa"))
	at := func(request string) *page {
		return s.raw(request + " HTTP/1.1\r\nHost: other.test\r\nConnection: close\r\nAccept: text/html\r\nCookie: " + s.browserThat(t, "alice").cookieHeader(s) +
			"\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n")
	}
	p := at("POST /strong/pay")
	isPage(t, p)
	if p.StatusCode != http.StatusUnauthorized || strings.Contains(p.Text, "/oauth2/") {
		t.Errorf("the answer is %d: %s", p.StatusCode, p.Text)
	}
	s.Upstream.Answer = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", wantsGold)
		w.Header().Set("X-Upstream", "its own")
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, "the upstream's own words")
	}
	passed(t, at("GET /app"), wantsGold)
}

// Only a 401 asks for a login, whatever stands beside another status.
func TestChallengesBesideAnotherStatus(t *testing.T) {
	for _, status := range []int{http.StatusOK, http.StatusForbidden, http.StatusProxyAuthRequired} {
		s := newSite(t, nil)
		b := s.signedIn("alice")
		s.Upstream.Answer = func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", wantsGold)
			w.WriteHeader(status)
		}
		if p := b.open(s.URL + "/app"); p.StatusCode != status || p.Header.Get("WWW-Authenticate") != wantsGold {
			t.Errorf("%d arrives as %d, %q", status, p.StatusCode, p.Header.Get("WWW-Authenticate"))
		}
	}
}

// Of what an upstream likes as well, people are asked for what every login is asked for.
func TestUpstreamAsksForMoreThanEveryLogin(t *testing.T) {
	s := newSite(t, func(c *config.Config) { c.AuthParams = []string{"acr_values=mfa gold", "max_age=600"} })
	b := s.signedIn("alice")
	challenging(s, 2, strings.Replace(wantsGold, `"gold"`, `"silver gold"`, 1))

	if p := b.walk(s.URL + "/app"); p.StatusCode != http.StatusOK {
		t.Errorf("the walk ends with %d: %s", p.StatusCode, p.Text)
	}
	wasAsked(t, s, 2, "gold", "600")
}

// The page of a login that failed leads back into this site only, whatever address was asked for.
func TestFailedStepUpLeadsNowhereElse(t *testing.T) {
	m, _ := providertest.Find("step-up-acr-ignored")
	s := newSite(t, rules("/strong/ acr:mfa"), m)
	for _, rd := range []string{"//evil.example", "https://evil.example/", "javascript:alert(1)", "/oauth2/sign_out"} {
		p := s.browser().walk(s.URL + "/oauth2/start?acr_values=mfa&rd=" + url.QueryEscape(rd))
		isPage(t, p)
		if strings.Contains(p.Text, "evil") || strings.Contains(p.Text, "javascript") || strings.Contains(p.Text, "sign_out") {
			t.Errorf("rd=%s: %s", rd, p.Text)
		}
	}
}

// On a public page, too, an upstream may ask for more of somebody who is signed in.
func TestStepUpByAnUpstreamOfAPublicPage(t *testing.T) {
	s := newSite(t, rules("/app public"))
	b := s.signedIn("alice")
	challenging(s, 2, wantsGold)

	if p := b.walk(s.URL + "/app"); p.StatusCode != http.StatusOK {
		t.Errorf("the walk ends with %d: %s", p.StatusCode, p.Text)
	}
	wasAsked(t, s, 2, "gold", "")
}
