package migrate

import (
	"errors"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// The alpha configuration, as far as it says other things than the options do. Keys are compared without regard to letter case.

type alphaConfig struct {
	UpstreamConfig struct {
		ProxyRawPath bool            `yaml:"proxyrawpath"`
		Upstreams    []alphaUpstream `yaml:"upstreams"`
	} `yaml:"upstreamconfig"`
	Upstreams             []alphaUpstream `yaml:"upstreams"`
	InjectRequestHeaders  []alphaHeader   `yaml:"injectrequestheaders"`
	InjectResponseHeaders []alphaHeader   `yaml:"injectresponseheaders"`
	Server                alphaServer     `yaml:"server"`
	MetricsServer         alphaServer     `yaml:"metricsserver"`
	Providers             []alphaProvider `yaml:"providers"`
}

type alphaUpstream struct {
	ID                    string `yaml:"id"`
	Path                  string `yaml:"path"`
	RewriteTarget         string `yaml:"rewritetarget"`
	URI                   string `yaml:"uri"`
	InsecureSkipTLSVerify bool   `yaml:"insecureskiptlsverify"`
	Static                bool   `yaml:"static"`
	StaticCode            int    `yaml:"staticcode"`
	FlushInterval         string `yaml:"flushinterval"`
	PassHostHeader        *bool  `yaml:"passhostheader"`
	ProxyWebSockets       *bool  `yaml:"proxywebsockets"`
	Timeout               string `yaml:"timeout"`
	DisableKeepAlives     bool   `yaml:"disablekeepalives"`
}

type alphaHeader struct {
	Name                            string       `yaml:"name"`
	PreserveRequestValue            bool         `yaml:"preserverequestvalue"`
	InsecureSkipHeaderNormalization bool         `yaml:"insecureskipheadernormalization"`
	Values                          []alphaValue `yaml:"values"`
}

// alphaValue has the sources beside each other; newer versions nest them.
type alphaValue struct {
	alphaSecret       `yaml:",inline"`
	Claim             string       `yaml:"claim"`
	Prefix            string       `yaml:"prefix"`
	BasicAuthPassword *alphaSecret `yaml:"basicauthpassword"`
	ClaimSource       *alphaValue  `yaml:"claimsource"`
	SecretSource      *alphaSecret `yaml:"secretsource"`
}

type alphaSecret struct {
	Value    string `yaml:"value"`
	FromEnv  string `yaml:"fromenv"`
	FromFile string `yaml:"fromfile"`
}

type alphaServer struct {
	BindAddress       string `yaml:"bindaddress"`
	SecureBindAddress string `yaml:"securebindaddress"`
	TLS               struct {
		Key          alphaSecret `yaml:"key"`
		Cert         alphaSecret `yaml:"cert"`
		MinVersion   string      `yaml:"minversion"`
		CipherSuites []string    `yaml:"ciphersuites"`
	} `yaml:"tls"`
}

// alphaProvider names its fields by the options that they are; those of the last lines have none.
type alphaProvider struct {
	Options            map[string]yaml.Node `yaml:",inline"`
	LoginURLParameters []struct {
		Name    string      `yaml:"name"`
		Default []string    `yaml:"default"`
		Allow   []yaml.Node `yaml:"allow"`
	} `yaml:"loginurlparameters"`
	AdditionalClaims []string `yaml:"additionalclaims"`
	ID               string   `yaml:"id"`
}

// isAlpha reports an alpha configuration: others have providers too, but no list of them.
func isAlpha(n *yaml.Node) bool {
	providers := member(n, "providers")
	for _, key := range []string{"upstreamConfig", "injectRequestHeaders", "injectResponseHeaders"} {
		if member(n, key) != nil {
			return true
		}
	}
	return providers != nil && providers.Kind == yaml.SequenceNode
}

// alphaOptions says which option a field of a provider is, by its path.
func alphaOptions() map[string]string {
	return map[string]string{
		"provider": "provider", "name": "provider_display_name", "clientid": "client_id", "clientsecret": "client_secret",
		"clientsecretfile": "client_secret_file", "cafiles": "provider_ca_files", "usesystemtruststore": "use_system_trust_store",
		"loginurl": "login_url", "redeemurl": "redeem_url", "profileurl": "profile_url", "resource": "resource",
		"skipclaimsfromprofileurl": "skip_claims_from_profile_url", "validateurl": "validate_url", "scope": "scope",
		"allowedgroups": "allowed_groups", "code_challenge_method": "code_challenge_method", "codechallengemethod": "code_challenge_method",
		"backendlogouturl": "backend_logout_url", "authrequestresponsemode": "auth_request_response_mode",
		"oidcconfig.issuerurl": "oidc_issuer_url", "oidcconfig.insecureallowunverifiedemail": "insecure_oidc_allow_unverified_email",
		"oidcconfig.insecureskipissuerverification": "insecure_oidc_skip_issuer_verification", "oidcconfig.insecureskipnonce": "insecure_oidc_skip_nonce",
		"oidcconfig.skipdiscovery": "skip_oidc_discovery", "oidcconfig.jwksurl": "oidc_jwks_url", "oidcconfig.publickeys": "oidc_public_key_files",
		"oidcconfig.publickeyfiles": "oidc_public_key_files", "oidcconfig.emailclaim": "oidc_email_claim", "oidcconfig.groupsclaim": "oidc_groups_claim",
		"oidcconfig.useridclaim": "user_id_claim", "oidcconfig.audienceclaims": "oidc_audience_claims", "oidcconfig.extraaudiences": "oidc_extra_audiences",
		"oidcconfig.enabledsigningalgs": "oidc_enabled_signing_algs",
		"keycloakconfig.groups":         "keycloak_groups", "keycloakconfig.roles": "allowed_roles", "keycloakconfig.acrs": "acr_values",
		"azureconfig.tenant": "azure_tenant", "azureconfig.graphgroupfield": "azure_graph_group_field",
		"microsoftentraidconfig.allowedtenants": "entra_id_allowed_tenants", "microsoftentraidconfig.federatedtokenauth": "entra_id_federated_token_auth",
		"bitbucketconfig.team": "bitbucket_team", "bitbucketconfig.workspace": "bitbucket_workspace", "bitbucketconfig.repository": "bitbucket_repository",
		"githubconfig.org": "github_org", "githubconfig.team": "github_team", "githubconfig.repo": "github_repo", "githubconfig.token": "github_token",
		"githubconfig.users": "github_users", "gitlabconfig.group": "gitlab_groups", "gitlabconfig.projects": "gitlab_projects",
		"googleconfig.group": "google_groups", "googleconfig.groups": "google_groups", "googleconfig.adminemail": "google_admin_email",
		"googleconfig.serviceaccountjson":               "google_service_account_json",
		"googleconfig.useapplicationdefaultcredentials": "google_use_application_default_credentials",
		"googleconfig.targetprincipal":                  "google_target_principal", "googleconfig.useorganizationid": "google_use_organization_id",
		"googleconfig.adminapiuserscope": "google_admin_api_user_scope",
		"logingovconfig.jwtkey":          "jwt_key", "logingovconfig.jwtkeyfile": "jwt_key_file", "logingovconfig.pubjwkurl": "pubjwk_url",
	}
}

// parseAlpha reads the alpha configuration. Of several providers, oauth2-proxy takes exactly one.
func (f *Found) parseAlpha(root *yaml.Node) error {
	lowerKeys(root)
	var c alphaConfig
	if err := decodeStrictly(root, &c, f); err != nil {
		return err
	}
	f.alpha = true
	f.upstreams = append(c.Upstreams, c.UpstreamConfig.Upstreams...)
	f.requests, f.responses = c.InjectRequestHeaders, c.InjectResponseHeaders
	f.setServer(c.Server)
	f.setText("metrics_address", "metricsServer", c.MetricsServer.BindAddress)
	f.setText("metrics_secure_address", "metricsServer", c.MetricsServer.SecureBindAddress)
	if len(c.Providers) > 1 {
		return errors.New("it has several providers, and oauth2-proxy takes one: leave the one that is meant")
	}
	for _, p := range c.Providers {
		f.setProvider(p)
	}
	return nil
}

// decodeStrictly notes keys that are not known. Messages of the decoder are not passed on: they quote values.
func decodeStrictly(root *yaml.Node, c *alphaConfig, f *Found) error {
	data, err := yaml.Marshal(root)
	if err != nil {
		return errors.New("it is no YAML")
	}
	decoder := yaml.NewDecoder(strings.NewReader(string(data)))
	decoder.KnownFields(true)
	wrong, ok := errors.AsType[*yaml.TypeError](decoder.Decode(c))
	if !ok {
		return nil
	}
	for _, message := range wrong.Errors {
		field := regexp.MustCompile(`^line [0-9]+: field ([A-Za-z0-9_]+) not found`).FindStringSubmatch(message)
		if field == nil {
			return errors.New("a value is of the wrong kind for the alpha configuration")
		}
		f.unknown(field[1])
	}
	return nil
}

func lowerKeys(n *yaml.Node) {
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			child.Value = strings.ToLower(child.Value)
		}
		lowerKeys(child)
	}
}

