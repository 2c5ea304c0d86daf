package migrate_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// build returns a folder with the program, the example and the file that it names.
func build(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	if out, err := exec.Command("go", "build", "-o", folder, "doorward/cmd/doorward").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	example, err := os.ReadFile("oauth2-proxy.cfg")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"oauth2-proxy.cfg": string(example), "client-secret": "from a file"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// blocks are the README's blocks of commands and settings.
func blocks(t *testing.T) []string {
	t.Helper()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, match := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(readme), -1) {
		all = append(all, match[1])
	}
	return all
}

// shell runs commands in the folder, and in no environment but the program's.
func shell(t *testing.T, folder, commands string) (out, errOut string) {
	t.Helper()
	var o, e strings.Builder
	c := exec.Command("sh", "-ec", commands)
	c.Dir, c.Env = folder, []string{"PATH=" + folder + ":" + os.Getenv("PATH")}
	c.Stdout, c.Stderr = &o, &e
	if err := c.Run(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, o.String(), e.String())
	}
	return o.String(), e.String()
}

func TestReadme(t *testing.T) {
	folder := build(t)
	t.Run("its commands work", func(t *testing.T) { runCommands(t, folder) })
	t.Run("it shows what comes out", func(t *testing.T) { compareOutput(t, folder) })
}

func runCommands(t *testing.T, folder string) {
	out, lists := shell(t, folder, blocks(t)[0])
	for _, says := range []string{"The configuration is fine.", "verdict   allowed"} {
		if !strings.Contains(out, says) {
			t.Errorf("they do not say %q:\n%s", says, out)
		}
	}
	for _, says := range []string{"everybody signs in once more", "trusted_ips: no address stands in for a login", "`\\.ico$`: no pattern says this"} {
		if !strings.Contains(strings.Join(strings.Fields(lists), " "), says) {
			t.Errorf("the lists do not say %q:\n%s", says, lists)
		}
	}
}

func compareOutput(t *testing.T, folder string) {
	out, _ := shell(t, folder, "doorward migrate oauth2-proxy oauth2-proxy.cfg || true")
	settings, _, _ := strings.Cut(out, "\n#\n")
	_, settings, _ = strings.Cut(settings, "\n\n")
	settings = regexp.MustCompile(`(COOKIE_SECRETS=).*`).ReplaceAllString(settings, "${1}…")
	if shown := blocks(t); len(shown) < 2 || strings.TrimSpace(shown[1]) != strings.TrimSpace(settings) {
		t.Errorf("it shows something else than\n%s", settings)
	}
}

// The other pages that it leads to are there.
func TestLinksOfTheReadme(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	links := regexp.MustCompile(`\]\(([^)#]+)\)`).FindAllStringSubmatch(string(readme), -1)
	if !slices.ContainsFunc(links, func(l []string) bool { return l[1] == "../nginx/README.md" }) {
		t.Error("there is no link to nginx")
	}
	for _, link := range links {
		if _, err := os.Stat(link[1]); err != nil {
			t.Error(err)
		}
	}
}
