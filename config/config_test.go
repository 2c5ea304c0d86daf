package config_test

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"doorward/config"
)

// Two secrets that are random and known, and one value that must never be shown.
const (
	secretA = "q1d6rI8l3CyYx5Zk0mJw7sTgHnVbUeOaP4fR2KcDiXQ="
	secretB = "Zt8uYw1nKp5sVx9eRq3mLb7cJd0fGh2aTi4oUy6kNz8="
	canary  = "hunter2-canary"
)

// environment makes the process environment a valid configuration with the
// given changes ("NAME": value without prefix; unset takes a variable away).
func environment(t *testing.T, changes map[string]string) {
	t.Helper()
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, config.Prefix+"_") || strings.HasPrefix(name, "OTEL_") {
			t.Setenv(name, "") // so that it comes back after the test
			os.Unsetenv(name)
		}
	}
	values := map[string]string{
		"PUBLIC_URL":     "https://app.example.com",
		"UPSTREAMS":      "http://127.0.0.1:8080",
		"ACCESS_RULES":   "/ authenticated",
		"ISSUER_URL":     "https://id.example.com",
		"CLIENT_ID":      "doorward",
		"CLIENT_SECRET":  canary,
		"COOKIE_SECRETS": secretA,
	}
	maps.Copy(values, changes)
	for name, value := range values {
		if value != unset {
			t.Setenv(config.Prefix+"_"+name, value)
		}
	}
}

const unset = "\x01"

// load loads a configuration that must be fine.
func load(t *testing.T, changes map[string]string) *config.Config {
	t.Helper()
	environment(t, changes)
	c, err := config.Load()
	if err != nil {
		t.Fatalf("loading: %v", err)
	}
	return c
}

// problems loads a configuration that must not be fine.
func problems(t *testing.T, changes map[string]string) config.Problems {
	t.Helper()
	environment(t, changes)
	_, err := config.Load()
	ps, ok := errors.AsType[config.Problems](err)
	if !ok {
		t.Fatalf("error is %T (%v), want Problems", err, err)
	}
	return ps
}

func TestLoadNeedsOnlyTheRequired(t *testing.T) {
	c := load(t, nil)
	want := config.Defaults()
	want.PublicURL = []string{"https://app.example.com"}
	want.Upstreams = "http://127.0.0.1:8080"
	want.AccessRules = "/ authenticated"
	want.IssuerURL = "https://id.example.com"
	want.ClientID = "doorward"
	want.ClientSecret = canary
	want.CookieSecrets = []string{secretA}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("loaded\n%+v\nwant the defaults\n%+v", c, want)
	}
}

func TestDefaults(t *testing.T) {
	c := config.Defaults()
	for _, d := range []struct{ got, want any }{
		{c.Scopes, "openid profile email"},
		{c.GroupsClaim, "groups"},
		{c.UserClaim, "sub"},
		{c.EmailClaim, "email"},
		{c.CookieName, "__Host-doorward"},
		{c.CookieSamesite, "lax"},
		{c.SessionCookieMaxBytes, 8192},
		{c.ForwardAccessToken, true},
		{c.ForwardGroups, "all"},
		{c.ListenAddr, ":4180"},
		{c.MetricsAddr, ":9180"},
		{c.MaxHeaderBytes, 65536},
		{c.HeaderTimeout, 10 * time.Second},
		{c.IdleTimeout, 2 * time.Minute},
		{c.MaxConnections, 0},
		{c.FastTransport, false},
		{c.EndpointPrefix, "/oauth2"},
		{c.ShutdownDelay, 5 * time.Second},
		{c.ShutdownTimeout, 20 * time.Second},
		{c.LogLevel, "info"},
		{c.LogFormat, "json"},
		{c.AccessLog, "all"},
		{c.InsecurePublicHTTP, false},
	} {
		if d.got != d.want {
			t.Errorf("default %v, want %v", d.got, d.want)
		}
	}
}

func TestLoadReadsEveryKindOfValue(t *testing.T) {
	c := load(t, map[string]string{
		"PUBLIC_URL":               " https://app.example.com , https://b.example.com",
		"SESSION_COOKIE_MAX_BYTES": "16KiB",
		"FORWARD_ACCESS_TOKEN":     "false",
		"SHUTDOWN_DELAY":           "1m30s",
		"COOKIE_SECRETS":           secretB + ", " + secretA,
		"READY_REQUIRES":           "provider",
	})
	if want := []string{"https://app.example.com", "https://b.example.com"}; !reflect.DeepEqual(c.PublicURL, want) {
		t.Errorf("PublicURL = %q", c.PublicURL)
	}
	if c.SessionCookieMaxBytes != 16384 || c.ForwardAccessToken || c.ShutdownDelay != 90*time.Second {
		t.Errorf("got %d, %v, %v", c.SessionCookieMaxBytes, c.ForwardAccessToken, c.ShutdownDelay)
	}
	if c.CookieSecrets[1] != secretA {
		t.Error("the second secret still has its blank")
	}
}

func TestNumbersAreDecimal(t *testing.T) {
	if c := load(t, map[string]string{"SESSION_COOKIE_MAX_BYTES": "04096"}); c.SessionCookieMaxBytes != 4096 {
		t.Errorf("04096 read as %d", c.SessionCookieMaxBytes)
	}
	if c := load(t, map[string]string{"MAX_CONNECTIONS": "010"}); c.MaxConnections != 10 {
		t.Errorf("010 read as %d", c.MaxConnections)
	}
}

func TestOptionalSetButEmptyCountsAsUnset(t *testing.T) {
	c := load(t, map[string]string{"SCOPES": "", "AUDIENCE": "", "SHUTDOWN_DELAY": "", "FORWARD_ACCESS_TOKEN": "", "CLIENT_ID_FILE": ""})
	if c.Scopes != "openid profile email" || c.ShutdownDelay != 5*time.Second || !c.ForwardAccessToken || len(c.Audience) != 0 {
		t.Errorf("got %+v", c)
	}
}

