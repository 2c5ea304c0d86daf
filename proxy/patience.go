package proxy

import (
	"errors"
	"time"
)

// An exchange waits for the head of its upstream's answer for so long as timeout= of UPSTREAMS says, once the request has been read to its
// end. The look at all connections watches over it, to half a second. A timer for each request, as http.Transport has it
// (ResponseHeaderTimeout), costs about a microsecond, which is more than all rules do.

// What answerBy may be, beside a time.
const (
	notWaiting = 0  // the request has not been read to its end, or the upstream may take for ever
	overdue    = -1 // the time is over
	answered   = -2 // the answer came, or a failure in its place
)

// awaitAnswer begins to wait, unless the answer came before the end of its request.
func (c *connection) awaitAnswer() {
	if c.patience > 0 {
		c.answerBy.CompareAndSwap(notWaiting, int64(time.Since(c.of.start)+c.patience))
	}
}

// becomesOverdue says, once, that the answer has not come in time, or that its upstream is overburdened before.
func (c *connection) becomesOverdue() bool {
	by := c.answerBy.Load()
	late := by > 0 && int64(time.Since(c.of.start)) >= by || by == notWaiting && c.overburdened()
	return late && c.answerBy.CompareAndSwap(by, overdue)
}

// overburdened says whether an upstream has taken nothing of the request for as long as the client would have to send more, or for as long as it
// may take to answer if that is longer.
func (c *connection) overburdened() bool {
	return c.patience > 0 && c.passing.lasts(max(c.of.idle, c.patience))
}

// answeredInTime notes that there is an answer, and says whether it has come in time.
func (c *connection) answeredInTime() bool { return c.answerBy.Swap(answered) != overdue }

// errOverdue is an answer that did not begin in time.
var errOverdue = errors.New("the upstream did not begin to answer within timeout= of DOORWARD_UPSTREAMS")
