package fasttransport

import (
	"slices"
	"sync"
	"time"
)

// pool keeps idle connections. Nobody waits on them: whether one is still good is asked when it is taken, and each second while there are any, when
// those are closed that the upstream has closed, or that have been idle for too long.
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
			time.AfterFunc(sweepEvery, p.sweep)
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

// giveWay closes the connection that has been idle for longest, of those that the upstream has not closed, so that it has room for another.
func (p *pool) giveWay() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for open := false; !open && len(p.idle) > 0; {
		open = p.idle[0].silent()
		p.idle[0].close()
		p.idle = slices.Delete(p.idle, 0, 1)
	}
}

const sweepEvery = time.Second

// sweep closes what is of no use, and comes again while anything is left.
func (p *pool) sweep() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = slices.DeleteFunc(p.idle, func(c *connection) bool {
		useless := time.Since(c.idleSince) >= p.patience || !c.silent()
		if useless {
			c.close()
		}
		return useless
	})
	if p.sweeping = len(p.idle) > 0; p.sweeping {
		time.AfterFunc(sweepEvery, p.sweep)
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
	p.idle = nil
}
