package migrate

import (
	"net/url"
	"regexp"
	"strings"
	"time"

	"doorward/proxy/access"
)

// upstreams writes the table. The access token goes along as it did.
func (m *Migration) upstreams() {
	all, from := m.found.upstreams, "upstreamConfig"
	if len(all) == 0 {
		all, from = m.plainUpstreams(), "upstreams"
	}
	token := m.tokenOption()
	var lines []string
	seen := make(map[string]bool)
	for _, u := range all {
		line, pattern := m.upstream(u)
		switch {
		case line == "":
		case seen[pattern]:
			m.todo("UPSTREAMS: two are for %s; the second is left out", pattern)
		default:
			seen[pattern] = true
			lines = append(lines, strings.TrimSpace(line+" "+token))
		}
	}
	if len(lines) > 0 {
		m.set("UPSTREAMS", strings.Join(lines, "\n"), from, "pass_access_token", "pass_authorization_header", "pass_host_header", "upstream_timeout")
	} else if !m.asksFront() {
		m.fillIn("UPSTREAMS", strings.TrimSpace("/ http://127.0.0.1:8080 "+token), "no upstream could be taken over: write where requests go")
	}
	if token == "" && (len(lines) > 0 || !m.asksFront()) {
		m.set("FORWARD_ACCESS_TOKEN", "false", "pass_access_token")
	}
}

// plainUpstreams reads the URLs of the option: their path is what they are for.
func (m *Migration) plainUpstreams() []alphaUpstream {
	var all []alphaUpstream
	host := m.is("pass_host_header")
	for _, text := range m.list("upstreams") {
		u, err := url.Parse(text)
		if err != nil {
			m.todo("UPSTREAMS: one of upstreams is no URL")
			continue
		}
		one := alphaUpstream{URI: text, Path: u.Path, PassHostHeader: &host, Timeout: m.text("upstream_timeout")}
		if u.Scheme == "unix" || u.Scheme == "static" {
			one.Path = "/"
		}
		one.Static = u.Scheme == "static"
		all = append(all, one)
	}
	return all
}

// upstream writes an entry without its token; "" where there is no equal.
func (m *Migration) upstream(a alphaUpstream) (line, pattern string) {
	if a.Static {
		if !m.asksFront() {
			m.lose("upstream static://: doorward makes up no answers; a rule can refuse (deny), an upstream can answer")
		}
		return "", ""
	}
	u, err := url.Parse(a.URI)
	switch {
	case err != nil || u.User != nil:
		m.todo("UPSTREAMS: the URL for %s is not a URL, or holds credentials; write scheme, host and port alone", a.Path)
		return "", ""
	case u.Scheme == "file":
		m.lose("upstream file:// for %s: doorward serves no files; let a web server serve them and name it in UPSTREAMS", a.Path)
		return "", ""
	case u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "unix":
		m.todo("UPSTREAMS: the URL for %s is neither http, https nor unix", a.Path)
		return "", ""
	}
	pattern, options, ok := m.where(a)
	if !ok {
		return "", ""
	}
	origin := u.Scheme + "://" + u.Host
	if u.Scheme == "unix" {
		origin = "unix:" + u.Path
	} else if len(m.found.upstreams) > 0 && strings.Trim(u.Path, "/") != "" {
		m.change("upstream for %s: requests keep their own path; what the URL has of one is left out", pattern)
	}
	return strings.Join(append([]string{pattern, origin}, m.upstreamOptions(a, u.Scheme, options)...), " "), pattern
}

// where is the pattern of an upstream, and strip= where it took a prefix off.
func (m *Migration) where(a alphaUpstream) (pattern string, options []string, ok bool) {
	pattern = a.Path
	if pattern == "" {
		pattern = "/"
	}
	if a.RewriteTarget != "" || strings.HasPrefix(pattern, "^") {
		parts := regexp.MustCompile(`^\^?(/[A-Za-z0-9_./-]*)/\(\.\*\)\$?$`).FindStringSubmatch(pattern)
		if parts == nil || a.RewriteTarget != "/$1" || strings.Contains(parts[1], "//") {
			m.todo("UPSTREAMS: that of `%s` rewrites paths otherwise than by taking a prefix off (strip=); let the upstream do that, and write its entry", a.Path)
			return "", nil, false
		}
		pattern, options = parts[1]+"/", []string{"strip=" + parts[1]}
	}
	if _, err := access.Compile("/ public", []access.Upstream{{Pattern: pattern}}); err != nil || !plainPath(pattern) {
		m.todo("UPSTREAMS: `%s` is no pattern; write the entry yourself", a.Path)
		return "", nil, false
	}
	return pattern, options, true
}

func (m *Migration) upstreamOptions(a alphaUpstream, scheme string, options []string) []string {
	if a.PassHostHeader != nil && !*a.PassHostHeader && scheme != "unix" {
		options = append(options, "host=upstream")
	}
	if timeout, err := time.ParseDuration(a.Timeout); err == nil && timeout != 30*time.Second && timeout >= 0 {
		options = append(options, "timeout="+a.Timeout)
	} else if err != nil && a.Timeout != "" {
		m.todo("UPSTREAMS: the timeout for %s is no time span such as 30s", a.Path)
	}
	if a.InsecureSkipTLSVerify {
		m.lose("insecureSkipTLSVerify: certificates are always checked; name the authority's with ca= in the upstream's entry")
	}
	if a.ProxyWebSockets != nil && !*a.ProxyWebSockets {
		m.change("proxyWebSockets: WebSockets are passed on, as the rules say, and only from the origin itself (ALLOWED_ORIGINS)")
	}
	return options
}

// tokenOption says how upstreams get the access token; "" where they got none.
func (m *Migration) tokenOption() string {
	bearer, named := m.is("pass_authorization_header"), m.is("pass_access_token")
	for _, h := range m.found.requests {
		b, n := h.token()
		bearer, named = bearer || b, named || n
	}
	if bearer {
		m.change("Authorization: Bearer carries the access token, and no longer the ID token: the application checks it as an access token (AUDIENCE says what it must be for)")
	}
	switch {
	case bearer && named:
		m.change("the access token goes along once, as Authorization: Bearer; X-Forwarded-Access-Token is token=x-forwarded-access-token in its place")
		return "token=bearer"
	case bearer:
		return "token=bearer"
	case named:
		return "token=x-forwarded-access-token"
	}
	return ""
}

// asksFront reports a configuration in which a server in front takes the requests and asks about them: it has no upstream that
// would answer, and tells the server who is asking.
func (m *Migration) asksFront() bool {
	if m.front != "" {
		return true
	}
	for _, u := range m.found.upstreams {
		if !u.Static {
			return false
		}
	}
	static := len(m.found.upstreams) > 0
	for _, text := range m.list("upstreams") {
		if !strings.HasPrefix(text, "static://") {
			return false
		}
		static = true
	}
	return static || m.is("set_xauthrequest") || m.is("set_authorization_header") || len(m.found.responses) > 0
}
