package provider_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"doorward/cmd/demo/provider"
	"doorward/config"
	"doorward/deploy/deploytest"
)

// These tests let doorward itself use the provider: zitadel's op, in another way each time than the demo does.

// site is doorward in front of the demo's application, with a provider of its own.
type site struct {
	*deploytest.Site
	issuer string
}

// start starts both, doorward at s; options changes the provider, settings doorward.
func start(t *testing.T, s *deploytest.Site, options func(*provider.Options), settings func(*config.Config)) site {
	t.Helper()
	var p *provider.Provider
	issuer := deploytest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.ServeHTTP(w, r) }))
	o := provider.Options{
		Issuer: issuer, ClientID: "doorward", ClientSecret: "doorward-demo-secret", Audience: "demo-api",
		RedirectURIs: []string{s.Origin + "/oauth2/callback"}, PostLogoutURIs: []string{s.Origin + "/oauth2/sign_out"},
	}
	if options != nil {
		options(&o)
	}
	var err error
	if p, err = provider.New(o); err != nil {
		t.Fatal(err)
	}
	s.Start(issuer, deploytest.Backend(t, issuer), func(c *config.Config) {
		c.Audience = []string{"demo-api"}
		if settings != nil {
			settings(c)
		}
	})
	return site{s, issuer}
}

// signIn opens a page without a session and presses a user's button at the provider.
func signIn(v *deploytest.Visitor, address, user string) *deploytest.Sheet {
	return v.Send(v.Open(address), url.Values{"user": {user}})
}

func TestDoorwardSignsIn(t *testing.T) {
	s := start(t, deploytest.NewSite(t), nil, nil)
	for user, admin := range map[string]int{"alice": http.StatusOK, "bob": http.StatusForbidden} {
		v := s.Visitor(t)
		signIn(v, s.Origin+"/", user).Want(t, s.Origin+"/", http.StatusOK, "Hello, "+user)
		v.Open(s.Origin+"/admin/").Want(t, s.Origin+"/admin/", admin)
	}
}

func TestDoorwardSignsInByFormPost(t *testing.T) {
	s := start(t, deploytest.NewTLSSite(t), nil, func(c *config.Config) { c.ResponseMode = "form_post" })
	v := s.Visitor(t)
	form := signIn(v, s.Origin+"/admin/", "alice")
	if !strings.Contains(form.Body, s.Origin+"/oauth2/callback") {
		t.Fatalf("the provider does not post to the callback:\n%s", form.Body)
	}
	v.Send(form, nil).Want(t, s.Origin+"/admin/", http.StatusOK)
}

func TestDoorwardSignsOut(t *testing.T) {
	s := start(t, deploytest.NewSite(t), nil, nil)
	v := s.Visitor(t)
	signIn(v, s.Origin+"/", "alice").Want(t, s.Origin+"/", http.StatusOK)
	v.Send(v.Open(s.Origin+"/oauth2/sign_out"), nil).Want(t, s.Origin+"/oauth2/sign_out", http.StatusOK, "signed out")
	if page := v.Open(s.Origin + "/"); !strings.HasPrefix(page.URL.String(), s.issuer) {
		t.Errorf("after signing out, alice is let in again without being asked: %s", page.URL)
	}
}
