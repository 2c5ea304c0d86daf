package proxy_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"doorward/config"
	"doorward/proxy/providertest"
)

// Every way in which a provider can misbehave ends without a session, on a page that a person can read, and the login
// stops where a sound client stops.
func TestProviderMisbehaves(t *testing.T) {
	for _, m := range providertest.Misbehaviours() {
		if hangs(m) {
			continue
		}
		t.Run(m.Name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, nil, m)
			b := s.browser()

			p := b.walk(s.URL + "/admin/secret?q=canary-query")

			if p.StatusCode < 400 || p.StatusCode > 599 {
				t.Errorf("the login ends with status %d", p.StatusCode)
			}
			isPage(t, p)
			wentNoFurther(t, s, m.Stops)
			hasNoCookies(t, s, b, m.Stops)
			hasNoSession(t, s, b)
			isRecorded(t, s, m, p)
		})
	}
}

// hangs tells the mutations that end at a deadline of doorward's alone.
func hangs(m providertest.Mutation) bool {
	return strings.HasSuffix(m.Name, "-hang") || strings.HasSuffix(m.Name, "-drip")
}

// A provider that never answers is given up on. The logins wait side by side, since each takes seconds.
func TestProviderHangs(t *testing.T) {
	t.Parallel()
	type login struct {
		mutation providertest.Mutation
		site     *site
		browser  *browser
		answer   *http.Response
		err      error
	}
	var logins []*login
	var all sync.WaitGroup
	for _, m := range providertest.Misbehaviours() {
		if hangs(m) {
			s := newSite(t, nil, m)
			l := &login{mutation: m, site: s, browser: s.browser()}
			logins = append(logins, l)
			all.Go(func() { l.answer, l.err = l.browser.wander(s.URL + "/admin/secret?q=canary-query") })
		}
	}
	all.Wait()
	for _, l := range logins {
		t.Run(l.mutation.Name, func(t *testing.T) {
			if l.err != nil {
				t.Fatal(l.err)
			}
			p := read(t, l.answer, l.site.URL)
			isPage(t, p)
			wentNoFurther(t, l.site, l.mutation.Stops)
			hasNoSession(t, l.site, l.browser)
			isRecorded(t, l.site, l.mutation, p)
		})
	}
}

// What is wrong is as wrong when the browser posts the answer, and userinfo is asked in any case: nobody asks it too early.
func TestProviderMisbehavesByFormPost(t *testing.T) {
	for _, m := range providertest.Misbehaviours() {
		if m.Stops == providertest.AtDiscovery || hangs(m) {
			continue
		}
		t.Run(m.Name, func(t *testing.T) {
			t.Parallel()
			s := newTLSSite(t, func(c *config.Config) { c.ResponseMode, c.Userinfo = "form_post", "always" }, m)
			b := s.browser()

			p := b.walk(s.URL + "/admin/secret?q=canary-query")

			isPage(t, p)
			wentNoFurther(t, s, m.Stops)
			hasNoCookies(t, s, b, m.Stops)
			hasNoSession(t, s, b)
			isRecorded(t, s, m, p)
		})
	}
}

// wentNoFurther checks that no request was made after the stage at which the login should have stopped.
func wentNoFurther(t *testing.T, s *site, stage providertest.Stage) {
	t.Helper()
	for endpoint, reached := range map[providertest.Endpoint]providertest.Stage{
		providertest.Push:          providertest.AtPush,
		providertest.Authorization: providertest.AtCallback,
		providertest.Token:         providertest.AtTokens,
		providertest.Userinfo:      providertest.AtUserinfo,
	} {
		if n := len(s.Provider.Requests(endpoint)); n > 0 && reached > stage {
			t.Errorf("%d requests were made to the %s endpoint", n, endpoint)
		}
	}
	if n := len(s.Provider.Requests(providertest.Token)); n > 1 {
		t.Errorf("the code was sent to the token endpoint %d times", n)
	}
	if n := len(s.Provider.Requests(providertest.Push)); n > 1 {
		t.Errorf("the request was pushed %d times", n)
	}
	if n := len(s.Upstream.Received()); n > 0 {
		t.Errorf("the upstream received %d requests", n)
	}
}

// hasNoCookies checks that a login that came to the code exchange took its cookie with it, whatever became of it, and that one
// that did not come to the provider left none.
func hasNoCookies(t *testing.T, s *site, b *browser, stage providertest.Stage) {
	t.Helper()
	if held := b.cookies(s.URL); stage != providertest.AtCallback && len(held) != 0 {
		t.Errorf("the browser still holds %d cookies", len(held))
	}
}

// hasNoSession checks that the browser holds nothing with which it is somebody.
func hasNoSession(t *testing.T, s *site, b *browser) {
	t.Helper()
	if p := b.request(http.MethodGet, s.URL+"/api", http.Header{"Accept": {"application/json"}}, ""); p.StatusCode != http.StatusUnauthorized {
		t.Errorf("afterwards the browser's request is answered %d, so there is a session", p.StatusCode)
	}
}

// isRecorded checks that metric and log have one failed login more, and say of what, and that no secret is there or on the page.
func isRecorded(t *testing.T, s *site, m providertest.Mutation, p *page) {
	t.Helper()
	failedWith(t, s, resultOf(m))
	cause := s.Log.events(t, "login_failed")[0]["error"].(string)
	name, _, _ := strings.Cut(m.Name, "-with-")
	for word := range strings.SplitSeq(name, "-") {
		if isClaim := slices.Contains(namedInLogs(), word); isClaim && !strings.Contains(cause, word) {
			t.Errorf("the log does not name %s: %s", word, cause)
		}
	}
	for what, secret := range secretsOf(s) {
		if what != "query" && strings.Contains(p.Text, secret) { // people may see where they wanted to go
			t.Errorf("the %s is on the page", what)
		}
	}
}

