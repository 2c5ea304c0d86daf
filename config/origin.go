package config

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Origins returns PUBLIC_URL parsed and normalised: lower case, without the
// scheme's own port. The first is the canonical one. Valid after [Config.Validate].
func (c *Config) Origins() []*url.URL {
	var origins []*url.URL
	for _, text := range c.PublicURL {
		if origin, err := parseOrigin(text); err == nil {
			origins = append(origins, origin)
		}
	}
	return origins
}

// Secure reports whether browsers come by https, so that cookies can be Secure.
func (c *Config) Secure() bool {
	origins := c.Origins()
	return len(origins) > 0 && origins[0].Scheme == "https"
}

func checkOrigins(c *Config) Problems {
	v := verdict{variable: "PUBLIC_URL"}
	c.judgeOrigins(&v, c.PublicURL)
	// One cookie name serves all origins, and its prefix stands for https.
	for _, origin := range c.Origins() {
		if (origin.Scheme == "https") != c.Secure() {
			v.add("mixes http and https", "use https for all of them")
			break
		}
	}
	return v.problems
}

// AllowedOriginNames returns ALLOWED_ORIGINS as browsers write them in an Origin header (RFC 6454 6.2). Valid after [Config.Validate].
func (c *Config) AllowedOriginNames() []string {
	var names []string
	for _, text := range c.AllowedOrigins {
		if origin, err := parseOrigin(text); err == nil {
			names = append(names, origin.String())
		}
	}
	return names
}

// checkAllowedOrigins: what speaks for people here must not come over plain http, where anybody on the way can write it.
func checkAllowedOrigins(c *Config) Problems {
	v := verdict{variable: "ALLOWED_ORIGINS"}
	c.judgeOrigins(&v, c.AllowedOrigins)
	return v.problems
}

// crossSiteNotes: what keeps other sites' pages from writing with a session is SameSite, or CSRF_PROTECTION.
func (c *Config) crossSiteNotes() []string {
	if c.CookieSamesite != "none" || c.CsrfProtection == "writes" {
		return nil
	}
	return []string{Prefix + "_COOKIE_SAMESITE=none: pages of any site can make browsers write here with somebody's session, unless each application looks itself; " +
		Prefix + "_CSRF_PROTECTION=writes refuses that"}
}

func (c *Config) judgeOrigins(v *verdict, texts []string) {
	seen := make(map[string]bool)
	for i, text := range texts {
		if strings.ContainsAny(text, " ;") {
			v.add(fmt.Sprintf("item %d holds a blank or a semicolon", i+1), "write commas between origins, e.g. https://app.example.com,https://b.example.com")
			continue
		}
		origin, err := parseOrigin(text)
		if err != nil {
			v.add(fmt.Sprintf("item %d %v", i+1, err), "write an origin, e.g. https://app.example.com")
			continue
		}
		if seen[origin.String()] {
			v.add(origin.String()+" is there twice", "name it once")
		}
		if !c.InsecurePublicHTTP && plainHTTP(origin) {
			v.add(origin.String()+" is plain http beyond loopback", "write https://"+origin.Host+", or set "+Prefix+"_INSECURE_PUBLIC_HTTP=true")
		}
		seen[origin.String()] = true
	}
}

// parseOrigin reads scheme, host and port and nothing else. Its error says
// what is wrong without the text, which may hold a password.
func parseOrigin(text string) (*url.URL, error) {
	u, err := parseWebURL(text)
	switch {
	case err != nil:
		return nil, err
	case u.Path != "" && u.Path != "/":
		return nil, errors.New("has a path")
	}
	return &url.URL{Scheme: u.Scheme, Host: normalHost(u)}, nil
}
