//go:build unix

package keycloak

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"doorward/config"
	"doorward/deploy/deploytest"
)

// testStepUp has a rule that asks for the realm's second level: Keycloak asks for the password once more, and for nothing else.
func (k *keycloak) testStepUp(t *testing.T) {
	s := k.newSite(t, deploytest.NewSite(t), nil, func(c *config.Config) { c.AccessRules = "/ authenticated; /admin/ group:Admin acr:mfa" })
	v := s.Visitor(t)
	signIn(v, s.Origin+"/", "alice").Want(t, s.Origin+"/", http.StatusOK)
	asked := v.Open(s.Origin + "/admin/")
	if !strings.HasPrefix(asked.URL.String(), k.url) || strings.Contains(asked.Body, `name="username"`) {
		t.Fatalf("Keycloak does not ask for the second level: %s\n%s", asked.URL, asked.Body)
	}
	v.Send(asked, url.Values{"password": {"alice"}}).Want(t, s.Origin+"/admin/", http.StatusOK)
	v.Open(s.Origin+"/admin/").Want(t, s.Origin+"/admin/", http.StatusOK)
}

// testMaxAge waits until the login is older than a rule allows.
func (k *keycloak) testMaxAge(t *testing.T) {
	t.Parallel()
	s := k.newSite(t, deploytest.NewSite(t), nil, func(c *config.Config) { c.AccessRules = "/ authenticated; /admin/ group:Admin max-age:2s" })
	v := s.Visitor(t)
	signIn(v, s.Origin+"/", "alice").Want(t, s.Origin+"/", http.StatusOK)
	var asked *deploytest.Sheet
	deploytest.Await(t, "Keycloak's login page", func() bool {
		asked = v.Open(s.Origin + "/admin/")
		return strings.HasPrefix(asked.URL.String(), k.url)
	})
	v.Send(asked, url.Values{"password": {"alice"}}).Want(t, s.Origin+"/admin/", http.StatusOK)
}
