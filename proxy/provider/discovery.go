package provider

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// The rules of discovery (OpenID Connect Discovery 1.0, RFC 8414):
//
//   - `issuer` equals the configured issuer, byte for byte (Discovery 4.3). It is never trimmed or normalised.
//   - Every endpoint is an address that check allows; authorization, token and keys must be there (Discovery 3).
//   - A provider that announces PKCE must announce S256: we never fall back to plain (RFC 7636 7.2).
//   - Signature algorithms are ours and the provider's in common; `none` and those with a shared secret are not ours.

const (
	metadataMaxAge = time.Hour       // whatever Cache-Control says: Discovery leaves it open, and nothing in them is withdrawn in haste
	failurePause   = 2 * time.Second // after a failed fetch, before the next; people who ask meanwhile are told at once
)

// The members by which a provider says that it reports logouts (Back-Channel Logout 2.1, Front-Channel Logout 3).
const (
	backChannel     = "backchannel_logout_supported"
	backChannelSID  = "backchannel_logout_session_supported"
	frontChannelSID = "frontchannel_logout_session_supported"
)

// metadata is what the provider publishes about itself, checked.
type metadata struct {
	oidc.ProviderConfig // endpoints as published; Algorithms are those that we accept

	reports      []string // how it says that it reports logouts, members that are true; advice alone depends on it
	endSession   string   // "" when the provider has no end_session_endpoint
	revocation   string   // "" when the provider has no revocation_endpoint
	announcesIss bool     // each answer to the callback carries iss (RFC 9207 3)
	scopes       []string // nil when the provider does not say
	pkce         []string // nil when the provider does not say

	pushURL     string // where authorization requests are pushed, "" when the provider takes none (RFC 9126 5)
	demandsPush bool   // and takes no others

	authMethods         []string // by which clients may prove themselves; client_secret_basic when the provider does not say
	assertionAlgorithms []string // of private_key_jwt; nil when the provider does not say

	introspection string // "" when the provider has no introspection_endpoint

	clock clockReading
}

// wellKnown is where the metadata lie: below the issuer, whose one trailing slash does not become two (Discovery 4).
func wellKnown(issuer string) string {
	return strings.TrimSuffix(issuer, "/") + "/.well-known/openid-configuration"
}

// fetchMetadata asks the provider for its metadata, and checks that they are right and have what the options ask for.
func (p *Provider) fetchMetadata(ctx context.Context) (m *metadata, fresh time.Duration, err error) {
	if m, err = p.loadMetadata(ctx); err != nil {
		return nil, 0, err
	}
	if p.options.AlwaysUserinfo && m.UserInfoURL == "" {
		return nil, 0, fail(KindInvalidMetadata, "userinfo_endpoint is missing, but DOORWARD_USERINFO is always")
	}
	return m, metadataMaxAge, nil
}

// loadMetadata asks the provider for its metadata and checks that they are right.
func (p *Provider) loadMetadata(ctx context.Context) (*metadata, error) {
	asked := time.Now()
	got, err := p.client.get(ctx, "discovery", p.addresses.reach(wellKnown(p.options.Issuer)))
	if err != nil {
		return nil, &Error{Kind: KindUnavailable, cause: err}
	}
	document, err := parseObject(got.body)
	if err != nil {
		return nil, &Error{Kind: KindInvalidMetadata, cause: err}
	}
	m, err := p.readMetadata(document)
	if err != nil {
		return nil, &Error{Kind: KindInvalidMetadata, cause: err}
	}
	m.clock = readClock(got, asked)
	return m, nil
}

