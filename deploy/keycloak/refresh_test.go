//go:build unix

package keycloak

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"doorward/config"
	"doorward/deploy/deploytest"
)

// me is a part of what the demo's application says of the token that reached it.
type me struct {
	Claims struct {
		ID string `json:"jti"`
	}
	Groups []string
}

// refreshing is a doorward whose access tokens live for three seconds.
func (k *keycloak) refreshing(t *testing.T) *deploytest.Site {
	t.Helper()
	return k.newSite(t, deploytest.NewSite(t), func(client map[string]any) {
		client["attributes"].(map[string]any)["access.token.lifespan"] = "3"
	}, func(c *config.Config) { c.RefreshBefore = time.Second })
}

// testRefresh lives through three access tokens. In this realm each refresh token works once, and a second use ends everything.
func (k *keycloak) testRefresh(t *testing.T) {
	t.Parallel()
	s := k.refreshing(t)
	v := s.Visitor(t)
	signIn(v, s.Origin+"/", "alice").Want(t, s.Origin+"/", http.StatusOK)
	v.Forbid(k.issuer + "/protocol/openid-connect/auth") // where single sign-on would hide that a refresh failed
	last := whoami(t, v, s)
	for range 2 {
		var now me
		deploytest.Await(t, "a new access token", func() bool {
			now = whoami(t, v, s)
			return now.Claims.ID != last.Claims.ID
		})
		last = now
	}
}

func whoami(t *testing.T, v *deploytest.Visitor, s *deploytest.Site) (said me) {
	t.Helper()
	sheet := v.Open(s.Origin + "/api/me")
	sheet.Want(t, s.Origin+"/api/me", http.StatusOK)
	if err := json.Unmarshal([]byte(sheet.Body), &said); err != nil {
		t.Fatal(err)
	}
	return said
}

// testRefreshRefused disables bob: his session ends with his access token.
func (k *keycloak) testRefreshRefused(t *testing.T) {
	t.Parallel()
	s := k.refreshing(t)
	v := s.Visitor(t)
	signIn(v, s.Origin+"/", "bob").Want(t, s.Origin+"/", http.StatusOK)
	id := k.userID(t, "bob")
	k.administer(t, http.MethodPut, "/users/"+id, map[string]any{"enabled": false})
	defer k.administer(t, http.MethodPut, "/users/"+id, map[string]any{"enabled": true})
	deploytest.Await(t, "Keycloak's login page", func() bool {
		return strings.HasPrefix(v.Open(s.Origin+"/").URL.String(), k.url)
	})
}

func (k *keycloak) userID(t *testing.T, name string) string {
	t.Helper()
	var found []struct{ ID string }
	if err := json.Unmarshal(k.administer(t, http.MethodGet, "/users?exact=true&username="+name, nil), &found); err != nil || len(found) != 1 {
		t.Fatalf("there is no user %s: %v, %v", name, found, err)
	}
	return found[0].ID
}
