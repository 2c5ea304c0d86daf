package provider

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Finding is one thing that Inspect looked at.
type Finding struct {
	OK      bool
	Subject string // what was looked at: "issuer", "keys", "scope groups"
	Says    string // what was found
	Mend    string // what to do about it; "" when it is well
}

// Inspect asks the provider afresh for its metadata and keys and says, point by point, how they suit the options. It is for people
// who set doorward up, and changes nothing. Its error is the context's: what the provider gets wrong is in the findings.
func (p *Provider) Inspect(ctx context.Context) ([]Finding, error) {
	m, err := p.loadMetadata(ctx)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return []Finding{p.inspectFailure(asError(err))}, nil
	}
	findings := []Finding{
		{OK: true, Subject: "discovery", Says: "answered, and names exactly the issuer " + p.options.Issuer},
		p.inspectKeys(ctx, m),
		inspectPKCE(m),
	}
	findings = append(findings, p.inspectClient(m)...)
	findings = append(findings, p.inspectScopes(m)...)
	findings = append(findings, p.inspectRefresh(m), p.inspectUserinfo(m), inspectLogout(m), inspectReports(m), inspectIssuerParameter(m))
	if p.options.IntrospectTokens {
		findings = append(findings, inspectIntrospection(m))
	}
	if !m.date.IsZero() {
		findings = append(findings, inspectClock(m))
	}
	return findings, ctx.Err()
}

func (p *Provider) inspectFailure(err *Error) Finding {
	f := Finding{Subject: "discovery", Says: err.Error(), Mend: "see that " + p.addresses.reach(wellKnown(p.options.Issuer)) + " can be reached from here"}
	if _, plain := errors.AsType[tls.RecordHeaderError](err); plain {
		f.Mend = "let the provider speak TLS there, or correct scheme and port in DOORWARD_ISSUER_URL: what answers is no TLS, plain http most likely"
	}
	if _, unknown := errors.AsType[*tls.CertificateVerificationError](err); unknown {
		f.Mend = "set DOORWARD_PROVIDER_CA to the authority's certificate, if the system does not know it, or see that the certificate is in date and has this name"
	}
	if err.Kind == KindInvalidMetadata {
		f.Mend = "set DOORWARD_ISSUER_URL to the issuer as the provider itself writes it, or mend the provider's settings"
	}
	return f
}

func (p *Provider) inspectKeys(ctx context.Context, m *metadata) Finding {
	f := Finding{Subject: "keys"}
	got, err := p.client.get(ctx, "jwks", p.addresses.reach(m.JWKSURL))
	var set keySet
	if err == nil {
		set, err = parseKeys(got.body)
	}
	if err != nil {
		f.Says, f.Mend = err.Error(), "see that jwks_uri can be reached from here and holds a public key for signatures"
		return f
	}
	usable := map[string]bool{}
	for _, k := range set.keys {
		for _, algorithm := range m.Algorithms {
			if k.fits(header{algorithm: algorithm}) {
				usable[algorithm] = true
			}
		}
	}
	if len(usable) == 0 {
		f.Says = "no key suits the announced algorithms " + strings.Join(m.Algorithms, ", ")
		f.Mend = "let the provider sign ID tokens with an algorithm that it announces"
		return f
	}
	f.OK = true
	f.Says = fmt.Sprintf("%d usable, for %s", len(set.keys), strings.Join(slices.Sorted(maps.Keys(usable)), ", "))
	if why := set.complaints(); why != "" {
		f.Says += "; passed over: " + why
	}
	return f
}

func inspectPKCE(m *metadata) Finding {
	if m.pkce == nil {
		return Finding{OK: true, Subject: "PKCE", Says: "not announced; S256 is sent all the same"}
	}
	return Finding{OK: true, Subject: "PKCE", Says: "S256 is announced"}
}