func TestLoadLeavesTheEnvironmentAsItWas(t *testing.T) {
	environment(t, map[string]string{"SCOPES": "", "AUDIENCE": " a , b", "ISSUER_URL": unset})
	before := strings.Join(os.Environ(), "\n")
	config.Load()
	if after := strings.Join(os.Environ(), "\n"); len(after) != len(before) {
		t.Errorf("the environment changed:\n%s\nto\n%s", before, after)
	}
	if _, set := os.LookupEnv("DOORWARD_ISSUER_URL"); set {
		t.Error("ISSUER_URL is set now")
	}
	if os.Getenv("DOORWARD_AUDIENCE") != " a , b" {
		t.Error("AUDIENCE changed")
	}
}

func TestPlainNamesAreNotRead(t *testing.T) {
	t.Setenv("SCOPES", "openid other")
	if c := load(t, nil); c.Scopes != "openid profile email" {
		t.Errorf("a variable without the prefix was read: %q", c.Scopes)
	}
}

func TestAllProblemsAtOnceInTheOrderOfTheTable(t *testing.T) {
	ps := problems(t, map[string]string{
		"PUBLIC_URL":     "ftp://x",
		"ISSUER_URL":     unset,
		"SHUTDOWN_DELAY": "30",
		"CLIENT_SECRET":  "",
		"LOG_LEVEL":      "loud",
		"UPSTREEMS":      "http://x",
		"COOKIE_SECRETS": unset,
		"HEADERS":        "X-A=a,,X-B=b",
	})
	want := []string{"PUBLIC_URL", "ISSUER_URL", "CLIENT_SECRET", "COOKIE_SECRETS", "HEADERS", "SHUTDOWN_DELAY", "LOG_LEVEL", "UPSTREEMS"}
	var got []string
	for _, p := range ps {
		got = append(got, strings.TrimPrefix(p.Variable, "DOORWARD_"))
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("problems of %v, want of %v\n%v", got, want, ps)
	}
	if lines := strings.Count(ps.Error(), "\n") + 1; lines != len(ps) {
		t.Errorf("%d lines for %d problems", lines, len(ps))
	}
}

func TestEverythingMissing(t *testing.T) {
	ps := problems(t, map[string]string{
		"PUBLIC_URL": unset, "UPSTREAMS": unset, "ACCESS_RULES": unset, "ISSUER_URL": unset,
		"CLIENT_ID": unset, "CLIENT_SECRET": unset, "COOKIE_SECRETS": unset,
	})
	if len(ps) != 7 {
		t.Errorf("%d problems, want one for each required setting:\n%v", len(ps), ps)
	}
	for _, p := range ps {
		if !strings.Contains(p.Mend, p.Variable+"=") {
			t.Errorf("the mend of %s shows no line to write: %q", p.Variable, p.Mend)
		}
	}
}

// What hangs on a value that cannot be read is not said to be missing it.
func TestUnreadableFileIsTheOnlyProblem(t *testing.T) {
	certificate := writeFile(t, "of the test")
	for missing, others := range map[string]map[string]string{
		"TLS_KEY":   {"TLS_CERT_FILE": certificate},
		"REDIS_URL": {"SESSION_STORE": "redis", "REDIS_PASSWORD": "of the test"},
		"AUDIENCE":  {"BEARER_TOKENS": "true", "INTROSPECT_TOKENS": "true"},
	} {
		t.Run(missing, func(t *testing.T) {
			others[missing+"_FILE"] = "/does/not/exist"
			if ps := problems(t, others); len(ps) != 1 || ps[0].Variable != "DOORWARD_"+missing+"_FILE" {
				t.Errorf("got %v", ps)
			}
		})
	}
}

func TestBlankTableIsMissing(t *testing.T) {
	for _, name := range []string{"UPSTREAMS", "ACCESS_RULES"} {
		if ps := problems(t, map[string]string{name: " \n "}); len(ps) != 1 || ps[0].Wrong != "is required and not set" {
			t.Errorf("got %v", ps)
		}
	}
}

// Problems are told to the log: a secret that was made for them would be there when it is in use.
func TestMissingCookieSecretsPrintsNone(t *testing.T) {
	ps := problems(t, map[string]string{"COOKIE_SECRETS": unset})
	if len(ps) != 1 || !strings.HasSuffix(ps[0].Mend, "DOORWARD_COOKIE_SECRETS=$(doorward secret)") {
		t.Errorf("got %v", ps)
	}
}

