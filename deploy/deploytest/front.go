package deploytest

import (
	"context"
	"crypto/rand"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"doorward/cmd/demo/provider"
	"doorward/config"
	"doorward/deploy/programtest"
)

// A Front is an installation in which another server takes the requests and asks doorward about each (FORWARD_AUTH). The demo's provider
// signs people in.
type Front struct {
	// Origin is PUBLIC_URL, where browsers find the server in front. Port is what it is to listen on.
	Origin, Port string
	// Doorward and Application are the addresses, host:port, of what stands behind it.
	Doorward, Application string
	t                     testing.TB
	site                  *Site
}

// FrontOptions are what a test wants of a [Front].
type FrontOptions struct {
	// Application is its origin; the demo's when empty, which takes nobody without an access token.
	Application string
	// Lifetime is that of access tokens, an hour when zero.
	Lifetime time.Duration
	// Groups are further ones of alice's.
	Groups []string
}

// NewFront starts everything but the server in front, of the kind that FORWARD_AUTH names.
func NewFront(t testing.TB, kind string, o FrontOptions) *Front {
	t.Helper()
	f := &Front{Port: programtest.FreePort(t), t: t, site: NewSite(t)}
	f.Origin = "http://localhost:" + f.Port
	f.Doorward = "127.0.0.1" + strings.TrimPrefix(f.site.Origin, "http://localhost")
	secret := rand.Text()
	issuer := f.startProvider(secret, o)
	if o.Application == "" {
		o.Application = Backend(t, issuer)
	}
	f.Application = strings.TrimPrefix(o.Application, "http://")
	f.site.Start(issuer, "", func(c *config.Config) {
		c.PublicURL, c.ForwardAuth, c.TrustedProxies = []string{f.Origin}, kind, []string{"127.0.0.1"}
		c.ClientSecret, c.Audience, c.Scopes = secret, []string{"demo-api"}, "openid profile email groups offline_access"
		c.AuthResponseHeaders = []string{"authorization"}
		if kind == "ingress-nginx" {
			c.SessionCookieMaxBytes = 3900
		}
		c.AccessRules = "/ authenticated; /admin/ group:Admin; GET /status public; POST /write group:Admin; /office/ ip:127.0.0.7"
	})
	return f
}

// startProvider starts the demo's provider, which knows doorward by a secret.
func (f *Front) startProvider(secret string, o FrontOptions) (issuer string) {
	f.t.Helper()
	var handler http.Handler
	issuer = Serve(f.t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	users := provider.DemoUsers()
	users[0].Groups = append(users[0].Groups, o.Groups...)
	p, err := provider.New(provider.Options{
		Issuer: issuer, ClientID: "doorward", ClientSecret: secret, Audience: "demo-api", AccessTokenLifetime: o.Lifetime, Users: users,
		RedirectURIs: []string{f.Origin + "/oauth2/callback"}, PostLogoutURIs: []string{f.Origin + "/oauth2/sign_out"},
	})
	if err != nil {
		f.t.Fatal(err)
	}
	handler = p
	return issuer
}

// Configuration is a file of the folder with the addresses that it names replaced by those of the test: pairs of old and new.
func (f *Front) Configuration(name string, pairs ...string) string {
	f.t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		f.t.Fatal(err)
	}
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(string(text), pairs[i]) {
			f.t.Fatalf("%s does not hold %q", name, pairs[i])
		}
	}
	return strings.NewReplacer(pairs...).Replace(string(text))
}

// Await returns when the server in front listens, and ends the test when it ends first.
func (f *Front) Await(running context.Context) {
	f.t.Helper()
	AwaitListener(f.t, running, "127.0.0.1:"+f.Port)
}

// AwaitListener returns when a program that runs listens at an address, and ends the test when it ends first.
func AwaitListener(t testing.TB, running context.Context, addr string) {
	t.Helper()
	programtest.Await(t, running, patience, "a server to listen at "+addr, func() bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}
