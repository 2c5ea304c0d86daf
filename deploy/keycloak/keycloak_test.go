//go:build unix

// Package keycloak tests doorward against a real Keycloak, with the realm that README.md tells people to import.
package keycloak

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"doorward/cmd/demo/backend"
	"doorward/config"
	"doorward/deploy/deploytest"
	"doorward/proxy"
)

// startLimit is how long Keycloak may take to start: it builds itself first, some 40 seconds on two cores.
const startLimit = 5 * time.Minute

// TestSignInThroughKeycloak needs KEYCLOAK_HOME, the folder of an unpacked Keycloak 26, and a Java for it in PATH.
func TestSignInThroughKeycloak(t *testing.T) {
	bySecret, byKey := newDoor(t), newDoor(t)
	key := newKey(t)
	// What `doorward check` prints, to be registered.
	public := string((&config.Config{ClientKey: key}).ClientPublicKey())
	issuer := startKeycloak(t, bySecret.origin, keyClient{byKey.origin, public})
	bySecret.open(t, issuer, func(c *config.Config) { c.ClientID, c.ClientSecret = "doorward", "doorward-demo-secret" })
	byKey.open(t, issuer, func(c *config.Config) {
		c.ClientID, c.ClientAuth, c.ClientKey = "doorward-key", "private_key_jwt", key
		c.PAR = "always" // Keycloak demands it of this client alone, which no metadata tell
	})

	story := deploytest.Story{Origin: bySecret.origin, SignIn: signIn, Name: "keycloak"}
	t.Run("alice", story.Alice)
	t.Run("bob", story.Bob)

	// A client that proves itself by a signature, and whose requests must be pushed.
	story = deploytest.Story{Origin: byKey.origin, SignIn: signIn, Name: "keycloak-key"}
	t.Run("alice, by key", story.Alice)
	t.Run("bob, by key", story.Bob)
}

// door is a doorward that browsers reach at origin.
type door struct {
	origin string
	server *httptest.Server
}

func newDoor(t *testing.T) *door {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	t.Cleanup(server.Close)
	return &door{"http://localhost:" + port(server.Listener), server}
}

func (d *door) open(t *testing.T, issuer string, client func(*config.Config)) {
	t.Helper()
	d.server.Config.Handler = doorward(t, d.origin, issuer, client)
	d.server.Start()
}

// signIn fills in Keycloak's page; the passwords are the names.
func signIn(b *deploytest.Browser, user string) deploytest.Page {
	b.Fill("#username", user)
	b.Fill("#password", user)
	return b.Click("#kc-login")
}

