package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

// Revocations that several instances share, in a stream of Redis.
//
//   - Every instance holds the whole set in memory, and so asks nobody when a session is used. It waits for what the others add: Redis
//     tells it at once, and where there is nothing to tell says so after a heartbeat. So an instance knows how far it can trust its set.
//   - The times are Redis's: the not-before of an entry here, and the CreatedAt of a session.
//   - It waits on a connection of its own, which the client does not mend in silence: after an interruption both sides tell each other
//     everything. So they do when what was read last is there no more. What Redis has forgotten (no disk, FLUSHALL, eviction) comes back
//     from whoever knows it.
//   - A Redis that can be read and takes nothing (full, read-only) is there all the same. What could not be added is tried again.
//   - The stream is bounded as the set is: its oldest entries are replaced by one that ends all sessions as old as these, where it is full,
//     and where these sessions should be over by themselves. An instance with a longer SESSION_MAX_AGE, now or later, may think otherwise.

// addRevocations adds entries, hash and time in microseconds, in turn; an empty time is now, rounded up, since a login's is rounded
// down. Further arguments: how many entries the stream may have, and in milliseconds how long a session lives, and how long the stream stays
// that nobody adds to. It answers with the time. What does not read, among what is replaced, counts as in readEntry. Old entries are
// replaced when a tenth of their time has gone by as well, and not one by one.
var addRevocations = rueidis.NewLuaScript(`
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2] + 1
local most, keep = tonumber(ARGV[1]), tonumber(ARGV[2])
local function made(entry) return tonumber(string.match(entry[1], '%d+')) end
local function replace(oldest)
  local latest = 0
  for _, entry in ipairs(oldest) do
    latest = math.max(latest, tonumber(string.match(entry[2][4] or '', '^%d+$') or (made(entry) + 1) * 1000))
  end
  redis.call('XTRIM', KEYS[1], 'MAXLEN', redis.call('XLEN', KEYS[1]) - #oldest)
  redis.call('XADD', KEYS[1], '*', 'k', string.rep('\0', 32), 't', string.format('%.0f', latest + 1))
end
for i = 4, #ARGV, 2 do
  local at = ARGV[i + 1]
  if at == '' then at = string.format('%.0f', now) end
  redis.call('XADD', KEYS[1], '*', 'k', ARGV[i], 't', at)
end
local outlived = math.floor(now / 1000) - keep
if made(redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]) < outlived - keep / 10 then
  replace(redis.call('XRANGE', KEYS[1], '-', string.format('%.0f', outlived), 'COUNT', 1000))
end
local over = redis.call('XLEN', KEYS[1]) - most
if over > 0 then
  replace(redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', over + math.floor(most / 10)))
end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return string.format('%.0f', now)
`)

const (
	// readAtOnce is how many entries are read, or added, with one command.
	readAtOnce = 500
	// addPause is how long to wait after something could not be added.
	addPause = 2 * time.Second
)

// sharedRevocations is the stream.
type sharedRevocations struct {
	redis  *redis
	set    *revocations
	most   int
	notice func(up bool, err error)

	read   string      // the identifier of the entry that was read last; the follower's own
	behind atomic.Bool // the set knows of something that could not be added
	tryAt  time.Time   // when to try that again, not before; the follower's own
	end    context.CancelFunc
	done   sync.WaitGroup
}

// openSharedRevocations begins to follow the stream.
func openSharedRevocations(r *redis, set *revocations, notice func(bool, error)) *sharedRevocations {
	s := &sharedRevocations{redis: r, set: set, most: maxRevocations, notice: notice}
	var ctx context.Context
	ctx, s.end = context.WithCancel(context.Background())
	s.done.Go(func() { s.run(ctx) })
	return s
}

func (s *sharedRevocations) key() string { return s.redis.revocations() }

