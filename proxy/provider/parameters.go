package provider

import (
	"cmp"
	"maps"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/oauth2"
)

// parameters are those of the authorization request (OIDC Core 3.1.2.1) that every login sends alike. They are encoded once: url.Values and its
// encoding were an eighth of the allocations of a redirect to the login.
type parameters struct {
	values  url.Values
	encoded string
}

// parameter is one that a login sends for itself.
type parameter struct{ name, value string }

func newParameters(o Options) *parameters {
	values := url.Values{}
	maps.Copy(values, o.AuthParams)
	for _, name := range []string{"acr_values", "max_age", "login_hint"} { // parametersOf has them
		values.Del(name)
	}
	values.Set("response_type", "code")
	values.Set("client_id", o.ClientID)
	values.Set("scope", strings.Join(o.Scopes, " "))
	values.Set("code_challenge_method", "S256")
	if o.ResponseMode != "" {
		values.Set("response_mode", o.ResponseMode)
	}
	return &parameters{values, values.Encode()}
}

// parametersOf are those of one login; none of them is among the others.
func (p *Provider) parametersOf(r Request) []parameter {
	all := []parameter{
		{"redirect_uri", r.RedirectURI},
		{"state", r.State},
		{"nonce", r.Nonce},
		{"code_challenge", oauth2.S256ChallengeFromVerifier(r.Verifier)},
	}
	if contexts := p.contexts(r); len(contexts) > 0 {
		all = append(all, parameter{"acr_values", strings.Join(contexts, " ")})
	}
	if age := p.longest(r); age != nil {
		all = append(all, parameter{"max_age", strconv.Itoa(int(age.Seconds()))})
	}
	if hint := cmp.Or(r.LoginHint, p.options.AuthParams.Get("login_hint")); hint != "" {
		all = append(all, parameter{"login_hint", hint})
	}
	return all
}

// query is that of the address to which a login sends its browser.
func (p *parameters) query(own []parameter) string {
	var query strings.Builder
	query.Grow(len(p.encoded) + 512)
	query.WriteString(p.encoded)
	for _, one := range own {
		query.WriteByte('&')
		query.WriteString(one.name)
		query.WriteByte('=')
		query.WriteString(url.QueryEscape(one.value))
	}
	return query.String()
}

// form is the same for a request of ours.
func (p *parameters) form(own []parameter) url.Values {
	form := maps.Clone(p.values)
	for _, one := range own {
		form.Set(one.name, one.value)
	}
	return form
}
