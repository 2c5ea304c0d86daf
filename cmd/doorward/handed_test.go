//go:build unix

package main

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is how long a process may take to refuse the start.
const patience = 10 * time.Second

// withHanded is a process of doorward that gets sockets as systemd hands them over.
func withHanded(t *testing.T, names string, sockets ...*os.File) *exec.Cmd {
	t.Helper()
	t.Setenv("BE_DOORWARD", "yes")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	process := exec.CommandContext(ctx, "sh", "-c", `LISTEN_PID=$$ exec "$0"`, os.Args[0])
	process.ExtraFiles = sockets
	process.Env = append(os.Environ(), "LISTEN_FDS="+string(rune('0'+len(sockets))), "LISTEN_FDNAMES="+names)
	return process
}

// listening is a socket that listens on loopback, and its address.
func listening(t *testing.T, network, address string) (*os.File, string) {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	file, err := l.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return file, l.Addr().String()
}

func TestSocketsThatWereHandedOverAreServed(t *testing.T) {
	upstream := newSlowUpstream(t)
	close(upstream.release)
	servable(t, upstream.URL)
	os.Unsetenv("DOORWARD_LISTEN_ADDR")
	os.Unsetenv("DOORWARD_METRICS_ADDR")
	metrics, metricsAddr := listening(t, "tcp", "127.0.0.1:0")
	public, publicAddr := listening(t, "tcp", "127.0.0.1:0")
	process := withHanded(t, "metrics:public", metrics, public)
	stdout, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	defer process.Wait()
	defer process.Process.Signal(syscall.SIGTERM)
	if start := next(t, bufio.NewScanner(stdout), "start"); start.Listen != publicAddr || start.Metrics != metricsAddr {
		t.Errorf("it listens on %s and %s, and was handed %s and %s", start.Listen, start.Metrics, publicAddr, metricsAddr)
	}
	if status, body, err := get(publicAddr + "/"); status != http.StatusOK || body != "done" {
		t.Errorf("the public socket answers %d %q, %v", status, body, err)
	}
	if status, _, err := get(metricsAddr + "/readyz"); status != http.StatusOK {
		t.Errorf("the metrics socket answers %d, %v", status, err)
	}
}

func TestSocketsThatDoNotFitRefuseTheStart(t *testing.T) {
	listens, _ := listening(t, "tcp", "127.0.0.1:0")
	other, _ := listening(t, "tcp", "127.0.0.1:0")
	local, _ := listening(t, "unix", t.TempDir()+"/socket")
	plain, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	for _, c := range []struct {
		what, names string
		sockets     []*os.File
		set, want   string
	}{
		{"another name", "doorward.socket", []*os.File{listens}, "", `socket 1 is called "doorward.socket"; call it public or metrics`},
		{"no name", "", []*os.File{listens}, "", `socket 1 is called ""`},
		{"too few names", "public", []*os.File{listens, other}, "", `"2" is not the number of names in LISTEN_FDNAMES, "public"`},
		{"one name twice", "public:public", []*os.File{listens, other}, "", `two sockets are called "public"`},
		{"a file", "public", []*os.File{plain}, "", "cannot be served"},
		{"a connection", "public", []*os.File{connected(t)}, "", "it does not listen"},
		{"a path", "public", []*os.File{local}, "", "it is a unix socket"},
		{"an address beside it", "public", []*os.File{listens}, "127.0.0.1:0", "DOORWARD_LISTEN_ADDR: is set, and a socket was handed over for it"},
	} {
		t.Run(c.what, func(t *testing.T) {
			environment(t, map[string]string{"METRICS_ADDR": "127.0.0.1:0"})
			if c.set != "" {
				t.Setenv("DOORWARD_LISTEN_ADDR", c.set)
			}
			process := withHanded(t, c.names, c.sockets...)
			var errOut strings.Builder
			process.Stderr = &errOut
			if err := process.Run(); err == nil || !strings.Contains(errOut.String(), c.want) {
				t.Errorf("it ends with %v and says %q", err, errOut.String())
			}
		})
	}
}

// connected is one end of a connection, as a unit with Accept=yes hands over.
func connected(t *testing.T) *os.File {
	t.Helper()
	_, address := listening(t, "tcp", "127.0.0.1:0")
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	file, err := conn.(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return file
}

// The variables name a process, and a child inherits them.
func TestSocketsOfAnotherProcessAreLeftAlone(t *testing.T) {
	for name, value := range map[string]string{"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "public"} {
		t.Setenv(name, value)
	}
	sockets, err := takeHanded()
	if len(sockets) != 0 || err != nil {
		t.Errorf("took %v, %v", sockets, err)
	}
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		if _, set := os.LookupEnv(name); set {
			t.Errorf("%s is still in the environment", name)
		}
	}
}
