package session

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

// Redis is where several instances remember together what one would remember alone: who was signed out (sharedrevocations.go), who is
// refreshing a session (refreshlock.go), what came of it, and, where sessions do not live in their cookies, these (sharedsessions.go).
//
//   - What is kept there is sealed, and found by hashes: whoever reads it learns no token, and a name only by guessing it; whoever writes to it can
//     forge no session.
//   - One heartbeat tells whether Redis is there. While it is not, nobody waits for it: what is known here goes on for OutageGrace, and
//     then nothing does, since nobody knows any more who was signed out.
//   - Whoever does wait, waits for a moment: a frozen server takes connections and never answers.

const (
	// redisPatience is how long one answer of Redis may take.
	redisPatience = time.Second
	// heartbeat is how long Redis is asked to wait for something new before it says that there is nothing.
	heartbeat = 300 * time.Millisecond
	// reconnectPause is how long to wait after a connection was lost.
	reconnectPause = 200 * time.Millisecond
	// settling is how long after an interruption nobody refreshes: until every instance is back, and has told the others what they must know.
	settling = redisPatience + reconnectPause
	// clockInterval is how often Redis is asked what time it is.
	clockInterval = time.Minute
	// cacheSize bounds in bytes what the client remembers of values, for each connection: it has up to four to each server. Its own
	// 128 MiB would be half a gigabyte, and more with a Cluster.
	cacheSize = maxOpened / 4
)

// ErrUnavailable says that Redis is out of reach, so that nobody knows whether there is a session and whether it still counts.
var ErrUnavailable = errors.New("redis is out of reach")

// RedisOptions say where Redis is.
type RedisOptions struct {
	// URL is redis:// or rediss://, with ?master_set= for Sentinel and ?addr= for the further nodes of a Cluster.
	URL string

	// Password gives what is used in place of the URL's, anew with each connection; nil, or "" to begin with, for that one.
	Password func() string

	// CA are the certificates, in PEM, that are trusted beside the system's.
	CA []byte

	// Prefix begins all keys, so that installations can share a Redis.
	Prefix string

	// OutageGrace is how long what is known here counts while Redis is away.
	OutageGrace time.Duration
}

// client checks the options. It talks to nobody.
func (o RedisOptions) client() (rueidis.ClientOption, error) {
	option, err := rueidis.ParseURL(o.URL)
	if err != nil {
		return option, errors.New("DOORWARD_REDIS_URL is no address of Redis; write redis://host:6379, or rediss:// for TLS")
	}
	if o.Password != nil && (option.Password == "" || o.Password() != "") {
		o.passwordInto(&option)
	}
	option.ClientName, option.CacheSizeEachConn = "doorward", cacheSize
	option.Dialer.Timeout, option.ConnWriteTimeout = redisPatience, 2*redisPatience
	if option.TLSConfig != nil && len(o.CA) > 0 {
		roots, err := x509.SystemCertPool()
		if err != nil {
			roots = x509.NewCertPool()
		}
		if !roots.AppendCertsFromPEM(o.CA) {
			return option, errors.New("DOORWARD_REDIS_CA holds no certificate; write PEM")
		}
		option.TLSConfig.RootCAs = roots
	}
	if option.TLSConfig != nil && (len(option.InitAddress) > 1 || option.Sentinel.MasterSet != "") {
		option.TLSConfig.ServerName = "" // each server's certificate names that one, and not the first
	}
	if option.Sentinel.MasterSet != "" {
		option.Sentinel.Dialer.Timeout = option.Dialer.Timeout
		option.Sentinel.TLSConfig = option.TLSConfig.Clone()
	}
	return option, nil
}

// passwordInto makes connections ask for the password as it is then. Where there are Sentinels it stays as it is, since rueidis would show it to
// them too.
func (o RedisOptions) passwordInto(option *rueidis.ClientOption) {
	if option.Sentinel.MasterSet != "" {
		option.Password = o.Password()
		return
	}
	user := option.Username
	option.AuthCredentialsFn = func(rueidis.AuthCredentialsContext) (rueidis.AuthCredentials, error) {
		return rueidis.AuthCredentials{Username: user, Password: o.Password()}, nil
	}
}

