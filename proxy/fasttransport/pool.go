package fasttransport

import (
	"sync"
	"time"
)

// pool keeps idle connections. Nobody waits on them: whether one is still good is asked when it is taken, and a timer that runs while
// there are any closes what has been idle for too long.
type pool struct {
	most     int
	patience time.Duration

	mu       sync.Mutex
	idle     []*connection // the one used last at the end, and taken first
	closing  bool          // until the next request
	sweeping bool
}

// put keeps a connection for the next request, or closes it.
func (p *pool) put(c *connection) {
	c.idleSince = time.Now()
	p.mu.Lock()
	kept := !p.closing && len(p.idle) < p.most
	if kept {
		p.idle = append(p.idle, c)
		if !p.sweeping {
			p.sweeping = true
			time.AfterFunc(p.patience, p.sweep)
		}
	}
	p.mu.Unlock()
	if !kept {
		c.close()
	}
}

// take gives the connection that was used last, nil where there is none that is fresh enough.
func (p *pool) take() *connection {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closing = false
	last := len(p.idle) - 1
	if last < 0 || time.Since(p.idle[last].idleSince) >= p.patience {
		return nil // those before it have been idle for longer
	}
	c := p.idle[last]
	p.idle[last] = nil
	p.idle = p.idle[:last]
	return c
}

// sweep closes what has been idle for too long, and comes again when the next is.
func (p *pool) sweep() {
	p.mu.Lock()
	defer p.mu.Unlock()
	old := 0
	for old < len(p.idle) && time.Since(p.idle[old].idleSince) >= p.patience {
		p.idle[old].close()
		old++
	}
	p.drop(old)
	if p.sweeping = len(p.idle) > 0; p.sweeping {
		time.AfterFunc(p.patience-time.Since(p.idle[0].idleSince), p.sweep)
	}
}

// close closes what is idle, and what becomes so before the next request.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closing = true
	for _, c := range p.idle {
		c.close()
	}
	p.drop(len(p.idle))
}

// drop forgets the oldest n. The caller holds mu.
func (p *pool) drop(n int) {
	kept := copy(p.idle, p.idle[n:])
	clear(p.idle[kept:])
	p.idle = p.idle[:kept]
}
