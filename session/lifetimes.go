package session

import "time"

// How long a session lives:
//
//   - ExpiresAt is its absolute end. Nothing moves it.
//   - With an idle limit, it ends when it was not used for so long. What passes on connections that go on is use (activity.go).
//   - Without a refresh token, it ends with its access token, unless it may live on without one. With a refresh token it outlives
//     its access tokens, and what the provider says when it is asked for the next one decides.
//   - All times are sealed inside: a cookie that is written anew restarts nothing.

// renewals is how many times within the idle limit a cookie is written anew at most. So a session may end earlier than the idle
// limit says, by that part of it, and is not sealed for every request.
const renewals = 10

// fromTheFuture says that the clock that wrote a session was ahead of ours, or that ours has been set back. When it was made may be later than
// our clock says, since that is its place among the revocations; when it was used may not.
func (m *Manager) fromTheFuture(s *Session) bool {
	now := time.Now()
	if shared := m.revoked.clock(); shared.After(now) {
		now = shared
	}
	return s.UsedAt.After(now.Add(leeway)) || s.CreatedAt.After(m.revoked.reached(now).Add(leeway))
}

// LivingToken is the access token while it lives, then "".
func (s *Session) LivingToken() string {
	if time.Now().Before(s.TokenExpiresAt) {
		return s.AccessToken
	}
	return ""
}

// EndsAt is when a session is over, however much it is used.
func (m *Manager) EndsAt(s *Session) time.Time {
	endsWithToken := s.RefreshToken == "" && !m.options.KeepWithoutToken
	if endsWithToken && s.TokenExpiresAt.Before(s.ExpiresAt) {
		return s.TokenExpiresAt
	}
	return s.ExpiresAt
}

// IdleEndsAt is when a session is over unless it is used before; the zero time when there is no idle limit.
func (m *Manager) IdleEndsAt(s *Session) time.Time {
	if m.options.IdleTimeout == 0 {
		return time.Time{}
	}
	return m.usedAt(s).Add(m.options.IdleTimeout)
}

// UseIsNews says that a session in use is to be written anew, so that it does not end for being idle: what its cookie says counts, which
// outlives this process.
func (m *Manager) UseIsNews(s *Session) bool {
	limit := m.options.IdleTimeout
	return limit > 0 && time.Since(s.UsedAt) >= limit/renewals
}

// ended says whether a session is over by itself.
func (m *Manager) ended(s *Session) bool {
	now, idleEnd := time.Now(), m.IdleEndsAt(s)
	return !now.Before(m.EndsAt(s)) || !idleEnd.IsZero() && !now.Before(idleEnd)
}
