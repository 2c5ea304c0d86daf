package guides

import (
	"crypto/rand"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"doorward/config"
	"doorward/deploy/deploytest"
	"doorward/proxy/providertest"
)

// habit is what a provider does that others do not, as its documentation has it, and what comes of it with the settings of its guide.
type habit struct {
	provider     string
	id           map[string]any // beside iss, sub, aud, times and nonce, what the ID token says
	access       map[string]any // the same of the access token; nil: it is opaque
	userinfo     map[string]any // beside sub
	metadata     []string       // that are not there
	passes       string         // a path that opens
	denied       string         // one that does not; "" for none
	says, hushes []string       // what the application is told, and what not
}

// known are the claims that providertest puts into tokens by itself and that stay, where the habit does not say otherwise.
// One that it says is nil is not there.
var known = []string{"iss", "sub", "aud", "iat", "exp", "auth_time", "nonce", "at_hash", "jti"}

func only(claims, said map[string]any) {
	maps.DeleteFunc(claims, func(name string, _ any) bool {
		return !slices.Contains(known, name)
	})
	maps.Copy(claims, said)
	maps.DeleteFunc(claims, func(_ string, value any) bool { return value == nil })
}

// mutation makes providertest such a provider.
func (h *habit) mutation() providertest.Mutation {
	return providertest.Mutation{
		Name:    h.provider,
		IDToken: func(_ *providertest.Provider, j *providertest.JWT) { only(j.Claims, h.id) },
		AccessToken: func(_ *providertest.Provider, j *providertest.JWT) {
			if h.access == nil {
				j.Finish = func(string) string { return "opaque_" + rand.Text() }
				return
			}
			j.Header["typ"] = "JWT"
			only(j.Claims, h.access)
		},
		Userinfo: func(_ *providertest.Provider, a *providertest.Answer) { only(a.Members, h.userinfo) },
		Metadata: func(_ *providertest.Provider, members map[string]any) {
			for _, name := range h.metadata {
				delete(members, name)
			}
		},
	}
}

// site is doorward with the first settings of the guide, in front of an application that shows what reached it.
func (h *habit) site(t *testing.T) *deploytest.Site {
	t.Helper()
	for name, value := range environment(t, settings(t, h.provider)[0]) {
		t.Setenv(name, value)
	}
	guided, err := config.Load()
	if err != nil {
		t.Fatal(err)
	}
	provider := providertest.New(t, h.mutation())
	s := deploytest.NewSite(t)
	s.Start(provider.Issuer, deploytest.Echo(t), func(c *config.Config) {
		own := *c
		*c = *guided
		c.PublicURL, c.Upstreams, c.IssuerURL = own.PublicURL, own.Upstreams, own.IssuerURL
		c.ClientID, c.ClientSecret = providertest.ClientID, providertest.ClientSecret
	})
	return s
}

const (
	member = "0f2e6c1a-6f0b-4c7e-9a53-3d1d0f6f6a11" // Finance, in Entra ID's guide
	person = "690222be-ff1a-4d56-abd1-7e4f7d38e474"
	tenant = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490"
)

