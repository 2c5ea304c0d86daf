// Package guides loads the settings that the provider guides show.
package guides

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"doorward/config"
)

// providers are the folders whose README is a provider's guide.
var providers = []string{
	"okta", "keycloak", "entra-id", "google", "auth0", "gitlab", "dex", "authelia", "authentik", "zitadel", "cognito",
}

var block = regexp.MustCompile("(?ms)^```sh\n(.*?)^```$")

// settings are the blocks of a guide that set everything that doorward needs, and do nothing else.
func settings(t *testing.T, provider string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", provider, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, match := range block.FindAllStringSubmatch(string(text), -1) {
		if onlySets(match[1]) {
			found = append(found, match[1])
		}
	}
	return found
}

func onlySets(lines string) bool {
	for line := range strings.Lines(lines) {
		if !strings.HasPrefix(line, "export DOORWARD_") {
			return false
		}
	}
	return strings.Contains(lines, "DOORWARD_ISSUER_URL=")
}

// environment is what a shell makes of the lines. The function stands for the program, which prints a fresh secret.
func environment(t *testing.T, lines string) map[string]string {
	t.Helper()
	shell := exec.Command("sh", "-ec", "doorward() { echo "+config.NewSecret()+"; }\n"+lines+"\nenv")
	shell.Env = []string{"PATH=" + os.Getenv("PATH")}
	printed, err := shell.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, printed)
	}
	set := map[string]string{}
	for line := range strings.Lines(string(printed)) {
		if name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "="); ok && strings.HasPrefix(name, config.Prefix+"_") {
			set[name] = value
		}
	}
	return set
}

func TestEveryGuideShowsSettingsThatLoad(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("there is no sh")
	}
	for _, provider := range providers {
		blocks := settings(t, provider)
		if len(blocks) == 0 {
			t.Errorf("deploy/%s/README.md shows no settings", provider)
		}
		for _, lines := range blocks {
			t.Run(provider, func(t *testing.T) {
				for name, value := range environment(t, lines) {
					t.Setenv(name, value)
				}
				if c, err := config.Load(); err != nil {
					t.Errorf("%v", err)
				} else if _, err := c.Policy(); err != nil {
					t.Errorf("%v", err)
				}
			})
		}
	}
}

// Each guide is in the table here, has a link to where its facts are from, and says whether the provider was run.
func TestEveryGuideSaysWhereItsFactsAreFrom(t *testing.T) {
	index, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, provider := range providers {
		text, err := os.ReadFile(filepath.Join("..", provider, "README.md"))
		if err != nil {
			t.Fatal(err)
		}
		guide := string(text)
		if !strings.Contains(string(index), "(../"+provider+"/README.md)") {
			t.Errorf("%s is not in the table", provider)
		}
		if !strings.Contains(guide, "Not run here") && !strings.Contains(guide, "Run here") {
			t.Errorf("%s does not say whether it was run", provider)
		}
		if !strings.Contains(guide, "https://app.example.com/oauth2/callback") && !strings.Contains(guide, "http://localhost:4180/oauth2/callback") {
			t.Errorf("%s does not say which redirect URI to register", provider)
		}
		if regexp.MustCompile(`(?m)^\[\w+\]: https://`).FindString(guide) == "" {
			t.Errorf("%s has no link to the provider's documentation", provider)
		}
	}
}

// A link by reference leads somewhere.
func TestLinksByReference(t *testing.T) {
	for _, provider := range append(providers, "guides") {
		text, _ := os.ReadFile(filepath.Join("..", provider, "README.md"))
		for _, used := range regexp.MustCompile(`\]\[(\w+)\]`).FindAllStringSubmatch(string(text), -1) {
			if !strings.Contains(string(text), "\n["+used[1]+"]: ") {
				t.Errorf("%s: [%s] leads nowhere", provider, used[1])
			}
		}
	}
}
