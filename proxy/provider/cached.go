package provider

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"
)

// cached is the last good value of something that is fetched from the provider: its metadata, its keys.
//
//   - Nothing is fetched before somebody asks, and one fetch serves all who ask meanwhile.
//   - A fetch belongs to nobody: an asker who goes away does not end it. It ends by its own time limit.
//   - A failure is remembered for a short pause, in which askers get it at once instead of waiting in a queue. The pause is counted
//     from the beginning of the fetch: after one that hung to its time limit, the next asker tries again.
//   - A good value is kept for ever. When it is no longer fresh it is still given out, while a fetch in the background renews it; when
//     that fails, the old value stays.
//   - After a long silence (maxStale) the first asker waits for that fetch, so that what the provider has withdrawn meanwhile is not
//     used once more. When the latest fetch failed, nobody waits: the provider is down, and the old value is all there is.
type cached[T any] struct {
	fetch func(context.Context) (value T, fresh time.Duration, err error) // must end by itself; fresh is how long the value is
	pause time.Duration                                                   // between the beginnings of a fetch that fails and the next
	told  func(error)                                                     // of a failure unlike the latest, and of its end (nil); may be nil

	mu         sync.Mutex
	value      T
	begunAt    time.Time // when the fetch of value began
	fetchedAt  time.Time // of value; zero: there is none yet
	freshUntil time.Time
	err        error                // of the latest fetch, nil when it was good
	failedAt   time.Time            // when the latest failing fetch began
	demanded   map[string]time.Time // when renew last began a fetch, by the reason
	running    chan struct{}        // closed when the fetch under way ends; nil when there is none
}

// maxStale is how long after its freshness a value is given out without waiting for a newer one.
const maxStale = time.Hour

// get gives the value, and fetches it when there is none yet.
func (c *cached[T]) get(ctx context.Context) (T, error) {
	c.mu.Lock()
	late := time.Since(c.freshUntil)
	if c.running == nil && c.paused() || late <= 0 {
		defer c.mu.Unlock()
		return c.value, c.errUnlessGood()
	}
	running := c.start(ctx)
	if !c.fetchedAt.IsZero() && (late <= maxStale || c.err != nil && time.Since(c.failedAt) <= maxStale) {
		defer c.mu.Unlock()
		return c.value, nil
	}
	c.mu.Unlock()
	return c.wait(ctx, running)
}

// renew fetches the value anew because it was found wanting for some reason, but not within the interval since the last demand for
// the same reason: then it gives what there is.
func (c *cached[T]) renew(ctx context.Context, reason string, interval time.Duration) (T, error) {
	c.mu.Lock()
	if c.running == nil && !c.demand(reason, interval) {
		defer c.mu.Unlock()
		return c.value, c.errUnlessGood()
	}
	running := c.start(ctx)
	c.mu.Unlock()
	return c.wait(ctx, running)
}

// demand says whether a fetch may be made for that reason now, and notes it. However many reasons there are, at most maxDemands
// fetches are made in an interval. The caller holds mu.
func (c *cached[T]) demand(reason string, interval time.Duration) bool {
	if c.demanded == nil {
		c.demanded = map[string]time.Time{}
	}
	maps.DeleteFunc(c.demanded, func(_ string, at time.Time) bool { return time.Since(at) >= interval })
	if _, lately := c.demanded[reason]; lately || len(c.demanded) >= maxDemands {
		return false
	}
	c.demanded[reason] = time.Now()
	return true
}

// maxDemands bounds the fetches that different reasons can cause in one interval.
const maxDemands = 3

// start begins a fetch unless one is under way. It is told whose doing that is, for a trace, and does not end with them. The caller holds mu.
func (c *cached[T]) start(ctx context.Context) chan struct{} {
	if c.running == nil {
		c.running = make(chan struct{})
		go c.run(context.WithoutCancel(ctx), c.running)
	}
	return c.running
}

func (c *cached[T]) run(ctx context.Context, running chan struct{}) {
	begun := time.Now()
	value, fresh, err := c.fetchOnce(ctx)
	defer close(running)
	c.mu.Lock()
	news := fmt.Sprint(err) != fmt.Sprint(c.err)
	c.running, c.err = nil, err
	if err == nil {
		c.value, c.begunAt, c.fetchedAt, c.freshUntil = value, begun, time.Now(), time.Now().Add(fresh)
	} else {
		c.failedAt = begun
	}
	c.mu.Unlock()
	if news && c.told != nil {
		c.told(err)
	}
}

// fetchOnce fetches. No panic of ours is to end more than one fetch.
func (c *cached[T]) fetchOnce(ctx context.Context) (value T, fresh time.Duration, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("recovering from a panic: %v", cause)
		}
	}()
	return c.fetch(ctx)
}

// wait waits for a fetch, or until the asker gives up.
func (c *cached[T]) wait(ctx context.Context, running chan struct{}) (T, error) {
	select {
	case <-running:
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.value, c.errUnlessGood()
}

// paused tells whether the latest fetch failed just now. The caller holds mu.
func (c *cached[T]) paused() bool {
	return c.err != nil && time.Since(c.failedAt) < c.pause
}

// errUnlessGood is the latest failure, unless a good value makes up for it. The caller holds mu.
func (c *cached[T]) errUnlessGood() error {
	if c.fetchedAt.IsZero() {
		return c.err
	}
	return nil
}

// isFrom says whether the fetch of the value began at that time or later.
func (c *cached[T]) isFrom(then time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.begunAt.Before(then)
}

// state tells when the value was fetched (zero: never) and how the latest fetch failed (nil: it did not).
func (c *cached[T]) state() (fetchedAt time.Time, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fetchedAt, c.err
}