func habits() []habit {
	granted := map[string]any{"admin": map[string]any{"278369": "acme.zitadel.cloud"}}
	const project = "278369417229926402" // in Zitadel's guide
	return []habit{
		{provider: "entra-id",
			id: map[string]any{"oid": person, "tid": tenant, "groups": []string{member}, "email": "alice@example.com", "preferred_username": "alice@example.com",
				"ver": "2.0"},
			userinfo: map[string]any{"name": "Alice", "email": "alice@example.com"},
			metadata: []string{"code_challenge_methods_supported", "backchannel_logout_supported", "backchannel_logout_session_supported"},
			passes:   "/finance/", denied: "/ops/",
			says:   []string{`"X-Forwarded-User":["` + person + `"]`, `"X-Forwarded-Groups":["Finance"]`, `"X-Forwarded-Preferred-Username":["alice@example.com"]`},
			hushes: []string{"X-Forwarded-Email", "Authorization", member}},
		{provider: "google",
			id:       map[string]any{"azp": providertest.ClientID, "hd": "example.com", "email": "alice@example.com", "email_verified": true, "name": "Alice"},
			userinfo: map[string]any{"hd": "example.com", "email": "alice@example.com", "email_verified": true},
			metadata: []string{"end_session_endpoint"},
			passes:   "/", denied: "/finance/",
			says: []string{`"X-Forwarded-Email":["alice@example.com"]`}, hushes: []string{"X-Forwarded-Groups", "Authorization"}},
		{provider: "auth0",
			id:     map[string]any{"sid": "s-1", "email": "alice@example.com", "email_verified": true, "https://app.example.com/groups": []string{"Admin"}},
			access: map[string]any{"aud": []string{"https://api.example.com", "https://example.eu.auth0.com/userinfo"}, "azp": providertest.ClientID, "scope": "openid profile email"},
			passes: "/admin/", says: []string{`"X-Forwarded-Groups":["Admin"]`, `"Authorization":["Bearer `}},
		{provider: "gitlab",
			id:       map[string]any{"sub_legacy": "x", "email": "alice@example.com", "email_verified": true, "groups_direct": []string{"acme/platform/release"}},
			userinfo: map[string]any{"groups": []string{"acme", "acme/platform/release"}, "preferred_username": "alice"},
			metadata: []string{"end_session_endpoint"},
			passes:   "/deploy/", says: []string{`"X-Forwarded-Groups":["acme,acme/platform/release"]`, `"X-Forwarded-Preferred-Username":["alice"]`},
			hushes: []string{"Authorization"}},
		{provider: "authelia",
			id:       map[string]any{"azp": providertest.ClientID, "amr": []string{"pwd", "otp", "mfa"}},
			userinfo: map[string]any{"groups": []string{"admins", "dev"}, "email": "alice@example.com", "email_verified": true, "preferred_username": "alice"},
			metadata: []string{"end_session_endpoint"},
			passes:   "/admin/", says: []string{`"X-Forwarded-Groups":["admins,dev"]`, `"X-Forwarded-Email":["alice@example.com"]`}},
		{provider: "authentik",
			id:     map[string]any{"groups": []string{"authentik Admins"}, "email": "alice@example.com", "email_verified": false, "preferred_username": "alice"},
			access: map[string]any{"aud": providertest.ClientID, "azp": providertest.ClientID},
			passes: "/admin/", says: []string{`"X-Forwarded-Groups":["authentik Admins"]`}, hushes: []string{"X-Forwarded-Email"}},
		{provider: "zitadel",
			id: map[string]any{"aud": []string{providertest.ClientID, project}, "azp": providertest.ClientID, "amr": []string{"pwd"},
				"urn:zitadel:iam:org:project:roles": granted, "urn:zitadel:iam:org:project:" + project + ":roles": granted},
			access:   map[string]any{"aud": []string{providertest.ClientID, project}, "client_id": providertest.ClientID},
			userinfo: map[string]any{"email": "alice@example.com", "email_verified": true, "preferred_username": "alice@acme.zitadel.cloud"},
			passes:   "/admin/", says: []string{`"X-Forwarded-Groups":["admin"]`, `"X-Forwarded-Email":["alice@example.com"]`}},
		{provider: "cognito",
			id: map[string]any{"token_use": "id", "cognito:groups": []string{"Admin"}, "cognito:username": "alice", "email": "alice@example.com", "email_verified": true},
			access: map[string]any{"aud": nil, "token_use": "access", "client_id": providertest.ClientID, "cognito:groups": []string{"Admin"}, "username": "alice",
				"scope": "openid email"},
			userinfo: map[string]any{"username": "alice", "email": "alice@example.com", "email_verified": "true"},
			passes:   "/admin/", says: []string{`"X-Forwarded-Groups":["Admin"]`, `"X-Forwarded-Email":["alice@example.com"]`}},
		{provider: "okta",
			id:       map[string]any{"groups": []string{"Admin"}, "email": "alice@example.com", "preferred_username": "alice@example.com", "ver": 1},
			access:   map[string]any{"sub": "alice@example.com", "uid": "alice", "cid": providertest.ClientID, "aud": "api://default", "groups": []string{"Admin"}, "ver": 1},
			userinfo: map[string]any{"email": "alice@example.com", "email_verified": true},
			passes:   "/admin/", says: []string{`"X-Forwarded-User":["alice"]`, `"X-Forwarded-Groups":["Admin"]`, `"Authorization":["Bearer `}},
	}
}

// What the guides say of providers that do not run here comes about, if these send what their documentation says.
func TestHabits(t *testing.T) {
	for _, h := range habits() {
		t.Run(h.provider, func(t *testing.T) {
			s := h.site(t)
			v := s.Visitor(t)
			page := v.Open(s.Origin + h.passes)
			page.Want(t, s.Origin+h.passes, http.StatusOK, h.says...)
			for _, hushed := range h.hushes {
				if strings.Contains(page.Body, hushed) {
					t.Errorf("the application is told %s: %s", hushed, page.Body)
				}
			}
			if h.denied != "" {
				v.Open(s.Origin+h.denied).Want(t, s.Origin+h.denied, http.StatusForbidden)
			}
		})
	}
}

// An account outside of the organisation gets nowhere, whatever its address.
func TestGoogleAccountOfNoOrganisation(t *testing.T) {
	h := habits()[1]
	delete(h.id, "hd")
	delete(h.userinfo, "hd")
	s := h.site(t)
	s.Visitor(t).Open(s.Origin+"/").Want(t, s.Origin+"/", http.StatusForbidden, "claim:hd=example.com")
}

// Where a provider has no way out of its own, people see that they are signed out here.
func TestSignOutWithoutEndSessionEndpoint(t *testing.T) {
	for _, h := range habits() {
		if len(h.metadata) == 0 || h.metadata[0] != "end_session_endpoint" {
			continue
		}
		t.Run(h.provider, func(t *testing.T) {
			s := h.site(t)
			v := s.Visitor(t)
			v.Open(s.Origin+h.passes).Want(t, s.Origin+h.passes, http.StatusOK)
			v.Send(v.Open(s.Origin+"/oauth2/sign_out"), nil).Want(t, s.Origin+"/oauth2/sign_out", http.StatusOK, "signed out")
		})
	}
}
