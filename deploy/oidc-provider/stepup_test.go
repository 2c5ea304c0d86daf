//go:build unix

package oidcprovider

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"doorward/config"
	"doorward/deploy/deploytest"
)

func secondFactor(user string) url.Values { return url.Values{"user": {user}, "factor": {"second"}} }

// TestStepUp asks for a second factor only where a rule does.
func TestStepUp(t *testing.T) {
	s := newSite(t, func(c *config.Config) { c.AccessRules = "/ authenticated; /admin/ group:Admin acr:mfa" })
	v := s.Visitor(t)
	signIn(v, s.Origin+"/", "alice").Want(t, s.Origin+"/", http.StatusOK)

	again := v.Open(s.Origin + "/admin/?from=a+link")
	if !strings.HasPrefix(again.URL.String(), s.issuer+"/interaction/") {
		t.Fatalf("nobody asked for the second factor: %s answers %d", again.URL, again.Status)
	}
	admin := v.Send(again, secondFactor("alice"))
	admin.Want(t, s.Origin+"/admin/", http.StatusOK)
	if admin.URL.RawQuery != "from=a+link" {
		t.Errorf("the query string is %q now", admin.URL.RawQuery)
	}
	v.Open(s.Origin+"/admin/").Want(t, s.Origin+"/admin/", http.StatusOK)
}

// TestStepUpUnmet signs in without the second factor that was asked for: an explanation, and no loop.
func TestStepUpUnmet(t *testing.T) {
	s := newSite(t, func(c *config.Config) { c.AccessRules = "/ authenticated; /admin/ group:Admin acr:mfa" })
	v := s.Visitor(t)
	signIn(v, s.Origin+"/", "alice").Want(t, s.Origin+"/", http.StatusOK)
	signIn(v, s.Origin+"/admin/", "alice").Want(t, s.Origin+"/oauth2/callback", http.StatusForbidden)
	v.Open(s.Origin+"/").Want(t, s.Origin+"/", http.StatusOK)
}

// TestMaxAge asks for a new login once the old one is older than a rule allows.
func TestMaxAge(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *config.Config) { c.AccessRules = "/ authenticated; /admin/ group:Admin max-age:2s" })
	v := s.Visitor(t)
	signIn(v, s.Origin+"/", "alice").Want(t, s.Origin+"/", http.StatusOK)
	var asked *deploytest.Sheet
	deploytest.Await(t, "the provider's login page", func() bool {
		asked = v.Open(s.Origin + "/admin/")
		return asked.URL.Host == host(t, s.issuer)
	})
	v.Send(asked, url.Values{"user": {"alice"}}).Want(t, s.Origin+"/admin/", http.StatusOK)
}

// TestACRValues asks for the second factor at every login.
func TestACRValues(t *testing.T) {
	s := newSite(t, func(c *config.Config) { c.AuthParams = append(c.AuthParams, "acr_values=mfa") })
	signIn(s.Visitor(t), s.Origin+"/", "alice").Want(t, s.Origin+"/oauth2/callback", http.StatusForbidden)
	v := s.Visitor(t)
	v.Send(v.Open(s.Origin+"/"), secondFactor("alice")).Want(t, s.Origin+"/", http.StatusOK)
}
