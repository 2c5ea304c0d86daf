package config

import (
	"net"
	"net/netip"
	"strconv"
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
