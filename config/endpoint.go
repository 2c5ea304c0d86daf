package config

import (
	"path"
	"strings"
)

// CallbackURLs returns the redirect URIs to register at the provider, one for
// each origin.
func (c *Config) CallbackURLs() []string {
	var callbacks []string
	for _, origin := range c.Origins() {
		callbacks = append(callbacks, origin.String()+c.EndpointPrefix+"/callback")
	}
	return callbacks
}

// LogoutURL returns where the provider sends people after logout.
func (c *Config) LogoutURL() string {
	origins := c.Origins()
	if c.PostLogoutURL != "" || len(origins) == 0 {
		return c.PostLogoutURL
	}
	return origins[0].String() + c.EndpointPrefix + "/sign_out"
}

// BackChannelLogoutURL and FrontChannelLogoutURL return where the provider
// reports that it has signed somebody out: it takes one of each for a client,
// and any origin will do. Empty without PUBLIC_URL.
func (c *Config) BackChannelLogoutURL() string { return c.logoutEndpoint("/backchannel-logout") }

// FrontChannelLogoutURL is the one that browsers load.
func (c *Config) FrontChannelLogoutURL() string { return c.logoutEndpoint("/frontchannel-logout") }

func (c *Config) logoutEndpoint(name string) string {
	origins := c.Origins()
	if len(origins) == 0 {
		return ""
	}
	return origins[0].String() + c.EndpointPrefix + name
}

// checkEndpointPrefix takes plain paths alone: a prefix must mean the same to
// every server that it passes.
func checkEndpointPrefix(c *Config) Problems {
	v := verdict{variable: "ENDPOINT_PREFIX"}
	p := c.EndpointPrefix
	switch {
	case !strings.HasPrefix(p, "/") || p == "/":
		v.add(quote(p)+" is no path below /", "write e.g. /oauth2")
	case path.Clean(p) != p:
		v.add(quote(p)+" ends in a slash or holds empty or dot segments", "write "+path.Clean(p))
	case !plainPath(p):
		v.add(quote(p)+" holds characters that a path encodes", "write letters, digits, - . _ and ~ alone")
	}
	return v.problems
}

// plainPath reports a path of unreserved characters (RFC 3986 2.3) and slashes.
func plainPath(p string) bool {
	return strings.Trim(strings.ToLower(p), "/abcdefghijklmnopqrstuvwxyz0123456789-._~") == ""
}

func checkPostLogoutURL(c *Config) Problems {
	v := verdict{variable: "POST_LOGOUT_URL"}
	if c.PostLogoutURL == "" {
		return nil
	}
	u, err := parseURL(c.PostLogoutURL)
	switch {
	case err != nil:
		v.add(err.Error(), "write an absolute URL, e.g. https://app.example.com/bye")
	case u.Scheme != "http" && u.Scheme != "https":
		v.add("is neither https nor http", "write e.g. https://app.example.com/bye")
	}
	return v.problems
}
