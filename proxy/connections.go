package proxy

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"doorward/proxy/access"
	"doorward/session"
)

// A WebSocket, a stream, a download or an upload was let in when it began, and may go on for hours. This file looks after those that do, and
// judge.go says which of them are to end.
//
// Rules that it keeps:
//
//   - What was let in with a session ends within a second of it: at its absolute and its idle limit, when it is revoked, when the
//     provider refuses to refresh it. The same holds on public paths, where a session went along.
//   - So does what the claims, once refreshed, would no longer be let in with. Every rule that let it in is asked again: two for COPY and MOVE.
//   - So does what came with cookies that no secret opens any more, once COOKIE_SECRETS change.
//   - When the rules change, the new ones are asked about every connection, whoever it belongs to.
//   - That an access token expires ends nothing: the upstream got it when it lived.
//   - Bytes that pass, either way, are use of the session. Silence is not. Use that other instances see counts where sessions live in
//     Redis; where they live in cookies, no other instance learns of it.
//   - When Redis has been away for too long to know which sessions are good, none is. Nor is one that Redis has lost.
//   - Whoever does not go on, client or upstream, is not waited for without end (patience.go). Nothing else ends what somebody came for without a
//     session, or with a token of their own.
//   - What is cut never looks whole: net/http closes the connection, or resets the stream, when a handler gives up. Where no answer
//     has begun, the client gets the one that it would get if it came now.
//   - A request pays for a context and two short locks. One look serves all connections, and passes over those that are young. It also ends
//     what waits too long for an upstream (patience.go).
//   - A look waits for nobody. Beside it Redis is asked about each session: whether it is still there, and what other instances have made of
//     it. With a slow Redis, or a Cluster with a frozen server, these answers come late, and so does the idle limit, which depends on them.

// lookEvery is the time between two looks. A connection is cut in the second one after its session's end at the latest, and what does
// not give way to that, because its client takes nothing, in the third.
const lookEvery = 250 * time.Millisecond

// maxAsking is about how many connections Redis is asked at once.
const maxAsking = 64

// connections are the exchanges with upstreams that are under way. They are safe for concurrent use.
type connections struct {
	mu      sync.Mutex
	ends    connection // stands for both ends of the list: after it comes the oldest, before it the newest
	running int
	looks   int           // so far
	closing bool          // what would never end by itself is cut
	emptied chan struct{} // is closed when nothing is running any more; nil while nobody waits for that
}

// connection is what may end an exchange before client and upstream do. It is part of its exchange; what is neither atomic nor guarded by a lock
// is written before begin.
type connection struct {
	carried *session.Session // that it was let in with, as the request carried it; nil for none
	of      *exchange
	in      *http.Request
	writer  http.ResponseWriter
	cancel  context.CancelFunc
	moved   atomic.Bool // bytes have passed since the last look
	cut     atomic.Pointer[verdict]

	receiving  spell // of its request's body
	passing    spell // on of that to the upstream
	delivering spell // of its answer, or of what comes after an upgrade, to the client
	behind     int   // bytes of that in the kernel, when the client was last seen to take some

	shares      *clientConn // with other streams of HTTP/2; else nil
	mayBeSilent atomic.Bool // as a stream of HTTP/2 on both sides

	judging  sync.Mutex       // guards, after begin:
	known    *session.Session // the newest generation that the rules were asked about, or what a token says
	rule     *access.Route    // that let whoever came in; nil where it asks for nothing, or for what is the upstream's to know
	toRule   *access.Route    // the same for the destination of COPY and MOVE
	judgedBy *rules
	seals    any // the secrets with which the cookies were opened

	patience time.Duration // with the upstream, until its answer begins; 0 for ever
	answerBy atomic.Int64  // as a time.Duration from the exchange's start, or one of the values in patience.go

	all     *connections // nil before begin
	endless bool         // would never end by itself; guarded by all.mu, as all that follows
	since   int          // how many looks there had been when it began
	before  *connection
	after   *connection // nil when it is not running
}

func newConnections() *connections {
	c := &connections{}
	c.ends.before, c.ends.after = &c.ends, &c.ends
	return c
}

// cameWith notes what session a request came with, and its newest generation.
func (c *connection) cameWith(carried, newest *session.Session) { c.carried, c.known = carried, newest }

// move notes that bytes have passed.
func (c *connection) move() {
	if !c.moved.Load() { // most of the time it is known already, and a look is cheaper than a write
		c.moved.Store(true)
	}
}

// begin counts an exchange among those that are under way. The request that it gives ends when the connection is cut.
func (c *connections) begin(x *exchange, r *http.Request) *http.Request {
	ctx, cancel := context.WithCancel(r.Context())
	one := &x.connection
	one.of, one.in, one.writer, one.cancel, one.all = x, r, x.ResponseWriter, cancel, c
	one.judgedBy = x.rules
	one.moved.Store(true) // its request was use
	one.share()
	c.mu.Lock()
	defer c.mu.Unlock()
	one.since = c.looks
	one.before, one.after = c.ends.before, &c.ends
	one.before.after, one.after.before = one, one
	c.running++
	return r.WithContext(ctx)
}