// namedInLogs are words that an event must name when the mutation is named after them.
func namedInLogs() []string {
	return []string{"iss", "sub", "aud", "azp", "exp", "iat", "nbf", "nonce", "acr", "sid", "typ", "crit", "events", "encrypted", "redirect",
		"issuer", "userinfo", "uri", "state", "code", "token", "signature", "groups", "exponent", "private", "order"}
}

// failedWith checks metric and log.
func failedWith(t *testing.T, s *site, result string) {
	t.Helper()
	if s.metric(`doorward_logins_total{result="ok"}`) != 0 {
		t.Error("the login is counted as a success")
	}
	if s.metric(`doorward_logins_total{result="`+result+`"}`) != 1 {
		t.Errorf("logins_total does not count it as %s: %v", result, counted(s))
	}
	failed := s.Log.events(t, "login_failed")
	if len(failed) != 1 {
		t.Fatalf("login_failed is in the log %d times:\n%s", len(failed), s.Log)
	}
	if cause, _ := failed[0]["error"].(string); cause == "" {
		t.Errorf("the event does not say what was wrong: %v", failed[0])
	}
	hasNoSecret(t, s)
}

func counted(s *site) []string {
	var results []string
	for series, value := range s.metrics() {
		if strings.HasPrefix(series, "doorward_logins_total") && value > 0 {
			results = append(results, series)
		}
	}
	return results
}

// resultOf is the fixed name under which a failed login is counted.
func resultOf(m providertest.Mutation) string {
	if m.Stops == providertest.AtPush {
		return "par_failed"
	}
	if _, how, _ := strings.Cut(m.Name, "-"); slices.Contains(brokenAnswers(), how) {
		return resultOfBrokenAnswer(m)
	}
	switch m.Name {
	case "fapi2-security-profile-final-client-test-invalid-authorization-response-iss",
		"fapi2-security-profile-final-client-test-remove-authorization-response-iss",
		"callback-iss-unannounced-and-wrong", "callback-iss-empty", "callback-iss-without-slash", "callback-error-wrong-iss",
		"callback-error-wrong-iss-unannounced", "callback-error-missing-iss":
		return "issuer_mismatch"
	case "fapi2-security-profile-final-client-ensure-authorization-response-with-invalid-state-fails", "callback-error-wrong-state":
		return "no_login_state"
	case "callback-error-access-denied", "callback-error-server-error", "callback-error-temporarily-unavailable",
		"callback-error-login-required", "callback-error-unknown", "callback-error-script", "callback-error-with-iss":
		return "provider_error"
	case "token-invalid-grant", "token-error-with-200":
		return "code_refused"
	case "token-invalid-client", "token-id-token-huge":
		return "token_request_failed"
	case "oidcc-client-test-nonce-invalid", "fapi2-security-profile-final-client-test-invalid-missing-nonce",
		"id-token-nonce-empty", "id-token-nonce-array":
		return "nonce_mismatch"
	}
	return resultByStage(m)
}

// brokenAnswers end the names of mutations whose answer cannot be read to its end, or is no success.
func brokenAnswers() []string {
	return []string{"500", "503", "cut", "huge", "bomb", "redirect", "redirect-302", "redirect-307", "redirect-308", "hang", "drip", "head-drip",
		"head-endless", "hints-endless", "other-protocol"}
}

func resultOfBrokenAnswer(m providertest.Mutation) string {
	switch prefix, _, _ := strings.Cut(m.Name, "-"); prefix {
	case "token":
		return "token_request_failed"
	case "userinfo":
		return "invalid_userinfo"
	}
	return "provider_unavailable"
}

func resultByStage(m providertest.Mutation) string {
	switch {
	case m.Stops == providertest.AtDiscovery, slices.Contains([]string{"jwks-html", "jwks-empty", "jwks-array", "jwks-keys-twice"}, m.Name):
		return "invalid_metadata"
	case m.Stops == providertest.AtCallback:
		return "invalid_answer"
	case m.Stops == providertest.AtUserinfo:
		return "invalid_userinfo"
	case strings.HasPrefix(m.Name, "access-token-"):
		return "invalid_access_token"
	case strings.HasPrefix(m.Name, "token-") && m.Name != "token-id-token-dots":
		return "invalid_token_response"
	}
	return "invalid_id_token"
}

// What the standards allow is no reason to turn people away.
func TestOddProvidersAreAccepted(t *testing.T) {
	for _, m := range providertest.Oddities() {
		t.Run(m.Name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, nil, m)

			p := s.browser().walk(s.URL + "/admin/?q=1")

			if p.StatusCode != http.StatusOK {
				t.Fatalf("the login ends with %d: %s\n%s", p.StatusCode, p.Text, s.Log)
			}
			if groups := s.Upstream.last(t).Header.Get("X-Forwarded-Groups"); groups != "Admin,Dev" {
				t.Errorf("the upstream is told the groups %q", groups)
			}
			if s.metric(`doorward_logins_total{result="ok"}`) != 1 {
				t.Error("the login is not counted as a success")
			}
		})
	}
}

// A request for keys that is never answered stalls the login that waits for it; those that come a little later are not stalled.
func TestHungKeyRequestBlocksNobody(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	s := newSite(t, nil, providertest.Mutation{Name: "jwks-hang-once", KeySetReply: func(_ *providertest.Provider, a *providertest.Answer) {
		a.Hang = asked.Add(1) == 1
	}})
	if p := s.browser().walk(s.URL + "/"); p.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("the login that stalled ends with %d", p.StatusCode)
	}

	// People who try again are let in as soon as doorward asks again, five seconds later at most.
	again := time.NewTicker(250 * time.Millisecond)
	defer again.Stop()
	for range 40 {
		if p := s.browser().walk(s.URL + "/"); p.StatusCode == http.StatusOK {
			saysFailedAndRecovered(t, s, "keys")
			return
		}
		<-again.C
	}
	t.Error("ten seconds later nobody can log in yet")
}

