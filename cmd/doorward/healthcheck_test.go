package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
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
