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
	v.AwaitNewTokens(s.Origin, 2)
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
