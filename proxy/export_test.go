package proxy

import (
	"time"

	"doorward/session"
)

// What the tests of a whole site need to see of a Proxy, and to do to it. Time cannot be made to pass on a real network, so sessions
// are made older instead.

// Sessions opens and seals the cookies.
func (p *Proxy) Sessions() *session.Manager { return p.sessions }

// Remembered is how many sessions' newest generations are known.
func (p *Proxy) Remembered() int {
	p.refreshes.generations.mu.Lock()
	defer p.refreshes.generations.mu.Unlock()
	return len(p.refreshes.generations.lineages)
}

// Rest waits for what goes on beside the requests.
func (p *Proxy) Rest() { p.background.tasks.Wait() }

// Age makes everything older that is remembered.
func (p *Proxy) Age(d time.Duration) {
	g := p.refreshes.generations
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, l := range g.lineages {
		l.newest, l.retryAt = Older(l.newest, d), l.retryAt.Add(-d)
	}
}

// Older is a session that has lived for so much longer. CreatedAt is its place among the revocations, which grow no older.
func Older(s *session.Session, d time.Duration) *session.Session {
	older := *s
	for _, moment := range []*time.Time{&older.ExpiresAt, &older.TokenIssuedAt, &older.TokenExpiresAt, &older.UsedAt} {
		*moment = moment.Add(-d)
	}
	return &older
}
