package proxy

import (
	"net/url"
	"strings"
	"testing"

	"doorward/config"
	"doorward/proxy/access"
	"doorward/session"
)

// returner is a Proxy as far as return addresses need one.
func returner() (*Proxy, *origin) {
	p := &Proxy{config: &config.Config{EndpointPrefix: "/oauth2"}}
	for _, raw := range []string{"https://app.example.com", "https://other.example.com:8443"} {
		u, _ := url.Parse(raw)
		p.origins = append(p.origins, newOrigin(u))
	}
	wiki, _ := url.Parse("https://wiki.example.com")
	p.rules.Store(&rules{siblings: map[string]*origin{"wiki.example.com": newOrigin(wiki)}})
	return p, p.origins[0]
}

func TestReturnAddressKeepsWhatStaysHere(t *testing.T) {
	for asked, want := range map[string]string{
		"/":                                "/",
		"/reports?year=2026&q=a%20b":       "/reports?year=2026&q=a%20b",
		"/a//b":                            "/a//b",
		"/100%25":                          "/100%25",
		"/100%":                            "/100%",
		"/search?q=%0a%5c//evil":           "/search?q=%0a%5c//evil",
		"/group%2Fproject/-/issues#note_1": "/group%2Fproject/-/issues#note_1",
		"/a%20b":                           "/a%20b",
		`/files?path=C:\temp#D:\temp`:      `/files?path=C:\temp#D:\temp`,
		"/x#/../y//z":                      "/x#/../y//z",
		"/oauth2x":                         "/oauth2x",
		"https://app.example.com/x?y=1":    "/x?y=1",
		"https://app.example.com":          "/",
		"https://other.example.com:8443/x": "https://other.example.com:8443/x",
		"https://other.example.com:8443":   "https://other.example.com:8443/",
		"https://wiki.example.com/x?y#z":   "https://wiki.example.com/x?y#z",
		"https://wiki.example.com?y":       "https://wiki.example.com/?y",
	} {
		p, o := returner()
		if got := p.returnAddress(asked, o); got != want {
			t.Errorf("returnAddress(%q) = %q, want %q", asked, got, want)
		}
	}
}

func TestReturnAddressRefusesWhatLeadsElsewhere(t *testing.T) {
	for _, asked := range []string{
		"", "x", "?x", "#x", "//evil.com", "///evil.com", `/\evil.com`, `\\evil.com`, "/%09/evil.com", "/\t/evil.com", "/%5cevil.com",
		"/%255cevil.com", "/.//evil.com", "/./\\evil.com", "/./../../\\evil.com", "/a/../../evil.com", "/%2e%2e//evil.com", "https:evil.com", "https:/evil.com",
		"http:///evil.com", "//evil.com%00", "https://app.example.com@evil.com", "https://app.example.com.evil.com", "https://evil.com#@app.example.com",
		"//／evil.com", "https://evil。com", "/〱evil.com", "javascript:alert(1)", "/\r\nSet-Cookie:x=1", "/a b", "%2f%2fevil.com", "/%2fevil.com", "/%252fevil.com",
		"//[::1]/", "https://other.example.com/x", "https://other.example.com:8443@evil.com/", "http://app.example.com/x", "HTTPS://app.example.com.evil.com",
		"/oauth2/sign_out", "/oauth2/start?rd=/", "/oauth2", "/%6fauth2/sign_out", "/oauth2%2fsign_out", "/" + strings.Repeat("a", session.MaxReturnTo),
		"https://wiki.example.com.evil.com/", "https://wiki.example.com@evil.com/", "https://wiki.example.com:8443/", "http://wiki.example.com/", "https://x.wiki.example.com/",
		"https://other.example.com:8443//evil.com/%5c..", "/%2e//evil.com%", "/%252e//evil.com%25", "/x%zz%5c/evil.com", "/%2e/oauth2/sign_out/%", "/x?\x7f", "/x?\u00e9",
	} {
		p, o := returner()
		got := p.returnAddress(asked, o)
		if got != "/" && got != "https://other.example.com:8443/" {
			t.Errorf("returnAddress(%q) = %q, want /", asked, got)
		}
	}
}

