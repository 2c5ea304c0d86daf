package proxy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"doorward/config"
	"doorward/proxy/providertest"
)

// withoutBearers is a site that takes no access tokens of API clients.
func withoutBearers(c *config.Config) { c.BearerTokens = new(false) }

// introspecting is a site that asks about opaque ones.
func introspecting(c *config.Config) { c.IntrospectTokens = true }

// call asks as an API client does, with an Authorization header.
func (s *site) call(path, authorization string, more ...string) *page {
	s.t.Helper()
	header := headers(append([]string{"Accept", "application/json", "Authorization", authorization}, more...)...)
	return s.browser().request(http.MethodGet, s.URL+path, header, "")
}

// bears is a call with an access token.
func (s *site) bears(path, token string) *page {
	s.t.Helper()
	return s.call(path, "Bearer "+token)
}

// askedOf counts the requests that the provider received at the endpoints.
func (s *site) askedOf(endpoints ...providertest.Endpoint) (n int) {
	for _, e := range endpoints {
		n += len(s.Provider.Requests(e))
	}
	return n
}

// beyondKeys are the endpoints at which a JWT is nobody's business.
var beyondKeys = []providertest.Endpoint{
	providertest.Authorization, providertest.Token, providertest.Userinfo, providertest.Introspection, providertest.EndSession,
}

// isBearerChallenge checks a refusal of RFC 6750 3: status, challenge, and JSON that says the same.
func isBearerChallenge(t *testing.T, p *page, status int, code string) {
	t.Helper()
	if p.StatusCode != status {
		t.Fatalf("the answer is %d: %s", p.StatusCode, p.Text)
	}
	got := p.Header["Www-Authenticate"]
	want := `Bearer realm="doorward", error="` + code + `", error_description="`
	if len(got) != 1 || !strings.HasPrefix(got[0], want) || strings.Count(got[0], `"`) != 6 || !strings.HasSuffix(got[0], `"`) {
		t.Errorf("WWW-Authenticate is %q", got)
	}
	if lines := p.Header["Set-Cookie"]; len(lines) > 0 || p.Header.Get("Location") != "" || p.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("Set-Cookie is %q, Location %q, Cache-Control %q", lines, p.Header.Get("Location"), p.Header.Get("Cache-Control"))
	}
	var body map[string]string
	if err := json.Unmarshal([]byte(p.Text), &body); err != nil || body["error"] == "" || body["error_description"] == "" {
		t.Errorf("the body is %s", p.Text)
	}
}

// isRefusedBearer checks that a token was refused, and everything that goes with it.
func isRefusedBearer(t *testing.T, s *site, p *page, token, result string) {
	t.Helper()
	if result == "unavailable" {
		isUnavailable(t, p)
	} else {
		isBearerChallenge(t, p, http.StatusUnauthorized, "invalid_token")
	}
	if n := len(s.Upstream.Received()); n > 0 {
		t.Errorf("the upstream received %d requests", n)
	}
	if n := s.metric(`doorward_bearer_tokens_total{result="` + result + `"}`); n != 1 {
		t.Errorf("bearer_tokens_total does not count it as %s: %v", result, n)
	}
	refused := s.Log.events(t, "bearer_refused")
	if len(refused) != 1 || refused[0]["reason"] != result || fmt.Sprint(refused[0]["error"]) == "" || refused[0]["session"] != nil {
		t.Errorf("the log says %v", refused)
	}
	saysNothingOf(t, s, p, token)
}

func isUnavailable(t *testing.T, p *page) {
	t.Helper()
	if p.StatusCode != http.StatusServiceUnavailable || p.Header.Get("Retry-After") == "" || p.Header.Get("WWW-Authenticate") != "" {
		t.Errorf("the answer is %d, Retry-After %q, WWW-Authenticate %q", p.StatusCode, p.Header.Get("Retry-After"), p.Header.Get("WWW-Authenticate"))
	}
}

// saysNothingOf looks for the token, or its signed part, in answer, log and metrics.
func saysNothingOf(t *testing.T, s *site, p *page, token string) {
	t.Helper()
	secrets := append(strings.Split(token, "."), token)
	answer := p.Text + fmt.Sprint(p.Header)
	for _, secret := range secrets[min(1, len(secrets)-1):] { // the header is no secret
		if len(secret) < 8 {
			continue
		}
		for place, text := range map[string]string{"answer": answer, "log": s.Log.String(), "metrics": fmt.Sprint(s.metrics())} {
			if strings.Contains(text, secret) {
				t.Errorf("the %s tells the token", place)
			}
		}
	}
}

