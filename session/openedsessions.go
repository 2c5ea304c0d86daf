package session

import (
	"container/list"
	"strings"
	"sync"
	"sync/atomic"
)

// Opening what is sealed costs as much as all else that is done for a request, and a browser sends the same cookies with hundreds of them.
// So sealed values that were opened here are remembered with what was in them: what browsers carry, and what is in Redis, for the time
// too when that is away.
//
//   - A value is the same when every byte of it is. What was never opened as it stands is never found, and what does not open is not kept.
//   - What is found is what opening would give again, with the same keys. Whether it still counts, for its age or for a revocation, is asked
//     each time.
//   - They are bounded in bytes. What was not asked for goes first.

// maxOpened bounds the sessions that are held open, in bytes: some five thousand. A process may take three times as much, for garbage is
// collected only then.
const maxOpened = 32 << 20

// openedSessions are safe for concurrent use.
type openedSessions struct {
	limit int

	mu    sync.RWMutex
	known map[string]*openedSession
	order list.List // of *openedSession, the one to look at first when there are too many at the front
	bytes int
}

// openedSession is a sealed value and what was in it. It does not change, and neither does its session.
type openedSession struct {
	name    string // it is found by
	value   string
	keys    *keys // that opened it
	secret  int   // the index of that of them
	session *Session

	bytes int
	place *list.Element
	asked atomic.Bool // for, since it was last looked at
}

func newOpenedSessions(limit int) *openedSessions {
	return &openedSessions{limit: limit, known: map[string]*openedSession{}}
}

// of gives what is known by a name, and was opened with those keys; nil for nothing.
func (o *openedSessions) of(name string, by *keys) *openedSession {
	o.mu.RLock()
	defer o.mu.RUnlock()
	one := o.known[name]
	if one != nil && one.keys != by {
		return nil
	}
	if one != nil && !one.asked.Load() { // most of the time it was, and a look is cheaper than a write
		one.asked.Store(true)
	}
	return one
}

// put notes what was in a value. Its strings are copied, or they would keep whole requests in memory.
func (o *openedSessions) put(one *openedSession) {
	one.name, one.value = strings.Clone(one.name), strings.Clone(one.value)
	one.bytes = len(one.name) + len(one.value) + one.session.Size()
	one.session.memo = &memo{of: one.session, hash: one.session.Hash()}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.drop(o.known[one.name])
	o.known[one.name], o.bytes = one, o.bytes+one.bytes
	one.place = o.order.PushBack(one)
	o.makeRoom()
}

// makeRoom drops what was not asked for since it was last looked at. The caller holds mu.
func (o *openedSessions) makeRoom() {
	for o.bytes > o.limit {
		first := o.order.Front().Value.(*openedSession)
		if first.asked.Swap(false) {
			o.order.MoveToBack(first.place)
			continue
		}
		o.drop(first)
	}
}

// forget drops a session that is over.
func (o *openedSessions) forget(name string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.drop(o.known[name])
}

// drop drops what may be nil. The caller holds mu.
func (o *openedSessions) drop(one *openedSession) {
	if one == nil {
		return
	}
	o.bytes -= one.bytes
	o.order.Remove(one.place)
	delete(o.known, one.name)
}
