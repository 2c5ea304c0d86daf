package provider

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Level says how much a finding matters.
type Level string

// The levels. What cannot be told from here is a note.
const (
	LevelOK   Level = "ok"
	LevelNote Level = "note" // worth knowing
	LevelFail Level = "fail" // people cannot sign in, or not as the options ask for
)

// Finding is one thing that Inspect looked at.
type Finding struct {
	ID      string // what was looked at, a fixed word for programs: "provider.scope"
	Level   Level
	Subject string // the same for people: "scope groups"
	Says    string // what was found
	Mend    string // what to do about it; "" when it is well
}

// Inspect asks the provider afresh for its metadata and keys and says, point by point, how they suit the options. With redirect URIs it
// also tries what can be tried of a login without a person (inspectlogin.go). It is for people who set doorward up, and changes
// nothing. Its error is the context's: what the provider gets wrong is in the findings.
func (p *Provider) Inspect(ctx context.Context, redirectURIs ...string) ([]Finding, error) {
	m, err := p.loadMetadata(ctx)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return []Finding{p.inspectFailure(asError(err))}, nil
	}
	var keys Finding
	var login []Finding
	var asked sync.WaitGroup
	asked.Go(func() { keys = p.inspectKeys(ctx, m) })
	asked.Go(func() { login = p.tryLogin(ctx, m, redirectURIs) })
	asked.Wait()
	return slices.Concat(
		[]Finding{{ID: "provider.discovery", Level: LevelOK, Subject: "discovery", Says: "answered, and names exactly the issuer " + p.options.Issuer}, inspectClock(m), keys, inspectPKCE(m)},
		p.inspectClient(m, accepted(login)), login, p.inspectScopes(m),
		[]Finding{p.inspectRefresh(m), p.inspectUserinfo(m), inspectLogout(m), inspectReports(m), inspectIssuerParameter(m)},
		p.inspectIntrospection(m),
	), ctx.Err()
}

func (p *Provider) inspectFailure(err *Error) Finding {
	f := Finding{ID: "provider.discovery", Level: LevelFail, Subject: "discovery", Says: err.Error(), Mend: "see that " + p.addresses.reach(wellKnown(p.options.Issuer)) + " can be reached from here"}
	if _, plain := errors.AsType[tls.RecordHeaderError](err); plain {
		f.Mend = "let the provider speak TLS there, or correct scheme and port in DOORWARD_ISSUER_URL: what answers is no TLS, plain http most likely"
	}
	if _, unknown := errors.AsType[*tls.CertificateVerificationError](err); unknown {
		f.Mend = "set DOORWARD_PROVIDER_CA to the authority's certificate, if the system does not know it, or see that the certificate is in date and has this name"
	}
	if _, elsewhere := errors.AsType[statusError](err); elsewhere {
		f.Mend = "compare DOORWARD_ISSUER_URL with what the provider shows, its path too: the metadata should be at " + p.addresses.reach(wellKnown(p.options.Issuer))
	}
	if err.Kind == KindInvalidMetadata {
		f.Mend = "set DOORWARD_ISSUER_URL to the issuer as the provider itself writes it, or mend the provider's settings"
		if strings.Contains(err.Error(), "{tenantid}") {
			f.Mend = "write your tenant's identifier in DOORWARD_ISSUER_URL, in the place of common or organizations"
		}
	}
	return f
}

func (p *Provider) inspectKeys(ctx context.Context, m *metadata) Finding {
	f := Finding{ID: "provider.keys", Level: LevelFail, Subject: "keys"}
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
	f.Level = LevelOK
	f.Says = fmt.Sprintf("%d usable, for %s", len(set.keys), strings.Join(slices.Sorted(maps.Keys(usable)), ", "))
	if why := set.complaints(); why != "" {
		f.Says += "; passed over: " + why
	}
	return f
}

func inspectPKCE(m *metadata) Finding {
	f := Finding{ID: "provider.pkce", Level: LevelOK, Subject: "PKCE", Says: "S256 is announced"}
	if m.pkce == nil {
		f.Level, f.Says = LevelNote, "not announced; S256 is sent all the same, and whether it is looked at cannot be told"
		f.Mend = "turn PKCE on for this client, if the provider has a switch for it"
	}
	return f
}

