package config_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"doorward/config"
)

func TestCookieDomain(t *testing.T) {
	for _, n := range []struct {
		domain, origins string
		want            string // what the problem says; no problem where it is empty
	}{
		{"", "https://app.example.com,https://example.org", ""},
		{"example.com", "https://app.example.com", ""},
		{"example.com", "https://app.example.com,https://example.com,https://a.b.example.com:8443", ""},
		{"app.example.com", "https://app.example.com", ""},
		{".Example.COM", "https://app.example.com", ""},
		{"doorward.localhost", "http://app.doorward.localhost:4180", ""},
		{"corp.internal", "https://a.corp.internal", ""},
		{"example.com", "https://app.example.com,https://app.example.org", "does not cover https://app.example.org"},
		{"ample.com", "https://app.example.com", "does not cover"},
		{"app.example.com", "https://example.com", "does not cover"},
		{"example.com", "https://127.0.0.1", "does not cover"},
		{"com", "https://example.com", "one label alone"},
		{"localhost", "http://app.localhost", "one label alone"},
		{"127.0.0.1", "http://127.0.0.1", "is an address"},
		{"[::1]", "http://[::1]", "is an address"},
		{"::1", "http://[::1]", "is an address"},
		{"0.0.1", "http://127.0.0.1", "is no domain name"},
		{"https://example.com", "https://example.com", "is no domain;"},
		{"example.com:443", "https://example.com", "is no domain;"},
		{"example.com/", "https://example.com", "is no domain;"},
		{"*.example.com", "https://app.example.com", "is no domain;"},
		{"a.example.com,b.example.com", "https://a.example.com", "is no domain;"},
		{"example.com; Path=/x", "https://example.com", "is no domain;"},
		{"example.com.", "https://example.com", "is no domain name"},
		{"..example.com", "https://example.com", "is no domain name"},
		{".", "https://example.com", "is no domain name"},
		{"a_b.example.com", "https://x.a_b.example.com", "is no domain name"},
		{"-a.example.com", "https://-a.example.com", "is no domain name"},
		{"müller.example", "https://example.com", "is no domain name"},
		{"example.com\nx", "https://example.com", "is no domain name"},
	} {
		c := valid()
		c.PublicURL, c.CookieDomain = strings.Split(n.origins, ","), n.domain
		ps, _ := errors.AsType[config.Problems](c.Validate())
		found := ps.Of("COOKIE_DOMAIN")
		if len(ps) != len(found) || (len(found) == 0) != (n.want == "") {
			t.Errorf("%q for %s: %v", n.domain, n.origins, ps)
			continue
		}
		if n.want != "" && (!strings.Contains(found[0].Error(), n.want) || found[0].Mend == "") {
			t.Errorf("%q for %s: %q does not say %q, with a mend", n.domain, n.origins, found[0].Error(), n.want)
		}
	}
}

// The names of cookies for a domain are such that browsers take them, and those of logins are for one host.
func TestCookieNamesForADomain(t *testing.T) {
	for _, n := range []struct{ origin, domain, name, session, login string }{
		{"https://app.example.com", "", "__Host-doorward", "__Host-doorward", "__Host-doorward"},
		{"https://app.example.com", "example.com", "__Host-doorward", "__Secure-doorward", "__Host-doorward"},
		{"https://app.example.com", "example.com", "__host-app", "__Secure-app", "__Host-app"},
		{"https://app.example.com", "example.com", "__Host-Http-app", "__Http-app", "__Host-app"},
		{"https://app.example.com", "example.com", "__Secure-app", "__Secure-app", "__Host-app"},
		{"https://app.example.com", "example.com", "app", "app", "__Host-app"},
		{"https://app.example.com", "", "__Secure-app", "__Secure-app", "__Secure-app"},
		{"http://app.x.localhost", "x.localhost", "__Host-doorward", "doorward", "doorward"},
	} {
		c := valid()
		c.PublicURL, c.CookieDomain, c.CookieName = []string{n.origin}, n.domain, n.name
		if err := c.Validate(); err != nil {
			t.Fatal(err)
		}
		if session, login := c.SessionCookieName(), c.LoginCookieName(); session != n.session || login != n.login {
			t.Errorf("%s at %s for %q: %s and %s, want %s and %s", n.name, n.origin, n.domain, session, login, n.session, n.login)
		}
	}
}

