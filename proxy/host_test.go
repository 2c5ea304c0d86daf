package proxy_test

import (
	"strings"
	"testing"

	"doorward/config"
)

// Origins of one name are told apart by their ports, and the scheme's own port is one, whether a server in front writes it or not. Letter case
// tells nothing apart.
func TestOriginsOfOneNameAreToldApartByPort(t *testing.T) {
	s := newSite(t, func(c *config.Config) {
		c.PublicURL = append(c.PublicURL, "http://127.0.0.1", "http://app.localhost:1", "http://app.localhost:2", "http://app.localhost")
	})
	for host, origin := range map[string]string{
		"127.0.0.1": "http://127.0.0.1", "127.0.0.1:80": "http://127.0.0.1", strings.TrimPrefix(s.URL, "http://"): s.URL, "127.0.0.1:443": s.URL,
		"APP.localhost:2": "http://app.localhost:2", "APP.localhost": "http://app.localhost", "APP.localhost:80": "http://app.localhost",
	} {
		p := s.raw("GET /x HTTP/1.1\r\nHost: " + host + "\r\nUpgrade-Insecure-Requests: 1\r\nConnection: close\r\n" + strings.Join(navigating, "\r\n") + "\r\n\r\n")
		if got := p.Header.Get("Location"); got != origin+"/oauth2/start?rd=%2Fx" {
			t.Errorf("at %s people are sent to %s", host, got)
		}
	}
}
