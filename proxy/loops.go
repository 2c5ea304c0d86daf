package proxy

import (
	"crypto/sha256"
	"sync"
	"time"

	"doorward/session"
)

// A login that leads to a login again and again has a cause that no further login mends, such as a session cookie that the
// browser does not keep, or a token that is over before it arrives. Browsers give up with "too many redirects"; doorward
// stops earlier and says why.
//
// The count is the browser's to carry (session.Manager.CountRound), since another browser of the same person is no loop.
// But a browser that has just logged in should hold its session's cookies and nothing else. So the count begins with the
// second login: when the session of the first was not used in between, which is remembered here, for a minute. A request that
// only led to another login (stepup.go) is no use of it.

const (
	// loopLimit is how many logins for one address may be completed in a row before the next page is an explanation.
	loopLimit  = 3
	loopWindow = time.Minute
	// loopMemory bounds how many logins are remembered.
	loopMemory = 1024
)

// loops remembers logins that were completed, until their session is used.
type loops struct {
	mu      sync.Mutex
	unused  map[[32]byte]unusedLogin // by person and return address
	session map[string][32]byte      // the same by the session's identifier
}

type unusedLogin struct {
	completed time.Time
	session   string
}

func newLoops() *loops {
	return &loops{unused: map[[32]byte]unusedLogin{}, session: map[string][32]byte{}}
}

// completed notes a completed login and tells how many there are now in a row, as far as is known: 1 for an ordinary one.
func (l *loops) completed(s *session.Session, login *session.Login) int {
	key := sha256.Sum256([]byte(s.Issuer + "\x00" + s.Subject + "\x00" + login.ReturnTo))
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	before, found := l.unused[key]
	l.forget(key)
	l.makeRoom(now)
	l.unused[key] = unusedLogin{now, s.ID}
	l.session[s.ID] = key
	// Tabs that were open side by side log in one after another, but begin before the first is through.
	if !found || now.Sub(before.completed) > loopWindow || login.StartedAt.Before(before.completed) {
		return 1
	}
	return max(login.Rounds, 1) + 1
}

// arrived forgets a login whose session came back with a request: the browser keeps it, whatever the rules say of the request.
// Whoever brings an access token has no session.
func (l *loops) arrived(sessionID string) {
	if sessionID == "" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if key, found := l.session[sessionID]; found {
		l.forget(key)
	}
}

func (l *loops) forget(key [32]byte) {
	delete(l.session, l.unused[key].session)
	delete(l.unused, key)
}

// makeRoom drops what is over, and where that is not enough, anything: a loop comes round again.
func (l *loops) makeRoom(now time.Time) {
	for _, enough := range []time.Duration{loopWindow, 0} {
		for key, login := range l.unused {
			if len(l.unused) < loopMemory {
				return
			}
			if now.Sub(login.completed) >= enough {
				l.forget(key)
			}
		}
	}
}
