package proxy

import (
	"net/url"
	"strings"
	"testing"

	"doorward/config"
	"doorward/session"
)

// returner is a Proxy as far as return addresses need one.
func returner() (*Proxy, *origin) {
	p := &Proxy{config: &config.Config{EndpointPrefix: "/oauth2"}}
	for _, raw := range []string{"https://app.example.com", "https://other.example.com:8443"} {
		u, _ := url.Parse(raw)
		p.origins = append(p.origins, newOrigin(u))
	}
	return p, p.origins[0]
}

func TestReturnAddressKeepsWhatStaysHere(t *testing.T) {
	for asked, want := range map[string]string{
		"/":                                "/",
		"/reports?year=2026&q=a%20b":       "/reports?year=2026&q=a%20b",
		"/a//b":                            "/a//b",
		"/100%25":                          "/100%25",
		"/search?q=%0a%5c//evil":           "/search?q=%0a%5c//evil",
		"/group%2Fproject/-/issues#note_1": "/group%2Fproject/-/issues#note_1",
		"/a%20b":                           "/a%20b",
		"/oauth2x":                         "/oauth2x",
		"https://app.example.com/x?y=1":    "/x?y=1",
		"https://app.example.com":          "/",
		"https://other.example.com:8443/x": "https://other.example.com:8443/x",
		"https://other.example.com:8443":   "https://other.example.com:8443/",
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
		"https://other.example.com:8443//evil.com/%5c..",
	} {
		p, o := returner()
		got := p.returnAddress(asked, o)
		if got != "/" && got != "https://other.example.com:8443/" {
			t.Errorf("returnAddress(%q) = %q, want /", asked, got)
		}
	}
}

// A return address, resolved as a browser does, is always one of a configured origin.
func FuzzReturnAddress(f *testing.F) {
	for _, seed := range []string{"/", "//e", `/\e`, "/\t/e", "https://app.example.com/x", "https://app.example.com@e", "/./\\e", "/%2f%2fe", "/a?b#c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, asked string) {
		p, o := returner()
		got := p.returnAddress(asked, o)
		if host := resolvedHost(got, "app.example.com"); host != "app.example.com" && host != "other.example.com:8443" {
			t.Errorf("returnAddress(%q) = %q, which leads to %q", asked, got, host)
		}
	})
}

// resolvedHost is the host that a browser goes to for a Location (WHATWG URL: tabs and line ends are dropped, blanks at
// the ends trimmed, a backslash is a slash).
func resolvedHost(location, here string) string {
	location = strings.Trim(location, "\x00\x01\x02\x03\x04\x05\x06\x07\x08\t\n\v\f\r\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f ")
	location = strings.NewReplacer("\t", "", "\n", "", "\r", "", `\`, "/").Replace(location)
	scheme, rest, absolute := strings.Cut(location, ":")
	if absolute && !strings.ContainsAny(scheme, "/?#") {
		rest = strings.TrimLeft(rest, "/")
	} else if rest, absolute = strings.CutPrefix(location, "//"); !absolute {
		return here
	}
	authority := rest[:min(len(rest), strings.IndexAny(rest+"/", "/?#"))]
	return authority[strings.LastIndex(authority, "@")+1:]
}
