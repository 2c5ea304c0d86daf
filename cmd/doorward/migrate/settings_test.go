package migrate

import (
	"strings"
	"testing"

	"doorward/config"
)

func TestSettings(t *testing.T) {
	for _, c := range []struct{ options, name, value, says string }{
		{`redirect_url = "https://app.example.com/oauth2/callback"`, "PUBLIC_URL", "https://app.example.com", ""},
		{`redirect_url = "https://app.example.com:8443/x"`, "PUBLIC_URL", "https://app.example.com:8443", "register https://app.example.com:8443/oauth2/callback"},
		{`redirect_url = "https://app.example.com/"`, "PUBLIC_URL", "https://app.example.com", ""},
		{`redirect_url = "http://app.example.com/oauth2/callback"`, "PUBLIC_URL", "http://app.example.com", "PUBLIC_URL is plain http"},
		{`redirect_url = "/oauth2/callback"`, "PUBLIC_URL", "", "PUBLIC_URL: write the origins"},
		{"redirect_url = \"https://a.example.com/sso/callback\"\nproxy_prefix = \"/sso/\"", "ENDPOINT_PREFIX", "/sso", ""},
		{`proxy_prefix = "/"`, "ENDPOINT_PREFIX", "", "proxy_prefix is no plain path"},
		{`proxy_prefix = "/a b"`, "ENDPOINT_PREFIX", "", "proxy_prefix is no plain path"},

		{`upstreams = "http://a:80/some/path/,https://b/exact"`, "UPSTREAMS", "/some/path/ http://a:80\n/exact https://b", ""},
		{`upstreams = ["http://a/x/", "http://b/x/"]`, "UPSTREAMS", "/x/ http://a", "two are for /x/"},
		{`upstreams = "unix:///run/app.sock"`, "UPSTREAMS", "/ unix:/run/app.sock", ""},
		{`upstreams = ["http://a", "file:///var/www/#/static/"]`, "UPSTREAMS", "/ http://a", "doorward serves no files"},
		{`upstreams = ["http://a", "static://404"]`, "UPSTREAMS", "/ http://a", "doorward makes up no answers"},
		{`upstreams = "http://a/x y/"`, "UPSTREAMS", "", "is no pattern"},
		{"upstreams = \"http://a\"\nupstream_timeout = \"5m\"\npass_host_header = false\npass_access_token = true", "UPSTREAMS", "/ http://a host=upstream timeout=5m token=x-forwarded-access-token", ""},
		{"upstreams = \"http://a\"\npass_authorization_header = true", "UPSTREAMS", "/ http://a token=bearer", "no longer the ID token"},
		{"upstreams = \"http://a\"\npass_authorization_header = true\npass_access_token = true", "UPSTREAMS", "/ http://a token=bearer", "goes along once"},
		{`upstreams = "http://a"`, "FORWARD_ACCESS_TOKEN", "false", ""},
		{"upstreams = \"http://a\"\nset_xauthrequest = true", "FORWARD_AUTH", "", "run this again with --forward-auth"},

		{`provider = "google"`, "ISSUER_URL", "https://accounts.google.com", ""},
		{`provider = "gitlab"`, "ISSUER_URL", "https://gitlab.com", ""},
		{`provider = "gitlab"`, "USER_CLAIM", "nickname", ""},
		{"provider = \"azure\"\nazure_tenant = \"7e1a4f1c-51c3-4b8c-9d0e-0f0a6b1c2d3e\"", "ISSUER_URL", "https://login.microsoftonline.com/7e1a4f1c-51c3-4b8c-9d0e-0f0a6b1c2d3e/v2.0", "version 2.0"},
		{"provider = \"azure\"\nazure_tenant = \"contoso.onmicrosoft.com\"", "ISSUER_URL", "", "the id (not the name)"},
		{`provider = "azure"`, "ISSUER_URL", "", "the id (not the name)"},
		{"provider = \"entra-id\"\noidc_issuer_url = \"https://login.microsoftonline.com/common/v2.0\"", "ISSUER_URL", "", "one tenant"},
		{"provider = \"keycloak\"\nlogin_url = \"https://k.example.com/realms/a/protocol/openid-connect/auth\"", "ISSUER_URL", "https://k.example.com/realms/a", "taken from login_url"},
		{`provider = "keycloak"`, "ISSUER_URL", "", "write the realm's issuer"},
		{`provider = "oidc"`, "ISSUER_URL", "", "oidc_issuer_url was not found"},
		{"provider = \"oidc\"\noidc_issuer_url = \"http://id.example.com\"", "ISSUER_URL", "http://id.example.com", "ISSUER_URL is plain http"},
		{"provider = \"oidc\"\noidc_issuer_url = \"http://localhost:5556/dex\"", "ISSUER_URL", "http://localhost:5556/dex", ""},
		{`provider = "login.gov"`, "ISSUER_URL", "", "https://secure.login.gov/"},
		{`provider = "linkedin"`, "ISSUER_URL", "", "https://www.linkedin.com/oauth"},
		{`provider = "facebook"`, "ISSUER_URL", "", "by a protocol of its own"},
		{`provider = "xyzzy"`, "ISSUER_URL", "", "the provider is not known"},
		{"client_secret = \"a\"\nclient_secret_file = \"/f\"", "CLIENT_SECRET", "a", "client_secret is set too"},
		{`client_secret_file = "/f"`, "CLIENT_SECRET_FILE", "/f", ""},

		{"provider = \"oidc\"\nallowed_groups = \"a\"", "SCOPES", "openid profile email groups", ""},
		{"provider = \"google\"\nallowed_groups = \"a\"", "SCOPES", "", ""},
		{`scope = "email"`, "SCOPES", "openid email", "openid is added"},
		{`oidc_groups_claim = "roles"`, "GROUPS_CLAIM", "roles", ""},
		{`oidc_email_claim = "mail"`, "EMAIL_CLAIM", "mail", ""},
		{`user_id_claim = "upn"`, "EMAIL_CLAIM", "upn", ""},
		{`insecure_oidc_allow_unverified_email = true`, "INSECURE_UNVERIFIED_EMAIL", "true", ""},
		{"provider = \"oidc\"\nprompt = \"login\"\nacr_values = \"mfa\"\nresource = \"https://api\"", "AUTH_PARAMS", "prompt=login,acr_values=mfa,resource=https://api", ""},
		{"provider = \"oidc\"\nacr_values = \"a,b\"", "AUTH_PARAMS", "", "acr_values: its value holds a comma"},
		{"provider = \"google\"\nprompt = \"select_account\"", "AUTH_PARAMS", "prompt=select_account,access_type=offline", ""},
		{`auth_request_response_mode = "form_post"`, "RESPONSE_MODE", "form_post", ""},
		{`auth_request_response_mode = "fragment"`, "RESPONSE_MODE", "", "query or form_post"},
		{`provider_ca_files = "/ca.pem"`, "PROVIDER_CA_FILE", "/ca.pem", "beside the system's"},
		{`provider_ca_files = ["/a.pem", "/b.pem"]`, "PROVIDER_CA_FILE", "", "into one file"},

		{`cookie_name = "_oauth2_proxy"`, "COOKIE_NAME", "", ""},
		{`cookie_name = "__Host-sso"`, "COOKIE_NAME", "__Host-sso", ""},
		{`cookie_name = "sso"`, "COOKIE_NAME", "sso", "without it the cookie is __Host-doorward"},
		{`cookie_samesite = "none"`, "COOKIE_SAMESITE", "none", ""},
		{`cookie_samesite = "lax"`, "COOKIE_SAMESITE", "", ""},
		{`cookie_samesite = "loose"`, "COOKIE_SAMESITE", "", "neither lax, strict nor none"},
		{"cookie_domains = \".example.com\"\nredirect_url = \"https://app.example.com/oauth2/callback\"", "COOKIE_DOMAIN", "example.com", ""},
		{`cookie_domains = ".example.com"`, "COOKIE_DOMAIN", "", "cookie_domains: one login for sibling hosts"},
		{"cookie_domains = \"app.example.com\"\nredirect_url = \"https://app.example.com/oauth2/callback\"", "COOKIE_DOMAIN", "", "for the host of PUBLIC_URL alone"},
		{`cookie_expire = "8h"`, "SESSION_MAX_AGE", "8h", ""},
		{`cookie_expire = "12h0m"`, "SESSION_MAX_AGE", "", ""},
		{`cookie_expire = "168h"`, "SESSION_MAX_AGE", "", "no session lives longer than 12h"},
		{`cookie_expire = "0"`, "SESSION_MAX_AGE", "", "no session lives longer than 12h"},
		{`cookie_expire = "a week"`, "SESSION_MAX_AGE", "", "cookie_expire is no time span"},

		{`redis_connection_url = "redis://r:6379"`, "REDIS_URL", "", ""},
		{"session_store_type = \"redis\"\nredis_connection_url = \"redis://u:p@r/2\"", "REDIS_URL", "redis://u:p@r/2", ""},
		{"session_store_type = \"redis\"\nredis_connection_url = \"redis://u:p@r\"\nredis_username = \"v\"\nredis_password = \"q\"", "REDIS_URL", "redis://v@r", ""},
		{"session_store_type = \"redis\"\nredis_connection_url = \"redis://:p@r\"\nredis_password = \"q\"", "REDIS_URL", "redis://r", ""},
		{"session_store_type = \"redis\"\nredis_use_cluster = true\nredis_cluster_connection_urls = [\"rediss://a:1\", \"rediss://b\"]", "REDIS_URL", "rediss://a:1?addr=b%3A6379", ""},
		{"session_store_type = \"redis\"\nredis_use_cluster = true\nredis_cluster_connection_urls = \"redis://a\"", "REDIS_URL", "redis://a?addr=a%3A6379", ""},
		{`session_store_type = "redis"`, "REDIS_URL", "", "could not be taken over"},
		{`session_store_type = "memcached"`, "REDIS_URL", "", "session_store_type: sessions live"},

		{"trusted_proxy_ips = [\"10.0.0.1\", \"10.1.2.3/16\", \"0.0.0.0/0\"]", "TRUSTED_PROXIES", "10.0.0.1/32,10.1.0.0/16", "0.0.0.0/0 is everybody"},
		{"trusted_proxy_ips = \"nginx\"", "TRUSTED_PROXIES", "", "one is no address"},
		{`reverse_proxy = true`, "TRUSTED_PROXIES", "", "believed until TRUSTED_PROXIES"},
		{``, "LISTEN_ADDR", "127.0.0.1:4180", ""},
		{``, "METRICS_ADDR", "127.0.0.1:9180", ""},
		{`http_address = "http://[::1]:4180"`, "LISTEN_ADDR", "[::1]:4180", ""},
		{`http_address = "unix:///run/oauth2.sock"`, "LISTEN_ADDR", "", "http_address is no host:port"},
		{`http_address = "fd:3"`, "LISTEN_ADDR", "", "FileDescriptorName=public"},
		{"tls_cert_file = \"/c\"\ntls_key_file = \"/k\"", "LISTEN_ADDR", ":443", ""},
		{"tls_cert_file = \"/c\"\ntls_key_file = \"/k\"", "TLS_KEY_FILE", "/k", ""},
		{`metrics_address = "0.0.0.0:44180"`, "METRICS_ADDR", "0.0.0.0:44180", ""},
		{`metrics_address = "nowhere"`, "METRICS_ADDR", "", "metrics_address is no host:port"},
		{`request_logging = false`, "ACCESS_LOG", "off", ""},
	} {
		options := c.options + "\n"
		if !strings.Contains(options, "client_id") {
			options += "client_id = \"app\"\n"
		}
		m := translateText(t, options)
		if got := m.value(c.name); got != c.value {
			t.Errorf("%s: %s is %q instead of %q", c.options, c.name, got, c.value)
		}
		if !strings.Contains(m.lists(), c.says) {
			t.Errorf("%s: the lists do not say %q: %s", c.options, c.says, m.lists())
		}
	}
}