// Every way in which an API client's JWT can be wrong is a 401, without any request to the provider but for its keys.
func TestAPITokensThatAreRefused(t *testing.T) {
	for _, m := range providertest.APITokenFaults() {
		t.Run(m.Name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, nil, m)
			token := s.Provider.APIToken("alice")

			p := s.bears("/api?q=canary-query", token)

			isRefusedBearer(t, s, p, token, "invalid")
			if n := s.askedOf(beyondKeys...); n > 0 {
				t.Errorf("%d requests were made to the provider", n)
			}
			if n := s.askedOf(providertest.Keys); n > 2 {
				t.Errorf("the keys were asked for %d times", n)
			}
		})
	}
}

func TestAPITokensThatAreAccepted(t *testing.T) {
	for _, m := range providertest.APITokenOddities() {
		t.Run(m.Name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, nil, m)
			token := s.Provider.APIToken("alice")

			p := s.bears("/admin/", token)

			isLetThrough(t, s, p, token)
			if n := s.askedOf(beyondKeys...); n > 0 {
				t.Errorf("%d requests were made to the provider", n)
			}
		})
	}
}

// isLetThrough checks that alice's call arrived, with her identity and her own token.
func isLetThrough(t *testing.T, s *site, p *page, token string) {
	t.Helper()
	if p.StatusCode != http.StatusOK || len(p.Header["Set-Cookie"]) > 0 {
		t.Fatalf("the answer is %d, cookies %q: %s\n%s", p.StatusCode, p.Header["Set-Cookie"], p.Text, s.Log)
	}
	got := s.Upstream.last(t).Header
	for name, want := range map[string]string{
		"X-Forwarded-User": "alice", "X-Forwarded-Email": "alice@example.com", "X-Forwarded-Groups": "Admin,Dev", "Authorization": "Bearer " + token,
	} {
		if lines := got[name]; len(lines) != 1 || lines[0] != want {
			t.Errorf("%s is %.40q, not %.40q", name, lines, want)
		}
	}
}

func TestIntrospectedTokensThatAreRefused(t *testing.T) {
	introspectionRefuses(t, providertest.IntrospectionFaults(), "invalid")
}

// An answer that is none is an outage: 503, and not 401, for which clients throw tokens away.
func TestIntrospectionOutages(t *testing.T) {
	introspectionRefuses(t, providertest.IntrospectionOutages(), "unavailable")
}

// introspectionRefuses checks that each mutation has a token refused, with a result, after one question.
func introspectionRefuses(t *testing.T, mutations []providertest.Mutation, result string) {
	t.Helper()
	for _, m := range mutations {
		t.Run(m.Name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, introspecting, m)
			token := s.Provider.OpaqueToken("alice")

			p := s.bears("/api?q=canary-query", token)

			isRefusedBearer(t, s, p, token, result)
			wasAskedOnce(t, s, token)
		})
	}
}

func TestIntrospectedTokensThatAreAccepted(t *testing.T) {
	for _, m := range providertest.IntrospectionOddities() {
		t.Run(m.Name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, introspecting, m)
			token := s.Provider.OpaqueToken("alice")

			isLetThrough(t, s, s.bears("/admin/", token), token)

			wasAskedOnce(t, s, token)
		})
	}
}

// wasAskedOnce checks the one request about an opaque token (RFC 7662 2.1), and that no other was made.
func wasAskedOnce(t *testing.T, s *site, token string) {
	t.Helper()
	asked := s.Provider.Requests(providertest.Introspection)
	if len(asked) != 1 || asked[0].Refused != "" {
		t.Fatalf("the provider was asked %d times: %v", len(asked), asked)
	}
	if want := (url.Values{"token": {token}, "token_type_hint": {"access_token"}}); asked[0].Form.Encode() != want.Encode() {
		t.Errorf("the form is %v", asked[0].Form)
	}
	if n := s.askedOf(providertest.Authorization, providertest.Token, providertest.Userinfo, providertest.Keys); n > 0 {
		t.Errorf("%d other requests were made to the provider", n)
	}
}

