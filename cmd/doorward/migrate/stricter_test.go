package migrate

import (
	"path/filepath"
	"strings"
	"testing"

	"doorward/proxy/access"
)

// What cannot be said exactly lets fewer people in, and is listed.
func TestWhatCannotBeSaidIsStricter(t *testing.T) {
	mails := filepath.Join(t.TempDir(), "mails")
	write(t, mails, "# who\nAnn@Example.com\nbob@example.com , Bob\nodd one@example.com\n")
	for _, c := range []struct{ options, rules, says string }{
		{`email_domains = "*"`, "/  !claim:email_verified=false", ""},
		{`email_domains = ["*", "example.com"]`, "/  !claim:email_verified=false", ""},
		{"email_domains = \"*\"\ninsecure_oidc_allow_unverified_email = true", "/  authenticated", ""},
		{"email_domains = \"*\"\noidc_email_claim = \"mail\"", "/  authenticated", ""},
		{`email_domains = "Example.COM"`, "/  email:*@example.com", ""},
		{``, "/  deny", "neither email_domains nor authenticated_emails_file was found"},
		{`email_domains = []`, "/  deny", "neither email_domains nor authenticated_emails_file was found"},
		{`email_domains = ".example.com"`, "/  deny", ".example.com means every domain below"},
		{`email_domains = ["*.example.com", "example.com"]`, "/  email:*@example.com", "*.example.com means every domain below"},
		{`email_domains = "exa mple.com"`, "/  deny", "email_domains: one is no domain name"},
		{`email_domains = "${DOMAIN}"`, "/  deny", "email_domains: its value is not here"},
		{`authenticated_emails_file = "/missing"`, "/  deny", "authenticated_emails_file could not be read"},
		{`authenticated_emails_file = "` + mails + `"`, "/  email:ann@example.com,bob@example.com", "a line is no plain address"},
		{"email_domains = \"example.org\"\nauthenticated_emails_file = \"" + mails + `"`, "/  email:*@example.org,ann@example.com,bob@example.com", "was read once"},

		{"email_domains = \"*\"\nallowed_groups = [\"a\", \"b c\"]", `/  group:a,"b c" !claim:email_verified=false`, ""},
		{"email_domains = \"example.com\"\nallowed_groups = [\"a\"]", "/  email:*@example.com group:a", ""},
		{"email_domains = \"*\"\nallowed_groups = ['a\"b']", "/  deny", "allowed_groups: a name in it cannot be written"},
		{"email_domains = \"*\"\nallowed_groups = \"${GROUPS}\"", "/  deny", "allowed_groups: its value is not here"},
		{"allowed_groups = \"a\"", "/  deny", "neither email_domains"},
		{"email_domains = \"*\"\nallowed_groups = \"a\"\noidc_groups_claim = \"$CLAIM\"", "/  deny", "until the claims are known"},

		{"email_domains = \"*\"\nprovider = \"keycloak-oidc\"\nallowed_roles = [\"admin\", \"app:dev\"]", "/  claim:realm_access.roles=admin !claim:email_verified=false | claim:resource_access.app.roles=dev !claim:email_verified=false", ""},
		{"email_domains = \"*\"\nprovider = \"keycloak-oidc\"\nallowed_roles = [\"a.b:dev\"]", "/  deny", "allowed_roles: \"dev\" cannot be written"},
		{"email_domains = \"*\"\nprovider = \"oidc\"\nallowed_roles = [\"admin\"]", "/  !claim:email_verified=false", "allowed_roles: it means nothing to the provider \"oidc\""},
		{"email_domains = \"*\"\nprovider = \"keycloak\"\nkeycloak_groups = \"/a\"\nallowed_groups = \"/b\"", "/  group:/b group:/a !claim:email_verified=false", ""},
		{"email_domains = \"*\"\nprovider = \"keycloak-oidc\"\nkeycloak_groups = \"/a\"\nallowed_groups = \"/b\"", "/  group:/b !claim:email_verified=false", "keycloak_groups: it means nothing"},

		{"email_domains = \"*\"\nprovider = \"gitlab\"\ngitlab_projects = \"a/b\"", "/  deny", "gitlab_projects: no rule can ask"},
		{"email_domains = \"*\"\nprovider = \"gitlab\"\ngitlab_projects = \"a/b\"\ngitlab_groups = \"a\"", "/  group:a !claim:email_verified=false", "gitlab_projects: GitLab's tokens"},
		{"email_domains = \"*\"\nprovider = \"google\"\ngoogle_groups = \"a@example.com\"", "/  deny", "google_groups: no rule can ask"},
		{"email_domains = \"*\"\nprovider = \"google\"\ngoogle_group = \"$GROUP\"", "/  deny", "google_group: no rule can ask"},
		{"email_domains = \"*\"\nprovider = \"github\"\ngithub_users = \"ann\"", "/  deny", "github_users: no rule can ask"},
		{"email_domains = \"*\"\nprovider = \"bitbucket\"\nbitbucket_team = \"a\"", "/  deny", "bitbucket_team: no rule can ask"},
		{"email_domains = \"*\"\nprovider = \"$PROVIDER\"", "/  deny", "until the claims are known"},

		{"email_domains = \"*\"\ntrusted_ips = \"10.0.0.0/8\"", "/  !claim:email_verified=false", "trusted_ips: no address stands in for a login"},
		{"email_domains = \"*\"\nhtpasswd_file = \"/etc/htpasswd\"", "/  !claim:email_verified=false", "htpasswd_file: there are no passwords"},

		{"email_domains = \"*\"\nskip_auth_routes = '\\.png$'", "/  !claim:email_verified=false", "skip_auth_routes `\\.png$`: no pattern says this"},
		{"email_domains = \"*\"\nskip_auth_routes = '('", "/  !claim:email_verified=false", "skip_auth_routes `(`: it is no regular expression"},
		{"email_domains = \"*\"\nskip_auth_routes = 'G T=^/x$'", "/  !claim:email_verified=false", "skip_auth_routes `G T=^/x$`: it has no proper method"},
		{"email_domains = \"*\"\nskip_auth_routes = '^x'", "/  !claim:email_verified=false", "skip_auth_routes `^x`: it matches no path"},
		{"email_domains = \"*\"\nskip_auth_routes = '^/api'", "/      !claim:email_verified=false\n/api/  public", "public is /api/; what else"},
		{"email_domains = \"*\"\nskip_auth_routes = 'get=^/x$'", "/       !claim:email_verified=false\nGET /x  public", "a rule for GET holds for HEAD too"},
		{"email_domains = \"*\"\nskip_auth_routes = ['^/x/', '^/x$']", "/    !claim:email_verified=false\n/x/  public\n/x   public", ""},
		{"email_domains = \"*\"\nskip_auth_routes = '!=^/api'", "/  !claim:email_verified=false", "skip_auth_routes `!=^/api`: no patterns say this"},
		{"email_domains = \"*\"\nskip_auth_routes = ['!=^/a/', '!=^/b/']", "/  !claim:email_verified=false", "skip_auth_routes `!=^/a/`: no patterns say this"},
		{"email_domains = \"*\"\nskip_auth_routes = '!=^/a/'", "/a/  !claim:email_verified=false\n/    public", "/a needs a login as well"},
		{"email_domains = \"*\"\nskip_auth_routes = ['!=^/a$', 'GET=^/x/']", "/a       !claim:email_verified=false\n/        public\nGET /x/  public", ""},
		{"email_domains = \"*\"\nskip_auth_routes = 'POST!=^/a$'", "/       !claim:email_verified=false\n/a      !claim:email_verified=false\nPOST /  public", ""},
		{"email_domains = \"*\"\nskip_auth_regex = '.*'", "/  public", "all of the site is public, as it was"},
		{"email_domains = \"*\"\nskip_auth_preflight = true\nskip_auth_routes = '^/x/'", "/           !claim:email_verified=false\n/x          !claim:email_verified=false\n/x/         public\nOPTIONS /   public\nOPTIONS /x  public", ""},
		{"email_domains = \"*\"\nskip_auth_preflight = \"perhaps\"", "/  !claim:email_verified=false", "skip_auth_preflight is neither true nor false"},
	} {
		m := translateText(t, "client_id = \"app\"\n"+c.options)
		if got := m.value("ACCESS_RULES"); got != c.rules {
			t.Errorf("%s becomes\n%s", c.options, got)
		}
		if _, err := access.Compile(m.value("ACCESS_RULES"), nil); err != nil {
			t.Errorf("%s: %v", c.options, err)
		}
		if !strings.Contains(m.lists(), c.says) {
			t.Errorf("%s: the lists do not say %q: %s", c.options, c.says, m.lists())
		}
	}
}

func TestWithoutAClientTheSourcesAreNotAllThere(t *testing.T) {
	m := translateText(t, `email_domains = "*"`)
	if m.value("ACCESS_RULES") != "/  deny" || !strings.Contains(m.lists(), "client_id was not found") {
		t.Errorf("%s\n%s", settingsOf(m), m.lists())
	}
}