// A return address, resolved as a browser does, is always one of a configured origin, at a path that is neither an endpoint of ours
// nor another host's to somebody who resolves it once more.
func FuzzReturnAddress(f *testing.F) {
	for _, seed := range []string{
		"/", "//e", `/\e`, `\\e`, "/%09/e", "/\t/e", "/%5ce", "///e", "/.//e", `/./\e`, `/./../../\e`, "https:e", "https:/e", "http:///e", "//e%00",
		"https://app.example.com@e", "https://app.example.com.e", "https://e#@app.example.com", "//\uff0fe", "https://e\u3002com", "javascript:",
		"/\r\nX: y", "/\u3031e", "https://u:p@app.example.com/", "%2f%2fe", "//[::1]", "x", "?x", "", "/a?b#c", "/%2f%2fe", "/%252f%252fe",
		"https://app.example.com/x", "https://app.example.com:443/x", `https://app.example.com\@e`, "https://app.example.com//e", "https://app.example.com?x",
		"https://other.example.com:8443/../x", "https://other.example.com:84431/", "/oauth2/sign_out", "/x/../oauth2/start", "/x/%2E%2e/oauth2/start", "/OAUTH2/start",
		"/%6fauth2/callback", "/oauth2%2fstart", "/oauth2;/start", "/a/..%2f..%2foauth2/start", "https://wiki.example.com/x", "https://wiki.example.com@e/", "https://wiki.example.com:1/", `https://wiki.example.com\e`,
		"/" + strings.Repeat("a", session.MaxReturnTo-1),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, asked string) {
		p, o := returner()
		got := p.returnAddress(asked, o)
		origin, path := Browse("https://app.example.com/oauth2/callback", got)
		if origin != "https://app.example.com" && origin != "https://other.example.com:8443" && origin != "https://wiki.example.com" {
			t.Errorf("returnAddress(%q) = %q, which leads to %s", asked, got, origin)
		}
		if hop := p.absolute(got, p.rules.Load().siblings["wiki.example.com"]); p.returnAddress(hop, p.origins[0]) != hop || len(hop) > session.MaxReturnTo {
			t.Errorf("returnAddress(%q) = %q, which is handed over as %q and becomes %q", asked, got, hop, p.returnAddress(hop, p.origins[0]))
		}
		if strings.HasPrefix(path, "//") || path == "/oauth2" || strings.HasPrefix(path, "/oauth2/") {
			t.Errorf("returnAddress(%q) = %q, which leads to the path %s", asked, got, path)
		}
		if strings.ContainsFunc(got, func(c rune) bool { return c <= ' ' || c > '~' }) || len(got) > session.MaxReturnTo {
			t.Errorf("returnAddress(%q) = %q is no header's value", asked, got)
		}
	})
}

// The hosts that rules name are those of the rules that are in use.
func TestNewRulesNameOtherHostsToReturnTo(t *testing.T) {
	p, o := returner()
	p.config.PublicURL, p.config.CookieDomain = []string{"https://app.example.com"}, "example.com"
	for _, host := range []string{"grafana.example.com", "git.example.com"} {
		policy, err := access.Compile(host+"/ authenticated", nil)
		if err != nil {
			t.Fatal(err)
		}
		p.useRules(policy)
		for _, other := range []string{"grafana.example.com", "git.example.com"} {
			address := "https://" + other + "/x"
			if got := p.returnAddress(address, o); (got == address) != (other == host) {
				t.Errorf("where rules name %s, %s becomes %s", host, address, got)
			}
		}
	}
}

// Some servers decode once more, and end a line at what is not to be seen.
func TestReturnAddressRefusesControlsThatAreEscaped(t *testing.T) {
	for _, asked := range []string{"/x%7f", "/x%257f", "/x%0d", "/x%250a"} {
		p, o := returner()
		if got := p.returnAddress(asked, o); got != "/" {
			t.Errorf("returnAddress(%q) = %q", asked, got)
		}
	}
}