// alphaText is an alpha configuration around some upstreams or headers.
func alphaText(more string) string {
	return "providers:\n- {provider: oidc, clientID: app, clientSecret: s, oidcConfig: {issuerURL: 'https://id.example.com'}}\n" + more
}

func TestAlphaConfiguration(t *testing.T) {
	for _, c := range []struct{ more, name, value, says string }{
		{"upstreams: [{id: a, path: /, uri: 'http://a'}]", "UPSTREAMS", "/ http://a", ""},
		{"upstreamConfig: {upstreams: [{id: a, uri: 'http://a'}]}", "UPSTREAMS", "/ http://a", ""},
		{"upstreams: [{path: '^/api/v1/(.*)', rewriteTarget: /$1, uri: 'http://a'}]", "UPSTREAMS", "/api/v1/ http://a strip=/api/v1", ""},
		{"upstreams: [{path: '^/api/(.*)$', rewriteTarget: /v2/$1, uri: 'http://a'}]", "UPSTREAMS", "", "rewrites paths otherwise"},
		{"upstreams: [{path: '^/api$', uri: 'http://a'}]", "UPSTREAMS", "", "rewrites paths otherwise"},
		{"upstreams: [{path: '/baz/{path:.*}', uri: 'http://a'}]", "UPSTREAMS", "", "is no pattern"},
		{"upstreams: [{path: /x/, uri: 'http://a/base'}]", "UPSTREAMS", "/x/ http://a", "requests keep their own path"},
		{"upstreams: [{path: /, uri: 'https://a', insecureSkipTLSVerify: true, proxyWebSockets: false, timeout: 1m}]", "UPSTREAMS", "/ https://a timeout=1m", "insecureSkipTLSVerify: certificates are always checked"},
		{"upstreams: [{path: /, uri: 'https://a', timeout: soon}]", "UPSTREAMS", "/ https://a", "is no time span"},
		{"upstreams: [{path: /, static: true, staticCode: 200}]", "FORWARD_AUTH", "", "run this again with --forward-auth"},
		{"server: {bindAddress: '-', secureBindAddress: ':8443', tls: {key: {fromFile: /k}, cert: {fromFile: /c}}}", "LISTEN_ADDR", ":8443", ""},
		{"server: {secureBindAddress: ':8443', tls: {key: {fromEnv: KEY}, cert: {fromFile: /c}}}", "TLS_CERT_FILE", "", "tls_cert_file: its value is not here"},

		{"injectRequestHeaders: [{name: Authorization, values: [{claimSource: {claim: access_token, prefix: 'Bearer '}}]}]\nupstreams: [{path: /, uri: 'http://a'}]", "UPSTREAMS", "/ http://a token=bearer", ""},
		{"injectRequestHeaders: [{name: X-Forwarded-Access-Token, values: [{claim: access_token}]}]\nupstreams: [{path: /, uri: 'http://a'}]", "UPSTREAMS", "/ http://a token=x-forwarded-access-token", ""},
		{"injectRequestHeaders: [{name: X-Team, values: [{claim: groups}]}, {name: X-Dept, values: [{claim: department}]}]", "HEADERS", "X-Team=groups,X-Dept=department", ""},
		{"injectRequestHeaders: [{name: X-Key, values: [{value: aGVsbG8=}]}]", "HEADERS", "", "injectRequestHeaders X-Key: a header carries one claim"},
		{"injectRequestHeaders: [{name: X-Key, values: [{secretSource: {fromEnv: KEY}}]}]", "HEADERS", "", "injectRequestHeaders X-Key: a header carries one claim"},
		{"injectRequestHeaders: [{name: X-Mail, values: [{claim: email}]}]", "HEADERS", "", "injectRequestHeaders X-Mail: a header carries one claim"},
		{"injectRequestHeaders: [{name: Authorization, values: [{claim: user, prefix: 'Basic ', basicAuthPassword: {value: cA==}}]}]", "HEADERS", "", "injectRequestHeaders Authorization: a header carries one claim"},
		{"injectRequestHeaders: [{name: Host, values: [{claim: x}]}]", "HEADERS", "", "injectRequestHeaders Host: the name is doorward's"},
		{"injectRequestHeaders: [{name: X-Forwarded-User, preserveRequestValue: true, values: [{claim: email}]}]", "HEADERS", "", "injectRequestHeaders X-Forwarded-User: it carries what doorward always puts there"},
		{"injectRequestHeaders: [{name: X-Forwarded-User, values: [{claim: user}]}]", "HEADERS", "", "whatever injectRequestHeaders lists"},
		{"injectResponseHeaders: [{name: X-Auth-Request-User, values: [{claim: user}]}, {name: X-Other, values: [{claim: user}]}]", "FORWARD_AUTH", "", "injectResponseHeaders X-Other"},
	} {
		m := translateText(t, alphaText(c.more))
		if got := m.value(c.name); got != c.value {
			t.Errorf("%s: %s is %q instead of %q", c.more, c.name, got, c.value)
		}
		if !strings.Contains(m.lists(), c.says) {
			t.Errorf("%s: the lists do not say %q: %s", c.more, c.says, m.lists())
		}
	}
	m := translateText(t, `providers:
- clientID: app
  loginURLParameters: [{name: prompt, default: [login]}, {name: organization, default: [acme], allow: [{value: b}]}]
  additionalClaims: [a]
  ADFSConfig: {skipScope: true}
`)
	for _, says := range []string{"loginURLParameters organization: write it into AUTH_PARAMS", "loginURLParameters organization: what /oauth2/start", "additionalClaims: HEADERS", "skipScope: the scopes"} {
		if !strings.Contains(m.lists(), says) {
			t.Errorf("the lists do not say %q: %s", says, m.lists())
		}
	}
	if m.value("AUTH_PARAMS") != "prompt=login,access_type=offline" || strings.Contains(m.lists(), "is no option") {
		t.Errorf("%s\n%s", settingsOf(m), m.lists())
	}
}

