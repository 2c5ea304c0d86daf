package migrate

import (
	"strings"
	"testing"
)

// Whatever restricts who may enter is seen wherever oauth2-proxy sees it, or keeps everybody out.
func TestRestrictionsAreFoundOrCloseTheDoor(t *testing.T) {
	const client = "clientID: app\n  clientSecret: s\n  cookieSecret: c\n"
	for name, text := range map[string]string{
		"a unit's variables behind its command": "[Service]\nExecStart=/usr/bin/oauth2-proxy --client-id=app --email-domain=* --provider=oidc\nEnvironment=OAUTH2_PROXY_ALLOWED_GROUPS=admins\n",
		"a unit's file behind its command":      "[Service]\nExecStart=/usr/bin/oauth2-proxy --client-id=app --email-domain=* --provider=oidc\nEnvironmentFile=/etc/missing.env\n",
		"docker run --env=":                     "docker run --env=OAUTH2_PROXY_ALLOWED_GROUPS=admins quay.io/oauth2-proxy/oauth2-proxy:v7.15.2 --client-id=app --email-domain=* --provider=oidc\n",
		"docker run -eNAME=":                    "docker run -eOAUTH2_PROXY_ALLOWED_GROUPS=admins quay.io/oauth2-proxy/oauth2-proxy:v7.15.2 --client-id=app --email-domain=* --provider=oidc\n",
		"a compose service that is built":       "services:\n  oauth2-proxy:\n    build: ./proxy\n    env_file: secret.env\n    environment:\n      OAUTH2_PROXY_CLIENT_ID: app\n      OAUTH2_PROXY_EMAIL_DOMAINS: '*'\n      OAUTH2_PROXY_PROVIDER: oidc\n",
		"an image of another name":              "kind: Deployment\nspec:\n  template:\n    spec:\n      containers:\n      - name: auth\n        image: registry.example.com/acme/auth-proxy:1\n        args: [--client-id=app, --email-domain=*, --provider=oidc]\n        envFrom:\n        - secretRef: {name: auth}\n",
		"flags as a list of the chart's":        "config:\n  " + client + "  configFile: |-\n    email_domains = [ \"*\" ]\n    provider = \"oidc\"\nextraArgs:\n- --allowed-group=admins\n",
		"a configuration of the chart's":        "config:\n  " + client + "  existingConfig: my-config\nextraArgs:\n  email-domain: '*'\n  provider: oidc\n",
		"two files of one name":                 "kind: ConfigMap\ndata:\n  oauth2-proxy.cfg: |\n    client_id = \"a\"\n    email_domains = \"*\"\n    provider = \"oidc\"\n    allowed_groups = [\"admins\"]\n---\nkind: ConfigMap\ndata:\n  oauth2-proxy.cfg: |\n    client_id = \"b\"\n    email_domains = \"*\"\n    provider = \"oidc\"\n",
		"two files of the chart's":              "alphaConfig:\n  enabled: true\n  configFile: |-\n    providers:\n    - id: x\n      provider: oidc\n      clientID: app\n      allowedGroups: [admins]\nconfig:\n  " + client + "  configFile: |-\n    email_domains = [ \"*\" ]\n",
		"an option of a newer version":          "client_id = \"app\"\nemail_domains = \"*\"\nprovider = \"oidc\"\nallowed_users = [\"ann\"]\n",
	} {
		t.Run(name, func(t *testing.T) {
			f, err := Read(strings.NewReader(text), "source")
			if err != nil {
				return // is refused
			}
			for _, s := range Translate(f, "").Settings {
				if s.Name == "ACCESS_RULES" && !strings.Contains(s.Value, "deny") && !strings.Contains(s.Value, "group:admins") {
					t.Errorf("the rules are %q", s.Value)
				}
			}
		})
	}
}
