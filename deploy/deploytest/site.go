package deploytest

import (
	"crypto/x509"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"doorward/cmd/demo/backend"
	"doorward/config"
	"doorward/proxy"
)

// Site is doorward on loopback. Its origin is known before it runs, since a provider has to be told of it first.
type Site struct {
	// Origin is doorward's PUBLIC_URL.
	Origin string

	t      testing.TB
	tls    bool
	server *httptest.Server
}

// NewSite takes an origin on plain http.
func NewSite(t testing.TB) *Site { return newSite(t, false) }

// NewTLSSite takes an origin on https. Its certificate is of nobody's making: [Site.Visitor] and [Browser] trust it.
func NewTLSSite(t testing.TB) *Site { return newSite(t, true) }

func newSite(t testing.TB, tls bool) *Site {
	t.Helper()
	s := &Site{t: t, tls: tls, server: httptest.NewUnstartedServer(nil)}
	t.Cleanup(s.server.Close)
	s.Origin = "http://localhost:" + port(s.server.Listener)
	if tls {
		s.Origin = "https://127.0.0.1:" + port(s.server.Listener) // that is in the certificate
	}
	return s
}

// Start runs doorward as the client "doorward" of the issuer, with the READMEs' rules. What settings changes comes last.
func (s *Site) Start(issuer, upstream string, settings func(*config.Config)) {
	s.t.Helper()
	c := s.config(issuer, upstream, settings)
	p, err := proxy.New(proxy.Options{Config: c, Log: proxy.NewLog(s.t.Output(), c)})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(p.Close)
	s.server.Config.Handler = p
	if s.tls {
		s.server.StartTLS()
	} else {
		s.server.Start()
	}
}

func (s *Site) config(issuer, upstream string, settings func(*config.Config)) *config.Config {
	c := config.Defaults()
	c.PublicURL = []string{s.Origin}
	c.Upstreams = upstream
	c.AccessRules = "/ authenticated; /admin/ group:Admin"
	c.IssuerURL = issuer
	c.ClientID, c.ClientSecret = "doorward", "doorward-demo-secret"
	c.CookieSecrets = []string{config.NewSecret()}
	if settings != nil {
		settings(c)
	}
	return c
}

// Visitor is a person without a session anywhere. The site has been started.
func (s *Site) Visitor(t testing.TB) *Visitor {
	roots := x509.NewCertPool()
	if s.tls {
		roots.AddCert(s.server.Certificate())
	}
	return newVisitor(t, roots)
}

// Call is a program's request to a path, with an access token. It has no cookies and follows no redirect.
func (s *Site) Call(t testing.TB, path, token string) *Sheet {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.Origin+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	client := *s.server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	sheet, err := read(answer)
	if err != nil {
		t.Fatal(err)
	}
	return sheet
}

// Backend is the demo's application, which looks for itself at the access token of every request: a JWT of the issuer for
// the audience demo-api.
func Backend(t testing.TB, issuer string) string {
	t.Helper()
	application, err := backend.New(backend.Options{Issuer: issuer, Audience: "demo-api"})
	if err != nil {
		t.Fatal(err)
	}
	return Serve(t, application)
}

// Echo is an application that shows the headers that reached it, as JSON.
func Echo(t testing.TB) string {
	t.Helper()
	return Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(r.Header)
	}))
}

// AccessToken is the one that reached [Echo], whose answer the sheet is.
func (s *Sheet) AccessToken(t testing.TB) string {
	t.Helper()
	var header http.Header
	if err := json.Unmarshal([]byte(s.Body), &header); err != nil {
		t.Fatalf("%s answers %d and shows no headers:\n%s", s.URL, s.Status, s.Body)
	}
	token, ok := strings.CutPrefix(header.Get("Authorization"), "Bearer ")
	if !ok {
		t.Fatalf("the application got no access token: %v", header)
	}
	return token
}

// Serve runs a handler on loopback until the test ends, and returns its origin.
func Serve(t testing.TB, h http.Handler) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

func port(l net.Listener) string {
	_, p, _ := net.SplitHostPort(l.Addr().String())
	return p
}
