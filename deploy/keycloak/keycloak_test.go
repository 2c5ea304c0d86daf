//go:build unix

// Package keycloak tests doorward against a real Keycloak, with the realm that README.md tells people to import.
package keycloak

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"doorward/config"
	"doorward/deploy/deploytest"
)

// TestKeycloak starts Keycloak once, since that takes long. It needs KEYCLOAK_HOME, the folder of an unpacked Keycloak 26, and
// a Java for it in PATH.
func TestKeycloak(t *testing.T) {
	site := deploytest.NewSite(t)
	k := startKeycloak(t, site.Origin)
	site.Start(k.issuer, deploytest.Backend(t, k.issuer), forTheAPI)
	t.Run("the realm's own client in a browser", func(t *testing.T) {
		story := deploytest.Story{Origin: site.Origin, SignIn: fillIn, Name: "keycloak"}
		t.Run("alice", story.Alice)
		t.Run("bob", story.Bob)
	})
	t.Run("inspection", k.testInspection)
	t.Run("sign-in", k.testSignIn)
	t.Run("form_post", k.testFormPost)
	t.Run("iss of another", k.testAnswerOfAnotherIssuer)
	t.Run("key and pushed requests", k.testKeyAndPushedRequests)
	t.Run("private_key_jwt", k.testPrivateKeyJWT)
	t.Run("acr_values", k.testACRValues)
	t.Run("step-up", k.testStepUp)
	t.Run("sign-out", k.testSignOut)
	t.Run("back-channel logout", k.testBackchannelLogout)
	t.Run("front-channel logout", k.testFrontchannelLogout)
	t.Run("bearer tokens", k.testBearerTokens)
	// These wait for time to pass, together.
	t.Run("max-age", k.testMaxAge)
	t.Run("refresh", k.testRefresh)
	t.Run("refresh refused", k.testRefreshRefused)
}

// fillIn fills in Keycloak's page; the passwords are the names.
func fillIn(b *deploytest.Browser, user string) deploytest.Page {
	b.Fill("#username", user)
	b.Fill("#password", user)
	return b.Click("#kc-login")
}

// signIn does the same without a browser, from a page that needs a session.
func signIn(v *deploytest.Visitor, address, user string) *deploytest.Sheet {
	return v.Send(v.Open(address), url.Values{"username": {user}, "password": {user}})
}

// forTheAPI are the settings of a doorward whose upstream looks at the access token itself.
func forTheAPI(c *config.Config) { c.Audience = []string{"demo-api"} }

// newSite is a doorward that is a client of its own of the realm. client changes what is registered, settings doorward's end.
func (k *keycloak) newSite(t *testing.T, s *deploytest.Site, client func(map[string]any), settings func(*config.Config)) *deploytest.Site {
	t.Helper()
	id := k.register(t, s.Origin, client)
	s.Start(k.issuer, deploytest.Backend(t, k.issuer), func(c *config.Config) {
		c.ClientID = id
		forTheAPI(c)
		if settings != nil {
			settings(c)
		}
	})
	return s
}

func (k *keycloak) testSignIn(t *testing.T) {
	s := k.newSite(t, deploytest.NewSite(t), nil, nil)
	for user, admin := range map[string]int{"alice": http.StatusOK, "bob": http.StatusForbidden} {
		v := s.Visitor(t)
		signIn(v, s.Origin+"/", user).Want(t, s.Origin+"/", http.StatusOK, "Hello, "+user)
		v.Open(s.Origin+"/admin/").Want(t, s.Origin+"/admin/", admin)
	}
}

func (k *keycloak) testFormPost(t *testing.T) {
	s := k.newSite(t, deploytest.NewTLSSite(t), nil, func(c *config.Config) { c.ResponseMode = "form_post" })
	v := s.Visitor(t)
	form := signIn(v, s.Origin+"/admin/", "alice")
	if !strings.Contains(form.Body, s.Origin+"/oauth2/callback") {
		t.Fatalf("Keycloak does not post to the callback:\n%s", form.Body)
	}
	v.Send(form, nil).Want(t, s.Origin+"/admin/", http.StatusOK)
}

// testAnswerOfAnotherIssuer replaces the iss that Keycloak sends with every answer (RFC 9207).
func (k *keycloak) testAnswerOfAnotherIssuer(t *testing.T) {
	s := k.newSite(t, deploytest.NewSite(t), nil, nil)
	v := s.Visitor(t)
	v.Intercept(s.Origin+"/oauth2/callback", func(u *url.URL) {
		query := u.Query()
		if query.Get("iss") != k.issuer {
			t.Errorf("Keycloak sent iss=%q", query.Get("iss"))
		}
		query.Set("iss", "https://evil.example.com")
		u.RawQuery = query.Encode()
	})
	signIn(v, s.Origin+"/", "alice").Want(t, s.Origin+"/oauth2/callback", http.StatusBadRequest, "not one to this login")
}

// testACRValues asks for the realm's second level at every login: Keycloak asks for the password twice.
func (k *keycloak) testACRValues(t *testing.T) {
	s := k.newSite(t, deploytest.NewSite(t), nil, func(c *config.Config) {
		c.AuthParams = []string{"acr_values=mfa"}
		c.AccessRules = "/ acr:mfa"
	})
	v := s.Visitor(t)
	second := signIn(v, s.Origin+"/", "alice")
	if !strings.HasPrefix(second.URL.String(), k.url) {
		t.Fatalf("Keycloak asked once only: %s", second.URL)
	}
	v.Send(second, url.Values{"password": {"alice"}}).Want(t, s.Origin+"/", http.StatusOK, "Hello, alice")
}

func (k *keycloak) testSignOut(t *testing.T) {
	s := k.newSite(t, deploytest.NewSite(t), nil, nil)
	v := s.Visitor(t)
	signIn(v, s.Origin+"/", "alice").Want(t, s.Origin+"/", http.StatusOK)
	v.Send(v.Open(s.Origin+"/oauth2/sign_out"), nil).Want(t, s.Origin+"/oauth2/sign_out", http.StatusOK, "signed out")
	if page := v.Open(s.Origin + "/"); !strings.HasPrefix(page.URL.String(), k.url) {
		t.Errorf("after signing out, alice is let in again without being asked: %s", page.URL)
	}
}
