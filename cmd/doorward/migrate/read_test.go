package migrate

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// One configuration in every form that oauth2-proxy takes.
func TestFormsSayTheSame(t *testing.T) {
	forms := map[string]string{
		"TOML": `provider = "oidc"
oidc_issuer_url = "https://id.example.com"
client_id = "app"
client_secret = "canary secret"
redirect_url = "https://app.example.com/oauth2/callback"
email_domains = ["example.com", "example.org"]
skip_auth_routes = ["^/health$", "GET=^/public/"]
upstreams = "http://127.0.0.1:8080"
cookie_expire = "1h"
skip_auth_preflight = true`,
		"variables": `# comment
OAUTH2_PROXY_PROVIDER=oidc
OAUTH2_PROXY_OIDC_ISSUER_URL="https://id.example.com"
export OAUTH2_PROXY_CLIENT_ID='app' # comment
OAUTH2_PROXY_CLIENT_SECRET="canary secret"
OAUTH2_PROXY_REDIRECT_URL=https://app.example.com/oauth2/callback
OAUTH2_PROXY_EMAIL_DOMAINS=example.com,example.org
OAUTH2_PROXY_SKIP_AUTH_ROUTES=^/health$,GET=^/public/
OAUTH2_PROXY_UPSTREAMS=http://127.0.0.1:8080
OAUTH2_PROXY_COOKIE_EXPIRE=1h
OAUTH2_PROXY_SKIP_AUTH_PREFLIGHT=1
HTTPS_PROXY=http://proxy:3128`,
		"flags": `/bin/oauth2-proxy --provider oidc --oidc-issuer-url=https://id.example.com \
  --client-id=app --client-secret "canary secret" --redirect-url='https://app.example.com/oauth2/callback' \
  --email-domain=example.com --email-domain example.org --skip-auth-route='^/health$' --skip-auth-route 'GET=^/public/' \
  --upstream=http://127.0.0.1:8080 --cookie-expire=1h --skip-auth-preflight`,
		"docker": `docker run --name oauth2-proxy -d -p 4180:4180 -e OAUTH2_PROXY_PROVIDER=oidc -e OAUTH2_PROXY_CLIENT_SECRET="canary secret" \
  quay.io/oauth2-proxy/oauth2-proxy:v7.15.2 --oidc-issuer-url=https://id.example.com \
  --client-id=app --redirect-url='https://app.example.com/oauth2/callback' \
  --email-domain=example.com,example.org --skip-auth-route='^/health$' --skip-auth-route 'GET=^/public/' \
  --upstream=http://127.0.0.1:8080 --cookie-expire=1h --skip-auth-preflight=true`,
		"compose": `services:
  sso:
    image: quay.io/oauth2-proxy/oauth2-proxy
    command: --provider=oidc --skip-auth-route=^/health$$ --skip-auth-route 'GET=^/public/' --skip-auth-preflight
    environment:
      - OAUTH2_PROXY_OIDC_ISSUER_URL=https://id.example.com
      - OAUTH2_PROXY_CLIENT_ID=app
      - OAUTH2_PROXY_CLIENT_SECRET=canary secret
      - OAUTH2_PROXY_REDIRECT_URL=https://app.example.com/oauth2/callback
      - OAUTH2_PROXY_EMAIL_DOMAINS=example.com, example.org
      - OAUTH2_PROXY_UPSTREAMS=http://127.0.0.1:8080
      - OAUTH2_PROXY_COOKIE_EXPIRE=1h`,
		"Kubernetes": `kind: ConfigMap
data:
  oauth2_proxy.cfg: |
    provider = "google"
    oidc_issuer_url = "https://id.example.com"
    redirect_url = "https://app.example.com/oauth2/callback"
    email_domains = ["example.com", "example.org"]
    skip_auth_routes = ["^/health$", "GET=^/public/"]
---
kind: Deployment
spec:
  containers:
    - image: quay.io/oauth2-proxy/oauth2-proxy:v7.15.2
      args: [--config=/etc/oauth2_proxy/oauth2_proxy.cfg, --provider=oidc, --skip-auth-preflight]
      env:
        - {name: OAUTH2_PROXY_CLIENT_ID, value: app}
        - {name: OAUTH2_PROXY_CLIENT_SECRET, value: canary secret}
        - {name: OAUTH2_PROXY_UPSTREAMS, value: "http://127.0.0.1:8080"}
        - {name: OAUTH2_PROXY_COOKIE_EXPIRE, value: 1h}
    - image: nginx
      args: [--port=80, --config=/etc/nginx.cfg, --version]
      envFrom: [{secretRef: {name: other}}]
---
kind: ConfigMap
data:
  haproxy.cfg: |
    global
      maxconn 100
  traefik.yaml: |
    providers: {docker: {}}
  zoo.cfg: |
    tickTime=2000`,
		"Helm": `config:
  clientID: app
  clientSecret: canary secret
  cookieSecret: canary
  configFile: |-
    oidc_issuer_url = "https://id.example.com"
    redirect_url = "https://app.example.com/oauth2/callback"
    upstreams = ["http://127.0.0.1:8080"]
extraArgs:
  provider: oidc
  email-domain: [example.com, example.org]
  skip-auth-route: ["^/health$", "GET=^/public/"]
  cookie-expire: 1h
  skip-auth-preflight: true`,
	}
	want := settingsOf(translateText(t, forms["TOML"]))
	if !strings.Contains(want, "GET /public/") || !strings.Contains(want, "canary secret") {
		t.Fatal(want)
	}
	for form, text := range forms {
		m := translateText(t, text)
		if got := settingsOf(m); got != want || len(m.Todo) > 0 {
			t.Errorf("%s says %s\ninstead of %s\n%v", form, got, want, m.Todo)
		}
	}
}