func (f *Found) setText(option, name string, texts ...string) {
	if strings.Join(texts, "") != "" {
		o, _ := optionNamed(option)
		f.set(o, name, texts...)
	}
}

// setServer notes the addresses: "-" means none.
func (f *Found) setServer(s alphaServer) {
	f.setText("http_address", "server.BindAddress", strings.TrimPrefix(s.BindAddress, "-"))
	f.setText("https_address", "server.SecureBindAddress", strings.TrimPrefix(s.SecureBindAddress, "-"))
	f.setText("tls_cert_file", "server.TLS.Cert", s.TLS.Cert.FromFile)
	f.setText("tls_key_file", "server.TLS.Key", s.TLS.Key.FromFile)
	f.setText("tls_min_version", "server.TLS.MinVersion", s.TLS.MinVersion)
	f.setText("tls_cipher_suites", "server.TLS.CipherSuites", s.TLS.CipherSuites...)
	if s.TLS.Cert.elsewhere() || s.TLS.Key.elsewhere() {
		f.open("tls_cert_file")
		f.open("tls_key_file")
	}
}

// elsewhere reports a secret that is no file.
func (s alphaSecret) elsewhere() bool { return s.Value != "" || s.FromEnv != "" }

func (f *Found) setProvider(p alphaProvider) {
	for key, node := range p.Options {
		if node.Kind == yaml.AliasNode {
			node = *node.Alias
		}
		if node.Kind != yaml.MappingNode {
			f.setField(key, &node)
			continue
		}
		for i := 0; i+1 < len(node.Content); i += 2 {
			f.setField(key+"."+node.Content[i].Value, node.Content[i+1])
		}
	}
	for _, parameter := range p.LoginURLParameters {
		f.setParameter(parameter.Name, parameter.Default, len(parameter.Allow) > 0)
	}
	if len(p.AdditionalClaims) > 0 {
		f.remark("additionalClaims: HEADERS sends further claims upstream (Name=claim); /oauth2/userinfo has none of them")
	}
}

