//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"doorward/cmd/demo/provider"
)

// lab is where it all runs: a folder, an upstream, a provider, and the processes that are measured.
type lab struct {
	ctx       context.Context
	options   options
	out       io.Writer
	folder    string
	doorward  string // the binary
	self      string
	upstream  string // its URL
	issuer    string
	origins   []string // of whoever may send people to the provider
	taken     int      // of them
	given     []string // addresses, to anybody
	processes []*process
	lasting   int // of them: who serves those that are measured
	provider  *http.Server
}

const clientID, clientSecret = "doorward", "benchmark-secret"

// newLab prepares everything but those that are measured.
func newLab(ctx context.Context, o options, out io.Writer) (l *lab, err error) {
	if _, err := exec.LookPath("wrk"); err != nil {
		return nil, errors.New("wrk makes the load: install it (apt-get install wrk)")
	}
	l = &lab{ctx: ctx, options: o, out: out, doorward: o.doorward}
	if l.folder, err = os.MkdirTemp("", "doorward-benchmark-*"); err != nil {
		return nil, err
	}
	for _, prepare := range []func() error{l.openFolder, l.build, l.startUpstream, l.startProvider} {
		if err := prepare(); err != nil {
			l.close()
			return nil, err
		}
	}
	l.lasting = len(l.processes)
	return l, nil
}

// clear ends whoever is measured, and takes their addresses back.
func (l *lab) clear() {
	for _, p := range l.processes[l.lasting:] {
		p.stop()
	}
	http.DefaultClient.CloseIdleConnections()
	l.processes, l.taken = l.processes[:l.lasting], 0
}

// close ends all processes and removes the folder.
func (l *lab) close() {
	for _, p := range l.processes {
		p.stop()
	}
	if l.provider != nil {
		l.provider.Close()
	}
	os.RemoveAll(l.folder)
}

// openFolder lets servers in that run their workers as somebody else.
func (l *lab) openFolder() error { return os.Chmod(l.folder, 0o755) }

func (l *lab) build() (err error) {
	if l.self, err = os.Executable(); err != nil || l.doorward != "" {
		return err
	}
	l.say("building doorward")
	l.doorward = filepath.Join(l.folder, "doorward")
	output, err := exec.CommandContext(l.ctx, "go", "build", "-o", l.doorward, "doorward/cmd/doorward").CombinedOutput()
	if err != nil {
		return fmt.Errorf("building doorward: %w\n%s", err, output)
	}
	return nil
}

func (l *lab) say(format string, values ...any) { fmt.Fprintf(l.out, format+"\n", values...) }

func (l *lab) startUpstream() error {
	addr, err := l.freeAddr()
	if err != nil {
		return err
	}
	p, err := l.start("upstream", nil, l.self, "upstream", addr)
	if err != nil {
		return err
	}
	l.upstream = "http://" + addr
	return p.await(l.ctx, func() bool { return listens(addr) })
}

// startProvider starts the demo's provider, whose tokens outlive the benchmark. It answers logins alone, and nobody measures it.
func (l *lab) startProvider() error {
	slog.SetLogLoggerLevel(slog.LevelWarn) // it tells of every route that it registers
	for range maxOrigins {
		addr, err := l.freeAddr()
		if err != nil {
			return err
		}
		l.origins = append(l.origins, "http://"+addr)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	l.issuer = "http://localhost:" + portOf(listener.Addr().String()) // another host than the sites, so that cookies stay apart
	var callbacks []string
	for _, origin := range l.origins {
		callbacks = append(callbacks, origin+"/oauth2/callback")
	}
	handler, err := provider.New(provider.Options{
		Issuer: l.issuer, ClientID: clientID, ClientSecret: clientSecret, RedirectURIs: callbacks, PostLogoutURIs: l.origins,
		Audience: "benchmark", AccessTokenLifetime: 12 * time.Hour, Users: people(),
	})
	if err != nil {
		return err
	}
	l.provider = &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = l.provider.Serve(listener) }()
	return nil
}

// maxOrigins is how many addresses the provider knows.
const maxOrigins = 32

// origin takes one of the addresses that the provider knows.
func (l *lab) origin() string {
	l.taken++
	return l.origins[l.taken-1]
}

// freeAddr is an address on loopback where nobody listens, and which was given to nobody: some wait long for whoever is to listen there.
func (l *lab) freeAddr() (string, error) {
	for {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return "", err
		}
		addr := listener.Addr().String()
		listener.Close()
		if !slices.Contains(l.given, addr) {
			l.given = append(l.given, addr)
			return addr, nil
		}
	}
}

func listens(addr string) bool {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

func portOf(addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	return port
}