// wrongValues are values that must be refused, with a part of what the problem
// says and a part of its mend.
var wrongValues = []struct {
	name, value string
	wrong, mend string
}{
	{"PUBLIC_URL", "app.example.com", "no absolute URL", "https://app.example.com"},
	{"PUBLIC_URL", "https://", "host name", "https://app.example.com"},
	{"PUBLIC_URL", "https://app.example.com/app", "path", "origin"},
	{"PUBLIC_URL", "https://app.example.com?x", "query", "origin"},
	{"PUBLIC_URL", "https://app.example.com#x", "fragment", "origin"},
	{"PUBLIC_URL", "https://app.example.com:", "port", "origin"},
	{"PUBLIC_URL", "https://app.example.com:0", "port", "origin"},
	{"PUBLIC_URL", "https://app.example.com:99999", "port", "origin"},
	{"PUBLIC_URL", "https://*.example.com", "host name", "origin"},
	{"PUBLIC_URL", "https://" + strings.Repeat("a", 64), "host name", "origin"},
	{"PUBLIC_URL", "https://" + strings.Repeat("a.", 126) + "ab", "host name", "origin"},
	{"PUBLIC_URL", "https://münchen.example", "xn--", "origin"},
	{"PUBLIC_URL", "ftp://app.example.com", "neither https nor http", "origin"},
	{"PUBLIC_URL", "http://app.example.com", "plain http", "INSECURE_PUBLIC_HTTP"},
	{"PUBLIC_URL", "http://128.0.0.1", "plain http", "INSECURE_PUBLIC_HTTP"},
	{"PUBLIC_URL", "http://localhost.example.com", "plain http", "https"},
	{"PUBLIC_URL", "https://a.example.com,https://A.example.com:443", "twice", "once"},
	{"PUBLIC_URL", "https://a.example.com,http://localhost:4180", "mixes", "https"},
	{"PUBLIC_URL", "https://a.example.com,,https://b.example.com", "item 2 is empty", "comma"},
	{"PUBLIC_URL", "https://a.example.com,", "item 2 is empty", "comma"},
	{"PUBLIC_URL", " ", "item 1 is empty", "comma"},
	{"PUBLIC_URL", "https://a.example.com https://b.example.com", "item 1 holds a blank", "commas"},
	{"PUBLIC_URL", "https://a.example.com\nhttps://b.example.com", "newline", "commas"},
	{"ALLOWED_ORIGINS", "*", "no absolute URL", "origin"},
	{"ALLOWED_ORIGINS", "null", "no absolute URL", "origin"},
	{"ALLOWED_ORIGINS", "https://*.example.com", "host name", "origin"},
	{"ALLOWED_ORIGINS", "https://spa.example.com/app", "path", "origin"},
	{"ALLOWED_ORIGINS", "https://spa.example.com,https://SPA.example.com:443", "twice", "once"},
	{"ALLOWED_ORIGINS", "http://spa.example.com", "plain http", "INSECURE_PUBLIC_HTTP"},
	{"PUBLIC_URL", "", "empty", "DOORWARD_PUBLIC_URL=https://"},
	{"PUBLIC_URL", `"https://a.example.com"`, "quotation marks", "without"},
	{"PUBLIC_URL", `“https://a.example.com”`, "quotation marks", "without"},
	{"PUBLIC_URL", `https://b.example.com,'https://a.example.com'`, "item 2 still wears quotation marks", "without"},

	{"UPSTREAMS", "", "not set", "UPSTREAMS=http://"},
	{"UPSTREAMS", "\n# nothing\n", "no entry", "http://"},
	{"UPSTREAMS", "127.0.0.1:8080", "no scheme", "http:// before it"},
	{"UPSTREAMS", "http://127.0.0.1:8080,http://127.0.0.1:8081", "holds a comma", "semicolons"},
	{"UPSTREAMS", "/api/ 127.0.0.1:8080", "no URL", "http://"},
	{"UPSTREAMS", "GET /api/ http://127.0.0.1:8080", "no URL", "no methods"},
	{"UPSTREAMS", "ftp://x", "neither http", "http://"},
	{"UPSTREAMS", "http://", "host name", "http://"},
	{"UPSTREAMS", "http://x/base", "path", "http://"},
	{"UPSTREAMS", "http://x?y", "query", "http://"},
	{"UPSTREAMS", "http://x?", "query", "http://"},
	{"UPSTREAMS", "http://x:port", "URL", "http://"},
	{"UPSTREAMS", "unix:app.sock", "absolute path", "unix:/run"},
	{"UPSTREAMS", "unix:/", "absolute path", "unix:/run"},
	{"UPSTREAMS", "unix:/run/app.sock host=upstream", "socket", "preserve"},
	{"UPSTREAMS", "http://x host=other", "host= does not know", "preserve or upstream"},
	{"UPSTREAMS", "http://x token=basic", "token= does not know", "bearer"},
	{"UPSTREAMS", "http://x strip=api", "strip=", "strip=/api"},
	{"UPSTREAMS", "http://x strip=/api/", "strip=", "strip=/api"},
	{"UPSTREAMS", "http://x strip=/", "plain path", "strip=/api"},
	{"UPSTREAMS", "http://x strip=/a%2Fb", "plain path", "strip=/api"},
	{"UPSTREAMS", "/app/ http://x strip=/api", "beginning", "prefix"},
	{"UPSTREAMS", "/app/{name}/ http://x strip=/api", "beginning", "prefix"},
	{"UPSTREAMS", "http://x timeout=30", "duration", "30s"},
	{"UPSTREAMS", "http://x timeout=-1s", "less than nothing", "30s"},
	{"UPSTREAMS", "http://x timeout=1s timeout=2s", "twice", "once"},
	{"UPSTREAMS", "http://x paths=fast", "paths= does not know", "case-sensitive or opaque-slash"},
	{"UPSTREAMS", "http://x /api/ http://y", `unknown option "/api/"`, "after a semicolon"},
	{"UPSTREAMS", "http://x capath=/ca.pem", `unknown option "capath"`, "timeout="},
	{"UPSTREAMS", "http://x ca=/none.pem", "is not https", "https://"},
	{"UPSTREAMS", "https://x ca=", "names no file", "ca=/"},
	{"UPSTREAMS", "https://x ca=ca.pem", "names no file", "ca=/"},
	{"UPSTREAMS", "https://x ca=/none/ca.pem", "no such file", "ca="},
	{"UPSTREAMS", "https://x cert=/none/cert.pem", "without key=", "both"},
	{"UPSTREAMS", "https://x key=/none/key.pem", "without cert=", "both"},
	{"UPSTREAMS", "http://x\nhttp://y", "", ""},
	{"UPSTREAMS", "http://x\n/a/ ftp://y", "line 2", "http://"},
	{"UPSTREAMS", `/a" http://x`, "quotation mark", ""},

	{"ACCESS_RULES", "", "empty", "/ authenticated"},
	{"ACCESS_RULES", "\"/ group:Dev\"", "still wears quotation marks", "without"},
	{"ACCESS_RULES", "# nothing", "", ""},
	{"ACCESS_RULES", "/", "", ""},
	{"ACCESS_RULES", "/ nonsense", "nonsense", ""},
	{"ACCESS_RULES", "/ authenticated\n/ deny", "", ""},

	{"MAX_HEADER_BYTES", "12287", "out of bounds", "12288"},
	{"MAX_HEADER_BYTES", "1048577", "out of bounds", "64KiB"},
	{"MAX_HEADER_BYTES", "64k", "no size", "8KiB"},
	{"HEADER_TIMEOUT", "0", "for ever", "10s"},
	{"HEADER_TIMEOUT", "-1s", "less than nothing", "10s"},
	{"IDLE_TIMEOUT", "0s", "for ever", "120s"},
	{"MAX_CONNECTIONS", "-1", "no number", "10000"},
	{"MAX_CONNECTIONS", "many", "no number", "10000"},
	{"TRUSTED_PROXIES", "10.0.0.0/8,proxy.internal", "item 2", "10.1.2.3"},
	{"TRUSTED_PROXIES", "0.0.0.0/0", "whole internet", "private"},
	{"TRUSTED_PROXIES", "::/0", "whole internet", "private"},
	{"TRUSTED_PROXIES", "::ffff:10.0.0.0/104", "clothes of IPv6", "10.1.0.0/16"},
	{"TRUSTED_PROXIES", "10.1.2.3/8", "10.0.0.0/8", "network"},
	{"TRUSTED_PROXIES", "fe80::1%eth0", "no address", "network"},
	{"TRUSTED_PROXIES", "Private", "no address", "private"},
	{"TRUSTED_PROXIES", "10.1.2.3,", "item 2 is empty", "comma"},

	{"ISSUER_URL", "", "empty", "ISSUER_URL=https://"},
	{"ISSUER_URL", "id.example.com", "no absolute URL", "https://id"},
	{"ISSUER_URL", "http://id.example.com", "plain http", "INSECURE_PROVIDER_HTTP"},
	{"ISSUER_URL", "https://id.example.com?a=b", "query", "https://id"},
	{"ISSUER_URL", "https://id.example.com/#a", "fragment", "https://id"},
	{"ISSUER_URL", "https://id.example.com/#", "fragment", "https://id"},
	{"ISSUER_URL", "https://id.example.com/?", "query", "https://id"},
	{"ISSUER_URL", "https://id.example.com/.well-known/openid-configuration", "discovery document", "alone"},
	{"ISSUER_URL", " https://id.example.com", "blank", "take it off"},
	{"ISSUER_URL", "'https://id.example.com'", "quotation marks", "without"},
	{"PROVIDER_INTERNAL_URL", "https://id.internal/path", "path", "origin"},
	{"PROVIDER_INTERNAL_URL", "http://id.internal", "plain http", "INSECURE_PROVIDER_HTTP"},

	{"CLIENT_ID", "", "empty", "CLIENT_ID=doorward"},
	{"CLIENT_ID", "a\tb", "control character", "one line"},
	{"CLIENT_SECRET", "", "empty", "CLIENT_SECRET="},
	{"CLIENT_SECRET", canary + " ", "blank", "take it off"},
	{"CLIENT_SECRET", "\n" + canary, "blank or a newline", "take it off"},
	{"CLIENT_SECRET", `"` + canary + `"`, "quotation marks", "without"},

	{"CLIENT_ID", "…", "placeholder", "the provider"},
	{"CLIENT_SECRET", "...", "placeholder", "the provider"},
	{"CLIENT_SECRET", "<the client's secret>", "placeholder", "the provider"},
	{"CLIENT_SECRET", "\ufeff" + canary, "invisible", "anew"},
	{"CLIENT_SECRET", "${CLIENT_SECRET}", "placeholder", "the provider"},
	{"CLIENT_SECRET", "“" + canary + "”", "quotation marks", "without"},
	{"CLIENT_SECRET", canary + " # of the demo", "comment", "line of its own"},
	{"CLIENT_ID", "doorward # the client", "comment", "line of its own"},
	{"BRAND_NAME", "“Acme\xff”", "no text", "UTF-8"},

	{"SCOPES", "profile email", "lacks openid", "add it"},
	{"SCOPES", "openid,email", "no scope", "separated by blanks"},
	{"SCOPES", `openid "email`, "no scope", "separated by blanks"},
	{"RESPONSE_MODE", "fragment", "does not know", "query or form_post"},
	{"AUTH_PARAMS", "prompt", "no name=value", "prompt=login"},
	{"AUTH_PARAMS", "prompt=", "no value", "leave it out"},
	{"AUTH_PARAMS", "prompt=login,prompt=consent", "twice", "once"},
	{"AUTH_PARAMS", "prompt=consent access_type=offline", "holds another parameter", "commas"},
	{"AUTH_PARAMS", "scope=openid", "doorward's", "DOORWARD_SCOPES"},
	{"AUTH_PARAMS", "state=x", "doorward's", "leave it out"},
	{"AUTH_PARAMS", "redirect_uri=https://evil.example", "doorward's", "leave it out"},
	{"AUTH_PARAMS", "code_challenge_method=plain", "doorward's", "leave it out"},
	{"AUTH_PARAMS", "request_uri=x", "doorward's", "leave it out"},
	{"AUTH_PARAMS", "client_secret=x", "doorward's", "leave it out"},
	{"AUTH_PARAMS", "client_assertion=x", "doorward's", "leave it out"},
	{"AUTH_PARAMS", "client_assertion_type=x", "doorward's", "leave it out"},
	{"AUTH_PARAMS", "response_type=x", "doorward's", "leave it out"},
	{"AUTH_PARAMS", "nonce=x", "doorward's", "leave it out"},
	{"AUTH_PARAMS", "request=x", "doorward's", "leave it out"},
	{"AUTH_PARAMS", "code_challenge=x", "doorward's", "leave it out"},
	{"AUTH_PARAMS", "code_verifier=x", "doorward's", "leave it out"},
	{"AUTH_PARAMS", "id_token_hint=x", "doorward's", "leave it out"},
	{"AUTH_PARAMS", "response_mode=query", "doorward's", "DOORWARD_RESPONSE_MODE"},
	{"AUTH_PARAMS", "client_id=other", "doorward's", "DOORWARD_CLIENT_ID"},
	{"AUTH_PARAMS", "max_age=-1", "no number", "max_age=3600"},
	{"AUTH_PARAMS", "max_age=1h", "no number", "max_age=3600"},
	{"AUTH_PARAMS", "max_age=2147483648", "no number", "max_age=3600"},
	{"AUTH_PARAMS", "max_age=0,prompt=none", "nobody", "one of them"},
	{"AUTH_PARAMS", "prompt=none login", "none", "alone"},
	{"AUDIENCE", "a,,b", "item 2 is empty", "comma"},
	{"GROUPS_CLAIM", " ", "blank", ""},
	{"GROUP_ALIASES", "Finance", "no name=identifier", "Finance="},
	{"GROUP_ALIASES", "=1f0c", "no name=identifier", "Finance="},
	{"GROUP_ALIASES", "Finance= ", "no name=identifier", "Finance="},
	{"GROUP_ALIASES", "Finance=1f0c,Finance=2f0c", "two groups", "name of its own"},
	{"GROUP_ALIASES", "Finance=1f0c,Money=1f0c", "two names", "keep one"},
	{"GROUP_ALIASES", "Finance=Finance", "at once", "does not send"},
	{"GROUP_ALIASES", "A=B,B=C", "at once", "does not send"},
	{"GROUP_ALIASES", "Finance=1f0c,,Ops=7b10", "item 2 is empty", "comma"},

	{"COOKIE_SECRETS", "", "empty", "DOORWARD_COOKIE_SECRETS="},
	{"COOKIE_SECRETS", "<fresh>", "placeholder", "doorward secret"},
	{"COOKIE_SECRETS", "$(doorward secret)", "placeholder", "doorward secret"},
	{"COOKIE_SECRETS", "secret", "decodes to 4 bytes, and 32 bytes are the least", "fresh"},
	{"COOKIE_SECRETS", "not base64!", "base64", "fresh"},
	{"COOKIE_SECRETS", secretA + " " + secretA, "base64", "commas"},
	{"COOKIE_SECRETS", secretA + ";" + secretA, "base64", "commas"},
	{"COOKIE_SECRETS", secretA[:40], "32 bytes", "fresh"},
	{"COOKIE_SECRETS", secretA[:42], "decodes to 31 bytes", "fresh"},
	{"COOKIE_SECRETS", strings.Repeat("A", 43) + "=", "not random", "fresh"},
	{"COOKIE_SECRETS", strings.Repeat("c2VjcmV0", 8), "not random", "fresh"},
	{"COOKIE_SECRETS", strings.Repeat("MDEyMzQ1NjAxMjM0NTYwMTIzNDU2", 2), "not random", "fresh"}, // seven different ones
	{"COOKIE_SECRETS", secretA + "," + secretA, "secret 2 is there already", "fresh"},
	{"COOKIE_SECRETS", secretA + ",", "item 2 is empty", "comma"},
	{"COOKIE_NAME", "a b", "no cookie name", "__Host-doorward"},
	{"COOKIE_NAME", "a;b", "no cookie name", "__Host-doorward"},
	{"COOKIE_NAME", "__Host-", "no cookie name", "__Host-doorward"},
	{"COOKIE_NAME", strings.Repeat("a", 65), "no cookie name", "64 at most"},
	{"COOKIE_SAMESITE", "Lax", "does not know", "lax, strict or none"},
	{"SESSION_COOKIE_MAX_BYTES", "many", "no size", "8192"},
	{"SESSION_COOKIE_MAX_BYTES", "8kb", "no size", "8KiB"},
	{"SESSION_COOKIE_MAX_BYTES", "-1", "no size", "8192"},
	{"SESSION_COOKIE_MAX_BYTES", "511", "out of bounds", "512"},
	{"SESSION_COOKIE_MAX_BYTES", "61441", "out of bounds", "61440"},
	{"FORWARD_ACCESS_TOKEN", "yes", "neither true nor false", "true or false"},
	{"FORWARD_GROUPS", "some", "does not know", "all or matched"},

	{"HEADERS", "X-Dept", "no Name=claim", "X-Department=department"},
	{"HEADERS", "X Dept=a", "no Name=claim", "X-Department"},
	{"HEADERS", "X-Dept=", "no Name=claim", "X-Department"},
	{"HEADERS", "x_forwarded_user=sub", "not free", "another name"},
	{"HEADERS", "X.Forwarded.User=sub", "not free", "another name"},
	{"HEADERS", "Authorization=sub", "not free", "another name"},
	{"HEADERS", "Content-Length=sub", "not free", "another name"},
	{"HEADERS", "Transfer_Encoding=sub", "not free", "another name"},
	{"HEADERS", "cookie=sub", "not free", "another name"},
	{"HEADERS", "Host=sub", "not free", "another name"},
	{"HEADERS", "X-Doorward-Reason=sub", "not free", "another name"},
	{"HEADERS", "X-Dept=a,x_dept=b", "twice", "once"},

	{"SESSION_MAX_AGE", "0", "ends every session", "12h"},
	{"SESSION_MAX_AGE", "9600h0m1ns", "longer than browsers keep", "9600h"},

	{"LISTEN_ADDR", "4180", "no host:port", ":4180"},
	{"LISTEN_ADDR", ":http", "no host:port", ":4180"},
	{"LISTEN_ADDR", ":70000", "no host:port", ":4180"},
	{"METRICS_ADDR", "9180", "no host:port", "127.0.0.1:9180"},
	{"METRICS_ADDR", ":4180", "LISTEN_ADDR too", "another port for one of them"},
	{"METRICS_ADDR", "127.0.0.1:4180", "LISTEN_ADDR too", "another port"},
	{"READY_REQUIRES", "upstream", "does not know", "provider or redis"},
	{"ENDPOINT_PREFIX", "oauth2", "no path", "/oauth2"},
	{"ENDPOINT_PREFIX", "/", "no path", "/oauth2"},
	{"ENDPOINT_PREFIX", "/oauth2/", "slash", "/oauth2"},
	{"ENDPOINT_PREFIX", "/a//b", "empty", "/a/b"},
	{"ENDPOINT_PREFIX", "/a/../b", "dot segments", "/b"},
	{"ENDPOINT_PREFIX", "/a%20b", "encodes", "letters"},
	{"POST_LOGOUT_URL", "/bye", "no absolute URL", "https://"},
	{"POST_LOGOUT_URL", "javascript://x/%0aalert(1)", "neither https nor http", "https://"},
	{"SHUTDOWN_DELAY", "30", "no duration", "30s"},
	{"SHUTDOWN_DELAY", "-5s", "less than nothing", "0s"},
	{"SHUTDOWN_TIMEOUT", "1d", "no duration", "24h"},
	{"SHUTDOWN_TIMEOUT", "one day", "no duration", "12h"},
	{"LOG_LEVEL", "INFO", "does not know", "debug, info, warn or error"},
	{"LOG_LEVEL", "info ", "blank", "take it off"},
	{"LOG_FORMAT", "xml", "does not know", "json or text"},
	{"ACCESS_LOG", "none", "does not know", "all, errors or off"},
	{"PROVIDER_CA", "/etc/ca.pem", "no PEM certificate", "PROVIDER_CA_FILE"},
	{"PROVIDER_CA", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "does not parse", "PROVIDER_CA_FILE"},
	{"PROVIDER_CA", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "something else", "PROVIDER_CA_FILE"},
	{"INSECURE_PUBLIC_HTTP", "on", "neither true nor false", "true or false"},
}

