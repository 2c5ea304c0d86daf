package proxy_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"doorward/config"
	"doorward/proxy/providertest"
)

func offersPAR() providertest.Mutation {
	return providertest.Mutation{Name: "par-offered", PAR: "offered"}
}
func demandsPAR() providertest.Mutation {
	return providertest.Mutation{Name: "par-demanded", PAR: "required"}
}

// The whole request goes to the provider directly, and the browser carries nothing but the reference (RFC 9126 2.1, 4).
func TestPushedRequest(t *testing.T) {
	s := newSite(t, func(c *config.Config) { c.AuthParams = []string{"prompt=select_account", "acr_values=one two"} }, demandsPAR())

	p := s.browser().open(s.URL + "/deep")

	if p.StatusCode != http.StatusSeeOther {
		t.Errorf("the redirect is a %d", p.StatusCode)
	}
	pushed := s.Provider.Requests(providertest.Push)[0]
	at := p.location()
	q := at.Query()
	if len(q) != 2 || q.Get("client_id") != providertest.ClientID || !strings.HasPrefix(q.Get("request_uri"), "urn:ietf:params:oauth:request_uri:") {
		t.Errorf("the browser carries %v", q)
	}
	if at.RawQuery = ""; at.String() != s.Provider.URL(providertest.Authorization) {
		t.Errorf("it is sent to %s", at)
	}
	if pushed.Method != http.MethodPost || pushed.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || len(pushed.Query) != 0 {
		t.Errorf("the request is a %s of %s with query %v", pushed.Method, pushed.Header.Get("Content-Type"), pushed.Query)
	}
	for name, want := range map[string]string{
		"client_id": providertest.ClientID, "response_type": "code", "scope": "openid profile email", "code_challenge_method": "S256",
		"redirect_uri": s.URL + "/oauth2/callback", "prompt": "select_account", "acr_values": "one two",
	} {
		if len(pushed.Form[name]) != 1 || pushed.Form.Get(name) != want {
			t.Errorf("%s is %q, not %q", name, pushed.Form[name], want)
		}
	}
	if len(pushed.Form) != 10 { // state, nonce and code_challenge too, which the provider has judged
		t.Errorf("pushed are %v", pushed.Form)
	}
}

// Whether requests are pushed is the provider's to demand and the settings' to ask for; that it can be done is no reason.
func TestWhenRequestsArePushed(t *testing.T) {
	for name, test := range map[string]struct {
		setting string
		offer   providertest.Mutation
		pushed  int
	}{
		"auto, not offered": {"auto", providertest.Mutation{}, 0},
		"auto, offered":     {"auto", offersPAR(), 0},
		"auto, demanded":    {"auto", demandsPAR(), 1},
		"always, offered":   {"always", offersPAR(), 1},
		"always, demanded":  {"always", demandsPAR(), 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, func(c *config.Config) { c.PAR = test.setting }, test.offer)

			s.signedIn("alice")

			if n := len(s.Provider.Requests(providertest.Push)); n != test.pushed {
				t.Errorf("the request was pushed %d times", n)
			}
			if n := s.metrics()[`doorward_provider_request_duration_seconds_count{code="201",endpoint="par"}`]; n != float64(test.pushed) {
				t.Errorf("the metric counts %v pushed requests", n)
			}
		})
	}
}

// Who is told to push always and finds nowhere to push is told so, and never falls back to the browser.
func TestAlwaysPushingWithoutEndpoint(t *testing.T) {
	s := newSite(t, func(c *config.Config) { c.PAR = "always" })
	b := s.browser()

	p := b.walk(s.URL + "/admin/secret?q=canary-query")

	isPage(t, p)
	if p.StatusCode != http.StatusBadGateway {
		t.Errorf("the login ends with %d", p.StatusCode)
	}
	wentNoFurther(t, s, providertest.AtDiscovery)
	hasNoCookies(t, s, b, providertest.AtDiscovery)
	failedWith(t, s, "invalid_metadata")
	if cause := s.Log.events(t, "login_failed")[0]["error"].(string); !strings.Contains(cause, "pushed_authorization_request_endpoint") || !strings.Contains(cause, "DOORWARD_PAR") {
		t.Errorf("the log says %q", cause)
	}
}

