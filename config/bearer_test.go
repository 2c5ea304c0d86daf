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
