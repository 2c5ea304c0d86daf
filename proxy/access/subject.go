package access

import (
	"net/netip"
	"time"
)

// Subject is the person (or the program) that requirements are asked about.
type Subject struct {
	User   string
	Email  string // empty when nobody vouches for it
	Groups []string

	// GroupsUnknown says that the provider left the groups out, as some do where there are too many: nobody is known not to be in one.
	GroupsUnknown bool

	// Claims holds decoded JSON values by the claim's name or dotted path, as the rules write it (see Policy.ClaimPaths). One
	// that is there and nil is not known, so that nobody is known not to have it.
	Claims map[string]any

	ACR      string
	AuthTime time.Time  // of the login at the provider; zero when the provider did not say
	IP       netip.Addr // the client's; the zero Addr when unknown
	Now      time.Time
}
