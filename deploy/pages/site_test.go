// Package pages tests doorward's pages as people meet them: in a browser, at every step of a login, worn down by whatever can go wrong.
package pages

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"testing"

	"doorward/cmd/demo/provider"
	"doorward/config"
	"doorward/deploy/deploytest"
)

// site is doorward in front of an application, with the demo's provider, whose login page has a form.
type site struct {
	*deploytest.Site
	provider string
}

func newSite(t *testing.T, application http.Handler, settings func(*config.Config)) *site {
	t.Helper()
	s := &site{Site: deploytest.NewSite(t)}
	secret := rand.Text()
	var people http.Handler
	s.provider = deploytest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { people.ServeHTTP(w, r) }))
	people, err := provider.New(provider.Options{
		Issuer: s.provider, ClientID: "doorward", ClientSecret: secret, Audience: "demo-api",
		RedirectURIs: []string{s.Origin + "/oauth2/callback"}, PostLogoutURIs: []string{s.Origin + "/oauth2/sign_out"},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start(s.provider, deploytest.Serve(t, application), func(c *config.Config) {
		c.ClientSecret, c.Scopes = secret, "openid profile email groups"
		c.AccessRules += "; /internal/ deny; GET /status public"
		if settings != nil {
			settings(c)
		}
	})
	return s
}

// application is a page for every path.
func application() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, `<!doctype html><link rel="icon" href="data:,"><title>The application</title><p>The application`)
	})
}

// signIn presses a person's button at the provider.
func signIn(b *deploytest.Browser, user string) deploytest.Page {
	return b.Click("button[name=user][value=" + user + "]")
}
