package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"time"

	"doorward/proxy/provider"
	"doorward/session"
)

// This file keeps a session's access token alive (RFC 6749 6), however many requests, clients and answers come in between.
//
// Rules that it keeps:
//
//   - One refresh for any number of requests at once. It belongs to none of them: a client that goes away does not end it.
//   - A request that starts or joins a refresh waits for it. While the old token lives, it waits no longer than a second after the refresh
//     began, and then goes on with that token.
//   - Whoever carries an older cookie gets the newest generation (generations.go), and its cookies with the answer, whatever that is.
//     They are sealed when the head of the answer is written and not before, so that an answer that took long never brings back what
//     another has replaced.
//   - invalid_grant ends this generation for everybody, and nobody asks for it again. It does not end the session in the cookie that
//     another instance has refreshed meanwhile. An answer that fails a check ends the session (OIDC Core 12.2).
//   - A provider that is down ends nothing while the token lives. It is asked again after a pause that grows to ten seconds.
//   - Where instances share a Redis, one of them refreshes and the others get what came of it. While Redis is away nobody refreshes:
//     two who spent the same refresh token would end the session.
//   - Every use asks whether the session was revoked. What a refresh brings after a sign-out is dropped, and revoked at the provider; what it
//     brings after a login of the same person is dropped, since the provider may count both sessions as one.
//   - A refresh changes neither the identifier nor the absolute end, and is no login.

const (
	// refreshPatience is how long a request waits for a refresh that it could do without.
	refreshPatience = time.Second
	// refreshTimeout bounds a refresh as a whole: tokens, keys, userinfo.
	refreshTimeout = 20 * time.Second
	// sharePause is how long to wait before other instances are told again.
	sharePause = 100 * time.Millisecond
)

// refresher keeps sessions fresh.
type refresher struct {
	generations *generations
	sessions    *session.Manager
	background  *background
	before      time.Duration // REFRESH_BEFORE: how long before its end a token is refreshed
	keep        bool          // SESSION_WITHOUT_REFRESH=keep

	renew  func(context.Context, *session.Session) renewal
	report func(s *session.Session, r renewal, tries int)
	revoke func(refreshToken string)
}

// fresh gives the newest generation of a session, with a token that is good for a while or the best that is to be had. Its error is
// errNoSession, or says that the token is dead and another cannot be had now, or that ctx ended. A refresh may outlive the request that it is made
// for, of which the log is to tell what asker says now.
func (f *refresher) fresh(ctx context.Context, carried *session.Session, asker func() []slog.Attr) (*session.Session, error) {
	for {
		s, err := f.current(carried)
		if err != nil || !f.due(s) {
			return s, err
		}
		known := f.generations.of(carried)
		if known.refresh == nil && (time.Now().Before(known.retryAt) || !f.sessions.Reachable()) {
			return f.without(known)
		}
		running, mine := f.generations.join(s)
		if mine {
			request := asker()
			f.background.run(func(work context.Context) { f.run(inTraceOf(ctx, work), s, request) })
		}
		if running == nil {
			continue
		}
		enough, err := wait(ctx, running, s)
		if err != nil || enough {
			return s, err
		}
	}
}

// current gives the newest generation of a session, as it is. Its error is errNoSession, or that nobody knows.
func (f *refresher) current(carried *session.Session) (*session.Session, error) {
	known := f.generations.of(carried)
	if known.ended() {
		return nil, errNoSession
	}
	err := f.sessions.Check(carried)
	if err == nil && known.newest != carried { // a refresh may have brought a sid
		err = f.sessions.Check(known.newest)
	}
	if err != nil {
		return nil, noSession(err)
	}
	return known.newest, nil
}

// due says whether a token is near its end. No token is refreshed in the first half of its life, or one that lives shorter than
// REFRESH_BEFORE would be refreshed by every request.
func (f *refresher) due(s *session.Session) bool {
	if s.RefreshToken == "" {
		return false
	}
	early := min(f.before, s.TokenExpiresAt.Sub(s.TokenIssuedAt)/2)
	return !time.Now().Before(s.TokenExpiresAt.Add(-early))
}

// wait waits until a refresh is done; while the token lives, no longer than refreshPatience after the refresh began. enough says that it
// gave up waiting and that the token still lives.
func wait(ctx context.Context, r *refresh, s *session.Session) (enough bool, err error) {
	var patience <-chan time.Time
	if time.Now().Before(s.TokenExpiresAt) {
		until := r.began.Add(refreshPatience)
		if s.TokenExpiresAt.Before(until) {
			until = s.TokenExpiresAt
		}
		timer := time.NewTimer(time.Until(until))
		defer timer.Stop()
		patience = timer.C
	}
	select {
	case <-r.done:
		return false, nil
	case <-patience:
		return time.Now().Before(s.TokenExpiresAt), nil
	case <-ctx.Done():
		return false, clientGone(ctx.Err())
	}
}