// A withdrawn token is good for a minute at most, a made-up one never, and without INTROSPECT_TOKENS nobody is asked.
func TestOpaqueTokens(t *testing.T) {
	s := newSite(t, introspecting)
	token := s.Provider.OpaqueToken("alice")
	s.Provider.Withdraw(token)
	isRefusedBearer(t, s, s.bears("/api", token), token, "invalid")

	s = newSite(t, nil)
	token = s.Provider.OpaqueToken("alice")
	isRefusedBearer(t, s, s.bears("/api", token), token, "invalid")
	if n := s.askedOf(providertest.Introspection); n > 0 {
		t.Errorf("the provider was asked %d times", n)
	}
}

// The scheme's letter case means nothing, and neither do blanks before the token. Whatever else follows it is a bad token, and the
// cookie that comes along is never looked at.
func TestWhatFollowsTheScheme(t *testing.T) {
	s := newSite(t, introspecting)
	token := s.Provider.APIToken("bob")
	cookie := s.signedIn("alice").cookieHeader(s)
	for _, authorization := range []string{"Bearer " + token, "bearer " + token, "BEARER " + token, "bEaReR   " + token} {
		p := s.rawGet("/x", "Authorization: "+authorization, "Cookie: "+cookie)
		if user := s.Upstream.last(t).Header.Get("X-Forwarded-User"); p.StatusCode != http.StatusOK || user != "bob" {
			t.Errorf("%.12q is answered %d, for %s", authorization, p.StatusCode, user)
		}
	}
	before := len(s.Upstream.Received())
	for _, authorization := range []string{
		"Bearer", "bearer", "Bearer ", "Bearer  ", "Bearer " + token + " " + token, "Bearer\t" + token, "Bearer \t" + token, "Bearer=" + token,
		"Bearer," + token, "Bearer " + token + ",", `Bearer "` + token + `"`, "Bearer " + token + "\u00e9", "Bearer token=" + token, "Bearer \xff",
		"Bearer ==", "Bearer .", "Bearer ..", "Bearer " + token + ".x", "Bearer null", "Bearer " + token[:len(token)-1], "Bearer e30.e30.e30",
		"Bearer " + strings.Repeat("x", 17<<10),
	} {
		p := s.rawGet("/x", "Authorization: "+authorization, "Cookie: "+cookie)
		if p.StatusCode != http.StatusUnauthorized || !strings.Contains(p.Header.Get("WWW-Authenticate"), `error="invalid_token"`) {
			t.Errorf("%.20q is answered %d, %q", authorization, p.StatusCode, p.Header.Get("WWW-Authenticate"))
		}
	}
	for _, got := range s.Upstream.Received()[before:] {
		t.Errorf("%s arrived at the upstream", got.URI)
	}
	if n := s.metric(`doorward_session_loads_total{result="ok"}`); n != 1 { // that of signing in
		t.Errorf("%v sessions were looked for", n)
	}
}

// Another scheme is none of ours: the cookie decides, and the upstream gets the person's token alone.
func TestOtherSchemesChangeNothing(t *testing.T) {
	s := newSite(t, nil)
	b := s.signedIn("alice")
	issued := tokensOf(t, s)["access_token"]
	for _, authorization := range []string{"Basic YTpi", "Bearer2 x", "Bearer-token x", "Bearers", "DPoP x", "Token Bearer x", "x"} {
		p := s.rawGet("/y", "Authorization: "+authorization, "Cookie: "+b.cookieHeader(s))
		got := s.Upstream.last(t)
		if p.StatusCode != http.StatusOK || got.URI != "/y" || got.Header.Get("Authorization") != "Bearer "+issued {
			t.Errorf("%q is answered %d", authorization, p.StatusCode)
		}
		isChallenge(t, s, s.rawGet("/y", "Authorization: "+authorization))
	}
	for series, n := range s.metrics() {
		if strings.HasPrefix(series, "doorward_bearer_tokens_total") && n != 0 {
			t.Errorf("%s is %v", series, n)
		}
	}
}

