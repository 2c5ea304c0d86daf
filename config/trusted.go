package config

import (
	"errors"
	"fmt"
	"net/netip"
)

// TrustedNetworks are the addresses of TRUSTED_PROXIES; none where it is unset. Valid after [Config.Validate].
func (c *Config) TrustedNetworks() []netip.Prefix {
	var networks []netip.Prefix
	for _, item := range c.TrustedProxies {
		if item == "private" {
			networks = append(networks, privateNetworks()...)
		} else if network, err := parseNetwork(item); err == nil {
			networks = append(networks, network)
		}
	}
	return networks
}

// privateNetworks are those that the internet does not route: RFC 1918, RFC 4193, and loopback.
func privateNetworks() []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"),
		netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("fc00::/7"), netip.MustParsePrefix("::1/128"),
	}
}

func checkTrustedProxies(c *Config) Problems {
	v := verdict{variable: "TRUSTED_PROXIES"}
	for i, item := range c.TrustedProxies {
		if _, err := parseNetwork(item); err != nil && item != "private" {
			v.add(fmt.Sprintf("item %d %v", i+1, err), "write the address or the network of the server in front, e.g. 10.1.2.3 or 10.1.0.0/16, or private")
		}
	}
	return v.problems
}

// parseNetwork reads an address or a network. To trust everybody is refused: any client could then say where it comes from
// (CVE-2026-76835).
func parseNetwork(text string) (netip.Prefix, error) {
	if address, err := netip.ParseAddr(text); err == nil && address.Zone() == "" {
		address = address.Unmap()
		return netip.PrefixFrom(address, address.BitLen()), nil
	}
	network, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return network, errors.New(quote(text) + " is no address and no network")
	case network.Addr().Is4In6():
		return network, errors.New(text + " is an IPv4 network in the clothes of IPv6")
	case network.Bits() == 0:
		return network, errors.New(text + " is the whole internet: every client could say where it comes from")
	case network != network.Masked():
		return network, fmt.Errorf("%s has bits behind its length (%s)", text, network.Masked())
	}
	return network, nil
}