// saysFailedAndRecovered checks that the log says once that a document could not be had, and once that it can.
func saysFailedAndRecovered(t *testing.T, s *site, document string) {
	t.Helper()
	failed, recovered := s.Log.events(t, "provider_failed"), s.Log.events(t, "provider_recovered")
	if len(failed) != 1 || failed[0]["document"] != document || failed[0]["error"] == "" || failed[0]["level"] != "warn" {
		t.Errorf("that they could not be had is logged as %v", failed)
	}
	if len(recovered) != 1 || recovered[0]["document"] != document {
		t.Errorf("that they can be had is logged as %v", recovered)
	}
}

// However many tokens name keys that are not there, or bear a wrong signature, the provider is not asked for keys each time.
func TestForgedTokensDoNotAskForKeysEachTime(t *testing.T) {
	for _, name := range []string{"id-token-kid-unknown", "oidcc-client-test-invalid-sig-rs256"} {
		m, _ := providertest.Find(name)
		s := newSite(t, nil, m)
		for range 8 {
			s.browser().walk(s.URL + "/")
		}
		if n := len(s.Provider.Requests(providertest.Keys)); n > 2 {
			t.Errorf("%s: the keys were asked for %d times", name, n)
		}
	}
}

// Where doorward reaches the provider by another origin than browsers do, each goes its own way, and the issuer stays the issuer.
func TestProviderInternalURL(t *testing.T) {
	outside := func(address string) string { return strings.Replace(address, "127.0.0.1", "provider.localhost", 1) }
	rename := func(_ *providertest.Provider, j *providertest.JWT) {
		j.Claims["iss"] = outside(j.Claims["iss"].(string))
	}
	s := newSite(t, func(c *config.Config) {
		at, _ := url.Parse(c.IssuerURL)
		c.ProviderInternalURL = "http://" + at.Host
		c.IssuerURL = outside(c.IssuerURL)
	}, providertest.Mutation{
		Name: "seen-from-outside", IDToken: rename, AccessToken: rename,
		Metadata: func(_ *providertest.Provider, members map[string]any) {
			for name, value := range members {
				if text, is := value.(string); is {
					members[name] = outside(text)
				}
			}
		},
	})
	b := s.browser()

	at := b.open(s.URL + "/x").location()
	if at.Hostname() != "provider.localhost" {
		t.Errorf("browsers are sent to %s", at.Host)
	}
	at.Host = strings.Replace(at.Host, "provider.localhost", "127.0.0.1", 1)
	if p := b.walk(at.String()); p.StatusCode != http.StatusOK {
		t.Errorf("the login ends with %d: %s\n%s", p.StatusCode, p.Text, s.Log)
	}
}

// Who asked for several claims and did not get the one that names people has nobody to let in.
func TestPersonWithoutName(t *testing.T) {
	s := newSite(t, func(c *config.Config) { c.UserClaim = "employee" })
	b := s.browser()

	p := b.walk(s.URL + "/")

	isPage(t, p)
	hasNoSession(t, s, b)
	failedWith(t, s, "unusable_claims")
}

// A token that is over when it arrives, or whose lifetime makes no sense, ends on a page and never in circles.
func TestOddLifetimes(t *testing.T) {
	for name, value := range map[string]any{
		"zero": 0, "negative": -5, "text": "3600", "words": "soon", "fraction": 3600.5, "huge": 1e300, "null": nil, "list": []int{1},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, nil, providertest.Mutation{Name: "expires-in", TokenReply: func(_ *providertest.Provider, a *providertest.Answer) {
				a.Members["expires_in"] = value
			}})

			p := s.browser().walk(s.URL + "/x")

			if p.StatusCode != http.StatusOK {
				isPage(t, p)
			}
			if p.StatusCode == http.StatusInternalServerError {
				t.Errorf("the answer is a 500: %s", p.Text)
			}
		})
	}
}

// Module oidcc-client-test-signing-key-rotation: a second login in the same process, after the keys have changed.
func TestKeysRotateBetweenLogins(t *testing.T) {
	s := newSite(t, nil)
	s.signedIn("alice")
	s.Provider.RotateKeys()

	s.signedIn("bob")

	if n := len(s.Provider.Requests(providertest.Keys)); n < 2 {
		t.Errorf("the keys were fetched %d times", n)
	}
}

// A genuine ID token of an earlier login belongs to another nonce (OIDC Core 15.5.2).
func TestReplayedIDTokenIsRefused(t *testing.T) {
	var first string
	s := newSite(t, nil, providertest.Mutation{Name: "id-token-replay", IDToken: func(_ *providertest.Provider, j *providertest.JWT) {
		delete(j.Claims, "at_hash")
		j.Finish = func(compact string) string {
			if first == "" {
				first = compact
			}
			return first
		}
	}})
	s.signedIn("alice")
	b := s.browser()

	p := b.walk(s.URL + "/")

	isPage(t, p)
	hasNoSession(t, s, b)
	if s.metric(`doorward_logins_total{result="nonce_mismatch"}`) != 1 {
		t.Errorf("it is counted as %v", counted(s))
	}
}

