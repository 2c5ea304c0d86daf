package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"

	"doorward/cmd/demo/backend"
	"doorward/cmd/demo/flow"
	"doorward/cmd/demo/provider"
	"doorward/cmd/demo/server"
	"doorward/config"
	"doorward/proxy"
)

const (
	clientID = "doorward-demo"
	audience = "demo-api"
)

// rules are the demo's, one of each kind.
const rules = `
# who may go where
/             authenticated
/flow         authenticated
/admin/       group:Admin
/internal/    deny
GET /status   public
`

// demo is the whole arrangement. Each of its servers has a listener of its own, so that what the programs say to each other
// goes over the wire as it would anywhere.
type demo struct {
	url, providerURL, metricsURL string
	secret                       string // the client's
	servers                      []listening
}

// listening is a server and where it is reached.
type listening struct {
	net.Listener
	server *http.Server
}

// newDemo takes the ports and puts everything together. Doorward's log goes to out.
func newDemo(a addresses, out io.Writer) (*demo, error) {
	ports, err := listen(a.doorward, a.provider, a.metrics, "127.0.0.1:0", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	front, op, admin, app, tutorial := ports[0], ports[1], ports[2], ports[3], ports[4]
	d := &demo{
		url: origin(a.doorward, front), providerURL: origin(a.provider, op), metricsURL: origin(a.metrics, admin),
		secret: rand.Text(),
	}
	people, err := provider.New(provider.Options{
		Issuer: d.providerURL, ClientID: clientID, ClientSecret: d.secret, Audience: audience,
		RedirectURIs: []string{d.url + "/oauth2/callback"}, PostLogoutURIs: []string{d.url + "/oauth2/sign_out"},
	})
	if err != nil {
		return nil, err
	}
	application, err := backend.New(backend.Options{Issuer: d.providerURL, Audience: audience, Flow: true, Assertions: backend.Assertions{
		Issuer: d.url, KeysURL: d.url + "/oauth2/jwks", Audience: origin("", app),
	}})
	if err != nil {
		return nil, err
	}
	recorder := flow.NewRecorder(flow.Options{Issuer: d.providerURL, Callback: d.url + "/oauth2/callback", User: application.User})
	settings := d.settings(origin("", app), origin("", tutorial))
	if settings.AssertionKeys, err = newKey(); err != nil {
		return nil, err
	}
	door, err := proxy.New(proxy.Options{
		Config:  settings,
		Log:     proxy.NewLog(out, settings),
		Version: "demo",
		OnLogin: recorder.OnLogin,
	})
	if err != nil {
		return nil, err
	}
	d.servers = []listening{
		{front, doorServer(door, recorder.Proxy(door))},
		{op, &http.Server{Handler: recorder.Provider(people)}},
		{admin, &http.Server{Handler: door.Admin()}},
		{app, &http.Server{Handler: application}},
		{tutorial, &http.Server{Handler: recorder}},
	}
	return d, nil
}

// doorServer serves doorward as the program doorward does. The handler is doorward with the recorder before it.
func doorServer(door *proxy.Proxy, h http.Handler) *http.Server {
	s := door.Server()
	s.Handler = h
	return s
}

// settings are doorward's, as its environment would give them.
func (d *demo) settings(application, tutorial string) *config.Config {
	c := config.Defaults()
	c.PublicURL = []string{d.url}
	c.Upstreams = application + "\n/flow " + tutorial
	c.AccessRules = rules
	c.IssuerURL = d.providerURL
	c.ClientID, c.ClientSecret = clientID, d.secret
	c.Scopes = "openid profile email groups"
	c.Audience = []string{audience}
	c.CookieSecrets = []string{config.NewSecret()}
	c.LogFormat = "text"
	c.AccessLog = "off" // logins, refusals and failures are logged all the same, a line each
	return c
}

// newKey is a private key as ASSERTION_KEYS takes it, for this run.
func newKey() (string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", fmt.Errorf("making a key for assertions: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", fmt.Errorf("writing the key for assertions: %w", err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), nil
}

// serve runs all servers until ctx ends, or until one of them fails.
func (d *demo) serve(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error)
	for _, s := range d.servers {
		go func() { done <- server.Run(ctx, s.Listener, s.server) }()
	}
	var failed error
	for range d.servers {
		failed = errors.Join(failed, <-done)
		cancel() // one for all
	}
	return failed
}

// greet says where to click, who can sign in and what to try.
func (d *demo) greet(out io.Writer) {
	fmt.Fprintf(out, `
  doorward's demo is ready. Open

    %s

  and sign in, without a password, as

    alice   groups Admin and Dev   may see /admin/
    bob     group Dev              is refused at /admin/
    carol   no group               is refused there too

  Then look at

`, d.url)
	for _, place := range [][2]string{
		{d.url + "/flow", "your login, step by step"},
		{d.url + "/admin/", "for the group Admin alone"},
		{d.url + "/internal/", "closed to everybody"},
		{d.url + "/status", "open to everybody"},
		{d.metricsURL + "/metrics", "what Prometheus sees"},
		{d.providerURL, "the provider"},
	} {
		fmt.Fprintf(out, "    %-34s %s\n", place[0], place[1])
	}
	fmt.Fprint(out, "\n  Ctrl-C ends it. From here on doorward logs logins and refusals:\n\n")
}

// listen takes a port for each address, or none at all.
func listen(addresses ...string) ([]net.Listener, error) {
	var taken []net.Listener
	for _, address := range addresses {
		l, err := net.Listen("tcp", address)
		if err != nil {
			for _, l := range taken {
				l.Close()
			}
			return nil, explain(address, err)
		}
		taken = append(taken, l)
	}
	return taken, nil
}

func explain(address string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("listening on %s: the port is taken; is the demo running already? Else choose others with -addr, -provider and -metrics (see -help)", address)
	}
	return fmt.Errorf("listening on %s: %w", address, err)
}

// origin is how a browser names a listener: by the host that was asked for and the port that it got.
func origin(asked string, l net.Listener) string {
	host, _, err := net.SplitHostPort(asked)
	if err != nil || host == "" {
		host = "127.0.0.1"
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return "http://" + net.JoinHostPort(host, port)
}
