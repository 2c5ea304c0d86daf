//go:build unix

package keycloak

import (
	"testing"

	"doorward/config"
	"doorward/deploy/deploytest"
	"doorward/proxy/provider"
)

// testInspection is what `doorward check --live` says of clients that are registered well, and badly.
func (k *keycloak) testInspection(t *testing.T) {
	here, elsewhere := deploytest.NewSite(t), deploytest.NewSite(t)
	id := k.register(t, here.Origin, nil)
	here.Inspect(t, k.issuer, nil) // Keycloak's first requests may take it longer than they are waited for
	const ok, note, fail = provider.LevelOK, provider.LevelNote, provider.LevelFail
	for _, tt := range []struct {
		name     string
		site     *deploytest.Site
		settings func(*config.Config)
		want     map[string]provider.Level
	}{
		{"as it should be", here, nil, map[string]provider.Level{"provider.client": ok, "provider.redirect-uri": ok, "provider.request": ok, "provider.scope": ok}},
		{"wrong secret", here, func(c *config.Config) { c.ClientSecret = "another" }, map[string]provider.Level{"provider.client": fail, "provider.redirect-uri": ok}},
		{"another origin", elsewhere, nil, map[string]provider.Level{"provider.client": ok, "provider.redirect-uri": fail}},
		{"a scope that there is not", here, func(c *config.Config) { c.Scopes = "openid grops" }, map[string]provider.Level{"provider.request": fail, "provider.scope": note}},
		{"pushed", here, func(c *config.Config) { c.PAR = "always" }, map[string]provider.Level{"provider.client": ok, "provider.redirect-uri": ok, "provider.request": ok}},
		{"pushed from another origin", elsewhere, func(c *config.Config) { c.PAR = "always" }, map[string]provider.Level{"provider.redirect-uri": fail}},
		{"wrong secret, pushed", here, func(c *config.Config) { c.PAR, c.ClientSecret = "always", "another" }, map[string]provider.Level{"provider.client": fail, "provider.request": fail}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.site.WantFindings(t, k.issuer, tt.want, forTheAPI, func(c *config.Config) { c.ClientID = id }, tt.settings)
		})
	}
}
