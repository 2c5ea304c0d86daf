package fasttransport

import (
	"slices"
	"sync"
	"time"
)

// pool is the connections that nobody uses. The one that was used last is used next, so that those that are too many get old.
type pool struct {
	mu    sync.Mutex
	idle  []*connection // the oldest first
	sweep *time.Timer   // nil before the first
}

// sweepEvery is how often connections are looked for that have ended, or that nobody needs.
const sweepEvery = 10 * time.Second

// take gives a connection that is good; nil where there is none.
func (p *pool) take(timeout time.Duration) *connection {
	for {
		c := p.pop()
		if c == nil {
			return nil
		}
		if c.isGood(timeout) {
			c.used, c.clean, c.in.any = true, true, false
			return c
		}
		_ = c.Close()
	}
}

func (p *pool) pop() *connection {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.idle) - 1
	if last < 0 {
		return nil
	}
	c := p.idle[last]
	p.idle[last], p.idle = nil, p.idle[:last]
	return c
}

// isGood says whether a connection may be used again: it is not too old, and its upstream is quiet.
func (c *connection) isGood(timeout time.Duration) bool {
	return (timeout == 0 || time.Since(c.since) < timeout) && c.isQuiet()
}

// put keeps a connection, if there is room.
func (p *pool) put(c *connection, most int, timeout time.Duration) {
	c.since = time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) >= most {
		_ = c.Close()
		return
	}
	p.idle = append(p.idle, c)
	if len(p.idle) == 1 {
		p.sweepLater(timeout)
	}
}

// sweepLater has the pool swept. The caller holds mu.
func (p *pool) sweepLater(timeout time.Duration) {
	if p.sweep == nil {
		p.sweep = time.AfterFunc(sweepEvery, func() { p.sweepNow(timeout) })
		return
	}
	p.sweep.Reset(sweepEvery)
}

// sweepNow closes what has ended or is too old.
func (p *pool) sweepNow(timeout time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = slices.DeleteFunc(p.idle, func(c *connection) bool {
		if c.isGood(timeout) {
			return false
		}
		_ = c.Close()
		return true
	})
	if len(p.idle) > 0 {
		p.sweepLater(timeout)
	}
}

// close closes all.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.idle {
		_ = c.Close()
	}
	p.idle = nil
	if p.sweep != nil {
		p.sweep.Stop()
	}
}
