package migrate

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"doorward/config"
)

// testdata/flags.txt has the flags that `oauth2-proxy --help` and its documentation list.
func TestEveryFlagOfTheDocumentationIsKnown(t *testing.T) {
	data, err := os.ReadFile("testdata/flags.txt")
	if err != nil {
		t.Fatal(err)
	}
	flags := strings.Fields(string(data))
	if len(flags) < 160 {
		t.Errorf("only %d flags are listed", len(flags))
	}
	for _, flag := range flags {
		if _, known := optionOfFlag(flag); !known {
			t.Errorf("--%s is not in the table", flag)
		}
	}
	for _, o := range options() {
		if o.name != "google_group" && !slices.Contains(flags, o.spelled()) {
			t.Errorf("--%s is no flag of oauth2-proxy", o.spelled())
		}
	}
}

// In the TOML file and in variables what can be repeated has an s at its end; but not always.
func TestIrregularNames(t *testing.T) {
	for flag, name := range map[string]string{
		"email-domain": "email_domains", "upstream": "upstreams", "skip-auth-route": "skip_auth_routes", "skip-auth-regex": "skip_auth_regex",
		"api-route": "api_routes", "extra-jwt-issuers": "extra_jwt_issuers", "trusted-ip": "trusted_ips", "exclude-logging-path": "exclude_logging_paths",
		"oidc-audience-claim": "oidc_audience_claims", "redis-cluster-connection-urls": "redis_cluster_connection_urls", "google-group": "google_groups",
		"cookie-domain": "cookie_domains", "whitelist-domain": "whitelist_domains", "provider-ca-file": "provider_ca_files", "htpasswd-user-group": "htpasswd_user_groups",
	} {
		if o, _ := optionOfFlag(flag); o.name != name || !o.list() {
			t.Errorf("--%s is %q", flag, o.name)
		}
	}
}

func TestTheTableIsWhole(t *testing.T) {
	seen := make(map[string]bool)
	for _, o := range options() {
		if seen[o.name] || seen["--"+o.spelled()] {
			t.Errorf("%s is there twice", o.name)
		}
		seen[o.name], seen["--"+o.spelled()] = true, true
		if wants := o.fate == mapped || o.fate == changed || o.fate == gone; wants != (o.says != "") {
			t.Errorf("%s says %q", o.name, o.says)
		}
		if o.fate == mapped {
			first, _, _ := strings.Cut(strings.TrimSuffix(o.says, ","), " ")
			first = strings.TrimSuffix(first, ",")
			if !config.Known(first) {
				t.Errorf("%s becomes %s, which is no setting", o.name, first)
			}
		}
	}
}

