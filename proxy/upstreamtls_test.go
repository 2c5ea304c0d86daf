//go:build unix

package proxy_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"doorward/config"
	"doorward/deploy/certtest"
)

// newSecureUpstream is an upstream at 127.0.0.1 that the authority vouches for, at an address. It asks for a certificate of that authority when mutual, and answers with the serial
// number of the client's and the version of HTTP.
func newSecureUpstream(t *testing.T, a *certtest.Authority, address string, mutual bool) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			if conn, err := websocket.Accept(w, r, nil); err == nil {
				_ = conn.CloseNow()
			}
			return
		}
		who := "nobody"
		if len(r.TLS.PeerCertificates) > 0 {
			who = r.TLS.PeerCertificates[0].SerialNumber.String()
		}
		w.Header().Set("Connection", "close") // or the next request has no handshake
		_, _ = io.WriteString(w, who+" "+r.Proto)
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{a.Issue(201, time.Now().Add(time.Hour), address).TLS(t)}}
	if mutual {
		server.TLS.ClientAuth, server.TLS.ClientCAs = tls.RequireAndVerifyClientCert, a.Roots()
	}
	server.EnableHTTP2 = true
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that fail on purpose
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

// before is a public site in front of that upstream, with these options.
func before(t *testing.T, server *httptest.Server, options string) *site {
	return public(t, func(c *config.Config) { c.Upstreams = server.URL + " " + options })
}

// An upstream's certificate counts when the authority of ca= vouches for it and it is for the entry's host; the system's do not count beside it.
func TestUpstreamsOwnAuthority(t *testing.T) {
	a, other := certtest.New(t), certtest.New(t)
	server := newSecureUpstream(t, a, "127.0.0.1", false)
	for name, test := range map[string]struct {
		ca     string
		url    string
		status int
	}{
		"its own":      {a.PEM, server.URL, http.StatusOK},
		"two":          {other.PEM + a.PEM, server.URL, http.StatusOK},
		"another":      {other.PEM, server.URL, http.StatusBadGateway},
		"another host": {a.PEM, strings.Replace(server.URL, "127.0.0.1", "localhost", 1), http.StatusBadGateway},
		"none":         {"", server.URL, http.StatusBadGateway},
	} {
		t.Run(name, func(t *testing.T) {
			s := public(t, func(c *config.Config) {
				c.Upstreams = test.url
				if test.ca != "" {
					c.Upstreams += " ca=" + newFolder(t, test.ca).file()
				}
			})
			if p := s.rawGet("/"); p.StatusCode != test.status || test.status == http.StatusOK && p.Text != "nobody HTTP/2.0" {
				t.Errorf("the answer is %d: %s\n%s", p.StatusCode, p.Text, s.Log)
			}
		})
	}
}

// A certificate for other addresses is none for this one (an address has no ServerName).
func TestUpstreamOfAnotherAddress(t *testing.T) {
	a := certtest.New(t)
	s := before(t, newSecureUpstream(t, a, "127.0.0.9", false), "ca="+newFolder(t, a.PEM).file())
	if p := s.rawGet("/"); p.StatusCode != http.StatusBadGateway || !strings.Contains(s.Log.String(), "127.0.0.9") {
		t.Errorf("the answer is %d\n%s", p.StatusCode, s.Log)
	}
}

// What fails for certificates, or for want of TLS, is told apart from what fails otherwise.
func TestUpstreamsWithoutTrust(t *testing.T) {
	a := certtest.New(t)
	ca := " ca=" + newFolder(t, a.PEM).file()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	old := httptest.NewUnstartedServer(http.NotFoundHandler())
	old.TLS = &tls.Config{MaxVersion: tls.VersionTLS11}
	old.Config.ErrorLog = log.New(io.Discard, "", 0)
	old.StartTLS()
	defer old.Close()
	for name, entry := range map[string]string{
		"of another authority":     newSecureUpstream(t, certtest.New(t), "127.0.0.1", false).URL + ca,
		"of none that is known":    newSecureUpstream(t, a, "127.0.0.1", false).URL,
		"speaks TLS of long ago":   old.URL + ca,
		"speaks no TLS":            strings.Replace(plain.URL, "http:", "https:", 1),
		"speaks nothing like HTTP": "https://" + nonsense(t),
	} {
		t.Run(name, func(t *testing.T) {
			s := public(t, func(c *config.Config) { c.Upstreams = entry })
			if p := s.rawGet("/"); p.StatusCode != http.StatusBadGateway {
				t.Errorf("the answer is %d", p.StatusCode)
			}
			address, _, _ := strings.Cut(entry, " ")
			if n := s.metric(fmt.Sprintf(`doorward_upstream_errors_total{reason="tls",upstream=%q}`, address)); n != 1 {
				t.Errorf("the metric says %v\n%s", n, s.Log)
			}
		})
	}
}

