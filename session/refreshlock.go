package session

import (
	"context"
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"time"

	"github.com/redis/rueidis"
)

// A lock in Redis, so that one instance alone does what two would spoil for each other: a refresh token is good for one use.
//
//   - It belongs to whoever put their random mark there, and nobody else prolongs or removes it.
//   - It is prolonged while it is held, and so short-lived that the end of a process does not hold up the others for long.
//   - Whoever waits for it asks again and again: within an instance one alone waits (proxy/generations.go).

const (
	lockLifetime = 5 * time.Second
	lockPause    = 50 * time.Millisecond // to ask again

	// patientTries is how often something is tried that matters more than time, while Redis is there and slow.
	patientTries = 4
)

// takeLock answers 1 when the lock is ours: also when it was before, and only the answer was missing. A token is spent in the same way
// (sharedmarks.go).
var takeLock = rueidis.NewLuaScript(`
local mark = redis.call('GET', KEYS[1])
if mark and mark ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`)

var prolongLock = rueidis.NewLuaScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])`)

var removeLock = rueidis.NewLuaScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])`)

// lock waits for a lock until ctx ends. Unlock gives it back.
func (r *redis) lock(ctx context.Context, key string) (unlock func(), err error) {
	mark := rand.Text()
	for failed := 0; ; {
		taken, err := r.run(ctx, takeLock, key, mark, milliseconds(lockLifetime)).AsInt64()
		if err != nil {
			if failed++; failed < patientTries && r.up() && ctx.Err() == nil {
				continue
			}
			if r.up() { // it may be ours all the same, if only the answer is missing
				r.run(context.WithoutCancel(ctx), removeLock, key, mark)
			}
			return nil, fmt.Errorf("locking in redis: %w", err)
		}
		if taken == 1 {
			return r.hold(key, mark), nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for a lock in redis: %w", ctx.Err())
		case <-time.After(lockPause + mathrand.N(lockPause)):
		}
	}
}

// hold prolongs a lock until it is given back.
func (r *redis) hold(key, mark string) (unlock func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(lockLifetime / 4)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				r.run(ctx, prolongLock, key, mark, milliseconds(lockLifetime))
			}
		}
	}()
	return func() {
		cancel()
		<-ended
		r.run(context.Background(), removeLock, key, mark) // where this fails, it ends by itself
	}
}
