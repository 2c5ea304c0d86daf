package config_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"doorward/config"
)

// Files that are gone when they are first read stand for nobody: neither for the system's authorities, nor for a client without a certificate.
func TestUpstreamFilesThatWereNeverRead(t *testing.T) {
	// What signs the server's certificate is an authority of the system.
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	system := filepath.Join(t.TempDir(), "system.pem")
	if err := os.WriteFile(system, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSL_CERT_FILE", system)
	state := tls.ConnectionState{PeerCertificates: []*x509.Certificate{server.Certificate()}}
	if _, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{DNSName: "example.com"}); err != nil {
		t.Fatalf("the system does not know the authority: %v", err)
	}

	missing := filepath.Join(t.TempDir(), "missing.pem")
	u := config.Upstream{URL: &url.URL{Scheme: "https", Host: "example.com"}, TLS: config.UpstreamTLS{CA: missing, Cert: missing, Key: missing}}
	c, _ := u.FollowTLS(func(string, error) {})
	if c.VerifyConnection(state) == nil {
		t.Error("the server is one of the upstream's")
	}
	if pair, err := c.GetClientCertificate(nil); pair != nil || err == nil {
		t.Errorf("doorward shows %v", pair)
	}
}

// New rules are about the upstreams of the start, whatever has become of the files of one: each keeps its requests.
func TestRulesChangeWhileUpstreamFilesAreGone(t *testing.T) {
	pem, _ := certificate(t, time.Now().Add(time.Hour))
	ca, rules := file(t, pem), file(t, "/ authenticated\n")
	c := load(t, map[string]string{
		"UPSTREAMS":    "/hr/ https://hr.internal ca=" + ca + "\n/wiki/ http://wiki.internal\n/ http://app.internal",
		"ACCESS_RULES": unset, "ACCESS_RULES_FILE": rules,
	})
	table, err := c.UpstreamTable()
	if err != nil {
		t.Fatal(err)
	}
	policy := c.FollowPolicy(func(_ string, err error) {
		if err != nil {
			t.Errorf("the rules are refused: %v", err)
		}
	})
	if err := os.Remove(ca); err != nil {
		t.Fatal(err)
	}
	overwrite(t, rules, "/ authenticated\n/hr/ group:HR\n", time.Now())
	for path, want := range map[string][2]string{"/hr/x": {"https://hr.internal", "/hr/"}, "/wiki/x": {"http://wiki.internal", "/"}, "/x": {"http://app.internal", "/"}} {
		route, err := policy().Route("GET", "app.example.com", path)
		if err != nil || table[route.Upstream()].Name() != want[0] || route.Rule() != want[1] {
			t.Errorf("%s goes to %s under %s, %v", path, table[route.Upstream()].Name(), route.Rule(), err)
		}
	}
}
