package config

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"doorward/proxy/access"
)

// upstreamTimeout is how long an upstream may take to its answer's headers
// when its entry does not say.
const upstreamTimeout = 30 * time.Second

// Upstream is one entry of UPSTREAMS.
type Upstream struct {
	// Pattern says which requests it gets; "/" where the entry names none.
	Pattern string
	// URL is its origin: http, https or h2c with a host; or unix with the
	// socket's Path.
	URL *url.URL
	// Host is "preserve" (the Host that the client sent) or "upstream".
	Host string
	// Strip is the path prefix taken off before forwarding; empty for none.
	Strip string
	// Token says how the access token goes along: "bearer",
	// "x-forwarded-access-token" or "none".
	Token string
	// Timeout bounds the wait for the answer's headers; 0 waits for ever.
	Timeout time.Duration
	// Paths are the promises that the upstream makes about paths:
	// "case-sensitive", "opaque-slash".
	Paths []string
	// TLS is how an https upstream is to be known, and to know doorward.
	TLS UpstreamTLS
}

// Name labels the upstream in logs and metrics: scheme://host[:port] as
// written, unix:/path for a socket. It never holds credentials.
func (u Upstream) Name() string {
	if u.URL.Scheme == "unix" {
		return "unix:" + u.URL.Path
	}
	return u.URL.Scheme + "://" + u.URL.Host
}

// UpstreamTable returns the entries of UPSTREAMS. Its error is a [Problems].
func (c *Config) UpstreamTable() ([]Upstream, error) {
	upstreams, problems := c.upstreams()
	return upstreams, problems.result()
}

func (c *Config) upstreams() ([]Upstream, Problems) {
	v := verdict{variable: "UPSTREAMS"}
	entries, err := access.SplitTable(c.Upstreams)
	if err != nil {
		v.addSplitting(err)
	} else if len(entries) == 0 && c.ForwardAuth == "" {
		v.add("holds no entry", "write e.g. http://127.0.0.1:8080")
	}
	var upstreams []Upstream
	for _, entry := range entries {
		upstream, problems := c.parseUpstream(entry.Text)
		for _, p := range problems {
			v.add(fmt.Sprintf("line %d: %s", entry.Line, p.Wrong), p.Mend)
		}
		if problems == nil {
			upstreams = append(upstreams, upstream)
		}
	}
	return upstreams, v.problems
}

// addSplitting reports what keeps a text from being split, without the text,
// which may hold a password.
func (v *verdict) addSplitting(err error) {
	if p, ok := errors.AsType[*access.Problem](err); ok {
		v.add(p.Wrong, p.Mend)
		return
	}
	v.add("cannot be split into its parts", "look at its quotation marks")
}

// parseUpstream reads "[PATTERN] URL [option…]". Its problems never show the
// URL, which may hold a password.
func (c *Config) parseUpstream(entry string) (Upstream, Problems) {
	var v verdict
	fields, err := access.SplitFields(entry)
	if err != nil {
		v.addSplitting(err)
		return Upstream{}, v.problems
	}
	u := Upstream{Pattern: "/", Host: "preserve", Token: "none", Timeout: upstreamTimeout}
	if c.ForwardAccessToken {
		u.Token = "bearer"
	}
	if len(fields) > 0 && !absolute(fields[0]) {
		u.Pattern, fields = fields[0], fields[1:]
	}
	if len(fields) == 0 || !absolute(fields[0]) {
		if _, _, err := net.SplitHostPort(u.Pattern); err == nil && len(fields) == 0 {
			v.add(quote(u.Pattern)+" has no scheme", "write http:// before it, or https://")
			return u, v.problems
		}
		v.add("the entry of "+quote(u.Pattern)+" has no URL after the pattern", "write [PATTERN] URL [option…], e.g. /api/ http://127.0.0.1:8080; patterns have no methods here")
		return u, v.problems
	}
	u.URL, err = parseUpstreamURL(fields[0])
	switch {
	case err != nil && strings.Contains(fields[0], ","):
		v.add("the URL of "+quote(u.Pattern)+" holds a comma", "write each entry on a line of its own, or semicolons between them")
	case err != nil:
		v.add("the URL of "+quote(u.Pattern)+" "+err.Error(), "write scheme, host and port, e.g. http://127.0.0.1:8080, or unix:/run/app.sock")
	}
	u.applyOptions(&v, fields[1:])
	u.checkTLS(&v)
	return u, v.problems
}

// absolute tells a URL from a pattern: no pattern has a scheme.
func absolute(field string) bool {
	return strings.Contains(field, "://") || strings.HasPrefix(field, "unix:")
}

// parseUpstreamURL reads an origin or a socket.
func parseUpstreamURL(text string) (*url.URL, error) {
	if rest, ok := strings.CutPrefix(text, "unix:"); ok {
		return parseSocket(rest)
	}
	u, err := parseURL(text)
	switch {
	case err != nil:
		return nil, err
	case u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "h2c":
		return nil, errors.New("is neither http, https, h2c nor unix")
	case u.Path != "" && u.Path != "/":
		return nil, errors.New("has a path; requests keep their own (strip=/prefix takes a prefix off)")
	case u.RawQuery != "" || u.ForceQuery:
		return nil, errors.New("has a query")
	}
	return &url.URL{Scheme: u.Scheme, Host: strings.ToLower(u.Host)}, nil
}

