// Package hosts tests the settings that its README shows.
package hosts

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"doorward/config"
)

// The settings in the README are good ones, and lead to the callbacks that it names.
func TestSettingsOfTheREADME(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(readme), "```sh\n")[1:]
	if len(blocks) != 2 {
		t.Fatalf("there are %d blocks of settings", len(blocks))
	}
	for i, want := range []struct {
		callbacks, siblings []string
		cookie              string
	}{
		{[]string{"https://app.example.com/oauth2/callback", "https://wiki.example.com/oauth2/callback"}, nil, "__Host-doorward"},
		{[]string{"https://app.example.com/oauth2/callback"}, []string{"https://grafana.example.com", "https://wiki.example.com"}, "__Secure-doorward"},
	} {
		t.Run(want.cookie, func(t *testing.T) {
			settings, _, _ := strings.Cut(blocks[i], "```")
			c := load(t, settings)
			var siblings []string
			for _, u := range c.SiblingOrigins() {
				siblings = append(siblings, u.String())
			}
			if !slices.Equal(c.CallbackURLs(), want.callbacks) || !slices.Equal(siblings, want.siblings) || c.SessionCookieName() != want.cookie {
				t.Errorf("callbacks %q, further hosts %q, cookie %s", c.CallbackURLs(), siblings, c.SessionCookieName())
			}
			notes := strings.Join(c.Notes(), "\n")
			if strings.Contains(notes, "nobody can sign in") || strings.Contains(notes, "every server under example.com") != (siblings != nil) {
				t.Errorf("check notes: %s", notes)
			}
		})
	}
}

// load reads settings as doorward does from a shell that has executed the lines.
func load(t *testing.T, settings string) *config.Config {
	t.Helper()
	shell := exec.CommandContext(t.Context(), "sh", "-c", settings+"\nenv -0")
	shell.Env = []string{"PATH=" + os.Getenv("PATH"), "DOORWARD_ISSUER_URL=https://login.example.com", "DOORWARD_CLIENT_ID=doorward", "DOORWARD_CLIENT_SECRET=secret",
		"DOORWARD_COOKIE_SECRETS=" + config.NewSecret()}
	environment, err := shell.Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, variable := range strings.Split(string(environment), "\x00") {
		if name, value, _ := strings.Cut(variable, "="); strings.HasPrefix(name, config.Prefix+"_") {
			t.Setenv(name, value)
		}
	}
	c, err := config.Load()
	if err != nil {
		t.Fatal(err)
	}
	return c
}