func (f *Found) setField(path string, n *yaml.Node) {
	if path == "adfsconfig.skipscope" {
		f.remark("skipScope: the scopes are always sent (SCOPES)")
		return
	}
	o, known := optionNamed(alphaOptions()[path])
	var v any
	if !known || n.Decode(&v) != nil {
		f.unknown(path)
		return
	}
	f.setKey(o.name, v)
}

// setParameter notes a parameter of the authorization request, where there is an option for it.
func (f *Found) setParameter(name string, values []string, allow bool) {
	o, known := optionNamed(name)
	switch {
	case len(values) == 0:
	case known && (name == "prompt" || name == "acr_values" || name == "approval_prompt"):
		f.set(o, "loginURLParameters", strings.Join(values, " "))
	default:
		f.remark("loginURLParameters " + name + ": write it into AUTH_PARAMS (name=value)")
	}
	if allow {
		f.remark("loginURLParameters " + name + ": what /oauth2/start is asked with never reaches the provider (AUTH_PARAMS is for all)")
	}
}

// source is what a value of a header is made of, wherever it is nested.
func (v alphaValue) source() alphaValue {
	if v.ClaimSource != nil {
		return *v.ClaimSource
	}
	if v.SecretSource != nil {
		return alphaValue{alphaSecret: *v.SecretSource}
	}
	return v
}
