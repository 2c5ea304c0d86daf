//go:build unix

package proxy_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"doorward/deploy/certtest"
)

// A tlsSite is a site whose server speaks TLS with the certificate of two files, as the program's does.
type tlsSite struct {
	*site
	address   string // of that server
	authority *certtest.Authority
	cert, key folder
}

func newOwnTLSSite(t *testing.T, changes map[string]string) *tlsSite {
	t.Helper()
	a := certtest.New(t)
	first := a.Issue(101, time.Now().Add(90*24*time.Hour), "app.example.com")
	s := &tlsSite{authority: a, cert: newFolder(t, first.Certificate), key: newFolder(t, first.Key)}
	values := map[string]string{
		"PUBLIC_URL": "https://app.example.com", "ACCESS_RULES": "/ public", "CLIENT_SECRET": "the-client's-secret",
		"TLS_CERT_FILE": s.cert.file(), "TLS_KEY_FILE": s.key.file(),
	}
	maps.Copy(values, changes)
	s.site = newSite(t, loaded(t, values))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.address = listener.Addr().String()
	server := s.Proxy.Server()
	ended := make(chan struct{})
	go func() { defer close(ended); _ = server.ServeTLS(s.Proxy.Limit(listener), "", "") }()
	t.Cleanup(func() { server.Close(); <-ended })
	return s
}

// handshake opens a connection, and says which certificate it got, by its serial number.
func (s *tlsSite) handshake(configure func(*tls.Config)) (*tls.Conn, int64, error) {
	s.t.Helper()
	c := &tls.Config{RootCAs: s.authority.Roots(), ServerName: "app.example.com"}
	if configure != nil {
		configure(c)
	}
	dialer := &tls.Dialer{NetDialer: &net.Dialer{Timeout: 20 * time.Second}, Config: c}
	conn, err := dialer.DialContext(s.t.Context(), "tcp", s.address)
	if err != nil {
		return nil, 0, err
	}
	s.t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	secure := conn.(*tls.Conn)
	return secure, secure.ConnectionState().PeerCertificates[0].SerialNumber.Int64(), nil
}

// serial is the serial number of the certificate that a new client gets.
func (s *tlsSite) serial() int64 {
	s.t.Helper()
	_, serial, err := s.handshake(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return serial
}

// A new pair of files is served to new connections, and the old ones go on.
func TestCertificateIsReloaded(t *testing.T) {
	s := newOwnTLSSite(t, nil)
	old, serial, err := s.handshake(nil)
	if err != nil || serial != 101 {
		t.Fatalf("certificate %d, %v", serial, err)
	}
	s.askSecurely(old)
	ends := time.Now().Add(60 * 24 * time.Hour)
	second := s.authority.Issue(102, ends, "app.example.com")
	s.cert.turn(second.Certificate)
	if got := s.serial(); got != 101 {
		t.Errorf("between the two files, certificate %d is served", got)
	}
	s.key.turn(second.Key)
	if got := s.metric("doorward_tls_certificate_expiry_timestamp_seconds"); got != float64(ends.Unix()) {
		t.Errorf("the metric says that it expires at %v, not %v", got, ends.Unix())
	}
	if got := s.serial(); got != 102 {
		t.Errorf("certificate %d is served", got)
	}
	s.askSecurely(old)
	if got := s.metric("doorward_config_reload_success"); got != 1 {
		t.Errorf("config_reload_success is %v", got)
	}
}

func (s *tlsSite) askSecurely(conn *tls.Conn) {
	s.t.Helper()
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: app.example.com\r\n\r\n")
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || answer.StatusCode != http.StatusOK {
		s.t.Fatalf("the answer is %v, %v", answer, err)
	}
	_, _ = io.Copy(io.Discard, answer.Body)
}

// A pair that cannot be used leaves the one before in place; that is told once, and when it is mended.
func TestBrokenCertificateIsNotTaken(t *testing.T) {
	a := certtest.New(t)
	stranger := a.Issue(9, time.Now().Add(time.Hour), "app.example.com")
	for name, harm := range map[string]func(s *tlsSite){
		"half a certificate": func(s *tlsSite) { s.cert.turn(stranger.Certificate[:200]) },
		"another's key":      func(s *tlsSite) { s.key.turn(stranger.Key) },
		"no key":             func(s *tlsSite) { s.key.turn("canary-of-a-key") },
		"empty":              func(s *tlsSite) { s.cert.turn("\n") },
		"gone":               func(s *tlsSite) { s.key.do(os.Remove(s.key.file())) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newOwnTLSSite(t, nil)
			harm(s)
			for range 3 {
				if got := s.serial(); got != 101 {
					t.Fatalf("certificate %d is served", got)
				}
			}
			if told := s.Log.events(t, "config_reload_failed"); len(told) != 1 || s.metric("doorward_config_reload_success") != 0 {
				t.Errorf("the log tells of %v, and config_reload_success is %v", told, s.metric("doorward_config_reload_success"))
			}
			if strings.Contains(s.Log.String(), "canary") || strings.Contains(s.Log.String(), "BEGIN") {
				t.Error("the log holds what the file holds")
			}
			mended := s.authority.Issue(103, time.Now().Add(time.Hour), "app.example.com")
			s.cert.move(mended.Certificate)
			s.key.move(mended.Key)
			if got := s.serial(); got != 103 || s.metric("doorward_config_reload_success") != 1 || len(s.Log.events(t, "config_reloaded")) != 1 {
				t.Errorf("once mended, certificate %d is served, and config_reload_success is %v", got, s.metric("doorward_config_reload_success"))
			}
		})
	}
}

// TLS 1.2 and up, and HTTP/2.
func TestVersionsOfTLS(t *testing.T) {
	s := newOwnTLSSite(t, nil)
	if _, _, err := s.handshake(func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
	if _, _, err := s.handshake(func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }); err != nil {
		t.Errorf("TLS 1.2: %v", err)
	}
	conn, _, err := s.handshake(func(c *tls.Config) { c.NextProtos = []string{"h2", "http/1.1"} })
	if err != nil || conn.ConnectionState().NegotiatedProtocol != "h2" || conn.ConnectionState().Version != tls.VersionTLS13 {
		t.Errorf("HTTP/2 over TLS 1.3: %v", err)
	}
}

// Whoever speaks plain http to the TLS port is told so.
func TestPlainHTTPToTheTLSPort(t *testing.T) {
	s := newOwnTLSSite(t, nil)
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: app.example.com\r\n\r\n")
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if text, _ := io.ReadAll(answer.Body); answer.StatusCode != http.StatusBadRequest || !strings.Contains(string(text), "HTTPS") {
		t.Errorf("the answer is %d: %s", answer.StatusCode, text)
	}
}

// A client that does not finish its handshake loses its connection, and an idle TLS connection makes room like another.
func TestLimitsHoldForTLS(t *testing.T) {
	s := newOwnTLSSite(t, map[string]string{"HEADER_TIMEOUT": "300ms", "MAX_CONNECTIONS": "1"})
	first, _, err := s.handshake(nil)
	if err != nil {
		t.Fatal(err)
	}
	s.askSecurely(first)
	silent, err := net.Dial("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	_ = silent.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.ReadAll(silent); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection without a handshake stays open")
	}
	if _, err := io.ReadAll(first); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the idle connection stays open")
	}
}