// Where bearer tokens are not accepted, one is as foreign as anything else.
func TestBearerTokensThatAreNotAccepted(t *testing.T) {
	for name, configure := range map[string]func(*config.Config){
		"switched off": withoutBearers, "no audience": func(c *config.Config) { c.Audience = nil },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, configure)
			token := s.Provider.APIToken("bob")
			isChallenge(t, s, s.bears("/x", token))
			if header := s.bears("/x", token).Header.Get("WWW-Authenticate"); header != `Bearer realm="doorward"` {
				t.Errorf("WWW-Authenticate is %q", header)
			}
			b := s.signedIn("alice")
			s.rawGet("/y", "Authorization: Bearer "+token, "Cookie: "+b.cookieHeader(s))
			if got := s.Upstream.last(t); got.URI != "/y" || got.Header.Get("X-Forwarded-User") != "alice" || strings.Contains(got.Header.Get("Authorization"), token) {
				t.Errorf("the upstream is told of %s", got.Header.Get("X-Forwarded-User"))
			}
		})
	}
}

// Without a token the challenge bears no error (RFC 6750 3.1).
func TestMissingTokenIsNoError(t *testing.T) {
	s := newSite(t, nil)
	p := s.browser().request(http.MethodGet, s.URL+"/x", headers("Accept", "application/json"), "")
	isChallenge(t, s, p)
	if got := p.Header["Www-Authenticate"]; len(got) != 1 || got[0] != `Bearer realm="doorward"` {
		t.Errorf("WWW-Authenticate is %q", got)
	}
}

// Rules hold for API clients as for anybody, and the answer is RFC 6750's.
func TestRulesHoldForAPIClients(t *testing.T) {
	s := newSite(t, func(c *config.Config) {
		c.AccessRules += "\n/me/{name}/ claim:preferred_username={name}\n/mail/ email:bob@example.com\n/mfa/ acr:mfa"
	})
	bob := s.Provider.APIToken("bob")
	for path, status := range map[string]int{"/": 200, "/mail/": 200, "/me/bob@corp/": 200, "/me/alice@corp/": 403, "/admin/": 403, "/closed/": 403} {
		before := len(s.Upstream.Received())
		p := s.bears(path, bob)
		if p.StatusCode != status {
			t.Errorf("%s is answered %d: %s", path, p.StatusCode, p.Text)
		}
		if status == 403 {
			isBearerChallenge(t, p, 403, "insufficient_scope")
			if len(s.Upstream.Received()) != before {
				t.Errorf("%s arrived at the upstream", path)
			}
		}
	}
	p := s.bears("/mfa/", bob)
	if got := p.Header["Www-Authenticate"]; p.StatusCode != 401 || len(got) != 1 || !strings.Contains(got[0], `error="insufficient_user_authentication"`) {
		t.Errorf("/mfa/ is answered %d, %q", p.StatusCode, got)
	}
	if p := s.browser().request(http.MethodGet, s.URL+"/mfa/", fetched("navigate", "document", "Authorization", "Bearer "+bob), ""); p.StatusCode != 401 {
		t.Errorf("/mfa/ is answered %d to a browser with a token of its own", p.StatusCode)
	}
	if n := s.metric(`doorward_denials_total{reason="group",rule="/admin/"}`); n != 1 {
		t.Errorf("denials_total counts %v", n)
	}
	denials := s.Log.events(t, "denied")
	if len(denials) != 5 || denials[0]["user"] != "bob" || denials[0]["session"] != nil {
		t.Errorf("the log says %v", denials)
	}
}

// acr and auth_time of the token count as those of a login do (RFC 9068 2.2.1).
func TestAuthenticationOfAPIClients(t *testing.T) {
	s := newSite(t, func(c *config.Config) { c.AccessRules = "/ acr:mfa max-age:5m" }, providertest.Mutation{
		Name: "acr", APIToken: func(_ *providertest.Provider, j *providertest.JWT) {
			j.Claims["acr"], j.Claims["auth_time"] = "mfa", j.Claims["iat"]
		},
	})
	if p := s.bears("/", s.Provider.APIToken("bob")); p.StatusCode != http.StatusOK {
		t.Errorf("the answer is %d: %s", p.StatusCode, p.Text)
	}
}

