package config_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"doorward/config"
	"doorward/deploy/certtest"
)

// valid is a configuration made by hand, as the demo makes its own.
func valid() *config.Config {
	c := config.Defaults()
	c.PublicURL = []string{"https://App.example.com:443"}
	c.Upstreams = "http://127.0.0.1:8080"
	c.AccessRules = "/ authenticated"
	c.IssuerURL = "https://id.example.com"
	c.ClientID = "doorward"
	c.ClientSecret = canary
	c.CookieSecrets = []string{secretA}
	return c
}

func TestValidateAcceptsAConfigMadeByHand(t *testing.T) {
	if err := valid().Validate(); err != nil {
		t.Error(err)
	}
}

func TestValidateFindsTheSameProblemsAsLoad(t *testing.T) {
	c := valid()
	c.ClientID, c.CookieSecrets, c.GroupsClaim, c.ShutdownDelay = "", nil, "", -time.Second
	err := c.Validate()
	for _, variable := range []string{"CLIENT_ID", "COOKIE_SECRETS", "GROUPS_CLAIM", "SHUTDOWN_DELAY"} {
		if err == nil || !strings.Contains(err.Error(), "DOORWARD_"+variable+": ") {
			t.Errorf("%s is not named: %v", variable, err)
		}
	}
}

func TestValidateFindsEverythingWrongWithAnEmptyConfig(t *testing.T) {
	ps, _ := errors.AsType[config.Problems](new(config.Config).Validate())
	for _, required := range []string{"PUBLIC_URL", "UPSTREAMS", "ACCESS_RULES", "ISSUER_URL", "CLIENT_ID", "CLIENT_SECRET", "COOKIE_SECRETS"} {
		if len(ps.Of(required)) != 1 {
			t.Errorf("%s: %v", required, ps.Of(required))
		}
	}
}

