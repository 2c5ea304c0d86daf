package provider

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/oauth2"
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

// tryClient makes a token request with a code that never was. The provider has to know the client before it looks at the code (RFC
// 6749 3.2.1, 4.1.3): invalid_grant says that it does, invalid_client that it does not (5.2).
func (p *Provider) tryClient(ctx context.Context, m *metadata, redirectURI string) Finding {
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	f := Finding{ID: "provider.client", Level: LevelFail, Subject: "client", Mend: p.mendClient()}
	got, err := p.ask(ctx, "token", m.TokenURL, url.Values{
		"grant_type": {"authorization_code"}, "code": {random()}, "redirect_uri": {redirectURI}, "code_verifier": {oauth2.GenerateVerifier()},
	})
	if err != nil {
		f.Says, f.Mend = err.Error(), "see that "+p.addresses.reach(m.TokenURL)+" can be reached from here"
		return f
	}
	refused := p.refusal(KindTokenRequestFailed, "token", got, got.ok())
	said := p.saidIn(refused.Code, refused.Description)
	switch {
	case refused.Code == "invalid_grant":
		f.Level, f.Says, f.Mend = LevelOK, p.credential()+" accepted: the token endpoint complains of a made-up code alone", ""
	case refused.Code == "" && takesCode(got):
		f.Says, f.Mend = "the token endpoint takes a code that never was", "look at the provider: nobody who comes from there can be believed"
	case got.status == http.StatusUnauthorized || slices.Contains([]string{"invalid_client", "unauthorized_client"}, refused.Code):
		f.Says = p.credential() + " refused: the token endpoint answers " + said
	case isOutage(got.ok()):
		f.Says, f.Mend = fmt.Sprintf("the token endpoint answers with status %d", got.status), "look at the provider: no login gets through"
	default:
		f.Level, f.Says = LevelNote, "cannot be told: the token endpoint answers a made-up code with "+said
		f.Mend = "sign in once with a browser"
	}
	return f
}

// takesCode tells whether an answer is a token response.
func takesCode(got *reply) bool {
	o, err := got.json()
	return err == nil && got.ok() == nil && o.has("access_token")
}

// accepted tells whether tryClient found that the client is known, and proves it as the provider wants.
func accepted(findings []Finding) bool {
	return slices.ContainsFunc(findings, func(f Finding) bool { return f.ID == "provider.client" && f.Level == LevelOK })
}

func (p *Provider) credential() string {
	switch p.options.ClientAuth {
	case privateKeyJWT:
		return "id and key are"
	case publicClient:
		return "the id is"
	}
	return "id and secret are"
}

func (p *Provider) mendClient() string {
	switch p.options.ClientAuth {
	case privateKeyJWT:
		return "compare DOORWARD_CLIENT_ID and DOORWARD_CLIENT_AUTH with the client at the provider, register there the key that `doorward check` prints, and see that the clocks agree"
	case publicClient:
		return "compare DOORWARD_CLIENT_ID with the client at the provider, and see that it is a public one there"
	}
	return "compare DOORWARD_CLIENT_ID, DOORWARD_CLIENT_SECRET and DOORWARD_CLIENT_AUTH with the client at the provider"
}

// saidIn is an error of the provider's in its own words, but for what might be a secret of ours in them.
func (p *Provider) saidIn(code, description string) string {
	if code == "" {
		return "no error that it names"
	}
	said := printable(code, maxSaid)
	if description != "" {
		said += " (" + printable(description, maxSaid) + ")"
	}
	return p.discreet(said, nil)
}
