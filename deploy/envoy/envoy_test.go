//go:build unix

// Package envoy tests doorward behind Envoy, configured as README.md tells people to.
package envoy

import (
	"cmp"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"doorward/deploy/deploytest"
	"doorward/deploy/programtest"
)

// start runs Envoy, which ENVOY names where it is not in PATH.
func start(t *testing.T, o deploytest.FrontOptions) *deploytest.Front {
	t.Helper()
	program, err := exec.LookPath(cmp.Or(os.Getenv("ENVOY"), "envoy"))
	if err != nil {
		programtest.Missing(t, "envoy", "ENVOY does not name it, and PATH has none (README.md says where to get it)")
	}
	f := deploytest.NewFront(t, "envoy", o)
	file := filepath.Join(t.TempDir(), "envoy.yaml")
	if err := os.WriteFile(file, []byte(f.Configuration("envoy.yaml",
		"address: 0.0.0.0, port_value: 80 ", "address: 127.0.0.1, port_value: "+f.Port,
		"app.example.com", "localhost:"+f.Port,
		"port_value: 4180", "port_value: "+port(f.Doorward),
		"port_value: 8080", "port_value: "+port(f.Application))), 0o600); err != nil {
		t.Fatal(err)
	}
	f.Await(programtest.Run(t, exec.Command(program, "-c", file, "--use-dynamic-base-id", "--concurrency", "1", "-l", "warning")))
	return f
}

func port(address string) string {
	_, port, _ := strings.Cut(address, ":")
	return port
}

func TestBehindEnvoy(t *testing.T) {
	deploytest.FrontStory{Start: start, Name: "envoy", Names: "X-Auth-Request-"}.Tell(t)
}

func TestTrafficBehindEnvoy(t *testing.T) {
	deploytest.FrontStory{Start: start, Name: "envoy", SeveralProtocols: http.StatusForbidden}.Traffic(t)
}
