package provider

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"doorward/deploy/certtest"
)

// names is a resolver for which every name leads to one address (RFC 1035 4.1, over TCP).
func names(leadTo netip.Addr) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		go func() {
			defer far.Close()
			length := make([]byte, 2)
			for {
				if _, err := io.ReadFull(far, length); err != nil {
					return
				}
				query := make([]byte, binary.BigEndian.Uint16(length))
				if _, err := io.ReadFull(far, query); err != nil {
					return
				}
				answer := resolved(query, leadTo)
				far.Write(binary.BigEndian.AppendUint16(nil, uint16(len(answer))))
				far.Write(answer)
			}
		}()
		return near, nil
	}}
}

// resolved answers a query for an address of either kind; of the other kind there is none.
func resolved(query []byte, leadTo netip.Addr) []byte {
	end := 12 + bytes.IndexByte(query[12:], 0) + 5 // header, name, type, class
	kind, size := byte(1), byte(4)
	if leadTo.Is6() {
		kind, size = 28, 16
	}
	answers := byte(0)
	if query[end-3] == kind {
		answers = 1
	}
	answer := append([]byte{query[0], query[1], 0x81, 0x80, 0, 1, 0, answers, 0, 0, 0, 0}, query[12:end]...)
	if answers == 1 {
		answer = append(answer, 0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 1, 0, size)
		answer = append(answer, leadTo.AsSlice()...)
	}
	return answer
}

// What counts is where a name leads in the end.
func TestWhereNamesMayLead(t *testing.T) {
	tests := []struct {
		issuer, internal, host, leadsTo string
		ok                              bool
	}{
		{"https://idp.example.com", "", "keys.example.com", "127.0.0.1", false},
		{"https://idp.example.com", "", "keys.example.com", "127.9.9.9", false},
		{"https://idp.example.com", "", "keys.example.com", "::1", false},
		{"https://idp.example.com", "", "keys.example.com", "::ffff:127.0.0.1", false},
		{"https://idp.example.com", "", "keys.example.com", "169.254.169.254", false},
		{"https://idp.example.com", "", "keys.example.com", "::ffff:169.254.169.254", false},
		{"https://idp.example.com", "", "keys.example.com", "fe80::1", false},
		{"https://idp.example.com", "", "keys.example.com", "0.0.0.0", false},
		{"https://idp.example.com", "", "keys.example.com", "::", false},
		{"https://idp.example.com", "", "keys.example.com", "224.0.0.1", false},
		{"https://idp.example.com", "", "keys.example.com", "ff02::1", false},
		{"https://idp.example.com", "", "idp.example.com", "169.254.169.254", false},
		{"https://localhost:8443", "", "keys.example.com", "169.254.169.254", false},
		{"https://localhost:8443", "", "keys.example.com", "0.0.0.0", false},

		{"https://idp.example.com", "", "IDP.example.com", "127.0.0.1", true}, // the operator wrote this name
		{"https://idp.example.com", "https://idp.internal", "idp.internal", "127.0.0.1", true},
		{"https://idp.example.com", "https://localhost:8443", "keys.example.com", "127.0.0.1", true},
		{"https://localhost:8443", "", "keys.example.com", "127.0.0.1", true},
	}
	for _, test := range tests {
		server, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_, port, _ := net.SplitHostPort(server.Addr().String())
		a, err := newAddresses(Options{Issuer: test.issuer, InternalURL: test.internal})
		if err != nil {
			t.Fatal(err)
		}
		d := &dialer{addresses: a, resolver: names(netip.MustParseAddr(test.leadsTo))}
		conn, err := d.dial(t.Context(), "tcp", net.JoinHostPort(test.host, port))
		if (err == nil) != test.ok {
			t.Errorf("from %s to %s at %s: %v", test.issuer, test.host, test.leadsTo, err)
		}
		if err != nil && !test.ok && !strings.Contains(err.Error(), "where") {
			t.Errorf("to %s at %s it fails by itself: %v", test.host, test.leadsTo, err)
		}
		if conn != nil {
			conn.Close()
		}
		server.Close()
	}
}

// Who follows the metadata is told what is wrong, and how to mend it.
func TestRefusedAddressIsExplained(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	a, _ := newAddresses(Options{Issuer: "https://idp.example.com"})
	c, err := newClient(Options{}, a)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.get(t.Context(), "jwks", server.URL)
	if err == nil || !strings.Contains(err.Error(), "DOORWARD_PROVIDER_INTERNAL_URL") {
		t.Errorf("got %v", err)
	}
}

func TestNamesBelowLocalhostAreThisMachine(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	a, err := newAddresses(Options{Issuer: "http://provider.localhost:" + port})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := (&dialer{addresses: a}).dial(t.Context(), "tcp", "provider.localhost:"+port)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

// secure serves a provider over TLS with a certificate for a name.
func (o *op) secure(t *testing.T, certificate tls.Certificate, change func(*tls.Config)) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(o)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	if change != nil {
		change(server.TLS)
	}
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // clients that refuse it are what is tested
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	o.issuer = server.URL
	return server
}