// nonsense is the address of somebody who says what is no TLS.
func nonsense(t *testing.T) (address string) {
	t.Helper()
	return accept(t, func(conn net.Conn) {
		_, _ = io.WriteString(conn, "220 mail.example.com ESMTP\r\n")
		t.Cleanup(func() { conn.Close() })
	}).Addr().String()
}

// Files that cannot be used any more are told of when they change, not when somebody connects, and each entry's for itself.
func TestUpstreamFilesAreLookedAt(t *testing.T) {
	a := certtest.New(t)
	first, second := newFolder(t, a.PEM), newFolder(t, a.PEM)
	server := newSecureUpstream(t, a, "127.0.0.1", false)
	s := public(t, func(c *config.Config) {
		c.Upstreams = "/a/ " + server.URL + " ca=" + first.file() + "\n/ " + server.URL + " ca=" + second.file()
	})
	first.turn("nonsense")
	for range 2 {
		s.Proxy.Reload()
	}
	if told := s.Log.events(t, "config_reload_failed"); len(told) != 1 || told[0]["setting"] != "DOORWARD_UPSTREAMS /a/" || s.metric("doorward_config_reload_success") != 0 {
		t.Errorf("the log tells of %v", told)
	}
	first.turn(a.PEM)
	s.Proxy.Reload()
	if s.metric("doorward_config_reload_success") != 1 {
		t.Errorf("the files are as they were, and config_reload_success is 0\n%s", s.Log)
	}
}

// doorward shows the upstream a certificate, and another one when the files change; what cannot be used leaves the one before in place.
func TestClientCertificate(t *testing.T) {
	a := certtest.New(t)
	server := newSecureUpstream(t, a, "127.0.0.1", true)
	first, second := a.Issue(301, time.Now().Add(time.Hour)), a.Issue(302, time.Now().Add(time.Hour))
	ca, cert, key := newFolder(t, a.PEM), newFolder(t, first.Certificate), newFolder(t, first.Key)
	if p := before(t, server, "ca="+ca.file()).rawGet("/"); p.StatusCode != http.StatusBadGateway {
		t.Errorf("without a certificate the answer is %d", p.StatusCode)
	}
	s := before(t, server, "ca="+ca.file()+" cert="+cert.file()+" key="+key.file())
	expect := func(serial string, failed int, success float64) {
		t.Helper()
		for _, u := range []string{"/", "/"} {
			if p := s.rawGet(u); p.Text != serial+" HTTP/2.0" {
				t.Errorf("the answer is %d: %s\n%s", p.StatusCode, p.Text, s.Log)
			}
		}
		if n := len(s.Log.events(t, "config_reload_failed")); n != failed || s.metric("doorward_config_reload_success") != success {
			t.Errorf("the log tells of %d failures, config_reload_success is %v", n, s.metric("doorward_config_reload_success"))
		}
	}
	expect("301", 0, 1)
	cert.turn(second.Certificate)
	expect("301", 1, 0)
	key.turn(second.Key)
	expect("302", 1, 1)
	ca.turn("nonsense")
	expect("302", 2, 0)
	ca.do(os.Remove(ca.file()))
	ca.do(syscall.Mkfifo(ca.file(), 0o600)) // which nobody writes to
	expect("302", 3, 0)
	ca.move(a.PEM)
	expect("302", 3, 1)
	ca.move(certtest.New(t).PEM)
	if p := s.rawGet("/"); p.StatusCode != http.StatusBadGateway {
		t.Errorf("with another authority the answer is %d", p.StatusCode)
	}
}

// A WebSocket needs HTTP/1.1, also where the upstream speaks HTTP/2.
func TestWebSocketToASecureUpstream(t *testing.T) {
	a := certtest.New(t)
	s := before(t, newSecureUpstream(t, a, "127.0.0.1", false), "ca="+newFolder(t, a.PEM).file())
	conn, _, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(s.URL, "http"), nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, s.Log)
	}
	_ = conn.CloseNow()
}
