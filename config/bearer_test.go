package config_test

import (
	"strings"
	"testing"

	"doorward/config"
)

func TestBearerTokensFollowTheAudience(t *testing.T) {
	for _, test := range []struct {
		audience, bearer string
		want             bool
	}{
		{unset, unset, false}, {unset, "false", false}, {"api", unset, true}, {"api", "true", true}, {"api", "false", false}, {"api", "0", false}, {"api", "", true},
	} {
		c := load(t, map[string]string{"AUDIENCE": test.audience, "BEARER_TOKENS": test.bearer})
		if got := c.AcceptsBearerTokens(); got != test.want {
			t.Errorf("AUDIENCE=%s BEARER_TOKENS=%s: %v", test.audience, test.bearer, got)
		}
	}
	if !load(t, map[string]string{"AUDIENCE": "api", "INTROSPECT_TOKENS": "true"}).IntrospectTokens {
		t.Error("INTROSPECT_TOKENS is not read")
	}
}

// Without an audience, every token of the provider would do.
func TestBearerTokensNeedAnAudience(t *testing.T) {
	for _, test := range []struct {
		name   string
		values map[string]string
		want   string // a part of the one problem
	}{
		{"BEARER_TOKENS", map[string]string{"BEARER_TOKENS": "true"}, "set DOORWARD_AUDIENCE"},
		{"INTROSPECT_TOKENS", map[string]string{"INTROSPECT_TOKENS": "true"}, "set DOORWARD_AUDIENCE"},
		{"INTROSPECT_TOKENS", map[string]string{"INTROSPECT_TOKENS": "true", "BEARER_TOKENS": "false", "AUDIENCE": "api"}, "DOORWARD_BEARER_TOKENS is false"},
		{"BEARER_TOKENS", map[string]string{"BEARER_TOKENS": "yes", "AUDIENCE": "api"}, "neither true nor false"},
	} {
		ps := problems(t, test.values)
		if len(ps) != 1 || len(ps.Of(test.name)) != 1 || !strings.Contains(ps.Error(), test.want) || ps[0].Mend == "" {
			t.Errorf("%v: %v", test.values, ps)
		}
	}
}

// Where ID tokens are for the same audience, the typ must tell them from access tokens.
func TestAudienceThatIsTheClientIsNoted(t *testing.T) {
	for _, test := range []struct {
		change func(*config.Config)
		noted  bool
	}{
		{func(*config.Config) {}, false},
		{func(c *config.Config) { c.Audience = append(c.Audience, c.ClientID) }, true},
		{func(c *config.Config) { c.Audience, c.BearerTokens = []string{c.ClientID}, new(false) }, false},
	} {
		c := valid()
		c.Audience = []string{"api"}
		test.change(c)
		if got := strings.Contains(strings.Join(c.Notes(), "\n"), "at+jwt"); got != test.noted {
			t.Errorf("audience %v: noted %v", c.Audience, got)
		}
	}
}

// What one upstream is sent, it may bring back for what another serves.
func TestTokensThatUpstreamsMayBringBack(t *testing.T) {
	for name, test := range map[string]struct {
		upstreams, audience string
		without             bool // BEARER_TOKENS
		noted               bool
	}{
		"two":                  {"/ http://127.0.0.1:8080\n/wiki/ http://127.0.0.1:8081", "api", false, true},
		"one of two gets none": {"/ http://127.0.0.1:8080 token=none\n/wiki/ http://127.0.0.1:8081", "api", false, true},
		"none gets any":        {"/ http://127.0.0.1:8080 token=none\n/wiki/ http://127.0.0.1:8081 token=none", "api", false, false},
		"one":                  {"http://127.0.0.1:8080", "api", false, false},
		"one by two patterns":  {"/ http://127.0.0.1:8080\n/wiki/ http://127.0.0.1:8080", "api", false, false},
		"no tokens of clients": {"/ http://127.0.0.1:8080\n/wiki/ http://127.0.0.1:8081", "api", true, false},
		"no audience":          {"/ http://127.0.0.1:8080\n/wiki/ http://127.0.0.1:8081", "", false, false},
	} {
		c := config.Defaults()
		c.Upstreams = test.upstreams
		if test.audience != "" {
			c.Audience = []string{test.audience}
		}
		if test.without {
			c.BearerTokens = new(false)
		}
		if got := strings.Contains(strings.Join(c.Notes(), "\n"), "people's access tokens"); got != test.noted {
			t.Errorf("%s: noted is %v", name, got)
		}
	}
}
