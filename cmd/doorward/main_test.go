package main

import (
	"bytes"
	"maps"
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
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, config.Prefix+"_") || strings.HasPrefix(name, "OTEL_") {
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
	maps.Copy(values, changes)
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

func TestFlagsAreComplainedOfAsTheManualWritesThem(t *testing.T) {
	for _, c := range []struct{ args, says string }{
		{"check --fast", "doorward check: there is no flag --fast; the command takes --json, --live, --strict\n"},
		{"serve -port=80", "doorward serve: there is no flag --port; the command takes no flags\n"},
		{"--fast", `doorward: there is no flag "--fast"`},
		{"explain / --group", "doorward explain: a value is missing behind --group\n"},
		{"explain / --ip nowhere", `doorward explain: invalid value "nowhere" for --ip: write an address`},
		{"explain / --age 5", `doorward explain: invalid value "5" for --age: write a duration`},
		{"check --live=perhaps", `for --live:`},
	} {
		status, _, errOut := command(t, strings.Fields(c.args)...)
		if status != exitUsage || !strings.Contains(errOut, c.says) || strings.Contains(errOut, "Usage of") {
			t.Errorf("%s: status %d, err %q", c.args, status, errOut)
		}
	}
}

func TestHelpOfACommand(t *testing.T) {
	if status, _, errOut := command(t, "check", "--help"); status != exitOK || !strings.Contains(errOut, "--live") {
		t.Errorf("status %d, err %q", status, errOut)
	}
}

func TestVersion(t *testing.T) {
	for _, word := range []string{"version", "-v", "--version"} {
		status, out, _ := command(t, word)
		if status != exitOK || !strings.HasPrefix(out, "doorward ") || !strings.Contains(out, "commit ") || !strings.Contains(out, "go1.") {
			t.Errorf("%s: status %d, out %q", word, status, out)
		}
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
	if status != exitOK || !strings.Contains(out, `{key="2"}`) || appended < 0 || first < appended || !strings.Contains(out, "1. Append") || !strings.Contains(out, "2. Put it first") {
		t.Errorf("status %d, out:\n%s", status, out)
	}
}
