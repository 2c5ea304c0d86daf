package config

// Another server takes the requests, and asks about each of them (FORWARD_AUTH). Servers differ in how they tell of the request that
// they ask about, and in what of our answer reaches their client.

import (
	"fmt"
	"slices"
	"strings"
)

// Front is what doorward knows of the server that FORWARD_AUTH names.
type Front struct {
	// Name is that of FORWARD_AUTH.
	Name string
	// Method, Proto, Host and URI are the headers in which it tells of its client's request. URL is one header in their place with
	// all but the method. Where all are empty, the question itself has method, host and path of the request.
	Method, Proto, Host, URI, URL string
	// Server is the header that names the host by which it chose where the request goes, for servers where that need not be the Host that they
	// tell of; "" for the others.
	Server string
	// Relays says that its client gets our answers as they are, unless they are a yes. Else the server knows three: yes, 401 and 403.
	Relays bool
	// Cookies is how many cookies of a yes it hands on to the browser; 0 for any number. Where they are several, each comes in a header of
	// its own, X-Doorward-Set-Cookie-1 and so on.
	Cookies int
}

// oneCookie is how much of a session one cookie takes at least, in bytes; browsers take 4096.
const oneCookie = 3900

// FrontServer returns what is known of the server in front, nil where FORWARD_AUTH is unset.
func (c *Config) FrontServer() *Front {
	f := Front{Name: c.ForwardAuth, Relays: true}
	switch c.ForwardAuth {
	case "nginx":
		f.Relays, f.Cookies = false, 4
	case "ingress-nginx":
		return &Front{Name: c.ForwardAuth, Method: "X-Original-Method", URL: "X-Original-Url", Server: "X-Doorward-Host", Cookies: 1}
	case "caddy":
		f.Cookies = 4
	case "envoy":
		return &f
	case "traefik":
	default:
		return nil
	}
	f.Method, f.Proto, f.Host, f.URI = "X-Forwarded-Method", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Uri"
	return &f
}

// Headers are those in which it tells of its client's request.
func (f *Front) Headers() []string {
	return slices.DeleteFunc([]string{f.Method, f.Proto, f.Host, f.URI, f.URL}, func(name string) bool { return name == "" })
}

// AuthHeaders are the headers by which an answer of forward-auth tells who is asking, and what AUTH_RESPONSE_HEADERS adds. Every yes has
// all of them, so that none of the client's own stays.
func (c *Config) AuthHeaders() []string {
	names := []string{"X-Auth-Request-User", "X-Auth-Request-Email", "X-Auth-Request-Groups", "X-Auth-Request-Preferred-Username"}
	for _, word := range c.AuthResponseHeaders {
		name, _ := c.authHeader(word)
		names = append(names, name)
	}
	return names
}

// authHeader is the header that a word of AUTH_RESPONSE_HEADERS stands for.
func (c *Config) authHeader(word string) (name string, ok bool) {
	switch word {
	case "access-token":
		return "X-Auth-Request-Access-Token", true
	case "authorization":
		return "Authorization", true
	case "assertion":
		return "X-Doorward-Assertion", c.AssertionKeys != ""
	}
	headers, _ := c.identityHeaders()
	i := slices.IndexFunc(headers, func(h Header) bool { return strings.EqualFold(h.Name, word) })
	if i < 0 {
		return "", false
	}
	return headers[i].Name, true
}

func checkForwardAuth(c *Config) Problems {
	if c.ForwardAuth == "" {
		return withoutForwardAuth(c)
	}
	trusted := verdict{variable: "TRUSTED_PROXIES"}
	if len(c.TrustedProxies) == 0 {
		trusted.add("is unset, so nobody may ask for "+Prefix+"_FORWARD_AUTH", "name the address or the network of the server in front, e.g. 127.0.0.1")
	}
	size := verdict{variable: "SESSION_COOKIE_MAX_BYTES"}
	if f := c.FrontServer(); f != nil && f.Cookies > 0 && c.SessionCookieMaxBytes > f.Cookies*oneCookie && !c.KeepsSessionsInRedis() {
		size.add(fmt.Sprintf("%d is more than %s hands on to the browser when a session is refreshed (%s)", c.SessionCookieMaxBytes, f.Name, cookies(f.Cookies)),
			fmt.Sprintf("write %d, or keep sessions in Redis (%s_REDIS_URL)", f.Cookies*oneCookie, Prefix))
	}
	return slices.Concat(trusted.problems, size.problems, checkAuthResponseHeaders(c))
}

func cookies(n int) string {
	if n == 1 {
		return "one cookie"
	}
	return fmt.Sprintf("%d cookies", n)
}