// without is what becomes of a session whose token cannot be refreshed now. While the token lives it is good as it is. After that people have to
// wait for Redis, or for the provider; but where the provider has refused us, a login may do what a refresh may not.
func (f *refresher) without(known lineage) (*session.Session, error) {
	switch {
	case f.keep || time.Now().Before(known.newest.TokenExpiresAt):
		return known.newest, nil
	case known.outcome == provider.Refused:
		return nil, errNoSession
	case known.result == withoutRedis, !f.sessions.Reachable():
		return nil, sessionsUnavailable(session.ErrUnavailable)
	}
	return nil, cannotRefresh().retryAfter(max(1, int(math.Ceil(time.Until(known.retryAt).Seconds()))))
}

// run refreshes a session: everybody who joined it waits for this.
func (f *refresher) run(ctx context.Context, s *session.Session, request []slog.Attr) {
	r := f.ask(ctx, s)
	r.request = request
	tries := f.generations.finish(s.ID, r)
	// Only now: whoever signs out from here on finds the new refresh token, and forgets it.
	if f.sessions.Revoked(s) && f.generations.forget(s.ID) && r.next != nil {
		r.result = afterLogout
		f.drop(r.next)
	}
	f.report(s, r, tries)
}

// drop revokes the refresh token of a generation that came after its session had ended, unless a login of the same person has replaced that: the
// provider may count both sessions as one.
func (f *refresher) drop(s *session.Session) {
	if !f.sessions.Replaced(s) {
		f.revoke(s.RefreshToken)
	}
}

// ask asks for new tokens, in bounded time. No panic of ours is to end more than one refresh.
func (f *refresher) ask(ctx context.Context, s *session.Session) (r renewal) {
	defer func() {
		if cause := recover(); cause != nil {
			r = renewal{outcome: provider.Unavailable, result: "internal_error", err: fmt.Errorf("recovering from a panic: %v", cause)}
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, refreshTimeout)
	defer cancel()
	return f.askAlone(ctx, s)
}

// askAlone asks when no other instance does, unless one has just done so.
func (f *refresher) askAlone(ctx context.Context, s *session.Session) (r renewal) {
	newest, end, err := f.sessions.BeginRefresh(ctx, s)
	switch {
	case errors.Is(err, session.ErrRevoked):
		return renewal{outcome: provider.Ended, result: afterLogout}
	case err != nil:
		return renewal{outcome: provider.Unavailable, result: withoutRedis, err: err}
	}
	later := false // the others are let in by somebody else
	defer func() {
		if !later {
			end()
		}
	}()
	if newest != s {
		return renewal{next: newest, outcome: provider.Refreshed, result: elsewhere}
	}
	r = f.renew(ctx, s)
	switch {
	case r.outcome == provider.Invalid, r.outcome == provider.Ended && f.sessions.Shares():
		_ = f.sessions.Revoke(s) // now, or the next instance asks with what is spent
	case r.next != nil:
		r, later = f.share(ctx, s, r, end)
	}
	return r
}

// share lets other instances know what a refresh brought. Where Redis does not take it now, that goes on in the background (later), which then
// calls end: an instance that was let in earlier would spend the old refresh token again.
func (f *refresher) share(ctx context.Context, s *session.Session, r renewal, end func()) (shared renewal, later bool) {
	err := f.sessions.Share(ctx, r.next)
	switch {
	case errors.Is(err, session.ErrRevoked):
		f.drop(r.next)
		return renewal{outcome: provider.Ended, result: afterLogout}, false
	case err != nil:
		f.background.run(func(ctx context.Context) {
			defer end()
			f.shareLater(ctx, s, r.next)
		})
		return r, true
	}
	return r, false
}

// shareLater tries again and again, for as long as a refresh may take.
func (f *refresher) shareLater(ctx context.Context, s, next *session.Session) {
	ctx, cancel := context.WithTimeout(ctx, refreshTimeout)
	defer cancel()
	ticker := time.NewTicker(sharePause)
	defer ticker.Stop()
	for {
		err := f.sessions.Share(ctx, next)
		if errors.Is(err, session.ErrRevoked) {
			f.drop(next)
		}
		if !errors.Is(err, session.ErrUnavailable) {
			return
		}
		select {
		case <-ctx.Done():
			f.report(s, renewal{result: withoutRedis, err: err}, 1)
			return
		case <-ticker.C:
		}
	}
}

// saveNewest writes the newest generation of a session to the head of an answer, when the browser has an older one, or when it is to
// be noted that the session is in use.
func (p *Proxy) saveNewest(h http.Header, r *http.Request, carried *session.Session) {
	newest, err := p.refreshes.current(carried)
	saved := newest == carried || newest != nil && p.sessions.Holds(newest)
	if err != nil || saved && !p.sessions.UseIsNews(carried) {
		return
	}
	next := *newest
	next.UsedAt = time.Now()
	err = p.sessions.Create(h, r, &next)
	switch {
	case errors.Is(err, session.ErrUnavailable): // which the log tells once, and not for each request
		return
	case err != nil:
		p.log.Warn("session_not_saved", "session", carried.Hash(), "error", shortened(err.Error()))
		return
	}
	keepFromCaches(h)
}
