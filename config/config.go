// Package config holds doorward's settings: what they are called, what they
// take, and everything that can be wrong with them.
//
// [Load] reads them from the environment and reports every problem at once,
// each with its mend. Whoever has no environment to read (tests, the demo) starts
// from [Defaults], sets fields and calls [Config.Validate].
//
// Config itself (config.go) is the table of settings. How the environment is
// read is in environment.go, setting.go and value.go, and what else may stand
// in it in unknown.go, kubernetes.go and otel.go. What settings mean, and what
// is wrong with them, is in a file for each matter: upstream.go, cookie.go,
// redis.go. Problems are in problem.go, notes in notes.go, and those settings
// that follow their files while doorward runs in follow.go and followed.go.
//
// No problem, note or table ever holds the value of a secret.
package config

import (
	"reflect"
	"time"
)

// Prefix begins the name of every variable: DOORWARD_PUBLIC_URL is [Config.PublicURL].
const Prefix = "DOORWARD"

// Config is the whole configuration, one field a variable, in the order in
// which the table of settings lists them.
//
// The tags are the documentation: desc says what a setting means and takes,
// default and required what holds without it, values lists the words it
// accepts, kind says how its text is read where the type does not, unset what
// takes its place when it is left out, example what a mend shows, secret that
// its value is never shown.
type Config struct {
	PublicURL               []string      `split_words:"true" required:"true" example:"https://app.example.com" desc:"Origins that browsers use (scheme, host and port, no path); the first is the canonical one. Register …/oauth2/callback of each at the provider. A request for another host gets 421, unless a rule or an upstream names that host. http only on loopback, unless INSECURE_PUBLIC_HTTP."`
	Upstreams               string        `split_words:"true" kind:"table" unset:"required without FORWARD_AUTH" example:"http://127.0.0.1:8080" desc:"Where requests go, one entry a line or between semicolons: [PATTERN] URL [option…]. A URL alone stands for /. Schemes: http, https, h2c, unix (unix:/run/app.sock). Options: host=preserve (default) or upstream; strip=/prefix; token=bearer, x-forwarded-access-token or none; timeout=30s (until the answer's headers; 0 waits for ever); paths=case-sensitive,opaque-slash (what the upstream promises about paths); for https ca= (a file of certificates trusted instead of the system's), cert= and key= (files of the client certificate that doorward shows), each read again when it changes."`
	AccessRules             string        `split_words:"true" required:"true" kind:"table" example:"/ authenticated" desc:"Who may go where, one entry a line or between semicolons: PATTERN REQUIREMENT. What no rule covers is denied. As ACCESS_RULES_FILE it is read again whenever that file changes."`
	IssuerURL               string        `split_words:"true" required:"true" example:"https://id.example.com" desc:"The provider's issuer, exactly as the provider writes it, trailing slash or not."`
	ProviderInternalURL     string        `split_words:"true" desc:"Origin through which doorward itself reaches the provider, where browsers reach it by another."`
	ClientID                string        `split_words:"true" required:"true" example:"doorward" desc:"The client's identifier at the provider."`
	ClientAuth              string        `split_words:"true" default:"client_secret_basic" values:"client_secret_basic,client_secret_post,private_key_jwt,none" desc:"How doorward proves to the provider that it is this client: by its secret, in the header or in the body; by a signature of CLIENT_KEY; or not at all, as a public client with PKCE alone. As the client is registered; no other way is ever tried."`
	ClientSecret            string        `split_words:"true" secret:"true" unset:"required by client_secret_basic and client_secret_post" example:"<the client's secret>" desc:"The client's secret. As CLIENT_SECRET_FILE it is read again whenever that file changes."`
	ClientKey               string        `split_words:"true" kind:"PEM" secret:"true" unset:"required by private_key_jwt" desc:"The client's private key, in PEM or as a JWK: RSA of 2048 bits or more (RS256, PS256), P-256 (ES256) or Ed25519 (EdDSA). Usually given as CLIENT_KEY_FILE, which is read again whenever that file changes. doorward check prints the public half, which the provider has to know."`
	Scopes                  string        `split_words:"true" default:"openid profile email" desc:"Scopes asked for, separated by blanks. Add groups where the provider wants that scope for groups."`
	ResponseMode            string        `split_words:"true" values:"query,form_post" desc:"How the provider sends the code back. With form_post the login cookie is SameSite=None; Secure, so https only."`
	AuthParams              []string      `split_words:"true" desc:"Further parameters of the authorization request, name=value: prompt, acr_values, audience…"`
	Userinfo                string        `split_words:"true" default:"auto" values:"auto,always" desc:"When the provider's userinfo is asked at a login: auto asks when a claim that is needed is in no token, and goes on without it where userinfo does not take the access token (401, 403), as one for an API alone; always asks every time, for providers and certifications that expect it, and there is no login without."`
	PAR                     string        `split_words:"true" default:"auto" values:"auto,always" desc:"Whether the authorization request goes to the provider directly, and the browser carries only a reference to it (pushed authorization requests, RFC 9126): auto when the provider announces that it demands them, or always, as where it demands them of this client alone."`
	Audience                []string      `split_words:"true" desc:"When set, the access token must be a JWT of the issuer for this audience, or for one of these; and API clients may bring such tokens (BEARER_TOKENS). ID tokens may then be for these too, beside CLIENT_ID."`
	BearerTokens            *bool         `split_words:"true" kind:"true or false" unset:"true when AUDIENCE is set, else false" desc:"Whether API clients may bring an access token of their own as Authorization: Bearer. It must be a JWT of the issuer for AUDIENCE; where that is CLIENT_ID, its typ must be at+jwt."`
	IntrospectTokens        bool          `split_words:"true" default:"false" desc:"Whether the provider is asked about API clients' tokens that are no JWT (RFC 7662). An answer is remembered for a minute at most."`
	GroupsClaim             string        `split_words:"true" default:"groups" desc:"Claim with the user's groups: its exact name, or a dotted path such as realm_access.roles. Looked for in the ID token, then the verified access token, then userinfo. An array of strings, one string, or Zitadel's object of roles."`
	GroupAliases            []string      `split_words:"true" desc:"Readable names for groups that the provider tells by an identifier, name=identifier: Finance=0f2e6c1a-…, Ops=7b10d3aa-…. Rules, upstreams, pages and explain then know the group by that name alone. A group that the provider itself calls Finance is another one: it is passed on to nobody, and neither group: nor !group: lets anybody pass by it."`
	UserClaim               string        `split_words:"true" default:"sub" desc:"Claim that X-Forwarded-User carries. email counts where email_verified is true, unless INSECURE_UNVERIFIED_EMAIL."`
	EmailClaim              string        `split_words:"true" default:"email" desc:"Claim that X-Forwarded-Email carries. An e-mail whose email_verified is not true is neither used by rules nor forwarded, and the claim email is as if it were not there, unless INSECURE_UNVERIFIED_EMAIL."`
	CookieSecrets           []string      `split_words:"true" required:"true" secret:"true" example:"$(doorward secret)" desc:"Secrets that seal the cookies, base64 of 32 bytes or more each: the first seals, all open. doorward secret prints one; doorward secret --rotate says how to change it. As COOKIE_SECRETS_FILE they are read again whenever that file changes."`
	CookieName              string        `split_words:"true" default:"__Host-doorward" desc:"Name of the session cookie. Its __Host- is __Secure- where COOKIE_DOMAIN is set; on plain http both are left out."`
	CookieDomain            string        `split_words:"true" example:"example.com" desc:"One login for sibling hosts: the session's cookies are for all hosts under this domain, which has to cover every PUBLIC_URL. People also sign in at hosts under it that rules or UPSTREAMS name exactly, by way of the first PUBLIC_URL. Every other server under the domain gets the session's cookies, too. Unset: each origin has a session of its own."`
	CookieSamesite          string        `split_words:"true" default:"lax" values:"lax,strict,none" desc:"SameSite of the session cookie; none needs https."`
	SessionCookieMaxBytes   int           `split_words:"true" default:"8192" kind:"bytes" desc:"Total bytes of the session's cookies, names and values. Where a session is larger, the login is refused, and the page says so."`
	SessionStore            string        `split_words:"true" values:"cookie,redis" unset:"redis when REDIS_URL is set, else cookie" desc:"Where sessions live. With REDIS_URL, replicas share sign-outs and refresh locks through Redis in both."`
	RedisURL                string        `split_words:"true" secret:"true" example:"redis://redis:6379" desc:"Redis: redis://[user:password@]host[:port][/database], or rediss:// for TLS. For Sentinel, a sentinel's address with ?master_set=NAME; for Cluster, ?addr=host:port for each further server. Secret, since it may hold a password."`
	RedisPassword           string        `split_words:"true" secret:"true" desc:"The password, where REDIS_URL has none. As REDIS_PASSWORD_FILE it is read again whenever that file changes, except with Sentinels."`
	RedisCA                 string        `split_words:"true" kind:"PEM" desc:"Certificates trusted for Redis (rediss://) beside the system's. Usually given as REDIS_CA_FILE."`
	RedisPrefix             string        `split_words:"true" default:"doorward:" desc:"What the name of every key begins with. Two installations on one Redis need different ones."`
	RedisOutageGrace        time.Duration `split_words:"true" default:"1m" desc:"How long sessions that are open already are served from memory while Redis is away; everybody else gets 503. 0s: not at all."`
	SessionMaxAge           time.Duration `split_words:"true" default:"12h" desc:"How long a session lives at most, however it is used. No more than 9600h (400 days)."`
	SessionIdleTimeout      time.Duration `split_words:"true" default:"0s" desc:"How long a session lives that nobody uses; 0s: no such limit. Use is noted once in a tenth of it."`
	SessionWithoutRefresh   string        `split_words:"true" default:"end" values:"end,keep" desc:"What happens when the access token expires and cannot be refreshed: the session ends (people pass through the provider again, unseen with single sign-on), or is kept until SESSION_MAX_AGE and forwards no token."`
	RefreshBefore           time.Duration `split_words:"true" default:"30s" desc:"How long before its expiry an access token is refreshed; at most half of its life."`
	ForwardAccessToken      bool          `split_words:"true" default:"true" desc:"Whether upstreams get the access token: token=bearer for those that do not say, else token=none."`
	ForwardGroups           string        `split_words:"true" default:"all" values:"all,matched" desc:"Which groups X-Forwarded-Groups carries: all, or only those that a rule names. 8 KiB at most."`
	Headers                 []string      `split_words:"true" desc:"Further identity headers, Name=claim."`
	AssertionKeys           string        `split_words:"true" kind:"PEM" secret:"true" desc:"Private keys on P-256, in PEM, one after the other. The first signs what upstreams are told of a person (X-Doorward-Assertion, ES256); the public halves of all are at ENDPOINT_PREFIX/jwks. Usually given as ASSERTION_KEYS_FILE, which is read again whenever that file changes."`
	AllowedOrigins          []string      `split_words:"true" desc:"Further origins whose pages may act for whoever is signed in: open WebSockets, write under CSRF_PROTECTION, and read login_url from doorward's 401s (CORS). An origin is always allowed to itself. http only on loopback, unless INSECURE_PUBLIC_HTTP."`
	CsrfProtection          string        `split_words:"true" default:"off" values:"off,writes" desc:"For upstreams that do not check this themselves. writes: what another site's page asks for with somebody's session is refused, unless it is a GET, HEAD or OPTIONS; its own origin and ALLOWED_ORIGINS may."`
	TrustedProxies          []string      `split_words:"true" desc:"Servers in front of doorward whose X-Forwarded-For, X-Request-Id and traceparent are believed: addresses, networks (10.1.0.0/16), or private for all of 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 127.0.0.0/8, fc00::/7 and ::1. Unset: nobody's are, and the peer is the client."`
	ForwardAuth             string        `split_words:"true" values:"nginx,ingress-nginx,traefik,caddy,envoy" desc:"The server in front that takes the requests and asks /oauth2/auth about each of them; it has to be among TRUSTED_PROXIES. It says how the server tells of the request, and what it makes of the answer: doorward check prints how to configure it. Unset: the endpoint is 404."`
	AuthResponseHeaders     []string      `split_words:"true" desc:"What else an answer of FORWARD_AUTH carries for the application: access-token (X-Auth-Request-Access-Token), authorization (the access token as Authorization: Bearer), assertion (X-Doorward-Assertion, for the origin that browsers use), names of HEADERS."`
	ListenAddr              string        `split_words:"true" default:":4180" desc:"Address of the public listener, host:port. A socket that systemd hands over for it (deploy/systemd) takes its place; both at once are refused. The same holds for METRICS_ADDR."`
	TLSCert                 string        `split_words:"true" kind:"PEM" desc:"Certificate of the public listener, with those between it and its authority; then it speaks TLS (1.2 and up, HTTP/2). Usually given as TLS_CERT_FILE, which is read again whenever it or TLS_KEY_FILE changes, without a connection lost. PUBLIC_URL must be https."`
	TLSKey                  string        `split_words:"true" kind:"PEM" secret:"true" desc:"The certificate's private key. Usually given as TLS_KEY_FILE."`
	MaxHeaderBytes          int           `split_words:"true" default:"65536" kind:"bytes" desc:"Bytes of a request's head, cookies among them; a longer one gets 431."`
	HeaderTimeout           time.Duration `split_words:"true" default:"10s" desc:"How long a client may take for the TLS handshake, and for the head of a request once it has begun."`
	IdleTimeout             time.Duration `split_words:"true" default:"120s" desc:"How long a connection is kept on which no request is going on, how long a client may read next to nothing of an answer or a WebSocket, or send nothing of the rest of a request, and an upstream (unless timeout=0) take nothing of it."`
	MaxConnections          int           `split_words:"true" default:"0" desc:"How many connections of clients are open at once; WebSockets count. At the limit the one that has been idle for longest makes room; while none is idle, new ones wait. 0: no limit."`
	FastTransport           bool          `split_words:"true" default:"false" desc:"Asks http and unix upstreams on the goroutine of the request itself where that is a GET or HEAD without a body, which costs less CPU. On Windows it changes nothing."`
	MetricsAddr             string        `split_words:"true" default:":9180" desc:"Address of the listener with /metrics, /healthz and /readyz, and with what ADMIN_TOKEN opens, host:port."`
	AdminToken              string        `split_words:"true" secret:"true" desc:"Opens POST /sessions/revoke on METRICS_ADDR, which ends sessions, to whoever brings it as a bearer token; 16 characters or more. It travels in the clear: keep that address inside your network. As ADMIN_TOKEN_FILE it is read again whenever that file changes. Unset: there is no such path."`
	RevocationsPath         string        `split_words:"true" desc:"File that keeps, across a restart, who was signed out before their session's end. doorward makes it, and files beside it, in a folder that must be there; each process needs its own. Unset: a restart forgets. Not with REDIS_URL: Redis keeps that then."`
	ReadyRequires           []string      `split_words:"true" values:"provider,redis" desc:"What must have been reached before /readyz says ready. Unset: ready once listening."`
	EndpointPrefix          string        `split_words:"true" default:"/oauth2" desc:"Path under which doorward's own endpoints live, for applications that use that path themselves."`
	PostLogoutURL           string        `split_words:"true" unset:"ENDPOINT_PREFIX/sign_out of the first PUBLIC_URL" desc:"Where the provider sends people after logout. Register it at the provider."`
	BrandName               string        `split_words:"true" example:"Acme Intranet" desc:"A name that doorward's pages show, and bear in their titles."`
	BrandLogo               string        `split_words:"true" example:"/etc/doorward/logo.svg" desc:"Path of a PNG, JPEG or SVG file of 64 KiB at most that doorward's pages show."`
	PagesDir                string        `split_words:"true" example:"/etc/doorward/pages" desc:"Folder of templates that stand in for doorward's pages: page.html for all of them, denied.html, sign-out.html… for one; a page without a template stays doorward's own. deploy/pages says what they may use. Read, and tried, at the start."`
	ShutdownDelay           time.Duration `split_words:"true" default:"5s" desc:"How long /readyz says not ready at shutdown before the listener closes."`
	ShutdownTimeout         time.Duration `split_words:"true" default:"20s" desc:"How long requests in flight may then take."`
	LogLevel                string        `split_words:"true" default:"info" values:"debug,info,warn,error" desc:"The lowest level that is logged."`
	LogFormat               string        `split_words:"true" default:"json" values:"json,text" desc:"json for machines, text for people."`
	AccessLog               string        `split_words:"true" default:"all" values:"all,errors,off" desc:"Which requests are logged: all, those with an error status, none."`
	ProviderCA              string        `split_words:"true" kind:"PEM" desc:"Certificates trusted for the provider beside the system's. Usually given as PROVIDER_CA_FILE, which is read again whenever that file changes."`
	InsecurePublicHTTP      bool          `split_words:"true" default:"false" desc:"Allows plain http in PUBLIC_URL beyond loopback: cookies and pages travel in the clear."`
	InsecureProviderHTTP    bool          `split_words:"true" default:"false" desc:"Allows plain http for ISSUER_URL and PROVIDER_INTERNAL_URL beyond loopback: tokens and keys travel in the clear."`
	InsecureUnverifiedEmail bool          `split_words:"true" default:"false" desc:"Believes e-mail addresses that the provider does not vouch for."`

	// Tracing is no setting of ours: OpenTelemetry has its own (otel.go). nil: there is none.
	Tracing *Tracing `ignored:"true"`

	files map[string]string // the paths of those that are read again (see follow), by their settings' names without prefix
}