// A provider is who its certificate says, now, in a version of TLS that holds.
func TestCertificatesOfTheProvider(t *testing.T) {
	ours, stranger := certtest.New(t), certtest.New(t)
	later := time.Now().Add(time.Hour)
	tests := map[string]struct {
		certificate tls.Certificate
		change      func(*tls.Config)
		error       string
	}{
		"good":              {ours.Issue(2, later, "127.0.0.1").TLS(t), nil, ""},
		"expired":           {ours.Issue(2, time.Now().Add(-time.Hour), "127.0.0.1").TLS(t), nil, "expired"},
		"of another host":   {ours.Issue(2, later, "idp.example.com").TLS(t), nil, "cannot validate"},
		"of a stranger":     {stranger.Issue(2, later, "127.0.0.1").TLS(t), nil, "unknown authority"},
		"TLS 1.1":           {ours.Issue(2, later, "127.0.0.1").TLS(t), func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }, "protocol version"},
		"TLS 1.2 is enough": {ours.Issue(2, later, "127.0.0.1").TLS(t), func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := newOP(t, "ES256")
			o.secure(t, test.certificate, test.change)
			_, err := o.login(t, o.client(t, func(o *Options) { o.CA = func() string { return ours.PEM } }))
			if test.error == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			o.wantKind(t, err, KindUnavailable)
			if !strings.Contains(err.Error(), test.error) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// alone runs a test once more in a process of its own, and reports whether this is that process: what net/http and crypto/x509 take
// from the environment, they take once.
func alone(t *testing.T) bool {
	t.Helper()
	const mark = "DOORWARD_TEST_ALONE"
	if os.Getenv(mark) != "" {
		return true
	}
	itself, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	again := exec.CommandContext(t.Context(), itself, "-test.run=^"+t.Name()+"$")
	again.Env = append(os.Environ(), mark+"=1")
	if out, err := again.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	return false
}

// The operator's CA is trusted beside the system's, and the system's beside it.
func TestCAAddsToTheSystems(t *testing.T) {
	if !alone(t) {
		return
	}
	system, own := certtest.New(t), certtest.New(t)
	file := t.TempDir() + "/roots.pem"
	if err := os.WriteFile(file, []byte(system.PEM), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSL_CERT_FILE", file)
	for name, ca := range map[string]*certtest.Authority{"the system's": system, "the operator's": own} {
		o := newOP(t, "ES256")
		o.secure(t, ca.Issue(2, time.Now().Add(time.Hour), "127.0.0.1").TLS(t), nil)
		if _, err := o.login(t, o.client(t, func(o *Options) { o.CA = func() string { return own.PEM } })); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The operator's authority may be replaced while doorward runs.
func TestAnotherAuthorityCountsAtOnce(t *testing.T) {
	before, after := certtest.New(t), certtest.New(t)
	o := newOP(t, "ES256")
	address := o.secure(t, after.Issue(2, time.Now().Add(time.Hour), "127.0.0.1").TLS(t), nil).URL + "/.well-known/openid-configuration"
	trusted := before
	p := o.client(t, func(o *Options) { o.CA = func() string { return trusted.PEM } })
	if _, err := p.client.get(t.Context(), "metadata", address); err == nil {
		t.Error("an authority is trusted that is nobody's")
	}
	trusted = after
	if _, err := p.client.get(t.Context(), "metadata", address); err != nil {
		t.Error(err)
	}
	trusted = before
	p.client.transport.(*trust).routes.close() // what was begun may go on
	if _, err := p.client.get(t.Context(), "metadata", address); err == nil {
		t.Error("the authority of before is still trusted")
	}
}

// A proxy that the environment names is used wherever it is, though it be on this machine and the provider not.
func TestProxyOfTheEnvironment(t *testing.T) {
	if !alone(t) {
		return
	}
	ca := certtest.New(t)
	o := newOP(t, "ES256")
	server := o.secure(t, ca.Issue(2, time.Now().Add(time.Hour), "idp.example.com").TLS(t), nil)
	o.issuer = "https://idp.example.com"
	var tunnels atomic.Int32
	proxy := httptest.NewServer(tunnel(&tunnels, "idp.example.com:443", server.Listener.Addr().String()))
	defer proxy.Close()
	t.Setenv("HTTPS_PROXY", proxy.URL)
	trusting := func(o *Options) { o.CA = func() string { return ca.PEM } }

	if _, err := o.login(t, o.client(t, trusting)); err != nil || tunnels.Load() == 0 {
		t.Errorf("%d requests took the proxy: %v", tunnels.Load(), err)
	}
	// Behind a proxy a name is the proxy's to resolve, but an address that is spelled out is refused as ever.
	for _, address := range []string{"https://169.254.169.254/jwks", "https://127.0.0.1/jwks"} {
		o.metadata = set("jwks_uri", address)
		_, err := o.login(t, o.client(t, trusting))
		o.wantKind(t, err, KindInvalidMetadata)
	}
}

// tunnel is a proxy that leads to one place, whatever its name is to others.
func tunnel(count *atomic.Int32, host, leadsTo string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		to, err := net.Dial("tcp", leadsTo)
		if err != nil || r.Method != http.MethodConnect || r.Host != host {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		count.Add(1)
		from, _, _ := http.NewResponseController(w).Hijack()
		defer from.Close()
		io.WriteString(from, "HTTP/1.1 200 OK\r\n\r\n")
		go func() {
			defer to.Close()
			io.Copy(to, from)
		}()
		io.Copy(from, to)
	}
}
