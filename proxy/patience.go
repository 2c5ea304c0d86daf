package proxy

import (
	"errors"
	"sync/atomic"
	"time"
)

// How long an exchange waits, for either side. The look at all connections (connections.go) watches over it, to half a second: a timer for each
// request, as http.Transport has it (ResponseHeaderTimeout), costs about a microsecond, which is more than all rules do.
//
//   - For the head of its upstream's answer, for so long as timeout= of UPSTREAMS says, once the request has been read to its end.
//   - A client that sends nothing of the rest of its request for as long as IDLE_TIMEOUT, or takes next to nothing of its answer or its
//     WebSocket, is cut, and an upstream that takes nothing of the request is given up. Over HTTP/1.1 on Linux a client that takes a
//     kilobyte a second goes on, and an upstream that takes two, whatever the kernels hold of it (unsent_linux.go). Over HTTP/2 each stream has to
//     take a piece by then: what other streams of its connection take does not count, or one of them would keep all the others. Where there are
//     many, pieces are smaller, and a connection that 250 downloads share goes on with 35 KB/s.
//   - What other streams send does count: a client may send one upload after the other, and one whose upstream takes nothing fills the connection's
//     window (RFC 9113 5.2.1), so that the others cannot be sent. And a stream whose upstream speaks HTTP/2 as well may be silent, as gRPC's are: it
//     holds no connection.

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

// stalled says whether a client has sent nothing for too long of the rest of its request, before there is an answer, or has not taken what
// there is of its answer.
func (c *connection) stalled() bool {
	return c.answerBy.Load() != answered && c.silent() || c.unread()
}

// silent says whether a client has sent nothing for too long, of any request of its connection.
func (c *connection) silent() bool {
	return c.receiving.lasts(c.of.idle) && !c.mayBeSilent.Load() && (c.shares == nil || time.Since(c.shares.heard) >= c.of.idle)
}

// speak notes that a client has sent some of a request.
func (c *connection) speak() {
	if c.shares != nil && !c.shares.spoke.Load() {
		c.shares.spoke.Store(true)
	}
}

// hear notes that a client may not be silent: one of the streams of its connection has sent something, or is not taken. What has sent something may
// be over by now.
func (c *connection) hear() {
	if c.shares != nil && (c.shares.spoke.Swap(false) || c.passing.goesOn()) {
		c.shares.heard = time.Now()
	}
}

// aLittle is how much a client takes of its answer within IDLE_TIMEOUT, at least. One whose buffer is full takes it in steps of some 100 KiB, and so it
// is a kilobyte a second by default; in larger ones where its buffer is larger: with 4 MiB, six kilobytes a second.
const aLittle = 32 << 10

// unread says whether a client has not taken what there is of its answer for too long. One write may wait until the kernel has room again, which
// has megabytes: over HTTP/1.1, where they are this answer's, what the client takes meanwhile counts.
func (c *connection) unread() bool {
	if c.in.ProtoMajor == 1 && c.delivering.goesOn() && c.tookSome() {
		c.delivering.since = time.Now()
	}
	return c.delivering.lasts(c.of.idle)
}

// tookSome says whether the client has taken a little since it was last seen to.
func (c *connection) tookSome() bool {
	behind := -1
	if conn := connOf(c.in); conn != nil {
		behind = unsent(conn.Conn)
	}
	some := c.behind-behind >= aLittle
	if some || behind > c.behind {
		c.behind = behind
	}
	return some
}

// Of how many streams of a connection each writes smaller pieces, and how large these are: a frame, as clients take it unless they say otherwise. Smaller
// ones cost more, and the pieces of all streams together are what the connection has to take within IDLE_TIMEOUT.
const manyStreams, smallPiece = 16, 16 << 10

// share notes that an exchange is one of those that share a connection.
func (c *connection) share() {
	if c.in.ProtoMajor != 2 {
		return
	}
	if c.shares = connOf(c.in); c.shares != nil {
		c.shares.underWay.Add(1)
	}
}

// shareNoMore takes that back.
func (c *connection) shareNoMore() {
	if c.shares != nil {
		c.shares.underWay.Add(-1)
	}
}

// piece is how much of an answer the client is to take at once.
func (c *connection) piece(rest []byte) []byte {
	if len(rest) > smallPiece && c.shares != nil && c.shares.underWay.Load() >= manyStreams {
		return rest[:smallPiece]
	}
	return rest
}

// spell is something that happens again and again, and may take long.
type spell struct {
	turns atomic.Uint32 // odd while it goes on
	seen  uint32        // of these, by the look, while it went on
	since time.Time     // when that was first seen
}

func (s *spell) begin()       { s.turns.Add(1) }
func (s *spell) end()         { s.turns.Add(1) }
func (s *spell) goesOn() bool { return s.turns.Load()%2 == 1 }

// lasts says whether one and the same has gone on for so long.
func (s *spell) lasts(patience time.Duration) bool {
	now := s.turns.Load()
	switch {
	case now%2 == 0:
		return false
	case now != s.seen:
		s.seen, s.since = now, time.Now()
	}
	return time.Since(s.since) >= patience
}
