package proxy_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"doorward/config"
	"doorward/proxy/providertest"
)

// secretsOf are all values of a site's logins that no log, page or metric may hold.
func secretsOf(s *site) map[string]string {
	secrets := map[string]string{"client secret": providertest.ClientSecret, "query": "canary-query"}
	add := func(what, value string) {
		if len(value) >= 8 {
			secrets[fmt.Sprintf("%s %d", what, len(secrets))] = value
		}
	}
	for _, r := range append(s.Provider.Requests(providertest.Authorization), s.Provider.Requests(providertest.Push)...) {
		for _, name := range []string{"state", "nonce", "code_challenge"} {
			add(name, r.Query.Get(name))
			add(name, r.Form.Get(name))
		}
		add("request_uri", r.Query.Get("request_uri"))
	}
	for _, r := range append(s.Provider.Requests(providertest.Token), s.Provider.Requests(providertest.Push)...) {
		for _, name := range []string{"code", "code_verifier", "client_secret", "client_assertion"} {
			add(name, r.Form.Get(name))
		}
		add("client authentication", strings.TrimPrefix(r.Header.Get("Authorization"), "Basic "))
		var members map[string]any
		_ = json.Unmarshal([]byte(r.Answer), &members)
		reference, _ := members["request_uri"].(string)
		add("request_uri", reference)
		for _, name := range []string{"access_token", "id_token", "refresh_token"} {
			token, _ := members[name].(string)
			add(name, token)
			for i, part := range strings.Split(token, ".") {
				if i > 0 && i < 3 { // headers are no secret, and are the same in many tokens
					add("part of "+name, part)
				}
			}
		}
	}
	return secrets
}

// hasNoSecret looks for secrets in the log and in the metrics.
func hasNoSecret(t *testing.T, s *site) {
	t.Helper()
	log := s.Log.String()
	for what, secret := range secretsOf(s) {
		for _, written := range []string{secret, url.QueryEscape(secret)} {
			if at := strings.Index(log, written); at >= 0 {
				t.Errorf("the %s is in the log: …%s…", what, log[max(0, at-120):min(len(log), at+40)])
			}
		}
	}
}

// everything walks through the life of a site: logins that succeed and fail, refused and forwarded requests, a logout.
func everything(s *site) {
	alice := s.signedIn("alice")
	alice.open(s.URL + "/admin/x?q=canary-query&code=canary-query")
	alice.open(s.URL + "/oauth2/start?rd=/x%3Fq=canary-query")
	alice.open(s.URL + "/oauth2/userinfo?q=canary-query")
	bob := s.signedIn("bob")
	bob.open(s.URL + "/admin/x?q=canary-query")
	bob.request("POST", s.URL+"/x?q=canary-query", headers("Authorization", "Bearer canary-query", "Cookie", "theirs=canary-query"), "canary-query")
	nobody := s.browser()
	nobody.open(s.URL + "/x?q=canary-query")
	callback := nobody.callbackAddress(s, "/x?q=canary-query")
	s.browser().open(callback)
	nobody.open(callback + "1")
	nobody.open(callback + "&error=canary-query")
	s.rawGet("/public/..%2fadmin/?q=canary-query", "Accept: text/html")
	s.rawGet("/x", "Accept: text/html", "Host: evil.example")
	s.rawGet("/public/?q=canary-query", "X-Forwarded-User: canary-query", "User-Agent: canary-query")
	s.rawGet("http://user:canary-query@evil.example/x?q=canary-query")
	s.rawGet("/public/x#access_token=canary-query") // browsers keep it to themselves, other clients do not
	s.rawGet("/oauth2/callback#access_token=canary-query")
	s.rawGet("http://" + strings.TrimPrefix(s.URL, "http://") + "/x#access_token=canary-query")
	s.rawGet("/oauth2/callback?code=canary-query&state=canary-query&state=canary-query")
	s.rawGet("/oauth2/callback?error=access_denied&error_description=canary-query&state=canary-query")
	s.rawGet("/oauth2/frontchannel-logout?iss=canary-query&sid=canary-query")
	s.rawGet("/oauth2/frontchannel-logout?sid=canary-query")
	for _, form := range []string{"logout_token=canary-query", "logout_token=canary-query.canary-query.canary-query", "logout_token=%zzcanary-query"} {
		nobody.request("POST", s.URL+"/oauth2/backchannel-logout?q=canary-query", headers("Content-Type", "application/x-www-form-urlencoded"), form)
	}
	alice.request("POST", s.URL+"/oauth2/sign_out?rd=/x", headers("Sec-Fetch-Site", "same-origin"), "")
}

