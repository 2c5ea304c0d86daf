//go:build unix

package oidcprovider

import (
	"testing"

	"doorward/config"
	"doorward/deploy/deploytest"
	"doorward/proxy/provider"
)

// TestInspection is what `doorward check --live` says of a client that is registered well, and badly.
func TestInspection(t *testing.T) {
	here, elsewhere := deploytest.NewSite(t), deploytest.NewSite(t)
	issuer := start(t, here.Origin)
	const ok, fail = provider.LevelOK, provider.LevelFail
	for _, tt := range []struct {
		name     string
		site     *deploytest.Site
		settings func(*config.Config)
		want     map[string]provider.Level
	}{
		{"as it should be", here, nil, map[string]provider.Level{"provider.client": ok, "provider.redirect-uri": ok, "provider.request": ok, "provider.clock": ok}},
		{"wrong secret", here, func(c *config.Config) { c.ClientSecret = "another" }, map[string]provider.Level{"provider.client": fail, "provider.redirect-uri": ok}},
		{"another origin", elsewhere, nil, map[string]provider.Level{"provider.client": ok, "provider.redirect-uri": fail}},
		{"another client", here, func(c *config.Config) { c.ClientID = "nobody" }, map[string]provider.Level{"provider.client": fail, "provider.redirect-uri": fail}},
		{"pushed", here, func(c *config.Config) { c.PAR = "always" }, map[string]provider.Level{"provider.client": ok, "provider.redirect-uri": ok, "provider.request": ok}},
		{"pushed from another origin", elsewhere, func(c *config.Config) { c.PAR = "always" }, map[string]provider.Level{"provider.redirect-uri": fail}},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.site.WantFindings(t, issuer, tt.want, forTheAPI, tt.settings) })
	}
}
