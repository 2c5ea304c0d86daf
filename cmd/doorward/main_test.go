package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"doorward/config"
)

const canary = "hunter2-canary"

// environment makes the process environment a valid configuration with the
// given changes, names without prefix; unset takes a variable away.
func environment(t *testing.T, changes map[string]string) {
	t.Helper()
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, config.Prefix+"_") {
			t.Setenv(name, "") // so that it comes back after the test
			os.Unsetenv(name)
		}
	}
	values := map[string]string{
		"PUBLIC_URL":     "https://app.example.com",
		"UPSTREAMS":      "http://127.0.0.1:8080",
		"ACCESS_RULES":   "/ authenticated",
		"ISSUER_URL":     "https://id.example.com",
		"CLIENT_ID":      "doorward",
		"CLIENT_SECRET":  canary,
		"COOKIE_SECRETS": config.NewSecret(),
	}
	for name, value := range changes {
		values[name] = value
	}
	for name, value := range values {
		if value != unset {
			t.Setenv(config.Prefix+"_"+name, value)
		}
	}
}

const unset = "\x01"

// command runs a command that ends by itself and returns what it wrote.
func command(t *testing.T, args ...string) (status int, out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	status = run(t.Context(), args, &o, &e)
	if strings.Contains(o.String()+e.String(), canary) {
		t.Errorf("%q shows the client secret", args)
	}
	return status, o.String(), e.String()
}

func TestUnknownCommand(t *testing.T) {
	status, out, errOut := command(t, "chekc")
	if status != exitUsage || out != "" || !strings.Contains(errOut, `"chekc"`) || !strings.Contains(errOut, "doorward check") {
		t.Errorf("status %d, out %q, err %q", status, out, errOut)
	}
}

func TestHelp(t *testing.T) {
	for _, word := range []string{"help", "-h", "--help"} {
		if status, out, _ := command(t, word); status != exitOK || !strings.Contains(out, "doorward explain") {
			t.Errorf("%s: status %d, out %q", word, status, out)
		}
	}
}

func TestWrongFlagsAreUsageErrors(t *testing.T) {
	for _, args := range [][]string{{"serve", "--port=80"}, {"serve", "now"}, {"check", "--fast"}, {"config", "x"}, {"secret", "--rotat"}, {"explain"}, {"explain", "--group"}} {
		if status, _, errOut := command(t, args...); status != exitUsage || errOut == "" {
			t.Errorf("%q: status %d, err %q", args, status, errOut)
		}
	}
}

func TestVersion(t *testing.T) {
	status, out, _ := command(t, "version")
	if status != exitOK || !strings.HasPrefix(out, "doorward ") || !strings.Contains(out, "commit ") || !strings.Contains(out, "go1.") {
		t.Errorf("status %d, out %q", status, out)
	}
}

func TestConfigListsEverySetting(t *testing.T) {
	for _, args := range [][]string{{"config"}, {"config", "--markdown"}} {
		if status, out, _ := command(t, args...); status != exitOK || !strings.Contains(out, "DOORWARD_PUBLIC_URL") || !strings.Contains(out, "DOORWARD_INSECURE_UNVERIFIED_EMAIL") {
			t.Errorf("%q: status %d, out %q", args, status, out)
		}
	}
}

func TestSecretIsFreshAndTaken(t *testing.T) {
	_, first, _ := command(t, "secret")
	_, second, _ := command(t, "secret")
	if first == second {
		t.Error("the same secret twice")
	}
	environment(t, map[string]string{"COOKIE_SECRETS": strings.TrimSpace(first)})
	if _, err := config.Load(); err != nil {
		t.Error(err)
	}
}

func TestSecretRotation(t *testing.T) {
	status, out, _ := command(t, "secret", "--rotate")
	appended := strings.Index(out, "DOORWARD_COOKIE_SECRETS=<old>,")
	first := strings.Index(out, ",<old>")
	if status != exitOK || appended < 0 || first < appended || !strings.Contains(out, "1. Append") || !strings.Contains(out, "2. Put it first") {
		t.Errorf("status %d, out:\n%s", status, out)
	}
}