// inspectScopes looks for each of our scopes among those that the provider announces. Providers need not announce all (Discovery 3):
// an authorization request shows whether one is refused.
func (p *Provider) inspectScopes(m *metadata) []Finding {
	if m.scopes == nil {
		return []Finding{{ID: "provider.scope", Level: LevelOK, Subject: "scopes", Says: "the provider does not say which it offers"}}
	}
	var findings []Finding
	for _, scope := range p.options.Scopes {
		f := Finding{ID: "provider.scope", Level: LevelOK, Subject: "scope " + scope, Says: "offered"}
		if !slices.Contains(m.scopes, scope) {
			f.Level, f.Says = LevelNote, "not among those that the provider announces"
			f.Mend = "define the scope at the provider, or take it out of DOORWARD_SCOPES; announced are " + printable(strings.Join(m.scopes, " "), maxSaid)
		}
		findings = append(findings, f)
	}
	// No standard has it, many providers do.
	if slices.Contains(m.scopes, "groups") && !slices.Contains(p.options.Scopes, "groups") {
		findings = append(findings, Finding{ID: "provider.scope", Level: LevelNote, Subject: "scope groups",
			Says: "offered and not among DOORWARD_SCOPES", Mend: "add it to DOORWARD_SCOPES if rules ask for groups and none come"})
	}
	return findings
}

// inspectRefresh: only a login shows whether refresh tokens come. Some providers send them for the scope offline_access alone (OIDC
// Core 11).
func (p *Provider) inspectRefresh(m *metadata) Finding {
	const scope = "offline_access"
	f := Finding{ID: "provider.refresh", Level: LevelOK, Subject: "refresh", Says: "no scope is needed for refresh tokens, as far as the provider says"}
	switch {
	case slices.Contains(p.options.Scopes, scope):
		f.Says = scope + " asks for refresh tokens: sessions outlive their access tokens"
	case slices.Contains(m.scopes, scope):
		f.Level, f.Says = LevelNote, scope+" is offered and not among DOORWARD_SCOPES: if no refresh token comes without it, sessions end with their access tokens"
		f.Mend = "add it to DOORWARD_SCOPES if people are sent to the provider more often than DOORWARD_SESSION_MAX_AGE says"
	}
	return f
}

func (p *Provider) inspectUserinfo(m *metadata) Finding {
	f := Finding{ID: "provider.userinfo", Level: LevelOK, Subject: "userinfo", Says: "there is an endpoint"}
	switch {
	case m.UserInfoURL == "" && p.options.AlwaysUserinfo:
		f.Level, f.Says, f.Mend = LevelFail, "there is no endpoint, so that nobody can sign in", "set DOORWARD_USERINFO=auto"
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
	f := Finding{ID: "provider.logout", Level: LevelOK, Subject: "logout", Says: "there is an end_session_endpoint: signing out here signs out at the provider"}
	if m.endSession == "" {
		f.Level, f.Says = LevelNote, "there is no end_session_endpoint: signing out here leaves people signed in at the provider"
		f.Mend = "let DOORWARD_POST_LOGOUT_URL lead to a page on which the provider itself signs people out, if it has one"
	}
	return f
}

func (p *Provider) inspectIntrospection(m *metadata) []Finding {
	f := Finding{ID: "provider.introspection", Level: LevelOK, Subject: "introspection", Says: "there is an introspection_endpoint"}
	switch {
	case !p.options.IntrospectTokens:
		return nil
	case m.introspection == "":
		f.Level, f.Says = LevelFail, "there is no introspection_endpoint, so no opaque token of an API client can be checked"
		f.Mend = "unset DOORWARD_INTROSPECT_TOKENS, and let the provider issue access tokens that are JWTs"
	}
	return []Finding{f}
}

// inspectReports looks for how the provider can tell us that it has signed somebody out.
func inspectReports(m *metadata) Finding {
	f := Finding{ID: "provider.logout-reports", Level: LevelOK, Subject: "logouts elsewhere"}
	switch {
	case slices.Contains(m.reports, backChannel) && slices.Contains(m.reports, backChannelSID):
		f.Says = "the provider can report them (back-channel, with sid)"
	case slices.Contains(m.reports, backChannel):
		f.Says = "the provider can report them (back-channel, without sid): each ends all of a person's sessions here"
	case slices.Contains(m.reports, frontChannelSID):
		f.Says = "the provider can report them through the browser alone (front-channel)"
	default:
		f.Level, f.Says = LevelNote, "not announced: whoever is signed out at the provider stays signed in here until the session ends"
		f.Mend = "choose DOORWARD_SESSION_MAX_AGE accordingly"
	}
	return f
}

func inspectIssuerParameter(m *metadata) Finding {
	f := Finding{ID: "provider.iss", Level: LevelOK, Subject: "iss in the answer", Says: "announced, and so demanded (RFC 9207)"}
	if !m.announcesIss {
		f.Says = "not announced; it is compared where it comes"
	}
	return f
}
