package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const peer = `provider = "oidc"
oidc_issuer_url = "https://id.example.com"
redirect_url = "https://app.example.com/oauth2/callback"
client_id = "app"
client_secret = "from-the-file"
email_domains = ["example.com"]
skip_auth_routes = ["^/health$"]
upstreams = ["http://127.0.0.1:8080/"]
cookie_secret = "` + canary + `"
`

func peerFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "oauth2-proxy.cfg")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// apply makes the process environment what was printed.
func apply(t *testing.T, settings string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "doorward.env")
	if err := os.WriteFile(path, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	printed, err := exec.Command("env", "-i", "sh", "-c", `set -a; . "$1"; env -0`, "sh", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	environment(t, map[string]string{"PUBLIC_URL": unset, "UPSTREAMS": unset, "ACCESS_RULES": unset, "ISSUER_URL": unset,
		"CLIENT_ID": unset, "CLIENT_SECRET": unset, "COOKIE_SECRETS": unset})
	for entry := range strings.SplitSeq(string(printed), "\x00") {
		if name, value, ok := strings.Cut(entry, "="); ok && strings.HasPrefix(name, "DOORWARD_") {
			t.Setenv(name, value)
		}
	}
}

func TestMigratedSettingsAreFine(t *testing.T) {
	status, settings, lists := command(t, "migrate", "oauth2-proxy", peerFile(t, peer))
	if status != exitOK || !strings.Contains(lists, "everybody signs in once more") || strings.Contains(lists, "from-the-file") {
		t.Fatalf("status %d: %s", status, lists)
	}
	apply(t, settings)
	if status, out, _ := command(t, "check"); status != exitOK || !strings.HasPrefix(out, "The configuration is fine.") {
		t.Errorf("check: status %d\n%s", status, out)
	}
	for question, allowed := range map[string]int{
		"/health": exitOK, "/x --email ann@example.com": exitOK, "/x --email ann@example.org": exitFailed, "/health/x": exitFailed, "/x": exitFailed,
	} {
		if status, out, _ := command(t, append([]string{"explain"}, strings.Fields(question)...)...); status != allowed {
			t.Errorf("explain %s: status %d\n%s", question, status, out)
		}
	}
}

// The lists stand behind the settings; who sees only these gets them on standard error, too.
func TestListsAreShownWhereTheSettingsAreNot(t *testing.T) {
	for _, path := range []string{os.DevNull, filepath.Join(t.TempDir(), "doorward.env")} {
		out, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		var errOut strings.Builder
		if run(t.Context(), []string{"migrate", "oauth2-proxy", peerFile(t, peer)}, out, &errOut); !strings.Contains(errOut.String(), "everybody signs in once more") {
			t.Errorf("%s: %q", path, errOut.String())
		}
	}
}

func TestMigrateReadsTheEnvironment(t *testing.T) {
	t.Setenv("OAUTH2_PROXY_CLIENT_ID", "app")
	t.Setenv("OAUTH2_PROXY_EMAIL_DOMAINS", "*")
	status, settings, lists := command(t, "migrate", "oauth2-proxy")
	if status != exitFailed || !strings.Contains(settings, "DOORWARD_CLIENT_ID=app\n") || !strings.Contains(settings, "'/  !claim:email_verified=false'") || !strings.Contains(lists, "PUBLIC_URL: write") {
		t.Errorf("status %d\n%s\n%s", status, settings, lists)
	}
}

func TestMigrateForAServerInFront(t *testing.T) {
	text := strings.Replace(peer, "http://127.0.0.1:8080/", "static://202", 1) + "trusted_proxy_ips = [\"127.0.0.1\"]\nreverse_proxy = true\nset_xauthrequest = true\n"
	for _, front := range []string{"nginx", "ingress-nginx", "traefik", "caddy", "envoy"} {
		status, settings, lists := command(t, "migrate", "--forward-auth="+front, "oauth2-proxy", peerFile(t, text))
		if status != exitOK || !strings.Contains(settings, "DOORWARD_FORWARD_AUTH="+front) {
			t.Errorf("%s: status %d\n%s\n%s", front, status, settings, lists)
		}
		apply(t, settings)
		if status, out, _ := command(t, "check"); status != exitOK {
			t.Errorf("%s: check: status %d\n%s", front, status, out)
		}
	}
}

func TestMigrateSaysWhatItCannotRead(t *testing.T) {
	t.Setenv("OAUTH2_PROXY_CLIENT_ID", "")
	for args, says := range map[string]string{
		"":                              "one peer",
		"vouch":                         "one peer",
		"oauth2-proxy":                  "the environment has no variable OAUTH2_PROXY_",
		"oauth2-proxy /missing.cfg":     "/missing.cfg: no such file",
		"oauth2-proxy --forward-auth=x": "--forward-auth takes nginx, ingress-nginx",
		"oauth2-proxy --fast":           "there is no flag --fast; the command takes --docker, --forward-auth",
	} {
		status, out, errOut := command(t, append([]string{"migrate"}, strings.Fields(args)...)...)
		if status != exitUsage || out != "" || !strings.Contains(errOut, says) {
			t.Errorf("%q: status %d, out %q, err %q", args, status, out, errOut)
		}
	}
}

func TestMigrateTakesSeveralFilesTheStrongestFirst(t *testing.T) {
	first := peerFile(t, `client_id = "first"`)
	_, settings, _ := command(t, "migrate", "oauth2-proxy", "--docker", first, peerFile(t, peer))
	if !strings.Contains(settings, "DOORWARD_CLIENT_ID=first\n") || !strings.Contains(settings, "DOORWARD_ACCESS_RULES=/        email:*@example.com; /health  public\n") {
		t.Error(settings)
	}
}
