//go:build unix

// Package watchtest is what the tests of metrics, dashboard, alerts and log share: an installation of doorward to watch, as a process of
// its own between a provider, a Redis and an application, a day on which everything happens that can happen to it, and a Prometheus
// that looks on.
//
// Everything ends with the test. Where redis-server or prometheus is missing, the test is skipped as package programtest says.
package watchtest

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"doorward/config"
	"doorward/deploy/certtest"
	"doorward/deploy/programtest"
	"doorward/deploy/redistest"
	"doorward/proxy/providertest"
)

// patience is how long anything may take that has to come about by itself.
const patience = 60 * time.Second

// adminToken opens what the metrics listener does for administrators.
const adminToken = "0123456789abcdef0123456789abcdef"

// front is the one address of TRUSTED_PROXIES, from which the server in front asks.
const front = "127.0.0.9"

// An Installation is doorward, and what it stands between.
type Installation struct {
	// Addr is the host:port of the public listener, MetricsAddr that of the other one.
	Addr, MetricsAddr string
	// Provider is the one at which people sign in, Redis where sessions are revoked.
	Provider *providertest.Provider
	Redis    *redistest.Redis

	t       testing.TB
	roots   *x509.CertPool
	secret  string // the file of CLIENT_SECRET
	log     logBuffer
	program *exec.Cmd
	running context.Context
}

// New starts doorward with TLS, and everything else of which there are metrics, and returns when it is ready. It logs all that it can.
func New(t testing.TB) *Installation {
	t.Helper()
	i := &Installation{t: t, Redis: redistest.New(t), Provider: providertest.New(t), Addr: programtest.FreeAddr(t), MetricsAddr: programtest.FreeAddr(t)}
	i.Provider.IssueRefreshTokens()
	application := httptest.NewServer(application())
	t.Cleanup(application.Close)
	i.program = exec.Command(programtest.Doorward(t))
	i.program.Stdout = &i.log
	for _, setting := range append(i.files(), i.settings(application.URL)...) {
		i.program.Env = append(i.program.Env, "DOORWARD_"+setting)
	}
	i.running = programtest.Run(t, i.program)
	i.await("doorward to be ready", func() bool {
		_, err := get("http://" + i.MetricsAddr + "/readyz")
		return err == nil
	})
	return i
}

// files are the settings that have one, which is written.
func (i *Installation) files() []string {
	i.t.Helper()
	folder := i.t.TempDir()
	certificate, key := filepath.Join(folder, "tls.pem"), filepath.Join(folder, "tls.key")
	host, _, _ := net.SplitHostPort(i.Addr)
	authority := certtest.New(i.t)
	own := authority.Issue(1, time.Now().Add(30*24*time.Hour), host)
	write(i.t, certificate, own.Certificate)
	write(i.t, key, own.Key)
	i.roots, i.secret = authority.Roots(), filepath.Join(folder, "client-secret")
	write(i.t, i.secret, providertest.ClientSecret)
	return []string{"TLS_CERT_FILE=" + certificate, "TLS_KEY_FILE=" + key, "CLIENT_SECRET_FILE=" + i.secret}
}

// settings are all others, in front of an application.
func (i *Installation) settings(application string) []string {
	return []string{
		"LISTEN_ADDR=" + i.Addr, "METRICS_ADDR=" + i.MetricsAddr, "PUBLIC_URL=https://" + i.Addr,
		"UPSTREAMS=" + application + "; /slow/ " + application + " timeout=1s; /gone/ http://" + programtest.FreeAddr(i.t),
		"ACCESS_RULES=/ authenticated; /admin/ group:Admin; /public/ public; /closed/ deny; /fresh/ max-age:1h; elsewhere.example/ authenticated",
		"ISSUER_URL=" + i.Provider.Issuer, "CLIENT_ID=" + providertest.ClientID, "AUDIENCE=" + providertest.Audience,
		"COOKIE_SECRETS=" + config.NewSecret() + "," + config.NewSecret(), "CSRF_PROTECTION=writes", "MAX_CONNECTIONS=500",
		"SESSION_STORE=cookie", "REDIS_URL=" + i.Redis.URL(), "ADMIN_TOKEN=" + adminToken, "FORWARD_AUTH=nginx", "TRUSTED_PROXIES=" + front,
		"READY_REQUIRES=redis", "SHUTDOWN_DELAY=100ms", "LOG_LEVEL=debug",
	}
}

// Stop ends doorward as an orchestrator does, and returns when it has gone.
func (i *Installation) Stop() {
	i.t.Helper()
	if err := i.program.Process.Signal(syscall.SIGTERM); err != nil {
		i.t.Fatal(err)
	}
	select {
	case <-i.running.Done():
	case <-time.After(patience):
		i.t.Fatal("doorward does not end")
	}
}

// Log is what doorward has logged so far.
func (i *Installation) Log() string { return i.log.String() }

// Exposition is what doorward tells Prometheus.
func (i *Installation) Exposition() string {
	i.t.Helper()
	text, err := get("http://" + i.MetricsAddr + "/metrics")
	if err != nil {
		i.t.Fatal(err)
	}
	return text
}

// await tries until something has come about, and ends the test when that takes too long or doorward ends.
func (i *Installation) await(what string, try func() bool) {
	i.t.Helper()
	programtest.Await(i.t, i.running, patience, what, try)
}

// client trusts doorward's certificate, keeps no cookies and follows nothing.
func (i *Installation) client() *http.Client {
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: i.roots}}
	i.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// logBuffer is a log that can be read while it is written.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// get is the text of an answer. Its error is that there is none, or that it is no good one.
func get(address string) (string, error) {
	answer, err := http.Get(address)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text := readAll(answer)
	if answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answers %s", address, answer.Status)
	}
	return text, err
}
