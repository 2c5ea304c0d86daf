package session

import (
	"crypto/sha256"
	"sync"
	"time"
)

// A session that lives in its cookie cannot be deleted where it lives: whoever kept a copy could go on with it (ASVS 7.4.1). So
// what ended before its time is remembered here, and every look for a session asks.
//
//   - A session that was signed out is known by its identifier.
//   - A sign-out that the provider reports names its session (iss and sid) or its user (iss and sub). All sessions end whose code
//     exchange began before the report came. A new login, even one that the provider gives the same sid, counts.
//   - All times are by our own clock: the session's CreatedAt and the moment of the revocation.
//   - The set is bounded and forgets nothing. An entry goes when every session that it could concern is over by itself; where there
//     are more, the oldest goes and all sessions end that are as old as it. That signs out some too many and never one too few.

// maxRevocations bounds the set; each takes some 150 bytes.
const maxRevocations = 100_000

// revocations is a set of sessions that ended before their time. It is safe for concurrent use.
type revocations struct {
	keep time.Duration // how long the longest session lives

	mu        sync.RWMutex
	notBefore time.Time                   // of all sessions
	entries   map[revocationKey]time.Time // when the latest revocation of that kind came
	order     []revocation                // the same, the oldest first, with outdated ones in between
}

// revocationKey is a hash, so that an entry takes the same room whatever names a provider chooses.
type revocationKey [sha256.Size]byte

type revocation struct {
	key revocationKey
	at  time.Time
}

func newRevocations(keep time.Duration) *revocations {
	return &revocations{keep: keep, entries: map[revocationKey]time.Time{}}
}

// The keys of what can be revoked.

func keyOfID(id string) revocationKey { return sha256.Sum256([]byte("id\x00" + id)) }

func keyOfProviderSession(issuer, sid string) revocationKey {
	return sha256.Sum256([]byte("sid\x00" + issuer + "\x00" + sid))
}

func keyOfSubject(issuer, subject string) revocationKey {
	return sha256.Sum256([]byte("sub\x00" + issuer + "\x00" + subject))
}

// add revokes, from now on, what began before.
func (r *revocations) add(key revocationKey) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.entries[key] = now
	r.order = append(r.order, revocation{key, now})
	r.forget(now)
}

// forget drops the entries that concern nobody any more, and where that is not enough, the oldest. The caller holds mu.
func (r *revocations) forget(now time.Time) {
	for len(r.order) > 0 {
		oldest := r.order[0]
		over, outdated := now.Sub(oldest.at) > r.keep, r.entries[oldest.key] != oldest.at
		if !over && !outdated && len(r.order) <= maxRevocations {
			return
		}
		if !over && !outdated {
			r.notBefore = oldest.at
		}
		if !outdated {
			delete(r.entries, oldest.key)
		}
		r.order = r.order[1:]
	}
}

// has tells whether a session was revoked.
func (r *revocations) has(s *Session) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if s.CreatedAt.Before(r.notBefore) {
		return true
	}
	if len(r.entries) == 0 {
		return false
	}
	_, itself := r.entries[keyOfID(s.ID)]
	return itself || r.began(s, keyOfSubject(s.Issuer, s.Subject)) ||
		s.ProviderSession != "" && r.began(s, keyOfProviderSession(s.Issuer, s.ProviderSession))
}

// began tells whether a session began before the not-before of a key. The caller holds mu.
func (r *revocations) began(s *Session, key revocationKey) bool {
	at, found := r.entries[key]
	return found && s.CreatedAt.Before(at)
}
