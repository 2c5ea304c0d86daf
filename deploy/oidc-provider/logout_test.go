//go:build unix

package oidcprovider

import (
	"net/http"
	"strings"
	"testing"

	"doorward/deploy/deploytest"
)

// TestBackchannelLogout signs alice out at the provider, in one of her two browsers: doorward ends the session of that one, though
// its cookie is still there.
func TestBackchannelLogout(t *testing.T) {
	s := newSite(t, nil)
	v, other := s.Visitor(t), s.Visitor(t)
	signIn(v, s.Origin+"/", "alice").Want(t, s.Origin+"/", http.StatusOK)
	signIn(other, s.Origin+"/", "alice").Want(t, s.Origin+"/", http.StatusOK)
	other.Forbid(s.issuer + "/auth")

	leave(v, s.issuer)
	if page := v.Open(s.Origin + "/"); !strings.HasPrefix(page.URL.String(), s.issuer+"/interaction/") {
		t.Errorf("alice signed out at the provider, and is still at %s", page.URL)
	}
	other.Open(s.Origin+"/").Want(t, s.Origin+"/", http.StatusOK)

	signIn(v, s.Origin+"/", "alice").Want(t, s.Origin+"/", http.StatusOK, "Hello, alice")
}

// TestSignOutRevokes stops at the provider's question whether to sign out there too. The refresh token is revoked all the same
// (RFC 7009), and with it everything that the provider had granted by that login: the access token is good for nothing.
func TestSignOutRevokes(t *testing.T) {
	s := deploytest.NewSite(t)
	issuer := start(t, s.Origin)
	s.Start(issuer, deploytest.Echo(t), nil)
	v := s.Visitor(t)
	token := signIn(v, s.Origin+"/", "alice").AccessToken(t)
	if status := userinfo(t, issuer, token); status != http.StatusOK {
		t.Fatalf("before, userinfo answers %d", status)
	}
	v.Send(v.Open(s.Origin+"/oauth2/sign_out"), nil).Want(t, issuer+"/session/end", http.StatusOK)
	deploytest.Await(t, "the access token's end", func() bool { return userinfo(t, issuer, token) == http.StatusUnauthorized })
}

func userinfo(t *testing.T, issuer, token string) (status int) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, issuer+"/me", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	return answer.StatusCode
}