func checkAuthResponseHeaders(c *Config) Problems {
	v := verdict{variable: "AUTH_RESPONSE_HEADERS"}
	seen := make(map[string]bool)
	for i, word := range c.AuthResponseHeaders {
		name, ok := c.authHeader(word)
		switch {
		case !ok:
			v.add(fmt.Sprintf("item %d, %s, is no word of it, or needs what is not set", i+1, quote(word)),
				"write access-token, authorization, assertion (with "+Prefix+"_ASSERTION_KEYS), or a name that stands in "+Prefix+"_HEADERS")
		case seen[name]:
			v.add(quote(word)+" is there twice", "write it once")
		}
		seen[name] = true
	}
	return v.problems
}

// withoutForwardAuth reports what is missing or means nothing where doorward takes the requests itself.
func withoutForwardAuth(c *Config) Problems {
	var problems Problems
	if isBlank(c.Upstreams) {
		s := settingOf("UPSTREAMS")
		problems = s.problems("is required and not set", s.mendMissing()+", or let another server pass requests on ("+Prefix+"_FORWARD_AUTH)")
	}
	v := verdict{variable: "AUTH_RESPONSE_HEADERS"}
	if len(c.AuthResponseHeaders) > 0 {
		v.add("is of no use without "+Prefix+"_FORWARD_AUTH", "set that too, or leave this one out (upstreams get their headers anyway)")
	}
	return append(problems, v.problems...)
}

// FrontNotes say what the server in front has to be configured to do, for `doorward check`.
func (c *Config) FrontNotes() []string {
	f := c.FrontServer()
	if f == nil {
		return nil
	}
	endpoint := c.EndpointPrefix + "/auth"
	notes := []string{
		"ask " + endpoint + " of doorward about every request, from an address in " + Prefix + "_TRUSTED_PROXIES",
		f.tells(),
		"put its client's address at the end of X-Forwarded-For, there and in what it passes on, or clients say themselves where they are (ip: in rules, log)",
		"let no client ask " + endpoint + " itself: whoever can, is told who they are and given their tokens",
		"pass everything else under " + c.EndpointPrefix + "/ on to doorward without asking, with its client's Host",
		"hand on to the application, in place of what its client sent: " + strings.Join(c.AuthHeaders(), ", "),
	}
	if f.Name == "nginx" || f.Name == "caddy" { // the others cannot give headers another name
		notes = append(notes, "call the first four X-Forwarded-User, -Email, -Groups and -Preferred-Username there, as doorward does where it has the requests")
	}
	if f.Cookies > 1 {
		notes = append(notes, fmt.Sprintf("send to the browser as Set-Cookie what a yes has in X-Doorward-Set-Cookie-1 to -%d", f.Cookies))
	}
	switch f.Name {
	case "nginx":
		notes = append(notes, "pass the request itself on to doorward where it says 401 or 403 (error_page): the login or the reason comes from there")
	case "ingress-nginx":
		notes = append(notes, "set "+f.Server+" to $host on the question (auth-proxy-set-headers), whatever its client sent: a request line with a whole address chooses "+
			"the application by that, and "+f.URL+" has the Host line. Where there are several hosts, nobody passes without it",
			"send people to "+c.EndpointPrefix+"/start?rd=$escaped_request_uri where doorward says 401 (auth-signin)")
	case "traefik", "envoy":
		notes = append(notes, "send to the browser the Set-Cookie of a yes, too ("+c.SessionCookieName()+", "+c.SessionCookieName()+"_1…)")
	}
	return append(notes, "the whole of it: deploy/"+folderOf(f.Name)+"/README.md")
}

// tells says how the server is to tell of the request.
func (f *Front) tells() string {
	if len(f.Headers()) == 0 {
		return "keep method and Host of the request in the question, and put its path and query behind the endpoint"
	}
	return "set on the question, whatever its client sent, once each: " + strings.Join(f.Headers(), ", ")
}

func folderOf(front string) string {
	if front == "ingress-nginx" {
		return "kubernetes/ingress-nginx"
	}
	return front
}

// forwardAuthNotes: without an upstream, a header that no answer carries reaches nobody.
func (c *Config) forwardAuthNotes() []string {
	headers, _ := c.identityHeaders()
	answered := c.AuthHeaders()
	var notes []string
	for _, h := range headers {
		if c.ForwardAuth != "" && c.Upstreams == "" && !slices.Contains(answered, h.Name) {
			notes = append(notes, fmt.Sprintf("%s_HEADERS: %s reaches nobody unless %s_AUTH_RESPONSE_HEADERS names it", Prefix, h.Name, Prefix))
		}
	}
	return notes
}
