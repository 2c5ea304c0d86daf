//go:build unix

// Package nginx tests doorward behind nginx (auth_request), configured as README.md tells people to.
package nginx

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"doorward/config"
	"doorward/deploy/deploytest"
	"doorward/deploy/programtest"
)

// start runs nginx in front of doorward.
func start(t *testing.T, o deploytest.FrontOptions) *deploytest.Front {
	t.Helper()
	program := find(t)
	f := deploytest.NewFront(t, "nginx", o)
	f.Await(run(t, program, f.Configuration("doorward.conf",
		"127.0.0.1:4180", f.Doorward, "127.0.0.1:8080", f.Application, "listen 80", "listen 127.0.0.1:"+f.Port, "app.example.com", "localhost")))
	return f
}

// run runs nginx with a server.
func run(t *testing.T, program, server string) context.Context {
	t.Helper()
	dir := t.TempDir()
	whole := fmt.Sprintf("daemon off;\npid nginx.pid;\nerror_log stderr;\n%sevents {}\nhttp {\naccess_log off;\nclient_body_temp_path body;\n"+
		"proxy_temp_path proxy;\nfastcgi_temp_path fastcgi;\nuwsgi_temp_path uwsgi;\nscgi_temp_path scgi;\n%s}\n", user(), server)
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(whole), 0o644); err != nil {
		t.Fatal(err)
	}
	return programtest.Run(t, exec.Command(program, "-p", dir, "-c", file, "-e", "stderr"))
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

// As an upstream over HTTP/2 nginx closes a connection after so many requests, of which it has not served the last ones.
func TestInFrontOfNginx(t *testing.T) {
	program, addr := find(t), programtest.FreeAddr(t)
	running := run(t, program, "server {\nlisten "+addr+" http2;\nkeepalive_requests 50;\nlocation / { return 200; }\n}\n")
	site := deploytest.NewDemoSite(t, nil, func(c *config.Config) {
		c.Upstreams, c.AccessRules = "h2c://"+addr, "/ public"
	})
	deploytest.AwaitListener(t, running, addr)
	var clients sync.WaitGroup
	for range 16 {
		clients.Go(func() {
			for range 50 {
				answer, err := http.Post(site.Origin+"/orders", "text/plain", strings.NewReader("one more"))
				if err != nil {
					t.Error(err)
					return
				}
				answer.Body.Close()
				if answer.StatusCode != http.StatusOK {
					t.Errorf("a request is answered %d", answer.StatusCode)
				}
			}
		})
	}
	clients.Wait()
}
