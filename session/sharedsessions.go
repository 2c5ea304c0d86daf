package session

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

// Sessions in Redis: each a value under the hash of its identifier, sealed as in a cookie, that ends with the session.
//
//   - Before the sealed value stand, in the clear, generation and time of use, so that Redis itself keeps a late answer from bringing back
//     what another has replaced.
//   - What has ended leaves a mark for a while. An answer that was under way then does not bring it back.
//   - Redis says when a value that was read has changed (client-side caching), so that reading it again costs no round trip.
//   - Where sessions live in their cookies, only those that were refreshed are here, for instances that still meet an older cookie.

const (
	// endMark is the value of a session that has ended, endMarkLifetime how long it stands: longer than any refresh or answer may be
	// under way.
	endMark         = "ended"
	endMarkLifetime = 5 * time.Minute

	// maxValue bounds what is read of a value. Ours are smaller; whoever else writes to this Redis could put a gigabyte there.
	maxValue = 128 << 10

	// trackFor is how long Redis is asked to tell of changes after a value was read.
	trackFor = 10 * time.Minute
)

// putSession sets a value, unless the session has ended or a newer value is there. Arguments: the value, its generation, its time of
// use, its lifetime, and 1 when it is not to be put where none was. It answers 0 when the session has ended, 2 when a newer value stays.
var putSession = rueidis.NewLuaScript(`
local old = redis.call('GET', KEYS[1])
if old == 'ended' or (not old and ARGV[5] == '1') then return 0 end
if old then
  local generation, used = string.match(old, '^(%d+) (%d+) ')
  generation, used = tonumber(generation), tonumber(used)
  local mine, mineUsed = tonumber(ARGV[2]), tonumber(ARGV[3])
  if generation and (generation > mine or generation == mine and used > mineUsed) then return 2 end
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[4])
return 1`)

// sharedSessions are the sessions in Redis: all of them where they live there, and those that were refreshed where they live in their cookies.
type sharedSessions struct {
	redis   *redis
	kind    string // begins their keys
	copies  bool   // they live in their cookies, so that one that is not here has not ended
	packing *packing
	values  *sealer
	opened  *openedSessions
	late    unshared
}

func (c *sharedSessions) key(id string) string { return c.redis.key(c.kind, id) }

// put puts a session there. Its error is ErrRevoked when it has ended, a *TooLargeError, or ErrUnavailable.
func (c *sharedSessions) put(ctx context.Context, s *Session, create bool) error {
	if !c.redis.up() {
		return ErrUnavailable
	}
	return c.write(ctx, s, create)
}

// write does so whether or not Redis is known to be there.
func (c *sharedSessions) write(ctx context.Context, s *Session, create bool) error {
	now := c.values.keys.Load() // before, so that what others have sealed is not taken for theirs
	value, err := c.seal(s)
	if err != nil {
		return err
	}
	mustBe := "1"
	if create {
		mustBe = "0"
	}
	lifetime := milliseconds(time.Until(s.ExpiresAt))
	kept, err := c.redis.run(ctx, putSession, c.key(s.ID), value, strconv.Itoa(s.Generation), microseconds(s.UsedAt), lifetime, mustBe).AsInt64()
	switch {
	case err != nil:
		return unavailable(err)
	case kept == 0:
		c.opened.forget(s.ID)
		return ErrRevoked
	case kept == 1:
		kept := *s
		c.opened.put(&openedSession{name: s.ID, value: value, keys: now, session: &kept})
	}
	return nil
}

// get gives a session as it is there. Its error is ErrNone, ErrRevoked or ErrUnavailable.
func (c *sharedSessions) get(ctx context.Context, id string) (*Session, error) {
	if !c.redis.up() {
		return nil, ErrUnavailable
	}
	key := c.key(id)
	value, err := c.readAnew(ctx, key)
	if err != nil {
		return nil, err
	}
	s, _, err := c.open(id, key, value)
	return s, err
}

// recall gives the session that its cookies told of: as it is there or, while Redis is away, as it was last read. It must not be changed.
func (c *sharedSessions) recall(ctx context.Context, carried *Session) (*openedSession, error) {
	id, key, now := carried.ID, carried.Derived(c, func() any { return c.key(carried.ID) }).(string), c.values.keys.Load()
	known := c.opened.of(id, now)
	value, err := c.read(ctx, key)
	switch {
	case errors.Is(err, ErrUnavailable) && known != nil:
		return known, nil
	case err != nil:
		c.opened.forget(id)
		return nil, err
	case known != nil && known.value == value:
		return known, nil
	}
	s, secret, err := c.open(id, key, value)
	if err != nil {
		return nil, err
	}
	opened := &openedSession{name: id, value: value, keys: now, secret: secret, session: s}
	c.opened.offer(opened)
	return opened, nil
}

// read reads a value, from memory where Redis has told of no change.
func (c *sharedSessions) read(ctx context.Context, key string) (string, error) {
	return c.readUpTo(ctx, key, maxValue)
}

