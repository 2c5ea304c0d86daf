//go:build unix

package oidcprovider

import (
	"net/url"
	"testing"
	"time"

	"doorward/config"
	"doorward/deploy/deploytest"
)

// refreshing is a doorward in front of an application that shows the access token, which lives for three seconds.
func refreshing(t *testing.T, environment ...string) site {
	t.Helper()
	s := site{Site: deploytest.NewSite(t)}
	s.issuer = start(t, s.Origin, append(environment, "ACCESS_TOKEN_SECONDS=3")...)
	s.Start(s.issuer, deploytest.Echo(t), func(c *config.Config) {
		forTheAPI(c)
		c.RefreshBefore = time.Second
	})
	return s
}

// TestRefresh lives through three access tokens. Each refresh token works once, and a second use would end everything.
func TestRefresh(t *testing.T) {
	t.Parallel()
	s := refreshing(t)
	v := s.Visitor(t)
	token := signIn(v, s.Origin+"/", "alice").AccessToken(t)
	v.Forbid(s.issuer + "/auth") // where single sign-on would hide that a refresh failed
	for range 2 {
		last := token
		deploytest.Await(t, "a new access token", func() bool {
			token = v.Open(s.Origin + "/admin/").AccessToken(t)
			return token != last
		})
		if was, is := decoded(t, last, 1), decoded(t, token, 1); is["sub"] != "alice" || is["exp"].(float64) <= was["exp"].(float64) {
			t.Errorf("after %v came %v", was, is)
		}
	}
}

// TestRefreshForMany has twenty tabs open at once all the time: none of them may spend a refresh token that another one has spent.
func TestRefreshForMany(t *testing.T) {
	t.Parallel()
	s := refreshing(t)
	v := s.Visitor(t)
	seen := map[string]bool{signIn(v, s.Origin+"/", "alice").AccessToken(t): true}
	v.Forbid(s.issuer + "/auth")
	deploytest.Await(t, "two new access tokens", func() bool {
		for _, tab := range v.OpenTabs(s.Origin+"/", 20) {
			seen[tab.AccessToken(t)] = true
		}
		return len(seen) >= 3
	})
}

// TestRefreshRefused ends the session: the person signed out at the provider, which told nobody.
func TestRefreshRefused(t *testing.T) {
	t.Parallel()
	s := refreshing(t, "BACKCHANNEL_LOGOUT=false")
	v := s.Visitor(t)
	signIn(v, s.Origin+"/", "alice").AccessToken(t)
	leave(v, s.issuer)
	deploytest.Await(t, "the provider's login page", func() bool { return v.Open(s.Origin+"/").URL.Host != host(t, s.Origin) })
}

// leave signs out at the provider itself, as another application of the house would have people do.
func leave(v *deploytest.Visitor, issuer string) {
	v.Send(v.Open(issuer+"/session/end"), url.Values{"logout": {"yes"}})
}

func host(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}
