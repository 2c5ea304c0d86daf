//go:build unix

package keycloak

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"doorward/deploy/deploytest"
)

// testBearerTokens calls doorward with tokens of another client of the realm: for people, and in the program's own name. Keycloak
// writes no at+jwt into its access tokens, so that other kinds have to be told apart by their payload.
func (k *keycloak) testBearerTokens(t *testing.T) {
	s := k.newSite(t, deploytest.NewSite(t), nil, nil)
	program := k.register(t, "http://localhost:8085", func(client map[string]any) {
		client["directAccessGrantsEnabled"], client["serviceAccountsEnabled"] = true, true
	})
	alice, bob := k.tokens(t, program, "alice"), k.tokens(t, program, "bob")
	for _, tt := range []struct {
		name, token, path string
		status            int
		shows             string
	}{
		{"alice's", alice.Access, "/admin/", http.StatusOK, "The admin area"},
		{"bob's", bob.Access, "/", http.StatusOK, "Hello, bob"},
		{"bob's at /admin/", bob.Access, "/admin/", http.StatusForbidden, ""},
		{"the program's own", k.tokens(t, program, "").Access, "/api/me", http.StatusOK, "service-account-"},
		{"the ID token", alice.ID, "/", http.StatusUnauthorized, "invalid_token"},
		{"the refresh token", alice.Refresh, "/", http.StatusUnauthorized, "invalid_token"},
		{"for Keycloak's own API", k.adminToken(t), "/", http.StatusUnauthorized, "invalid_token"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s.Call(t, tt.path, tt.token).Want(t, s.Origin+tt.path, tt.status, tt.shows)
		})
	}
}

// tokens are what a client gets for a user by password, or for itself when there is no user.
func (k *keycloak) tokens(t *testing.T, client, user string) (got struct {
	Access  string `json:"access_token"`
	ID      string `json:"id_token"`
	Refresh string `json:"refresh_token"`
}) {
	t.Helper()
	form := url.Values{"grant_type": {"password"}, "scope": {"openid"}, "username": {user}, "password": {user}}
	if user == "" {
		form = url.Values{"grant_type": {"client_credentials"}}
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, k.issuer+"/protocol/openid-connect/token", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(client, "doorward-demo-secret")
	if err := json.Unmarshal(answer(t, r), &got); err != nil {
		t.Fatal(err)
	}
	return got
}