// PingRedis connects to Redis and asks whether it is there, lets us in, and lets us write; it changes nothing. ahead is by how much its clock is
// ahead of ours.
func PingRedis(ctx context.Context, o RedisOptions) (ahead time.Duration, err error) {
	r, err := newRedis(o)
	if err != nil {
		return 0, err
	}
	defer r.close()
	if err := r.connect(); err != nil {
		return 0, err
	}
	if err := r.learnClock(ctx); err != nil {
		return 0, err
	}
	return time.Duration(r.ahead.Load()), r.tryWriting(ctx)
}

// tryWriting adds an entry to a stream that is not there. That changes nothing, and a server that is read-only, full, or older than 6.2
// says so.
func (r *redis) tryWriting(ctx context.Context) error {
	command := r.build().Xadd().Key(r.key("check", "")).Nomkstream().Minid().Threshold("0").Id("*").FieldValue().FieldValue("k", "v").Build()
	if err := r.do(ctx, command).Error(); err != nil && !rueidis.IsRedisNil(err) {
		return fmt.Errorf("asking redis to take something: %w", err)
	}
	return nil
}

// redis is the connection. It is safe for concurrent use.
type redis struct {
	prefix string
	grace  time.Duration
	option rueidis.ClientOption
	client atomic.Pointer[rueidis.Client]

	start     time.Time
	reachedAt atomic.Int64 // as a time.Duration after start; 0 for never
	connected atomic.Bool
	settledAt atomic.Int64 // as a time.Duration after start

	catchUp func(context.Context) error // tells other instances what they could not be told

	ahead   atomic.Int64 // how far its clock is ahead of ours at most, as a time.Duration
	clockAt time.Time    // when that was learned; the heartbeat's own
}

func newRedis(o RedisOptions) (*redis, error) {
	option, err := o.client()
	if err != nil {
		return nil, err
	}
	return &redis{prefix: o.Prefix, grace: o.OutageGrace, option: option, start: time.Now()}, nil
}

// connect makes the client, unless it is there: once there is one it connects again by itself.
func (r *redis) connect() error {
	if r.client.Load() != nil {
		return nil
	}
	client, err := rueidis.NewClient(r.option)
	if err != nil {
		if client != nil {
			client.Close()
		}
		return fmt.Errorf("connecting to redis: %w", err)
	}
	r.client.Store(&client)
	return nil
}

func (r *redis) close() {
	if client := r.client.Load(); client != nil {
		(*client).Close()
	}
}

// reached notes that Redis has just answered.
func (r *redis) reached() {
	now := time.Since(r.start)
	if !r.connected.Load() && r.reachedAt.Load() > 0 {
		r.settledAt.Store(int64(now + settling))
	}
	r.reachedAt.Store(int64(now))
	r.connected.Store(true)
}