// doorward is the proxy, set up as README.md says, in front of the demo backend.
func doorward(t *testing.T, origin, issuer string, client func(*config.Config)) http.Handler {
	t.Helper()
	application, err := backend.New(backend.Options{Issuer: issuer, Audience: "demo-api"})
	if err != nil {
		t.Fatal(err)
	}
	upstream := httptest.NewServer(application)
	t.Cleanup(upstream.Close)

	c := config.Defaults()
	c.PublicURL = []string{origin}
	c.Upstreams = upstream.URL
	c.AccessRules = "/ authenticated; /admin/ group:Admin"
	c.IssuerURL = issuer
	client(c)
	c.Audience = []string{"demo-api"}
	c.CookieSecrets = []string{config.NewSecret()}
	p, err := proxy.New(proxy.Options{Config: c, Log: proxy.NewLog(t.Output(), c)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// startKeycloak runs Keycloak with the realm for a doorward at origin, and for another one that has a key, and returns the
// realm's issuer.
func startKeycloak(t *testing.T, origin string, other keyClient) string {
	t.Helper()
	distribution := os.Getenv("KEYCLOAK_HOME")
	if distribution == "" {
		deploytest.Missing(t, "keycloak", "KEYCLOAK_HOME does not name its folder (README.md says where to get it)")
	}
	url := "http://localhost:" + freePort(t)
	kc := exec.Command(filepath.Join(distribution, "bin", "kc.sh"), "start-dev", "--import-realm", "--db=dev-mem",
		"--http-host=127.0.0.1", "--http-port="+url[len("http://localhost:"):], "--hostname="+url,
		"-Dkc.home.dir="+keycloakHome(t, distribution, other))
	kc.Env = append(os.Environ(), "DOORWARD_PUBLIC_URL="+origin)
	issuer := url + "/realms/doorward"
	awaitDiscovery(t, issuer, run(t, kc))
	return issuer
}

// keycloakHome is a home for this test alone: the realm to import and the parts of the distribution. Nothing of the test
// stays in the distribution.
func keycloakHome(t *testing.T, distribution string, other keyClient) string {
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
	if err := os.WriteFile(filepath.Join(imports, "doorward-realm.json"), other.addTo(t, realm), 0o644); err != nil {
		t.Fatal(err)
	}
	return home
}

// newKey is a private key in PEM.
func newKey(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// keyClient is another client of the realm, for a doorward at origin that has a key.
type keyClient struct{ origin, publicKey string }

// addTo adds it to the realm: like the first client, but that it signs, and must push its requests.
func (k keyClient) addTo(t *testing.T, realm []byte) []byte {
	t.Helper()
	var members map[string]any
	if err := json.Unmarshal(realm, &members); err != nil {
		t.Fatal(err)
	}
	clients := members["clients"].([]any)
	client := maps.Clone(clients[0].(map[string]any))
	delete(client, "secret")
	client["clientId"], client["clientAuthenticatorType"] = "doorward-key", "client-jwt"
	client["redirectUris"] = []string{k.origin + "/oauth2/callback"}
	client["attributes"] = map[string]string{
		"pkce.code.challenge.method":            "S256",
		"post.logout.redirect.uris":             k.origin + "/oauth2/sign_out",
		"use.jwks.string":                       "true",
		"jwks.string":                           `{"keys":[` + k.publicKey + `]}`,
		"token.endpoint.auth.signing.alg":       "ES256",
		"require.pushed.authorization.requests": "true",
	}
	members["clients"] = append(clients, client)
	changed, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return changed
}

// run starts a program that ends with the test, and returns a context that ends with the program. When the test fails,
// the program's output is told.
func run(t *testing.T, program *exec.Cmd) context.Context {
	t.Helper()
	var output bytes.Buffer
	program.Stdout, program.Stderr = &output, &output
	// kc.sh starts Java as a child of its own; a group of their own lets both be ended.
	program.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := program.Start(); err != nil {
		t.Fatalf("starting %s: %v", program.Path, err)
	}
	running, ended := context.WithCancel(context.Background())
	go func() {
		defer ended()
		_ = program.Wait()
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-program.Process.Pid, syscall.SIGKILL)
		<-running.Done()
		if t.Failed() {
			t.Logf("%s said:\n%s", program.Path, output.String())
		}
	})
	return running
}

// awaitDiscovery returns when the issuer answers, and ends the test when that takes too long or the program ends first.
func awaitDiscovery(t *testing.T, issuer string, running context.Context) {
	t.Helper()
	ctx, cancel := context.WithTimeout(running, startLimit)
	defer cancel()
	ticker := time.NewTicker(500 * time.Millisecond)
	defer ticker.Stop()
	for err := fetch(ctx, issuer); err != nil; err = fetch(ctx, issuer) {
		select {
		case <-ctx.Done():
			t.Fatalf("keycloak did not start: %v", err)
		case <-ticker.C:
		}
	}
}

func fetch(ctx context.Context, issuer string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, issuer+"/.well-known/openid-configuration", nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("discovery answers %s", answer.Status)
	}
	return nil
}

// freePort is a port that was free a moment ago.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return port(l)
}

func port(l net.Listener) string {
	_, p, _ := net.SplitHostPort(l.Addr().String())
	return p
}
