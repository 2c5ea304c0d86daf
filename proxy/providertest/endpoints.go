package providertest

import (
	"io"
	"net/http"
	"strings"
)

// serveMetadata is discovery (OpenID Connect Discovery 4). Like the certification suite it advertises "none" and every
// algorithm: a client must have a list of its own.
func (p *Provider) serveMetadata(w http.ResponseWriter, r *http.Request) {
	members := map[string]any{
		"issuer":                                p.Issuer,
		"authorization_endpoint":                p.URL(Authorization),
		"token_endpoint":                        p.URL(Token),
		"userinfo_endpoint":                     p.URL(Userinfo),
		"jwks_uri":                              p.URL(Keys),
		"end_session_endpoint":                  p.URL(EndSession),
		"introspection_endpoint":                p.URL(Introspection),
		"revocation_endpoint":                   p.URL(Revocation),
		"response_types_supported":              []string{"code"},
		"response_modes_supported":              []string{"query", "form_post"},
		"grant_types_supported":                 []string{"authorization_code", "refresh_token"},
		"subject_types_supported":               []string{"public"},
		"code_challenge_methods_supported":      []string{"S256"},
		"id_token_signing_alg_values_supported": strings.Fields("none RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES256K ES384 ES512 EdDSA"),
		"scopes_supported":                      []string{"openid", "profile", "email", "groups"},
		"backchannel_logout_supported":          true,
		"backchannel_logout_session_supported":  true,
		"frontchannel_logout_supported":         true,
		"frontchannel_logout_session_supported": true,
	}
	p.clientMetadata(members)
	p.pushMetadata(members)
	a := newAnswer(members)
	for _, m := range p.mutations {
		if m.Metadata != nil {
			m.Metadata(p, members)
		}
		if m.MetadataReply != nil {
			m.MetadataReply(p, a)
		}
	}
	p.send(w, r, a)
}

// serveKeys is the key set (RFC 7517 5).
func (p *Provider) serveKeys(w http.ResponseWriter, r *http.Request) {
	var keys []map[string]any
	for _, k := range p.published() {
		keys = append(keys, k.JWK())
	}
	for _, m := range p.mutations {
		if m.KeySet != nil {
			keys = m.KeySet(p, keys)
		}
	}
	a := newAnswer(map[string]any{"keys": keys})
	for _, m := range p.mutations {
		if m.KeySetReply != nil {
			m.KeySetReply(p, a)
		}
	}
	p.send(w, r, a)
}

// serveUserinfo is userinfo (OIDC Core 5.3). The token must come in the header, and in nothing else (RFC 6750 2).
func (p *Provider) serveUserinfo(w http.ResponseWriter, r *http.Request) {
	if body, _ := io.ReadAll(r.Body); r.URL.Query().Has("access_token") || len(body) > 0 {
		p.t.Error("userinfo was asked with a query or a body; the access token goes into the header alone")
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	g := p.grantOf(token)
	if !strings.EqualFold(scheme, "Bearer") || g == nil {
		p.refused(Userinfo, "no valid access token in the header")
		p.send(w, r, oauthError(http.StatusUnauthorized, "invalid_token", "unknown token"))
		return
	}
	g = p.asItIs(g)
	a := newAnswer(g.user.claims())
	for _, m := range p.mutations {
		if m.Userinfo != nil {
			m.Userinfo(p, a)
		}
		if m.RefreshUserinfo != nil && g.refreshes > 0 {
			m.RefreshUserinfo(p, a)
		}
	}
	p.send(w, r, a)
}
