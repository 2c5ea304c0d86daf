//go:build linux

package systemd

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"testing"
	"time"

	"doorward/deploy/programtest"
)

// patience is how long anything may take that has to come about by itself.
const patience = 20 * time.Second

// The program that systemd has for it hands over the socket when the first client has come, and that client is served, by TLS with the
// unit's credentials.
func TestSocketActivation(t *testing.T) {
	activate, u := find(t, "systemd-socket-activate"), read(t, "doorward.service")
	application := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "the application") }))
	defer application.Close()
	address := "127.0.0.1:" + programtest.FreePort(t)
	program := exec.Command(activate, "--listen="+address, "--fdname="+read(t, "doorward.socket")["FileDescriptorName"][0])
	for _, variable := range append(u.environment(t), "DOORWARD_METRICS_ADDR=127.0.0.1:"+programtest.FreePort(t), "DOORWARD_UPSTREAMS="+application.URL) {
		program.Args = append(program.Args, "--setenv="+variable)
	}
	program.Args = append(program.Args, programtest.Doorward(t))
	running := programtest.Run(t, program)

	client := &http.Client{Timeout: patience, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer client.CloseIdleConnections()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline) && running.Err() == nil; <-ticker.C {
		r, _ := http.NewRequest(http.MethodGet, "https://"+address+"/status", nil)
		r.Host = "app.example.com"
		answer, err := client.Do(r)
		if err != nil {
			continue // systemd-socket-activate does not listen yet
		}
		body, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK || string(body) != "the application" {
			t.Errorf("%d: %s", answer.StatusCode, body)
		}
		return
	}
	t.Fatal("nobody was served")
}
