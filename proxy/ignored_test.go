package proxy

import (
	"net/netip"
	"testing"
)

// Whoever has many addresses neither fills the memory nor the log.
func TestIgnoredPeersAreBounded(t *testing.T) {
	var i ignoredPeers
	address, told := netip.MustParseAddr("2001:db8::"), 0
	for range 3 * maxIgnoredPeers {
		address = address.Next()
		if i.first(address) {
			told++
		}
	}
	if told != maxIgnoredPeers || len(i.known) != maxIgnoredPeers {
		t.Errorf("told %d times, and remembers %d", told, len(i.known))
	}
}
