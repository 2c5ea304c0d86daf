//go:build unix

package keycloak

import (
	"net/http"
	"strings"
	"testing"

	"doorward/deploy/deploytest"
)

// testBackchannelLogout has an administrator end all of alice's sessions: Keycloak tells doorward.
func (k *keycloak) testBackchannelLogout(t *testing.T) {
	s := k.newSite(t, deploytest.NewSite(t), nil, nil)
	alice, bob := s.Visitor(t), s.Visitor(t)
	signIn(alice, s.Origin+"/", "alice").Want(t, s.Origin+"/", http.StatusOK)
	signIn(bob, s.Origin+"/", "bob").Want(t, s.Origin+"/", http.StatusOK)
	bob.Forbid(k.issuer + "/protocol/openid-connect/auth")

	k.administer(t, http.MethodPost, "/users/"+k.userID(t, "alice")+"/logout", nil)
	if page := alice.Open(s.Origin + "/"); !strings.HasPrefix(page.URL.String(), k.url) {
		t.Errorf("alice was signed out at Keycloak, and is still at %s", page.URL)
	}
	bob.Open(s.Origin+"/").Want(t, s.Origin+"/", http.StatusOK)
	signIn(alice, s.Origin+"/", "alice").Want(t, s.Origin+"/", http.StatusOK, "Hello, alice")
}

// testFrontchannelLogout signs alice out on a page of Keycloak's, which shows doorward in a frame. It takes a browser to see that
// Keycloak's page may have that frame, and doorward's answer be in it.
func (k *keycloak) testFrontchannelLogout(t *testing.T) {
	s := deploytest.NewSite(t)
	k.newSite(t, s, func(client map[string]any) {
		client["frontchannelLogout"] = true
		attributes := client["attributes"].(map[string]any)
		delete(attributes, "backchannel.logout.url")
		attributes["frontchannel.logout.url"] = s.Origin + "/oauth2/frontchannel-logout"
		attributes["frontchannel.logout.session.required"] = "true"
	}, nil)
	b := deploytest.NewBrowser(t)
	b.Open(s.Origin + "/")
	if page := fillIn(b, "alice"); page.URL != s.Origin+"/" {
		t.Fatalf("signing in ended at %s", page.URL)
	}
	b.Open(k.issuer + "/protocol/openid-connect/logout")
	b.Click("#kc-logout")
	if page := b.Open(s.Origin + "/"); !strings.HasPrefix(page.URL, k.url) {
		t.Errorf("alice signed out at Keycloak, and is still at %s", page.URL)
	}
	if broken := b.Violations(); len(broken) > 0 {
		t.Errorf("the browser refused:\n%s", strings.Join(broken, "\n"))
	}
}
