package main

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"doorward/config"
	"doorward/proxy/provider"
	"doorward/proxy/providertest"
)

const itsCallback = "https://app.example.com/oauth2/callback"

// checkedLive is what `check --live` finds at a provider with our client, its redirect URI, and settings beside those of environment.
func checkedLive(t *testing.T, p *providertest.Provider, settings map[string]string) []finding {
	t.Helper()
	all := map[string]string{"ISSUER_URL": p.Issuer, "CLIENT_ID": providertest.ClientID, "CLIENT_SECRET": providertest.ClientSecret}
	maps.Copy(all, settings)
	environment(t, all)
	status, out, errOut := command(t, "check", "--live", "--json")
	for _, secret := range []string{providertest.ClientSecret, url.QueryEscape(providertest.ClientSecret)} {
		if strings.Contains(out+errOut, secret) {
			t.Error("the client secret is shown")
		}
	}
	var r report
	if err := json.Unmarshal([]byte(out), &r); err != nil || status != exitOK {
		t.Fatalf("status %d, %v in %s", status, err, out)
	}
	for _, f := range r.Findings {
		if f.ID == "" || f.Says == "" || f.failed() && f.Mend == "" || f.Level == provider.LevelOK && f.Mend != "" {
			t.Errorf("an incomplete finding: %+v", f)
		}
	}
	return r.Findings
}

// registered is a provider that knows our redirect URI and no other.
func registered(t *testing.T, mutations ...providertest.Mutation) *providertest.Provider {
	t.Helper()
	p := providertest.New(t, mutations...)
	p.Register(providertest.Client{RedirectURIs: []string{itsCallback}})
	return p
}

// nobody has the provider find nobody signed in, as it does when doorward itself comes.
func nobody(*providertest.Provider, url.Values) string { return "login_required" }

// refusing answers authorization requests with an error.
func refusing(code string) func(*providertest.Provider, url.Values) string {
	return func(*providertest.Provider, url.Values) string { return code }
}

func TestCheckLiveOfAProviderThatIsAsItShouldBe(t *testing.T) {
	p := registered(t, providertest.Mutation{Refuse: nobody})
	findings := checkedLive(t, p, nil)
	var ids []string
	for _, f := range findings {
		if f.failed() && strings.HasPrefix(f.ID, "provider.") {
			t.Errorf("fails: %+v", f)
		}
		if !slices.Contains(ids, f.ID) {
			ids = append(ids, f.ID)
		}
	}
	// Programs go by these, so that none changes its name.
	if got, want := strings.Join(ids, " "), "config.audience provider.discovery provider.clock provider.keys provider.pkce provider.client-auth provider.par "+
		"provider.client provider.redirect-uri provider.request provider.scope provider.refresh provider.userinfo provider.logout provider.logout-reports "+
		"provider.iss cookie.prefix cookie.size proxies.trusted upstream.reachable"; got != want {
		t.Errorf("the ids are\n%s, want\n%s", got, want)
	}
	if n := len(p.Requests(providertest.Token)); n != 1 {
		t.Errorf("%d token requests, want one", n)
	}
	for _, r := range p.Requests(providertest.Authorization) {
		if r.Query.Get("prompt") != "none" {
			t.Errorf("somebody would see a page: %v", r.Query)
		}
	}
}

