package session

import (
	"context"
	"errors"
	"time"
)

// What several instances do together. Where there is no Redis there is one instance, and nobody to ask.

// available says whether it is known who was signed out. It is not once Redis has been away for longer than its OutageGrace, or was never
// reached; then Get finds no session.
func (m *Manager) available() bool { return m.redis == nil || m.redis.counts() }

// Reachable says whether Redis, where there is one, can be asked: whether sessions can be made and refreshed.
func (m *Manager) Reachable() bool { return m.redis == nil || m.redis.up() }

// Now is what time it is by the clock that all instances share, for the CreatedAt of a session. Its error is ErrUnavailable.
func (m *Manager) Now(ctx context.Context) (time.Time, error) {
	if m.redis == nil {
		return m.revoked.next(), nil
	}
	if !m.redis.up() {
		return time.Time{}, ErrUnavailable
	}
	now, err := m.redis.time(ctx)
	if err != nil {
		return time.Time{}, unavailable(err)
	}
	return now, nil
}

// BeginRefresh waits until no other instance refreshes a session, for as long as ctx allows, and gives its newest generation that any
// of them knows: s itself, or one that makes another refresh needless. end lets others in. The error is ErrRevoked when the session has
// ended, or ErrUnavailable.
func (m *Manager) BeginRefresh(ctx context.Context, s *Session) (newest *Session, end func(), err error) {
	if m.shared == nil {
		return s, func() {}, nil
	}
	if !m.redis.up() {
		return nil, nil, ErrUnavailable
	}
	if err := m.redis.settle(ctx); err != nil {
		return nil, nil, unavailable(err)
	}
	unlock, err := m.redis.lock(ctx, m.redis.key("refresh", s.ID))
	if err != nil {
		return nil, nil, unavailable(err)
	}
	newest, err = m.newest(ctx, s)
	if err != nil {
		unlock()
		return nil, nil, err
	}
	return newest, unlock, nil
}

// newest gives the newest generation that Redis or the caller knows.
func (m *Manager) newest(ctx context.Context, s *Session) (*Session, error) {
	theirs, err := m.shared.get(ctx, s.ID)
	switch {
	case errors.Is(err, ErrNone) && m.options.InRedis:
		return nil, ErrRevoked
	case errors.Is(err, ErrNone):
		return s, nil
	case err != nil:
		return nil, err
	case theirs.Generation > s.Generation:
		return theirs, nil
	}
	return s, nil
}

// Share lets other instances know a new generation. The caller has begun the refresh. The error is ErrRevoked when the session has ended
// meanwhile, or ErrUnavailable: then others may spend the refresh token again that this one has spent, so a slow Redis is asked repeatedly.
func (m *Manager) Share(ctx context.Context, s *Session) (err error) {
	if m.shared == nil {
		return nil
	}
	for range patientTries {
		err = m.shared.share(ctx, s)
		if !errors.Is(err, ErrUnavailable) || !m.redis.up() {
			break
		}
	}
	return err
}

// Newer gives a session as another instance has left it, by a refresh or, where sessions live in Redis, by its use; nil where nobody has, or
// nobody knows. Its error is ErrNone or ErrRevoked when the session has ended there.
func (m *Manager) Newer(ctx context.Context, s *Session) (*Session, error) {
	if m.shared == nil {
		return nil, nil
	}
	newer, err := m.shared.newer(ctx, s)
	if errors.Is(err, ErrUnavailable) || errors.Is(err, ErrNone) && !m.options.InRedis { // there is no more than what was refreshed
		return nil, nil
	}
	return newer, err
}

// Touch notes that a session is in use, where that is to be noted in Redis; in a cookie it is noted with the next answer. The error is
// ErrRevoked or ErrNone when the session has ended, or ErrUnavailable.
func (m *Manager) Touch(ctx context.Context, s *Session) error {
	if !m.options.InRedis {
		return nil
	}
	return m.shared.touch(ctx, s.ID)
}

// Shares says that there may be other instances.
func (m *Manager) Shares() bool { return m.shared != nil }

// Holds says that a generation is where other instances and the next request find it, so that only its use is worth writing.
func (m *Manager) Holds(s *Session) bool {
	if !m.options.InRedis {
		return false
	}
	known := m.shared.opened.of(s.ID, m.shared.values.keys.Load())
	return known != nil && known.session.Generation >= s.Generation
}

// Check tells whether a session that was found earlier still counts: nil, ErrRevoked or ErrUnavailable.
func (m *Manager) Check(s *Session) error {
	switch {
	case !m.available():
		return ErrUnavailable
	case m.revoked.has(s):
		return ErrRevoked
	}
	return nil
}