// sample sets an option to something that is not its default, in lines of TOML, with what it needs to mean anything.
func sample(o option) string {
	needs := map[string]string{
		"redis_": "session_store_type = \"redis\"\n", "github_": "provider = \"github\"\n", "bitbucket_": "provider = \"bitbucket\"\n",
		"gitlab_": "client_id = \"c\"\nemail_domains = \"*\"\nprovider = \"gitlab\"\n", "keycloak_": "client_id = \"c\"\nemail_domains = \"*\"\nprovider = \"keycloak\"\n", "azure_": "provider = \"azure\"\n",
		"allowed_groups": "client_id = \"c\"\nemail_domains = \"*\"\n", "allowed_roles": "client_id = \"c\"\nemail_domains = \"*\"\nprovider = \"keycloak-oidc\"\n", "trusted_proxy_ips": "reverse_proxy = true\n", "login_url": "provider = \"oidc\"\n",
		"https_address": "tls_cert_file = \"/c\"\ntls_key_file = \"/k\"\n", "session_store_type": "redis_connection_url = \"redis://r\"\n",
		"authenticated_emails_file": "email_domains = []\n", "email_domains": "authenticated_emails_file = \"/missing\"\n",
		"set_authorization_header": "upstreams = \"static://202\"\n", "set_xauthrequest": "upstreams = []\n",
		"redis_sentinel_":       "session_store_type = \"redis\"\nredis_use_sentinel = true\n",
		"redis_sentinel_master": "session_store_type = \"redis\"\nredis_use_sentinel = true\nredis_sentinel_connection_urls = \"redis://s\"\n",
		"redis_cluster_":        "session_store_type = \"redis\"\nredis_use_cluster = true\n",
		"redis_use_":            "session_store_type = \"redis\"\nredis_sentinel_connection_urls = \"redis://s\"\nredis_cluster_connection_urls = \"redis://c\"\n",
		"redis_username":        "session_store_type = \"redis\"\nredis_connection_url = \"redis://r\"\nredis_password = \"canary-password\"\n",
		"redis_password":        "session_store_type = \"redis\"\nredis_connection_url = \"redis://r\"\n",
		"redis_ca_path":         "session_store_type = \"redis\"\nredis_connection_url = \"rediss://r\"\n",
		"upstream_timeout":      "upstreams = \"http://a\"\n", "pass_host_header": "upstreams = \"http://a\"\n", "pass_a": "upstreams = \"http://a\"\n",
		"cookie_domains": "redirect_url = \"https://app.example.com/oauth2/callback\"\n",
	}
	special := map[string]string{
		"cookie_domains": "\"example.com\"", "cookie_samesite": "\"strict\"", "auth_request_response_mode": "\"form_post\"", "session_store_type": "\"redis\"",
		"trusted_proxy_ips": "\"10.0.0.1\"", "redis_connection_url": "\"redis://canary\"", "redis_sentinel_connection_urls": "\"redis://canary\"",
		"redis_cluster_connection_urls": "\"redis://canary\"", "redirect_url": "\"https://canary.example.com/oauth2/callback\"",
		"http_address": "\":8080\"", "https_address": "\":8443\"", "metrics_address": "\":8080\"", "cookie_expire": "\"1h\"", "provider": "\"oidc\"",
		"azure_tenant": "\"7e1a4f1c-51c3-4b8c-9d0e-0f0a6b1c2d3e\"", "skip_auth_routes": "\"^/canary$\"", "skip_auth_regex": "\"^/canary$\"",
		"proxy_prefix": "\"/canary\"", "upstreams": "\"http://canary\"",
	}
	context := ""
	longest := ""
	for prefix, lines := range needs {
		if strings.HasPrefix(o.name, prefix) && len(prefix) > len(longest) {
			longest, context = prefix, lines
		}
	}
	value := special[o.name]
	switch {
	case value != "":
	case o.kind == boolean:
		value = fmt.Sprint(o.fallback != "true")
	case o.kind == duration:
		value = `"47s"`
	case o.kind == number:
		value = "47"
	case o.list():
		value = `["canary-one", "canary-two"]`
	default:
		value = `"canary-value"`
	}
	return context + o.name + " = " + value + "\n"
}

// No option is read and passed over: each makes a difference to what is written or listed.
func TestEveryOptionMakesADifference(t *testing.T) {
	for _, o := range options() {
		if o.fate == meta {
			continue
		}
		lines := strings.SplitAfter(sample(o), "\n")
		without := translateText(t, "proxy_prefix = \"/oauth2\"\n"+strings.Join(lines[:len(lines)-2], ""))
		with := translateText(t, "#\n"+strings.Join(lines, ""))
		if o.fate == mapped {
			if without.outcome() == with.outcome() {
				t.Errorf("%s changes nothing:\n%s", o.name, sample(o))
			}
			continue
		}
		if !strings.Contains(with.lists(), o.name) {
			t.Errorf("%s is not in the lists", o.name)
		}
	}
}

// outcome is all that is written but the fresh secret.
func (m *Migration) outcome() string {
	text := m.lists()
	for _, s := range m.Settings {
		if s.Name != "COOKIE_SECRETS" {
			text += fmt.Sprintf("\n%s=%s %v", s.Name, s.Value, s.Example)
		}
	}
	return text
}

// What is at its default is no news.
func TestDefaultsAreNotListed(t *testing.T) {
	for _, o := range options() {
		if o.fate == mapped || o.fate == meta {
			continue
		}
		value := `"` + o.fallback + `"`
		if o.kind == boolean {
			value = fmt.Sprint(o.fallback == "true")
		}
		f := NewFound()
		f.setKey("proxy_prefix", "/oauth2")
		if err := f.parseTOML(o.name + " = " + value); err != nil {
			t.Fatal(err)
		}
		m := Translate(f, "")
		listed := slices.Concat(m.Changes, m.Gone, m.Needless, m.Todo)
		if slices.ContainsFunc(listed, func(item string) bool { return item == o.name || strings.HasPrefix(item, o.name+":") }) {
			t.Errorf("%s is listed although it is at its default", o.name)
		}
	}
}
