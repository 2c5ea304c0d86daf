package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"doorward/proxy/access"
	"doorward/session"
)

// The reasons to cut a connection, for log and metric.
const (
	cutExpired  = "expired"           // the session's absolute end
	cutIdle     = "idle"              // its idle limit
	cutRevoked  = "revoked"           // a sign-out of whatever kind, or the provider's refusal to refresh
	cutLost     = "lost"              // Redis, where it lived, has it no more
	cutDenied   = "denied"            // by a rule, after claims or rules have changed
	cutUnknown  = "redis_unavailable" // for longer than REDIS_OUTAGE_GRACE
	cutStalled  = "stalled"           // its client does not go on with its request, or does not read its answer
	cutShutdown = "shutdown"          // doorward ends
	cutBroken   = "internal_error"
)

func cutReasons() []string {
	return []string{cutExpired, cutIdle, cutRevoked, cutLost, cutDenied, cutUnknown, cutStalled, cutShutdown, cutBroken}
}

// verdict is why a connection is cut.
type verdict struct {
	reason  string
	refused *access.Route // the rule that refuses, and whom and why, where that is the reason
	who     *identity
	refusal *access.Refusal
	err     error // what the client is told in place of an answer; the log alone, where it is broken
}

// judge says why a connection is to be cut, as far as is known here; nil where it goes on. What cannot be told is cut.
func (p *Proxy) judge(c *connection) (v *verdict) {
	defer func() { v = orBroken(v, recover()) }()
	c.judging.Lock()
	defer c.judging.Unlock()
	switch {
	case c.stalled():
		return &verdict{reason: cutStalled}
	case c.carried != nil:
		return p.judgeSession(c)
	case p.rules.Load() != c.judgedBy:
		return p.judgeAgain(c, c.known)
	}
	return nil
}

// judgeSession judges who came with a session.
func (p *Proxy) judgeSession(c *connection) *verdict {
	newest, err := p.refreshes.current(c.carried)
	if err == nil && c.known != newest && c.known != c.carried && p.sessions.Check(c.known) != nil { // a refresh elsewhere may have brought a sid
		err = errNoSession
	}
	switch {
	case errors.Is(err, errNoSession):
		return &verdict{reason: cutRevoked}
	case err != nil:
		return &verdict{reason: cutUnknown, err: err}
	}
	if c.moved.Load() {
		c.moved.Store(false)
		p.inUse(newest)
	}
	switch {
	case p.unsealed(c):
		return &verdict{reason: cutRevoked}
	case !time.Now().Before(newest.ExpiresAt):
		return &verdict{reason: cutExpired}
	case newest.Generation > c.known.Generation:
		return p.judgeAgain(c, newest)
	case p.rules.Load() != c.judgedBy:
		return p.judgeAgain(c, c.known)
	}
	return nil
}

// orBroken is a verdict, unless its judge has panicked.
func orBroken(v *verdict, cause any) *verdict {
	if cause == nil {
		return v
	}
	return &verdict{reason: cutBroken, err: fmt.Errorf("recovering from a panic: %v", cause)}
}

// askOthers says the same as far as other instances know, and of the idle limit, since the session may be in use there.
func (p *Proxy) askOthers(c *connection) (v *verdict) {
	defer func() { v = orBroken(v, recover()) }()
	if c.carried == nil {
		return nil
	}
	newer, err := p.sessions.Newer(p.background.ctx, c.newest())
	switch {
	case errors.Is(err, session.ErrNone):
		return &verdict{reason: cutLost}
	case err != nil:
		return &verdict{reason: cutRevoked}
	}
	c.judging.Lock()
	defer c.judging.Unlock()
	switch {
	case newer == nil:
	case newer.Generation > c.known.Generation:
		v = p.judgeAgain(c, newer)
	case newer.Generation == c.known.Generation:
		c.known = newer // which was used there
	}
	if idleEnd := p.sessions.IdleEndsAt(c.known); v == nil && !idleEnd.IsZero() && !time.Now().Before(idleEnd) {
		return &verdict{reason: cutIdle}
	}
	return v
}

