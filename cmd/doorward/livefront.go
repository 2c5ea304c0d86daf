package main

import (
	"fmt"
	"slices"
	"strings"

	"doorward/config"
	"doorward/proxy/provider"
)

// inspectFront looks at what stands between browsers and doorward.
func inspectFront(c *config.Config) []finding {
	return append(inspectCertificate(c), inspectTrust(c))
}

func inspectCertificate(c *config.Config) []finding {
	if !c.ServesTLS() {
		return nil
	}
	f := finding{ID: "tls.certificate", Level: provider.LevelOK, Subject: "certificate", Says: "is for every public host, and in date"}
	faults, soon := c.CertificateFaults()
	switch {
	case len(faults) > 0:
		f.Level, f.Says = provider.LevelFail, strings.Join(faults, "; ")
		f.Mend = fmt.Sprintf("give in %[1]s_TLS_CERT one that is in date and names every host of %[1]s_PUBLIC_URL", config.Prefix)
	case soon != "":
		f.Level, f.Says = provider.LevelNote, soon
		f.Mend = "look at what should have renewed it by now"
	}
	return []finding{f}
}

// inspectTrust: browsers that come by https, and no certificate here, mean that somebody in front ends TLS. Unless that one is believed, every
// client has its address.
func inspectTrust(c *config.Config) finding {
	f := finding{ID: "proxies.trusted", Level: provider.LevelOK, Subject: "trusted proxies"}
	trust := config.Prefix + "_TRUSTED_PROXIES"
	switch {
	case len(c.TrustedProxies) == 0 && c.Secure() && !c.ServesTLS():
		f.Level, f.Says = provider.LevelNote, "browsers come by https and doorward has no certificate, so somebody in front ends TLS; nobody is trusted, so its X-Forwarded-For is ignored: "+
			"log, upstreams and ip: rules take every client for that server"
		f.Mend = "write the address of the server in front in " + trust
		if askedWhere(c) {
			f.Level = provider.LevelFail
		}
	case len(c.TrustedProxies) == 0:
		f.Says = "none: clients are known by the addresses that they connect from"
	case slices.Contains(c.TrustedProxies, "private") && askedWhere(c):
		f.Level, f.Says = provider.LevelNote, "every machine of the private networks is believed about where its client is, and ip: rules ask for that"
		f.Mend = "write the address of the server in front alone in " + trust
	default:
		f.Says = strings.Join(c.TrustedProxies, ", ") + " may say where clients are; nobody else's word counts"
	}
	return f
}

// askedWhere tells whether a rule asks for the client's address.
func askedWhere(c *config.Config) bool {
	policy, err := c.Policy()
	return err == nil && policy.NeedsAddress()
}
