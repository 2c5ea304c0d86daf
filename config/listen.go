package config

import (
	"cmp"
	"net"
	"net/netip"
	"net/url"
	"strconv"
)

func checkAddresses(c *Config) Problems {
	public := verdict{variable: "LISTEN_ADDR"}
	checkAddress(&public, c.ListenAddr)
	metrics := verdict{variable: "METRICS_ADDR"}
	checkAddress(&metrics, c.MetricsAddr)
	if public.problems == nil && metrics.problems == nil && clash(c.ListenAddr, c.MetricsAddr) {
		metrics.add("is the address of "+Prefix+"_LISTEN_ADDR too", "choose another port for one of them; :4180 and :9180 are the defaults")
	}
	return append(public.problems, metrics.problems...)
}

// MetricsAddr returns METRICS_ADDR, or its default where it cannot be read, and
// reads nothing else: no other setting, no secret, no folder.
func MetricsAddr() string {
	s := settingOf("METRICS_ADDR")
	if isSpecial(fileOf("METRICS_ADDR")) {
		return s.fallback // a pipe, which the start has emptied
	}
	address, _ := s.lookup()
	return cmp.Or(address, s.fallback)
}

func checkAddress(v *verdict, address string) {
	host, port, err := net.SplitHostPort(address)
	_, portErr := strconv.ParseUint(port, 10, 16)
	if err != nil || portErr != nil || host != "" && !validHost(host) {
		usual := settingOf(v.variable).fallback
		v.add(quote(address)+" is no host:port", "write e.g. "+usual+" or 127.0.0.1"+usual)
	}
}

// clash reports whether one of two addresses cannot be bound beside the other.
func clash(a, b string) bool {
	hostA, portA, _ := net.SplitHostPort(a)
	hostB, portB, _ := net.SplitHostPort(b)
	return portA == portB && portA != "0" && (hostA == hostB || everywhere(hostA) || everywhere(hostB))
}

// listensAt reports whether a URL leads to the public listener, over this machine's loopback.
func (c *Config) listensAt(u *url.URL) bool {
	host, port, _ := net.SplitHostPort(c.ListenAddr)
	usual := map[string]string{"http": "80", "h2c": "80", "https": "443"}[u.Scheme]
	return (loopback(u.Hostname()) || everywhere(u.Hostname())) && cmp.Or(u.Port(), usual) == port && (everywhere(host) || loopback(host))
}

func everywhere(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "" || err == nil && ip.IsUnspecified()
}
