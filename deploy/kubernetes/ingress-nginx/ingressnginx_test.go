// Package ingressnginx tests doorward behind what ingress-nginx is documented to do with the configuration that README.md shows.
package ingressnginx

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"doorward/deploy/deploytest"
)

// start stands in for ingress-nginx: auth-url asks by GET with all headers of the client, and sets X-Original-Method, X-Original-URL
// and what auth-proxy-set-headers names anew. 2xx is a yes, 401 leads to auth-signin, anything else to a page of its own. The headers that are named
// are taken from a yes, and the client's go; and it adds the first Set-Cookie to the application's answer. Of header names, nginx
// drops all with other characters than letters, digits and hyphens.
func start(t *testing.T, o deploytest.FrontOptions) *deploytest.Front {
	f := deploytest.NewFront(t, "ingress-nginx", o)
	text := f.Configuration("ingress.yaml", "https://$host/", f.Origin+"/")
	own := paths(text)
	signIn := strings.TrimSuffix(annotation(t, text, "auth-signin"), "$escaped_request_uri")
	served := value(t, text, "X-Doorward-Host: ", "\n")
	named := deploytest.OneOf(strings.Split(annotation(t, text, "auth-response-headers"), ","))
	deploytest.StandIn{
		OwnPages: func(path string) bool { return slices.Contains(own, path) },
		Ask: func(r *http.Request, doorward string) *http.Request {
			q := deploytest.Question(r, http.MethodGet, "http://"+doorward+"/oauth2/auth")
			q.Header.Del("X-Forwarded-Proto")
			q.Header.Set("X-Original-Method", r.Method)
			q.Header.Set("X-Original-Url", "http://"+r.Host+r.RequestURI)
			host, _, _ := strings.Cut(r.Host, ":")
			q.Header.Set("X-Doorward-Host", strings.ReplaceAll(served, "$host", host))
			q.Header.Set("X-Sent-From", "nginx-ingress-controller")
			q.Header.Set("X-Auth-Request-Redirect", r.RequestURI)
			return q
		},
		Yes:           func(status int) bool { return status/100 == 2 },
		Drops:         func(name string) bool { return strings.ContainsAny(name, "_.~`") || named(name) || setsItself(name) },
		ToApplication: named,
		ToBrowser:     func(cookies []string) []string { return cookies[:min(1, len(cookies))] },
		Refuse: func(w http.ResponseWriter, r *http.Request, status int) {
			switch status {
			case http.StatusUnauthorized:
				w.Header().Set("Location", signIn+url.QueryEscape(r.RequestURI))
				w.WriteHeader(http.StatusFound)
			case http.StatusForbidden:
				w.WriteHeader(http.StatusForbidden)
			default:
				w.WriteHeader(http.StatusInternalServerError)
			}
		},
	}.Serve(f)
	return f
}

// setsItself are headers that the controller sets anew for the application.
func setsItself(name string) bool {
	return deploytest.OneOf([]string{"X-Real-Ip", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Proto", "X-Forwarded-Scheme"})(name)
}

// paths are those of the Ingress that leads to doorward.
func paths(text string) (all []string) {
	_, own, _ := strings.Cut(text, "name: doorward\n")
	for line := range strings.Lines(own) {
		if _, path, found := strings.Cut(strings.TrimSpace(line), "- path: "); found {
			all = append(all, path)
		}
	}
	return all
}

func annotation(t *testing.T, text, name string) string {
	t.Helper()
	return value(t, text, "nginx.ingress.kubernetes.io/"+name+`: "`, `"`)
}

// value is what stands between two texts.
func value(t *testing.T, text, before, after string) string {
	t.Helper()
	_, rest, found := strings.Cut(text, before)
	value, _, _ := strings.Cut(rest, after)
	if !found {
		t.Fatalf("there is no %s", before)
	}
	return value
}

func TestBehindIngressNginx(t *testing.T) {
	s := deploytest.FrontStory{Start: start, Name: "ingress-nginx", Names: "X-Auth-Request-", OneCookie: true}
	t.Run("alice", s.Alice)
	t.Run("spoofed headers do not arrive", s.SpoofedHeaders)
	t.Run("refreshed sessions reach the browser", s.RefreshedSessions)
	t.Run("nobody else asks", s.Question)
	t.Run("paths with two meanings", s.AmbiguousPaths)
	t.Run("without doorward nothing passes", s.DoorwardDown)
}
