package migrate

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"doorward/config"
)

// awkward has values with every character that a shell takes for its own.
const awkward = `client_id = "it's \"quoted\" $(touch /tmp/x) \\ ` + "`id`" + ` $y! \\$5 \\\" end"
client_secret = "canary #; & | < > ! ~ * ? [a] {b} %"
email_domains = "example.com"
allowed_groups = ["O'Brien's $team $", "a;b#c"]
skip_auth_routes = ["^/x$", "GET=^/y/"]
redirect_url = "https://app.example.com/oauth2/callback"
upstreams = ["http://127.0.0.1:8080", "http://127.0.0.1:9090/api/"]
`

func TestAShellReadsWhatIsMeant(t *testing.T) {
	m := translateText(t, awkward)
	file := filepath.Join(t.TempDir(), "doorward.env")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	m.WriteSettings(f, false)
	f.Close()
	shell := exec.Command("sh", "-c", `set -a; . "$1"; env -0`, "sh", file)
	shell.Env = []string{"PATH=" + os.Getenv("PATH")} // whoever runs the tests may have settings of their own
	out, err := shell.Output()
	if err != nil {
		t.Fatal(err)
	}
	read := make(map[string]string)
	for entry := range strings.SplitSeq(string(out), "\x00") {
		if name, value, ok := strings.Cut(entry, "="); ok && strings.HasPrefix(name, config.Prefix+"_") {
			read[strings.TrimPrefix(name, config.Prefix+"_")] = value
		}
	}
	checkRead(t, m, read, func(value string) string { return value })
}

// docker run --env-file: a line a variable, everything behind = is its value.
func TestDockerReadsWhatIsMeant(t *testing.T) {
	m := translateText(t, awkward)
	var text strings.Builder
	m.WriteSettings(&text, true)
	read := make(map[string]string)
	lines := bufio.NewScanner(strings.NewReader(text.String()))
	for lines.Scan() {
		if name, value, ok := strings.Cut(lines.Text(), "="); ok && !strings.HasPrefix(name, "#") {
			read[strings.TrimPrefix(name, config.Prefix+"_")] = value
		}
	}
	checkRead(t, m, read, func(value string) string { return strings.ReplaceAll(value, "\n", "; ") })
	for i, s := range m.Settings {
		m.Settings[i].Value = read[s.Name]
	}
	if c, problems := load(t, m); len(problems) > 0 {
		t.Errorf("%v", problems)
	} else if policy, err := c.Policy(); err != nil || len(policy.Notes()) > 3 {
		t.Errorf("%v %v", err, policy.Notes())
	}
}

func checkRead(t *testing.T, m *Migration, read map[string]string, spelled func(string) string) {
	t.Helper()
	if len(read) < 8 {
		t.Errorf("only %d variables were read", len(read))
	}
	for _, s := range m.Settings {
		if read[s.Name] != spelled(s.Value) {
			t.Errorf("%s is read as %q instead of %q", s.Name, read[s.Name], s.Value)
		}
	}
	if len(read) != len(m.Settings) {
		t.Errorf("%d variables of %d settings", len(read), len(m.Settings))
	}
}

// Names and expressions may hold anything; none of it becomes a line of its own.
func TestNothingEscapesFromAComment(t *testing.T) {
	m := translateText(t, `client_id = "a"
"x\nDOORWARD_ACCESS_RULES=/ public\n" = 1
skip_auth_routes = ["^/x\nDOORWARD_ACCESS_RULES=/ public\n\\.png$"]
allowed_roles = ["a\nDOORWARD_ACCESS_RULES=/ public"]
provider = "keycloak-oidc\rDOORWARD_ACCESS_RULES=/ public"
`)
	m.Sources = []string{"a\nDOORWARD_ACCESS_RULES=/ public"}
	for _, docker := range []bool{false, true} {
		var text strings.Builder
		m.WriteSettings(&text, docker)
		for line := range strings.FieldsFuncSeq(text.String(), func(r rune) bool { return r == '\n' || r == '\r' }) {
			if strings.Contains(line, "public") && !strings.HasPrefix(line, "#") {
				t.Errorf("a line of its own: %s", line)
			}
		}
	}
}

// Secrets stand in the settings, where they stood in the sources, and in no list.
func TestSecretsAreNeverListed(t *testing.T) {
	for _, o := range options() {
		if o.fate == meta {
			continue
		}
		text := "client_id = \"app\"\nemail_domains = \"*\"\n" + sample(o)
		text = strings.Replace(text, "email_domains = \"*\"\n", "", strings.Count(text, "email_domains")-1)
		text = strings.Replace(text, "client_id = \"app\"\n", "", strings.Count(text, "client_id = ")-1)
		lists := translateText(t, text).lists()
		if secret(o.name) && strings.Contains(lists, "canary") {
			t.Errorf("%s is shown: %s", o.name, lists)
		}
	}
	for _, text := range []string{
		"session_store_type = \"redis\"\nredis_connection_url = \"redis://user:canary@redis/x y\"",
		"session_store_type = \"redis\"\nredis_connection_url = \"http://user:canary@redis\"",
		"upstreams = \"http://user:canary@app\"", "upstreams = \"ftp://user:canary@app\"", "upstreams = \"http://a b:canary\"",
		"redirect_url = \"https://user:canary@app.example.com/oauth2/callback\"",
		"oidc_issuer_url = \"http://user:canary@id.example.com\"\nprovider = \"oidc\"",
		"providers:\n- clientSecret: canary\n  provider: canary\nupstreamConfig:\n  upstreams:\n  - {path: /, uri: 'http://u:canary@a'}\ninjectRequestHeaders:\n- name: X-Key\n  values: [{value: canary}]",
		"extra_jwt_issuers = \"canary\"", "signature_key = \"sha1:canary\"", "basic_auth_password = \"canary\"", "cookie_secret = \"canary\"",
	} {
		if lists := translateText(t, text).lists(); strings.Contains(lists, "canary@") || strings.Contains(lists, "canary") && !strings.Contains(text, "provider: canary") {
			t.Errorf("%s is shown: %s", text, lists)
		}
	}
}

func secret(name string) bool {
	return strings.Contains(name, "secret") || strings.Contains(name, "password") || strings.Contains(name, "key") || strings.Contains(name, "token") || strings.HasPrefix(name, "redis_")
}
