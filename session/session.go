// Package session keeps who is signed in, and which logins are in flight, in sealed cookies. Sessions may live in Redis instead.
//
// The rules it keeps:
//
//   - A browser can neither read a value nor change, cut, mix or lengthen it: all of it is under one MAC, which is checked
//     before anything inside is looked at.
//   - A value opens for its own purpose alone: sessions and logins have keys of their own.
//   - Whatever does not open is no session. It is never an error, and nobody outside learns why.
//   - Every lifetime is sealed inside. What the browser or the cookie's attributes say about time counts for nothing.
//   - Whatever a request carries, the work done for it is bounded.
//
// In cookies live sessions (cookies.go, chunks.go, seal.go), or their identifiers where sessions live in Redis, logins that are in flight
// (login.go), and notes of logins that come round again (rounds.go). What they are called is in names.go, for which hosts they are in domain.go,
// how their values are written in pack.go, packer.go and unpacker.go, compressed by s2.go or deflate.go and spelled by base64.go, and how long
// they hold in lifetimes.go. manager.go, made of options.go, is what others see of all this.
//
// store.go has the choice between cookies and Redis; redis.go is the connection, shared.go what several instances do together, and unshared.go
// what they could not tell each other yet. Redis, where there is one, has these kinds of keys:
//
//	session      a session that lives there (sharedsessions.go)
//	refreshed    the newest generation of one that lives in its cookies
//	refresh      who is refreshing it (refreshlock.go)
//	spent        a token that is good for one use (sharedmarks.go)
//	sid          a session of the provider's with which somebody came
//	revocations  what has ended before its time (sharedrevocations.go)
//
// Without it what has ended is in memory, and in a file (revocations.go, revocationfile.go). In memory alone is what was opened lately
// (openedsessions.go), and when sessions were in use whose cookies could not be written (activity.go).
package session

import (
	"encoding/hex"
	"errors"
	"sync/atomic"
	"time"
)

// ErrNone says that a request carries no cookie that opens: absent, foreign, damaged, doubled, or sealed with a secret
// that has gone. Which of these it was makes no difference to anybody.
var ErrNone = errors.New("no cookie that opens")

// ErrExpired says that a session was genuine and is over.
var ErrExpired = errors.New("session has ended")

// ErrRevoked says that a session was genuine and was ended before its time.
var ErrRevoked = errors.New("session was revoked")

// ErrNoHash says that a text is not what Hash gives, for any session.
var ErrNoHash = errors.New("no hash of a session: the log has 12 hexadecimal digits")

// leeway is how far the clock that wrote a time may have run ahead of the one that reads it.
const leeway = time.Minute

// sealLifetime is how long a session's seal holds at most; browsers forget any cookie after 400 days (RFC 6265bis 5.5). The
// session's own end, inside, comes long before.
const sealLifetime = 400 * 24 * time.Hour

// Session is a person who is signed in. CreatedAt, ExpiresAt and TokenExpiresAt must be set; other zero values mean that the
// provider did not say.
type Session struct {
	// ID is random and new at every login. Create fills it when it is empty.
	ID string

	// Issuer, Subject and ProviderSession are the ID token's iss, sub and sid.
	Issuer, Subject, ProviderSession string

	// User, Email and PreferredUsername are what upstreams are told. Email is empty when the provider does not vouch for it.
	User, Email, PreferredUsername string

	// Groups are the person's groups as the provider named them; nil when there are none.
	Groups []string

	// GroupsUnknown says that the provider left the groups out, so that Groups says nothing.
	GroupsUnknown bool

	// Claims are the claims that rules or headers name, by the path as it is written there. Numbers come back as
	// json.Number, so that no digit is lost. One that is there and nil is not known: the provider may have one, and did not say.
	Claims map[string]any

	// ACR and AuthTime are how and when the person proved who they are.
	ACR      string
	AuthTime time.Time

	// IDToken, AccessToken and RefreshToken are the tokens as the provider sent them. Without a refresh token there will be no
	// other access token.
	IDToken, AccessToken, RefreshToken string

	// Generation counts the refreshes since the login. Of two cookies of one session the higher one is the newer.
	Generation int

	// CreatedAt is when the code exchange began that made the session, by our own clock: what is revoked from a moment on ends
	// sessions that began before. ExpiresAt is the absolute end of the session. TokenIssuedAt and TokenExpiresAt are when the
	// access token was asked for and when it ends. UsedAt is when the session was last known to be in use; Create fills it when it
	// is zero. See lifetimes.go for what follows from them.
	CreatedAt, ExpiresAt, TokenIssuedAt, TokenExpiresAt, UsedAt time.Time

	memo *memo
}

// memo is what was derived from a session. A copy of the session has it, too, and is another session.
type memo struct {
	of      *Session
	hash    string
	derived atomic.Pointer[derived]
}

// derived is what follows from a session and something else.
type derived struct{ with, value any }

// Derived gives what derive makes of the session together with something else (with), which must be comparable and never change. For a session
// that Get found, the value for the latest with is remembered as long as the session is. Callers that come at once may each run derive.
func (s *Session) Derived(with any, derive func() any) any {
	if s.memo == nil || s.memo.of != s {
		return derive()
	}
	d := s.memo.derived.Load()
	if d == nil || d.with != with {
		d = &derived{with, derive()}
		s.memo.derived.Store(d)
	}
	return d.value
}

// Hash is what the log tells sessions apart by; RevokeLogged takes it. It opens nothing.
func (s *Session) Hash() string {
	if s.memo != nil && s.memo.of == s {
		return s.memo.hash
	}
	id := keyOfID(s.ID)
	return hex.EncodeToString(id[:len(loggedHash{})])
}
