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
	c := u.TLSConfig(func(string, error) {})
	if c.VerifyConnection(state) == nil {
		t.Error("the server is one of the upstream's")
	}
	if pair, err := c.GetClientCertificate(nil); pair != nil || err == nil {
		t.Errorf("doorward shows %v", pair)
	}
}