// add revokes by Redis's time, or while it is away by what its time is at most.
func (s *sharedRevocations) add(key revocationKey) error {
	at, err := s.redis.now(), error(ErrUnavailable)
	if s.redis.up() {
		at, err = s.write(context.Background(), string(key[:]), "")
	}
	s.set.take(revocation{key, at})
	if err != nil {
		s.behind.Store(true)
	}
	return err
}

// write adds entries and tells what time it is, or is at most.
func (s *sharedRevocations) write(ctx context.Context, entries ...string) (time.Time, error) {
	args := append([]string{strconv.Itoa(s.most), milliseconds(s.set.keep), milliseconds(sealLifetime + clocksApart)}, entries...)
	now, err := s.redis.run(ctx, addRevocations, s.key(), args...).AsInt64()
	if err != nil {
		return s.redis.now(), unavailable(fmt.Errorf("adding to the revocations: %w", err))
	}
	return time.UnixMicro(now), nil
}

func (s *sharedRevocations) close() error {
	s.end()
	s.done.Wait()
	return nil
}

// run follows the stream until ctx ends, through every interruption.
func (s *sharedRevocations) run(ctx context.Context) {
	for ctx.Err() == nil {
		err := s.follow(ctx)
		if ctx.Err() != nil {
			return
		}
		s.redis.lost()
		s.notice(false, err)
		select {
		case <-ctx.Done():
		case <-time.After(reconnectPause):
		}
	}
}

// follow reads what there is, adds what is missing there, and goes on reading what comes. Each answer is a heartbeat.
func (s *sharedRevocations) follow(ctx context.Context) error {
	if err := s.redis.connect(); err != nil {
		return err
	}
	line, release := (*s.redis.client.Load()).Dedicate()
	defer release()
	defer line.Close()
	if err := s.redis.learnClock(ctx); err != nil {
		return err
	}
	if err := s.reconcile(ctx, line); err != nil {
		return err
	}
	if err := s.redis.catchUp(ctx); err != nil {
		return err
	}
	s.redis.reached()
	s.notice(true, nil)
	for {
		if err := s.beat(ctx, line); err != nil {
			return err
		}
	}
}

// beat waits for a heartbeat, and does what is to be done after it.
func (s *sharedRevocations) beat(ctx context.Context, line rueidis.DedicatedClient) error {
	last := s.read
	if err := s.await(ctx, line); err != nil {
		return err
	}
	stands, err := s.stands(ctx, line, last)
	if err != nil {
		return err
	}
	s.redis.reached()
	if !stands || !time.Now().Before(s.tryAt) && s.behind.Load() {
		if err := s.reconcile(ctx, line); err != nil {
			return err
		}
	}
	if time.Since(s.redis.clockAt) > clockInterval {
		return s.redis.learnClock(ctx)
	}
	return nil
}

// reconcile makes the stream and the set the same. Its error is that the stream cannot be read.
func (s *sharedRevocations) reconcile(ctx context.Context, line rueidis.DedicatedClient) error {
	s.behind.Store(false) // what cannot be added from here on is to be added the next time
	missing, err := s.readAll(ctx, line)
	if err != nil || len(missing) == 0 {
		return err
	}
	if err := s.addMissing(ctx, line); err != nil {
		s.behind.Store(true)
		s.tryAt = time.Now().Add(addPause)
	}
	return nil
}

// addMissing adds to the stream what is missing there. Several instances that find the same thing missing add it once.
func (s *sharedRevocations) addMissing(ctx context.Context, line rueidis.DedicatedClient) error {
	patience, cancel := context.WithTimeout(ctx, redisPatience)
	defer cancel()
	unlock, err := s.redis.lock(patience, s.redis.prefix+"revocations-lock")
	if err != nil {
		return err
	}
	defer unlock()
	missing, err := s.readAll(ctx, line)
	for err == nil && len(missing) > 0 {
		var entries []string
		n := min(readAtOnce, len(missing))
		for _, one := range missing[:n] {
			entries = append(entries, string(one.key[:]), microseconds(one.at))
		}
		missing = missing[n:]
		_, err = s.write(ctx, entries...)
	}
	return err
}

