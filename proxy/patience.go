package proxy

import (
	"errors"
	"sync/atomic"
	"time"
)

// patience is how long an exchange waits for the head of its upstream's answer once the request has been read to its end: timeout= of
// UPSTREAMS. The look at all connections watches over it, to a quarter of a second. A timer for each request, as http.Transport has it
// (ResponseHeaderTimeout), costs one and a half microseconds, which is more than all rules do.
type patience struct {
	from  time.Time     // what end counts from
	limit time.Duration // 0 for none
	end   atomic.Int64  // a time.Duration, or one of those below
}

const (
	notWaiting = 0
	overdue    = -1
	answered   = -2
)

// begin begins to wait, unless the answer came before the end of its request.
func (p *patience) begin() {
	if p.limit > 0 {
		p.end.CompareAndSwap(notWaiting, int64(time.Since(p.from)+p.limit))
	}
}

// ends says, once, that an answer is overdue.
func (p *patience) ends() bool {
	end := p.end.Load()
	return end > 0 && int64(time.Since(p.from)) >= end && p.end.CompareAndSwap(end, overdue)
}

// met says whether the answer that is here now has come in time.
func (p *patience) met() bool { return p.end.Swap(answered) != overdue }

// errOverdue is an answer that did not begin in time.
var errOverdue = errors.New("the upstream did not begin to answer within timeout= of DOORWARD_UPSTREAMS")