// readMetadata reads the metadata that doorward uses, and checks each.
func (p *Provider) readMetadata(o object) (*metadata, error) {
	if err := p.checkIssuer(o); err != nil {
		return nil, err
	}
	m := &metadata{ProviderConfig: oidc.ProviderConfig{IssuerURL: p.options.Issuer}}
	if err := p.readEndpoints(m, o); err != nil {
		return nil, err
	}
	err := o.exactly("authorization_response_iss_parameter_supported", "code_challenge_methods_supported",
		"id_token_signing_alg_values_supported", "scopes_supported")
	if err != nil {
		return nil, err
	}
	for _, read := range []func(object) error{m.readPushing, m.readClientAuth, m.readPKCE} {
		if err := read(o); err != nil {
			return nil, err
		}
	}
	if m.announcesIss, err = o.flag("authorization_response_iss_parameter_supported"); err != nil {
		return nil, err
	}
	if m.scopes, err = o.texts("scopes_supported"); err != nil {
		return nil, err
	}
	for _, name := range []string{backChannel, backChannelSID, frontChannelSID} {
		if o[name] == true {
			m.reports = append(m.reports, name)
		}
	}
	m.Algorithms, err = readAlgorithms(o)
	return m, err
}

func (p *Provider) checkIssuer(o object) error {
	if err := o.exactly("issuer"); err != nil {
		return err
	}
	issuer, err := o.needText("issuer")
	if err == nil && issuer != p.options.Issuer {
		return fmt.Errorf("issuer is %s, but DOORWARD_ISSUER_URL is %s; they must be equal to the letter", quoted(issuer), quoted(p.options.Issuer))
	}
	return err
}

func (p *Provider) readEndpoints(m *metadata, o object) error {
	endpoints := []struct {
		name     string
		to       *string
		required bool
	}{
		{"authorization_endpoint", &m.AuthURL, true},
		{"token_endpoint", &m.TokenURL, true},
		{"jwks_uri", &m.JWKSURL, true},
		{"userinfo_endpoint", &m.UserInfoURL, false},
		{"end_session_endpoint", &m.endSession, false},
		{"pushed_authorization_request_endpoint", &m.pushURL, false},
		{"introspection_endpoint", &m.introspection, false},
		{"revocation_endpoint", &m.revocation, false},
	}
	for _, e := range endpoints {
		if err := o.exactly(e.name); err != nil {
			return err
		}
		if !e.required && o[e.name] == nil {
			continue
		}
		address, err := o.needText(e.name)
		if err != nil {
			return err
		}
		if err := p.addresses.check(address); err != nil {
			return fmt.Errorf("%s %w", e.name, err)
		}
		*e.to = address
	}
	return nil
}

// readPushing: a provider that demands pushed requests must say where (RFC 9126 5).
func (m *metadata) readPushing(o object) (err error) {
	const demand = "require_pushed_authorization_requests"
	if err = o.exactly(demand); err != nil {
		return err
	}
	m.demandsPush, err = o.flag(demand)
	if err == nil && m.demandsPush && m.pushURL == "" {
		return errors.New(demand + " is true, but there is no pushed_authorization_request_endpoint")
	}
	return err
}

// readClientAuth: a provider that does not say takes HTTP Basic (Discovery 3).
func (m *metadata) readClientAuth(o object) (err error) {
	if m.assertionAlgorithms, err = o.texts("token_endpoint_auth_signing_alg_values_supported"); err != nil {
		return err
	}
	m.authMethods, err = o.texts("token_endpoint_auth_methods_supported")
	if m.authMethods == nil {
		m.authMethods = []string{clientSecretBasic}
	}
	return err
}

// readPKCE: a provider that says what it takes must take S256 (RFC 7636 7.2).
func (m *metadata) readPKCE(o object) (err error) {
	m.pkce, err = o.texts("code_challenge_methods_supported")
	if err == nil && m.pkce != nil && !slices.Contains(m.pkce, "S256") {
		return errors.New("code_challenge_methods_supported does not contain S256, and nothing weaker is used")
	}
	return err
}

// readAlgorithms gives the signature algorithms that both sides know; RS256 when the provider does not say.
func readAlgorithms(o object) ([]string, error) {
	const name = "id_token_signing_alg_values_supported"
	theirs, err := o.texts(name)
	if err != nil {
		return nil, err
	}
	if theirs == nil {
		return []string{oidc.RS256}, nil
	}
	common := slices.DeleteFunc(theirs, func(alg string) bool { return keyTypeOf(alg) == "" })
	if len(common) == 0 {
		return nil, fmt.Errorf("%s contains no asymmetric algorithm that doorward knows", name)
	}
	return common, nil
}