// settingsOf are the settings without the fresh secret.
func settingsOf(m *Migration) string {
	var lines []string
	for _, s := range m.Settings {
		if s.Name != "COOKIE_SECRETS" {
			lines = append(lines, s.Name+"="+s.Value)
		}
	}
	return strings.Join(lines, "\n")
}

func TestEnvironment(t *testing.T) {
	f := ReadEnvironment([]string{"HOME=/root", "OAUTH2_PROXY_CLIENT_ID=app", "OAUTH2_PROXY_EMAIL_DOMAIN=example.com", "OAUTH2_PROXY_COOKIE_NAMES=x", "OAUTH2_PROXY_XYZZY=1"})
	m := Translate(f, "")
	if m.value("CLIENT_ID") != "app" || m.value("ACCESS_RULES") != "/  deny" {
		t.Error(settingsOf(m))
	}
	for _, says := range []string{
		"OAUTH2_PROXY_EMAIL_DOMAIN (did you mean OAUTH2_PROXY_EMAIL_DOMAINS?) is no option",
		"OAUTH2_PROXY_COOKIE_NAMES (did you mean OAUTH2_PROXY_COOKIE_NAME?) is no option",
		"OAUTH2_PROXY_XYZZY is no option",
	} {
		if !strings.Contains(m.lists(), says) {
			t.Errorf("the lists do not say %q: %s", says, m.lists())
		}
	}
	if !ReadEnvironment([]string{"HOME=/root"}).Empty() {
		t.Error("an environment without oauth2-proxy is not empty")
	}
}