// Who asks for max_age must look at auth_time (OIDC Core 3.1.2.1, 3.1.3.7 (13)).
func TestMaxAgeIsChecked(t *testing.T) {
	for claim, result := range map[any]string{nil: "unmet_authentication", int64(-3600): "unmet_authentication", "now": "invalid_id_token"} {
		t.Run(fmt.Sprint(claim), func(t *testing.T) {
			s := newSite(t, func(c *config.Config) { c.AuthParams = []string{"max_age=60"} },
				providertest.Mutation{Name: "K10", IDToken: func(_ *providertest.Provider, j *providertest.JWT) {
					switch v := claim.(type) {
					case nil:
						delete(j.Claims, "auth_time")
					case int64:
						j.Claims["auth_time"] = j.Claims["iat"].(int64) + v
					default:
						j.Claims["auth_time"] = v
					}
				}})
			b := s.browser()

			p := b.walk(s.URL + "/")

			isPage(t, p)
			hasNoSession(t, s, b)
			if s.metric(`doorward_logins_total{result="`+result+`"}`) != 1 {
				t.Errorf("it is counted as %v", counted(s))
			}
		})
	}
}

func TestMaxAgeIsMet(t *testing.T) {
	s := newSite(t, func(c *config.Config) { c.AuthParams = []string{"max_age=60"} })
	s.signedIn("alice")
}

// The authorization request, parameter by parameter (OIDC Core 3.1.2.1; RFC 7636 4.3).
func TestAuthorizationRequest(t *testing.T) {
	s := newSite(t, func(c *config.Config) { c.AuthParams = []string{"prompt=select_account", "acr_values=one two"} })

	p := s.browser().open(s.URL + "/deep")

	if p.StatusCode != http.StatusSeeOther {
		t.Errorf("the redirect is a %d, not a 303 (RFC 9700 4.12)", p.StatusCode)
	}
	at := p.location()
	q := at.Query()
	at.RawQuery = ""
	if at.String() != s.Provider.URL(providertest.Authorization) {
		t.Errorf("it leads to %s", at)
	}
	for name, want := range map[string]string{
		"client_id": providertest.ClientID, "response_type": "code", "scope": "openid profile email",
		"redirect_uri": s.URL + "/oauth2/callback", "code_challenge_method": "S256", "prompt": "select_account", "acr_values": "one two",
	} {
		if len(q[name]) != 1 || q.Get(name) != want {
			t.Errorf("%s is %q, not %q", name, q[name], want)
		}
		q.Del(name)
	}
	for _, name := range []string{"state", "nonce", "code_challenge"} {
		decoded, err := base64.RawURLEncoding.DecodeString(q.Get(name))
		if err != nil || len(decoded) != 32 || len(q[name]) != 1 {
			t.Errorf("%s is %q, not 32 bytes in base64url", name, q[name])
		}
		q.Del(name)
	}
	if len(q) != 0 {
		t.Errorf("there is more in it: %v", q)
	}
}

// Scopes, response mode and an internal address for doorward's own requests are as configured.
func TestAuthorizationRequestOfFormPost(t *testing.T) {
	s := newTLSSite(t, func(c *config.Config) {
		c.ResponseMode = "form_post"
		c.Scopes = "openid groups"
	})

	q := s.browser().open(s.URL + "/").location().Query()

	if q.Get("response_mode") != "form_post" || q.Get("scope") != "openid groups" {
		t.Errorf("response_mode is %q, scope %q", q.Get("response_mode"), q.Get("scope"))
	}
}

func TestFormPostLogin(t *testing.T) {
	s := newTLSSite(t, func(c *config.Config) { c.ResponseMode = "form_post" })

	p := s.browser().walk(s.URL + "/admin/?x=1")

	if p.StatusCode != http.StatusOK || s.Upstream.last(t).URI != "/admin/?x=1" {
		t.Errorf("the login ends with %d: %s", p.StatusCode, p.Text)
	}
}

// Module oidcc-client-test-form-post-error.
func TestFormPostError(t *testing.T) {
	m, _ := providertest.Find("callback-error-access-denied")
	s := newTLSSite(t, func(c *config.Config) { c.ResponseMode = "form_post" }, m)
	b := s.browser()

	p := b.walk(s.URL + "/")

	isPage(t, p)
	hasNoSession(t, s, b)
	if !strings.Contains(p.Text, "access_denied") || !strings.Contains(p.Text, "The user refused.") {
		t.Errorf("the page does not repeat what the provider said: %s", p.Text)
	}
}

// state, nonce and verifier belong to one login alone.
func TestLoginSecretsAreFresh(t *testing.T) {
	s := newSite(t, nil)
	b := s.browser()
	seen := map[string]bool{}
	for range 5 {
		q := b.open(s.URL + "/").location().Query()
		for _, name := range []string{"state", "nonce", "code_challenge"} {
			if seen[q.Get(name)] {
				t.Errorf("%s comes twice", name)
			}
			seen[q.Get(name)] = true
		}
	}
}