// inspectScopes looks for each of our scopes among those that the provider announces. Providers need not announce all.
func (p *Provider) inspectScopes(m *metadata) []Finding {
	if m.scopes == nil {
		return []Finding{{OK: true, Subject: "scopes", Says: "the provider does not say which it offers"}}
	}
	var findings []Finding
	for _, scope := range p.options.Scopes {
		f := Finding{OK: slices.Contains(m.scopes, scope), Subject: "scope " + scope, Says: "offered"}
		if !f.OK {
			f.Says = "not among those that the provider announces"
			f.Mend = "define the scope at the provider, or take it out of DOORWARD_SCOPES; announced are " + printable(strings.Join(m.scopes, " "), maxSaid)
		}
		findings = append(findings, f)
	}
	// No standard has it, many providers do.
	if slices.Contains(m.scopes, "groups") && !slices.Contains(p.options.Scopes, "groups") {
		findings = append(findings, Finding{OK: true, Subject: "scope groups",
			Says: "offered and not among DOORWARD_SCOPES: if rules ask for groups and none come, add it"})
	}
	return findings
}

// inspectRefresh: only a login shows whether refresh tokens come. Some providers send them for the scope offline_access alone (OIDC
// Core 11).
func (p *Provider) inspectRefresh(m *metadata) Finding {
	const scope = "offline_access"
	f := Finding{OK: true, Subject: "refresh", Says: "no scope is needed for refresh tokens, as far as the provider says"}
	switch {
	case slices.Contains(p.options.Scopes, scope):
		f.Says = scope + " asks for refresh tokens: sessions outlive their access tokens"
	case slices.Contains(m.scopes, scope):
		f.Says = scope + " is offered and not among DOORWARD_SCOPES: if no refresh token comes without it, sessions end with their access tokens"
	}
	return f
}

func (p *Provider) inspectUserinfo(m *metadata) Finding {
	f := Finding{OK: true, Subject: "userinfo", Says: "there is an endpoint"}
	switch {
	case m.UserInfoURL == "" && p.options.AlwaysUserinfo:
		f.OK, f.Says, f.Mend = false, "there is no endpoint, so that nobody can sign in", "set DOORWARD_USERINFO=auto"
	case m.UserInfoURL == "":
		f.Says = "there is no endpoint: every claim that is needed must be in a token"
	case p.options.AlwaysUserinfo:
		f.Says = "there is an endpoint, and each login asks it"
	case len(p.options.Audience) > 0:
		f.Says = "there is an endpoint; if it refuses access tokens for DOORWARD_AUDIENCE, every claim that is needed must be in a token"
	}
	return f
}

func inspectLogout(m *metadata) Finding {
	f := Finding{OK: true, Subject: "logout", Says: "there is an end_session_endpoint: signing out here signs out at the provider"}
	if m.endSession == "" {
		f.Says = "there is no end_session_endpoint: signing out here leaves people signed in at the provider"
	}
	return f
}

func inspectIntrospection(m *metadata) Finding {
	if m.introspection == "" {
		return Finding{Subject: "introspection", Says: "there is no introspection_endpoint, so no opaque token of an API client can be checked",
			Mend: "unset DOORWARD_INTROSPECT_TOKENS, and let the provider issue access tokens that are JWTs"}
	}
	return Finding{OK: true, Subject: "introspection", Says: "there is an introspection_endpoint"}
}

// inspectReports looks for how the provider can tell us that it has signed somebody out.
func inspectReports(m *metadata) Finding {
	f := Finding{OK: true, Subject: "logouts elsewhere"}
	switch {
	case slices.Contains(m.reports, backChannel) && slices.Contains(m.reports, backChannelSID):
		f.Says = "the provider can report them (back-channel, with sid)"
	case slices.Contains(m.reports, backChannel):
		f.Says = "the provider can report them (back-channel, without sid): each ends all of a person's sessions here"
	case slices.Contains(m.reports, frontChannelSID):
		f.Says = "the provider can report them through the browser alone (front-channel)"
	default:
		f.Says = "not announced: who is signed out at the provider stays signed in here until the session ends"
	}
	return f
}

func inspectIssuerParameter(m *metadata) Finding {
	f := Finding{OK: true, Subject: "iss in the answer", Says: "announced, and so demanded (RFC 9207)"}
	if !m.announcesIss {
		f.Says = "not announced; it is compared where it comes"
	}
	return f
}

// inspectClock compares clocks. The Date header counts whole seconds and is a journey old.
func inspectClock(m *metadata) Finding {
	skew := time.Since(m.date).Round(time.Second)
	f := Finding{OK: skew.Abs() < leeway, Subject: "clock", Says: fmt.Sprintf("the provider's differs by %s", skew.Abs())}
	if !f.OK {
		f.Mend = "set both clocks by NTP: tokens are refused beyond " + leeway.String()
	}
	return f
}
