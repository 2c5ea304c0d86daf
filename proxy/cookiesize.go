package proxy

import (
	"net/http"

	"doorward/config"
	"doorward/session"
)

// CookieMeasure gives a function that measures a session's cookies under these settings: their names and values, in bytes as a browser sends
// them. They are made as for a login, whatever SESSION_COOKIE_MAX_BYTES says, and thrown away. Sessions are measured as if they lived in their
// cookies. Its error is about COOKIE_SECRETS or the cookie's settings; the function's says that the cookies would exceed 60 KiB.
func CookieMeasure(c *config.Config) (func(*session.Session) (int, error), error) {
	p := &Proxy{config: c}
	secrets, err := c.Secrets()
	if err != nil {
		return nil, err
	}
	o, sent := p.sessionOptions(), 0
	o.Secrets = secrets
	o.Redis, o.InRedis, o.RevocationsPath, o.MaxBytes = session.RedisOptions{}, false, "", config.MostCookieBytes
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
