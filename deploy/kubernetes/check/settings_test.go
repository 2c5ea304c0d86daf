package check

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// build builds doorward once.
var build = sync.OnceValues(func() (string, error) {
	folder, err := os.MkdirTemp("", "doorward-*")
	if err != nil {
		return "", err
	}
	binary := filepath.Join(folder, "doorward")
	command := exec.Command("go", "build", "-o", binary, "./cmd/doorward")
	command.Dir = "../../.."
	if output, err := command.CombinedOutput(); err != nil {
		return binary, fmt.Errorf("building doorward: %w\n%s", err, output)
	}
	return binary, nil
})

// TestMain removes what was built.
func TestMain(m *testing.M) {
	status := m.Run()
	if binary, _ := build(); binary != "" {
		os.RemoveAll(filepath.Dir(binary))
	}
	os.Exit(status)
}

// run is doorward with an environment and nothing else.
func run(t *testing.T, environment map[string]string, args ...string) *exec.Cmd {
	t.Helper()
	binary, err := build()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), binary, args...)
	command.Env = []string{}
	for name, value := range environment {
		command.Env = append(command.Env, name+"="+value)
	}
	return command
}

// known is a setting as doorward lists it.
type known struct{ kind, fallback string }

// knownSettings are the rows of `doorward config --markdown`.
func knownSettings(t *testing.T) map[string]known {
	t.Helper()
	output, err := run(t, nil, "config", "--markdown").Output()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]known{}
	for line := range strings.Lines(string(output)) {
		if cells := strings.Split(line, "|"); len(cells) > 4 {
			all[strings.Trim(cells[1], " `")] = known{strings.TrimSpace(cells[2]), strings.Trim(cells[3], " `")}
		}
	}
	if len(all) < 50 {
		t.Fatalf("read %d settings", len(all))
	}
	return all
}

// settings are what the ConfigMap and the container's own variables set.
func (i *installation) settings(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	container := i.doorward(t)
	for _, from := range container.EnvFrom {
		for name, value := range i.configMap(t, from.ConfigMapRef.Name).Data {
			all[name] = value
		}
	}
	for _, variable := range container.Env {
		all[variable.Name] = variable.Value
	}
	return all
}

func (i *installation) configMap(t *testing.T, name string) *corev1.ConfigMap {
	t.Helper()
	for _, c := range of[*corev1.ConfigMap](i) {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("there is no ConfigMap %s", name)
	return nil
}

// environment is that of the container, but the files of the Secret are in a folder of the test, with values of their kind.
func (i *installation) environment(t *testing.T) map[string]string {
	t.Helper()
	all, folder := i.settings(t), t.TempDir()
	for name, value := range all {
		if !strings.HasPrefix(name, "DOORWARD_") || !strings.HasSuffix(name, "_FILE") {
			continue
		}
		if mount := i.mount(t, value); mount != "secrets" {
			t.Errorf("%s is in the volume %q", name, mount)
		}
		all[name] = filepath.Join(folder, path.Base(value))
		if err := os.WriteFile(all[name], []byte(placeholder(t, name)+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// mount is the volume that holds a file.
func (i *installation) mount(t *testing.T, file string) string {
	for _, mount := range i.doorward(t).VolumeMounts {
		if path.Dir(file) == mount.MountPath && mount.SubPath == "" {
			return mount.Name
		}
	}
	return ""
}

func placeholder(t *testing.T, variable string) string {
	t.Helper()
	switch variable {
	case "DOORWARD_CLIENT_SECRET_FILE":
		return rand.Text()
	case "DOORWARD_COOKIE_SECRETS_FILE":
		secret := make([]byte, 32)
		rand.Read(secret)
		return base64.StdEncoding.EncodeToString(secret)
	case "DOORWARD_REDIS_URL_FILE":
		return "redis://redis:6379"
	}
	t.Fatalf("what does %s hold?", variable)
	return ""
}

// doorward takes the whole configuration, and has nothing to remark on it but what an operator has to decide.
func TestSettingsAreAccepted(t *testing.T) {
	each(t, func(t *testing.T, i *installation) {
		output, err := run(t, i.environment(t), "check", "--json").Output()
		var report struct {
			OK    bool
			Notes []string
		}
		if json.Unmarshal(output, &report); err != nil || !report.OK {
			t.Errorf("doorward check: %v\n%s", err, output)
		}
	})
}

// What is secret is in the Secret, which nobody writes to a repository.
func TestNothingSecretIsInAConfigMap(t *testing.T) {
	each(t, func(t *testing.T, i *installation) {
		known := knownSettings(t)
		if len(of[*corev1.Secret](i)) > 0 {
			t.Error("there is a Secret among the objects")
		}
		for name := range i.settings(t) {
			if strings.Contains(known[name].kind, "secret") {
				t.Errorf("%s is no secret here", name)
			}
		}
		secrets := i.pod(t).Spec.Volumes[0].Secret
		if secrets == nil || secrets.SecretName != "doorward" || *secrets.DefaultMode&0o007 != 0 {
			t.Errorf("the Secret is mounted as %v", secrets)
		}
	})
}

// The probes ask what doorward answers.
func TestProbesAreAnswered(t *testing.T) {
	i := render(t, "base")
	environment := i.environment(t)
	public, metrics := free(t), free(t)
	environment["DOORWARD_LISTEN_ADDR"], environment["DOORWARD_METRICS_ADDR"] = public, metrics
	process := run(t, environment)
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	defer process.Wait()
	defer process.Process.Kill()
	for _, probe := range []*corev1.Probe{i.doorward(t).ReadinessProbe, i.doorward(t).LivenessProbe} {
		if probe.HTTPGet.Port.StrVal != "metrics" {
			t.Errorf("the probe asks %v", probe.HTTPGet.Port)
		}
		if status := ask(t, "http://"+metrics+probe.HTTPGet.Path); status != http.StatusOK {
			t.Errorf("%s is answered %d", probe.HTTPGet.Path, status)
		}
	}
}

func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// ask waits until somebody answers.
func ask(t *testing.T, url string) int {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); <-ticker.C {
		if answer, err := http.Get(url); err == nil {
			answer.Body.Close()
			return answer.StatusCode
		}
	}
	t.Fatalf("%s does not answer", url)
	return 0
}
