package provider

import (
	"context"
	"net/url"
	"strings"
)

// EndSessionURL is the address at the provider that ends its session, to which the browser is sent after the session here has
// ended (OIDC RP-Initiated Logout 2). false when the provider has none, or cannot be asked now: sign-out here must not depend on
// it. Empty arguments are left out. postLogoutRedirectURI must be registered at the provider.
func (p *Provider) EndSessionURL(ctx context.Context, idTokenHint, postLogoutRedirectURI, state string) (string, bool) {
	m, err := p.metadata.get(ctx)
	if err != nil || m.endSession == "" {
		return "", false
	}
	u, err := url.Parse(p.addresses.publish(m.endSession))
	if err != nil {
		return "", false
	}
	parameters := map[string]string{
		"id_token_hint":            idTokenHint,
		"post_logout_redirect_uri": postLogoutRedirectURI,
		"state":                    state,
	}
	if p.isCognito() {
		parameters = map[string]string{"logout_uri": postLogoutRedirectURI}
	}
	query := u.Query()
	query.Set("client_id", p.options.ClientID)
	for name, value := range parameters {
		if value != "" {
			query.Set(name, value)
		}
	}
	u.RawQuery = query.Encode()
	return u.String(), true
}

// isCognito tells by the configured issuer whether it is a user pool of Amazon Cognito, whose end_session_endpoint has parameters of its
// own: it wants logout_uri, and leaves people on an error page who come with what the standard says.
func (p *Provider) isCognito() bool {
	u, err := url.Parse(p.options.Issuer)
	if err != nil {
		return false
	}
	rest, ok := strings.CutPrefix(u.Hostname(), "cognito-idp.")
	return ok && (strings.HasSuffix(rest, ".amazonaws.com") || strings.HasSuffix(rest, ".amazonaws.com.cn"))
}
