package provider

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The rules of the access tokens that API clients bring (RFC 6750, RFC 9068 4, RFC 8725 3.11, 3.12). No login stands behind them, no
// nonce and no second token, so they are judged by themselves alone:
//
//   - A JWT keeps every rule of an access token of a login that does not compare it with the ID token (accesstoken.go).
//   - It is an access token and no other kind. at+jwt says so. Providers that do not write it would let any JWT of theirs in, so
//     then what marks an ID token, a refresh token or a logout token is refused; what is also for the client that asked for it, as every
//     ID token is, must bear a scope; and where ID tokens are for the same audience, because it is the client itself, at+jwt must be there.
//   - A token that is bound to a key (cnf: DPoP, mutual TLS) is not for whoever bears it, and nobody here asks for the key.
//   - The person is named as in a session: by the ID token's sub, wherever the access token has that.
//   - What it says is all that counts: userinfo is not asked.
//   - Nothing but a token that passed is remembered as good, no longer than it lives and its key is among the provider's.
//   - While the keys cannot be had, the answer is that, and not that the token is bad.

// Bearer says whose access token it is that an API client brought (RFC 6750 2.1). remembered tells that it was found out earlier. Its
// error is an *Error: KindInvalidAccessToken when the token is not good, any other kind when that cannot be told now. It needs
// Options.Audience.
func (p *Provider) Bearer(ctx context.Context, raw string) (person *Person, remembered bool, err error) {
	switch {
	case len(p.options.Audience) == 0:
		return nil, false, fail(KindInvalidAccessToken, "no audience is configured that it could be for")
	case len(raw) > maxToken:
		return nil, false, fail(KindInvalidAccessToken, "it has %d bytes, more than the %d that are allowed", len(raw), maxToken)
	case !isB64Token(raw):
		return nil, false, fail(KindInvalidAccessToken, "it is empty, or holds what no bearer token may hold (RFC 6750 2.1)")
	}
	of := sha256.Sum256([]byte(raw))
	if p.options.IntrospectTokens && strings.Count(raw, ".") != 2 {
		return p.introspected(ctx, raw, of)
	}
	set, err := p.keys.cached.get(ctx)
	if err != nil {
		return nil, false, asError(err)
	}
	if known, ok := p.bearers.recall(of, set.keys); ok {
		return known.person, true, nil
	}
	if person, err = p.verifyBearer(ctx, strings.Clone(raw)); err != nil { // as a part of a request's header it would keep all of it alive
		return nil, false, err
	}
	p.bearers.keep(of, set.keys, knowledge{person: person, until: person.TokenExpiry})
	return person, false, nil
}

// isB64Token tells whether a text is what a bearer token is made of (RFC 6750 2.1).
func isB64Token(text string) bool {
	text = strings.TrimRight(text, "=")
	return text != "" && strings.Trim(text, alphanumeric+"-._~+/") == ""
}

const alphanumeric = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

// verifyBearer checks an access token that is a JWT.
func (p *Provider) verifyBearer(ctx context.Context, raw string) (*Person, error) {
	m, err := p.metadata.get(ctx)
	if err != nil {
		return nil, asError(err)
	}
	l := &checklist{of: "access token", kind: KindInvalidAccessToken}
	t := &token{}
	err = l.run(slices.Concat([]rule{
		{"RFC 9068 4, RFC 8725 3.1, 3.11", func() (string, error) { return t.parseAccessToken(raw, m) }},
	}, p.issuedForAPI(ctx, t), []rule{
		{"RFC 9068 2.1, 4 (1)", func() (string, error) { return "", p.checkDeclared(t) }},
		{"RFC 8725 3.12", func() (string, error) { return "", t.checkNoOtherKind() }},
		{"OIDC Core 2, RFC 9068 2.2.3", func() (string, error) { return "", p.checkForAPI(t) }},
		{"RFC 9449 7.2, RFC 8705 3", func() (string, error) { return "", t.checkUnbound() }},
		{"RFC 9068 2.2, 5", func() (string, error) { return "", p.checkNamed(t) }},
		{"RFC 9068 2.2.1", func() (string, error) { return "", t.checkAuthentication() }},
	}))
	if err != nil {
		return nil, err
	}
	expiry, _ := t.claims.date("exp")
	return p.bearer(t, expiry), nil
}

