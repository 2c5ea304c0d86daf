//go:build unix

// Package redistest runs real redis-servers on loopback for tests, which kill them, freeze them and start them again: one
// server, with a password, an ACL user or TLS where wanted, a master that a Sentinel watches, a Cluster.
//
// Everything ends with the test. Without redis-server in PATH the test is skipped, or fails where TEST_REQUIRE names "redis".
package redistest

import (
	"context"
	"crypto/tls"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"doorward/deploy/programtest"
)

// patience is how long a server may take to do what it was told.
const patience = 20 * time.Second

// commandPatience is how long a single command may take, on a machine that does much else.
const commandPatience = 5 * time.Second

// Redis is one redis-server. What it was told survives [Redis.Kill] and [Redis.Restart], as with a disk that is not lost.
type Redis struct {
	// Addr is its host:port, the same for all its life.
	Addr string
	// User and Password are what it asks for; empty where it asks for nothing.
	User, Password string
	// CA is the certificate, in PEM, of the authority that vouches for it; empty without TLS.
	CA string

	t       testing.TB
	folder  string
	command *exec.Cmd
	running context.Context
	tls     *tls.Config
}

// New starts a server with further lines of configuration, and returns when it answers.
func New(t testing.TB, lines ...string) *Redis {
	t.Helper()
	r := newRedis(t)
	r.start(append(lines, "port "+r.port()))
	return r
}

// NewWithPassword starts a server that asks for a password and no user.
func NewWithPassword(t testing.TB) *Redis {
	t.Helper()
	r := newRedis(t)
	r.Password = "pass/word%"
	r.start([]string{"port " + r.port(), "requirepass " + r.Password})
	return r
}

// NewWithUser starts a server that knows one ACL user, "doorward", who may do what rules say ("~doorward:* &* +@all"), and
// an administrator for the test's own questions.
func NewWithUser(t testing.TB, rules string) *Redis {
	t.Helper()
	r := newRedis(t)
	r.User, r.Password = "doorward", "pass/word%"
	r.start([]string{"port " + r.port(), "user default off", "user admin on >" + r.Password + " ~* &* +@all", "user doorward on >" + r.Password + " " + rules})
	return r
}

// NewTLS starts a server that speaks TLS alone, with a certificate of an authority made for it.
func NewTLS(t testing.TB) *Redis {
	t.Helper()
	r := newRedis(t)
	r.certify()
	r.start([]string{"port 0", "tls-port " + r.port(), "tls-auth-clients no", "tls-cert-file server.pem", "tls-key-file server.key", "tls-ca-cert-file ca.pem"})
	return r
}

func newRedis(t testing.TB) *Redis {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		programtest.Missing(t, "redis", "no redis-server in PATH (Debian: apt-get install redis-server)")
	}
	return &Redis{t: t, Addr: programtest.FreeAddr(t), folder: t.TempDir()}
}

// start writes the configuration and starts the server for the first time. Nothing is synced to the disk: only the program
// is going to be killed, not the machine.
func (r *Redis) start(lines []string) {
	r.t.Helper()
	common := []string{"bind " + r.host(), "dir " + r.folder, `save ""`, "appendonly yes", "appendfsync no", "loglevel warning"}
	r.write("redis.conf", strings.Join(append(common, lines...), "\n")+"\n")
	r.run()
}

func (r *Redis) write(name, text string) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.folder, name), []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

func (r *Redis) run(options ...string) {
	r.t.Helper()
	r.command = exec.Command("redis-server", append([]string{filepath.Join(r.folder, "redis.conf")}, options...)...)
	r.command.Dir = r.folder
	r.running = programtest.Run(r.t, r.command)
	r.await("its start", func() bool { return r.Do("PING").Error() == nil })
}

// URL is what REDIS_URL takes.
func (r *Redis) URL() string {
	u := url.URL{Scheme: "redis", Host: r.Addr}
	if r.tls != nil {
		u.Scheme = "rediss"
	}
	if r.Password != "" {
		u.User = url.UserPassword(r.User, r.Password)
	}
	return u.String()
}

func (r *Redis) host() string {
	host, _, _ := net.SplitHostPort(r.Addr)
	return host
}

func (r *Redis) port() string {
	_, port, _ := net.SplitHostPort(r.Addr)
	return port
}

// Kill ends the server as a crash does, and returns when it is gone.
func (r *Redis) Kill() {
	r.t.Helper()
	r.signal(syscall.SIGKILL)
	<-r.running.Done()
}

// Freeze stops the server in the middle of what it does: connections stay open, and nothing answers.
func (r *Redis) Freeze() {
	r.t.Helper()
	r.signal(syscall.SIGSTOP)
}

// Thaw lets a frozen server go on.
func (r *Redis) Thaw() {
	r.t.Helper()
	r.signal(syscall.SIGCONT)
}

func (r *Redis) signal(s syscall.Signal) {
	r.t.Helper()
	if r.running.Err() != nil {
		r.t.Fatalf("redis-server at %s does not run", r.Addr)
	}
	if err := syscall.Kill(r.command.Process.Pid, s); err != nil {
		r.t.Fatalf("%v to redis-server at %s: %v", s, r.Addr, err)
	}
}

// Restart starts a killed server again, at its address and with its data, and returns when it answers.
func (r *Redis) Restart() {
	r.t.Helper()
	r.run()
}

// RestartEmpty starts a killed server again, at its address and without its data.
func (r *Redis) RestartEmpty() {
	r.t.Helper()
	if err := os.RemoveAll(filepath.Join(r.folder, "appendonlydir")); err != nil {
		r.t.Fatal(err)
	}
	r.run()
}

// Do sends the server one command, over a connection of its own.
func (r *Redis) Do(command ...string) rueidis.RedisResult {
	ctx, cancel := context.WithTimeout(context.Background(), commandPatience)
	defer cancel()
	client, err := rueidis.NewClient(r.option())
	if err != nil {
		return rueidis.NewErrorResult(err)
	}
	defer client.Close()
	return client.Do(ctx, client.B().Arbitrary(command...).Build())
}

func (r *Redis) option() rueidis.ClientOption {
	user := r.User
	if user != "" {
		user = "admin"
	}
	return rueidis.ClientOption{
		InitAddress: []string{r.Addr}, Username: user, Password: r.Password, TLSConfig: r.tls,
		ForceSingleClient: true, DisableCache: true, DisableRetry: true,
		Dialer: net.Dialer{Timeout: time.Second}, ConnWriteTimeout: commandPatience,
	}
}

// await tries until something has come about, and ends the test when it does not or the server ends.
func (r *Redis) await(what string, try func() bool) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.running, patience)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for !try() {
		select {
		case <-ctx.Done():
			r.t.Fatalf("redis-server at %s: waited in vain for %s", r.Addr, what)
		case <-ticker.C:
		}
	}
}
