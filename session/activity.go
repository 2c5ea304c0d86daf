package session

import (
	"container/list"
	"sync"
	"time"
)

// A cookie is written with the head of an answer. While that answer goes on for hours, nothing can be noted there of its being used. So
// when sessions with such connections were last used is remembered here, and counts as if their cookies said it.
//
//   - It makes no session live that is over for another reason.
//   - What is remembered goes when the session is over by the idle limit. It is bounded: where there is more, the session that
//     was not used for the longest time ends as its cookie says, which is earlier and never later.

// maxActive bounds the sessions that are remembered; each takes some 250 bytes.
const maxActive = 100_000

// activity is when sessions were last used, as far as this process knows better than their cookies. It is safe for concurrent use.
type activity struct {
	limit time.Duration // the idle limit; zero: nothing is remembered

	mu    sync.RWMutex
	uses  map[string]*list.Element // of *use, by the session's identifier
	order list.List                // the same, the one that was not used for the longest time first
}

// use is when a session was last used.
type use struct {
	id     string
	at     time.Time
	newsAt time.Time // when note last said that this was news
}

func newActivity(limit time.Duration) *activity {
	return &activity{limit: limit, uses: map[string]*list.Element{}}
}

// latest is when a session was last used; the zero time when the cookie is all that is known.
func (a *activity) latest(id string) time.Time {
	if a.limit == 0 {
		return time.Time{}
	}
	a.mu.RLock()
	defer a.mu.RUnlock()
	if place, known := a.uses[id]; known {
		return place.Value.(*use).at
	}
	return time.Time{}
}

// note remembers that a session is in use now. Once in a tenth of the limit it says that this is news.
func (a *activity) note(id string) (news bool) {
	if a.limit == 0 {
		return false
	}
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	place, known := a.uses[id]
	if !known {
		place = a.order.PushBack(&use{id: id})
		a.uses[id] = place
	}
	one := place.Value.(*use)
	if news = now.Sub(one.newsAt) >= a.limit/renewals; news {
		one.newsAt = now
	}
	one.at = now
	a.order.MoveToBack(place)
	a.forget(now)
	return news
}

// forget drops what says nothing any more, and what is too much. The caller holds mu.
func (a *activity) forget(now time.Time) {
	for place := a.order.Front(); place != nil; place = a.order.Front() {
		oldest := place.Value.(*use)
		if now.Sub(oldest.at) < a.limit && len(a.uses) <= maxActive {
			return
		}
		a.order.Remove(place)
		delete(a.uses, oldest.id)
	}
}

// InUse notes that a session is in use by a connection that goes on after the head of its answer. It says whether that is news for Redis,
// where the session lives there, and so for Touch: once in a tenth of the limit.
func (m *Manager) InUse(s *Session) (news bool) {
	return m.active.note(s.ID) && m.options.InRedis
}

// Used notes that a request came with a session. That matters to one with connections that go on: their answers' heads have been
// written, and do not learn of it.
func (m *Manager) Used(s *Session) {
	if !m.active.latest(s.ID).IsZero() {
		m.active.note(s.ID)
	}
}

// usedAt is when a session was last known to be in use.
func (m *Manager) usedAt(s *Session) time.Time {
	if at := m.active.latest(s.ID); at.After(s.UsedAt) {
		return at
	}
	return s.UsedAt
}
