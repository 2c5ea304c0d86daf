// Package pages tests doorward's pages as people meet them: in a browser, at every step of a login, worn down by whatever can go wrong.
package pages

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"sync/atomic"
	"testing"

	"doorward/cmd/demo/provider"
	"doorward/config"
	"doorward/deploy/deploytest"
)

// site is doorward in front of an application, with the demo's provider, whose login page has a form.
type site struct {
	*deploytest.Site
	provider string
	asked    atomic.Pointer[url.Values] // the last authorization request
}

// options are what a test wants of a site.
type options struct {
	application http.Handler         // a plain page when nil
	settings    func(*config.Config) // doorward's
}

func newSite(t *testing.T, o options) *site {
	t.Helper()
	s := &site{Site: deploytest.NewSite(t)}
	secret := rand.Text()
	var people http.Handler
	s.provider = deploytest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if query := r.URL.Query(); query.Has("state") {
			s.asked.Store(&query)
		}
		people.ServeHTTP(w, r)
	}))
	people, err := provider.New(provider.Options{
		Issuer: s.provider, ClientID: "doorward", ClientSecret: secret, Audience: "demo-api",
		RedirectURIs: []string{s.Origin + "/oauth2/callback"}, PostLogoutURIs: []string{s.Origin + "/oauth2/sign_out"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if o.application == nil {
		o.application = http.HandlerFunc(plainPage)
	}
	s.Start(s.provider, deploytest.Serve(t, o.application), func(c *config.Config) {
		c.ClientSecret, c.Scopes = secret, "openid profile email groups"
		c.AccessRules += "; /internal/ deny; GET /status public"
		if o.settings != nil {
			o.settings(c)
		}
	})
	return s
}

// plainPage is all that the application has, at every path.
func plainPage(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html")
	fmt.Fprint(w, `<!doctype html><link rel="icon" href="data:,"><title>The application</title><p>The application`)
}

// signIn presses a person's button at the provider.
func signIn(b *deploytest.Browser, user string) deploytest.Page {
	return b.Click("button[name=user][value=" + user + "]")
}
