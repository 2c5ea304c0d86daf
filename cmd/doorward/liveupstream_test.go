package main

import (
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"doorward/deploy/certtest"
)

// aServer is the address of an upstream that is there.
func aServer(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	return server.URL
}

// accepting takes connections, and does something on each.
func accepting(t *testing.T, do func(net.Conn)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { conn.Close() })
			go do(conn)
		}
	}()
	return l.Addr().String()
}

// sayNothing leaves whoever asks without an answer.
func sayNothing(net.Conn) {}

func TestCheckLiveGreetsUpstreamsThatSpeakHTTP2(t *testing.T) {
	speaks := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the upstream got a request") }))
	speaks.Config.Protocols = new(http.Protocols)
	speaks.Config.Protocols.SetUnencryptedHTTP2(true)
	speaks.Start()
	defer speaks.Close()
	for _, c := range []struct {
		name, address string
		failed        bool
		says          string
	}{
		{"HTTP/2", speaks.URL, false, "speaks HTTP/2"},
		{"HTTP/1.1", aServer(t), true, "does not speak HTTP/2 without TLS"},
		{"something else", "http://" + accepting(t, func(conn net.Conn) { _, _ = io.Copy(conn, conn) }), true, "does not speak HTTP/2 without TLS"},
	} {
		t.Run(c.name, func(t *testing.T) {
			u := upstreamOf(t, strings.Replace(c.address, "http:", "h2c:", 1))
			f := inspectUpstream(t.Context(), u)
			if f.failed() != c.failed || !strings.Contains(f.Says, c.says) || f.failed() && !strings.Contains(f.Mend, "write http://") {
				t.Errorf("%+v", f)
			}
		})
	}
}

// What stands in the report in which order does not depend on who answers first: what fails comes first, else they stand as in the settings.
func TestCheckLiveKeepsTheOrderOfUpstreams(t *testing.T) {
	first, second := aServer(t), aServer(t)
	environment(t, map[string]string{"ISSUER_URL": "http://127.0.0.1:1", "UPSTREAMS": "/ " + first + "; /b/ http://127.0.0.1:1; /c/ " + second + "; /d/ " + first})
	_, out, _ := command(t, "check", "--live")
	at := []int{strings.Index(out, "FAIL upstream http://127.0.0.1:1:"), strings.Index(out, "note "), strings.Index(out, "ok   upstream "+first), strings.Index(out, "ok   upstream "+second)}
	if at[0] < 0 || !slices.IsSorted(at) || strings.Count(out, "upstream "+first+":") != 1 {
		t.Errorf("%v in\n%s", at, out)
	}
}

// What is wrong with a certificate has the same mend, whoever is asked to vouch for it.
func TestCheckLiveOfUpstreamsWithAnotherAuthority(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, []byte(certtest.New(t).PEM), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, options := range []string{"", " ca=" + ca} {
		f := inspectUpstream(t.Context(), upstreamOf(t, server.URL+options))
		if !f.failed() || !strings.Contains(f.Mend, "ca= where the system does not know the authority") {
			t.Errorf("with %q: %+v", options, f)
		}
	}
}
