package proxy

import (
	"context"
	"sync"
	"time"
)

// background is work that belongs to no request: it goes on when the client has gone, and ends by its own time limits.
type background struct {
	ctx   context.Context // ends with the Proxy
	end   context.CancelFunc
	tasks sync.WaitGroup
	watch sync.WaitGroup // tasks that only ctx ends
}

func newBackground() *background {
	b := &background{}
	b.ctx, b.end = context.WithCancel(context.Background())
	return b
}

// run does a task on the side.
func (b *background) run(task func(context.Context)) {
	b.tasks.Go(func() { task(b.ctx) })
}

// always does a task until the Proxy ends.
func (b *background) always(task func(context.Context)) {
	b.watch.Go(func() { task(b.ctx) })
}

// close waits for what is under way, for so long at most, and ends the rest.
func (b *background) close(patience time.Duration) {
	done := make(chan struct{})
	go func() {
		b.tasks.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(patience):
	}
	b.end()
	b.watch.Wait()
}
