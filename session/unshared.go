package session

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	"github.com/redis/rueidis"
)

// unshared are generations that other instances could not be told of, because Redis went away while they were made. The refresh tokens
// of those before are spent: who uses one again ends the session. So, when Redis is back, the others are told before anything else
// (sharedrevocations.go), and whoever wants to refresh waits for a moment (redis.settle). It is safe for concurrent use.
type unshared struct {
	mu     sync.Mutex
	newest map[string]*Session // by identifier
}

// note keeps a generation until others know it.
func (u *unshared) note(s *Session) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.newest == nil {
		u.newest = map[string]*Session{}
	}
	u.newest[s.ID] = s
}

// known drops a generation that others know, and those before it.
func (u *unshared) known(s *Session) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if kept := u.newest[s.ID]; kept != nil && kept.Generation <= s.Generation {
		delete(u.newest, s.ID)
	}
}

func (u *unshared) all() []*Session {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Collect(maps.Values(u.newest))
}

// share lets other instances know a generation that follows a refresh.
func (c *sharedSessions) share(ctx context.Context, s *Session) error {
	err := c.put(ctx, s, c.copies)
	if errors.Is(err, ErrUnavailable) {
		c.late.note(s)
		return err
	}
	c.late.known(s)
	return err
}

// catchUp lets other instances know what they could not be told. Its error is ErrUnavailable. A Redis that answers and takes nothing (full,
// read-only) lets nobody refresh either, so that what it does not take can wait.
func (c *sharedSessions) catchUp(ctx context.Context) error {
	for _, s := range c.late.all() {
		err := c.write(ctx, s, c.copies)
		if _, refused := errors.AsType[*rueidis.RedisError](err); refused {
			continue
		}
		if errors.Is(err, ErrUnavailable) {
			return err
		}
		c.late.known(s)
	}
	return nil
}
