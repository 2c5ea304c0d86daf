//go:build unix

// Package keycloak tests doorward against a real Keycloak, with the realm that README.md tells people to import.
package keycloak

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"doorward/config"
	"doorward/deploy/deploytest"
)

// TestSignInThroughKeycloak needs KEYCLOAK_HOME, the folder of an unpacked Keycloak 26, and a Java for it in PATH.
func TestSignInThroughKeycloak(t *testing.T) {
	site := deploytest.NewSite(t)
	issuer := startKeycloak(t, site.Origin)
	site.Start(issuer, deploytest.Backend(t, issuer), func(c *config.Config) { c.Audience = []string{"demo-api"} })

	story := deploytest.Story{Origin: site.Origin, SignIn: signIn, Name: "keycloak"}
	t.Run("alice", story.Alice)
	t.Run("bob", story.Bob)
}

// signIn fills in Keycloak's page; the passwords are the names.
func signIn(b *deploytest.Browser, user string) deploytest.Page {
	b.Fill("#username", user)
	b.Fill("#password", user)
	return b.Click("#kc-login")
}

// startKeycloak runs Keycloak with the realm for a doorward at origin, and returns the realm's issuer.
func startKeycloak(t *testing.T, origin string) string {
	t.Helper()
	distribution := os.Getenv("KEYCLOAK_HOME")
	if distribution == "" {
		deploytest.Missing(t, "keycloak", "KEYCLOAK_HOME does not name its folder (README.md says where to get it)")
	}
	port := deploytest.FreePort(t)
	url := "http://localhost:" + port
	kc := exec.Command(filepath.Join(distribution, "bin", "kc.sh"), "start-dev", "--import-realm", "--db=dev-mem",
		"--http-host=127.0.0.1", "--http-port="+port, "--hostname="+url, "-Dkc.home.dir="+keycloakHome(t, distribution))
	kc.Env = append(os.Environ(), "DOORWARD_PUBLIC_URL="+origin)
	issuer := url + "/realms/doorward"
	deploytest.AwaitProvider(t, issuer, deploytest.Run(t, kc))
	return issuer
}

// keycloakHome is a home for this test alone: the realm to import and the parts of the distribution. Nothing of the test
// stays in the distribution.
func keycloakHome(t *testing.T, distribution string) string {
	t.Helper()
	home := t.TempDir()
	for _, part := range []string{"conf", "lib", "providers", "themes"} {
		if err := os.Symlink(filepath.Join(distribution, part), filepath.Join(home, part)); err != nil {
			t.Fatal(err)
		}
	}
	realm, err := os.ReadFile("realm.json")
	if err != nil {
		t.Fatal(err)
	}
	imports := filepath.Join(home, "data", "import")
	if err := os.MkdirAll(imports, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(imports, "doorward-realm.json"), realm, 0o644); err != nil {
		t.Fatal(err)
	}
	return home
}
