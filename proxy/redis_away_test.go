package proxy_test

import (
	"net/http"
	"testing"

	"doorward/proxy"
)

// withoutRedis puts a doorward in a site's place that cannot know who was signed out.
func (s *site) withoutRedis() {
	s.t.Helper()
	c := *s.settings
	c.RedisURL, c.SessionStore = "redis://"+nobodyListens(s.t.(*testing.T)), "cookie"
	p, err := proxy.New(proxy.Options{Config: &c, Log: proxy.NewLog(s.Log, &c), Version: "test"})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(p.Close)
	s.serving.Store(p)
	s.Proxy, s.settings = p, &c
}

// Whoever signs out while nobody knows of sessions is told so, and keeps the cookies to sign out with later.
func TestSigningOutWhileRedisIsAway(t *testing.T) {
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		s := newSite(t, nil)
		b := s.signedIn("alice")
		s.withoutRedis()
		p := b.request(method, s.URL+"/oauth2/sign_out", headers("Accept", "text/html", "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"), "")
		if p.StatusCode != http.StatusServiceUnavailable || len(p.Header["Set-Cookie"]) > 0 {
			t.Errorf("%s: %d, cookies %q", method, p.StatusCode, p.Header["Set-Cookie"])
		}
	}
}

// A logout token that could not be acted on for good is not at fault: the provider is to send it again.
func TestALogoutWhileRedisIsAway(t *testing.T) {
	s := newLogoutSite(t, nil)
	s.signedIn("alice")
	token := s.Provider.LogoutToken("alice", sidOf(t, s))
	s.withoutRedis()
	for range 2 {
		isAnswered(t, s.Provider.PostLogout(token), http.StatusServiceUnavailable)
	}
}

// A frame of the provider's is not answered with "signed out" where nobody knows whether it is so.
func TestAFrameWhileRedisIsAway(t *testing.T) {
	s := newSite(t, nil)
	s.signedIn("alice")
	sid := sidOf(t, s)
	s.withoutRedis()
	s.frame(s.Provider.Issuer, sid).wants(t, http.StatusServiceUnavailable)
}

// A callback that comes late while nobody knows of sessions does not say that nobody is signed in.
func TestALateCallbackWhileRedisIsAway(t *testing.T) {
	s := newSite(t, nil)
	b := s.signedIn("alice")
	s.withoutRedis()
	b.open(s.URL+"/oauth2/callback?code=x&state=y").wants(t, http.StatusServiceUnavailable)
}
