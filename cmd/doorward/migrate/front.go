package migrate

import (
	"slices"
	"strconv"
	"strings"

	"doorward/config"
)

// forwardAuth writes what the server in front is answered. Which server it is, oauth2-proxy never had to know.
func (m *Migration) forwardAuth() {
	words := m.responseHeaders()
	front := (&config.Config{ForwardAuth: m.front}).FrontServer()
	switch {
	case front != nil:
		m.set("FORWARD_AUTH", m.front, "--forward-auth")
		m.fitCookies(front)
	case m.asksFront():
		m.fillIn("FORWARD_AUTH", "nginx", "a server in front asks /oauth2/auth: run this again with --forward-auth and nginx, ingress-nginx, traefik, caddy or envoy; or write UPSTREAMS, where doorward is to pass requests on itself")
	case len(words) > 0 || m.is("set_xauthrequest"):
		m.change("headers of answers (set_xauthrequest and the like) are for a server in front that asks /oauth2/auth: where there is one, run this again with --forward-auth")
		return
	default:
		return
	}
	m.change("the server in front has to tell of the request by headers of its own, and must not let clients set them: `doorward check` lists what to configure, and deploy/ has it for each server")
	if len(words) > 0 && front != nil {
		m.set("AUTH_RESPONSE_HEADERS", strings.Join(words, ","), "pass_access_token", "set_authorization_header")
	}
}

// fitCookies keeps sessions to what the server hands on to browsers.
func (m *Migration) fitCookies(front *config.Front) {
	const each = 3900
	if front.Cookies == 1 && m.text("session_store_type") != "redis" {
		m.set("SESSION_COOKIE_MAX_BYTES", strconv.Itoa(each), "--forward-auth")
	}
}

// responseHeaders are the words of AUTH_RESPONSE_HEADERS; who is asking is always answered.
func (m *Migration) responseHeaders() []string {
	token := m.is("pass_access_token") && m.is("set_xauthrequest")
	authorization := m.is("set_authorization_header")
	for _, h := range m.found.responses {
		bearer, _ := h.token()
		switch {
		case bearer:
			authorization = true
		case strings.EqualFold(h.Name, "X-Auth-Request-Access-Token"):
			token = true
		case !slices.ContainsFunc(identity(), func(name string) bool { return strings.EqualFold(h.Name, name) }):
			m.lose("injectResponseHeaders %s: answers bear X-Auth-Request-User, -Email, -Groups and -Preferred-Username, and what AUTH_RESPONSE_HEADERS names", h.Name)
		}
	}
	var words []string
	if token {
		words = append(words, "access-token")
	}
	if authorization {
		words = append(words, "authorization")
		m.change("the Authorization of an answer carries the access token, and no longer the ID token")
	}
	return words
}

// identity are the headers by which oauth2-proxy and doorward tell upstreams, and the server in front, who is asking.
func identity() []string {
	return []string{
		"X-Forwarded-User", "X-Forwarded-Email", "X-Forwarded-Groups", "X-Forwarded-Preferred-Username",
		"X-Auth-Request-User", "X-Auth-Request-Email", "X-Auth-Request-Groups", "X-Auth-Request-Preferred-Username",
	}
}
