package session

import (
	"container/list"
	"sync"
)

// maxOpened bounds the sessions that are held open, in bytes.
const maxOpened = 64 << 20

// openedSessions are sessions of Redis that were opened here: to open them once, and for the time when Redis is away. They are bounded
// in bytes; the one that was not used for the longest time goes. They are safe for concurrent use.
type openedSessions struct {
	limit int

	mu    sync.Mutex
	known map[string]*openedSession // by identifier
	order list.List                 // of *openedSession, the one that was used last at the end
	bytes int
}

// openedSession is a value of Redis and what was in it.
type openedSession struct {
	id, value string
	session   *Session
	bytes     int
	place     *list.Element
}

func newOpenedSessions(limit int) *openedSessions {
	return &openedSessions{limit: limit, known: map[string]*openedSession{}}
}

// of gives what is known of a session; nil for nothing.
func (o *openedSessions) of(id string) *openedSession {
	o.mu.Lock()
	defer o.mu.Unlock()
	one := o.known[id]
	if one != nil {
		o.order.MoveToBack(one.place)
	}
	return one
}

// put notes what was in a value.
func (o *openedSessions) put(id, value string, s *Session) {
	one := &openedSession{id: id, value: value, session: s, bytes: len(value) + s.Size()}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.drop(o.known[id])
	o.known[id], o.bytes = one, o.bytes+one.bytes
	one.place = o.order.PushBack(one)
	for o.bytes > o.limit {
		o.drop(o.order.Front().Value.(*openedSession))
	}
}

// forget drops a session that is over.
func (o *openedSessions) forget(id string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.drop(o.known[id])
}

// drop drops what may be nil. The caller holds mu.
func (o *openedSessions) drop(one *openedSession) {
	if one == nil {
		return
	}
	o.bytes -= one.bytes
	o.order.Remove(one.place)
	delete(o.known, one.id)
}
