//go:build unix

// Package dex tests doorward with Dex, configured as README.md tells people to.
package dex

import (
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"doorward/config"
	"doorward/deploy/deploytest"
	"doorward/deploy/programtest"
)

// start runs Dex for a doorward at origin, and returns its issuer. more is added to dex.yaml.
func start(t *testing.T, origin, more string) string {
	t.Helper()
	program := os.Getenv("DEX")
	if program == "" {
		programtest.Missing(t, "dex", "DEX is not set to the program's path; deploy/dex/README.md says how to build it")
	}
	text, err := os.ReadFile("dex.yaml")
	if err != nil {
		t.Fatal(err)
	}
	port := programtest.FreePort(t)
	issuer := "http://localhost:" + port + "/dex"
	written := strings.NewReplacer("localhost:5556", "localhost:"+port, "127.0.0.1:5556", "127.0.0.1:"+port, "http://localhost:4180", origin).Replace(string(text))
	file := filepath.Join(t.TempDir(), "dex.yaml")
	if err := os.WriteFile(file, []byte(written+more), 0o600); err != nil {
		t.Fatal(err)
	}
	deploytest.AwaitProvider(t, issuer, programtest.Run(t, exec.Command(program, "serve", file)))
	return issuer
}

// newSite starts Dex and, in front of an application that shows what reached it, doorward with the README's settings.
func newSite(t *testing.T, more string, settings func(*config.Config)) (s *deploytest.Site, issuer string) {
	t.Helper()
	s = deploytest.NewSite(t)
	issuer = start(t, s.Origin, more)
	s.Start(issuer, deploytest.Echo(t), func(c *config.Config) {
		c.Scopes = "openid profile email groups offline_access"
		c.AccessRules = "/ authenticated; /authors/ group:authors"
		if settings != nil {
			settings(c)
		}
	})
	return s, issuer
}

// byPassword fills in Dex's form, to which its page with the choice leads.
func byPassword(v *deploytest.Visitor, address string) *deploytest.Sheet {
	return v.Send(v.Open(address), url.Values{"login": {"bob@example.com"}, "password": {"password"}})
}

func local(c *config.Config) { c.AuthParams = []string{"connector_id=local"} }

func mock(c *config.Config) { c.AuthParams = []string{"connector_id=mock"} }

// Dex's own people are in no group.
func TestSignInByPassword(t *testing.T) {
	s, _ := newSite(t, "", local)
	v := s.Visitor(t)
	byPassword(v, s.Origin+"/").Want(t, s.Origin+"/", http.StatusOK, `"X-Forwarded-Email":["bob@example.com"]`)
	v.Open(s.Origin+"/authors/").Want(t, s.Origin+"/authors/", http.StatusForbidden, "group:authors")
}

func TestSignInByConnector(t *testing.T) {
	s, _ := newSite(t, "", mock)
	s.Visitor(t).Open(s.Origin+"/authors/").Want(t, s.Origin+"/authors/", http.StatusOK,
		`"X-Forwarded-Groups":["authors"]`, `"X-Forwarded-Email":["kilgore@kilgore.trout"]`)
}

// Without the parameter people choose on Dex's page.
func TestDexAsksHow(t *testing.T) {
	s, issuer := newSite(t, "", nil)
	p := s.Visitor(t).Open(s.Origin + "/")
	if !strings.HasPrefix(p.URL.String(), issuer+"/auth") || !strings.Contains(p.Body, "Example") || !strings.Contains(p.Body, "Email") {
		t.Errorf("%s shows no choice:\n%s", p.URL, p.Body)
	}
}

func TestRefresh(t *testing.T) {
	s, issuer := newSite(t, "\nexpiry:\n  idTokens: 3s\n", func(c *config.Config) { mock(c); c.RefreshBefore = time.Second })
	v := s.Visitor(t)
	token := v.Open(s.Origin + "/authors/").AccessToken(t)
	v.Forbid(issuer + "/auth")
	for range 2 {
		last := token
		deploytest.Await(t, "a new access token", func() bool {
			token = v.Open(s.Origin + "/authors/").AccessToken(t)
			return token != last
		})
	}
}

// Dex has no logout of its own: people are signed out at doorward, and see so.
func TestSignOut(t *testing.T) {
	s, issuer := newSite(t, "", local)
	v := s.Visitor(t)
	byPassword(v, s.Origin+"/").Want(t, s.Origin+"/", http.StatusOK)
	v.Send(v.Open(s.Origin+"/oauth2/sign_out"), nil).Want(t, s.Origin+"/oauth2/sign_out", http.StatusOK, "signed out")
	if p := v.Open(s.Origin + "/"); !strings.HasPrefix(p.URL.String(), issuer+"/auth/local") {
		t.Errorf("after signing out, bob is let in again without being asked: %s", p.URL)
	}
}

// Dex's access tokens are for the client, and look like its ID tokens: a login may check them (AUDIENCE), API clients may not bring them.
func TestAccessTokensAreForTheClient(t *testing.T) {
	s, _ := newSite(t, "", func(c *config.Config) { mock(c); c.Audience = []string{"doorward"} })
	token := s.Visitor(t).Open(s.Origin + "/authors/").AccessToken(t)
	if p := s.Call(t, "/", token); p.Status != http.StatusUnauthorized {
		t.Errorf("an API client that brings one is answered %d: %s", p.Status, p.Body)
	}
}
