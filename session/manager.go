package session

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Manager makes, finds and ends sessions and logins. It is safe for concurrent use.
type Manager struct {
	options  Options
	names    names
	sessions *sealer // of what the cookies of sessions hold
	logins   *sealer
	packing  *packing
	opened   *openedSessions // what browsers carry, by the value of the first cookie
	revoked  *revocations
	active   *activity
	store    store
	redis    *redis          // nil for none
	shared   *sharedSessions // what is in Redis; nil for none
	mark     string          // of this instance, by which Redis knows who has spent a token

	using   sync.Mutex
	secrets [][]byte // in use
}

// NewManager checks the options, derives the keys, and takes the file of revocations, or begins to follow those in Redis, for which it does not wait.
// Whoever makes a Manager closes it. Its error names the setting, what is wrong and the mend.
func NewManager(o Options) (*Manager, error) {
	o = o.withDefaults()
	if err := o.check(); err != nil {
		return nil, err
	}
	m := &Manager{
		options: o, names: newNames(o.CookieName, o.LoginName, o.Domain), packing: &packing{s2: newS2Coder()}, opened: newOpenedSessions(maxOpened),
		active: newActivity(o.IdleTimeout), mark: rand.Text(), secrets: o.Secrets,
	}
	for _, open := range []func() error{m.openSealers, m.openStore, m.openRevocations} {
		if err := open(); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// UseSecrets puts other cookie secrets in the place of those that were in use. What is sealed with none of them is no session from now on.
// Its error is that they are no good; those of before stay in use then.
func (m *Manager) UseSecrets(secrets [][]byte) error {
	if err := errors.Join(checkSecrets(secrets)...); err != nil {
		return err
	}
	m.using.Lock()
	defer m.using.Unlock()
	if slices.EqualFunc(secrets, m.secrets, bytes.Equal) {
		return nil // or what was opened would have to be opened again
	}
	for _, s := range m.sealers() {
		if err := s.use(secrets); err != nil {
			return err
		}
	}
	m.secrets = secrets
	return nil
}

// Seals is a value that stays equal for as long as the same secrets are in use.
func (m *Manager) Seals() any { return m.sessions.keys.Load() }

// Opens says whether the cookies of a session that a request carries open, with the secrets that are in use now.
func (m *Manager) Opens(r *http.Request) bool { return m.carried(r.Header["Cookie"]) != nil }

func (m *Manager) sealers() []*sealer {
	all := []*sealer{m.sessions, m.logins}
	if m.shared != nil {
		all = append(all, m.shared.values)
	}
	return all
}

func (m *Manager) openSealers() (err error) {
	purpose := "session"
	if m.options.InRedis {
		purpose = "ticket" // a cookie of the one kind is none of the other
	}
	if m.sessions, err = newSealer(m.options, purpose, sealLifetime); err != nil {
		return err
	}
	m.logins, err = newSealer(m.options, "login", loginLifetime)
	return err
}

// openStore decides where sessions live.
func (m *Manager) openStore() (err error) {
	m.store = cookieStore{m.packing, m.names, m.options.MaxBytes}
	if m.options.Redis.URL == "" {
		return nil
	}
	if m.redis, err = newRedis(m.options.Redis); err != nil {
		return err
	}
	m.shared = &sharedSessions{redis: m.redis, kind: "refreshed", copies: !m.options.InRedis, packing: m.packing, opened: newOpenedSessions(0)}
	m.redis.catchUp = m.shared.catchUp
	if m.shared.values, err = newSealer(m.options, "stored session", sealLifetime); err != nil || !m.options.InRedis {
		return err
	}
	m.shared.kind, m.shared.opened = "session", newOpenedSessions(maxOpened)
	m.store = redisStore{m.shared}
	return nil
}

func (m *Manager) openRevocations() (err error) {
	m.revoked, err = openRevocations(m.options, m.redis)
	return err
}

// Close gives the file of revocations back, for the next process to have it, and the connections to Redis.
func (m *Manager) Close() error {
	err := m.revoked.close()
	if m.redis != nil {
		m.redis.close()
	}
	return err
}

// Get finds the session of a request. It must not be changed, since others get the same one. Its error is ErrNone, ErrExpired, ErrRevoked or
// ErrUnavailable. ErrExpired, and ErrRevoked unless it is gone from Redis, come with the session that is over, which is good for nothing but
// telling the provider who leaves.
func (m *Manager) Get(r *http.Request) (*Session, error) {
	carried := m.carried(r.Header["Cookie"])
	if carried == nil {
		return nil, ErrNone
	}
	if !m.available() {
		return nil, ErrUnavailable
	}
	s, secret, err := m.store.find(r.Context(), carried.session)
	if err != nil {
		return nil, err
	}
	if m.fromTheFuture(s) {
		return nil, ErrNone
	}
	s = m.limited(s)
	if m.ended(s) {
		return s, ErrExpired
	}
	if m.revoked.has(s) {
		return s, ErrRevoked
	}
	if m.options.OnOpen != nil {
		m.options.OnOpen(max(carried.secret, secret))
	}
	return s, nil
}

// carried is what a request's cookies say of its session, from memory where they were opened before; nil for nothing.
func (m *Manager) carried(cookieHeaders []string) *openedSession {
	j := m.names.scan(cookieHeaders)
	now := m.sessions.keys.Load()
	if known := m.opened.of(j.session[0], now); known != nil && j.carries(known) {
		return known
	}
	c, ok := j.chunks()
	if !ok {
		return nil
	}
	plain, secret, ok := now.open(c.binding(m.names.bound), c.joined)
	if !ok {
		return nil
	}
	s, err := m.store.read(plain)
	if err != nil {
		return nil
	}
	opened := &openedSession{name: j.session[0], value: strings.Join(j.session[1:c.count], ";"), keys: now, secret: secret, session: s}
	m.opened.offer(opened)
	return opened
}

// limited is a session under a setting that may have allowed more when it was made.
func (m *Manager) limited(s *Session) *Session {
	latest := s.CreatedAt.Add(m.options.MaxAge)
	if !s.ExpiresAt.After(latest) {
		return s
	}
	shorter := *s
	shorter.ExpiresAt = latest
	return &shorter
}

// Create writes the session's cookies to the header h of the answer to r, in the place of any that h sets already, and
// clears what r carries beyond them, so that nothing of an older session stays behind. It fills s.ID when it is empty, and
// s.UsedAt. A session that does not fit is a *TooLargeError, and h is untouched. It also writes a session anew whose tokens or
// times have changed; where it lives in Redis, one that has ended there is ErrRevoked, and ErrUnavailable says that it cannot be
// written now.
//
// The cookies have neither Max-Age nor Expires: the end is sealed inside, where neither the browser's clock nor its owner
// moves it, and a browser that is closed for good forgets its owner.
func (m *Manager) Create(h http.Header, r *http.Request, s *Session) error {
	if s.CreatedAt.IsZero() || s.ExpiresAt.IsZero() || s.TokenExpiresAt.IsZero() {
		return errors.New("sealing session: CreatedAt, ExpiresAt and TokenExpiresAt must be set")
	}
	fresh := s.ID == ""
	if fresh {
		s.ID = rand.Text()
	}
	if s.UsedAt.IsZero() {
		s.UsedAt = time.Now()
	}
	plain, err := m.store.keep(context.WithoutCancel(r.Context()), s, fresh)
	if err != nil {
		return err
	}
	values, err := m.sealChunks(plain)
	if err != nil {
		return err
	}
	m.dropChunks(h)
	for i, value := range values {
		m.write(h, m.names.chunk(i), value, 0)
	}
	m.clearChunks(h, r, len(values))
	if m.options.OnSave != nil {
		m.options.OnSave(m.names.sentBytes(values))
	}
	return nil
}

// Fits tells whether Create would find room for the session: nil, or a *TooLargeError.
func (m *Manager) Fits(s *Session) error { return m.store.fits(s) }

// Destroy ends the session in the browser: it clears every cookie of a session that r carries, and the first one always, whatever
// they are for, and takes back those that h sets already.
func (m *Manager) Destroy(h http.Header, r *http.Request) {
	m.dropChunks(h)
	m.clear(h, m.names.base)
	m.clearChunks(h, r, 1)
	m.clearElsewhere(h, r)
}

// Revoke ends one session wherever its cookies are, at once and for good. Its error, and that of its kin, says that the session has
// ended, but that the file of revocations, or Redis, cannot be written: a restart would bring it back, and other instances do not know.
func (m *Manager) Revoke(s *Session) error {
	return m.revoke(s, keyOfID(s.ID))
}

// Replace does the same because the person has signed in again; Replaced tells.
func (m *Manager) Replace(s *Session) error {
	return m.revoke(s, keyOfReplaced(s.ID))
}

func (m *Manager) revoke(s *Session, key revocationKey) error {
	err := m.revoked.add(key)
	if m.shared != nil {
		err = errors.Join(err, m.shared.end(context.Background(), s.ID))
	}
	return err
}

// RevokeProviderSession ends all sessions that began before now in a session of the provider's (iss and sid).
func (m *Manager) RevokeProviderSession(issuer, sid string) error {
	return m.revoked.add(keyOfProviderSession(issuer, sid))
}

// RevokeSubject ends all sessions of a person (iss and sub) that began before now.
func (m *Manager) RevokeSubject(issuer, subject string) error {
	return m.revoked.add(keyOfSubject(issuer, subject))
}

// RevokeUnnamed ends those sessions of a person that began before now and of which the provider never said their sid.
func (m *Manager) RevokeUnnamed(issuer, subject string) error {
	return m.revoked.add(keyOfUnnamed(issuer, subject))
}

// RevokeUser ends all sessions that began before now of whoever upstreams are told is this user (iss and User).
func (m *Manager) RevokeUser(issuer, user string) error {
	return m.revoked.add(keyOfUser(issuer, user))
}

// RevokeLogged ends the session that has this hash in the log. Its error may be ErrNoHash too.
func (m *Manager) RevokeLogged(hash string) error {
	raw, err := hex.DecodeString(hash)
	if err != nil || len(raw) != len(loggedHash{}) {
		return ErrNoHash
	}
	return m.revoked.add(keyOfLogged(loggedHash(raw)))
}

// Revoked tells whether a session that was found earlier has been revoked since.
func (m *Manager) Revoked(s *Session) bool { return m.revoked.has(s) }

// Replaced tells whether it was by Replace, here or at another instance.
func (m *Manager) Replaced(s *Session) bool { return m.revoked.hasReplaced(s) }
