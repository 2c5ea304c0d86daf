package proxy_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"doorward/config"
	"doorward/proxy/providertest"
)

// audited checks that there is one line of an event, which says all of that, and from where, and in which request it was.
func audited(t *testing.T, s *site, event string, want map[string]string) map[string]any {
	t.Helper()
	s.Proxy.Rest()
	lines := s.Log.events(t, event)
	if len(lines) != 1 {
		t.Fatalf("the log has %d events %s: %v", len(lines), event, lines)
	}
	for _, name := range []string{"request_id", "client_ip", "peer_ip", "host", "method", "path", "rule"} {
		if text, _ := lines[0][name].(string); text == "" {
			t.Errorf("%s has no %s: %v", event, name, lines[0])
		}
	}
	for name, value := range want {
		if lines[0][name] != value {
			t.Errorf("%s of %s is %v, want %s", name, event, lines[0][name], value)
		}
	}
	return lines[0]
}

// A refresh belongs to no request, but one began it.
func TestAuditOfAFailedRefresh(t *testing.T) {
	s := newLivingSite(t, nil)
	b := s.signedIn("alice")
	cookie := b.age(s, untilDead)
	s.Provider.EndGrants("alice")
	session := opened(t, s, cookie).Hash()

	s.rawAs(cookie, "/admin/x").wants(t, http.StatusUnauthorized)

	line := audited(t, s, "refresh_failed", map[string]string{
		"reason": "invalid_grant", "user": "alice", "session": session, "path": "/admin/x", "rule": "/admin/", "client_ip": "127.0.0.1",
	})
	if id := s.lastRequests(1)[0]["request_id"]; line["request_id"] != id {
		t.Errorf("the request is %v, and was %v", line["request_id"], id)
	}
}

// It is found by the trace of that request, too.
func TestAuditOfAFailedRefreshInATrace(t *testing.T) {
	s := newLivingSite(t, func(c *config.Config) { c.TrustedProxies = []string{"127.0.0.1"} })
	b := s.signedIn("alice")
	cookie := b.age(s, untilDead)
	s.Provider.EndGrants("alice")
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"

	s.rawGet("/x", "Cookie: "+cookie, "Traceparent: 00-"+trace+"-00f067aa0ba902b7-01").wants(t, http.StatusUnauthorized)

	audited(t, s, "refresh_failed", map[string]string{"reason": "invalid_grant", "trace_id": trace})
}

// What is denied for the sake of its destination is told under the rule of that.
func TestAuditOfADeniedDestination(t *testing.T) {
	s := newSite(t, nil)
	b := s.signedIn("bob")

	b.request("COPY", s.URL+"/x", headers("Accept", "application/json", "Destination", "/admin/x"), "").wants(t, http.StatusForbidden)

	audited(t, s, "denied", map[string]string{"rule": "/admin/", "path": "/x", "reason": "group", "user": "bob", "session": b.carried(s).Hash()})
	if rule := s.lastRequests(1)[0]["rule"]; rule != "/admin/" {
		t.Errorf("the request is told under %v", rule)
	}
}

// Where no rule is, none asks for anything.
func TestAuditOfAPathWithoutARule(t *testing.T) {
	s := newSite(t, func(c *config.Config) { c.AccessRules = "/admin/ group:Admin" })

	s.browser().open(s.URL+"/x").wants(t, http.StatusForbidden)

	audited(t, s, "denied", map[string]string{"rule": "none", "reason": "no-rule", "error": "no rule covers it"})
}

// A logout that names no person is found together with the login by the provider's session, which the log has as a hash.
func TestAuditOfALogoutByTheProvidersSession(t *testing.T) {
	for name, end := range map[string]func(s *site, sid string){
		"back_channel": func(s *site, sid string) {
			isAnswered(t, s.Provider.PostLogout(s.Provider.LogoutToken("", sid)), http.StatusOK)
		},
		"front_channel": func(s *site, sid string) { s.frame(s.Provider.Issuer, sid) },
		"admin":         func(s *site, sid string) { s.revoke("sid="+sid).wants(t, http.StatusOK) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newLogoutSite(t, withAdminToken)
			s.signedIn("alice")
			sid := sidOf(t, s)
			login := audited(t, s, "login", map[string]string{"user": "alice"})
			hash, _ := login["provider_session"].(string)
			if len(hash) != 12 {
				t.Fatalf("the login is of the provider's session %q", hash)
			}

			end(s, sid)

			audit := s.Log.events(t, "logout")
			if len(audit) != 1 || audit[0]["provider_session"] != hash || audit[0]["reason"] != name || audit[0]["request_id"] == "" {
				t.Errorf("the log says %v", audit)
			}
			if strings.Contains(s.Log.String(), sid) {
				t.Error("the log holds the sid itself")
			}
		})
	}
}

// Whose login failed is told where it is known.
func TestAuditOfASessionThatIsTooLarge(t *testing.T) {
	s := newSite(t, func(c *config.Config) {
		c.SessionStore, c.ForwardGroups, c.SessionCookieMaxBytes = "cookie", "matched", 1500
	})
	var groups []string
	for i := range 300 {
		groups = append(groups, fmt.Sprintf("group-%d-%d", i, i*i*i))
	}
	s.Provider.AddUser(providertest.User{Subject: "erin", Groups: groups})
	b := s.browser()
	b.Person = "erin"

	b.walk(s.URL+"/x").wants(t, http.StatusInternalServerError)

	audited(t, s, "login_failed", map[string]string{"reason": "session_too_large", "user": "erin", "level": "warn"})
}