func TestWrongValues(t *testing.T) {
	for _, w := range wrongValues {
		t.Run(w.name+"="+w.value, func(t *testing.T) {
			ps := problems(t, map[string]string{w.name: w.value})
			for _, p := range ps {
				if p.Variable != "DOORWARD_"+w.name {
					t.Errorf("a problem of %s: %v", p.Variable, p)
				}
			}
			if p := ps[0]; !strings.Contains(p.Wrong, w.wrong) || !strings.Contains(p.Mend, w.mend) || p.Mend == "" {
				t.Errorf("wrong %q, mend %q; want %q and %q in them", p.Wrong, p.Mend, w.wrong, w.mend)
			}
			if text := ps.Error(); strings.Contains(text, canary) || strings.Contains(text, secretA) {
				t.Errorf("a secret is shown: %s", text)
			}
		})
	}
}

func TestRightValues(t *testing.T) {
	for name, values := range map[string][]string{
		"PUBLIC_URL":               {"https://app.example.com/", "http://localhost:4180", "http://127.9.9.9", "http://[::1]:80", "http://a.localhost,http://b.localhost", "https://" + strings.Repeat("a", 63), "https://" + strings.Repeat("a.", 126) + "a"},
		"UPSTREAMS":                {"h2c://x:1", "unix:/run/a.sock", "unix:///run/a.sock", "/a/ http://x strip=/a;/ https://y host=upstream token=none timeout=0", "/a/{b}/c/ http://x strip=/a", "/{a}/ http://x strip=/a/b", `"/a" http://x strip=/a`, `"/a b/" http://x`, "http://x/"},
		"BRAND_NAME":               {"Team # 1", "„Zum Löwen“", "“Acme”"},
		"ALLOWED_ORIGINS":          {"https://spa.example.com/,https://app.example.com", "http://localhost:3000"},
		"ISSUER_URL":               {"https://id.example.com/", "https://id.example.com/realms/a", "http://localhost:9998"},
		"PROVIDER_INTERNAL_URL":    {"http://127.0.0.1:9998", "https://provider:8443"},
		"SCOPES":                   {"openid", "openid groups https://api.example.com/read"},
		"RESPONSE_MODE":            {"query", "form_post"},
		"AUTH_PARAMS":              {"prompt=login, acr_values=urn:a urn:b", "max_age=0", "max_age=2147483647", "audience=https://api.example.com/?a=b"},
		"COOKIE_SECRETS":           {strings.TrimRight(secretA, "="), secretA + "," + secretB, "q1d6rI8l3CyYx5Zk0mJw7sTgHnVbUeOaP4fR2KcD-_Q=", strings.Repeat("MDEyMzQ1NjcwMTIzNDU2NzAxMjM0NTY3", 2)},
		"COOKIE_NAME":              {"app", "__Secure-app", strings.Repeat("a", 64)},
		"COOKIE_SAMESITE":          {"none", "strict"},
		"SESSION_COOKIE_MAX_BYTES": {"512", "4096", "60KiB"},
		"SESSION_MAX_AGE":          {"9600h"},
		"MAX_HEADER_BYTES":         {"12KiB", "1MiB"},
		"MAX_CONNECTIONS":          {"0", "010"},
		"GROUP_ALIASES":            {"Finance=1f0c, Site Reliability = 7b10", "DN=cn=finance"},
		"HEADERS":                  {"X-Department=department, X-Roles=realm_access.roles"},
		"LISTEN_ADDR":              {"127.0.0.1:0", "[::1]:4180", "localhost:80"},
		"ENDPOINT_PREFIX":          {"/_auth", "/a/b"},
		"POST_LOGOUT_URL":          {"https://example.com/bye?x=y"},
		"SHUTDOWN_DELAY":           {"0", "0s", "1h"},
	} {
		for _, value := range values {
			t.Run(name+"="+value, func(t *testing.T) { load(t, map[string]string{name: value}) })
		}
	}
}