// On public paths, and where the upstream asks for its own credentials, Authorization is not examined.
func TestWhereBearersAreNotExamined(t *testing.T) {
	s := newSite(t, func(c *config.Config) { c.AccessRules += "\n/own/ upstream-auth" })
	for _, path := range []string{"/public/x", "/own/x"} {
		for _, token := range []string{"of-the-application", s.Provider.APIToken("alice"), ""} {
			authorization := strings.TrimSpace("Bearer " + token)
			p := s.call(path, authorization)
			got := s.Upstream.last(t)
			if p.StatusCode != http.StatusOK || got.URI != path || got.Header.Get("Authorization") != authorization || got.Header.Get("X-Forwarded-User") != "" {
				t.Errorf("%s with %.12q is answered %d", path, authorization, p.StatusCode)
			}
		}
	}
	if n := s.askedOf(providertest.Discovery, providertest.Keys); n > 0 {
		t.Errorf("the provider was asked %d times", n)
	}
}

// The upstream gets the client's own token in the way that it gets a session's.
func TestWhereTheTokenGoes(t *testing.T) {
	for option, want := range map[string][2]string{ // Authorization, X-Forwarded-Access-Token
		"bearer": {"Bearer ", ""}, "x-forwarded-access-token": {"", "="}, "none": {"", ""},
	} {
		s := newSite(t, func(c *config.Config) { c.Upstreams += " token=" + option })
		token := s.Provider.APIToken("alice")
		s.call("/x", "bearer "+token, "X-Forwarded-Access-Token", "forged")
		got := s.Upstream.last(t).Header
		for i, name := range []string{"Authorization", "X-Forwarded-Access-Token"} {
			expected := ""
			if want[i] != "" {
				expected = strings.TrimSuffix(want[i], "=") + token
			}
			if got.Get(name) != expected {
				t.Errorf("token=%s: %s is %.20q", option, name, got.Get(name))
			}
		}
		if got.Get("X-Forwarded-User") != "alice" {
			t.Errorf("token=%s: the user is %q", option, got.Get("X-Forwarded-User"))
		}
	}
}

// Two Authorization headers are a malformed request (RFC 6750 3.1), on our own endpoint as well.
func TestTwoTokens(t *testing.T) {
	s := newSite(t, nil)
	token := s.Provider.APIToken("alice")
	for _, path := range []string{"/x", "/oauth2/userinfo"} {
		for _, second := range []string{"Bearer " + token, "Basic YTpi", "bearer"} {
			p := s.rawGet(path, "Authorization: "+second, "authorization: Bearer "+token, "Accept: application/json")
			isBearerChallenge(t, p, http.StatusBadRequest, "invalid_request")
			if !strings.Contains(p.Text, `"error":"invalid_request"`) {
				t.Errorf("the body is %s", p.Text)
			}
		}
		if p := s.rawGet(path, "Authorization: Basic YTpi", "Authorization: Basic YTpi"); p.StatusCode != http.StatusBadRequest || p.Header.Get("WWW-Authenticate") != "" {
			t.Errorf("two of another scheme: %d, %q", p.StatusCode, p.Header.Get("WWW-Authenticate"))
		}
	}
	if n := len(s.Upstream.Received()); n != 0 {
		t.Errorf("the upstream received %d requests", n)
	}
}

// A browser that sends a token is never led to a login, whatever is wrong.
func TestBearersAreNeverLedToALogin(t *testing.T) {
	s := newSite(t, nil)
	for path, status := range map[string]int{"/x": 401, "/oauth2/userinfo": 401, "/closed/": 403} {
		header := navigation()
		header.Set("Authorization", "Bearer x")
		if p := s.browser().request(http.MethodGet, s.URL+path, header, ""); p.StatusCode != status || p.redirects() || len(p.setsCookies()) > 0 {
			t.Errorf("%s is answered %d", path, p.StatusCode)
		}
	}
	down := newSite(t, nil)
	down.Provider.Stop()
	header := navigation()
	header.Set("Authorization", "Bearer "+s.Provider.APIToken("alice"))
	if p := down.browser().request(http.MethodGet, down.URL+"/x", header, ""); p.StatusCode != http.StatusServiceUnavailable || len(p.setsCookies()) > 0 {
		t.Errorf("with the provider down the answer is %d", p.StatusCode)
	}
}