// newest is the newest generation that is known of a connection's session.
func (c *connection) newest() *session.Session {
	c.judging.Lock()
	defer c.judging.Unlock()
	return c.known
}

// unsealed says whether no secret opens a connection's cookies any more. Whoever knows a secret that was dropped can make cookies with it.
func (p *Proxy) unsealed(c *connection) bool {
	now := p.sessions.Seals()
	if now == c.seals {
		return false
	}
	c.seals = now
	return !p.sessions.Opens(c.in)
}

// inUse notes that a session is in use.
func (p *Proxy) inUse(s *session.Session) {
	if !p.sessions.InUse(s) {
		return
	}
	p.background.run(func(ctx context.Context) {
		if err := p.sessions.Touch(ctx, s); errors.Is(err, session.ErrUnavailable) {
			p.log.Debug("session_not_saved", "session", s.Hash(), "error", shortened(err.Error()))
		}
	})
}

// judgeAgain asks the rules once more about whoever was let in, by what is known of them now. Where the rules have changed, it asks the new ones.
func (p *Proxy) judgeAgain(c *connection, known *session.Session) *verdict {
	c.known = known
	now := p.rules.Load()
	if now != c.judgedBy {
		c.judgedBy = now
		if err := c.reroute(now); err != nil {
			return &verdict{reason: cutDenied, err: p.badPath(err)}
		}
	}
	who := c.who()
	subject := p.subjectUnder(now, c.of.client.address(), who)
	for _, route := range [...]*access.Route{c.rule, c.toRule} {
		if route == nil {
			continue
		}
		if who == nil && route.Access() != access.Deny {
			return &verdict{reason: cutDenied, refused: route, err: signInFirst(errNoSession, p.preferred(route.AtLogin()))}
		}
		if refusal := route.Check(&subject); refusal != nil {
			return &verdict{reason: cutDenied, refused: route, who: who, refusal: refusal}
		}
	}
	return nil
}

// who is whom the rules are asked about; nil for nobody.
func (c *connection) who() *identity {
	if c.known == nil {
		return nil
	}
	return &identity{session: c.known, bearer: c.carried == nil}
}

// reroute finds the rule that decides about a connection now. That of a destination stays what it was: nobody copies for hours.
func (c *connection) reroute(now *rules) error {
	route, err := now.policy.Route(c.in.Method, c.of.host, c.of.path)
	if err != nil {
		return err
	}
	c.rule = askedOf(route, c.in)
	return nil
}

// recordCut tells log and metrics of an exchange that was cut.
func (p *Proxy) recordCut(x *exchange, r *http.Request) {
	v := x.connection.cut.Load()
	if v == nil {
		return
	}
	x.outcome, x.reason = "cut", v.reason
	if v.refused != nil {
		x.rule = v.refused.Rule()
	}
	if v.err != nil {
		x.cause = v.err
	}
	p.metrics.connectionsCut.WithLabelValues(v.reason).Inc()
	p.event(x, r, "connection_cut")
}

// insteadOfAnswer is what a client is told whose request was cut before its answer began: what it would be told if it came now. A
// session that is over is not saved with it.
func (p *Proxy) insteadOfAnswer(d *delivery, v *verdict) error {
	if v.err != nil && v.reason != cutBroken {
		return v.err
	}
	switch v.reason {
	case cutDenied:
		return p.deny(d.x, d.in, v.refused, v.who, v.refusal)
	case cutShutdown:
		return shuttingDown()
	case cutStalled:
		return requestTimeout()
	case cutBroken:
		return broken(v.err)
	}
	d.x.onHead = nil
	if d.route.Access() == access.Public {
		return endedMeanwhile() // where nobody is asked to sign in; and the request is not ours to send once more, as nobody's
	}
	return signInFirst(errNoSession, p.preferred(d.route.AtLogin()))
}
