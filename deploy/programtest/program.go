//go:build unix

package programtest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
)

// Run starts a program that ends with the test, and returns a context that ends with the program. When the test fails,
// the program's output is told. All of it goes to the program's Stdout as well, if that is set.
func Run(t testing.TB, program *exec.Cmd) context.Context {
	t.Helper()
	var output bytes.Buffer
	to := io.Writer(&output)
	if program.Stdout != nil {
		to = io.MultiWriter(&output, program.Stdout)
	}
	program.Stdout, program.Stderr = to, to
	// kc.sh starts Java as a child of its own; a group of their own lets both be ended.
	program.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := program.Start(); err != nil {
		t.Fatalf("starting %s: %v", program.Path, err)
	}
	running, ended := context.WithCancel(context.Background())
	go func() {
		defer ended()
		_ = program.Wait()
	}()
	t.Cleanup(func() {
		if running.Err() == nil { // else its number may be another's by now
			_ = syscall.Kill(-program.Process.Pid, syscall.SIGKILL)
		}
		<-running.Done()
		if t.Failed() {
			t.Logf("%s said:\n%s", program.Path, output.String())
		}
	})
	return running
}

// FreePort is a port that was free a moment ago. It is below those that Linux gives to whoever asks for any: until the program
// listens there, no server of another test that runs at the same time shall have it.
func FreePort(t testing.TB) string {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(20000+rand.IntN(12000))))
		if err == nil {
			defer l.Close()
			_, port, _ := net.SplitHostPort(l.Addr().String())
			return port
		}
	}
	t.Fatal("no port is free")
	return ""
}

// FreeAddr is a host:port of loopback that nobody else will have, though the program that is to listen there should end and start again
// meanwhile: where all of 127.0.0.0/8 is loopback, as on Linux, a host of its own.
func FreeAddr(t testing.TB) string {
	t.Helper()
	host := fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254))
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		host = "127.0.0.1"
	} else {
		l.Close()
	}
	return net.JoinHostPort(host, FreePort(t))
}
