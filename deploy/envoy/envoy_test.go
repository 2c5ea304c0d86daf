// Package envoy tests doorward behind what Envoy is documented to do with the configuration that README.md shows.
package envoy

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"doorward/deploy/deploytest"
)

// start stands in for Envoy: its ext_authz filter asks an HTTP service with the method and Host of the request and its path behind
// path_prefix, and with those headers alone that are allowed. It takes 200 for a yes and relays any other answer; of a yes it copies the
// headers that are named, over those of the client, and adds the named ones to the application's answer. It drops header names with
// underscores and, at last, those that the route removes.
func start(t *testing.T, o deploytest.FrontOptions) *deploytest.Front {
	f := deploytest.NewFront(t, "envoy", o)
	text := f.Configuration("envoy.yaml", "- prefix: sec-", "- sec-*")
	allowed := append(deploytest.Items(t, text, "allowed_headers"), "authorization")
	toBrowser := deploytest.Items(t, text, "allowed_client_headers_on_success")
	removed := deploytest.OneOf(deploytest.Items(t, text, "request_headers_to_remove"))
	deploytest.StandIn{
		OwnPages: func(path string) bool { return strings.HasPrefix(path, "/oauth2/") },
		Closed:   func(path string) bool { return strings.HasPrefix(path, "/oauth2/auth") },
		Ask: func(r *http.Request, doorward string) *http.Request {
			q := deploytest.Question(r, r.Method, "http://"+doorward)
			q.Host, q.URL.Opaque = r.Host, "/oauth2/auth"+r.RequestURI
			for name := range q.Header {
				if !isAllowed(allowed, strings.ToLower(name)) {
					q.Header.Del(name)
				}
			}
			return q
		},
		Yes:           func(status int) bool { return status == http.StatusOK },
		Drops:         func(name string) bool { return strings.Contains(name, "_") || removed(name) },
		ToApplication: deploytest.OneOf(deploytest.Items(t, text, "allowed_upstream_headers")),
		ToBrowser: func(cookies []string) []string {
			if !slices.Contains(toBrowser, "set-cookie") {
				return nil
			}
			return cookies
		},
	}.Serve(f)
	return f
}

func isAllowed(allowed []string, name string) bool {
	return slices.ContainsFunc(allowed, func(pattern string) bool {
		prefix, any := strings.CutSuffix(pattern, "*")
		return name == pattern || any && strings.HasPrefix(name, prefix)
	})
}

func TestBehindEnvoy(t *testing.T) {
	deploytest.FrontStory{Start: start, Name: "envoy", Names: "X-Auth-Request-", DotsPass: true}.Tell(t)
}

// The configuration says what the stand-in takes for granted.
func TestConfiguration(t *testing.T) {
	f := deploytest.NewFront(t, "envoy", deploytest.FrontOptions{})
	f.Configuration("envoy.yaml", "failure_mode_allow: false", "", "headers_with_underscores_action: DROP_HEADER", "", "path_prefix: /oauth2/auth\n", "",
		"- match: { prefix: \"/oauth2/auth\" }\n                          direct_response: { status: 404 }", "")
}