// Two listeners clash over a port of an address that both would have, and never over one that the kernel chooses.
func TestListenersThatClash(t *testing.T) {
	for _, test := range []struct {
		listen, metrics string
		clash           bool
	}{
		{":80", "127.0.0.1:80", true},
		{"127.0.0.1:80", ":80", true},
		{"[::]:80", "127.0.0.1:80", true},
		{"127.0.0.1:80", "0.0.0.0:80", true},
		{"127.0.0.1:80", "127.0.0.1:80", true},
		{"127.0.0.1:80", "127.0.0.2:80", false},
		{"127.0.0.1:80", "127.0.0.1:81", false},
		{"127.0.0.1:0", "127.0.0.1:0", false},
		{":0", ":0", false},
	} {
		t.Run(test.listen+" and "+test.metrics, func(t *testing.T) {
			c := valid()
			c.ListenAddr, c.MetricsAddr = test.listen, test.metrics
			if err := c.Validate(); (err != nil) != test.clash {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestInsecureSettingsOpenPlainHTTP(t *testing.T) {
	load(t, map[string]string{"PUBLIC_URL": "http://app.example.com", "INSECURE_PUBLIC_HTTP": "true"})
	load(t, map[string]string{"ISSUER_URL": "http://id.example.com", "PROVIDER_INTERNAL_URL": "http://id", "INSECURE_PROVIDER_HTTP": "true"})
}

func TestSettingsThatNeedHTTPS(t *testing.T) {
	for name, value := range map[string]string{"RESPONSE_MODE": "form_post", "COOKIE_SAMESITE": "none"} {
		ps := problems(t, map[string]string{"PUBLIC_URL": "http://localhost:4180", name: value})
		if len(ps) != 1 || ps[0].Variable != "DOORWARD_"+name || !strings.Contains(ps[0].Wrong, "https") {
			t.Errorf("%s=%s on plain http: %v", name, value, ps)
		}
	}
}

func TestSecretsAreNeverShown(t *testing.T) {
	for _, v := range []struct{ name, value string }{
		{"CLIENT_SECRET", canary + "\x7f"},
		{"CLIENT_SECRET_FILE", "/" + canary}, // a secret written where its file's path belongs
		{"COOKIE_SECRETS", canary},
		{"COOKIE_SECRETS_FILE", canary},
		{"COOKIE_SECRET", canary},
		{"PUBLIC_URL", "https://me:" + canary + "@app.example.com"},
		{"ISSUER_URL", "https://me:" + canary + "/@id.example.com"},
		{"PROVIDER_INTERNAL_URL", "https://me:" + canary + "@id.example.com:x"},
		{"POST_LOGOUT_URL", "https://me:" + canary + "@id.example.com"},
		{"UPSTREAMS", "/a/ http://me:" + canary + "@x:y"},
		{"UPSTREAMS", "me:" + canary + "@x"},
		{"UPSTREAMS", "http://x http://me:" + canary + "@y"},
		{"UPSTREAMS", `http://x "me:` + canary},
		{"AUTH_PARAMS", "state=" + canary},
		{"PROVIDER_CA", canary},
	} {
		t.Run(v.name+"="+v.value, func(t *testing.T) {
			changes := map[string]string{v.name: v.value}
			if setting, ok := strings.CutSuffix(v.name, "_FILE"); ok {
				changes[setting] = unset
			}
			if text := problems(t, changes).Error(); strings.Contains(text, canary) {
				t.Errorf("shown: %s", text)
			}
		})
	}
}

func writeFile(t *testing.T, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "value")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// Whoever leaves the prefix out is told.
func TestRequiredSettingsWithoutThePrefix(t *testing.T) {
	t.Setenv("CLIENT_ID", canary)
	ps := problems(t, map[string]string{"CLIENT_ID": unset})
	if len(ps) != 1 || !strings.Contains(ps[0].Mend, "CLIENT_ID is set") || strings.Contains(ps.Error(), canary) {
		t.Errorf("it says %v", ps)
	}
}

func TestFileHoldsTheValue(t *testing.T) {
	for _, newline := range []string{"", "\n", "\r\n"} {
		c := load(t, map[string]string{"CLIENT_SECRET": unset, "CLIENT_SECRET_FILE": writeFile(t, canary+newline)})
		if c.ClientSecret != canary {
			t.Errorf("with %q at its end: %q", newline, c.ClientSecret)
		}
	}
}

func TestFileOfATable(t *testing.T) {
	c := load(t, map[string]string{"ACCESS_RULES": unset, "ACCESS_RULES_FILE": writeFile(t, "# ours\n/ authenticated\n\n/a/ deny\n\n")})
	if !strings.Contains(c.AccessRules, "/a/ deny") {
		t.Errorf("AccessRules = %q", c.AccessRules)
	}
}

func TestFileProblems(t *testing.T) {
	for _, f := range []struct{ name, value, file, variable, wrong string }{
		{"both at once", canary, writeFile(t, "x"), "CLIENT_SECRET", "and so is DOORWARD_CLIENT_SECRET_FILE"},
		{"missing", unset, "/does/not/exist", "CLIENT_SECRET_FILE", "no such file"},
		{"directory", unset, t.TempDir(), "CLIENT_SECRET_FILE", "directory"},
		{"empty", unset, writeFile(t, "\n"), "CLIENT_SECRET_FILE", "empty"},
		{"too large", unset, writeFile(t, strings.Repeat(canary, 1<<17)), "CLIENT_SECRET_FILE", "1 MiB"},
		{"two newlines", unset, writeFile(t, canary+"\n\n"), "CLIENT_SECRET", "newline"},
		{"NUL", unset, writeFile(t, canary+"\x00"), "CLIENT_SECRET", "no text"},
		{"not UTF-8", unset, writeFile(t, canary+"\xff"), "CLIENT_SECRET", "no text"},
	} {
		t.Run(f.name, func(t *testing.T) {
			ps := problems(t, map[string]string{"CLIENT_SECRET": f.value, "CLIENT_SECRET_FILE": f.file})
			if len(ps) != 1 || ps[0].Variable != "DOORWARD_"+f.variable || !strings.Contains(ps[0].Wrong, f.wrong) || ps[0].Mend == "" {
				t.Errorf("got %q, want %q of %s", ps, f.wrong, f.variable)
			}
			if strings.Contains(ps.Error(), canary) {
				t.Error("the content is shown")
			}
		})
	}
}

func TestUnknownVariableNamesTheNearest(t *testing.T) {
	for name, nearest := range map[string]string{
		"PUBLIC_URLS":         "DOORWARD_PUBLIC_URL;",
		"UPSTREAM":            "DOORWARD_UPSTREAMS;",
		"COOKIE_SECRET":       "DOORWARD_COOKIE_SECRETS;",
		"COOKIE_SECRET_FILE":  "DOORWARD_COOKIE_SECRETS_FILE;",
		"CLIENT_ID_FILEE":     "DOORWARD_CLIENT_ID_FILE;",
		"LOG":                 "DOORWARD_LOG_",
		"ISSUER":              "DOORWARD_ISSUER_URL;",
		"COOKIE_SAME_SITE":    "DOORWARD_COOKIE_SAMESITE;",
		"public_url":          "DOORWARD_PUBLIC_URL;",
		"PUBLIC_URL_FILE_FIL": "DOORWARD_PUBLIC_URL_FILE;",
		"OIDC_ISSUER_URL":     "DOORWARD_ISSUER_URL;",
		"OIDC_GROUPS_CLAIM":   "DOORWARD_GROUPS_CLAIM;",
	} {
		ps := problems(t, map[string]string{name: canary})
		if len(ps) != 1 || ps[0].Variable != "DOORWARD_"+name || !strings.Contains(ps[0].Mend, nearest) {
			t.Errorf("%s: %v; want %s named", name, ps, nearest)
		}
	}
}

func TestEveryProblemOfOneVariable(t *testing.T) {
	for _, c := range []struct {
		name, value string
		wrong       []string
	}{
		{"ACCESS_RULES", "/ authenticatd\nb//c authenticated\nGETT /x grop:Admin", []string{`"/ authenticatd"`, `"b//c authenticated"`, `"GETT /x grop:Admin"`}},
		{"ACCESS_RULES", "/a//{b}/ claim:x={b} grop:Admin usr:x", []string{"empty segment", "grop:Admin", "usr:x"}},
		{"UPSTREAMS", "http://x/path host=other timeout=30 nme=x paths=fast,slow", []string{"path", "host=", "timeout=", `"nme"`, `"fast" and "slow"`}},
		{"UPSTREAMS", "/a http://x token=y\n/b ftp://z", []string{"line 1", "line 2"}},
		{"UPSTREAMS", "/a http://x\u00a0host=other", []string{"invisible character"}},
		{"HEADERS", "X-A,Host=a,X-B=b,X_b=c", []string{"item 1", "Host", "X_b"}},
		{"HEADERS", "X-A=a,,X-B=b,", []string{"item 2 is empty", "item 4 is empty"}},
		{"AUTH_PARAMS", "x,state=a,prompt=", []string{"item 1", "state", "prompt"}},
	} {
		t.Run(c.name+"="+c.value, func(t *testing.T) {
			ps := problems(t, map[string]string{c.name: c.value})
			if len(ps) != len(c.wrong) {
				t.Fatalf("%d problems, want %d:\n%v", len(ps), len(c.wrong), ps)
			}
			for i, want := range c.wrong {
				if !strings.Contains(ps[i].Wrong, want) {
					t.Errorf("problem %d is %v, want %s", i+1, ps[i], want)
				}
			}
		})
	}
}

func TestUnknownVariableFarFromAllNamesNone(t *testing.T) {
	for _, name := range []string{"FOO", "SLOW_TRAVEL", "X"} {
		if ps := problems(t, map[string]string{name: "x"}); len(ps) != 1 || strings.Contains(ps[0].Mend, "nearest") || ps[0].Mend == "" {
			t.Errorf("%s: %v", name, ps)
		}
	}
}

// A wrong secret is mended by a command: what is printed may be logged.
func TestAFreshSecretIsPrintedOnlyWhereNoneIsSet(t *testing.T) {
	for _, wrong := range []string{"c2hvcnQ=", "not base64!", "…", strings.Repeat("A", 44), secretA + "," + secretA} {
		for _, p := range problems(t, map[string]string{"COOKIE_SECRETS": wrong}) {
			if regexp.MustCompile(`[A-Za-z0-9+/]{43}=`).MatchString(p.Error()) || !strings.Contains(p.Mend, "`doorward secret`") {
				t.Errorf("%q: %v", wrong, p)
			}
		}
	}
}

// Settings whose feature does not exist must not be accepted and ignored.
func TestSettingsOfFeaturesThatDoNotExistAreUnknown(t *testing.T) {
	for _, name := range []string{
		"COOKIE_DOMAIN", "GROUP_ALIASES", "ASSERTION_KEYS",
		"TRUSTED_PROXIES", "ALLOWED_ORIGINS", "CSRF_PROTECTION", "ADMIN_TOKEN", "TLS_CERT",
		"MAX_HEADER_BYTES", "MAX_CONNECTIONS",
	} {
		if ps := problems(t, map[string]string{name: "x"}); len(ps) != 1 || ps[0].Variable != "DOORWARD_"+name {
			t.Errorf("%s: %v", name, ps)
		}
	}
}

func TestVariablesThatKubernetesInjectsAreIgnored(t *testing.T) {
	load(t, map[string]string{
		"SERVICE_HOST":               "10.0.0.1",
		"SERVICE_PORT":               "80",
		"SERVICE_PORT_HTTP":          "80",
		"PORT":                       "tcp://10.0.0.1:80",
		"PORT_80_TCP":                "tcp://10.0.0.1:80",
		"PORT_80_TCP_PROTO":          "tcp",
		"PORT_80_TCP_PORT":           "80",
		"PORT_80_TCP_ADDR":           "10.0.0.1",
		"METRICS_SERVICE_HOST":       "10.0.0.2",
		"METRICS_SERVICE_PORT":       "9180",
		"METRICS_PORT":               "tcp://10.0.0.2:9180",
		"METRICS_PORT_9180_UDP_ADDR": "10.0.0.2",
	})
}

func TestPortsThatAreNotOfKubernetesAreNoted(t *testing.T) {
	for name, c := range map[string]struct {
		value string
		noted bool
	}{
		"PORT":              {"8080", true},
		"METRICS_PORT":      {":9180", true},
		"PORT_80_TCP":       {"80", true},
		"PORT_81_TCP":       {"tcp://10.0.0.1:81", false},
		"OTHER_PORT":        {"tcp://10.0.0.1:80", false},
		"PORT_80_TCP_PORT":  {"80", false},
		"SERVICE_PORT":      {"80", false},
		"SERVICE_PORT_HTTP": {"80", false},
	} {
		load(t, map[string]string{name: c.value})
		notes := config.EnvironmentNotes()
		if (len(notes) == 1) != c.noted || c.noted && !strings.Contains(notes[0], "DOORWARD_"+name+" is ignored") {
			t.Errorf("%s=%s: notes %q", name, c.value, notes)
		}
	}
}

func TestVariablesThatOnlyLookLikeKubernetesAreNot(t *testing.T) {
	for _, name := range []string{"SERVICE_HOSTS", "PORTS", "PORT_X_TCP", "PORT_80_HTTP", "PORT_80", "SERVICEPORT", "XSERVICE_HOST_X", "REDIS_HOST", "X_HOST"} {
		if ps := problems(t, map[string]string{name: "1"}); len(ps) != 1 {
			t.Errorf("%s: %v", name, ps)
		}
	}
}

func TestLoadFillsWhatItCan(t *testing.T) {
	environment(t, map[string]string{"CLIENT_SECRET": unset, "SHUTDOWN_DELAY": "30"})
	c, err := config.Load()
	if err == nil || c.AccessRules != "/ authenticated" || c.Upstreams == "" || c.ShutdownDelay != 5*time.Second {
		t.Errorf("Config %+v, error %v", c, err)
	}
}

func TestProblemsOfASetting(t *testing.T) {
	ps := config.Problems{{Variable: "DOORWARD_ACCESS_RULES_FILE"}, {Variable: "DOORWARD_CLIENT_ID"}, {Variable: "DOORWARD_UPSTREAMS"}}
	if some := ps.Of("ACCESS_RULES", "UPSTREAMS"); len(some) != 2 {
		t.Errorf("got %v", some)
	}
}