// While the provider's keys cannot be had, the answer is 503; a token that is known is as good as ever.
func TestBearersWhileTheProviderIsDown(t *testing.T) {
	s := newSite(t, nil)
	token := s.Provider.APIToken("alice")
	s.Provider.Stop()
	isRefusedBearer(t, s, s.bears("/x", token), token, "unavailable")

	s = newSite(t, nil)
	token = s.Provider.APIToken("alice")
	s.bears("/x", token)
	s.Provider.Stop()
	if p := s.bears("/x", token); p.StatusCode != http.StatusOK || s.metric(`doorward_bearer_tokens_total{result="cached"}`) != 1 {
		t.Errorf("a known token is answered %d", p.StatusCode)
	}
}

// What an access token does not say is not known of whom it names: the provider may say it elsewhere.
func TestAPITokenThatSaysLess(t *testing.T) {
	s := newSite(t, func(c *config.Config) {
		c.AccessRules += "\n/fin/ email:*@example.com !group:Contractors\n/red/ !claim:team=blue"
	}, providertest.Mutation{Name: "it says less", APIToken: func(_ *providertest.Provider, j *providertest.JWT) {
		delete(j.Claims, "groups")
		delete(j.Claims, "team")
	}})
	s.Provider.AddUser(providertest.User{Subject: "eve", Email: "eve@example.com", Groups: []string{"Contractors"}, Claims: map[string]any{"team": "blue"}})
	for _, path := range []string{"/fin/", "/red/"} {
		if answer := s.bears(path, s.Provider.APIToken("eve")); answer.StatusCode != http.StatusForbidden {
			t.Errorf("%s is answered %d", path, answer.StatusCode)
		}
	}
}

// A client that does not wait for the answer is no outage.
func TestAPIClientThatGoesAway(t *testing.T) {
	outages := providertest.IntrospectionOutages()
	hang := outages[len(outages)-1]
	s := newSite(t, introspecting, hang)
	ctx, leave := context.WithCancel(t.Context())
	r, _ := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/x", nil)
	r.Header.Set("Authorization", "Bearer "+s.Provider.OpaqueToken("alice"))
	var gone sync.WaitGroup
	gone.Go(func() {
		if answer, err := http.DefaultClient.Do(r); err == nil {
			answer.Body.Close()
			t.Errorf("it is answered %d", answer.StatusCode)
		}
	})
	eventually(t, func() bool { return s.askedOf(providertest.Introspection) == 1 })
	leave()
	gone.Wait()
	eventually(t, func() bool { return len(s.Log.events(t, "request")) == 1 })
	if last := s.Log.events(t, "request")[0]; last["outcome"] != "client_gone" || s.metric(`doorward_bearer_tokens_total{result="unavailable"}`) != 0 {
		t.Errorf("the log says %v", last)
	}
}

// eventually waits, not for long, until something is so.
func eventually(t testing.TB, so func() bool) {
	t.Helper()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for range 2000 {
		if so() {
			return
		}
		<-again.C
	}
	t.Fatal("it does not come to pass")
}

// userinfo takes tokens, and tells how long they hold.
func TestUserinfoOfAPIClients(t *testing.T) {
	s := newSite(t, nil)
	cookie := s.signedIn("bob").cookieHeader(s)
	p := s.rawGet("/oauth2/userinfo", "Authorization: Bearer "+s.Provider.APIToken("alice"), "Cookie: "+cookie)
	var body struct {
		User           string   `json:"user"`
		Email          string   `json:"email"`
		Groups         []string `json:"groups"`
		ExpiresIn      int      `json:"expires_in"`
		TokenExpiresIn int      `json:"token_expires_in"`
	}
	if err := json.Unmarshal([]byte(p.Text), &body); err != nil || p.StatusCode != http.StatusOK {
		t.Fatalf("%d: %s", p.StatusCode, p.Text)
	}
	if body.User != "alice" || body.Email != "alice@example.com" || !slices.Equal(body.Groups, []string{"Admin", "Dev"}) ||
		body.ExpiresIn < 3590 || body.ExpiresIn > 3600 || body.TokenExpiresIn != body.ExpiresIn {
		t.Errorf("it says %s", p.Text)
	}
	if len(p.Header["Set-Cookie"]) > 0 {
		t.Errorf("cookies are set: %q", p.Header["Set-Cookie"])
	}
	isBearerChallenge(t, s.bears("/oauth2/userinfo", "x"), http.StatusUnauthorized, "invalid_token")
}

