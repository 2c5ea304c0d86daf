package config_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"doorward/config"
)

// askedBy are the settings behind a server in front, which passes the requests on itself.
func askedBy(front string, more map[string]string) map[string]string {
	values := map[string]string{"FORWARD_AUTH": front, "TRUSTED_PROXIES": "127.0.0.1", "UPSTREAMS": ""}
	if front == "ingress-nginx" {
		values["SESSION_COOKIE_MAX_BYTES"] = "3900"
	}
	maps.Copy(values, more)
	return values
}

func TestForwardAuthNeedsNoUpstream(t *testing.T) {
	for _, front := range []string{"nginx", "ingress-nginx", "traefik", "caddy", "envoy"} {
		c := load(t, askedBy(front, nil))
		if _, err := c.Policy(); err != nil {
			t.Errorf("%s: %v", front, err)
		}
		if f := c.FrontServer(); f == nil || f.Name != front {
			t.Errorf("%s: the server in front is %v", front, f)
		}
	}
	if f := load(t, nil).FrontServer(); f != nil {
		t.Errorf("unset, it is %v", f)
	}
}

func TestForwardAuthProblems(t *testing.T) {
	for name, test := range map[string]struct {
		values map[string]string
		of     string
		mend   string
	}{
		"nobody is trusted":              {askedBy("nginx", map[string]string{"TRUSTED_PROXIES": ""}), "TRUSTED_PROXIES", "127.0.0.1"},
		"several cookies, ingress-nginx": {askedBy("ingress-nginx", map[string]string{"SESSION_COOKIE_MAX_BYTES": "3901"}), "SESSION_COOKIE_MAX_BYTES", "3900"},
		"more than four, nginx":          {askedBy("nginx", map[string]string{"SESSION_COOKIE_MAX_BYTES": "16KiB"}), "SESSION_COOKIE_MAX_BYTES", "15600"},
		"an unknown word":                {askedBy("caddy", map[string]string{"AUTH_RESPONSE_HEADERS": "id-token"}), "AUTH_RESPONSE_HEADERS", "access-token"},
		"assertions, without keys":       {askedBy("caddy", map[string]string{"AUTH_RESPONSE_HEADERS": "assertion"}), "AUTH_RESPONSE_HEADERS", "ASSERTION_KEYS"},
		"no header of HEADERS":           {askedBy("caddy", map[string]string{"AUTH_RESPONSE_HEADERS": "X-Team", "HEADERS": "X-Unit=unit"}), "AUTH_RESPONSE_HEADERS", "HEADERS"},
		"a word twice":                   {askedBy("caddy", map[string]string{"AUTH_RESPONSE_HEADERS": "authorization,authorization"}), "AUTH_RESPONSE_HEADERS", "once"},
		"words without the server":       {map[string]string{"AUTH_RESPONSE_HEADERS": "authorization"}, "AUTH_RESPONSE_HEADERS", "leave"},
		"neither server nor upstream":    {map[string]string{"UPSTREAMS": ""}, "UPSTREAMS", "FORWARD_AUTH"},
		"upstreams that are wrong":       {askedBy("caddy", map[string]string{"UPSTREAMS": "nonsense"}), "UPSTREAMS", "URL"},
	} {
		t.Run(name, func(t *testing.T) {
			ps := problems(t, test.values)
			if len(ps) != 1 || ps[0].Variable != "DOORWARD_"+test.of || !strings.Contains(ps[0].Mend, test.mend) {
				t.Errorf("the problems are %v", ps)
			}
		})
	}
}

// Sessions in Redis take one small cookie, whatever they hold.
func TestRedisSessionsPassEveryServerInFront(t *testing.T) {
	load(t, askedBy("ingress-nginx", map[string]string{"SESSION_COOKIE_MAX_BYTES": "8192", "REDIS_URL": "redis://localhost"}))
	if ps := problems(t, askedBy("ingress-nginx", map[string]string{
		"SESSION_COOKIE_MAX_BYTES": "8192", "REDIS_URL": "redis://localhost", "SESSION_STORE": "cookie"})); len(ps.Of("SESSION_COOKIE_MAX_BYTES")) != 1 {
		t.Errorf("the problems are %v", ps)
	}
}

func TestAuthHeaders(t *testing.T) {
	c := load(t, askedBy("traefik", map[string]string{"HEADERS": "x-team=team", "AUTH_RESPONSE_HEADERS": "access-token, X-Team,authorization"}))
	want := []string{"X-Auth-Request-User", "X-Auth-Request-Email", "X-Auth-Request-Groups", "X-Auth-Request-Preferred-Username",
		"X-Auth-Request-Access-Token", "X-Team", "Authorization"}
	if got := c.AuthHeaders(); !slices.Equal(got, want) {
		t.Errorf("the headers are %q, want %q", got, want)
	}
}

// What check says to configure names each header that is believed, and each that has to be overwritten.
func TestFrontNotesNameTheHeaders(t *testing.T) {
	for _, front := range []string{"nginx", "ingress-nginx", "traefik", "caddy", "envoy"} {
		c := load(t, askedBy(front, map[string]string{"ENDPOINT_PREFIX": "/_door"}))
		notes := strings.Join(c.FrontNotes(), "\n")
		for _, name := range append(append(c.FrontServer().Headers(), c.AuthHeaders()...), "X-Forwarded-For") {
			if !strings.Contains(notes, name) {
				t.Errorf("%s: %s is not named in\n%s", front, name, notes)
			}
		}
		if renames := front == "nginx" || front == "caddy"; strings.Contains(notes, "X-Forwarded-User") != renames {
			t.Errorf("%s: what the application knows the headers by is not as its example has it:\n%s", front, notes)
		}
		if strings.Contains(notes, "/oauth2") || !strings.Contains(notes, "/_door/auth") {
			t.Errorf("%s: the endpoint is another one:\n%s", front, notes)
		}
	}
	if notes := config.Defaults().FrontNotes(); notes != nil {
		t.Errorf("without a server in front: %q", notes)
	}
}

func TestHeadersThatReachNobodyAreNoted(t *testing.T) {
	for value, want := range map[string]bool{"": true, "X-Team": false} {
		c := load(t, askedBy("caddy", map[string]string{"HEADERS": "X-Team=team", "AUTH_RESPONSE_HEADERS": value}))
		if got := strings.Contains(strings.Join(c.Notes(), "\n"), "X-Team reaches nobody"); got != want {
			t.Errorf("with %q it is noted: %v", value, got)
		}
	}
}
