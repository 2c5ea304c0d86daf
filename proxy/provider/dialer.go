package provider

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
)

// Where doorward connects to when the provider's metadata, or the DNS behind their names, say so. Whoever can bend these would
// otherwise choose it (SSRF). The rules hold for the IP address that is really dialled:
//
//   - Never a link-local, unspecified or multicast address. No provider is there, and clouds hand out credentials there
//     (169.254.169.254).
//   - This machine only for a provider on this machine, as addresses.nearby tells, or for the very host that the operator wrote into
//     issuer or internal URL, whatever its name leads to: it was chosen, and its certificate says who answers.

// dialer connects straight to the provider.
type dialer struct {
	addresses *addresses
	resolver  *net.Resolver // nil: the system's
}

// dial takes every name below localhost for this machine (RFC 6761 6.3), as browsers do; resolvers may not know it.
func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, errors.New("the endpoint's address has no port")
	}
	plain := net.Dialer{Timeout: dialTimeout, Resolver: d.resolver}
	plain.ControlContext = func(_ context.Context, _, dialled string, _ syscall.RawConn) error { return d.judge(host, dialled) }
	if strings.HasSuffix(strings.ToLower(host), ".localhost") {
		address = net.JoinHostPort("localhost", port)
	}
	return plain.DialContext(ctx, network, address)
}

// judge allows or refuses the address to which a host's name has led.
func (d *dialer) judge(host, dialled string) error {
	to, err := netip.ParseAddrPort(dialled)
	if err != nil {
		return errors.New("is at no IP address")
	}
	if err := noProvider(to.Addr()); err != nil {
		return err
	}
	if to.Addr().IsLoopback() && !d.addresses.nearby() && !d.addresses.own(host) {
		return errors.New("is on this machine, where the provider is not; if it is, let DOORWARD_PROVIDER_INTERNAL_URL name it on loopback")
	}
	return nil
}

// noProvider refuses addresses at which no provider is.
func noProvider(ip netip.Addr) error {
	if ip = ip.Unmap(); ip.IsLinkLocalUnicast() || ip.IsUnspecified() || ip.IsMulticast() {
		return fmt.Errorf("is at %s, a link-local, unspecified or multicast address, where no provider is; mend the provider's metadata or the DNS", ip)
	}
	return nil
}