// readAll takes in the stream from its beginning, and gives what the set knows and the stream does not.
func (s *sharedRevocations) readAll(ctx context.Context, line rueidis.DedicatedClient) (missing []revocation, err error) {
	missing = s.set.all()
	unread := map[revocationKey]time.Time{}
	for _, one := range missing {
		unread[one.key] = one.at.Truncate(time.Microsecond)
	}
	s.read = "0-0"
	for {
		entries, err := s.readFrom(ctx, line)
		if err != nil {
			return nil, fmt.Errorf("reading the revocations in redis: %w", err)
		}
		for _, one := range s.takeEntries(entries) {
			if !unread[one.key].After(one.at) {
				delete(unread, one.key)
			}
		}
		if len(entries) < readAtOnce {
			break
		}
	}
	return slices.DeleteFunc(missing, func(one revocation) bool {
		_, misses := unread[one.key]
		return !misses
	}), nil
}

// stands says whether an entry that was read is still there: whether this is still the stream that it was read from.
func (s *sharedRevocations) stands(ctx context.Context, line rueidis.DedicatedClient, id string) (bool, error) {
	if id == "0-0" {
		return true, nil
	}
	ctx, cancel := context.WithTimeout(ctx, redisPatience)
	defer cancel()
	entries, err := line.Do(ctx, line.B().Xrange().Key(s.key()).Start(id).End(id).Build()).AsXRange()
	if err != nil {
		return false, fmt.Errorf("reading the revocations in redis: %w", err)
	}
	return len(entries) > 0, nil
}

// readFrom reads the entries after the last one that was read.
func (s *sharedRevocations) readFrom(ctx context.Context, line rueidis.DedicatedClient) ([]rueidis.XRangeEntry, error) {
	ctx, cancel := context.WithTimeout(ctx, redisPatience)
	defer cancel()
	return line.Do(ctx, line.B().Xrange().Key(s.key()).Start("("+s.read).End("+").Count(readAtOnce).Build()).AsXRange()
}

// errSilent is what follows from an answer that does not come.
var errSilent = errors.New("it does not answer")

// await takes in what comes within a heartbeat. Its context has no deadline: with one, the client would not notice that it ends before, and
// whoever closes would wait for a frozen Redis.
func (s *sharedRevocations) await(ctx context.Context, line rueidis.DedicatedClient) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer time.AfterFunc(heartbeat+redisPatience, func() { cancel(errSilent) }).Stop()
	command := line.B().Xread().Count(readAtOnce).Block(heartbeat.Milliseconds()).Streams().Key(s.key()).Id(s.read).Build()
	streams, err := line.Do(ctx, command).AsXRead()
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil && !rueidis.IsRedisNil(err) {
		return fmt.Errorf("waiting for revocations in redis: %w", err)
	}
	s.takeEntries(streams[s.key()])
	return nil
}

// takeEntries takes entries of the stream into the set.
func (s *sharedRevocations) takeEntries(entries []rueidis.XRangeEntry) (all []revocation) {
	for _, entry := range entries {
		one := readEntry(entry)
		s.set.take(one)
		s.read = entry.ID
		all = append(all, one)
	}
	return all
}

// readEntry reads an entry of the stream. One that does not read may have been anybody's: all sessions from before it have ended.
func readEntry(entry rueidis.XRangeEntry) (one revocation) {
	at, err := strconv.ParseInt(entry.FieldValues["t"], 10, 64)
	if err != nil || len(entry.FieldValues["k"]) != len(one.key) {
		var milliseconds int64
		_, _ = fmt.Sscanf(entry.ID, "%d-", &milliseconds)
		return revocation{keyOfEverybody(), time.UnixMilli(milliseconds + 1)}
	}
	copy(one.key[:], entry.FieldValues["k"])
	one.at = time.UnixMicro(at)
	return one
}