// A row a finding: what is bent, and what is said about it.
func TestCheckLiveFindsWhatIsWrongAtTheProvider(t *testing.T) {
	found := func(name string) providertest.Mutation {
		m, ok := providertest.Find(name)
		if !ok {
			t.Fatalf("there is no mutation %s", name)
		}
		m.Refuse = nobody
		return m
	}
	metadata := func(name string, value any) providertest.Mutation {
		return providertest.Mutation{Refuse: nobody, Metadata: func(_ *providertest.Provider, m map[string]any) { m[name] = value }}
	}
	header := func(name, value string) providertest.Mutation {
		return providertest.Mutation{Refuse: nobody, MetadataReply: func(_ *providertest.Provider, a *providertest.Answer) { a.Header.Set(name, value) }}
	}
	date := func(ahead time.Duration) providertest.Mutation {
		return providertest.Mutation{Refuse: nobody, MetadataReply: func(_ *providertest.Provider, a *providertest.Answer) {
			a.Header.Set("Date", time.Now().Add(ahead).UTC().Format(http.TimeFormat))
		}}
	}
	page := func(theirs func(registered bool) *providertest.Answer) providertest.Mutation {
		return providertest.Mutation{Page: func(_ *providertest.Provider, _ url.Values, registered bool) *providertest.Answer {
			return theirs(registered)
		}}
	}
	html := func(status int) *providertest.Answer {
		return &providertest.Answer{Status: status, Header: http.Header{"Content-Type": {"text/html"}}, Body: []byte("<h1>Sign in</h1>")}
	}
	leadsTo := func(address string) *providertest.Answer {
		return &providertest.Answer{Status: http.StatusFound, Header: http.Header{"Location": {address}}, Body: []byte{}}
	}
	token := func(status int, body string) providertest.Mutation {
		return providertest.Mutation{Refuse: nobody, TokenRefusal: func(_ *providertest.Provider, a *providertest.Answer) { a.Status, a.Body = status, []byte(body) }}
	}
	const ok, note, fail = provider.LevelOK, provider.LevelNote, provider.LevelFail
	for _, c := range []struct {
		name       string
		mutation   providertest.Mutation
		settings   map[string]string
		id         string
		level      provider.Level
		says, mend string
	}{
		{"another issuer", found("oidcc-client-test-discovery-issuer-mismatch"), nil, "provider.discovery", fail, "to the letter", "DOORWARD_ISSUER_URL"},
		{"out of order", found("metadata-500"), nil, "provider.discovery", fail, "500", "reached from here"},
		{"PKCE plain alone", found("metadata-plain-pkce-only"), nil, "provider.discovery", fail, "S256", "provider's settings"},
		{"PKCE not announced", found("metadata-without-pkce"), nil, "provider.pkce", note, "not announced", "turn PKCE on"},
		{"no keys", found("jwks-empty"), nil, "provider.keys", fail, "no key", "signatures"},
		{"no push", metadata("x", 1), map[string]string{"PAR": "always"}, "provider.par", fail, "no login can begin", "DOORWARD_PAR=auto"},
		{"no push, and no login", metadata("x", 1), map[string]string{"PAR": "always"}, "provider.redirect-uri", fail, "no login can begin", "DOORWARD_PAR=auto"},
		{"no logout", metadata("end_session_endpoint", nil), nil, "provider.logout", note, "leaves people signed in", "DOORWARD_POST_LOGOUT_URL"},
		{"no reports", metadata("backchannel_logout_supported", false), nil, "provider.logout-reports", ok, "front-channel", ""},
		{"scope unknown", metadata("x", 1), map[string]string{"SCOPES": "openid grops"}, "provider.scope", note, "not among those", "announced are openid"},
		{"scope refused", providertest.Mutation{Refuse: refusing("invalid_scope")}, nil, "provider.request", fail, "invalid_scope", "DOORWARD_SCOPES"},
		{"flow refused", providertest.Mutation{Refuse: refusing("unauthorized_client")}, nil, "provider.request", fail, "unauthorized_client", "code flow"},
		{"refused for some reason", providertest.Mutation{Refuse: refusing("access_denied")}, nil, "provider.request", note, "access_denied", "sign in once"},
		{"userinfo missing", metadata("userinfo_endpoint", nil), map[string]string{"USERINFO": "always"}, "provider.userinfo", fail, "no endpoint", "DOORWARD_USERINFO=auto"},
		{"clock far away", date(-time.Hour), nil, "provider.clock", fail, "ours is ahead of the provider's by ", "NTP"},
		{"clock away", date(20 * time.Second), nil, "provider.clock", note, "behind the provider's by", "NTP"},
		{"clock within the error", date(0), nil, "provider.clock", ok, "give or take ", ""},
		{"clock unsaid", header("Date", ""), nil, "provider.clock", note, "no date", "NTP"},
		{"clock of a cache", header("Age", "30"), nil, "provider.clock", note, "cannot be told", "NTP"},

		{"registered", metadata("x", 1), nil, "provider.redirect-uri", ok, "and to no other", ""},
		{"not registered", metadata("x", 1), map[string]string{"PUBLIC_URL": "https://other.example.com"}, "provider.redirect-uri", fail, "400", "register exactly https://other.example.com/oauth2/callback"},
		{"pages for all", page(func(bool) *providertest.Answer { return html(http.StatusOK) }), nil, "provider.redirect-uri", note, "cannot be told", "sign in once"},
		{"page for those who are", page(func(registered bool) *providertest.Answer {
			if registered {
				return html(http.StatusOK)
			}
			return nil
		}), nil, "provider.redirect-uri", ok, "it seems", ""},
		{"another page for those who are", page(func(registered bool) *providertest.Answer {
			if registered {
				return leadsTo("https://login.example.com/sign-in?request=1")
			}
			return leadsTo("https://login.example.com/error?request=2")
		}), nil, "provider.redirect-uri", ok, "it seems", ""},
		{"the same page with another query", page(func(registered bool) *providertest.Answer {
			if registered {
				return leadsTo("https://login.example.com/page?shows=sign-in")
			}
			return leadsTo("https://login.example.com/page?shows=error")
		}), nil, "provider.redirect-uri", note, "cannot be told", "sign in once"},
		{"out of order", page(func(bool) *providertest.Answer { return html(http.StatusInternalServerError) }), nil, "provider.redirect-uri", note, "cannot be told", "sign in once"},
		{"browsers only", page(func(bool) *providertest.Answer { return &providertest.Answer{Raw: sayNothing} }), nil, "provider.redirect-uri", note, "cannot be told", "doorward itself need not"},
		{"answers without iss", found("fapi2-security-profile-final-client-test-remove-authorization-response-iss"), nil, "provider.answer", fail, "iss is missing", "refuses every login"},
		{"answers with another iss", found("callback-iss-unannounced-and-wrong"), nil, "provider.answer", fail, "not the configured issuer", "refuses every login"},

		{"pushed", providertest.Mutation{PAR: "required", Refuse: nobody}, nil, "provider.redirect-uri", ok, "is registered", ""},
		{"pushed and not registered", providertest.Mutation{PAR: "required", Refuse: nobody}, map[string]string{"PUBLIC_URL": "https://other.example.com"}, "provider.redirect-uri", fail, "invalid_request", "register exactly https://other.example.com"},
		{"pushed by a stranger", found("par-invalid-client"), nil, "provider.request", fail, "invalid_client", "DOORWARD_CLIENT_SECRET"},
		{"pushed in vain", found("par-500"), nil, "provider.redirect-uri", fail, "no login can begin", "/op/par can be reached"},
		{"pushed scope refused", providertest.Mutation{PAR: "required", PushReply: func(_ *providertest.Provider, a *providertest.Answer) {
			a.Status, a.Body = http.StatusBadRequest, []byte(`{"error":"invalid_scope"}`)
		}}, nil, "provider.request", fail, "invalid_scope", "DOORWARD_SCOPES"},
		{"pushed and refused", found("par-invalid-request"), nil, "provider.request", fail, "no such scope", "mend what it complains of"},

		{"secret", metadata("x", 1), nil, "provider.client", ok, "are accepted", ""},
		{"wrong secret", metadata("x", 1), map[string]string{"CLIENT_SECRET": "another-secret-of-some-length"}, "provider.client", fail, "invalid_client", "DOORWARD_CLIENT_SECRET"},
		{"wrong method", metadata("x", 1), map[string]string{"CLIENT_AUTH": "client_secret_post"}, "provider.client-auth", fail, "not among those", "announced are client_secret_basic"},
		{"method unannounced", metadata("token_endpoint_auth_methods_supported", []string{"private_key_jwt"}), nil, "provider.client-auth", note, "is accepted, though", ""},
		{"401 without a word", token(http.StatusUnauthorized, "<h1>no</h1>"), nil, "provider.client", fail, "no error that it names", "DOORWARD_CLIENT_ID"},
		{"Keycloak's way", token(http.StatusUnauthorized, `{"error":"unauthorized_client","error_description":"Invalid client or Invalid client credentials"}`), nil, "provider.client", fail, "Invalid client credentials", "DOORWARD_CLIENT_SECRET"},
		{"another error", token(http.StatusBadRequest, `{"error":"invalid_request"}`), nil, "provider.client", note, "cannot be told", "sign in once"},
		{"token endpoint out of order", token(http.StatusBadGateway, "<h1>sorry</h1>"), nil, "provider.client", fail, "502", "no login gets through"},
		{"takes any code", token(http.StatusOK, `{"access_token":"x","token_type":"Bearer"}`), nil, "provider.client", fail, "a code that never was", "can be believed"},
		{"tells the secret", token(http.StatusUnauthorized, `{"error":"invalid_client","error_description":"`+providertest.ClientSecret+` is wrong"}`), nil, "provider.client", fail, "… is wrong", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			findings := checkedLive(t, registered(t, c.mutation), c.settings)
			if !slices.ContainsFunc(findings, func(f finding) bool {
				return f.ID == c.id && f.Level == c.level && strings.Contains(f.Says, c.says) && strings.Contains(f.Mend, c.mend)
			}) {
				t.Errorf("%s %s %q is missing in\n%+v", c.level, c.id, c.says, findings)
			}
		})
	}
}

