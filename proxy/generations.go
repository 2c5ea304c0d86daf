package proxy

import (
	"container/list"
	"math/rand/v2"
	"sync"
	"time"

	"doorward/proxy/provider"
	"doorward/session"
)

// A browser sends several requests at once. When one of them has brought its session new tokens, the others still carry the cookie
// of before, with a refresh token that the provider may have spent; and an answer that is lost takes the new cookie with it. So the
// newest generation of every session that was refreshed here is remembered, and whoever comes with an older one gets it.
//
//   - A carried generation that is newer than the one known here, or that another instance made in its place, counts as it is carried.
//   - What is remembered is bounded in bytes. The session that has not changed for the longest time goes first; a late cookie of it
//     asks the provider with a spent refresh token, which costs a redirect to the login.

// maxRemembered bounds the generations that are remembered, in bytes.
const maxRemembered = 64 << 20

// The pauses after a refresh that failed and may succeed later: doubled from the first to the longest.
const (
	firstPause   = time.Second
	longestPause = 10 * time.Second
)

// generations are the newest ones known here. They are safe for concurrent use.
type generations struct {
	limit int // bytes

	mu       sync.RWMutex
	lineages map[string]*lineage // by the session's identifier
	order    list.List           // of *lineage, the one that has not changed for the longest time first
	bytes    int
}

// lineage is what is known of a session: its newest generation, and how refreshing that goes.
type lineage struct {
	newest  *session.Session
	refresh *refresh         // that is under way; nil for none
	outcome provider.Outcome // of the latest refresh
	result  string           // the same as a fixed word
	tries   int              // that failed in a row
	retryAt time.Time        // when to try again, not before

	place *list.Element
	bytes int
}

// refresh is a request for new tokens that is under way.
type refresh struct {
	began time.Time
	done  chan struct{} // closed when the lineage knows what came of it
}

func newGenerations() *generations {
	return &generations{limit: maxRemembered, lineages: map[string]*lineage{}}
}

// of gives what is known of a session as a request carries it.
func (g *generations) of(carried *session.Session) lineage {
	if carried.RefreshToken == "" {
		return lineage{newest: carried}
	}
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.lineages[carried.ID].from(carried)
}

// from is a lineage as it looks from one of its generations. The caller holds mu.
func (l *lineage) from(carried *session.Session) lineage {
	switch {
	case l == nil:
	case carried.Generation < l.newest.Generation:
		return *l
	case carried.Generation == l.newest.Generation && carried.RefreshToken == l.newest.RefreshToken:
		same := *l
		same.newest = carried
		return same
	}
	return lineage{newest: carried}
}

// ended says that the provider refreshes this no more.
func (l *lineage) ended() bool { return l.outcome == provider.Ended }

// join gives the refresh of a session that is under way. When there is none, the caller is to make it: mine. Nil says that things
// have changed since the caller looked.
func (g *generations) join(s *session.Session) (r *refresh, mine bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := g.lineages[s.ID]
	if l != nil && l.refresh != nil {
		return l.refresh, false
	}
	known := l.from(s)
	if known.newest != s || known.ended() || time.Now().Before(known.retryAt) {
		return nil, false
	}
	if l == nil {
		l = &lineage{}
		l.place = g.order.PushBack(l)
		g.lineages[s.ID] = l
	}
	l.newest, l.outcome, l.result, l.tries, l.retryAt = s, known.outcome, known.result, known.tries, known.retryAt
	l.refresh = &refresh{began: time.Now(), done: make(chan struct{})}
	g.changed(l)
	return l.refresh, true
}

// finish notes what came of the refresh that is under way, and wakes those who wait for it. It tells how many tries have failed in a row.
func (g *generations) finish(id string, r renewal) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := g.lineages[id]
	defer close(l.refresh.done)
	l.refresh, l.outcome, l.result = nil, r.outcome, r.result
	if r.next != nil {
		l.newest = r.next
	}
	if r.outcome == provider.Unavailable || r.outcome == provider.Refused {
		l.tries++
		l.retryAt = time.Now().Add(pauseAfter(l.tries))
	} else {
		l.tries, l.retryAt = 0, time.Time{}
	}
	g.changed(l)
	return l.tries
}

// pauseAfter is how long to wait after so many failures, give or take, so that not all sessions ask at the same moment.
func pauseAfter(tries int) time.Duration {
	longest := min(firstPause<<min(tries-1, 10), longestPause)
	return longest/2 + rand.N(longest/2)
}

// forget drops a session that is over, and tells whether it was there. One whose refresh is under way is dropped by whoever finishes
// that.
func (g *generations) forget(id string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := g.lineages[id]
	if l == nil || l.refresh != nil {
		return false
	}
	g.drop(l)
	return true
}

// changed makes room for a lineage that has just changed. The caller holds mu.
func (g *generations) changed(l *lineage) {
	g.bytes -= l.bytes
	l.bytes = l.newest.Size()
	g.bytes += l.bytes
	g.order.MoveToBack(l.place)
	for place := g.order.Front(); place != nil; {
		oldest := place.Value.(*lineage)
		if g.bytes <= g.limit && time.Now().Before(oldest.newest.ExpiresAt) {
			return
		}
		place = place.Next()
		if oldest.refresh == nil {
			g.drop(oldest)
		}
	}
}

// drop removes a lineage. The caller holds mu.
func (g *generations) drop(l *lineage) {
	g.bytes -= l.bytes
	g.order.Remove(l.place)
	delete(g.lineages, l.newest.ID)
}