// The token request, parameter by parameter (OIDC Core 3.1.3.1; RFC 6749 4.1.3; RFC 7636 4.5).
func TestTokenRequest(t *testing.T) {
	s := newSite(t, nil)
	b := s.browser()
	callback, err := url.Parse(b.callbackAddress(s, "/"))
	if err != nil {
		t.Fatal(err)
	}
	b.open(callback.String())

	sent := s.Provider.Requests(providertest.Token)[0]
	asked := s.Provider.Requests(providertest.Authorization)[0].Query

	if sent.Method != http.MethodPost || sent.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || len(sent.Query) != 0 {
		t.Errorf("it is a %s of %s with query %v", sent.Method, sent.Header.Get("Content-Type"), sent.Query)
	}
	if user, secret, ok := basic(sent.Header); !ok || user != providertest.ClientID || secret != url.QueryEscape(providertest.ClientSecret) {
		t.Error("the client does not prove itself by HTTP Basic, form-encoded (RFC 6749 2.3.1)")
	}
	challenge := sha256.Sum256([]byte(sent.Form.Get("code_verifier")))
	if base64.RawURLEncoding.EncodeToString(challenge[:]) != asked.Get("code_challenge") || len(sent.Form.Get("code_verifier")) != 43 {
		t.Error("code_verifier is not the 43 characters to which code_challenge belongs")
	}
	for name, want := range map[string]string{
		"grant_type": "authorization_code", "code": callback.Query().Get("code"), "redirect_uri": asked.Get("redirect_uri"),
		"code_verifier": sent.Form.Get("code_verifier"),
	} {
		if len(sent.Form[name]) != 1 || sent.Form.Get(name) != want {
			t.Errorf("%s is %q", name, sent.Form[name])
		}
		delete(sent.Form, name)
	}
	delete(sent.Form, "client_id") // allowed beside HTTP Basic; the provider compares it
	if len(sent.Form) != 0 {
		t.Errorf("there is more in it: %v", sent.Form)
	}
}

func basic(h http.Header) (user, secret string, ok bool) {
	return (&http.Request{Header: h}).BasicAuth()
}

// The userinfo request (RFC 6750 2.1): the token in the header, once.
func TestUserinfoRequest(t *testing.T) {
	m, _ := providertest.Find("oidcc-client-test-scope-userinfo-claims")
	s := newSite(t, nil, m)
	s.signedIn("alice")

	sent := s.Provider.Requests(providertest.Userinfo)

	if len(sent) != 1 || sent[0].Method != http.MethodGet || len(sent[0].Query) != 0 || len(sent[0].Form) != 0 {
		t.Fatalf("the requests are %v", sent)
	}
	if scheme, _, _ := strings.Cut(sent[0].Header.Get("Authorization"), " "); scheme != "Bearer" {
		t.Errorf("the scheme is %q", scheme)
	}
}

// Where both tokens say everything, userinfo is not on the way.
func TestUserinfoIsNotAskedForNothing(t *testing.T) {
	s := newSite(t, nil)
	s.signedIn("alice")
	if n := len(s.Provider.Requests(providertest.Userinfo)); n != 0 {
		t.Errorf("userinfo was asked %d times", n)
	}
}

// Userinfo is asked at the login, and not for the requests that follow.
func TestUserinfoIsNotOnTheWayOfRequests(t *testing.T) {
	s := newSite(t, func(c *config.Config) { c.Userinfo = "always" })
	b := s.signedIn("alice")
	for range 10 {
		b.open(s.URL + "/admin/")
	}
	if n := len(s.Provider.Requests(providertest.Userinfo)); n != 1 {
		t.Errorf("userinfo was asked %d times", n)
	}
}

// What userinfo says of groups does not count where a token says something else (OIDC Core 5.3.2: it is about the same person, but
// not signed).
func TestTokensCountBeforeUserinfo(t *testing.T) {
	s := newSite(t, func(c *config.Config) { c.Userinfo = "always" },
		providertest.Mutation{Name: "D19", Userinfo: func(_ *providertest.Provider, a *providertest.Answer) { a.Members["groups"] = []string{"Admin"} }})
	b := s.signedIn("bob")
	if p := b.open(s.URL + "/admin/"); p.StatusCode != http.StatusForbidden {
		t.Errorf("/admin/ is answered %d", p.StatusCode)
	}
}

// Where userinfo is always wanted and there is none, no login begins, and the log names the setting.
func TestUserinfoThatIsMissing(t *testing.T) {
	s := newSite(t, func(c *config.Config) { c.Userinfo = "always" }, providertest.Mutation{Name: "no-userinfo",
		Metadata: func(_ *providertest.Provider, members map[string]any) { delete(members, "userinfo_endpoint") }})

	p := s.browser().walk(s.URL + "/")

	isPage(t, p)
	wentNoFurther(t, s, providertest.AtDiscovery)
	failedWith(t, s, "invalid_metadata")
	if cause, _ := s.Log.events(t, "login_failed")[0]["error"].(string); !strings.Contains(cause, "DOORWARD_USERINFO") {
		t.Errorf("the log says %q", cause)
	}
}

// People are told apart by sub alone (OIDC Core 5.7): who has somebody's verified address is not that person.
func TestPeopleWithOneAddress(t *testing.T) {
	s := newSite(t, nil)
	s.Provider.AddUser(providertest.User{Subject: "namesake", Email: "alice@example.com"})
	alice, namesake := s.signedIn("alice"), s.signedIn("namesake")

	for person, b := range map[string]*browser{"alice": alice, "namesake": namesake} {
		b.open(s.URL + "/x")
		if got := s.Upstream.last(t).Header.Get("X-Forwarded-User"); got != person {
			t.Errorf("%s is forwarded as %q", person, got)
		}
	}
	if p := namesake.open(s.URL + "/admin/"); p.StatusCode != http.StatusForbidden {
		t.Errorf("to the namesake /admin/ is answered %d", p.StatusCode)
	}
}

// A provider that is down is no reason not to start; people are told, and nothing is needed for doorward to recover.
func TestProviderIsDown(t *testing.T) {
	s := newSite(t, nil)
	s.Provider.Stop()

	p := s.browser().open(s.URL + "/")

	if p.StatusCode != http.StatusServiceUnavailable || p.Header.Get("Retry-After") == "" {
		t.Errorf("people are answered %d, Retry-After %q", p.StatusCode, p.Header.Get("Retry-After"))
	}
	isPage(t, p)
	if names := p.setsCookies(); len(names) != 0 {
		t.Errorf("cookies are set: %v", names)
	}
}