// end forgets an exchange, if it had begun. From here on nothing happens to its connection.
func (c *connections) end(one *connection) {
	if one.all == nil {
		return
	}
	one.cancel()
	one.shareNoMore()
	c.mu.Lock()
	defer c.mu.Unlock()
	one.before.after, one.after.before = one.after, one.before
	one.before, one.after = nil, nil
	c.running--
	if c.running == 0 && c.emptied != nil {
		close(c.emptied)
		c.emptied = nil
	}
}

// watch looks at all connections until ctx ends: judge says which are to be cut, and so does ask, which may wait for Redis. Until all of one look
// have been asked about, the next ones ask nothing.
func (c *connections) watch(ctx context.Context, judge, ask func(*connection) *verdict) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	var asking sync.Mutex
	defer asking.Lock() // nobody asks any more
	for {
		select {
		case <-ticker.C:
			c.look(&asking, judge, ask)
		case <-ctx.Done():
			return
		}
	}
}

// look is one of these.
func (c *connections) look(asking *sync.Mutex, judge, ask func(*connection) *verdict) {
	lasting := c.lasting()
	c.cutIfTold(lasting, judge)
	if asking.TryLock() {
		go func() {
			defer asking.Unlock()
			c.askAbout(lasting, ask)
		}()
	}
}

// askAbout asks about several at once: while ask waits for Redis about one, the others are not to wait.
func (c *connections) askAbout(lasting []*connection, ask func(*connection) *verdict) {
	var begun atomic.Int64
	var askers sync.WaitGroup
	for range min(maxAsking, len(lasting)) {
		askers.Go(func() {
			for i := begun.Add(1); i <= int64(len(lasting)); i = begun.Add(1) {
				c.cutIfTold(lasting[i-1:i], ask)
			}
		})
	}
	askers.Wait()
}

// cutIfTold cuts the connections of which it is told why.
func (c *connections) cutIfTold(some []*connection, why func(*connection) *verdict) {
	for _, one := range some {
		if v := why(one); v != nil {
			c.mu.Lock()
			c.doCut(one, v)
			c.mu.Unlock()
		}
	}
}

// lasting are the connections that have been running since the look before; those of them that have waited too long for their upstream give
// up. What was cut and is still there is not among them: it is blocked by a client that takes nothing, and is freed by force.
func (c *connections) lasting() []*connection {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.looks++
	lasting := make([]*connection, 0, c.running)
	for one := c.ends.after; one != &c.ends && one.since < c.looks-1; one = one.after {
		if one.cut.Load() != nil {
			one.force()
			continue
		}
		one.hear()
		if one.becomesOverdue() {
			one.cancel()
		}
		lasting = append(lasting, one)
	}
	return lasting
}

// doCut ends a connection, if it is still running. A read of the request's body is ended too, since the Transport does not give up before it
// returns. The caller holds mu.
func (c *connections) doCut(one *connection, v *verdict) {
	if one.after == nil || !one.cut.CompareAndSwap(nil, v) {
		return
	}
	one.cancel()
	if one.in.ContentLength != 0 {
		_ = http.NewResponseController(one.writer).SetReadDeadline(time.Unix(1, 0))
	}
}

// force ends reading from the client and writing to it, which know nothing of contexts. The caller holds mu: when the exchange has
// ended, its connection may belong to the next one.
func (c *connection) force() {
	client, past := http.NewResponseController(c.writer), time.Unix(1, 0)
	_ = client.SetReadDeadline(past)
	_ = client.SetWriteDeadline(past)
}

// goesOn notes that an exchange would never end by itself.
func (c *connection) goesOn() {
	if c.all == nil {
		return
	}
	c.all.mu.Lock()
	defer c.all.mu.Unlock()
	c.endless = true
	if c.all.closing {
		c.all.doCut(c, &verdict{reason: cutShutdown})
	}
}

// cutEndless cuts what would never end by itself, now and from now on.
func (c *connections) cutEndless() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closing = true
	c.cutIf(func(one *connection) bool { return one.endless })
}

// cutIf cuts the connections for which a condition holds, because doorward ends. The caller holds mu.
func (c *connections) cutIf(condition func(*connection) bool) {
	for one := c.ends.after; one != &c.ends; one = one.after {
		if condition(one) {
			c.doCut(one, &verdict{reason: cutShutdown})
		}
	}
}

// close cuts what is left, and waits until it has ended, for so long at most.
func (c *connections) close(patience time.Duration) {
	c.mu.Lock()
	c.closing = true
	c.cutIf(func(*connection) bool { return true })
	if c.running == 0 {
		c.mu.Unlock()
		return
	}
	emptied := make(chan struct{})
	c.emptied = emptied
	c.mu.Unlock()
	select {
	case <-emptied:
	case <-time.After(patience):
	}
}

// EndStreams cuts WebSockets and event streams, now and from now on, so that their clients connect again, to another instance. It is
// what http.Server.RegisterOnShutdown is for: Shutdown does not know of the former, and would wait for the latter until it gives up.
func (p *Proxy) EndStreams() { p.connections.cutEndless() }

// watch looks after what goes on until ctx ends.
func (p *Proxy) watch(ctx context.Context) { p.connections.watch(ctx, p.judge, p.askOthers) }

// isEventStream says whether an answer goes on for as long as its client listens.
func isEventStream(answer *http.Response) bool {
	const kind = "text/event-stream"
	given := answer.Header.Get("Content-Type")
	return len(given) >= len(kind) && strings.EqualFold(given[:len(kind)], kind)
}