// A token that lives longer than any session lives as long as it says.
func TestLongLivedTokenOfAPIClient(t *testing.T) {
	s := newSite(t, nil, providertest.Mutation{Name: "a week", APIToken: func(_ *providertest.Provider, j *providertest.JWT) {
		j.Claims["exp"] = j.Claims["iat"].(int64) + 7*24*3600
	}})
	p := s.bears("/oauth2/userinfo", s.Provider.APIToken("alice"))
	var body struct {
		ExpiresIn int `json:"expires_in"`
	}
	if err := json.Unmarshal([]byte(p.Text), &body); err != nil || body.ExpiresIn < 7*24*3600-60 {
		t.Errorf("it says %s", p.Text)
	}
}

// Whatever cookies of ours come along with a token, none is set, cleared or passed on.
func TestCookiesBesideABearer(t *testing.T) {
	s := newSite(t, nil)
	p := s.rawGet("/x", "Authorization: Bearer "+s.Provider.APIToken("alice"), "Cookie: doorward=x; doorward-login-round-AAAA=x; theirs=y")
	if p.StatusCode != http.StatusOK || len(p.Header["Set-Cookie"]) > 0 {
		t.Errorf("the answer is %d and sets %q", p.StatusCode, p.Header["Set-Cookie"])
	}
	if got := s.Upstream.last(t).Header.Get("Cookie"); got != "theirs=y" {
		t.Errorf("the upstream received the cookies %q", got)
	}
}

// Sign-out and callback are about the browser's cookies. A token is neither signed out nor in the way.
func TestBearersAtTheBrowsersEndpoints(t *testing.T) {
	s := newSite(t, nil)
	b := s.signedIn("alice")
	header := navigation()
	header.Set("Authorization", "Bearer "+s.Provider.APIToken("bob"))
	if p := b.request(http.MethodGet, s.URL+"/oauth2/sign_out", header, ""); !strings.Contains(p.Text, "alice") || strings.Contains(p.Text, "bob") {
		t.Errorf("the page is about somebody else: %s", p.Text)
	}
	header.Set("Authorization", "Bearer x")
	if p := b.request(http.MethodGet, s.URL+"/oauth2/callback", header, ""); p.StatusCode != http.StatusSeeOther {
		t.Errorf("the bare callback is answered %d", p.StatusCode)
	}
}

// A token that does not say who it is, or says it unusably, is refused with the mend in the log.
func TestAPITokensWithUnusableClaims(t *testing.T) {
	for name, test := range map[string]struct {
		configure func(*config.Config)
		claims    map[string]any
		log       string
	}{
		"no name":           {func(c *config.Config) { c.UserClaim = "employee" }, nil, "DOORWARD_USER_CLAIM"},
		"a name of lines":   {func(c *config.Config) { c.UserClaim = "employee" }, map[string]any{"employee": "a\r\nb"}, "DOORWARD_USER_CLAIM"},
		"groups of numbers": {nil, map[string]any{"groups": []int{1}}, "reading groups"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, test.configure, providertest.Mutation{Name: "claims", APIToken: func(_ *providertest.Provider, j *providertest.JWT) {
				maps.Copy(j.Claims, test.claims)
			}})
			token := s.Provider.APIToken("alice")
			isRefusedBearer(t, s, s.bears("/x", token), token, "unusable_claims")
			if !strings.Contains(s.Log.String(), test.log) {
				t.Errorf("the log does not say %q:\n%s", test.log, s.Log)
			}
		})
	}
}

// More groups than a header holds have an answer of their own, and groups that the provider left out are unknown.
func TestGroupsOfAPIClients(t *testing.T) {
	s := newSite(t, func(c *config.Config) { c.AccessRules += "\n/fin/ !group:Contractors" })
	s.Provider.AddUser(providertest.User{Subject: "many", Groups: strings.Split(strings.Repeat("group-of-some-name,", 480), ",")})
	s.Provider.AddUser(providertest.User{Subject: "left", Claims: map[string]any{"_claim_names": map[string]any{"groups": "src1"}}})
	if p := s.bears("/x", s.Provider.APIToken("many")); p.StatusCode != http.StatusInternalServerError || !strings.Contains(p.Text, "too_many_groups") {
		t.Errorf("too many groups are answered %d: %s", p.StatusCode, p.Text)
	}
	if p := s.bears("/fin/", s.Provider.APIToken("left")); p.StatusCode != http.StatusForbidden {
		t.Errorf("groups that were left out are answered %d", p.StatusCode)
	}
}

