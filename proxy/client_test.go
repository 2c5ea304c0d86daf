package proxy_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"doorward/config"
)

// behind is a public site that believes the test's own machine, and 10.0.0.0/8 beyond it.
func behind(t *testing.T, configure func(*config.Config)) *site {
	return public(t, func(c *config.Config) {
		c.TrustedProxies = []string{"127.0.0.1", "10.0.0.0/8", "fd00::/8"}
		if configure != nil {
			configure(c)
		}
	})
}

// The client is the right-most entry of X-Forwarded-For that no trusted proxy stands for, however its address is written, and whatever
// stands to the left of it (CVE-2024-47070, CVE-2023-36456, CVE-2024-24790). The upstream gets it first.
func TestClientBehindProxies(t *testing.T) {
	s := behind(t, nil)
	for name, test := range map[string]struct {
		lines []string // of X-Forwarded-For
		want  string   // what the upstream gets, the client first
	}{
		"none":                           {nil, "127.0.0.1"},
		"one":                            {[]string{"192.0.2.1"}, "192.0.2.1, 127.0.0.1"},
		"one forged":                     {[]string{"203.0.113.9, 192.0.2.1"}, "192.0.2.1, 127.0.0.1"},
		"many proxies":                   {[]string{"203.0.113.9,192.0.2.1, 10.0.0.2 ,10.0.0.1"}, "192.0.2.1, 10.0.0.2, 10.0.0.1, 127.0.0.1"},
		"several lines":                  {[]string{"203.0.113.9", "192.0.2.1", "10.0.0.1"}, "192.0.2.1, 10.0.0.1, 127.0.0.1"},
		"trusted behind untrusted":       {[]string{"10.0.0.1, 192.0.2.1"}, "192.0.2.1, 127.0.0.1"},
		"all are proxies":                {[]string{"10.0.0.2, 10.0.0.1"}, "10.0.0.2, 10.0.0.1, 127.0.0.1"},
		"IPv6":                           {[]string{"2001:DB8::0:1"}, "2001:db8::1, 127.0.0.1"},
		"port":                           {[]string{"192.0.2.1:4711"}, "192.0.2.1, 127.0.0.1"},
		"IPv6 with port":                 {[]string{"[2001:db8::1]:4711"}, "2001:db8::1, 127.0.0.1"},
		"IPv6 in brackets":               {[]string{"[2001:db8::1]"}, "2001:db8::1, 127.0.0.1"},
		"zone":                           {[]string{"fe80::1%eth0"}, "fe80::1, 127.0.0.1"},
		"a trusted one with a zone":      {[]string{"192.0.2.1, fd00::1%eth0"}, "192.0.2.1, fd00::1, 127.0.0.1"},
		"IPv4 as IPv6":                   {[]string{"::ffff:192.0.2.1"}, "192.0.2.1, 127.0.0.1"},
		"a trusted one as IPv6":          {[]string{"192.0.2.1, ::ffff:10.0.0.1"}, "192.0.2.1, 10.0.0.1, 127.0.0.1"},
		"a trusted one with a port":      {[]string{"192.0.2.1, 10.0.0.1:80"}, "192.0.2.1, 10.0.0.1, 127.0.0.1"},
		"junk":                           {[]string{"unknown"}, "127.0.0.1"},
		"junk before a trusted one":      {[]string{"192.0.2.1, _hidden, 10.0.0.1"}, "10.0.0.1, 127.0.0.1"},
		"junk before an untrusted one":   {[]string{"<script>, 192.0.2.1"}, "192.0.2.1, 127.0.0.1"},
		"an empty entry":                 {[]string{"192.0.2.1,, 10.0.0.1"}, "10.0.0.1, 127.0.0.1"},
		"empty":                          {[]string{""}, "127.0.0.1"},
		"an empty line at the end":       {[]string{"192.0.2.1", ""}, "127.0.0.1"},
		"quoted":                         {[]string{`"192.0.2.1"`}, "127.0.0.1"},
		"leading zeros":                  {[]string{"192.0.2.01"}, "127.0.0.1"},
		"a network":                      {[]string{"192.0.2.0/24"}, "127.0.0.1"},
		"an address without its colons":  {[]string{"3221225985"}, "127.0.0.1"},
		"a port that is none":            {[]string{"192.0.2.1:99999"}, "127.0.0.1"},
		"Forwarded and X-Real-IP beside": {[]string{"192.0.2.1\r\nForwarded: for=203.0.113.9\r\nX-Real-IP: 203.0.113.9"}, "192.0.2.1, 127.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			var lines []string
			for _, line := range test.lines {
				lines = append(lines, "X-Forwarded-For: "+line)
			}
			s.rawGet("/", lines...)
			got := s.Upstream.last(t).Header
			if list := got["X-Forwarded-For"]; len(list) != 1 || list[0] != test.want {
				t.Errorf("the upstream gets %q, want %q", list, test.want)
			}
			for _, other := range []string{"Forwarded", "X-Real-Ip"} {
				if got[other] != nil {
					t.Errorf("%s: %q arrived", other, got[other])
				}
			}
			client, _, _ := strings.Cut(test.want, ",")
			if e := s.logged(t, got.Get("X-Request-Id")); e["client_ip"] != client || e["peer_ip"] != "127.0.0.1" {
				t.Errorf("the log has client %v and peer %v", e["client_ip"], e["peer_ip"])
			}
		})
	}
	if n := len(s.Log.events(t, "forwarded_headers_ignored")); n > 0 {
		t.Error("headers of a trusted proxy are reported as ignored")
	}
}

