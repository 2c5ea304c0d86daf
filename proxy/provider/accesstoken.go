package provider

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// The rules of the access token. To a client it is opaque (OIDC Core 3.1.3.8), unless the operator names the audience that the
// upstream expects. Then it is checked as the upstream would (RFC 9068 4), so that no token is passed on that is for somebody
// else's API, and its claims may be used in rules:
//
//   - a JWT of the same issuer, signed with the same keys, for one of the audiences, not expired;
//   - about the same person as the ID token. Most providers say so by an equal sub; Okta puts the user's login into sub and
//     the ID token's sub into uid; Entra gives each application another sub, and oid with tid names the person.

// verifyAccessToken checks the access token that came with an ID token. Without a configured audience there is nothing to check
// and the token is nil.
func (p *Provider) verifyAccessToken(ctx context.Context, m *metadata, raw string, id *token) (*token, []Check, error) {
	if len(p.options.Audience) == 0 {
		return nil, nil, nil
	}
	l := &checklist{of: "access token", kind: KindInvalidAccessToken}
	t := &token{}
	err := l.run(slices.Concat([]rule{
		{"RFC 9068 4, RFC 8725 3.1, 3.11", func() (string, error) {
			if raw == id.raw {
				return "", errors.New("it is the ID token once more; an ID token opens no API")
			}
			found, err := t.parseAccessToken(raw, m)
			if err != nil {
				return "", fmt.Errorf("an audience is configured, so it must be a signed JWT: %w", err)
			}
			return found, nil
		}},
	}, p.issuedForAPI(ctx, t), []rule{
		{"RFC 9068 2.2", func() (string, error) { return t.checkClient(p.options.ClientID) }},
		{"RFC 9068 2.2, 5", func() (string, error) { return t.checkSamePerson(id) }},
	}))
	return t, l.made, err
}

// parseAccessToken reads the header of an access token that must be a JWT. Keycloak and others write the typ of any JWT, or none.
func (t *token) parseAccessToken(raw string, m *metadata) (string, error) {
	parsed, err := parseToken(raw, m.Algorithms, []string{"", "jwt", "at+jwt"})
	if err != nil {
		return "", err
	}
	*t = *parsed
	return "it is a signed JWT with alg " + t.header.algorithm, nil
}

// issuedForAPI are the rules of a parsed access token that hold whoever brings it, a login or an API client: the issuer's, for one of
// the audiences, and now.
func (p *Provider) issuedForAPI(ctx context.Context, t *token) []rule {
	return []rule{
		{"RFC 9068 4 (5)", func() (string, error) {
			payload, err := p.keys.verify(ctx, t)
			if err != nil {
				return "", err
			}
			if err := t.readClaims(payload, p.usedClaims()); err != nil {
				return "", err
			}
			return fmt.Sprintf("its signature was made with the provider's key %s", quoted(t.header.keyID)), nil
		}},
		{"RFC 9068 4 (3)", func() (string, error) { return p.checkAccessTokenIssuer(t) }},
		{"RFC 9068 4 (4)", func() (string, error) { return t.checkOneAudience(p.options.Audience) }},
		{"RFC 9068 4 (6)", t.checkExpiry},
		{"RFC 7519 4.1.5", t.checkNotBefore},
		{"RFC 7519 4.1.6", t.checkIssuedBefore},
	}
}

// checkAccessTokenIssuer has a word for the commonest mistake: Entra's access tokens of version 1, which another issuer signs.
func (p *Provider) checkAccessTokenIssuer(t *token) (string, error) {
	found, err := t.checkIssuer(p.options.Issuer)
	if ver, _ := t.claims.text("ver"); err != nil && ver == "1.0" {
		return "", fmt.Errorf("%w; it is an Entra token of version 1.0: set requestedAccessTokenVersion to 2 in the API's manifest", err)
	}
	return found, err
}

func (t *token) checkOneAudience(wanted []string) (string, error) {
	audience, err := t.claims.audience()
	if err != nil {
		return "", err
	}
	for _, one := range audience {
		if slices.Contains(wanted, one) {
			return "aud contains " + one + ": the token is meant for the upstream", nil
		}
	}
	return "", fmt.Errorf("aud contains nothing of DOORWARD_AUDIENCE; it is %s", quoted(fmt.Sprint(audience)))
}

// checkIssuedBefore: an access token may be older than the login, but not from the future.
func (t *token) checkIssuedBefore() (string, error) {
	issued, err := t.claims.date("iat")
	if err != nil || !t.claims.has("iat") {
		return "", err
	}
	if issued.After(time.Now().Add(leeway)) {
		return "", errors.New("iat is in the future; if the clocks differ, mend them")
	}
	return "iat is not in the future", nil
}

// clientClaims are the claims that say which client a token was issued to: Okta calls it cid, Entra and others azp.
func clientClaims() []string { return []string{"client_id", "azp", "cid"} }

// checkClient: a token that says which client it was issued to was issued to this one.
func (t *token) checkClient(clientID string) (string, error) {
	found := ""
	for _, name := range clientClaims() {
		if !t.claims.has(name) {
			continue
		}
		client, err := t.claims.needText(name)
		if err != nil {
			return "", err
		}
		if client != clientID {
			return "", fmt.Errorf("%s is %s, not this client: the token was issued to another", name, quoted(client))
		}
		found = name + " is this client: the token was issued to it"
	}
	return found, nil
}

// checkSamePerson: both tokens are about the same person.
func (t *token) checkSamePerson(id *token) (string, error) {
	subject, err := t.claims.needText("sub")
	if err != nil {
		return "", err
	}
	switch {
	case subject == id.claims["sub"]:
		return "sub is that of the ID token: both are about the same person", nil
	case t.names("uid", id.claims["sub"]):
		return "uid is the ID token's sub (as Okta does it): both are about the same person", nil
	case t.names("oid", id.claims["oid"]) && t.names("tid", id.claims["tid"]):
		return "oid and tid are those of the ID token (as Entra does it): both are about the same person", nil
	}
	return "", errors.New("it is about another person than the ID token: neither sub, nor uid, nor oid with tid agree")
}

// names tells whether a claim is the given text, which must not be empty.
func (t *token) names(claim string, value any) bool {
	text, ok := value.(string)
	return ok && text != "" && t.claims[claim] == value
}
