// Package traefik tests doorward behind what Traefik is documented to do with the configuration that README.md shows.
package traefik

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"doorward/deploy/deploytest"
)

// start stands in for Traefik: its forwardAuth asks by GET with all headers of the client, sets X-Forwarded-Method, -Proto, -Host and -Uri
// anew, takes every 2xx for a yes, and relays any other answer. The headers that are named, or match, are taken from a yes, and the
// client's go; and the cookies that are named are added to the application's answer.
func start(t *testing.T, o deploytest.FrontOptions) *deploytest.Front {
	f := deploytest.NewFront(t, "traefik", o)
	text := f.Configuration("doorward.yml", "__Host-doorward", "doorward")
	named := deploytest.OneOf(deploytest.Items(t, text, "authResponseHeaders"))
	pattern := regexp.MustCompile(regexp.MustCompile(`authResponseHeadersRegex: "(.*)"`).FindStringSubmatch(text)[1])
	copied := func(name string) bool { return named(name) || pattern.MatchString(name) }
	deploytest.StandIn{
		OwnPages: func(path string) bool {
			return strings.HasPrefix(path, "/oauth2/") && !strings.HasPrefix(path, "/oauth2/auth")
		},
		Closed: func(string) bool { return false },
		Ask: func(r *http.Request, doorward string) *http.Request {
			q := deploytest.Question(r, http.MethodGet, "http://"+doorward+"/oauth2/auth")
			q.Header.Set("X-Forwarded-Method", r.Method)
			q.Header.Set("X-Forwarded-Proto", "http")
			q.Header.Set("X-Forwarded-Host", r.Host)
			q.Header.Set("X-Forwarded-Uri", r.URL.RequestURI())
			return q
		},
		Yes:           func(status int) bool { return status/100 == 2 },
		Drops:         func(name string) bool { return copied(name) || setsItself(name) },
		ToApplication: copied,
		ToBrowser:     deploytest.CookiesNamed(deploytest.Items(t, text, "addAuthCookiesToResponse")),
	}.Serve(f)
	return f
}

// setsItself are headers that Traefik takes from forwardedHeaders.trustedIPs alone.
func setsItself(name string) bool {
	return deploytest.OneOf([]string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Proto", "X-Forwarded-Server", "X-Forwarded-Prefix", "X-Real-Ip"})(name)
}

func TestBehindTraefik(t *testing.T) {
	deploytest.FrontStory{Start: start, Name: "traefik", Names: "X-Auth-Request-"}.Tell(t)
}

// The configuration says what the stand-in takes for granted.
func TestConfiguration(t *testing.T) {
	f := deploytest.NewFront(t, "traefik", deploytest.FrontOptions{})
	f.Configuration("doorward.yml", "trustForwardHeader: false", "", `X-Request-Id: ""`, "", "PathPrefix(`/oauth2/`) && !PathPrefix(`/oauth2/auth`)", "",
		`address: "http://127.0.0.1:4180/oauth2/auth"`, "")
}