// logged is the line of a request, which is written when the client has its answer already.
func (s *site) logged(t *testing.T, id string) map[string]any {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for tick := time.NewTicker(time.Millisecond); ; {
		for _, e := range s.Log.events(t, "request") {
			if e["request_id"] == id {
				return e
			}
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("the log has no request %q", id)
		}
	}
}

// Without TRUSTED_PROXIES, and for a peer that is not among them, the peer is the client.
func TestNobodyElseIsBelieved(t *testing.T) {
	for name, trusted := range map[string][]string{"nobody is trusted": nil, "others are trusted": {"10.0.0.0/8", "::1"}} {
		t.Run(name, func(t *testing.T) {
			s := public(t, func(c *config.Config) { c.TrustedProxies = trusted })
			s.rawGet("/", "X-Forwarded-For: 192.0.2.1", "X-Request-Id: theirs")
			got := s.Upstream.last(t).Header
			if list := got["X-Forwarded-For"]; len(list) != 1 || list[0] != "127.0.0.1" {
				t.Errorf("the upstream gets %q", list)
			}
			if got.Get("X-Request-Id") == "theirs" {
				t.Error("the request's id is the client's")
			}
			if e := s.logged(t, got.Get("X-Request-Id")); e["client_ip"] != "127.0.0.1" {
				t.Errorf("the log has %v", e["client_ip"])
			}
		})
	}
}

// Rules ask about the same client.
func TestRulesAskAboutTheClientBehindProxies(t *testing.T) {
	s := behind(t, func(c *config.Config) { c.AccessRules = "/ ip:192.0.2.0/24" })
	alice := "Cookie: " + s.signedInFrom("alice", "192.0.2.1").cookieHeader(s)
	for list, want := range map[string]int{
		"192.0.2.1": http.StatusOK, "192.0.2.1, 10.0.0.1": http.StatusOK,
		"192.0.2.1, 203.0.113.9": http.StatusForbidden, "192.0.2.1, junk": http.StatusForbidden, "203.0.113.9": http.StatusForbidden,
	} {
		if got := s.rawGet("/", alice, "X-Forwarded-For: "+list).StatusCode; got != want {
			t.Errorf("from %q: %d, want %d", list, got, want)
		}
	}
	if got := s.rawGet("/", alice).StatusCode; got != http.StatusForbidden {
		t.Errorf("from the proxy itself: %d", got)
	}
}

// signedInFrom is signedIn through a proxy that says where the browser is.
func (s *site) signedInFrom(person, address string) *browser {
	s.t.Helper()
	b := s.browser()
	b.Person = person
	b.client.Transport = from{b.client.Transport, address}
	if p := b.walk(s.URL + "/"); p.StatusCode != http.StatusOK {
		s.t.Fatalf("logging in ends with %d: %s", p.StatusCode, p.Text)
	}
	return b
}

// from is a proxy that names its client.
type from struct {
	http.RoundTripper
	address string
}

func (f from) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("X-Forwarded-For", f.address)
	return f.RoundTripper.RoundTrip(r)
}

// A trusted proxy names the request, in characters that log, pages and headers bear.
func TestRequestIDOfATrustedProxy(t *testing.T) {
	s := behind(t, nil)
	for name, test := range map[string]struct {
		lines []string
		taken bool
	}{
		"id":               {[]string{"X-Request-Id: 4bf92f35-77b3/4da6:a3ce=@x"}, true},
		"as long as may":   {[]string{"X-Request-Id: " + strings.Repeat("x", 128)}, true},
		"too long":         {[]string{"X-Request-Id: " + strings.Repeat("x", 129)}, false},
		"empty":            {[]string{"X-Request-Id:"}, false},
		"odd characters":   {[]string{`X-Request-Id: "><b>`}, false},
		"two":              {[]string{"X-Request-Id: a", "X-Request-Id: b"}, false},
		"another spelling": {[]string{"X_Request_Id: a"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			s.rawGet("/", test.lines...)
			_, sent, _ := strings.Cut(test.lines[0], ": ")
			got := s.Upstream.last(t).Header["X-Request-Id"]
			if len(got) != 1 || got[0] == "" || (got[0] == sent) != test.taken {
				t.Errorf("the upstream gets the id %q", got)
			}
			s.logged(t, got[0])
		})
	}
}

// That a peer is not believed is told once, with the setting, and for each header that means "I am a proxy".
func TestIgnoredForwardedHeadersAreTold(t *testing.T) {
	for _, header := range []string{"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded", "X-Real-IP"} {
		t.Run(header, func(t *testing.T) {
			s := public(t, nil)
			s.rawGet("/")
			if n := len(s.Log.events(t, "forwarded_headers_ignored")); n > 0 {
				t.Fatal("told of a peer that sent none")
			}
			s.rawGet("/", header+": "+canary)
			s.rawGet("/", header+": "+canary)
			told := s.Log.events(t, "forwarded_headers_ignored")
			if len(told) != 1 {
				t.Fatalf("told %d times", len(told))
			}
			if says, _ := told[0]["says"].(string); !strings.Contains(says, "DOORWARD_TRUSTED_PROXIES") {
				t.Errorf("says %q", says)
			}
			if name, _ := told[0]["header"].(string); !strings.EqualFold(name, header) || told[0]["peer_ip"] != "127.0.0.1" {
				t.Errorf("the line is %v", told[0])
			}
			if strings.Contains(s.Log.String(), canary) {
				t.Error("the log has what the client wrote")
			}
		})
	}
}
