package migrate

import (
	"slices"
	"strings"

	"doorward/config"
)

// identityHeaders writes HEADERS for what the alpha configuration injects beyond the usual.
func (m *Migration) identityHeaders() {
	var items []string
	for _, h := range m.found.requests {
		bearer, named := h.token()
		usual := slices.ContainsFunc(identity(), func(name string) bool { return strings.EqualFold(name, h.Name) })
		claim, plain := m.claimOf(h)
		item := h.Name + "=" + claim
		switch {
		case bearer || named:
		case usual:
			m.usualClaim(h)
		case !plain:
			m.lose("injectRequestHeaders %s: a header carries one claim as it is, with no prefix and no secret (HEADERS, Name=claim)", h.Name)
		case !takesHeader(item):
			m.lose("injectRequestHeaders %s: the name is doorward's or HTTP's own; choose another (HEADERS)", h.Name)
		default:
			items = append(items, item)
		}
		if h.PreserveRequestValue {
			m.change("injectRequestHeaders %s: what a client sends under the name of an identity header never arrives", h.Name)
		}
	}
	if len(items) > 0 {
		m.set("HEADERS", strings.Join(items, ","), "injectRequestHeaders")
	}
	if m.found.alpha {
		m.change("X-Forwarded-User, -Email, -Groups and -Preferred-Username always go to upstreams, whatever injectRequestHeaders lists")
	}
}

// usualClaim says where one of the usual headers carried something else.
func (m *Migration) usualClaim(h alphaHeader) {
	usual := map[string]string{"user": "user", "email": "email", "groups": "groups", "preferred-username": "preferred_username"}
	_, what, _ := strings.Cut(strings.ToLower(strings.TrimPrefix(h.Name, "X-")), "-")
	if len(h.Values) == 1 && h.Values[0].source().Claim == usual[what] && h.Values[0].source().Prefix == "" {
		return
	}
	m.change("injectRequestHeaders %s: it carries what doorward always puts there; USER_CLAIM, EMAIL_CLAIM and GROUPS_CLAIM name other claims", h.Name)
}

// takesHeader reports an item that HEADERS takes.
func takesHeader(item string) bool {
	_, err := (&config.Config{Headers: []string{item}}).IdentityHeaders()
	return err == nil && !strings.Contains(item, ",")
}

// token reports a header that carries a token: as Authorization: Bearer, or in X-Forwarded-Access-Token.
func (h alphaHeader) token() (bearer, named bool) {
	for _, v := range h.Values {
		v = v.source()
		ours := v.Claim == "access_token" || v.Claim == "id_token"
		bearer = bearer || ours && strings.EqualFold(h.Name, "Authorization") && strings.HasPrefix(v.Prefix, "Bearer")
		named = named || v.Claim == "access_token" && strings.EqualFold(h.Name, "X-Forwarded-Access-Token")
	}
	return bearer, named
}

// claimOf is the claim that a header carries; plain is false where there is more to it. oauth2-proxy has names of its own for some.
func (m *Migration) claimOf(h alphaHeader) (claim string, plain bool) {
	if len(h.Values) != 1 {
		return "", false
	}
	v := h.Values[0].source()
	plain = v.Claim != "" && v.Prefix == "" && v.BasicAuthPassword == nil && !v.elsewhere() && v.FromFile == ""
	switch v.Claim {
	case "user":
		return "sub", plain
	case "groups":
		return m.text("oidc_groups_claim"), plain
	case "access_token", "id_token", "refresh_token":
		return "", false
	case "email": // HEADERS would carry one that nobody vouches for
		return "", false
	}
	return v.Claim, plain
}
