//go:build unix

// Package nginx tests doorward behind nginx (auth_request), configured as README.md tells people to.
package nginx

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"doorward/deploy/deploytest"
	"doorward/deploy/programtest"
)

// start runs nginx.
func start(t *testing.T, o deploytest.FrontOptions) *deploytest.Front {
	t.Helper()
	program := find(t)
	f := deploytest.NewFront(t, "nginx", o)
	dir := t.TempDir()
	server := f.Configuration("doorward.conf",
		"127.0.0.1:4180", f.Doorward, "127.0.0.1:8080", f.Application, "listen 80", "listen 127.0.0.1:"+f.Port, "app.example.com", "localhost")
	whole := fmt.Sprintf("daemon off;\npid nginx.pid;\nerror_log stderr;\n%sevents {}\nhttp {\naccess_log off;\nclient_body_temp_path body;\n"+
		"proxy_temp_path proxy;\nfastcgi_temp_path fastcgi;\nuwsgi_temp_path uwsgi;\nscgi_temp_path scgi;\n%s}\n", user(), server)
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(whole), 0o644); err != nil {
		t.Fatal(err)
	}
	f.Await(programtest.Run(t, exec.Command(program, "-p", dir, "-c", file, "-e", "stderr")))
	return f
}

// user keeps nginx from changing to another one, who could not enter the test's folder.
func user() string {
	if os.Getuid() == 0 {
		return "user root;\n"
	}
	return ""
}

func find(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"nginx", "/usr/sbin/nginx"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	programtest.Missing(t, "nginx", "no nginx in PATH (Debian: apt-get install nginx-light)")
	return ""
}

func TestBehindNginx(t *testing.T) { deploytest.FrontStory{Start: start, Name: "nginx"}.Tell(t) }

func TestTrafficBehindNginx(t *testing.T) {
	deploytest.FrontStory{Start: start, Name: "nginx"}.Traffic(t)
}
