package session

import (
	"crypto/sha256"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A session that lives in its cookie cannot be deleted where it lives: whoever kept a copy could go on with it (ASVS 7.4.1). So
// what ended before its time is remembered here, and every look for a session asks.
//
//   - A session that was signed out is known by its identifier, and so is one that a login of the same person has replaced.
//   - A sign-out that the provider reports names its session (iss and sid) or its user (iss and sub). All sessions end whose code
//     exchange began before the report came. A new login, even one that the provider gives the same sid, counts. A report that names
//     both ends that session alone, and those of the person's sessions whose sid the provider never said.
//   - An administrator names a user as upstreams know them, or a session as the log does.
//   - All times are by our own clock, or by Redis's where it is shared: the session's CreatedAt and the moment of the revocation. What
//     happens later is later by that, though our clock be set back (next).
//   - The set is bounded and forgets nothing. An entry goes when every session that it could concern is over by itself, or when there are
//     too many, the oldest first; and then all sessions end that are as old as it. That signs out some too many and never one too few:
//     those, too, that a longer SESSION_MAX_AGE would let live again.
//   - It holds from the moment it is in memory. With a file, or Redis, it is reported as done when it is there too (revocationfile.go,
//     sharedrevocations.go).

// maxRevocations bounds the set; each takes some 150 bytes.
const maxRevocations = 100_000

// clocksApart is how far the clock of an instance may be from Redis's: by the one a session is over, by the other its revocation.
const clocksApart = 15 * time.Minute

// revocations is a set of sessions that ended before their time. It is safe for concurrent use.
type revocations struct {
	keep    time.Duration    // how long the longest session lives
	journal journal          // nil: a restart forgets
	clock   func() time.Time // Redis's where it is shared
	latest  atomic.Int64     // the latest moment that next gave, or that the file holds, in nanoseconds since 1970

	mu        sync.RWMutex
	notBefore time.Time                   // of all sessions
	entries   map[revocationKey]time.Time // when the latest revocation of that kind came
	order     []revocation                // the same, the oldest first, with outdated ones in between
}

// journal is where revocations outlive the process: a file, or Redis.
type journal interface {
	// add revokes, in the set and there, from now on what began before. Its error says that the set alone knows of it.
	add(key revocationKey) error
	close() error
}

// revocationKey is a hash, so that an entry takes the same room whatever names a provider chooses.
type revocationKey [sha256.Size]byte

type revocation struct {
	key revocationKey
	at  time.Time
}

// openRevocations makes the set, with what its file holds when there is one, or as a part of what is in Redis.
func openRevocations(o Options, shared *redis) (*revocations, error) {
	r := &revocations{keep: o.MaxAge, clock: time.Now, entries: map[revocationKey]time.Time{}}
	if shared != nil {
		r.clock, r.keep = shared.now, o.MaxAge+clocksApart
		r.journal = openSharedRevocations(shared, r, o.OnRedis)
		return r, nil
	}
	if o.RevocationsPath == "" {
		return r, nil
	}
	file, damage, err := openRevocationFile(o.RevocationsPath, r)
	if err != nil {
		return nil, err
	}
	r.journal = file
	if damage != nil && o.OnDamage != nil {
		o.OnDamage(damage)
	}
	return r, nil
}

// reached is now by a clock, or the latest moment of this order where that is later.
func (r *revocations) reached(now time.Time) time.Time {
	if latest := time.Unix(0, r.latest.Load()); latest.After(now) {
		return latest
	}
	return now
}

// next is the moment of what happens now, after everything before it: where our clock was set back, or a faster one wrote the file, it goes on
// from there by the smallest steps until the clock catches up. Otherwise what a fast clock saw revoked would be younger than its revocation
// one day, or whoever signs in again would be revoked already.
func (r *revocations) next() time.Time {
	for {
		latest := r.latest.Load()
		next := max(r.clock().UnixNano(), latest+1)
		if r.latest.CompareAndSwap(latest, next) {
			return time.Unix(0, next)
		}
	}
}

// The keys of what can be revoked.

func keyOfID(id string) revocationKey { return sha256.Sum256([]byte("id\x00" + id)) }

// keyOfReplaced is of a session whose person has signed in again: the key of its identifier, with one bit turned.
func keyOfReplaced(id string) revocationKey { return asReplaced(keyOfID(id)) }

func asReplaced(key revocationKey) revocationKey {
	key[len(key)-1] ^= 1
	return key
}

func keyOfProviderSession(issuer, sid string) revocationKey {
	return sha256.Sum256([]byte("sid\x00" + issuer + "\x00" + sid))
}

func keyOfSubject(issuer, subject string) revocationKey {
	return sha256.Sum256([]byte("sub\x00" + issuer + "\x00" + subject))
}

func keyOfUnnamed(issuer, subject string) revocationKey {
	return sha256.Sum256([]byte("unnamed\x00" + issuer + "\x00" + subject))
}

// keyOfUser is of the person that upstreams are told of, which need not be sub.
func keyOfUser(issuer, user string) revocationKey {
	return sha256.Sum256([]byte("user\x00" + issuer + "\x00" + user))
}

// keyOfLogged is of a session as the log tells it: by the beginning of its identifier's key. What follows there makes it like no hash,
// and not that of everybody.
func keyOfLogged(hash loggedHash) (key revocationKey) {
	copy(key[:], hash[:])
	key[len(key)-1] = 1
	return key
}

// loggedHash is what the log tells sessions apart by. It opens nothing.
type loggedHash [6]byte

// keyOfEverybody stands for all sessions; no hash is like it.
func keyOfEverybody() revocationKey { return revocationKey{} }

// add revokes, from now on, what began before. An error says that the journal does not know of it.
func (r *revocations) add(key revocationKey) error {
	if r.journal == nil {
		r.take(revocation{key, r.next()})
		return nil
	}
	return r.journal.add(key)
}

// take takes a revocation in.
func (r *revocations) take(one revocation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.put(one)
}

// close gives the journal back.
func (r *revocations) close() error {
	if r.journal == nil {
		return nil
	}
	return r.journal.close()
}

// put takes a revocation in. The caller holds mu.
func (r *revocations) put(one revocation) {
	switch {
	case one.key == keyOfEverybody():
		r.revokeEverybody(one.at)
	case one.at.After(r.entries[one.key]):
		r.entries[one.key] = one.at
		r.order = append(r.order, one)
	}
	r.forget(r.clock())
}

func (r *revocations) revokeEverybody(at time.Time) {
	if at.After(r.notBefore) {
		r.notBefore = at
	}
}

// all lists what is revoked, the oldest first.
func (r *revocations) all() []revocation {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forget(r.clock())
	var all []revocation
	if !r.notBefore.IsZero() {
		all = append(all, revocation{keyOfEverybody(), r.notBefore})
	}
	for _, one := range r.order {
		if !r.outdated(one) {
			all = append(all, one)
		}
	}
	return all
}

// forget drops the entries that concern nobody any more, and where that is not enough, the oldest. The caller holds mu.
func (r *revocations) forget(now time.Time) {
	for len(r.order) > 0 {
		oldest := r.order[0]
		if !r.outdated(oldest) {
			if now.Sub(oldest.at) <= r.keep && len(r.entries) <= maxRevocations {
				break
			}
			r.revokeEverybody(oldest.at)
			delete(r.entries, oldest.key)
		}
		r.order = r.order[1:]
	}
	if len(r.order) > 2*maxRevocations {
		r.order = slices.DeleteFunc(r.order, r.outdated)
	}
}

// outdated says whether a later revocation of the same has come. The caller holds mu.
func (r *revocations) outdated(one revocation) bool { return !r.entries[one.key].Equal(one.at) }

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
	named := keyOfProviderSession(s.Issuer, s.ProviderSession)
	if s.ProviderSession == "" {
		named = keyOfUnnamed(s.Issuer, s.Subject)
	}
	id := keyOfID(s.ID)
	_, itself := r.entries[id]
	_, replaced := r.entries[asReplaced(id)]
	_, logged := r.entries[keyOfLogged(loggedHash(id[:]))]
	return itself || replaced || logged || r.began(s, named) || r.began(s, keyOfSubject(s.Issuer, s.Subject)) || r.began(s, keyOfUser(s.Issuer, s.User))
}

// hasReplaced tells whether a session was revoked because its person has signed in again.
func (r *revocations) hasReplaced(s *Session) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	_, replaced := r.entries[keyOfReplaced(s.ID)]
	return replaced
}

// began tells whether a session began before the not-before of a key. The caller holds mu.
func (r *revocations) began(s *Session, key revocationKey) bool {
	at, found := r.entries[key]
	return found && s.CreatedAt.Before(at)
}
