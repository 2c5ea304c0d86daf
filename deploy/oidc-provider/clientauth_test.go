//go:build unix

package oidcprovider

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"testing"

	"doorward/config"
	"doorward/deploy/deploytest"
)

func TestClientSecretPost(t *testing.T) {
	s := newSite(t, func(c *config.Config) { c.ClientAuth = "client_secret_post" }, "CLIENT_AUTH=client_secret_post")
	signIn(s.Visitor(t), s.Origin+"/admin/", "alice").Want(t, s.Origin+"/admin/", http.StatusOK)
}

// TestPrivateKeyJWT pushes each authorization request, since the provider demands that, and signs for both that and the code. The
// provider wants its issuer as the assertion's audience, and takes no assertion twice.
func TestPrivateKeyJWT(t *testing.T) {
	for _, algorithm := range []string{"RS256", "PS256", "ES256", "EdDSA"} {
		t.Run(algorithm, func(t *testing.T) {
			key, public := deploytest.ClientKey(t, algorithm)
			s := newSite(t, func(c *config.Config) {
				c.ClientAuth, c.ClientKey, c.ClientSecret = "private_key_jwt", key, ""
			}, "CLIENT_AUTH=private_key_jwt", "CLIENT_JWKS="+deploytest.KeySet(t, public), "REQUIRE_PAR=true")
			signIn(s.Visitor(t), s.Origin+"/admin/", "alice").Want(t, s.Origin+"/admin/", http.StatusOK)
		})
	}
}

// TestKeyOfAnother is refused by the provider, and the page says so.
func TestKeyOfAnother(t *testing.T) {
	key, _ := deploytest.ClientKey(t, "ES256")
	_, public := deploytest.ClientKey(t, "ES256")
	s := newSite(t, func(c *config.Config) {
		c.ClientAuth, c.ClientKey, c.ClientSecret = "private_key_jwt", key, ""
	}, "CLIENT_AUTH=private_key_jwt", "CLIENT_JWKS="+deploytest.KeySet(t, public))
	signIn(s.Visitor(t), s.Origin+"/", "alice").Want(t, s.Origin+"/oauth2/callback", http.StatusBadGateway, "invalid_client")
}

// TestPAR pushes where the provider demands it, and where it only could.
func TestPAR(t *testing.T) {
	for par, demand := range map[string]string{"auto": "REQUIRE_PAR=true", "always": "REQUIRE_PAR=false"} {
		t.Run(par, func(t *testing.T) {
			s := newSite(t, func(c *config.Config) { c.PAR = par }, demand)
			v := s.Visitor(t)
			carried := []string{"nothing"}
			v.Intercept(s.issuer+"/auth", func(u *url.URL) { carried = slices.Sorted(maps.Keys(u.Query())) })
			signIn(v, s.Origin+"/admin/", "alice").Want(t, s.Origin+"/admin/", http.StatusOK)
			if !slices.Equal(carried, []string{"client_id", "request_uri"}) {
				t.Errorf("the browser carried %q", carried)
			}
		})
	}
}
