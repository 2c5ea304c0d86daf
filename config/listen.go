package config

import (
	"net"
	"net/netip"
	"path"
	"strconv"
	"strings"
)

func checkAddresses(c *Config) Problems {
	public := verdict{variable: "LISTEN_ADDR"}
	checkAddress(&public, c.ListenAddr)
	metrics := verdict{variable: "METRICS_ADDR"}
	checkAddress(&metrics, c.MetricsAddr)
	if public.problems == nil && metrics.problems == nil && clash(c.ListenAddr, c.MetricsAddr) {
		metrics.add("is the address of "+Prefix+"_LISTEN_ADDR too", "choose another port, e.g. :9180")
	}
	return append(public.problems, metrics.problems...)
}

func checkAddress(v *verdict, address string) {
	host, port, err := net.SplitHostPort(address)
	_, portErr := strconv.ParseUint(port, 10, 16)
	if err != nil || portErr != nil || host != "" && !validHost(host) {
		v.add(quote(address)+" is no host:port", "write e.g. :4180 or 127.0.0.1:4180")
	}
}

// clash reports whether one of two addresses cannot be bound beside the other.
func clash(a, b string) bool {
	hostA, portA, _ := net.SplitHostPort(a)
	hostB, portB, _ := net.SplitHostPort(b)
	return portA == portB && portA != "0" && (hostA == hostB || everywhere(hostA) || everywhere(hostB))
}

func everywhere(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "" || err == nil && ip.IsUnspecified()
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
