//go:build unix

// Package oidcprovider tests doorward against oidc-provider, a certified provider in another language, as README.md tells
// people to run it.
package oidcprovider

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"

	"doorward/config"
	"doorward/deploy/deploytest"
	"doorward/deploy/programtest"
)

// resource asks for an access token that is a JWT for the demo's API (RFC 8707). Without it the token is opaque.
const resource = "resource=urn:doorward:demo-api"

// forTheAPI are the settings of a doorward whose upstream looks at the access token itself.
func forTheAPI(c *config.Config) {
	c.AuthParams = []string{resource}
	c.Audience = []string{"demo-api"}
}

// start runs the provider for a doorward at origin, with what environment changes, and returns its issuer.
func start(t *testing.T, origin string, environment ...string) string {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		programtest.Missing(t, "oidc-provider", "no node in PATH (Debian: apt-get install nodejs npm)")
	}
	if _, err := os.Stat("node_modules/oidc-provider"); err != nil {
		programtest.Missing(t, "oidc-provider", "npm ci has not run in deploy/oidc-provider")
	}
	port := programtest.FreePort(t)
	server := exec.Command(node, "server.js")
	server.Env = append(append(os.Environ(), "PORT="+port, "DOORWARD_URL="+origin), environment...)
	issuer := "http://localhost:" + port
	deploytest.AwaitProvider(t, issuer, programtest.Run(t, server))
	return issuer
}

// a site is doorward in front of the demo's application, with a provider of its own.
type site struct {
	*deploytest.Site
	issuer string
}

// newSite starts both; environment is the provider's, settings are doorward's.
func newSite(t *testing.T, settings func(*config.Config), environment ...string) site {
	t.Helper()
	s := site{Site: deploytest.NewSite(t)}
	s.issuer = start(t, s.Origin, environment...)
	s.Start(s.issuer, deploytest.Backend(t, s.issuer), func(c *config.Config) {
		forTheAPI(c)
		if settings != nil {
			settings(c)
		}
	})
	return s
}

// signIn opens a page without a session and presses a person's button at the provider. The sheet is where that led.
func signIn(v *deploytest.Visitor, address, user string) *deploytest.Sheet {
	return v.Send(v.Open(address), url.Values{"user": {user}})
}

// decoded is the header (0) or the payload (1) of a JWT, unverified.
func decoded(t *testing.T, token string, part int) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("a token of %d parts is no JWT", len(parts))
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[part])
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]any
	if err := json.Unmarshal(text, &members); err != nil {
		t.Fatal(err)
	}
	return members
}
