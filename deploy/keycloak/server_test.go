//go:build unix

package keycloak

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"doorward/deploy/deploytest"
	"doorward/deploy/programtest"
)

// keycloak is a Keycloak that runs, with the realm of this folder and somebody who administers it.
type keycloak struct {
	url, issuer   string
	adminPassword string
}

// startKeycloak runs Keycloak with the realm for a doorward at origin.
func startKeycloak(t *testing.T, origin string) *keycloak {
	t.Helper()
	distribution := os.Getenv("KEYCLOAK_HOME")
	if distribution == "" {
		programtest.Missing(t, "keycloak", "KEYCLOAK_HOME does not name its folder (README.md says where to get it)")
	}
	port := programtest.FreePort(t)
	k := &keycloak{url: "http://localhost:" + port, adminPassword: rand.Text()}
	k.issuer = k.url + "/realms/doorward"
	kc := exec.Command(filepath.Join(distribution, "bin", "kc.sh"), "start-dev", "--import-realm", "--db=dev-mem",
		"--http-host=127.0.0.1", "--http-port="+port, "--hostname="+k.url, "-Dkc.home.dir="+keycloakHome(t, distribution))
	kc.Env = append(os.Environ(), "DOORWARD_PUBLIC_URL="+origin,
		"KC_BOOTSTRAP_ADMIN_USERNAME=admin", "KC_BOOTSTRAP_ADMIN_PASSWORD="+k.adminPassword)
	deploytest.AwaitProvider(t, k.issuer, programtest.Run(t, kc))
	return k
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
	imports := filepath.Join(home, "data", "import")
	if err := os.MkdirAll(imports, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(imports, "doorward-realm.json"), realm(t), 0o644); err != nil {
		t.Fatal(err)
	}
	return home
}

func realm(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile("realm.json")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// register adds a client like the realm's own, for a doorward at origin, with what change changes, and returns its client_id.
func (k *keycloak) register(t *testing.T, origin string, change func(client map[string]any)) string {
	t.Helper()
	own := strings.NewReplacer("${DOORWARD_PUBLIC_URL:http://localhost:4180}", origin, "${DOORWARD_CLIENT_SECRET:doorward-demo-secret}", "doorward-demo-secret")
	var realmJSON struct{ Clients []map[string]any }
	if err := json.Unmarshal([]byte(own.Replace(string(realm(t)))), &realmJSON); err != nil {
		t.Fatal(err)
	}
	client := realmJSON.Clients[0]
	id := "doorward-" + rand.Text()
	client["clientId"] = id
	if change != nil {
		change(client)
	}
	k.administer(t, http.MethodPost, "/clients", client)
	return id
}

// administer makes a request to the realm's admin API and returns the answer's body.
func (k *keycloak) administer(t *testing.T, method, path string, body any) []byte {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, k.url+"/admin/realms/doorward"+path, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+k.adminToken(t))
	return answer(t, r)
}

func (k *keycloak) adminToken(t *testing.T) string {
	t.Helper()
	form := url.Values{"grant_type": {"password"}, "client_id": {"admin-cli"}, "username": {"admin"}, "password": {k.adminPassword}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, k.url+"/realms/master/protocol/openid-connect/token", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	var token struct {
		Access string `json:"access_token"`
	}
	if err := json.Unmarshal(answer(t, r), &token); err != nil {
		t.Fatal(err)
	}
	return token.Access
}

func answer(t *testing.T, r *http.Request) []byte {
	t.Helper()
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	body, err := io.ReadAll(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	if got.StatusCode >= 300 {
		t.Fatalf("%s %s answers %s:\n%s", r.Method, r.URL.Path, got.Status, body)
	}
	return body
}
