package session

import (
	"container/list"
	"hash/maphash"
	"strings"
	"sync"
	"sync/atomic"
)

// Opening what is sealed costs up to half as much as all else that is done for a request, and a browser sends the same cookies with hundreds
// of them. So sealed values that were opened here are remembered with what was in them: what browsers carry, and what is in Redis, also for the
// time when that is away.
//
//   - A value is the same when every byte of it is. What was never opened as it stands is never found, and what does not open is not kept.
//   - What is found is what opening would give again, with the same keys. Whether it still counts, for its age or for a revocation, is asked
//     each time.
//   - They are bounded in bytes. What nobody has asked for lately goes first, and makes room only for what is asked for a second time or was
//     written here: going once through more sessions than there is room for drops none of those that people use.

// maxOpened bounds the sessions that are held open, in bytes: some five thousand. A process may take three times as much, for garbage is
// collected only then.
const maxOpened = 32 << 20

// maxTurnedAway is how many sessions that found no room are remembered, by their hashes: about as many as there is room for. When that many are
// asked for in turn, a third of them is let in the next time, so that today's sessions take the place of yesterday's.
const maxTurnedAway = 4096

// openedSessions are safe for concurrent use.
type openedSessions struct {
	limit int

	mu    sync.RWMutex
	known map[string]*openedSession
	order list.List // of *openedSession, the one to look at first when there are too many at the front
	bytes int

	seed       maphash.Seed
	turnedAway [maxTurnedAway]uint64 // hashes of names, each in a place of its own that the next one takes
}

// openedSession is a sealed value and what was in it. It does not change, and neither does its session.
type openedSession struct {
	name    string // by which it is found
	value   string
	keys    *keys // among which one opened it
	secret  int   // the index of that one
	session *Session

	bytes int
	place *list.Element
	asked atomic.Bool // for, since it was last looked at
}

func newOpenedSessions(limit int) *openedSessions {
	return &openedSessions{limit: limit, known: map[string]*openedSession{}, seed: maphash.MakeSeed()}
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

// offer notes what was in a value, where there is room or it was offered before.
func (o *openedSessions) offer(one *openedSession) { o.note(one, false) }

// put notes what was in a value.
func (o *openedSessions) put(one *openedSession) { o.note(one, true) }

// note prepares a session for being asked about, and takes it in. Its strings are copied, or they would keep whole requests in memory.
func (o *openedSessions) note(one *openedSession, anyway bool) {
	one.session.memo = &memo{of: one.session, hash: one.session.Hash()}
	one.bytes = len(one.name) + len(one.value) + one.session.Size()
	o.mu.Lock()
	defer o.mu.Unlock()
	before := o.known[one.name]
	if before == nil && !anyway && !o.admits(one) {
		return
	}
	o.drop(before)
	one.name, one.value = strings.Clone(one.name), strings.Clone(one.value)
	o.known[one.name], o.bytes = one, o.bytes+one.bytes
	one.place = o.order.PushBack(one)
	o.makeRoom()
}

// admits says whether there is room for a session, or whether to make it. The caller holds mu.
func (o *openedSessions) admits(one *openedSession) bool {
	if o.bytes+one.bytes <= o.limit {
		return true
	}
	hash := maphash.String(o.seed, one.name)
	place := &o.turnedAway[hash%maxTurnedAway]
	again := *place == hash
	*place = hash
	return again && one.bytes <= o.limit
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