// A redirect URI that covers others is worth a word.
func TestCheckLiveFindsAWildcard(t *testing.T) {
	findings := checkedLive(t, providertest.New(t, providertest.Mutation{Refuse: nobody}), nil)
	if !slices.ContainsFunc(findings, func(f finding) bool {
		return f.ID == "provider.redirect-uri" && f.Level == provider.LevelNote && strings.Contains(f.Mend, "without a wildcard")
	}) {
		t.Errorf("%+v", findings)
	}
}

func TestCheckLiveTriesEachRedirectURI(t *testing.T) {
	findings := checkedLive(t, registered(t, providertest.Mutation{Refuse: nobody}), map[string]string{"PUBLIC_URL": "https://app.example.com,https://b.example.com"})
	levels := map[string]provider.Level{}
	for _, f := range findings {
		levels[f.Subject] = f.Level
	}
	if levels["redirect URI "+itsCallback] != provider.LevelOK || levels["redirect URI https://b.example.com/oauth2/callback"] != provider.LevelFail {
		t.Errorf("%+v", findings)
	}
}

// Whoever has no secret is tried in its own way.
func TestCheckLiveTriesTheClientWithoutASecret(t *testing.T) {
	const key = `{"kty":"EC","crv":"P-256","kid":"k1","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}`
	var public jose.JSONWebKey
	if err := public.UnmarshalJSON((&config.Config{ClientKey: key}).ClientPublicKey()); err != nil {
		t.Fatal(err)
	}
	public.Algorithm = "ES256"
	withKey := map[string]string{"CLIENT_AUTH": "private_key_jwt", "CLIENT_SECRET": unset, "CLIENT_KEY": key}
	for _, c := range []struct {
		name     string
		client   providertest.Client
		settings map[string]string
		level    provider.Level
		says     string
		mend     string
	}{
		{"key", providertest.Client{Auth: "private_key_jwt", Key: public}, withKey, provider.LevelOK, "id and key are accepted", ""},
		{"registered with a secret", providertest.Client{}, withKey, provider.LevelFail, "id and key are refused", "`doorward check` prints"},
		{"public", providertest.Client{Auth: "none"}, map[string]string{"CLIENT_AUTH": "none", "CLIENT_SECRET": unset}, provider.LevelOK, "the id is accepted", ""},
		{"public, and registered with a secret", providertest.Client{}, map[string]string{"CLIENT_AUTH": "none", "CLIENT_SECRET": unset}, provider.LevelFail, "the id is refused", "a public one"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := providertest.New(t, providertest.Mutation{Refuse: nobody})
			p.Register(c.client)
			findings := checkedLive(t, p, c.settings)
			i := slices.IndexFunc(findings, func(f finding) bool { return f.ID == "provider.client" })
			if i < 0 || findings[i].Level != c.level || !strings.Contains(findings[i].Says, c.says) || !strings.Contains(findings[i].Mend, c.mend) {
				t.Errorf("%+v", findings)
			}
		})
	}
}

