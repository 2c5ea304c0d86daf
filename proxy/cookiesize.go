package proxy

import (
	"net/http"

	"doorward/config"
	"doorward/session"
)

// CookieMeasure gives what measures the cookies that a session would have under these settings, in bytes as a browser sends them: they
// are made as for a login, with whatever room it takes, and thrown away. Sessions are measured as if they lived in their cookies.
func CookieMeasure(c *config.Config) (func(*session.Session) (int, error), error) {
	p := &Proxy{config: c}
	secrets, err := c.Secrets()
	if err != nil {
		return nil, err
	}
	o, sent := p.sessionOptions(), 0
	o.Secrets = secrets
	o.Redis, o.InRedis, o.RevocationsPath, o.MaxBytes = session.RedisOptions{}, false, "", mostCookies
	o.OnSave = func(bytes int) { sent = bytes }
	m, err := session.NewManager(o)
	if err != nil {
		return nil, err
	}
	return func(s *session.Session) (int, error) {
		err := m.Create(http.Header{}, &http.Request{}, s)
		return sent, err
	}, nil
}

// mostCookies is what the cookies of any session may have, in bytes.
const mostCookies = 60 << 10
