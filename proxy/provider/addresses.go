package provider

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

// Which addresses the provider may name, and by which of its two names it is reached:
//
//   - https everywhere (OIDC Core 16.17). Plain http is for a provider on loopback, or when the operator asked for it.
//   - No user name, no fragment (RFC 6749 3.1, 3.2).
//   - No address of this machine from a provider elsewhere, and none at which there is no provider. Where a name leads, dialer looks.
//   - With an internal URL, requests of ours to the issuer's origin go to the internal origin instead. Addresses for browsers
//     stay as published, but those published with the internal origin are put back on the issuer's.

// addresses holds the provider's public and internal origins.
type addresses struct {
	issuer    *url.URL
	internal  *url.URL // nil: the provider is reached as browsers reach it
	allowHTTP bool
}

func newAddresses(o Options) (*addresses, error) {
	a := &addresses{allowHTTP: o.AllowHTTP}
	var err error
	if a.issuer, err = url.Parse(o.Issuer); err != nil || a.issuer.Host == "" {
		return nil, errors.New("the issuer is not a URL")
	}
	if a.issuer.RawQuery != "" || a.issuer.ForceQuery {
		return nil, errors.New("the issuer has a query, which no issuer may have (OIDC Discovery 3)")
	}
	if o.InternalURL != "" {
		if a.internal, err = url.Parse(o.InternalURL); err != nil || a.internal.Host == "" {
			return nil, errors.New("the internal URL is not a URL")
		}
		if strings.Trim(a.internal.Path, "/") != "" || a.internal.RawQuery != "" {
			return nil, errors.New("the internal URL is an origin and has no path")
		}
		if err := a.check(o.InternalURL); err != nil {
			return nil, fmt.Errorf("the internal URL %w", err)
		}
	}
	if err := a.check(o.Issuer); err != nil {
		return nil, fmt.Errorf("the issuer %w", err)
	}
	return a, nil
}

// check tells what is wrong with an address that the provider, or the operator, names.
func (a *addresses) check(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "":
		return errors.New("is not an absolute URL")
	case u.User != nil:
		return errors.New("has a user name in it")
	case u.Fragment != "" || strings.Contains(address, "#"):
		return errors.New("has a fragment")
	case u.Scheme != "https" && (u.Scheme != "http" || !a.allowHTTP && !(a.nearby() && loopback(u))):
		return fmt.Errorf("begins with %s, not https", quoted(u.Scheme+"://"))
	}
	return a.checkHost(u)
}

func (a *addresses) checkHost(u *url.URL) error {
	if loopback(u) && !a.nearby() {
		return errors.New("is on this machine, where the provider is not")
	}
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil {
		return noProvider(ip)
	}
	return nil
}

// nearby tells whether the provider itself runs on this machine. Only then may it name addresses of this machine: a provider
// elsewhere has no business here.
func (a *addresses) nearby() bool {
	return loopback(a.issuer) || a.internal != nil && loopback(a.internal)
}

// own tells whether a host is one that the operator named.
func (a *addresses) own(host string) bool {
	return strings.EqualFold(host, a.issuer.Hostname()) || a.internal != nil && strings.EqualFold(host, a.internal.Hostname())
}

// reach is the address by which doorward itself reaches a published endpoint.
func (a *addresses) reach(endpoint string) string {
	if a.internal == nil {
		return endpoint
	}
	return move(endpoint, a.issuer, a.internal)
}

// publish is the address by which browsers reach a published endpoint.
func (a *addresses) publish(endpoint string) string {
	if a.internal == nil {
		return endpoint
	}
	return move(endpoint, a.internal, a.issuer)
}

// move puts an address that has one origin on the other.
func move(address string, from, to *url.URL) string {
	u, err := url.Parse(address)
	if err != nil || origin(u) != origin(from) {
		return address
	}
	u.Scheme, u.Host = to.Scheme, to.Host
	return u.String()
}

// origin is scheme, host and port in one spelling.
func origin(u *url.URL) string {
	port := u.Port()
	if port == "" && u.Scheme == "https" {
		port = "443"
	}
	if port == "" && u.Scheme == "http" {
		port = "80"
	}
	return u.Scheme + "://" + strings.ToLower(u.Hostname()) + ":" + port
}

// loopback tells whether a URL names this machine: 127.0.0.0/8, ::1, localhost, *.localhost.
func loopback(u *url.URL) bool {
	host := strings.ToLower(u.Hostname())
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
