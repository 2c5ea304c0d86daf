package proxy

import (
	"crypto/sha256"
	"sync"
	"time"

	"doorward/session"
)

// A login that comes back to a login again and again has a cause that no further login mends: a session cookie that
// the browser does not keep, a token that is expired when it arrives. Browsers give up with "too many redirects";
// doorward stops earlier and says why.
//
// The browser cannot keep the count, since losing cookies is what goes wrong. So the last logins are remembered here,
// for a minute, by person and return address. A login counts when it was started after the one before had completed
// (tabs that were open at the same time do not), and nothing counts once a request with the session was accepted.

const (
	loopWindow = time.Minute
	loopLimit  = 3
	loopMemory = 1024
)

// loops remembers completed logins until the session that they made is used.
type loops struct {
	mu      sync.Mutex
	entries map[[32]byte]*loopEntry // by person and return address
	session map[string][32]byte     // by the identifier of the session made last
}

type loopEntry struct {
	count     int
	first     time.Time
	completed time.Time
	session   string
}

func newLoops() *loops {
	return &loops{entries: map[[32]byte]*loopEntry{}, session: map[string][32]byte{}}
}

// completed notes a completed login and says whether it was one too many.
func (l *loops) completed(s *session.Session, login *session.Login, returnTo string) bool {
	key := sha256.Sum256([]byte(s.Issuer + "\x00" + s.Subject + "\x00" + returnTo))
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[key]
	switch {
	case e == nil || now.Sub(e.first) > loopWindow:
		l.forget(key)
		l.makeRoom(now)
		e = &loopEntry{first: now}
		l.entries[key] = e
	case !login.StartedAt.After(e.completed):
		return false // a tab that was open already
	}
	delete(l.session, e.session)
	e.count, e.completed, e.session = e.count+1, now, s.ID
	l.session[s.ID] = key
	if e.count < loopLimit {
		return false
	}
	l.forget(key)
	return true
}

// accepted forgets a login whose session has been used.
func (l *loops) accepted(sessionID string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if key, found := l.session[sessionID]; found {
		l.forget(key)
	}
}

func (l *loops) forget(key [32]byte) {
	if e := l.entries[key]; e != nil {
		delete(l.session, e.session)
		delete(l.entries, key)
	}
}

// makeRoom drops what is over, and where that is not enough, anything: a loop comes round again.
func (l *loops) makeRoom(now time.Time) {
	if len(l.entries) < loopMemory {
		return
	}
	for key, e := range l.entries {
		if now.Sub(e.first) > loopWindow {
			l.forget(key)
		}
	}
	for key := range l.entries {
		if len(l.entries) < loopMemory {
			return
		}
		l.forget(key)
	}
}
