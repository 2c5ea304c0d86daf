package session

import (
	"context"
	"fmt"
	"time"
)

// Marks that several instances share, each a key of Redis that ends by itself: a token that is good for one use is spent, people came with
// a session of the provider's. What they are called is hashed. Without Redis there is nobody to tell, and each instance knows for itself.

// Spend says whether no other instance has spent a token (ours), and keeps them from it while the token is good (until). This
// instance itself may spend it again and again. Its error is ErrUnavailable.
func (m *Manager) Spend(ctx context.Context, token string, until time.Time) (ours bool, err error) {
	if m.redis == nil {
		return true, nil
	}
	if !m.redis.up() {
		return false, ErrUnavailable
	}
	taken, err := m.redis.run(ctx, takeLock, m.redis.key("spent", token), m.mark, milliseconds(time.Until(until))).AsInt64()
	if err != nil {
		return false, unavailable(fmt.Errorf("spending a token: %w", err))
	}
	return taken == 1, nil
}

// GiveBack lets other instances spend a token that this one has spent without effect. Where that fails, only this instance can spend it again.
func (m *Manager) GiveBack(ctx context.Context, token string) {
	if m.redis != nil && m.redis.up() {
		m.redis.run(ctx, removeLock, m.redis.key("spent", token), m.mark)
	}
}

// NoteProviderSession lets all instances know that somebody came with the session of the provider's that s names, for as long as s lives at
// most. Its error is ErrUnavailable.
func (m *Manager) NoteProviderSession(ctx context.Context, s *Session) error {
	if m.redis == nil || s.ProviderSession == "" {
		return nil
	}
	if !m.redis.up() {
		return ErrUnavailable
	}
	lifetime := max(1, time.Until(s.ExpiresAt).Milliseconds())
	command := m.redis.build().Set().Key(m.keyOfNoted(s.Issuer, s.ProviderSession)).Value("").PxMilliseconds(lifetime).Build()
	if err := m.redis.do(ctx, command).Error(); err != nil {
		return unavailable(fmt.Errorf("noting a session of the provider's: %w", err))
	}
	return nil
}

// TakeProviderSession says whether that was noted, by whichever instance, and forgets it: the session ends now. Its error is
// ErrUnavailable.
func (m *Manager) TakeProviderSession(ctx context.Context, issuer, sid string) (noted bool, err error) {
	if m.redis == nil {
		return false, nil
	}
	if !m.redis.up() {
		return false, ErrUnavailable
	}
	n, err := m.redis.do(ctx, m.redis.build().Del().Key(m.keyOfNoted(issuer, sid)).Build()).AsInt64()
	if err != nil {
		return false, unavailable(fmt.Errorf("looking for a session of the provider's: %w", err))
	}
	return n > 0, nil
}

func (m *Manager) keyOfNoted(issuer, sid string) string { return m.redis.key("sid", issuer+"\x00"+sid) }