func TestOriginsAreNormalised(t *testing.T) {
	c := valid()
	c.PublicURL = []string{"HTTPS://App.Example.com:443/", "https://b.example.com:8443", "https://[2001:DB8:0:0::1]", "https://[::ffff:192.0.2.1]"}
	var got []string
	for _, origin := range c.Origins() {
		got = append(got, origin.String())
	}
	if want := []string{"https://app.example.com", "https://b.example.com:8443", "https://[2001:db8::1]", "https://[::ffff:c000:201]"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Plain http is for this machine alone, by whatever name: what only looks like one of its names may be anybody's.
func TestPlainHTTPIsForLoopback(t *testing.T) {
	for host, good := range map[string]bool{
		"localhost": true, "LOCALHOST": true, "app.localhost": true, "127.0.0.1": true, "127.9.8.7": true, "[::1]": true,
		"notlocalhost": false, "localhost.example.com": false, "127.0.0.1.example.com": false, "127.example.com": false,
		"10.0.0.1": false, "192.168.1.1": false, "169.254.1.1": false, "0.0.0.0": false, "[::]": false, "[fe80::1]": false, "[fc00::1]": false, "app": false,
	} {
		c := valid()
		c.PublicURL, c.IssuerURL, c.ProviderInternalURL = []string{"http://" + host}, "http://"+host, "http://"+host
		ps, _ := errors.AsType[config.Problems](c.Validate())
		for _, variable := range []string{"PUBLIC_URL", "ISSUER_URL", "PROVIDER_INTERNAL_URL"} {
			if found := ps.Of(variable); (len(found) == 0) != good || !good && !strings.Contains(found[0].Wrong, "plain http beyond loopback") {
				t.Errorf("%s at %s: %v", variable, host, found)
			}
		}
	}
}

func TestCallbackAndLogoutURLs(t *testing.T) {
	c := valid()
	c.PublicURL = append(c.PublicURL, "https://b.example.com")
	c.EndpointPrefix = "/_auth"
	if want := []string{"https://app.example.com/_auth/callback", "https://b.example.com/_auth/callback"}; !slices.Equal(c.CallbackURLs(), want) {
		t.Errorf("callbacks %q, want %q", c.CallbackURLs(), want)
	}
	if got := c.LogoutURL(); got != "https://app.example.com/_auth/sign_out" {
		t.Errorf("default logout URL %q", got)
	}
	if back, front := c.BackChannelLogoutURL(), c.FrontChannelLogoutURL(); back != "https://app.example.com/_auth/backchannel-logout" ||
		front != "https://app.example.com/_auth/frontchannel-logout" {
		t.Errorf("logouts are reported to %q and %q", back, front)
	}
	c.PostLogoutURL = "https://example.com/bye"
	if got := c.LogoutURL(); got != c.PostLogoutURL {
		t.Errorf("logout URL %q", got)
	}
}

// The file of revocations needs a folder in which files can be made; nothing stays behind of the attempt.
func TestRevocationsPath(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, good := range map[string]bool{
		"": true, file: true, filepath.Join(folder, "new"): true,
		folder: false, filepath.Join(folder, "missing", "new"): false, filepath.Join(file, "new"): false, "/proc/new": false,
	} {
		c := valid()
		c.RevocationsPath = path
		ps, _ := errors.AsType[config.Problems](c.Validate())
		if found := ps.Of("REVOCATIONS_PATH"); (len(found) == 0) != good || len(ps) != len(found) || !good && found[0].Mend == "" {
			t.Errorf("%q: %v", path, ps)
		}
	}
	if left, _ := os.ReadDir(folder); len(left) != 1 {
		t.Errorf("the folder holds %v", left)
	}
}

func TestAdminToken(t *testing.T) {
	for token, good := range map[string]bool{
		"": true, "0123456789abcdef": true, "abcDEF0189-._~+/=": true, config.NewSecret(): true,
		"0123456789abcde": false, "0123456789 abcdef": false, "0123456789abcdef\n": false, "0123456789abcdéf": false,
		"0123456789,abcdef": false, "<the admin token>": false, "................": false, "aaaaaaaaaaaaaaaaaaaaaaaa": false,
	} {
		c := valid()
		c.AdminToken = token
		ps, _ := errors.AsType[config.Problems](c.Validate())
		found := ps.Of("ADMIN_TOKEN")
		if (len(found) == 0) != good || len(ps) != len(found) || !good && !strings.Contains(found[0].Mend, "openssl rand -hex 32") {
			t.Errorf("%q: %v", token, ps)
		}
		if !good && strings.Contains(ps.Error(), token) {
			t.Errorf("%q is in its problem: %v", token, ps)
		}
	}
}

func TestCookieNameLosesItsPrefixOnPlainHTTP(t *testing.T) {
	for _, n := range []struct{ origin, name, want string }{
		{"https://app.example.com", "__Host-doorward", "__Host-doorward"},
		{"https://app.example.com", "app", "app"},
		{"http://localhost", "__Host-doorward", "doorward"},
		{"http://localhost", "__secure-app", "app"},
		{"http://localhost", "app", "app"},
	} {
		c := valid()
		c.PublicURL, c.CookieName = []string{n.origin}, n.name
		if got := c.SessionCookieName(); got != n.want {
			t.Errorf("%s at %s: %s, want %s", n.name, n.origin, got, n.want)
		}
		if c.Secure() != strings.HasPrefix(n.origin, "https") {
			t.Errorf("%s: Secure is %v", n.origin, c.Secure())
		}
	}
}

func TestSecretsAreDecoded(t *testing.T) {
	c := valid()
	raw, _ := base64.StdEncoding.DecodeString(secretB)
	c.CookieSecrets = []string{secretA, base64.RawURLEncoding.EncodeToString(raw)}
	secrets, err := c.Secrets()
	if err != nil || len(secrets) != 2 || !bytes.Equal(secrets[1], raw) {
		t.Errorf("got %v, %v", secrets, err)
	}
}

func TestNewSecretIsAlwaysAccepted(t *testing.T) {
	c := valid()
	for range 200 {
		c.CookieSecrets = []string{config.NewSecret()}
		if _, err := c.Secrets(); err != nil {
			t.Fatalf("%s: %v", c.CookieSecrets[0], err)
		}
	}
}

func TestAuthParameters(t *testing.T) {
	c := valid()
	c.AuthParams = []string{"prompt=login", "acr_values = a=b"}
	parameters, err := c.AuthParameters()
	if err != nil || parameters.Encode() != "acr_values=a%3Db&prompt=login" {
		t.Errorf("got %q, %v", parameters.Encode(), err)
	}
}

func TestIdentityHeaders(t *testing.T) {
	c := valid()
	c.Headers = []string{"x-department=department", "X-Role = realm_access.roles"}
	headers, err := c.IdentityHeaders()
	want := []config.Header{{Name: "X-Department", Claim: "department"}, {Name: "X-Role", Claim: "realm_access.roles"}}
	if err != nil || !slices.Equal(headers, want) {
		t.Errorf("got %v, %v", headers, err)
	}
}

func TestUpstreamTable(t *testing.T) {
	c := valid()
	c.Upstreams = `
		# the application
		http://App:8080
		/api/       https://api.internal host=upstream strip=/api token=x-forwarded-access-token timeout=2m
		/files/     unix:///run/files.sock paths=case-sensitive,opaque-slash token=none; grpc.example.com/ h2c://grpc:9000/`
	upstreams, err := c.UpstreamTable()
	if err != nil {
		t.Fatal(err)
	}
	var got []config.Upstream
	var names []string
	for _, u := range upstreams {
		names = append(names, u.Name())
		u.URL = nil
		got = append(got, u)
	}
	want := []config.Upstream{
		{Pattern: "/", Host: "preserve", Token: "bearer", Timeout: 30 * time.Second},
		{Pattern: "/api/", Host: "upstream", Strip: "/api", Token: "x-forwarded-access-token", Timeout: 2 * time.Minute},
		{Pattern: "/files/", Host: "preserve", Token: "none", Timeout: 30 * time.Second, Paths: []string{"case-sensitive", "opaque-slash"}},
		{Pattern: "grpc.example.com/", Host: "preserve", Token: "bearer", Timeout: 30 * time.Second},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
	if want := []string{"http://app:8080", "https://api.internal", "unix:/run/files.sock", "h2c://grpc:9000"}; !slices.Equal(names, want) {
		t.Errorf("names %q, want %q", names, want)
	}
}

func TestForwardAccessTokenIsTheDefaultOfToken(t *testing.T) {
	c := valid()
	c.ForwardAccessToken = false
	c.Upstreams = "http://x; /a/ http://y token=bearer"
	upstreams, err := c.UpstreamTable()
	if err != nil || upstreams[0].Token != "none" || upstreams[1].Token != "bearer" {
		t.Errorf("got %+v, %v", upstreams, err)
	}
}

func TestPathToSend(t *testing.T) {
	for _, s := range []struct {
		strip, path, want string
		ok                bool
	}{
		{"", "/api/x", "/api/x", true},
		{"/api", "/api/x", "/x", true},
		{"/api", "/api/", "/", true},
		{"/api", "/api", "/", true},
		{"/api", "/apix", "", false},
		{"/api", "/%61pi/x", "", false},
		{"", "//a/%2f[x]", "//a/%2f[x]", true},
		{"", "//a|b", "", false},
		{"", "/a|b", "/a|b", true},
		{"/api", "/api//a|b", "", false},
	} {
		if got, err := (config.Upstream{Strip: s.strip}).PathToSend(s.path); got != s.want || (err == nil) != s.ok {
			t.Errorf("strip=%s of %s: %q, %v", s.strip, s.path, got, err)
		}
	}
}

func TestPatternsOfUpstreamsAreProblemsOfUpstreams(t *testing.T) {
	c := valid()
	c.Upstreams = "http://x; / http://y"
	err := c.Validate()
	ps, _ := err.(config.Problems)
	if len(ps) != 1 || ps[0].Variable != "DOORWARD_UPSTREAMS" {
		t.Errorf("got %v", err)
	}
}

func TestPolicyKnowsRulesAndUpstreams(t *testing.T) {
	c := valid()
	c.Upstreams = "http://x; /api/ http://y"
	policy, err := c.Policy()
	if err != nil {
		t.Fatal(err)
	}
	route, err := policy.Route("GET", "app.example.com", "/api/x")
	if err != nil || route.Upstream() != 1 || route.Rule() != "/" {
		t.Errorf("route %+v, %v", route, err)
	}
}

func TestProviderCATakesCertificates(t *testing.T) {
	certificate := certtest.New(t).PEM
	if c := load(t, map[string]string{"PROVIDER_CA_FILE": writeFile(t, certificate+certificate)}); strings.Count(c.ProviderCA, "BEGIN") != 2 {
		t.Errorf("ProviderCA = %q", c.ProviderCA)
	}
}

func TestNotes(t *testing.T) {
	c := valid()
	if notes := c.Notes(); len(notes) != 1 || !strings.Contains(notes[0], "AUDIENCE") {
		t.Errorf("notes %q", notes)
	}
	c.Audience = []string{"api"}
	c.InsecurePublicHTTP, c.InsecureProviderHTTP, c.InsecureUnverifiedEmail = true, true, true
	c.AccessRules = "/ group:Admin\ngrafana.example.com/ authenticated"
	c.CookieSecrets = []string{base64.StdEncoding.EncodeToString([]byte("it was a dark and stormy night, quick!"))}
	notes := strings.Join(c.Notes(), "\n")
	for _, want := range []string{"INSECURE_PUBLIC_HTTP", "INSECURE_PROVIDER_HTTP", "INSECURE_UNVERIFIED_EMAIL", "secret 1 is text", "SCOPES", "grafana.example.com"} {
		if !strings.Contains(notes, want) {
			t.Errorf("no note says %q:\n%s", want, notes)
		}
	}
}

func TestPolicyNotes(t *testing.T) {
	for _, n := range []struct {
		name   string
		change func(*config.Config)
		want   string // no note at all where it is empty
	}{
		{"below our endpoints", func(c *config.Config) { c.AccessRules += "; GET h.example.com/oauth2/admin group:A" }, `rule "GET h.example.com/oauth2/admin" is never asked: doorward itself answers under /oauth2`},
		{"the endpoints themselves", func(c *config.Config) { c.AccessRules += "; /oauth2 public" }, `rule "/oauth2" is never asked`},
		{"beside our endpoints", func(c *config.Config) { c.AccessRules += "; /oauth2x/ public; /x/oauth2/ public" }, ""},
		{"under another prefix", func(c *config.Config) { c.EndpointPrefix, c.AccessRules = "/a/b", "/a/b/{x}/ public" }, `under /a/b`},
		{"a path without its slash", func(c *config.Config) { c.AccessRules += "; admin/ group:A" }, "admin/ in rules or upstreams is a host, and no DOORWARD_PUBLIC_URL: did you mean the path /admin/ ?"},
		{"a short host of ours", func(c *config.Config) {
			c.PublicURL, c.AccessRules = []string{"https://intranet"}, "intranet/ authenticated"
		}, ""},
		{"an address", func(c *config.Config) { c.AccessRules += "; [::1]/ public" }, "[::1] is named"},
		{"e-mail without its scope", func(c *config.Config) { c.Scopes, c.AccessRules = "openid", "/ !email:a@example.com" }, "DOORWARD_SCOPES has no `email`"},
		{"e-mail with its scope", func(c *config.Config) { c.AccessRules = "/ email:*@example.com" }, ""},
		{"no e-mail asked for", func(c *config.Config) { c.Scopes = "openid" }, ""},
		{"logout to a guarded page", func(c *config.Config) { c.PostLogoutURL = "https://APP.example.com:443/bye" }, "DOORWARD_POST_LOGOUT_URL is a page of this site that is not public"},
		{"logout to the front page", func(c *config.Config) { c.PostLogoutURL = "https://app.example.com" }, "DOORWARD_POST_LOGOUT_URL"},
		{"logout to a public page", func(c *config.Config) {
			c.PostLogoutURL, c.AccessRules = "https://app.example.com/bye?x", "/ authenticated; /bye public"
		}, ""},
		{"logout to a guarded page of a sibling", func(c *config.Config) {
			c.CookieDomain, c.AccessRules, c.PostLogoutURL = "example.com", "/ authenticated; wiki.example.com/x public", "https://wiki.example.com/bye"
		}, "DOORWARD_POST_LOGOUT_URL is a page of this site that is not public"},
		{"logout to our own page", func(c *config.Config) { c.PostLogoutURL = "https://app.example.com/oauth2/sign_out" }, ""},
		{"logout to elsewhere", func(c *config.Config) { c.PostLogoutURL = "https://www.example.com/bye" }, ""},
	} {
		t.Run(n.name, func(t *testing.T) {
			c := valid()
			c.Audience, c.Scopes = []string{"api"}, c.Scopes+" groups"
			n.change(c)
			if err := c.Validate(); err != nil {
				t.Fatal(err)
			}
			if notes := strings.Join(c.Notes(), "\n"); n.want == "" && strings.Contains(notes, "DOORWARD_") || !strings.Contains(notes, n.want) {
				t.Errorf("notes %q, want %q", notes, n.want)
			}
		})
	}
}

func TestNotesKnowTheHostsOfPublicURL(t *testing.T) {
	c := valid()
	c.Audience = []string{"api"}
	c.PublicURL = []string{"https://a.dev.example.com"}
	c.AccessRules = "a.dev.example.com/ authenticated\n*.dev.example.com/ deny"
	if notes := strings.Join(c.Notes(), "\n"); strings.Contains(notes, "sign in there") {
		t.Errorf("notes %q", notes)
	}
}

// The claim of groups itself knows no aliases.
func TestNotesOnGroupsByTheProvidersWords(t *testing.T) {
	c := valid()
	c.GroupsClaim, c.Headers, c.AccessRules = "roles", []string{"X-Roles=roles", "X-Team=team"}, "/ group:Finance\n/a/ claim:roles=Finance"
	if notes := strings.Join(c.Notes(), "\n"); strings.Contains(notes, "GROUP_ALIASES") {
		t.Errorf("without aliases: %s", notes)
	}
	c.GroupAliases = []string{"Finance=1f0c"}
	notes := strings.Join(c.Notes(), "\n")
	for _, want := range []string{"rules ask for claim:roles,", "DOORWARD_HEADERS: X-Roles has"} {
		if !strings.Contains(notes, want) {
			t.Errorf("no note says %q:\n%s", want, notes)
		}
	}
	if strings.Contains(notes, "X-Team") {
		t.Errorf("another claim is noted: %s", notes)
	}
}

// A name without its prefix is anybody's to set in people's browsers.
func TestNoteOnCookieNamesWithoutAPrefix(t *testing.T) {
	for _, n := range []struct {
		name, domain, origin string
		noted                bool
	}{
		{"session", "", "https://app.example.com", true}, {"__Secure-session", "", "https://app.example.com", true},
		{"__Host-session", "", "https://app.example.com", false}, {"__host-http-session", "", "https://app.example.com", false},
		{"session", "example.com", "https://app.example.com", false}, // another note says so
		{"session", "", "http://localhost:4180", false},              // there is no prefix to have
	} {
		c := valid()
		c.CookieName, c.CookieDomain, c.PublicURL = n.name, n.domain, []string{n.origin}
		if got := strings.Contains(strings.Join(c.Notes(), "\n"), "DOORWARD_COOKIE_NAME: "); got != n.noted {
			t.Errorf("%s at %s, domain %q: noted is %v", n.name, n.origin, n.domain, got)
		}
	}
}

// Cookies that go along from everywhere want something that looks where a request comes from.
func TestNoteOnCookiesThatGoAlongFromEverywhere(t *testing.T) {
	for _, n := range []struct {
		sameSite, protection string
		noted                bool
	}{{"none", "off", true}, {"none", "writes", false}, {"lax", "off", false}, {"strict", "off", false}} {
		c := valid()
		c.CookieSamesite, c.CsrfProtection = n.sameSite, n.protection
		if got := strings.Contains(strings.Join(c.Notes(), "\n"), "DOORWARD_CSRF_PROTECTION=writes"); got != n.noted {
			t.Errorf("%s, %s: noted is %v", n.sameSite, n.protection, got)
		}
	}
}

// An upstream that may be doorward itself is noted, and one that only has the same port or name of a kind is not.
func TestNotesOnLoops(t *testing.T) {
	for _, test := range []struct{ public, listen, upstreams, noted string }{
		{"https://app.example.com", ":4180", "http://127.0.0.1:4180", "LISTEN_ADDR"},
		{"https://app.example.com", "127.0.0.1:4180", "/a/ http://app:8080; http://localhost:4180", "LISTEN_ADDR"},
		{"https://app.example.com", ":80", "http://[::1]", "LISTEN_ADDR"},
		{"https://app.example.com", "[::1]:443", "https://0.0.0.0", "LISTEN_ADDR"},
		{"https://app.example.com", ":4180", "https://app.example.com:443", "PUBLIC_URL"},
		{"https://app.example.com", ":4180", "http://app.example.com", ""},
		{"https://app.example.com", ":4180", "http://app:4180", ""},
		{"https://app.example.com", ":4180", "http://127.0.0.1:8080", ""},
		{"https://app.example.com", "192.0.2.1:4180", "http://127.0.0.1:4180", ""},
		{"https://app.example.com", ":4180", "unix:/run/app.sock", ""},
	} {
		c := load(t, map[string]string{"PUBLIC_URL": test.public, "LISTEN_ADDR": test.listen, "UPSTREAMS": test.upstreams})
		notes := strings.Join(c.Notes(), "\n")
		if noted := strings.Contains(notes, "round and round"); noted != (test.noted != "") || noted && !strings.Contains(notes, test.noted) {
			t.Errorf("%+v: %s", test, notes)
		}
	}
}
