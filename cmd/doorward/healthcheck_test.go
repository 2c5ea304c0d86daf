package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestHealthcheckAsksTheRunningOne(t *testing.T) {
	status := http.StatusOK
	running := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		w.WriteHeader(status)
	}))
	defer running.Close()
	environment(t, map[string]string{"METRICS_ADDR": running.Listener.Addr().String(), "ISSUER_URL": unset})
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")

	if code, out, errOut := command(t, "healthcheck"); code != exitOK || out != "ready\n" || errOut != "" {
		t.Errorf("ready: status %d, out %q, err %q", code, out, errOut)
	}
	status = http.StatusServiceUnavailable
	if code, _, errOut := command(t, "healthcheck"); code != exitFailed || !strings.Contains(errOut, "answers 503") {
		t.Errorf("draining: status %d, err %q", code, errOut)
	}
	running.Close()
	if code, _, errOut := command(t, "healthcheck"); code != exitFailed || !strings.Contains(errOut, "nobody answers") {
		t.Errorf("gone: status %d, err %q", code, errOut)
	}
}

// It asks every few seconds, in an image whose disk nobody looks after: it leaves no trace, and reads no secret.
func TestHealthcheckTouchesNothing(t *testing.T) {
	folder := t.TempDir()
	long := time.Now().Add(-time.Hour).Truncate(time.Second)
	if err := os.Chtimes(folder, long, long); err != nil {
		t.Fatal(err)
	}
	environment(t, map[string]string{"METRICS_ADDR": "127.0.0.1:1", "REVOCATIONS_PATH": filepath.Join(folder, "revocations")})
	command(t, "healthcheck")
	if info, err := os.Stat(folder); err != nil || !info.ModTime().Equal(long) {
		t.Errorf("the folder was changed at %v, %v", info.ModTime(), err)
	}
}

func TestListenersAreReachedFromTheirOwnMachine(t *testing.T) {
	for address, want := range map[string]string{
		":9180": "localhost:9180", "0.0.0.0:9180": "localhost:9180", "[::]:9180": "localhost:9180",
		"127.0.0.1:9180": "127.0.0.1:9180", "[fd00::1]:9180": "[fd00::1]:9180", "metrics.internal:9180": "metrics.internal:9180",
	} {
		if got := reachable(address); got != want {
			t.Errorf("%s is reached at %s", address, got)
		}
	}
}