// settle waits until an interruption is over for all instances.
func (r *redis) settle(ctx context.Context) error {
	settled := time.NewTimer(time.Duration(r.settledAt.Load()) - time.Since(r.start))
	defer settled.Stop()
	select {
	case <-settled.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// lost notes that Redis did not answer.
func (r *redis) lost() { r.connected.Store(false) }

// away is how long ago Redis was last heard of.
func (r *redis) away() time.Duration { return time.Since(r.start) - time.Duration(r.reachedAt.Load()) }

// up says whether Redis can be asked.
func (r *redis) up() bool { return r.connected.Load() && r.away() < heartbeat+2*redisPatience }

// counts says whether what is known here counts: all that Redis knows is known here, or was a short while ago.
func (r *redis) counts() bool {
	return r.up() || r.reachedAt.Load() > 0 && r.away() < r.grace
}

// now is the time by the clock that all instances share, or a moment later.
func (r *redis) now() time.Time { return time.Now().Add(time.Duration(r.ahead.Load())) }

// learnClock asks what time it is.
func (r *redis) learnClock(ctx context.Context) error {
	asked := time.Now()
	there, err := r.time(ctx)
	if err != nil {
		return err
	}
	r.clockAt = time.Now()
	r.ahead.Store(int64(there.Sub(asked)))
	return nil
}

// tellTime asks the server that has the revocations: those of a Cluster have clocks of their own.
var tellTime = rueidis.NewLuaScript(`return redis.call('TIME')`)

// time is what time it is there.
func (r *redis) time(ctx context.Context) (time.Time, error) {
	parts, err := r.run(ctx, tellTime, r.revocations()).AsIntSlice()
	if err == nil && len(parts) != 2 {
		err = errors.New("it is no time")
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("asking redis what time it is: %w", err)
	}
	return time.Unix(parts[0], parts[1]*int64(time.Microsecond)), nil
}

// build begins a command. Somebody has connected before.
func (r *redis) build() rueidis.Builder { return (*r.client.Load()).B() }

// do sends a command and waits for a moment. It is one that may come twice.
func (r *redis) do(ctx context.Context, command rueidis.Completed) rueidis.RedisResult {
	command = command.Pin()
	return r.twice(ctx, func(ctx context.Context) rueidis.RedisResult { return (*r.client.Load()).Do(ctx, command) })
}

// run runs a script on one key. It is one that may run twice.
func (r *redis) run(ctx context.Context, script *rueidis.Lua, key string, args ...string) rueidis.RedisResult {
	return r.twice(ctx, func(ctx context.Context) rueidis.RedisResult {
		return script.Exec(ctx, *r.client.Load(), []string{key}, args)
	})
}

// twice asks, and asks again when the connection broke: one from before an interruption turns out to be dead only when it is used, and the
// client by itself repeats nothing that writes.
func (r *redis) twice(ctx context.Context, ask func(context.Context) rueidis.RedisResult) rueidis.RedisResult {
	ctx, cancel := context.WithTimeout(ctx, redisPatience)
	defer cancel()
	result := ask(ctx)
	if result.NonRedisError() == nil || ctx.Err() != nil {
		return result
	}
	return ask(ctx)
}

// patience is a context whose timer, of redisPatience, starts when somebody first looks at the context. What is answered from memory never
// looks, and is spared the timer, which takes longer than the answer.
type patience struct {
	context.Context
	once   sync.Once
	timed  context.Context
	cancel context.CancelFunc
}

func (p *patience) begin() context.Context {
	p.once.Do(func() { p.timed, p.cancel = context.WithTimeout(p.Context, redisPatience) })
	return p.timed
}

// end gives the timer back, if there is one.
func (p *patience) end() {
	p.once.Do(func() { p.timed, p.cancel = p.Context, func() {} })
	p.cancel()
}

func (p *patience) Deadline() (time.Time, bool) { return p.begin().Deadline() }
func (p *patience) Done() <-chan struct{}       { return p.begin().Done() }
func (p *patience) Err() error                  { return p.begin().Err() }

// revocations names the stream of them.
func (r *redis) revocations() string { return r.prefix + "revocations" }

// key names something of a kind. What it is called is hashed: an identifier opens a session where it stands in a cookie.
func (r *redis) key(kind, name string) string {
	sum := sha256.Sum256([]byte(name))
	return r.prefix + kind + ":" + base64.RawURLEncoding.EncodeToString(sum[:])
}

// unavailable is err as callers get it.
func unavailable(err error) error { return fmt.Errorf("%w: %w", ErrUnavailable, err) }

func milliseconds(d time.Duration) string { return strconv.FormatInt(max(1, d.Milliseconds()), 10) }

func microseconds(t time.Time) string { return strconv.FormatInt(t.UnixMicro(), 10) }
