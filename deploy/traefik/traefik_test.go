//go:build unix

// Package traefik tests doorward behind Traefik, configured as README.md tells people to.
package traefik

import (
	"cmp"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"doorward/deploy/deploytest"
	"doorward/deploy/programtest"
)

// start runs Traefik, which TRAEFIK names where it is not in PATH.
func start(t *testing.T, o deploytest.FrontOptions) *deploytest.Front {
	t.Helper()
	program, err := exec.LookPath(cmp.Or(os.Getenv("TRAEFIK"), "traefik"))
	if err != nil {
		programtest.Missing(t, "traefik", "TRAEFIK does not name it, and PATH has none (README.md says where to get it)")
	}
	f := deploytest.NewFront(t, "traefik", o)
	file := filepath.Join(t.TempDir(), "doorward.yml")
	if err := os.WriteFile(file, []byte(f.Configuration("doorward.yml",
		"127.0.0.1:4180", f.Doorward, "127.0.0.1:8080", f.Application, "app.example.com", "localhost", "__Host-doorward", "doorward")), 0o600); err != nil {
		t.Fatal(err)
	}
	running := programtest.Run(t, exec.Command(program, "--providers.file.filename="+file, "--entrypoints.web.address=127.0.0.1:"+f.Port,
		"--global.checknewversion=false", "--global.sendanonymoususage=false", "--log.level=WARN"))
	f.Await(running)
	programtest.Await(t, running, 30*time.Second, "Traefik to read its routes, after it listens", func() bool {
		answer, err := http.Get(f.Origin + "/oauth2/healthz")
		if err != nil {
			return false
		}
		answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
	return f
}

func TestBehindTraefik(t *testing.T) {
	deploytest.FrontStory{Start: start, Name: "traefik", Names: "X-Auth-Request-", Ampersands: true}.Tell(t)
}

func TestTrafficBehindTraefik(t *testing.T) {
	deploytest.FrontStory{Start: start, Name: "traefik", SilentToCaches: true}.Traffic(t)
}