// Who asks for it is ready only when the provider has been reached, and then stays so.
func TestReadyRequiresTheProvider(t *testing.T) {
	for _, reached := range []bool{true, false} {
		s := newSite(t, func(c *config.Config) { c.ReadyRequires = []string{"provider"} })
		ready := func() bool {
			w := httptest.NewRecorder()
			s.Proxy.Admin().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/readyz", nil))
			return w.Code == http.StatusOK
		}
		if reached && !ready() {
			t.Error("though the provider answers, it is not ready")
		}
		s.Provider.Stop()
		if ready() != reached {
			t.Errorf("when the provider was reached before it went down (%v), ready is %v", reached, !reached)
		}
	}
}

// Sessions do not need the provider.
func TestSessionsOutliveTheProvider(t *testing.T) {
	s := newSite(t, nil)
	b := s.signedIn("alice")
	s.Provider.Stop()

	if p := b.open(s.URL + "/admin/"); p.StatusCode != http.StatusOK {
		t.Errorf("with a session the answer is %d", p.StatusCode)
	}
}

// The member names of JSON are compared exactly: SUB is not sub (RFC 8259 4; Go's own decoder differs).
func TestClaimsAreTakenByTheirExactNames(t *testing.T) {
	s := newSite(t, nil, providertest.Mutation{Name: "GROUPS", IDToken: func(_ *providertest.Provider, j *providertest.JWT) {
		j.Claims["GROUPS"], j.Claims["Email"] = []string{"Admin"}, "root@example.com"
		delete(j.Claims, "groups")
	}, AccessToken: func(_ *providertest.Provider, j *providertest.JWT) {
		delete(j.Claims, "groups")
	}, Userinfo: func(_ *providertest.Provider, a *providertest.Answer) { delete(a.Members, "groups") }})
	b := s.browser()
	b.Person = "bob"

	p := b.walk(s.URL + "/admin/")

	if p.StatusCode < 400 {
		t.Errorf("bob is let in by a claim GROUPS: %d", p.StatusCode)
	}
	for _, r := range s.Upstream.Received() {
		t.Errorf("the upstream received %s with groups %q", r.URI, r.Header.Get("X-Forwarded-Groups"))
	}
}

// Groups come in several shapes; none of them gives a group that the provider did not mean.
func TestShapesOfGroups(t *testing.T) {
	for name, test := range map[string]struct {
		groups any
		header string
		admin  bool
	}{
		"text is one group":           {"Admin", "Admin", true},
		"blanks separate nothing":     {"Dev Admin", "Dev Admin", false},
		"commas separate nothing":     {"Dev,Admin", "Dev%2CAdmin", false},
		"a list":                      {[]string{"Admin"}, "Admin", true},
		"no group":                    {[]string{}, "", false},
		"letter case counts":          {[]string{"admin"}, "admin", false},
		"percent signs are encoded":   {[]string{"a%2CAdmin"}, "a%252CAdmin", false},
		"outer blanks are encoded":    {[]string{" Admin "}, "%20Admin%20", false},
		"control characters are, too": {[]string{"a\r\nX-Admin: 1"}, "a%0D%0AX-Admin: 1", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, nil)
			s.Provider.AddUser(providertest.User{Subject: "dave", Email: "dave@example.com", Claims: map[string]any{"groups": test.groups}})
			b := s.signedIn("dave")

			if got := s.Upstream.last(t).Header.Get("X-Forwarded-Groups"); got != test.header {
				t.Errorf("the upstream is told %q, not %q", got, test.header)
			}
			if p := b.open(s.URL + "/admin/"); (p.StatusCode == http.StatusOK) != test.admin {
				t.Errorf("/admin/ is answered %d", p.StatusCode)
			}
		})
	}
}

// What is no list of names is nobody's group, and nothing is guessed.
func TestGroupsThatAreNone(t *testing.T) {
	many := make([]string, 5000)
	for i := range many {
		many[i] = fmt.Sprint("group-", i)
	}
	for name, groups := range map[string]any{
		"numbers": []int{1, 2}, "mixed": []any{"Admin", 1}, "a list in a list": [][]string{{"Admin"}}, "an object": map[string]any{"Admin": true},
		"a number": 7, "true": true, "more than fit": many,
	} {
		t.Run(name, func(t *testing.T) {
			inToken := func(_ *providertest.Provider, j *providertest.JWT) { delete(j.Claims, "groups") }
			s := newSite(t, nil, providertest.Mutation{Name: "D20", IDToken: inToken, AccessToken: inToken,
				Userinfo: func(_ *providertest.Provider, a *providertest.Answer) { a.Members["groups"] = groups }})
			b := s.browser()

			p := b.walk(s.URL + "/admin/")

			isPage(t, p)
			hasNoSession(t, s, b)
			failedWith(t, s, "unusable_claims")
		})
	}
}

// An e-mail that the provider does not vouch for is nobody's.
// email_verified is about the claim email. It vouches for no other that EMAIL_CLAIM may name.
func TestVerifiedIsTheClaimEmail(t *testing.T) {
	for email, forwarded := range map[string]string{"mallory@evil.example": "", "boss@example.com": "boss@example.com"} {
		s := newSite(t, func(c *config.Config) { c.EmailClaim = "upn" })
		s.Provider.AddUser(providertest.User{Subject: "mallory", Claims: map[string]any{
			"email": email, "email_verified": true, "upn": "boss@example.com",
		}})
		s.signedIn("mallory")
		if got := s.Upstream.last(t).Header.Get("X-Forwarded-Email"); got != forwarded {
			t.Errorf("with the verified address %q the upstream is told %q", email, got)
		}
	}
}

