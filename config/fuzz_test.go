package config_test

import (
	"net/url"
	"strings"
	"testing"
)

// Whatever PUBLIC_URL holds, what is accepted is an origin that reads the same
// again, and no message shows what was not.
func FuzzOrigins(f *testing.F) {
	for _, w := range wrongValues {
		if w.name == "PUBLIC_URL" {
			f.Add(w.value)
		}
	}
	f.Add("https://app.example.com:8443/")
	f.Add("https://[::1]:443")
	f.Add("https://me:" + canary + "@app.example.com")
	f.Fuzz(func(t *testing.T, text string) {
		c := valid()
		c.PublicURL = []string{text}
		if err := c.Validate(); err != nil {
			if strings.Contains(err.Error(), canary) && !strings.HasPrefix(strings.ToLower(text), "http://"+canary) {
				t.Errorf("%q is shown: %v", text, err)
			}
			return
		}
		origin := c.Origins()[0]
		again, err := url.Parse(origin.String())
		if err != nil || again.Host != origin.Host || again.User != nil || again.Path != "" || again.Hostname() == "" {
			t.Fatalf("%q was accepted as %q", text, origin)
		}
		c.PublicURL = []string{origin.String()}
		if err := c.Validate(); err != nil || c.Origins()[0].String() != origin.String() {
			t.Errorf("%q became %q, which is not accepted: %v", text, origin, err)
		}
	})
}

// Whatever UPSTREAMS holds, what is accepted has everything that forwarding
// needs, and no message shows a password.
func FuzzUpstreams(f *testing.F) {
	for _, w := range wrongValues {
		if w.name == "UPSTREAMS" {
			f.Add(w.value)
		}
	}
	f.Add("/api/ https://api.internal host=upstream strip=/api token=none timeout=2m paths=opaque-slash")
	f.Add("unix:///run/a.sock; *.example.com/{a}/ h2c://x")
	f.Fuzz(func(t *testing.T, text string) {
		c := valid()
		c.Upstreams = text + "\n/password/ http://me:" + canary + "@x"
		if _, err := c.UpstreamTable(); err == nil && !strings.Contains(text, "#") {
			t.Fatalf("credentials were accepted behind %q", text)
		} else if err != nil && strings.Contains(err.Error(), canary) {
			t.Fatalf("the password is shown: %v", err)
		}
		c.Upstreams = text
		upstreams, err := c.UpstreamTable()
		if err != nil {
			return
		}
		for _, u := range upstreams {
			socket := u.URL.Scheme == "unix"
			if u.URL.User != nil || socket != (u.URL.Host == "") || !socket && u.URL.Path != "" || u.Pattern == "" || u.Timeout < 0 {
				t.Errorf("%q was accepted as %+v of %s", text, u, u.URL)
			}
		}
	})
}
