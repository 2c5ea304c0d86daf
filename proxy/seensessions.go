package proxy

import (
	"context"
	"hash/maphash"
	"sync"

	"doorward/session"
)

// maxSeenSessions bounds how many sessions of the provider are remembered; each takes some 50 bytes.
const maxSeenSessions = 100_000

// seenSessions remembers with which sessions of the provider (sid) people came to this process, since it started. When it is full the
// oldest goes, and comes back with the next request. Where there is a Redis, it knows with which people came to any process
// (session.Manager.NoteProviderSession).
type seenSessions struct {
	seed maphash.Seed

	mu    sync.RWMutex
	known map[uint64]bool // hashes that nobody else can make, so that an entry takes the same room whatever it stands for
	order []uint64        // as they came, with some that were taken in between
}

func newSeenSessions() *seenSessions {
	return &seenSessions{seed: maphash.MakeSeed(), known: map[uint64]bool{}}
}

// note remembers a session. It is called with every request.
func (s *seenSessions) note(sid string) {
	if sid == "" {
		return
	}
	key := maphash.String(s.seed, sid)
	s.mu.RLock()
	known := s.known[key]
	s.mu.RUnlock()
	if known {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known[key] {
		return
	}
	s.known[key] = true
	s.order = append(s.order, key)
	if len(s.order) > maxSeenSessions {
		delete(s.known, s.order[0])
		s.order = s.order[1:]
	}
}

// take says whether a session is known, and forgets it: it ends now.
func (s *seenSessions) take(sid string) bool {
	key := maphash.String(s.seed, sid)
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.known[key]
	delete(s.known, key)
	return known
}

// takeSeen says whether somebody came with a session of the provider's, to this process or to another, and forgets it. Its error says
// that nobody knows just now.
func (p *Proxy) takeSeen(ctx context.Context, sid string) (bool, error) {
	here := p.seen.take(sid)
	anywhere, err := p.sessions.TakeProviderSession(ctx, p.config.IssuerURL, sid)
	if err != nil && !here {
		return false, sessionsUnavailable(err)
	}
	return here || anywhere, nil
}

// tellOthers lets other instances know a session's sid. They miss it only when a front-channel logout comes to one of them alone.
func (p *Proxy) tellOthers(ctx context.Context, s *session.Session) {
	if err := p.sessions.NoteProviderSession(ctx, s); err != nil {
		p.log.Warn("provider_session_not_shared", "session", s.Hash(), "error", shortened(err.Error()))
	}
}

// remember notes of a session by what the provider's reports of logouts will be judged: its sid, and how ID tokens are signed.
func (p *Proxy) remember(s *session.Session) {
	p.provider.LearnAlgorithm(s.IDToken)
	p.seen.note(s.ProviderSession)
}