func TestCheckStrictCountsFailures(t *testing.T) {
	p := registered(t, providertest.Mutation{Refuse: nobody})
	upstream := aServer(t)
	for _, c := range []struct {
		secret, flag string
		status       int
	}{
		{providertest.ClientSecret, "--strict", exitOK}, // with notes
		{canary, "--strict", exitFailed},
		{canary, "--live", exitOK},
	} {
		environment(t, map[string]string{"ISSUER_URL": p.Issuer, "CLIENT_ID": providertest.ClientID, "CLIENT_SECRET": c.secret, "UPSTREAMS": upstream})
		status, out, _ := command(t, "check", c.flag)
		if status != c.status || !strings.Contains(out, "\n  note ") || strings.Contains(out, "\n  FAIL client: ") != (c.secret == canary) {
			t.Errorf("%+v: status %d, out\n%s", c, status, out)
		}
	}
}

// However much hangs, the answer comes before people give up, and before CI does.
func TestCheckLiveIsBoundedInTime(t *testing.T) {
	silent := accepting(t, sayNothing)
	hang := func(_ *providertest.Provider, a *providertest.Answer) { a.Hang = true }
	p := registered(t, providertest.Mutation{KeySetReply: hang, TokenRefusal: hang,
		Page: func(*providertest.Provider, url.Values, bool) *providertest.Answer {
			return &providertest.Answer{Hang: true}
		}})
	began := time.Now()
	findings := checkedLive(t, p, map[string]string{
		"UPSTREAMS": "h2c://" + silent + "; /tls/ https://" + silent, "REDIS_URL": "redis://" + silent,
	})
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("it took %v", took)
	}
	failed := map[string]bool{}
	for _, f := range findings {
		failed[f.ID] = failed[f.ID] || f.failed()
	}
	for _, id := range []string{"provider.keys", "provider.client", "upstream.reachable", "redis.reachable"} {
		if !failed[id] {
			t.Errorf("%s is not reported in %+v", id, findings)
		}
	}
}