// Hosts that rules or upstreams name exactly have a login where they share the sessions.
func TestSiblingOrigins(t *testing.T) {
	c := valid()
	c.PublicURL = []string{"https://app.example.com:8443", "https://b.example.com"}
	c.Upstreams = "http://127.0.0.1:1\nwiki.example.com/ http://127.0.0.1:2"
	c.AccessRules = "/ authenticated\nGrafana.example.com/ authenticated\nb.example.com/ authenticated\n*.dev.example.com/ authenticated\n" +
		"*.example.com/ authenticated\nexample.com/ public\nold.example.com/ deny\nb.example.com/x deny\nevilexample.com/ authenticated\nexample.org/ authenticated"
	if got := c.SiblingOrigins(); got != nil {
		t.Errorf("without COOKIE_DOMAIN there are %v", got)
	}
	c.CookieDomain = "example.com"
	var got []string
	for _, u := range c.SiblingOrigins() {
		got = append(got, u.String())
	}
	if want := []string{"https://example.com:8443", "https://grafana.example.com:8443", "https://wiki.example.com:8443"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestNotesOnOneLogin(t *testing.T) {
	for _, n := range []struct {
		name, domain, rules string
		want, never         []string
	}{
		{"unset", "", "/ authenticated; grafana.example.com/ authenticated",
			[]string{"grafana.example.com is named by rules or upstreams but is no DOORWARD_PUBLIC_URL: nobody can sign in there"}, []string{"DOORWARD_COOKIE_DOMAIN"}},
		{"one host", "example.com", "/ authenticated", []string{"there is one host alone"}, []string{"every server under"}},
		{"by a rule", "example.com", "/ authenticated; grafana.example.com/ authenticated",
			[]string{"the session's cookies to every server under example.com", "sign them in as somebody else"}, []string{"nobody can sign in there", "one host alone", "public suffix"}},
		{"by a pattern", "example.com", "/ authenticated; a.example.com/ authenticated; *.dev.example.com/ authenticated",
			[]string{"*.dev.example.com is named by rules or upstreams: whoever is signed in comes in there"}, []string{"nobody can sign in there"}},
		{"outside", "example.com", "/ authenticated; a.example.com/ authenticated; a.example.org/ authenticated", []string{"a.example.org is named by rules or upstreams but is no DOORWARD_PUBLIC_URL"}, nil},
	} {
		c := valid()
		c.Audience, c.CookieDomain, c.AccessRules = []string{"api"}, n.domain, n.rules
		if err := c.Validate(); err != nil {
			t.Fatal(err)
		}
		notes := strings.Join(c.Notes(), "\n")
		for _, want := range n.want {
			if !strings.Contains(notes, want) {
				t.Errorf("%s: no note says %q:\n%s", n.name, want, notes)
			}
		}
		for _, never := range n.never {
			if strings.Contains(notes, never) {
				t.Errorf("%s: a note says %q:\n%s", n.name, never, notes)
			}
		}
	}
	for domain, noted := range map[string]bool{"co.uk": true, "com.au": true, "example.uk": false, "app.co.uk": false, "co.example": false} {
		c := valid()
		c.PublicURL, c.CookieDomain = []string{"https://x." + domain, "https://y." + domain}, domain
		if got := strings.Contains(strings.Join(c.Notes(), "\n"), "public suffix"); got != noted {
			t.Errorf("%s: noted is %v", domain, got)
		}
	}
}
