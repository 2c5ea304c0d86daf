//go:build linux

package systemd

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"doorward/config"
	"doorward/deploy/programtest"
)

// unit is what a unit's file says: the values of each key, in their order.
type unit map[string][]string

func read(t *testing.T, name string) unit {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	u := unit{}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(key, "#") {
			u[key] = append(u[key], value)
		}
	}
	return u
}

// analyze runs systemd-analyze and returns what it says.
func analyze(t *testing.T, args ...string) string {
	t.Helper()
	output, err := exec.Command(find(t, "systemd-analyze"), args...).CombinedOutput()
	if err != nil {
		t.Errorf("systemd-analyze %s: %v", strings.Join(args, " "), err)
	}
	return string(output)
}

func find(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		programtest.Missing(t, "systemd", "no "+program+" in PATH (Debian: apt-get install systemd)")
	}
	return path
}

// systemd reads the units without a complaint.
func TestUnitsAreValid(t *testing.T) { verify(t, install(t)) }

// So it does with each of the drop-ins that README.md shows.
func TestDropInsAreValid(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(readme), "```ini\n")[1:]
	for _, block := range blocks {
		text, _, _ := strings.Cut(block, "```")
		unit := "doorward.service"
		if strings.Contains(text, "[Socket]") {
			unit = "doorward.socket"
		}
		folder := install(t)
		write(t, filepath.Join(folder, unit+".d", "override.conf"), text)
		verify(t, folder)
	}
	if len(blocks) == 0 {
		t.Error("there are none")
	}
}

// install puts the units into a folder of the test, and has them start the doorward that was built.
func install(t *testing.T) (folder string) {
	t.Helper()
	find(t, "systemd-analyze")
	program, folder := programtest.Doorward(t), t.TempDir()
	for _, name := range []string{"doorward.service", "doorward.socket"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(folder, name), strings.ReplaceAll(string(text), "/usr/local/bin/doorward", program))
	}
	return folder
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func verify(t *testing.T, folder string) {
	t.Helper()
	if says := analyze(t, "verify", "--man=no", filepath.Join(folder, "doorward.service"), filepath.Join(folder, "doorward.socket")); says != "" {
		t.Errorf("systemd-analyze verify says:\n%s", says)
	}
}

// What systemd thinks a break-in would lead to: 10 is everything, and 2.0 is the most that shall be.
func TestServiceIsLittleExposed(t *testing.T) {
	report := analyze(t, "security", "--offline=true", "--no-pager", "--threshold=20", "./doorward.service") // in tenths
	if !strings.Contains(report, "Overall exposure level for doorward.service") || t.Failed() {
		t.Errorf("systemd-analyze security says:\n%s", report)
	}
}

// environment is that of the service, by the unit and by doorward.env, with its credentials and its state in folders of the test.
func (u unit) environment(t *testing.T) []string {
	t.Helper()
	credentials, state := u.credentials(t), t.TempDir()
	if err := os.Mkdir(filepath.Join(state, u["StateDirectory"][0]), 0o700); err != nil {
		t.Fatal(err)
	}
	folder, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	environment := settings(t)
	for _, variable := range u["Environment"] {
		environment = append(environment, strings.NewReplacer("%d", credentials, "%S", state, "/etc/doorward", folder).Replace(variable))
	}
	return environment
}

// settings are those of doorward.env, as a shell understands it, which is how README.md has it checked.
func settings(t *testing.T) (all []string) {
	t.Helper()
	shell := exec.Command("sh", "-c", "set -a; . ./doorward.env; env -0")
	shell.Env = []string{}
	output, err := shell.Output()
	if err != nil {
		t.Fatal(err)
	}
	for variable := range strings.SplitSeq(string(output), "\x00") {
		if strings.HasPrefix(variable, config.Prefix) {
			all = append(all, variable)
		}
	}
	return all
}

// credentials is a folder with a file for each LoadCredential.
func (u unit) credentials(t *testing.T) string {
	t.Helper()
	cert, key := certificate(t)
	texts := map[string]string{"client-secret": "the client's secret", "cookie-secrets": config.NewSecret(), "tls-cert": cert, "tls-key": key}
	folder := t.TempDir()
	for _, credential := range u["LoadCredential"] {
		name, _, _ := strings.Cut(credential, ":")
		if err := os.WriteFile(filepath.Join(folder, name), []byte(texts[name]+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// certificate is the one that servers of tests have.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	private, err := x509.MarshalPKCS8PrivateKey(server.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	encode := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return encode("CERTIFICATE", server.Certificate().Raw), encode("PRIVATE KEY", private)
}

// Every setting of the unit is one of doorward's, and the whole of them starts it.
func TestSettingsOfTheServiceAreAccepted(t *testing.T) {
	check := exec.Command(programtest.Doorward(t), "check", "--json")
	check.Env = read(t, "doorward.service").environment(t)
	output, err := check.Output()
	var report struct {
		OK       bool
		Problems []any
	}
	if json.Unmarshal(output, &report); err != nil || !report.OK {
		t.Errorf("doorward check: %v\n%s", err, output)
	}
}
