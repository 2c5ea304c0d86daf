package provider

import (
	"crypto/subtle"
	"net/url"
	"slices"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// client is the one client of the provider, a web application that keeps a secret. It is an op.Client.
type client struct {
	id, secret                   string
	redirectURIs, postLogoutURIs []string
}

// knows compares the client's secret without telling by its timing how much was right.
func (c *client) knows(secret string) bool {
	return subtle.ConstantTimeCompare([]byte(secret), []byte(c.secret)) == 1
}

// GetID is the client_id.
func (c *client) GetID() string { return c.id }

// RedirectURIs are the registered callbacks.
func (c *client) RedirectURIs() []string { return c.redirectURIs }

// PostLogoutRedirectURIs are where people may be sent after they signed out.
func (c *client) PostLogoutRedirectURIs() []string { return c.postLogoutURIs }

// ApplicationType is web: exact callbacks, plain http allowed with the code flow.
func (c *client) ApplicationType() op.ApplicationType { return op.ApplicationTypeWeb }

// AuthMethod is HTTP Basic.
func (c *client) AuthMethod() oidc.AuthMethod { return oidc.AuthMethodBasic }

// ResponseTypes is the code flow alone.
func (c *client) ResponseTypes() []oidc.ResponseType {
	return []oidc.ResponseType{oidc.ResponseTypeCode}
}

// GrantTypes are codes and refresh tokens.
func (c *client) GrantTypes() []oidc.GrantType {
	return []oidc.GrantType{oidc.GrantTypeCode, oidc.GrantTypeRefreshToken}
}

// LoginURL is our login page for a request. It is relative, so that it stays on the issuer's origin.
func (c *client) LoginURL(id string) string { return loginPath + "?" + url.Values{"id": {id}}.Encode() }

// AccessTokenType is JWT, so that an API can check the token without asking anybody.
func (c *client) AccessTokenType() op.AccessTokenType { return op.AccessTokenTypeJWT }

// IDTokenLifetime is short: the ID token is read once, at login.
func (c *client) IDTokenLifetime() time.Duration { return 5 * time.Minute }

// DevMode would loosen the rules for callbacks.
func (c *client) DevMode() bool { return false }

// RestrictAdditionalIdTokenScopes restricts nothing.
func (c *client) RestrictAdditionalIdTokenScopes() func([]string) []string { return slices.Clone }

// RestrictAdditionalAccessTokenScopes restricts nothing.
func (c *client) RestrictAdditionalAccessTokenScopes() func([]string) []string { return slices.Clone }

// IsScopeAllowed names the scopes beyond the standard's.
func (c *client) IsScopeAllowed(scope string) bool { return scope == scopeGroups }

// IDTokenUserinfoClaimsAssertion puts the claims of profile, email and groups into the ID token, so that a client
// needs no userinfo request.
func (c *client) IDTokenUserinfoClaimsAssertion() bool { return true }

// ClockSkew is none: client and provider share a clock.
func (c *client) ClockSkew() time.Duration { return 0 }
