//go:build unix

package redistest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"testing"
	"time"
)

// NewCA makes the certificate of an authority, in PEM, that vouches for no server.
func NewCA(t testing.TB) string {
	t.Helper()
	_, ca, _ := newCA(t)
	return ca
}

// certify makes an authority and has it vouch for the server: ca.pem, server.pem and server.key in the server's folder.
func (r *Redis) certify() {
	r.t.Helper()
	authority, ca, key := newCA(r.t)
	of, server := newKey(r.t), &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "redis"}, IPAddresses: []net.IP{net.ParseIP(r.host())},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	r.CA = ca
	r.write("ca.pem", ca)
	r.write("server.pem", sign(r.t, server, authority, of, key))
	private, err := x509.MarshalPKCS8PrivateKey(of)
	if err != nil {
		r.t.Fatal(err)
	}
	r.write("server.key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(ca))
	r.tls = &tls.Config{RootCAs: roots}
}

func newCA(t testing.TB) (*x509.Certificate, string, crypto.Signer) {
	t.Helper()
	key := newKey(t)
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority of a test"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	return ca, sign(t, ca, ca, key, key), key
}

// sign returns the certificate in PEM that the issuer's key makes for the subject's.
func sign(t testing.TB, subject, issuer *x509.Certificate, of, by crypto.Signer) string {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, subject, issuer, of.Public(), by)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func newKey(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