// Neither log nor metrics ever hold a token, code, cookie, state, nonce, verifier, secret or query string, at any level.
func TestLogHoldsNoSecret(t *testing.T) {
	secret := config.NewSecret()
	s := newSite(t, func(c *config.Config) { c.CookieSecrets = []string{secret} })
	b := s.signedIn("alice")
	cookie := b.cookies(s.URL)[0].Value
	everything(s)

	hasNoSecret(t, s)
	text := s.Log.String() + fmt.Sprint(s.metrics())
	for what, value := range map[string]string{"cookie": cookie, "cookie secret": secret, "query": "canary-query"} {
		if strings.Contains(text, value) {
			t.Errorf("the %s is in log or metrics", what)
		}
	}
}

// A provider that complains of a request may quote what is in it.
func TestProviderErrorThatQuotesTheRequest(t *testing.T) {
	s := newSite(t, nil)
	b := s.browser()
	asked := b.open(s.URL + "/x").location().Query()
	answer := url.Values{"iss": {s.Provider.Issuer}, "state": {asked.Get("state")}, "error": {"invalid_request"},
		"error_description": {"nonce " + asked.Get("nonce") + " was used before, with state " + asked.Get("state")}}

	p := b.open(s.URL + "/oauth2/callback?" + answer.Encode())

	if p.StatusCode != http.StatusBadRequest || !strings.Contains(p.Text, "was used before") {
		t.Errorf("the answer is %d: %s", p.StatusCode, p.Text)
	}
	for _, name := range []string{"state", "nonce"} {
		if strings.Contains(s.Log.String()+p.Text, asked.Get(name)) {
			t.Errorf("log or page hold the %s:\n%s", name, s.Log)
		}
	}
}

// The upstream that fails is told by its name, and its address's credentials and the request's query are not.
func TestFailingUpstreamIsLogged(t *testing.T) {
	s := newSite(t, func(c *config.Config) { c.Upstreams = "http://127.0.0.1:1" })
	p := s.browser().open(s.URL + "/public/x?q=canary-query")

	isPage(t, p)
	if p.StatusCode != http.StatusBadGateway {
		t.Errorf("the answer is %d", p.StatusCode)
	}
	hasNoSecret(t, s)
	if strings.Contains(p.Text, "127.0.0.1:1") || strings.Contains(p.Text, "refused") {
		t.Errorf("the page tells what only the log should: %s", p.Text)
	}
}

// The access log has one object a line, with the fields that the documentation names.
func TestAccessLog(t *testing.T) {
	s := newSite(t, nil)
	b := s.signedIn("alice")

	p := b.open(s.URL + "/admin/x?q=1")

	last := s.lastRequests(1)[0]
	for name, want := range map[string]any{
		"level": "info", "method": "GET", "path": "/admin/x", "status": 200.0, "rule": "/admin/", "user": "alice",
		"host": strings.TrimPrefix(s.URL, "http://"), "client_ip": "127.0.0.1", "peer_ip": "127.0.0.1", "upstream": s.Upstream.URL,
		"request_id": s.Upstream.last(t).Header.Get("X-Request-Id"), "bytes": float64(len(p.Text)),
	} {
		if last[name] != want {
			t.Errorf("%s is %v, not %v", name, last[name], want)
		}
	}
	for _, name := range []string{"time", "session", "outcome", "duration_ms", "upstream_ms"} {
		if _, there := last[name]; !there {
			t.Errorf("there is no %s", name)
		}
	}
}

// Nobody writes lines of their own into the log.
func TestLogLinesCannotBeForged(t *testing.T) {
	s := newSite(t, nil)
	before := strings.Count(s.Log.String(), "\n")
	for _, target := range []string{"/%0a%7b%22level%22:%22x%22%7d", `/"},{"level":"forged`, "/\u2028x", "/%1b[31mred"} {
		s.rawGet(target, "User-Agent: a\tb", `X-Forwarded-For: "}{`)
	}
	s.Log.events(t, "request") // fails at a line that is no JSON
	for line := range strings.Lines(s.Log.String()) {
		if strings.ContainsAny(strings.TrimSuffix(line, "\n"), "\r\n\x1b\u2028") {
			t.Errorf("a line holds control characters: %q", line)
		}
	}
	if n := strings.Count(s.Log.String(), "\n") - before; n < 4 {
		t.Errorf("%d lines were written", n)
	}
}