// A reference is good for one login. Whoever reloads begins another, and whoever goes back to the provider's address with a used one
// is refused there.
func TestEachLoginPushesAnew(t *testing.T) {
	s := newSite(t, nil, demandsPAR())
	b := s.browser()

	first := b.open(s.URL + "/x").location().String()
	if reloaded := b.open(s.URL + "/x").location().String(); reloaded == first {
		t.Error("the reloaded page leads to the same reference")
	}
	if p := b.walk(first); p.StatusCode != http.StatusOK {
		t.Errorf("the first of two tabs ends with %d: %s", p.StatusCode, p.Text)
	}
	if p := b.open(first); p.StatusCode != http.StatusBadRequest {
		t.Errorf("the provider answers a used reference with %d", p.StatusCode)
	}
	if n := len(s.Provider.Requests(providertest.Push)); n != 2 {
		t.Errorf("two logins pushed %d times", n)
	}
}

// What is said to people names the provider's reason and where to go on, and no failure outlasts its cause.
func TestPushThatFailsAndThenDoesNot(t *testing.T) {
	var broken atomic.Bool
	broken.Store(true)
	s := newSite(t, nil, providertest.Mutation{PAR: "required", PushReply: func(_ *providertest.Provider, a *providertest.Answer) {
		if broken.Load() {
			a.Status, a.Members = http.StatusBadRequest, map[string]any{"error": "invalid_scope", "error_description": "canary-description"}
		}
	}})
	b := s.browser()

	p := b.walk(s.URL + "/admin/secret?q=1")

	isPage(t, p)
	if p.StatusCode != http.StatusBadGateway || !strings.Contains(p.Text, "invalid_scope") || strings.Contains(p.Text, "DOORWARD_CLIENT") {
		t.Errorf("the page is a %d: %s", p.StatusCode, p.Text)
	}
	if !strings.Contains(p.Text, "/oauth2/start?rd="+url.QueryEscape("/admin/secret?q=1")) {
		t.Errorf("the page leads nowhere: %s", p.Text)
	}
	failedWith(t, s, "par_failed")
	if !strings.Contains(s.Log.String(), "canary-description") {
		t.Error("the log does not repeat the provider's description")
	}
	if s.metric("doorward_logins_started_total") != 0 {
		t.Error("a login that did not begin is counted as begun")
	}

	broken.Store(false)
	if p := b.walk(s.URL + "/oauth2/start?rd=/admin/"); p.StatusCode != http.StatusOK {
		t.Errorf("the next login ends with %d", p.StatusCode)
	}
}

// Programs are no reason to push anything.
func TestProgramsPushNothing(t *testing.T) {
	s := newSite(t, nil, demandsPAR())
	s.browser().request(http.MethodGet, s.URL+"/api", http.Header{"Accept": {"application/json"}}, "")
	s.browser().request(http.MethodGet, s.URL+"/oauth2/start", http.Header{"Accept": {"image/png"}, "Sec-Fetch-Mode": {"no-cors"}}, "")
	if n := len(s.Provider.Requests(providertest.Push)); n != 0 {
		t.Errorf("the request was pushed %d times", n)
	}
}

func TestPushedFormPost(t *testing.T) {
	s := newTLSSite(t, func(c *config.Config) { c.ResponseMode = "form_post" }, demandsPAR())

	if p := s.browser().walk(s.URL + "/admin/"); p.StatusCode != http.StatusOK {
		t.Errorf("the login ends with %d: %s", p.StatusCode, p.Text)
	}
	if got := s.Provider.Requests(providertest.Push)[0].Form.Get("response_mode"); got != "form_post" {
		t.Errorf("response_mode is %q", got)
	}
}

// Neither page nor log nor metric of a pushed request that fails holds anything of it, in whichever way it fails.
func TestFailedPushShowsNoSecret(t *testing.T) {
	for _, m := range providertest.Misbehaviours() {
		if m.Stops != providertest.AtPush || hangs(m) {
			continue
		}
		t.Run(m.Name, func(t *testing.T) {
			t.Parallel()
			c := byPEM("", newEC(), "ES256")
			s := newSite(t, c.configure, m)
			s.Provider.Register(c.known)

			p := s.browser().walk(s.URL + "/admin/secret")

			failedWith(t, s, "par_failed")
			for what, secret := range secretsOf(s) {
				if strings.Contains(p.Text, secret) {
					t.Errorf("the %s is on the page", what)
				}
			}
		})
	}
}
