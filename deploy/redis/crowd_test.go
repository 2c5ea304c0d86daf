//go:build unix

package redis

import (
	"sync"
	"sync/atomic"
	"time"
)

// A crowd is browsers that ask again and again, each as soon as it has its answer, of which every one must be good.
type crowd struct {
	site    *installation
	answers chan struct{}
	leaving atomic.Bool
	there   sync.WaitGroup
}

// Crowd has browsers begin. The test fails at the first answer of each that is not good.
func (i *installation) Crowd(all []*browser, good func(*answer) bool) *crowd {
	c := &crowd{site: i, answers: make(chan struct{}, 1000)}
	for _, b := range all {
		c.there.Go(func() {
			for !c.leaving.Load() {
				if a := b.Get("/"); !good(a) {
					i.t.Errorf("%v\n%s", a, a.Body)
					return
				}
				select {
				case c.answers <- struct{}{}:
				default: // nobody counts
				}
			}
		})
	}
	i.t.Cleanup(c.Leave)
	return c
}

// Await returns when the crowd has got so many further answers.
func (c *crowd) Await(n int) {
	c.site.t.Helper()
	for len(c.answers) > 0 {
		<-c.answers
	}
	deadline := time.After(patience)
	for range n {
		select {
		case <-c.answers:
		case <-deadline:
			c.site.t.Fatalf("in %v there were no %d further answers", patience, n)
		}
	}
}

// Leave returns when the last answer has come.
func (c *crowd) Leave() {
	c.leaving.Store(true)
	c.there.Wait()
}