// An event of its own tells the operator which setting an unknown host needs.
func TestUnknownHostIsLogged(t *testing.T) {
	s := newSite(t, nil)

	p := s.raw("GET / HTTP/1.1\r\nHost: other.example\r\nAccept: text/html\r\nConnection: close\r\n\r\n")

	if p.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("the answer is %d", p.StatusCode)
	}
	events := s.Log.events(t, "unknown_host")
	if len(events) != 1 || !strings.Contains(fmt.Sprint(events), "PUBLIC_URL") {
		t.Errorf("the log says %v", events)
	}
}

// Series whose label values are all fixed exist from the start, at 0.
func TestSeriesExistFromTheStart(t *testing.T) {
	s := newSite(t, nil)
	series := s.metrics()
	for _, m := range providertest.Misbehaviours() {
		name := `doorward_logins_total{result="` + resultOf(m) + `"}`
		if value, there := series[name]; !there || value != 0 {
			t.Errorf("%s is %v, there: %v", name, value, there)
		}
	}
	for _, name := range []string{
		"doorward_in_flight_requests", "doorward_ambiguous_paths_total", "doorward_logins_started_total", "doorward_login_loops_total",
		"doorward_provider_up", "doorward_jwks_last_success_timestamp_seconds", `doorward_logouts_total{kind="local"}`, `doorward_logouts_total{kind="rp_initiated"}`,
		`doorward_logouts_total{kind="back_channel"}`, `doorward_logouts_total{kind="front_channel"}`, `doorward_logouts_total{kind="everywhere"}`,
		`doorward_logins_total{result="ok"}`, `doorward_logins_total{result="invalid_id_token"}`, `doorward_session_key_uses_total{key="1"}`,
		`doorward_session_loads_total{result="ok"}`, "doorward_session_cookie_bytes_count", `doorward_open_connections{kind="websocket"}`,
	} {
		if value, there := series[name]; !there || value != 0 {
			t.Errorf("%s is %v, there: %v", name, value, there)
		}
	}
}

// However many paths, methods, hosts and agents clients think of, the series stay the same (CVE-2022-21698).
func TestClientsMakeNoSeries(t *testing.T) {
	s := newSite(t, nil)
	random := func(i int) {
		s.rawGet(fmt.Sprintf("/public/%d?x=%d", i, i), fmt.Sprintf("User-Agent: agent-%d", i))
		s.raw(fmt.Sprintf("GET /x/%d HTTP/1.1\r\nHost: host-%d.example\r\nConnection: close\r\n\r\n", i, i))
		s.rawRequest(fmt.Sprintf("METHOD%d", i), "/public/x")
		s.rawGet(fmt.Sprintf("/oauth2/%d", i))
		s.rawGet(fmt.Sprintf("/oauth2/callback?code=%d&state=%d", i, i))
		s.rawGet(fmt.Sprintf("/oauth2/frontchannel-logout?iss=%d&sid=%d", i, i))
		s.rawRequest("POST", fmt.Sprintf("/oauth2/backchannel-logout?%d", i), "Content-Length: 0")
		s.rawGet(fmt.Sprintf("/public/..%%2fadmin/%d", i))
	}
	for i := range 20 {
		random(i)
	}
	before := len(s.metrics())
	for i := range 100 {
		random(1000 + i)
	}
	if after := len(s.metrics()); after != before {
		t.Errorf("there were %d series, and now there are %d", before, after)
	}
}

// The endpoints of the metrics listener.
func TestMetricsListener(t *testing.T) {
	s := newSite(t, nil)
	for path, status := range map[string]int{"/metrics": 200, "/healthz": 200, "/readyz": 200, "/": 404, "/oauth2/start": 404} {
		w := httptest.NewRecorder()
		s.Proxy.Admin().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != status {
			t.Errorf("%s is answered %d", path, w.Code)
		}
	}
}

// net/http quotes what it cannot read. It may be a token.
func TestWhatPeersSendIsNotQuoted(t *testing.T) {
	s := newSite(t, nil)
	b := s.signedIn("alice")
	for _, answer := range []string{
		"HTTP/1.1 token=" + canary + "\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: " + canary + "\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: " + canary + "\r\n\r\n",
		canary + "\r\n\r\n",
	} {
		s.Upstream.Answer = hangUp(answer)
		if p := b.open(s.URL + "/"); p.StatusCode != http.StatusBadGateway {
			t.Errorf("%q is answered %d", answer, p.StatusCode)
		}
	}
	if strings.Contains(s.Log.String(), canary) {
		t.Errorf("the log quotes the upstream:\n%s", s.Log)
	}
}
