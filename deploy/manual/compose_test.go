//go:build unix

package manual

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"doorward/config"
)

// Whatever setting somebody writes into .env, docker-compose.yml hands it to doorward; and what .env.example and the file itself name are settings.
func TestComposePassesOnWhatDotEnvSays(t *testing.T) {
	compose := topFile(t, "docker-compose.yml")
	service := regexp.MustCompile(`(?ms)^  doorward:\n(.*?)^  \S`).FindStringSubmatch(compose)
	if service == nil || !strings.Contains(service[1], "\n    env_file: [{ path: .env, required: false }]\n") {
		t.Error("docker-compose.yml has no service doorward that reads .env, or needs the file")
	}
	for _, text := range []string{compose, topFile(t, ".env.example")} {
		names := regexp.MustCompile(`(?m)^ *#?DOORWARD_(\w+)[:=]`).FindAllStringSubmatch(text, -1)
		if len(names) < 10 {
			t.Fatalf("only %d settings were found", len(names))
		}
		for _, name := range names {
			if !config.Known(name[1]) {
				t.Errorf("DOORWARD_%s is no setting", name[1])
			}
		}
	}
}

func topFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(top, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
