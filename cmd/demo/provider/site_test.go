package provider_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

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

// TestDoorwardRefreshes lives through three access tokens; the provider takes each refresh token once.
func TestDoorwardRefreshes(t *testing.T) {
	t.Parallel()
	s := start(t, deploytest.NewSite(t), func(o *provider.Options) { o.AccessTokenLifetime = 3 * time.Second }, func(c *config.Config) {
		c.Scopes = "openid profile email groups offline_access"
		c.RefreshBefore = time.Second
	})
	v := s.Visitor(t)
	signIn(v, s.Origin+"/", "alice").Want(t, s.Origin+"/", http.StatusOK)
	v.Forbid(s.issuer + "/authorize") // where single sign-on would hide that a refresh failed
	v.AwaitNewTokens(s.Origin, 2)
}

// TestDoorwardAsksForANewLogin where a rule does not want an old one.
func TestDoorwardAsksForANewLogin(t *testing.T) {
	t.Parallel()
	s := start(t, deploytest.NewSite(t), nil, func(c *config.Config) { c.AccessRules = "/ authenticated; /admin/ group:Admin max-age:2s" })
	v := s.Visitor(t)
	signIn(v, s.Origin+"/", "alice").Want(t, s.Origin+"/", http.StatusOK)
	var asked *deploytest.Sheet
	deploytest.Await(t, "the provider's login page", func() bool {
		asked = v.Open(s.Origin + "/admin/")
		return strings.HasPrefix(asked.URL.String(), s.issuer)
	})
	v.Send(asked, url.Values{"user": {"alice"}}).Want(t, s.Origin+"/admin/", http.StatusOK)
}

// TestDoorwardTakesBearerTokens that the provider issued for the API, here those of a login of doorward's own.
func TestDoorwardTakesBearerTokens(t *testing.T) {
	s := start(t, deploytest.NewSite(t), nil, func(c *config.Config) { c.Upstreams = deploytest.Echo(t) })
	for user, admin := range map[string]int{"alice": http.StatusOK, "bob": http.StatusForbidden} {
		shown := signIn(s.Visitor(t), s.Origin+"/", user)
		token := shown.AccessToken(t)
		s.Call(t, "/", token).Want(t, s.Origin+"/", http.StatusOK, `"X-Forwarded-User":["`+user+`"]`)
		s.Call(t, "/admin/", token).Want(t, s.Origin+"/admin/", admin)
		s.Call(t, "/", token[:len(token)-4]).Want(t, s.Origin+"/", http.StatusUnauthorized, "invalid_token")
	}
}