// parseSocket reads what follows "unix:": an absolute path, also as ///path.
func parseSocket(text string) (*url.URL, error) {
	file := strings.TrimPrefix(text, "//")
	if !strings.HasPrefix(file, "/") || file == "/" || strings.ContainsAny(file, `?#"'`) {
		return nil, errors.New("names no socket by an absolute path")
	}
	return &url.URL{Scheme: "unix", Path: path.Clean(file)}, nil
}

// applyOptions reads name=value options, each once.
func (u *Upstream) applyOptions(v *verdict, options []string) {
	seen := make(map[string]bool)
	for _, option := range options {
		name, value, _ := strings.Cut(option, "=")
		if seen[name] {
			v.add(name+"= is there twice in the entry of "+quote(u.Pattern), "write it once")
		}
		seen[name] = true
		if wrong, mend := u.applyOption(name, value); wrong != "" {
			v.add(wrong+" in the entry of "+quote(u.Pattern), mend)
		}
	}
	if u.URL != nil && u.URL.Scheme == "unix" && u.Host == "upstream" {
		v.add("host=upstream in the entry of "+quote(u.Pattern)+": a socket has no host name", "write host=preserve")
	}
}

func (u *Upstream) applyOption(name, value string) (wrong, mend string) {
	switch name {
	case "host":
		u.Host = value
		return choose(name, value, "preserve", "upstream")
	case "token":
		u.Token = value
		return choose(name, value, "bearer", "x-forwarded-access-token", "none")
	case "strip":
		u.Strip = value
		return u.checkStrip()
	case "timeout":
		return u.setTimeout(value)
	case "paths":
		return u.setPaths(value)
	case "ca":
		return setFile(&u.TLS.CA, name, value)
	case "cert":
		return setFile(&u.TLS.Cert, name, value)
	case "key":
		return setFile(&u.TLS.Key, name, value)
	}
	return "unknown option " + quote(name), "write host=, strip=, token=, timeout=, paths=, ca=, cert= or key=; another entry begins on a line of its own, or after a semicolon"
}

func choose(name, value string, values ...string) (wrong, mend string) {
	if slices.Contains(values, value) {
		return "", ""
	}
	return name + "= does not know " + quote(value), "write " + alternatives(values)
}

// checkStrip wants a plain prefix that requests of the pattern can begin with.
func (u *Upstream) checkStrip() (wrong, mend string) {
	if !strings.HasPrefix(u.Strip, "/") || u.Strip == "/" || path.Clean(u.Strip) != u.Strip || !plainPath(u.Strip) {
		return "strip= takes a plain path without a slash at its end", "write e.g. strip=/api"
	}
	prefix := u.Strip + "/"
	pattern := strings.ReplaceAll(u.Pattern, `"`, "") // what they quote is literal, as the rest of a path without wildcards is
	covered := strings.TrimSuffix(pattern[strings.Index(pattern, "/")+1:], "{$}")
	covered = strings.Replace("/"+strings.TrimSuffix(covered, "/")+"/", "//", "/", 1)
	covered, _, _ = strings.Cut(covered, "{") // a wildcard may stand for anything
	if strings.HasPrefix(covered, prefix) || strings.HasPrefix(prefix, covered) {
		return "", ""
	}
	return "strip=" + u.Strip + " is no beginning of the pattern's paths", "write a prefix of the pattern"
}

func (u *Upstream) setTimeout(value string) (wrong, mend string) {
	timeout, err := time.ParseDuration(value)
	if err != nil {
		return "timeout=" + quote(value) + " is no duration", durationMend(value)
	}
	if timeout < 0 {
		return "timeout= is less than nothing", "write e.g. timeout=30s, or timeout=0 to wait for ever"
	}
	u.Timeout = timeout
	return "", ""
}

func (u *Upstream) setPaths(value string) (wrong, mend string) {
	var unknown []string
	u.Paths = strings.Split(value, ",")
	for _, trait := range u.Paths {
		if trait != "case-sensitive" && trait != "opaque-slash" {
			unknown = append(unknown, quote(trait))
		}
	}
	if unknown == nil {
		return "", ""
	}
	return "paths= does not know " + strings.Join(unknown, " and "), "write case-sensitive or opaque-slash, or both with a comma"
}

// PathToSend returns a path as the upstream gets it, without the prefix that
// Strip names. Its error says why it is not sent: a prefix that is spelled in
// another way is refused, not guessed at, and so is a path that cannot be sent in
// its own spelling.
func (u Upstream) PathToSend(path string) (string, error) {
	rest, found := strings.CutPrefix(path, u.Strip)
	switch {
	case u.Strip != "" && (!found || rest != "" && rest[0] != '/'):
		return "", errors.New("the prefix that is to be removed is spelled in another way")
	case strings.HasPrefix(rest, "//") && !sameSpelling(rest):
		return "", errors.New("it begins with two slashes and holds characters that want percent-encoding")
	}
	return cmp.Or(rest, "/"), nil
}

// sameSpelling reports whether net/url would send a path as it is spelled.
// Otherwise it would decode and encode it anew, and what was an escaped slash
// would become one that separates.
func sameSpelling(path string) bool {
	decoded, _ := url.PathUnescape(path) // the policy has refused bad escapes
	u := url.URL{Path: decoded, RawPath: path}
	return u.EscapedPath() == path
}
