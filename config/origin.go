package config

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
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

func checkOrigins(c *Config) Problems {
	v := verdict{variable: "PUBLIC_URL"}
	seen := make(map[string]bool)
	schemes := make(map[string]bool)
	for i, text := range c.PublicURL {
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
		seen[origin.String()], schemes[origin.Scheme] = true, true
	}
	// One cookie name serves all origins, and its prefix stands for https.
	if len(schemes) > 1 {
		v.add("mixes http and https", "use https for all of them")
	}
	return v.problems
}

// parseOrigin reads scheme, host and port and nothing else. Its error says
// what is wrong without the text, which may hold a password.
func parseOrigin(text string) (*url.URL, error) {
	u, err := parseURL(text)
	switch {
	case err != nil:
		return nil, err
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("is neither https nor http")
	case u.Path != "" && u.Path != "/":
		return nil, errors.New("has a path")
	case u.RawQuery != "" || u.ForceQuery:
		return nil, errors.New("has a query")
	}
	return &url.URL{Scheme: u.Scheme, Host: normalHost(u)}, nil
}

// parseURL reads an absolute URL with a host and without credentials or
// fragment. The errors of net/url quote the URL, so none of them is passed on.
func parseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Opaque != "" || u.Scheme == "":
		return nil, errors.New("is no absolute URL")
	case u.User != nil:
		return nil, errors.New("holds credentials")
	case u.Fragment != "" || strings.Contains(text, "#"):
		return nil, errors.New("has a fragment")
	case u.Scheme != "unix" && !validHost(u.Hostname()):
		return nil, errors.New("has no valid host name (write international names in their xn-- form)")
	case !validPort(u):
		return nil, errors.New("has no valid port")
	}
	return u, nil
}

// normalHost writes host and port as a browser's Origin header does.
func normalHost(u *url.URL) string {
	host := strings.ToLower(u.Hostname())
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	port, _ := strconv.Atoi(u.Port())
	if port == 0 || u.Scheme == "https" && port == 443 || u.Scheme == "http" && port == 80 {
		return host
	}
	return host + ":" + strconv.Itoa(port)
}

func validHost(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 || strings.Trim(strings.ToLower(label), "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return len(host) <= 253
}

func validPort(u *url.URL) bool {
	if strings.HasSuffix(u.Host, ":") {
		return false
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	return u.Port() == "" || err == nil && port > 0
}

// plainHTTP reports http beyond loopback.
func plainHTTP(u *url.URL) bool {
	return u.Scheme == "http" && !loopback(u.Hostname())
}

// loopback reports 127.0.0.0/8, ::1, localhost and *.localhost.
func loopback(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.IsLoopback()
	}
	host = strings.ToLower(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}
