package migrate

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// provider writes the issuer. oauth2-proxy knows some providers by name; those without OpenID Connect have no equal.
func (m *Migration) provider() {
	issuer, why := m.issuer()
	switch {
	case m.open("oidc_issuer_url") || m.open("provider"):
		m.fillIn("ISSUER_URL", "https://id.example.com", "write the provider's issuer")
		return
	case issuer == "":
		m.fillIn("ISSUER_URL", "https://id.example.com", why)
		return
	}
	m.set("ISSUER_URL", issuer, "provider", "oidc_issuer_url")
	if why != "" {
		m.change("ISSUER_URL: %s", why)
	}
	if plainHTTP(issuer) {
		m.todo("ISSUER_URL is plain http: let the provider speak https, or set INSECURE_PROVIDER_HTTP=true (tokens and keys then travel in the clear)")
	}
}

// issuer is the provider's issuer; where it is empty, why says what to write.
func (m *Migration) issuer() (issuer, why string) {
	given := m.text("oidc_issuer_url")
	switch provider := m.text("provider"); provider {
	case "google":
		return orElse(given, "https://accounts.google.com"), ""
	case "gitlab":
		return orElse(given, "https://gitlab.com"), ""
	case "entra-id", "azure":
		return m.entraIssuer(given)
	case "keycloak":
		return m.keycloakIssuer(given)
	case "login.gov":
		return given, unless(given, "write the issuer in login.gov's discovery document, https://secure.login.gov/")
	case "linkedin":
		return given, unless(given, "LinkedIn speaks OpenID Connect now; write the issuer in its discovery document, https://www.linkedin.com/oauth")
	case "oidc", "keycloak-oidc", "adfs", "cidaas":
		return given, unless(given, "oidc_issuer_url was not found; write the provider's issuer")
	case "github", "bitbucket", "digitalocean", "facebook", "sourcehut", "nextcloud":
		if given != "" {
			return given, provider + " was asked by its own protocol so far; the issuer must speak OpenID Connect"
		}
		return "", provider + " signs people in by a protocol of its own, and doorward speaks OpenID Connect alone: put a provider between them that knows both (Dex, Keycloak, authentik, Zitadel), and write its issuer"
	}
	return given, unless(given, "the provider is not known; write its issuer, if it speaks OpenID Connect")
}

// unless says why, where nothing is given.
func unless(given, why string) string {
	if given != "" {
		return ""
	}
	return why
}

func orElse(text, other string) string {
	if text != "" {
		return text
	}
	return other
}

