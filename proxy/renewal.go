package proxy

import (
	"context"
	"log/slog"
	"time"

	"doorward/proxy/provider"
	"doorward/session"
)

// renewal is what came of asking for new tokens.
type renewal struct {
	next    *session.Session // the next generation; nil when there is none
	outcome provider.Outcome // what it means for the session
	result  string           // a fixed word for the metric
	err     error            // for the log
	request []slog.Attr      // that it was made for, as the log tells it
}

// Results of a refresh beside those that the provider has a part in: it was overtaken by a sign-out, another instance has made it, or none
// can be made since Redis is away.
const (
	afterLogout  = "after_logout"
	elsewhere    = "elsewhere"
	withoutRedis = "redis_unavailable"
)

// refreshResults are the fixed words for what comes of a refresh.
func refreshResults() []string {
	results := []string{afterLogout, elsewhere, withoutRedis, "unusable_claims", "session_too_large", "internal_error"}
	for _, outcome := range provider.Outcomes() {
		results = append(results, outcome.String())
	}
	return results
}

// renewSession asks the provider for new tokens, and makes the session's next generation of what it says now.
func (p *Proxy) renewSession(ctx context.Context, s *session.Session) renewal {
	began := time.Now()
	person, err := p.provider.Refresh(ctx, provider.Known{
		Subject: s.Subject, SessionID: s.ProviderSession, AuthTime: s.AuthTime, IDToken: s.IDToken, AccessToken: s.AccessToken, RefreshToken: s.RefreshToken,
		Without: p.claimsMissing(s), VerifiedEmail: vouchedEmail(s, p.config.UserClaim),
	})
	r := renewal{outcome: provider.OutcomeOf(err), err: err}
	r.result = r.outcome.String()
	switch {
	case err == nil:
		if r = p.nextGeneration(s, person, began); r.next == nil {
			p.revokeToken(person.RefreshToken) // nobody will hold it
			return r
		}
		p.remember(r.next)
		p.tellOthers(ctx, r.next) // it may have brought a sid, and Redis may have lost the one it had
	case person != nil && person.RefreshToken != s.RefreshToken:
		next := *s // the old refresh token is spent, the new access token is not checked to the end
		next.RefreshToken, next.Generation = person.RefreshToken, s.Generation+1
		r.next = &next
	}
	return r
}

// nextGeneration makes a session of a person who was signed in already: the claims are new, the session is not.
func (p *Proxy) nextGeneration(s *session.Session, person *provider.Person, began time.Time) renewal {
	next, err := p.newSession(person, began)
	if err != nil {
		return renewal{outcome: provider.Invalid, result: "unusable_claims", err: err}
	}
	next.ID, next.Generation = s.ID, s.Generation+1
	next.CreatedAt, next.ExpiresAt, next.UsedAt = s.CreatedAt, s.ExpiresAt, s.UsedAt
	if next.ProviderSession == "" {
		next.ProviderSession = s.ProviderSession
	}
	if next.ACR == "" {
		next.ACR = s.ACR
	}
	if next.AuthTime.IsZero() {
		next.AuthTime = s.AuthTime
	}
	if err := p.sessions.Fits(next); err != nil {
		return renewal{outcome: provider.Invalid, result: "session_too_large", err: err}
	}
	return renewal{next: next, outcome: provider.Refreshed, result: provider.Refreshed.String()}
}

// refreshed tells metric and log of a refresh. Of failures in a row the first is a warning.
func (p *Proxy) refreshed(s *session.Session, r renewal, tries int) {
	p.metrics.refreshes.WithLabelValues(r.result).Inc()
	level, event := slog.LevelWarn, "refresh_failed"
	switch {
	case r.err == nil:
		level, event = slog.LevelDebug, "refresh"
	case tries > 1:
		level = slog.LevelDebug
	}
	attributes := append(r.request, slog.String("reason", r.result), slog.String("user", shortened(s.User)), slog.String("session", s.Hash()))
	if r.err != nil {
		attributes = append(attributes, slog.String("error", shortened(r.err.Error())))
	}
	p.log.LogAttrs(context.Background(), level, event, attributes...)
}

// revokeToken tells the provider, on the side, that a refresh token will not be used any more (RFC 7009). Nothing depends on it.
func (p *Proxy) revokeToken(refreshToken string) {
	if refreshToken == "" {
		return
	}
	p.background.run(func(ctx context.Context) {
		if err := p.provider.RevokeToken(ctx, refreshToken); err != nil {
			p.log.Warn("revocation_failed", "error", shortened(err.Error()))
		}
	})
}