// Outer blanks are trimmed from headers on the way, so that "admin " would become admin.
func TestNamesWithOuterBlanks(t *testing.T) {
	for _, name := range []string{"admin ", " admin", "admin\u00a0"} {
		s := newSite(t, func(c *config.Config) {
			c.UserClaim = "preferred_username"
			c.Headers = []string{"X-Team=team"}
		})
		s.Provider.AddUser(providertest.User{Subject: "mallory", Claims: map[string]any{"preferred_username": name}})
		b := s.browser()
		b.Person = "mallory"
		if p := b.walk(s.URL + "/"); p.StatusCode != http.StatusBadGateway {
			t.Errorf("the login of %q is answered %d", name, p.StatusCode)
		}
		s.Provider.AddUser(providertest.User{Subject: "sam", Claims: map[string]any{"preferred_username": "sam", "team": name}})
		s.signedIn("sam")
		if got := s.Upstream.last(t).Header.Get("X-Team"); got != "" {
			t.Errorf("the team %q arrives as %q", name, got)
		}
	}
}

// withTeam is a site whose rules forbid a group and a team, and whose upstreams are told the team.
func withTeam(c *config.Config) {
	c.AccessRules += "\n/fin/ !group:Contractors\n/red/ !claim:team=blue"
	c.Headers = []string{"X-Team=team"}
}

// Userinfo does not take the access token: people sign in all the same, and whatever they then are not known to be counts against
// them. One warning tells the mend.
func TestUserinfoRefusesTheToken(t *testing.T) {
	for _, m := range providertest.UserinfoRefusals() {
		t.Run(m.Name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, withTeam, m)
			s.signedIn("bob")
			b := s.signedIn("alice")
			for path, status := range map[string]int{"/x": 200, "/admin/": 403, "/fin/": 403, "/red/": 403} {
				b.open(s.URL+path).wants(t, status)
			}
			if p := b.open(s.URL + "/admin/"); !strings.Contains(p.Text, "userinfo_refused") {
				t.Errorf("the denied page says %s", p.Text)
			}
			got := s.Upstream.last(t).Header
			if got.Get("X-Forwarded-User") != "alice" || got.Get("X-Forwarded-Groups")+got.Get("X-Team") != "" {
				t.Errorf("the upstream is told %v", got)
			}
			warned := s.Log.events(t, "userinfo_refused")
			if len(warned) != 2 || warned[0]["level"] != "warn" || warned[1]["level"] != "debug" || fmt.Sprint(warned[0]["claims"]) != "[groups team]" {
				t.Errorf("the log says %v", warned)
			}
			hasNoSecret(t, s)
		})
		t.Run(m.Name+", always wanted", func(t *testing.T) {
			t.Parallel()
			s := newSite(t, func(c *config.Config) { c.Userinfo = "always" }, m)
			b := s.browser()
			b.walk(s.URL+"/x").wants(t, http.StatusBadGateway)
			hasNoSession(t, s, b)
			failedWith(t, s, "invalid_userinfo")
		})
	}
}

// An address that only userinfo would have told is not known to be none: a rule against one holds for nobody then.
func TestUserinfoRefusesTheAddress(t *testing.T) {
	m := providertest.UserinfoRefusals()[0]
	fromTokens := m.IDToken
	m.IDToken = func(p *providertest.Provider, token *providertest.JWT) {
		fromTokens(p, token)
		delete(token.Claims, "email")
		delete(token.Claims, "email_verified")
	}
	s := newSite(t, func(c *config.Config) {
		c.AccessRules += "\n/staff/ !email:eve@example.com\n/claim/ !claim:email=eve@example.com"
	}, m)
	b := s.signedIn("alice")
	for path, status := range map[string]int{"/x": 200, "/staff/": 403, "/claim/": 403} {
		b.open(s.URL+path).wants(t, status)
	}
}

// What the tokens tell is known, whatever userinfo says.
func TestUserinfoRefusesTheTokenAndTokensTell(t *testing.T) {
	m := providertest.UserinfoRefusals()[0]
	m.IDToken, m.AccessToken = nil, nil
	s := newSite(t, withTeam, m)
	s.Provider.AddUser(providertest.User{Subject: "dan", Groups: []string{"Admin"}, Claims: map[string]any{"preferred_username": nil, "team": "red"}})
	b := s.signedIn("dan")
	for _, path := range []string{"/x", "/admin/", "/fin/", "/red/"} {
		b.open(s.URL+path).wants(t, http.StatusOK)
	}
	if len(s.Log.events(t, "userinfo_refused")) != 1 || s.Upstream.last(t).Header.Get("X-Team") != "red" {
		t.Errorf("userinfo was not asked, or the upstream is told %v", s.Upstream.last(t).Header)
	}
}

func TestUnverifiedEmail(t *testing.T) {
	for name, verified := range map[string]any{"false": false, "missing": nil, "text": "false", "number": 1} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, func(c *config.Config) { c.AccessRules += "\n/ci/ email:ci@example.com" })
			claims := map[string]any{"email": "ci@example.com"}
			if verified != nil {
				claims["email_verified"] = verified
			}
			s.Provider.AddUser(providertest.User{Subject: "eve", Groups: []string{"Dev"}, Claims: claims})
			b := s.signedIn("eve")

			if got := s.Upstream.last(t).Header.Get("X-Forwarded-Email"); got != "" {
				t.Errorf("the upstream is told the address %q", got)
			}
			if p := b.open(s.URL + "/ci/"); p.StatusCode != http.StatusForbidden {
				t.Errorf("/ci/ is answered %d", p.StatusCode)
			}
		})
	}
}

