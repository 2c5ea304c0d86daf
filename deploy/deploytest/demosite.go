package deploytest

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"sync/atomic"
	"testing"

	"doorward/cmd/demo/provider"
	"doorward/config"
)

// DemoSite is doorward in front of an application, with the demo's provider, whose login page has a form.
type DemoSite struct {
	*Site
	// Provider is its issuer.
	Provider string

	asked atomic.Pointer[url.Values]
}

// NewDemoSite starts all three. What settings changes comes last.
func NewDemoSite(t testing.TB, application http.Handler, settings func(*config.Config)) *DemoSite {
	t.Helper()
	s := &DemoSite{Site: NewSite(t)}
	var people http.Handler
	s.Provider = Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if query := r.URL.Query(); query.Has("state") {
			s.asked.Store(&query)
		}
		people.ServeHTTP(w, r)
	}))
	secret := rand.Text()
	people, err := provider.New(provider.Options{
		Issuer: s.Provider, ClientID: "doorward", ClientSecret: secret, Audience: "demo-api",
		RedirectURIs: []string{s.Origin + "/oauth2/callback"}, PostLogoutURIs: []string{s.Origin + "/oauth2/sign_out"},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start(s.Provider, Serve(t, application), func(c *config.Config) {
		c.ClientSecret, c.Scopes = secret, "openid profile email groups"
		c.AccessRules += "; /internal/ deny; GET /status public"
		if settings != nil {
			settings(c)
		}
	})
	return s
}

// Asked is the last authorization request.
func (s *DemoSite) Asked() url.Values { return *s.asked.Load() }

// SignIn presses a person's button on the demo provider's login page.
func (b *Browser) SignIn(user string) Page {
	b.t.Helper()
	return b.Click("button[name=user][value=" + user + "]")
}
