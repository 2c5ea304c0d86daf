//go:build unix

package manual

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"doorward/deploy/programtest"
	"doorward/proxy/providertest"
)

// commands are those of README.md: its blocks for a shell, and what it writes as code within a line.
func commands(t *testing.T) (blocks, inline []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(top, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	fenced := regexp.MustCompile("(?s)```(\\w*)\n(.*?)```")
	for _, block := range fenced.FindAllStringSubmatch(string(text), -1) {
		if block[1] == "sh" {
			blocks = append(blocks, block[2])
		}
	}
	rest := fenced.ReplaceAllString(string(text), "")
	for _, code := range regexp.MustCompile("`((?:doorward|go|docker|bash|cp) [^`]+)`").FindAllStringSubmatch(rest, -1) {
		inline = append(inline, code[1])
	}
	return blocks, inline
}

// A command that nobody tries is one that will be wrong.
func TestEveryCommandIsTried(t *testing.T) {
	tried := map[string]string{ // and where
		"docker compose up --build": "nowhere: it needs Docker's engine", "cp .env.example .env": "with it",
		"go run ./cmd/demo-provider": "cmd/demo-provider", "go run ./deploy/benchmark": "deploy/benchmark",
		"doorward explain GET https://app.example.com/admin/ --group Dev": "here", "doorward migrate oauth2-proxy": "here", "doorward migrate": "here",
		"doorward check --live": "here", "doorward help": "here", "doorward config": "here", "doorward secret --rotate": "cmd/doorward",
	}
	blocks, inline := commands(t)
	for _, command := range inline {
		if tried[command] == "" {
			t.Errorf("nobody tries %q", command)
		}
	}
	beginnings := []string{"go run ./cmd/demo\n", "go install ./cmd/doorward ", "go test ./... "}
	if len(blocks) != len(beginnings) {
		t.Fatalf("README.md has %d blocks, and %d are tried", len(blocks), len(beginnings))
	}
	for i, block := range blocks {
		if !strings.HasPrefix(block, beginnings[i]) {
			t.Errorf("nobody tries the block that begins with %q", block[:min(len(block), 60)])
		}
	}
}

// shell runs a script at the top of the repository until the test ends. A tool that is installed is found.
func shell(t *testing.T, script string, environment ...string) context.Context {
	t.Helper()
	bin := t.TempDir()
	command := exec.Command("bash", "-euc", script)
	command.Dir = top
	command.Env = append(os.Environ(), append([]string{"GOBIN=" + bin, "PATH=" + bin + ":" + os.Getenv("PATH")}, environment...)...)
	return programtest.Run(t, command)
}

// answers waits until somebody answers at an address, and gives what they say.
func answers(t *testing.T, running context.Context, address string) (*http.Response, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(running, 3*time.Minute) // a compiler may be at work
	defer cancel()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", "text/html")
		answer, err := http.DefaultTransport.RoundTrip(r)
		if err == nil {
			body, _ := io.ReadAll(answer.Body)
			answer.Body.Close()
			return answer, string(body)
		}
		select {
		case <-ctx.Done():
			t.Fatalf("nobody answers at %s: %v", address, err)
		case <-ticker.C:
		}
	}
}

// The first command shows everything, with Go and nothing else.
func TestTheDemo(t *testing.T) {
	blocks, _ := commands(t)
	addr := "localhost:" + programtest.FreePort(t)
	running := shell(t, strings.TrimSpace(blocks[0])+" -addr "+addr+" -provider localhost:"+programtest.FreePort(t)+" -metrics 127.0.0.1:"+programtest.FreePort(t))
	if answer, _ := answers(t, running, "http://"+addr+"/"); answer.StatusCode != http.StatusSeeOther {
		t.Errorf("the demo answers %d", answer.StatusCode)
	}
}

// The second block puts doorward in front of somebody's own application, with the provider and the application of the reader in the place of those that
// it names.
func TestInFrontOfYourOwnApplication(t *testing.T) {
	application := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "the application's "+r.URL.Path) }))
	defer application.Close()
	provider, addr := providertest.New(t), "localhost:"+programtest.FreePort(t)
	blocks, _ := commands(t)
	script := blocks[1]
	for _, of := range [][2]string{
		{"https://app.example.com", "http://" + addr}, {"http://127.0.0.1:8080", application.URL}, {"https://login.example.com", provider.Issuer},
		{"DOORWARD_CLIENT_ID=doorward", "DOORWARD_CLIENT_ID=" + providertest.ClientID}, {"DOORWARD_CLIENT_SECRET=…", "DOORWARD_CLIENT_SECRET=" + providertest.ClientSecret},
	} {
		if !strings.Contains(script, of[0]) {
			t.Fatalf("the block does not say %s", of[0])
		}
		script = strings.ReplaceAll(script, of[0], of[1])
	}
	explain := "doorward explain GET http://" + addr + "/admin/ --group Admin | grep allowed\nif doorward explain GET http://" + addr + "/admin/ --group Dev; then exit 1; fi\n"
	more := explain + "doorward help >/dev/null; doorward config | grep -q DOORWARD_ACCESS_RULES\n" +
		"OAUTH2_PROXY_CLIENT_ID=x doorward migrate oauth2-proxy | grep -q DOORWARD_CLIENT_ID || test $? -le 1\n"
	serve := strings.LastIndex(script, "doorward ")
	script = script[:serve] + more + script[serve:]
	running := shell(t, script, "DOORWARD_LISTEN_ADDR="+addr, "DOORWARD_METRICS_ADDR=127.0.0.1:"+programtest.FreePort(t))
	if answer, body := answers(t, running, "http://"+addr+"/status"); answer.StatusCode != http.StatusOK || body != "the application's /status" {
		t.Errorf("what is public answers %d: %s", answer.StatusCode, body)
	}
	if answer, _ := answers(t, running, "http://"+addr+"/admin/"); !strings.HasPrefix(answer.Header.Get("Location"), provider.Issuer) {
		t.Errorf("what is not answers %d and leads to %s", answer.StatusCode, answer.Header.Get("Location"))
	}
}