// entraIssuer is one tenant's: doorward compares the issuer exactly, and that of Entra ID has the tenant's id.
func (m *Migration) entraIssuer(given string) (issuer, why string) {
	const missing = "write https://login.microsoftonline.com/TENANT-ID/v2.0 with the id (not the name) of the one tenant whose people may sign in"
	tenant := m.text("azure_tenant")
	if u, err := url.Parse(given); given != "" && err == nil {
		tenant, _, _ = strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	}
	if !regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`).MatchString(tenant) {
		return "", missing
	}
	if given != "" {
		return given, ""
	}
	return "https://login.microsoftonline.com/" + tenant + "/v2.0", "the endpoints are those of version 2.0; the app registration stays as it is"
}

// keycloakIssuer finds the realm in the addresses that the old provider was given.
func (m *Migration) keycloakIssuer(given string) (issuer, why string) {
	if given != "" {
		return given, ""
	}
	realm, _, found := strings.Cut(m.text("login_url"), "/protocol/openid-connect/")
	if !found || !strings.Contains(realm, "/realms/") {
		return "", "write the realm's issuer, https://HOST/realms/REALM (https://HOST/auth/realms/REALM before Keycloak 17)"
	}
	return realm, "it is taken from login_url; `doorward check --live` compares it with the realm's own"
}

// client writes who doorward is at the provider.
func (m *Migration) client() {
	if id := m.text("client_id"); id != "" {
		m.set("CLIENT_ID", id, "client_id")
	} else {
		m.fillIn("CLIENT_ID", "doorward", "write the client's identifier at the provider")
	}
	switch {
	case m.text("client_secret") != "":
		m.set("CLIENT_SECRET", m.text("client_secret"), "client_secret")
		if m.given("client_secret_file") {
			m.change("client_secret_file: client_secret is set too, and was the one that counted")
		}
	case m.text("client_secret_file") != "":
		m.set("CLIENT_SECRET_FILE", m.text("client_secret_file"), "client_secret_file")
	default:
		m.fillIn("CLIENT_SECRET_FILE", "/run/secrets/client-secret", "write the client's secret, as CLIENT_SECRET or the path of a file; CLIENT_AUTH=none where it has none")
	}
}

// claims writes what is asked of the provider, and which claims are looked at.
func (m *Migration) claims() {
	m.scopes()
	if claim := m.text("oidc_groups_claim"); claim != "groups" && claim != "" {
		m.set("GROUPS_CLAIM", claim, "oidc_groups_claim")
	}
	m.emailClaim()
	if m.text("provider") == "gitlab" {
		m.set("USER_CLAIM", "nickname", "provider")
		m.change("X-Forwarded-User is the name at GitLab (USER_CLAIM=nickname), as it was; people can change it, `sub` they cannot")
	}
	if m.is("insecure_oidc_allow_unverified_email") {
		m.set("INSECURE_UNVERIFIED_EMAIL", "true", "insecure_oidc_allow_unverified_email")
	}
	if len(m.list("allowed_roles")) > 0 && m.text("provider") == "keycloak-oidc" && m.text("client_id") != "" {
		m.set("AUDIENCE", m.text("client_id"), "client_id")
		m.set("BEARER_TOKENS", "false", "allowed_roles")
		m.change("roles are looked for in the ID token and in the access token, which must be for the client as it had to be: keep the audience mapper (AUDIENCE)")
	}
	if m.text("provider") == "keycloak-oidc" {
		m.change("X-Forwarded-Groups carries groups alone; oauth2-proxy added roles to it, as role:NAME. HEADERS carries roles (X-Forwarded-Roles=realm_access.roles)")
	}
	m.authParams()
	m.responseMode()
	m.providerCA()
}

// scopes writes SCOPES, which must have openid.
func (m *Migration) scopes() {
	scopes := strings.Fields(m.text("scope"))
	provider := m.text("provider")
	switch {
	case len(scopes) == 0 && len(m.list("allowed_groups")) > 0 && (provider == "oidc" || provider == "keycloak-oidc"):
		m.set("SCOPES", "openid profile email groups", "allowed_groups")
		return
	case len(scopes) == 0:
		return
	case !slices.Contains(scopes, "openid"):
		scopes = append([]string{"openid"}, scopes...)
		m.change("SCOPES: openid is added; without it there is no ID token")
	}
	m.set("SCOPES", strings.Join(scopes, " "), "scope")
}

// emailOption is the one that names the claim of the e-mail: user_id_claim is the old name of oidc_email_claim.
func (m *Migration) emailOption() string {
	if m.text("oidc_email_claim") == "email" && m.text("user_id_claim") != "email" {
		return "user_id_claim"
	}
	return "oidc_email_claim"
}

func (m *Migration) emailClaim() {
	name := m.emailOption()
	if claim := m.text(name); claim != "email" && claim != "" {
		m.set("EMAIL_CLAIM", claim, name)
		m.change("%s: email_verified vouches for the claim `email`, and for another only where it has the same address", name)
	}
}

// authParams writes further parameters of the authorization request.
func (m *Migration) authParams() {
	var items, from []string
	add := func(parameter, value, option string) {
		if strings.ContainsAny(value, ",\n") {
			m.todo("%s: its value holds a comma, which a list cannot; write AUTH_PARAMS yourself", option)
			return
		}
		items, from = append(items, parameter+"="+value), append(from, option)
	}
	for _, option := range []string{"prompt", "acr_values", "resource"} {
		if value := m.text(option); value != "" {
			add(option, value, option)
		}
	}
	if m.text("provider") == "google" { // as oauth2-proxy does: else Google gives no refresh token
		add("access_type", "offline", "provider")
		if m.text("prompt") == "" && m.text("approval_prompt") == "force" {
			add("prompt", "consent", "approval_prompt")
		}
	}
	if len(items) > 0 {
		m.set("AUTH_PARAMS", strings.Join(items, ","), from...)
	}
}

func (m *Migration) responseMode() {
	switch mode := m.text("auth_request_response_mode"); mode {
	case "":
	case "query", "form_post":
		m.set("RESPONSE_MODE", mode, "auth_request_response_mode")
	default:
		m.lose("auth_request_response_mode: RESPONSE_MODE is query or form_post")
	}
}

func (m *Migration) providerCA() {
	files := m.list("provider_ca_files")
	switch len(files) {
	case 0:
		return
	case 1:
		m.set("PROVIDER_CA_FILE", files[0], "provider_ca_files")
	default:
		m.fillIn("PROVIDER_CA_FILE", "/etc/doorward/provider-ca.pem", "put the certificates of provider_ca_files into one file")
	}
	if !m.is("use_system_trust_store") {
		m.change("provider_ca_files: these authorities are trusted beside the system's, not instead of them")
	}
}

// plainHTTP reports a URL of http that is not on loopback.
func plainHTTP(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" {
		return false
	}
	host := strings.ToLower(u.Hostname())
	return host != "localhost" && !strings.HasSuffix(host, ".localhost") && host != "::1" && !strings.HasPrefix(host, "127.")
}