// bearer is the person whose token was checked.
func (p *Provider) bearer(t *token, expiry time.Time) *Person {
	person := newPerson(&tokens{access: t.raw, expiry: expiry}, t, nil)
	person.Issuer, person.IDToken = p.options.Issuer, "" // introspection need not repeat it, and an ID token it is not
	person.learn(t.claims)
	person.OfToken = true
	return person
}

// checkDeclared: where the audience is the client itself, every ID token of it is for that audience as well.
func (p *Provider) checkDeclared(t *token) error {
	if t.header.typ == "at+jwt" || !slices.Contains(p.options.Audience, p.options.ClientID) {
		return nil
	}
	return fmt.Errorf("typ is %s, not at+jwt: the audience is the client itself, whose ID tokens could not be told from access tokens; "+
		"give the API an audience of its own", quoted(t.header.typ))
}

// checkNoOtherKind: a JWT that does not declare itself an access token bears no mark of another kind.
func (t *token) checkNoOtherKind() error {
	if t.header.typ == "at+jwt" {
		return nil
	}
	for _, mark := range []string{"nonce", "at_hash", "c_hash", "events"} {
		if t.claims.has(mark) {
			return fmt.Errorf("%s is there, so it is an ID token or a logout token; or the provider marks access tokens as at+jwt", mark)
		}
	}
	return t.claims.checkPayloadType()
}

// checkForAPI: every ID token is for the client that it was issued to, and some (Zitadel's) are for the API besides. Access tokens seldom are
// for their client; those that are (Keycloak's, where a mapper has it so) say what they permit, which no ID token does.
func (p *Provider) checkForAPI(t *token) error {
	if t.header.typ == "at+jwt" || t.claims.has("scope") || t.claims.has("scp") {
		return nil
	}
	audience, err := t.claims.audience()
	if err != nil {
		return err
	}
	clients := []string{p.options.ClientID}
	for _, name := range clientClaims() {
		client, err := t.claims.text(name)
		if err != nil {
			return err
		}
		clients = append(clients, client)
	}
	if slices.ContainsFunc(audience, func(one string) bool { return slices.Contains(clients, one) }) {
		return errors.New("aud names the client beside the API, as in an ID token, and there is neither a scope nor the typ at+jwt; " +
			"have the provider mark access tokens as at+jwt, or issue them for the API alone")
	}
	return nil
}

// checkPayloadType looks at the member typ of the payload, in which Keycloak says what kind of token it is.
func (o object) checkPayloadType() error {
	kind, err := o.text("typ")
	if err != nil {
		return err
	}
	for _, other := range []string{"ID", "Refresh", "Offline", "Logout"} {
		if strings.EqualFold(kind, other) {
			return fmt.Errorf("the payload's typ is %s: another kind of token", quoted(kind))
		}
	}
	return nil
}

// checkUnbound: a token that is bound to a key is good only for whoever proves to have the key.
func (t *token) checkUnbound() error {
	if t.claims.has("cnf") {
		return errors.New("cnf is there: it is bound to a key (DPoP, mutual TLS) and must not be taken as a bearer token")
	}
	return nil
}

// checkNamed makes sure that sub names somebody, and the same somebody as in an ID token.
func (p *Provider) checkNamed(t *token) error {
	if _, err := t.claims.needText("sub"); err != nil {
		return err
	}
	uid, _ := t.claims.text("uid")
	if cid, _ := t.claims.text("cid"); uid != "" && cid != "" && p.isOkta() {
		t.claims["sub"] = uid
	}
	_, err := t.checkSubject()
	return err
}

// isOkta tells by the configured issuer, on which no token has influence, whether it is an authorization server of Okta's, under
// whatever domain: there uid is the ID token's sub, and nobody but Okta sets it or cid. At other providers uid may be an attribute
// that people edit themselves, to be named like anybody.
func (p *Provider) isOkta() bool {
	server, ok := strings.CutPrefix(p.addresses.issuer.Path, "/oauth2/")
	id, made := strings.CutPrefix(server, "aus")
	return ok && (server == "default" || made && len(id) == 17 && strings.Trim(id, alphanumeric) == "")
}

// checkAuthentication: rules may ask how and when the person authenticated.
func (t *token) checkAuthentication() error {
	if _, err := t.claims.text("acr"); err != nil {
		return err
	}
	_, err := t.claims.date("auth_time")
	return err
}
