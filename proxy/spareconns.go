package proxy

import (
	"net/http/httptrace"
	"sync"
)

// An upstream that has a worker for each connection may have none for one more than there are requests. FAST_TRANSPORT keeps idle connections apart from
// net/http's Transport's, so it must know whether that one has any (fasttransport), and net/http does not say. An error in the count costs a connection,
// and tells nobody anything.

// spareConns counts the connections of an upstream that net/http's Transport has, and no request. Nil counts nothing.
type spareConns struct {
	mu     sync.Mutex
	holder map[*quietConn]*delivery // nil for none
	n      int
}

// few is of how many connections each spare one counts. Of more they do while they are most of them, or net/http would draw all GETs over to itself
// where there are many POSTs.
const few = 16

// any says whether there is one that counts.
func (s *spareConns) any() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.n > 0 && (len(s.holder) < few || s.n > len(s.holder)/2)
}

// add is for a new one.
func (s *spareConns) add(c *quietConn) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holder[c] = nil
	s.n++
}

// give says that a request has one.
func (s *spareConns) give(c *quietConn, d *delivery) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	holder, open := s.holder[c]
	if !open {
		return
	}
	if holder == nil {
		s.n--
	}
	s.holder[c], d.held = d, c
}

// giveBack says that a request has none any more, unless another has it already: the Transport offers it before it says so.
func (s *spareConns) giveBack(d *delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := d.held; c != nil && s.holder[c] == d {
		s.holder[c] = nil
		s.n++
	}
}

// remove is for one that is closed.
func (s *spareConns) remove(c *quietConn) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if holder, open := s.holder[c]; open && holder == nil {
		s.n--
	}
	delete(s.holder, c)
}

// watch has a request's trace tell when it has no connection any more, beside whoever listens already.
func (s *spareConns) watch(trace *httptrace.ClientTrace, d *delivery) {
	if s == nil {
		return
	}
	before := trace.PutIdleConn
	trace.PutIdleConn = func(err error) {
		if err == nil {
			s.giveBack(d)
		}
		if before != nil {
			before(err)
		}
	}
}
