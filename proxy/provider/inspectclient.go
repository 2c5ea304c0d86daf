package provider

import (
	"slices"
	"strings"
)

// inspectClient says how the ways in which the client proves itself, and pushes its requests, suit the provider.
func (p *Provider) inspectClient(m *metadata, accepted bool) []Finding {
	findings := []Finding{p.inspectMethod(m, accepted)}
	if p.options.ClientAuth == privateKeyJWT {
		findings = append(findings, p.inspectAssertion(m))
	}
	return append(findings, p.inspectPush(m))
}

// inspectMethod looks for our method among those announced (Discovery 3). Which one this client is registered with, nobody tells; where
// the client was accepted, the announcement is what is wrong.
func (p *Provider) inspectMethod(m *metadata, accepted bool) Finding {
	method := p.options.ClientAuth
	f := Finding{ID: "provider.client-auth", Level: LevelOK, Subject: "client authentication", Says: method + " is announced"}
	switch {
	case !slices.Contains(m.authMethods, method) && accepted:
		f.Level, f.Says = LevelNote, method+" is accepted, though the provider does not announce it"
	case !slices.Contains(m.authMethods, method):
		f.Level, f.Says = LevelFail, method+" is not among those that the provider announces"
		f.Mend = "set DOORWARD_CLIENT_AUTH to how the client is registered; announced are " + listed(m.authMethods)
	case !accepted:
		f.Says += "; see that the client is registered with it"
	}
	return f
}

// inspectAssertion looks for our signature algorithm among those announced.
func (p *Provider) inspectAssertion(m *metadata) Finding {
	algorithm := string(assertionAlgorithm(p.options.ClientKey(), m))
	f := Finding{ID: "provider.client-key", Level: LevelOK, Subject: "client key", Says: "signs with " + algorithm + ", which is announced"}
	switch {
	case m.assertionAlgorithms == nil:
		f.Says = "signs with " + algorithm + "; the provider does not say what it takes"
	case !slices.Contains(m.assertionAlgorithms, algorithm):
		f.Level, f.Says = LevelFail, "signs with "+algorithm+", which the provider does not announce"
		f.Mend = "give a key for one of those that it announces in DOORWARD_CLIENT_KEY: " + listed(m.assertionAlgorithms)
	}
	return f
}

const mendPush = "set DOORWARD_PAR=auto, or turn pushed requests on at the provider"

func (p *Provider) inspectPush(m *metadata) Finding {
	f := Finding{ID: "provider.par", Level: LevelOK, Subject: "pushed requests"}
	switch {
	case m.demandsPush:
		f.Says = "demanded, and so made (RFC 9126)"
	case m.pushURL == "" && p.options.AlwaysPush:
		f.Level, f.Says = LevelFail, "there is no endpoint for them, and no login can begin"
		f.Mend = mendPush
	case m.pushURL == "":
		f.Says = "not offered"
	case p.options.AlwaysPush:
		f.Says = "offered, and always made"
	default:
		f.Says = "offered and not demanded, and so not made; DOORWARD_PAR=always makes them"
	}
	return f
}

func listed(values []string) string { return printable(strings.Join(values, ", "), maxSaid) }