// readUpTo reads the beginning of a value.
func (c *sharedSessions) readUpTo(ctx context.Context, key string, most int64) (string, error) {
	if !c.redis.up() {
		return "", ErrUnavailable
	}
	patience := &patience{Context: ctx}
	defer patience.end()
	// Pinned, or the client would use its memory again as soon as it is answered, though it may still be on its way to a connection that was lost.
	command := c.redis.build().Getrange().Key(key).Start(0).End(most).Cache().Pin()
	read := (*c.redis.client.Load()).DoCache(patience, command, trackFor)
	if _, refused := rueidis.IsRedisErr(read.Error()); refused { // a full Redis takes no MULTI, in which the client asks, but a plain question
		return c.readAnew(patience, key)
	}
	return present(read)
}

// readAnew reads a value from Redis.
func (c *sharedSessions) readAnew(ctx context.Context, key string) (string, error) {
	return present(c.redis.do(ctx, c.redis.build().Getrange().Key(key).Start(0).End(maxValue).Build()))
}

// headSize is how much of a value is read to see whether it is a newer one: generation and time of use.
const headSize = 40

// newer gives a session as it is there, when that is a newer generation or one that was used later; else nil. Most of the time that is told by
// the head of the value, which is read from memory. Its error is ErrNone, ErrRevoked or ErrUnavailable.
func (c *sharedSessions) newer(ctx context.Context, s *Session) (*Session, error) {
	key := c.key(s.ID)
	head, err := c.readUpTo(ctx, key, headSize)
	if err != nil {
		return nil, err
	}
	if generation, used, ok := readHead(head); ok && !newerThan(s, generation, used) {
		return nil, nil
	}
	value, err := c.read(ctx, key)
	if err != nil {
		return nil, err
	}
	newest, _, err := c.open(s.ID, key, value)
	if err != nil || !newerThan(s, newest.Generation, newest.UsedAt) { // the head is under no seal
		return nil, err
	}
	return newest, nil
}

// readHead reads what stands before the sealed value.
func readHead(head string) (generation int, used time.Time, ok bool) {
	first, rest, _ := strings.Cut(head, " ")
	second, _, _ := strings.Cut(rest, " ")
	generation, err := strconv.Atoi(first)
	micros, usedErr := strconv.ParseInt(second, 10, 64)
	return generation, time.UnixMicro(micros), err == nil && usedErr == nil
}

// newerThan says whether a generation that was used then is newer than a session, to the microsecond.
func newerThan(s *Session, generation int, used time.Time) bool {
	return generation > s.Generation || generation == s.Generation && used.UnixMicro() > s.UsedAt.UnixMicro()
}

// touch notes there that a session is in use.
func (c *sharedSessions) touch(ctx context.Context, id string) error {
	s, err := c.get(ctx, id)
	if err != nil {
		return err
	}
	s.UsedAt = time.Now()
	return c.put(ctx, s, false)
}

// present is the value that was read. It tells one that is not there, and so reads as empty, from one that cannot be asked for.
func present(read rueidis.RedisResult) (string, error) {
	value, err := read.ToString()
	switch {
	case err != nil:
		return "", unavailable(err)
	case value == "":
		return "", ErrNone
	}
	return value, nil
}

// end removes a session for good.
func (c *sharedSessions) end(ctx context.Context, id string) error {
	c.opened.forget(id)
	if !c.redis.up() {
		return ErrUnavailable
	}
	command := c.redis.build().Set().Key(c.key(id)).Value(endMark).PxMilliseconds(endMarkLifetime.Milliseconds()).Build()
	if err := c.redis.do(ctx, command).Error(); err != nil {
		if _, refused := rueidis.IsRedisErr(err); refused { // a full Redis takes no mark, and can forget
			c.redis.do(ctx, c.redis.build().Del().Key(c.key(id)).Build())
		}
		return unavailable(fmt.Errorf("ending a session in redis: %w", err))
	}
	return nil
}

// seal makes the value of a session.
func (c *sharedSessions) seal(s *Session) (string, error) {
	plain, err := c.packing.pack(s, func(int) bool { return true })
	if err != nil {
		return "", err
	}
	if len(plain) > maxPacked {
		return "", &TooLargeError{Bytes: len(plain), Max: maxPacked, Stored: true}
	}
	sealed, err := c.values.seal(c.key(s.ID), plain)
	return fmt.Sprintf("%d %d %s", s.Generation, s.UsedAt.UnixMicro(), sealed), err
}

// open gives back what seal sealed. What is over, or does not open, is forgotten as well, or it would be known again as soon as Redis is away.
func (c *sharedSessions) open(id, key, value string) (s *Session, secret int, err error) {
	if s, secret, err = c.unseal(key, value); err != nil {
		c.opened.forget(id)
	}
	return s, secret, err
}

// unseal gives back what seal sealed, and the index of the secret that opened it. Whatever does not open is no session.
func (c *sharedSessions) unseal(key, value string) (s *Session, secret int, err error) {
	if value == endMark {
		return nil, 0, ErrRevoked
	}
	fields := strings.SplitN(value, " ", 3)
	if len(fields) != 3 {
		return nil, 0, ErrNone
	}
	plain, secret, ok := c.values.open(key, fields[2])
	if !ok {
		return nil, 0, ErrNone
	}
	if s, err = c.packing.unpack(plain); err != nil {
		return nil, 0, ErrNone
	}
	return s, secret, nil
}