func TestMisspelledFlagsAndKeys(t *testing.T) {
	for text, says := range map[string]string{
		"oauth2-proxy --client-id=a --emaildomain=b":               "--emaildomain (did you mean --email-domain?)",
		"client_id = \"a\"\nemail_domain = \"b\"":                  "email_domain (did you mean email_domains?)",
		"env:\n- {name: OAUTH2_PROXY_CLIENTID, valueFrom: {}}":     "OAUTH2_PROXY_CLIENTID (did you mean OAUTH2_PROXY_CLIENT_ID?)",
		"client_id = \"a\"\n[section]\nx = 1":                      "section is no option",
		"providers:\n- clientID: a\n  clientSecrets: b":            "clientsecrets is no option",
		"providers:\n- clientID: a\nupstreamConfig:\n  upstram: b": "upstram is no option",
	} {
		if m := translateText(t, text); !strings.Contains(m.lists(), says) {
			t.Errorf("%s: the lists do not say %q: %s", text, says, m.lists())
		}
	}
}

// Errors of the parsers quote what they read, so none of them is passed on.
func TestWhatCannotBeReadIsNotShown(t *testing.T) {
	for text, says := range map[string]string{
		"client_secret = canary":                                       "line 1 is no TOML",
		"client_id = \"a\"\nclient_secret = \"canary":                  "line 2 is no TOML",
		"client_secret = \"canary\"\nclient_secret = \"canary\"":       "line 2 is no TOML",
		"OAUTH2_PROXY_CLIENT_ID=a\ncanary":                             "line 2 is no NAME=value",
		"OAUTH2_PROXY_CLIENT_ID=a\nOAUTH2_PROXY_COOKIE_SECRET='canary": "line 2: a quotation mark is never closed",
		"oauth2-proxy --client-secret 'canary":                         "a quotation mark is never closed",
		"oauth2-proxy --client-id a --client-secret":                   "a value is missing behind --client-secret",
		"providers:\n- clientSecret: canary\n\tclientID: a":            "line 2 is no YAML",
		"upstreamConfig: canary":                                       "a value is of the wrong kind",
		"providers:\n- clientSecret: canary\n- clientSecret: canary":   "several providers",
		"canary": "it holds no option of oauth2-proxy",
		"a: {environment: {OAUTH2_PROXY_CLIENT_ID: canary}}\nb: {environment: {OAUTH2_PROXY_CLIENT_ID: canary2}}": "client_id is set twice",
		"data: {oauth2-proxy.cfg: 'client_secret = canary'}":                                                      "the file at line 1: line 1 is no TOML",
		"": "it holds no option of oauth2-proxy",
	} {
		_, err := Read(strings.NewReader(text), "test")
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestTheProgramIsFoundInACommand(t *testing.T) {
	for command, place := range map[string]int{
		"oauth2-proxy --x": 0, "/usr/bin/oauth2-proxy": 0, "--provider=oidc --client-id oauth2-proxy": -1, "exec oauth2_proxy -x": 1,
		"docker run --rm quay.io/oauth2-proxy/oauth2-proxy:v7.15.2 --client-id oauth2-proxy": 3, "docker run --name oauth2-proxy -d oauth2-proxy@sha256:0 --x": 3,
		"docker run --name oauth2-proxy -p 1:1 oauth2-proxy": 6, "--provider=oidc": -1,
	} {
		if got := programOf(strings.Fields(command)); got != place {
			t.Errorf("%s: %d", command, got)
		}
	}
}

func TestTooLargeAFileIsRefused(t *testing.T) {
	if _, err := Read(strings.NewReader(strings.Repeat("#", maxSourceBytes+1)), "test"); err == nil || !strings.Contains(err.Error(), "larger than 1 MiB") {
		t.Error(err)
	}
}

// What stands in another variable or in a Secret is not made up.
func TestReferencesAreNoValues(t *testing.T) {
	for _, text := range []string{
		"OAUTH2_PROXY_CLIENT_ID=$ID", "OAUTH2_PROXY_CLIENT_ID=app-$SUFFIX", "OAUTH2_PROXY_CLIENT_ID=$id", "OAUTH2_PROXY_CLIENT_ID=${ID}", "OAUTH2_PROXY_CLIENT_ID=${ID:-app}",
		"oauth2-proxy --client-id=$(ID)", "client_id = \"${ID}\"", "providers:\n- clientID: $ID",
		"environment:\n- OAUTH2_PROXY_CLIENT_ID", "environment:\n  OAUTH2_PROXY_CLIENT_ID:", "docker run -e OAUTH2_PROXY_CLIENT_ID oauth2-proxy --provider=oidc",
		"env:\n- {name: OAUTH2_PROXY_CLIENT_ID, valueFrom: {secretKeyRef: {name: a, key: b}}}",
	} {
		m := translateText(t, text)
		if m.value("CLIENT_ID") != "" || !strings.Contains(m.lists(), "client_id: its value is not here") {
			t.Errorf("%s: %s\n%s", text, settingsOf(m), m.lists())
		}
	}
	for _, text := range []string{"skip_auth_routes = '^/x$'\nclient_id = 'a$1$'", "client_id = 'a$1$'", "client_secret = 'pa$sword'\nclient_id = 'a$1$'"} {
		if m := translateText(t, text); m.value("CLIENT_ID") != "a$1$" || strings.Contains(m.lists(), "its value is not here") {
			t.Errorf("%s: %s\n%s", text, settingsOf(m), m.lists())
		}
	}
}

func TestFilesThatAreNamedAreRead(t *testing.T) {
	folder := t.TempDir()
	cfg, alpha := filepath.Join(folder, "proxy.cfg"), filepath.Join(folder, "alpha.yaml")
	write(t, cfg, "email_domains = \"example.com\"\nredirect_url = \"https://file.example.com/oauth2/callback\"")
	write(t, alpha, "providers:\n- {provider: oidc, clientID: app, clientSecret: s, allowedGroups: [a], oidcConfig: {issuerURL: https://id.example.com}}\nupstreamConfig: {upstreams: [{id: a, path: /, uri: http://a}]}")
	m := translateText(t, "oauth2-proxy --config="+cfg+" --alpha-config "+alpha+" --redirect-url=https://flag.example.com/oauth2/callback")
	if m.value("ACCESS_RULES") != "/  email:*@example.com group:a" || m.value("PUBLIC_URL") != "https://flag.example.com" || len(m.Todo) > 0 {
		t.Errorf("%s\n%s", settingsOf(m), m.lists())
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A file that is named and not here may say who may enter.
func TestNobodyMayInWhereAFileIsMissing(t *testing.T) {
	for text, name := range map[string]string{
		"oauth2-proxy --client-id=a --email-domain=* --config=/missing/proxy.cfg":                                "/missing/proxy.cfg",
		"docker run --env-file proxy.env oauth2-proxy --client-id=a --email-domain=*":                            "proxy.env",
		"[Service]\nEnvironmentFile=/etc/proxy.env\nExecStart=/bin/oauth2-proxy --client-id=a --email-domain=*":  "/etc/proxy.env",
		"- name: oauth2-proxy\n  envFrom: [{secretRef: {name: x}}]\n  args: [--client-id=a, '--email-domain=*']": "envFrom",
		"image: oauth2-proxy\nenv_file: proxy.env\ncommand: --client-id=a --email-domain=*":                      "env_file",
	} {
		m := translateText(t, text)
		if m.value("ACCESS_RULES") != "/  deny" || !strings.Contains(m.lists(), name) {
			t.Errorf("%s: %s\n%s", text, settingsOf(m), m.lists())
		}
	}
	command, err := Read(strings.NewReader("oauth2-proxy --client-id=a --config=/missing/proxy.cfg"), "run.sh")
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "proxy.cfg")
	write(t, copied, "email_domains = \"*\"")
	file, err := ReadFile(copied)
	if err != nil {
		t.Fatal(err)
	}
	command.Layer(file)
	if m := Translate(command, ""); m.value("ACCESS_RULES") != "/  !claim:email_verified=false" {
		t.Errorf("%s\n%s", settingsOf(m), m.lists())
	}
}