// Load reads the configuration from the process environment. Its error is a
// [Problems] with everything that is wrong, in the order of the table. The
// Config is filled as far as it could be read even then.
func Load() (*Config, error) {
	c, unread := read()
	return c, unread.and(c.problems()).result()
}

// LoadForRules does the same for whoever only wants to know what [Config.Policy]
// makes of requests: its error is about the rules, the upstreams and the names
// of groups alone, and about no file that UPSTREAMS names.
func LoadForRules() (*Config, error) {
	c, unread := read()
	return c, unread.and(c.ruleProblems()).Of("ACCESS_RULES", "UPSTREAMS", "GROUP_ALIASES").result()
}

// read reads the environment. Its problems are about what could not be read.
func read() (*Config, Problems) {
	values, problems := readEnvironment()
	c := new(Config)
	if err := decode(c, values); err != nil {
		problems = append(problems, Problem{Variable: Prefix, Wrong: err.Error()})
	}
	c.files = followedFiles()
	var tracing Problems
	c.Tracing, _, tracing = readTracing()
	return c, append(problems, tracing...)
}

// Validate checks everything that [Load] checks beyond the spelling of the
// values. Its error is a [Problems].
func (c *Config) Validate() error {
	return c.problems().result()
}

func (c *Config) problems() Problems {
	var all Problems
	for _, check := range []func(*Config) Problems{
		checkRequired, checkChoices, checkDurations,
		checkOrigins, checkCookieDomain, checkAllowedOrigins, checkPolicy, checkUpstreamFiles,
		checkIssuer, checkInternalURL, checkClientID, checkClientAuth, checkScopes, checkResponseMode, checkAuthParams,
		checkBearerTokens, checkClaims, checkGroupAliases, checkProviderCA,
		checkSecrets, checkCookie, checkRedis, checkSessionMaxAge, checkHeaders, checkAssertionKeys,
		checkTrustedProxies, checkForwardAuth, checkLimits, checkCertificate,
		checkAddresses, checkAdminToken, checkRevocationsPath, checkEndpointPrefix, checkPostLogoutURL, checkPages,
	} {
		all = append(all, check(c)...)
	}
	return all
}

// Defaults returns a Config in which every setting has its default and the
// required ones are empty.
func Defaults() *Config {
	c := new(Config)
	fields := reflect.ValueOf(c).Elem()
	for _, s := range settings() {
		s.setDefault(fields.Field(s.field))
	}
	return c
}