// A token of somebody else in every request, many at a time: nobody is ever taken for another.
func TestAPIClientsAtOnce(t *testing.T) {
	s := newSite(t, introspecting)
	tokens := map[string]string{}
	for _, u := range providertest.Users() {
		tokens[s.Provider.APIToken(u.Subject)] = u.Subject
		tokens[s.Provider.OpaqueToken(u.Subject)] = u.Subject
	}
	var all sync.WaitGroup
	for token, user := range tokens {
		for range 20 {
			all.Go(func() {
				r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/x", nil)
				r.Header.Set("Authorization", "Bearer "+token)
				answer, err := http.DefaultClient.Do(r)
				if err != nil {
					t.Error(err)
					return
				}
				defer answer.Body.Close()
				var seen received
				if json.NewDecoder(answer.Body).Decode(&seen) != nil || seen.Header.Get("X-Forwarded-User") != user {
					t.Errorf("%s is taken for %q (%d)", user, seen.Header.Get("X-Forwarded-User"), answer.StatusCode)
				}
			})
		}
	}
	all.Wait()
	if n := s.askedOf(providertest.Introspection); n != len(providertest.Users()) {
		t.Errorf("the provider was asked %d times", n)
	}
}

// The log of a call has the user and no session.
func TestLogOfAPIClients(t *testing.T) {
	s := newSite(t, nil)
	token := s.Provider.APIToken("alice")
	s.bears("/x?q=canary-query", token)
	last := s.lastRequests(1)[0]
	if _, hashed := last["session"]; last["user"] != "alice" || hashed || last["outcome"] != "forwarded" {
		t.Errorf("the log says %v", last)
	}
	if text := s.Log.String(); strings.Contains(text, token) || strings.Contains(text, "canary-query") {
		t.Errorf("the log tells too much:\n%s", text)
	}
}

func TestSeriesOfBearersExistFromTheStart(t *testing.T) {
	series := newSite(t, nil).metrics()
	for _, result := range []string{"ok", "cached", "invalid", "unusable_claims", "unavailable"} {
		if n, there := series[`doorward_bearer_tokens_total{result="`+result+`"}`]; !there || n != 0 {
			t.Errorf("%s is %v, there: %v", result, n, there)
		}
	}
}

// A token that the leeway for clocks lets in goes to the upstream as well, which would not know what to make of a request without one.
func TestATokenThatIsLetInGoesAlong(t *testing.T) {
	s := newSite(t, nil, providertest.Mutation{APIToken: func(_ *providertest.Provider, j *providertest.JWT) { j.Claims["exp"] = time.Now().Unix() - 5 }})
	token := s.Provider.APIToken("alice")
	p := s.bears("/", token)
	if got := s.Upstream.last(t).Header; p.StatusCode != http.StatusOK || got.Get("Authorization") != "Bearer "+token {
		t.Errorf("the answer is %d, and the upstream got %.20q", p.StatusCode, got.Get("Authorization"))
	}
}

// An idle limit is for sessions that a browser keeps.
func TestTokensKnowNoIdleLimit(t *testing.T) {
	s := newSite(t, func(c *config.Config) { c.SessionIdleTimeout = 30 * time.Minute })
	if p := s.bears("/oauth2/userinfo", s.Provider.APIToken("alice")); p.StatusCode != http.StatusOK || strings.Contains(p.Text, "idle_in") {
		t.Errorf("the answer is %d: %s", p.StatusCode, p.Text)
	}
}

// Where the access token of an API client names no groups, the log says where they are to come from.
func TestAPITokensWithoutGroups(t *testing.T) {
	s := newSite(t, nil)
	s.Provider.AddUser(providertest.User{Subject: "fay"})
	s.bears("/admin/", s.Provider.APIToken("fay")).wants(t, http.StatusForbidden)
	denied := s.Log.events(t, "denied")
	if len(denied) != 1 || denied[0]["reason"] != "groups_left_out" || !strings.Contains(fmt.Sprint(denied[0]["error"]), "into those of this API") {
		t.Errorf("the log says %v", denied)
	}
}
