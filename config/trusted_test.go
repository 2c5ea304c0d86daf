package config_test

import (
	"net/netip"
	"slices"
	"testing"
)

func TestTrustedNetworks(t *testing.T) {
	c := load(t, map[string]string{"TRUSTED_PROXIES": "10.1.2.3, 192.0.2.0/24,::ffff:198.51.100.7,2001:db8::1"})
	var got []string
	for _, n := range c.TrustedNetworks() {
		got = append(got, n.String())
	}
	if want := []string{"10.1.2.3/32", "192.0.2.0/24", "198.51.100.7/32", "2001:db8::1/128"}; !slices.Equal(got, want) {
		t.Errorf("the networks are %q, want %q", got, want)
	}
	if got := load(t, nil).TrustedNetworks(); len(got) > 0 {
		t.Errorf("without the setting %v is trusted", got)
	}
}

func TestPrivateNetworks(t *testing.T) {
	private := load(t, map[string]string{"TRUSTED_PROXIES": "private"}).TrustedNetworks()
	for address, want := range map[string]bool{
		"10.255.0.1": true, "172.16.0.1": true, "172.31.255.255": true, "192.168.1.1": true, "127.0.0.1": true, "::1": true, "fd12::1": true,
		"172.32.0.1": false, "172.15.0.1": false, "192.169.0.1": false, "11.0.0.1": false, "8.8.8.8": false, "2001:db8::1": false, "169.254.0.1": false, "fe80::1": false,
	} {
		is := slices.ContainsFunc(private, func(n netip.Prefix) bool { return n.Contains(netip.MustParseAddr(address)) })
		if is != want {
			t.Errorf("%s is private: %v", address, is)
		}
	}
}
