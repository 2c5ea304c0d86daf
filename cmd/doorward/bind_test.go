package main

import (
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
)

// Each reason for which an address cannot be had has a mend of its own.
func TestAddressesThatCannotBeHad(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for address, mend := range map[string]string{
		taken.Addr().String(): "free the address",
		"192.0.2.1:0":         "an address of this machine's", // is nobody's (RFC 5737 3)
	} {
		l, err := handed{}.bind(t.Context(), "LISTEN_ADDR", address, "")
		if err == nil {
			_ = l.Close()
		}
		if err == nil || !strings.HasPrefix(err.Error(), "DOORWARD_LISTEN_ADDR: listening: ") || !strings.Contains(err.Error(), mend) {
			t.Errorf("%s: %v", address, err)
		}
	}
	if mend := mendListening(fmt.Errorf("bind: %w", syscall.EACCES)); !strings.Contains(mend, "below 1024") {
		t.Errorf("a port that is not ours to have: %s", mend)
	}
	if mend := mendListening(fmt.Errorf("listen: %w", &net.DNSError{Name: "app.invalid"})); !strings.Contains(mend, "an address of this machine's") {
		t.Errorf("a name that nobody knows: %s", mend)
	}
}