// Every field of a provider is an option of the table.
func TestAlphaFieldsAreOptions(t *testing.T) {
	for field, option := range alphaOptions() {
		if _, known := optionNamed(option); !known || strings.ToLower(field) != field {
			t.Errorf("%s is %s, which is no option", field, option)
		}
	}
}

// The answers that a server in front gets, and what its cookies have room for.
func TestAServerInFront(t *testing.T) {
	for front, size := range map[string]string{"nginx": "", "ingress-nginx": "3900", "traefik": "", "caddy": "", "envoy": ""} {
		f, err := Read(strings.NewReader("client_id = \"a\"\nclient_secret = \"b\"\nprovider = \"oidc\"\noidc_issuer_url = \"https://id.example.com\"\n"+
			"redirect_url = \"https://app.example.com/oauth2/callback\"\nemail_domains = \"*\"\nset_xauthrequest = true\npass_access_token = true\n"+
			"set_authorization_header = true\ntrusted_proxy_ips = \"127.0.0.1\"\n"), "test")
		if err != nil {
			t.Fatal(err)
		}
		m := Translate(f, front)
		if m.value("FORWARD_AUTH") != front || m.value("SESSION_COOKIE_MAX_BYTES") != size || m.value("AUTH_RESPONSE_HEADERS") != "access-token,authorization" {
			t.Errorf("%s: %s", front, settingsOf(m))
		}
		if _, problems := load(t, m); len(problems) > 0 {
			t.Errorf("%s: %v", front, problems)
		}
	}
}

// The names of settings in the lists are names of settings.
func TestListsNameSettingsThatThereAre(t *testing.T) {
	for _, o := range options() {
		for word := range strings.FieldsFuncSeq(o.says, func(r rune) bool { return (r < 'A' || r > 'Z') && r != '_' }) {
			if strings.Contains(word, "_") && len(word) > 4 && !config.Known(word) {
				t.Errorf("%s: there is no setting %s", o.name, word)
			}
		}
	}
}
