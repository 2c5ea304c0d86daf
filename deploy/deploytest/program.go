//go:build unix

package deploytest

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// startLimit is how long a provider may take to start. Keycloak builds itself first, some 40 seconds on two cores.
const startLimit = 5 * time.Minute

// Run starts a program that ends with the test, and returns a context that ends with the program. When the test fails,
// the program's output is told.
func Run(t testing.TB, program *exec.Cmd) context.Context {
	t.Helper()
	var output bytes.Buffer
	program.Stdout, program.Stderr = &output, &output
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
		_ = syscall.Kill(-program.Process.Pid, syscall.SIGKILL)
		<-running.Done()
		if t.Failed() {
			t.Logf("%s said:\n%s", program.Path, output.String())
		}
	})
	return running
}

// AwaitProvider returns when the issuer answers, and ends the test when that takes too long or the program ends first.
func AwaitProvider(t testing.TB, issuer string, running context.Context) {
	t.Helper()
	ctx, cancel := context.WithTimeout(running, startLimit)
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for err := fetch(ctx, issuer); err != nil; err = fetch(ctx, issuer) {
		select {
		case <-ctx.Done():
			t.Fatalf("the provider did not start: %v", err)
		case <-ticker.C:
		}
	}
}

func fetch(ctx context.Context, issuer string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, issuer+"/.well-known/openid-configuration", nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("discovery answers %s", answer.Status)
	}
	return nil
}

// FreePort is a port that was free a moment ago. It is below those that Linux gives to whoever asks for any: until the program
// listens there, no server of another test that runs at the same time shall have it.
func FreePort(t testing.TB) string {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(20000+rand.IntN(12000))))
		if err == nil {
			defer l.Close()
			return port(l)
		}
	}
	t.Fatal("no port is free")
	return ""
}