// An address that the provider does not vouch for names nobody, whichever setting or rule speaks of it.
func TestUnverifiedEmailByOtherWays(t *testing.T) {
	s := newSite(t, func(c *config.Config) {
		c.UserClaim, c.Headers = "email", []string{"X-Mail=email"}
		c.AccessRules += "\n/by-user/ user:ci@example.com\n/by-claim/ claim:email=ci@example.com"
	})
	s.Provider.AddUser(providertest.User{Subject: "eve", Claims: map[string]any{"email": "ci@example.com", "email_verified": false}})
	b := s.browser()
	b.Person = "eve"
	b.walk(s.URL + "/")
	for _, r := range s.Upstream.Received() {
		if user, mail := r.Header.Get("X-Forwarded-User"), r.Header.Get("X-Mail"); user == "ci@example.com" || mail != "" {
			t.Errorf("the upstream is told of %q, %q", user, mail)
		}
	}
	for _, path := range []string{"/by-user/", "/by-claim/"} {
		if p := b.open(s.URL + path); p.StatusCode == http.StatusOK {
			t.Errorf("%s lets eve in", path)
		}
	}
}

// So it is with an address that is no string, and where groups are read from that claim.
func TestUnverifiedEmailInOtherForms(t *testing.T) {
	s := newSite(t, func(c *config.Config) {
		c.GroupsClaim = "email"
		c.AccessRules += "\n/by-claim/ claim:email=ci@example.com\n/by-group/ group:ci@example.com"
	})
	for name, claim := range map[string]any{"eve": "ci@example.com", "mallory": []any{"ci@example.com"}} {
		s.Provider.AddUser(providertest.User{Subject: name, Claims: map[string]any{"email": claim, "email_verified": false}})
		b := s.browser()
		b.Person = name
		b.walk(s.URL + "/")
		for _, path := range []string{"/by-claim/", "/by-group/"} {
			if p := b.open(s.URL + path); p.StatusCode == http.StatusOK {
				t.Errorf("%s lets %v in", path, claim)
			}
		}
	}
}

// Whoever says that addresses are to be believed has them wherever one counts.
func TestUnverifiedEmailThatIsBelieved(t *testing.T) {
	s := newSite(t, func(c *config.Config) {
		c.InsecureUnverifiedEmail, c.UserClaim, c.Headers = true, "email", []string{"X-Mail=email"}
		c.AccessRules += "\n/by-email/ email:eve@example.com\n/by-user/ user:eve@example.com\n/by-claim/ claim:email=eve@example.com"
	})
	s.Provider.AddUser(providertest.User{Subject: "eve", Claims: map[string]any{"email": "eve@example.com", "email_verified": false}})
	s.signedIn("eve").answered(t, s, map[string]int{"/by-email/": 200, "/by-user/": 200, "/by-claim/": 200})
	for _, name := range []string{"X-Forwarded-User", "X-Forwarded-Email", "X-Mail"} {
		if got := s.Upstream.last(t).Header.Get(name); got != "eve@example.com" {
			t.Errorf("the upstream is told %s: %q", name, got)
		}
	}
}

// Addresses that were believed for a while are not taken for verified ones afterwards, though sessions have them.
func TestUnverifiedEmailThatIsBelievedNoMore(t *testing.T) {
	silent := true
	s := newLivingSite(t, func(c *config.Config) { c.InsecureUnverifiedEmail, c.UserClaim = true, "email" }, nowhereEmailVerified(&silent))
	b := s.signedIn("alice")
	b.api(s, "/x").wants(t, http.StatusOK)
	strict := *s.settings
	strict.InsecureUnverifiedEmail = false
	s.Proxy = s.another(&strict)
	s.serving.Store(s.Proxy)
	b.age(s, untilDead)
	b.api(s, "/x").wants(t, http.StatusUnauthorized)
}

// withoutEmailVerified leaves email_verified out of ID tokens for as long as that is to be.
func withoutEmailVerified(when *bool) providertest.Mutation {
	return providertest.Mutation{Name: "no-email-verified-in-id-token", IDToken: func(_ *providertest.Provider, j *providertest.JWT) {
		if *when {
			delete(j.Claims, "email_verified")
		}
	}}
}

// nowhereEmailVerified leaves it out of everything else, too.
func nowhereEmailVerified(when *bool) providertest.Mutation {
	m := withoutEmailVerified(when)
	m.AccessToken = m.IDToken
	m.Userinfo = func(_ *providertest.Provider, a *providertest.Answer) {
		if *when {
			delete(a.Members, "email_verified")
		}
	}
	return m
}

// A provider may name the address in the ID token, and vouch for it at userinfo.
func TestEmailVerifiedAtUserinfo(t *testing.T) {
	always := true
	s := newSite(t, func(c *config.Config) { c.UserClaim = "email" }, withoutEmailVerified(&always))
	b := s.browser()
	b.Person = "alice"
	b.walk(s.URL+"/x").wants(t, http.StatusOK)
}

// A refreshed ID token need not say again what was verified (OIDC Core 12.2), nor the one after it.
func TestEmailStaysVerifiedThroughRefreshes(t *testing.T) {
	for name, configure := range map[string]func(*config.Config){
		"as the user": func(c *config.Config) { c.UserClaim = "email" },
		"as a claim":  func(c *config.Config) { c.AccessRules = "/ claim:email=alice@example.com" },
		"as a header": func(c *config.Config) { c.Headers = []string{"X-Mail=email"} },
	} {
		t.Run(name, func(t *testing.T) {
			later := false
			s := newLivingSite(t, configure, nowhereEmailVerified(&later))
			b := s.signedIn("alice")
			later = true
			for range 2 {
				b.age(s, untilDead)
				b.api(s, "/x").wants(t, http.StatusOK)
				if name == "as a header" && s.Upstream.last(t).Header.Get("X-Mail") == "" {
					t.Error("the upstream is told of no address")
				}
			}
		})
	}
}
