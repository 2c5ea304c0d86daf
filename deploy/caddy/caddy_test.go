//go:build unix

// Package caddy tests doorward behind Caddy, configured as README.md tells people to.
package caddy

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"doorward/deploy/deploytest"
	"doorward/deploy/programtest"
)

// start runs Caddy.
func start(t *testing.T, o deploytest.FrontOptions) *deploytest.Front {
	t.Helper()
	program, err := exec.LookPath("caddy")
	if err != nil {
		programtest.Missing(t, "caddy", "no caddy in PATH (Debian: apt-get install caddy)")
	}
	f := deploytest.NewFront(t, "caddy", o)
	dir := t.TempDir()
	server := f.Configuration("Caddyfile",
		"127.0.0.1:4180", f.Doorward, "127.0.0.1:8080", f.Application, "http://app.example.com", f.Origin)
	file := filepath.Join(dir, "Caddyfile")
	if err := os.WriteFile(file, []byte("{\n\tadmin off\n}\n"+server), 0o600); err != nil {
		t.Fatal(err)
	}
	caddy := exec.Command(program, "run", "--config", file, "--adapter", "caddyfile")
	caddy.Env = append(os.Environ(), "HOME="+dir, "XDG_CONFIG_HOME="+dir, "XDG_DATA_HOME="+dir)
	f.Await(programtest.Run(t, caddy))
	return f
}

func TestBehindCaddy(t *testing.T) { deploytest.FrontStory{Start: start, Name: "caddy"}.Tell(t) }

func TestTrafficBehindCaddy(t *testing.T) {
	deploytest.FrontStory{Start: start, Name: "caddy"}.Traffic(t)
}
