package provider

import (
	"context"
	"errors"
	"net/http"
)

// The rules of userinfo (OIDC Core 5.3):
//
//   - It is asked only after both tokens have passed every check, at a login or a refresh and never for a request, and unless Options.AlwaysUserinfo
//     only when a needed claim is in no token.
//   - The access token goes into the Authorization header (RFC 6750 2.1).
//   - An access token that is for an API alone (RFC 8707) userinfo refuses, with 401 or 403 (RFC 6750 3.1). That says nothing of the
//     person: unless userinfo is wanted always, the login goes on, and what is in no token is not known to be so or otherwise.
//   - The answer is about the person of the ID token, or it is not used at all and the login fails (5.3.2, 5.3.4).
//   - An answer that is a JWT is verified like one.
//   - Claims that live elsewhere (_claim_sources) are never fetched: the provider would choose the address.

// askUserinfo gives what userinfo says about the person of the ID token.
func (p *Provider) askUserinfo(ctx context.Context, m *metadata, accessToken string, id *token) (object, []Check, error) {
	l := &checklist{of: "userinfo", kind: KindInvalidUserinfo}
	var claims object
	err := l.run([]rule{
		{"OIDC Core 5.3.2", func() (found string, err error) {
			got, err := p.fetchUserinfo(ctx, m, accessToken)
			if err != nil {
				return "", err
			}
			if got.mediaType == "application/jwt" {
				claims, err = p.readSignedUserinfo(ctx, m, string(got.body))
				return "it is a JWT, signed by the provider, for this client", err
			}
			claims, err = got.json()
			if err == nil {
				err = claims.exactly(p.usedClaims()...)
			}
			return "it is JSON, sent as application/json, and has one reading only", err
		}},
		{"OIDC Core 5.3.2, 5.3.4", func() (string, error) {
			subject, err := claims.needText("sub")
			if err == nil && subject != id.claims["sub"] {
				err = errors.New("sub is not that of the ID token: it is about somebody else")
			}
			return "sub is that of the ID token: it is about the same person", err
		}},
	})
	return claims, l.made, err
}

func (p *Provider) fetchUserinfo(ctx context.Context, m *metadata, accessToken string) (*reply, error) {
	req, err := newRequest(ctx, http.MethodGet, p.addresses.reach(m.UserInfoURL), nil, "application/json, application/jwt")
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+accessToken)
	got, err := p.client.send(req, "userinfo", askTimeout)
	if err != nil {
		return nil, err
	}
	if got.status == http.StatusUnauthorized || got.status == http.StatusForbidden {
		return nil, tokenRefused{got.ok()}
	}
	return got, got.ok()
}

// tokenRefused is userinfo's refusal of the access token.
type tokenRefused struct{ error }

func isTokenRefused(err error) bool {
	_, ok := errors.AsType[tokenRefused](err)
	return ok
}

// readSignedUserinfo verifies userinfo that came as a JWT. It should have iss and aud; what it has must be right (5.3.2, 5.3.4).
func (p *Provider) readSignedUserinfo(ctx context.Context, m *metadata, raw string) (object, error) {
	t, err := parseToken(raw, m.Algorithms, []string{"", "jwt"})
	if err != nil {
		return nil, err
	}
	payload, err := p.keys.verify(ctx, t)
	if err != nil {
		return nil, err
	}
	if err := t.readClaims(payload, p.usedClaims()); err != nil {
		return nil, err
	}
	if t.claims.has("iss") {
		if _, err := t.checkIssuer(p.options.Issuer); err != nil {
			return nil, err
		}
	}
	if t.claims.has("aud") {
		if _, err := t.checkAudience(p.options.ClientID, nil); err != nil {
			return nil, err
		}
	}
	if t.claims.has("exp") {
		if _, err := t.checkExpiry(); err != nil {
			return nil, err
		}
	}
	return t.claims, nil
}
