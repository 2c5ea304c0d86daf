package provider

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"
)

// The rules of introspection (RFC 7662), by which the provider says whose an access token is that it alone can read:
//
//   - The client authenticates, and sends the token in a form (2.1).
//   - Only what the provider calls active with a JSON true is good, and it must be for one of the audiences. What else it says of
//     issuer, time and kind must agree with that (2.2, 4).
//   - An answer that is none (an error, a timeout, broken JSON) says nothing of the token: neither that it is good nor that it is bad.
//   - An answer is remembered, for a revoked token should not be good for long: activeFor, and never beyond exp; inactiveFor,
//     apart, so that made-up tokens push out no good ones.
//   - Everybody who brings a token while it is asked about waits for the same answer. At most maxAsking questions are with the
//     provider at a time and maxWaiting more wait; beyond that nobody is asked.

const (
	activeFor         = time.Minute
	inactiveFor       = 5 * time.Second
	introspectTimeout = 5 * time.Second // with the wait for one's turn; a request of somebody hangs on it
	maxAsking         = 16
	maxWaiting        = 256
)

// introspection is what is asked and what was answered.
type introspection struct {
	active, inactive *memory
	turns            chan struct{} // one for each question with the provider

	mu      sync.Mutex
	waiting map[digest]*question
}

// question is one that is being asked. Its answer is there when done is closed.
type question struct {
	done   chan struct{}
	person *Person
	err    error
}

func newIntrospection() *introspection {
	return &introspection{active: newMemory(), inactive: newMemory(), turns: make(chan struct{}, maxAsking), waiting: map[digest]*question{}}
}

// introspected says whose a token is, by what is known of it or by asking.
func (p *Provider) introspected(ctx context.Context, raw string, of digest) (person *Person, remembered bool, err error) {
	if known, ok := p.introspection.recall(of); ok {
		return known.person, known.err == nil, known.err
	}
	q, err := p.join(ctx, raw, of)
	if err != nil {
		return nil, false, err
	}
	select {
	case <-q.done:
		return q.person, false, q.err
	case <-ctx.Done():
		return nil, false, asError(ctx.Err())
	}
}

func (i *introspection) recall(of digest) (knowledge, bool) {
	if known, ok := i.active.recall(of, nil); ok {
		return known, true
	}
	return i.inactive.recall(of, nil)
}

// join joins those who wait for an answer about the token, or begins to ask. A question belongs to nobody: an asker who goes away does
// not end it.
func (p *Provider) join(ctx context.Context, raw string, of digest) (*question, error) {
	i := p.introspection
	i.mu.Lock()
	defer i.mu.Unlock()
	if q, ok := i.waiting[of]; ok {
		return q, nil
	}
	if len(i.waiting) >= maxAsking+maxWaiting {
		return nil, fail(KindUnavailable, "more than %d tokens are being asked about", len(i.waiting))
	}
	q := &question{done: make(chan struct{})}
	i.waiting[of] = q
	go p.answer(context.WithoutCancel(ctx), q, strings.Clone(raw), of)
	return q, nil
}

// answer finds the answer to a question and remembers it before the next can be asked.
func (p *Provider) answer(ctx context.Context, q *question, raw string, of digest) {
	ctx, cancel := context.WithTimeout(ctx, introspectTimeout)
	defer cancel()
	i := p.introspection
	known, ok := i.recall(of) // by whoever asked just before
	if !ok {
		known = p.introspect(ctx, raw)
		i.keep(of, known)
	}
	q.person, q.err = known.person, known.err
	i.mu.Lock()
	delete(i.waiting, of)
	i.mu.Unlock()
	close(q.done)
}

// keep remembers an answer, unless it was none.
func (i *introspection) keep(of digest, known knowledge) {
	refused, _ := errors.AsType[*Error](known.err)
	switch {
	case known.err == nil:
		i.active.keep(of, nil, known)
	case refused != nil && refused.Kind == KindInvalidAccessToken:
		i.inactive.keep(of, nil, known)
	}
}

// introspect asks the provider about a token and checks the answer. No panic of ours is to end more than one question.
func (p *Provider) introspect(ctx context.Context, raw string) (k knowledge) {
	defer func() {
		if cause := recover(); cause != nil {
			k = knowledge{err: fail(KindUnavailable, "recovering from a panic: %v", cause)}
		}
	}()
	o, err := p.askIntrospection(ctx, raw)
	if err != nil {
		return knowledge{err: err}
	}
	t := &token{raw: raw, claims: o}
	l := &checklist{of: "introspection", kind: KindInvalidAccessToken}
	if err := l.run(p.introspectionRules(t)); err != nil {
		return knowledge{err: err, until: time.Now().Add(inactiveFor)}
	}
	until := time.Now().Add(activeFor)
	expiry, _ := t.claims.date("exp")
	if expiry.IsZero() {
		expiry = until // nobody says more; then the provider is asked anew
	}
	if expiry.Before(until) {
		until = expiry
	}
	return knowledge{person: p.bearer(t, expiry), until: until}
}

// askIntrospection gives the provider's answer when it is one: 200, JSON, and it says whether the token is active.
func (p *Provider) askIntrospection(ctx context.Context, raw string) (object, error) {
	m, err := p.metadata.get(ctx)
	if err != nil {
		return nil, asError(err)
	}
	if m.introspection == "" {
		return nil, fail(KindInvalidMetadata, "there is no introspection_endpoint; unset DOORWARD_INTROSPECT_TOKENS")
	}
	select {
	case p.introspection.turns <- struct{}{}:
		defer func() { <-p.introspection.turns }()
	case <-ctx.Done():
		return nil, fail(KindUnavailable, "too many tokens are being asked about")
	}
	form := url.Values{"token": {raw}, "token_type_hint": {"access_token"}}
	got, err := p.ask(ctx, "introspection", m.introspection, form)
	if err == nil {
		err = got.ok()
	}
	if err != nil {
		return nil, &Error{Kind: KindUnavailable, cause: fmt.Errorf("introspecting a token: %w", err)}
	}
	o, err := p.readIntrospection(got)
	if err != nil {
		return nil, &Error{Kind: KindUnavailable, cause: fmt.Errorf("introspecting a token: %w (RFC 7662 2.2)", err)}
	}
	return o, nil
}

func (p *Provider) readIntrospection(got *reply) (object, error) {
	o, err := got.json()
	if err != nil {
		return nil, err
	}
	if err := o.exactly(append(p.usedClaims(), "active", "token_type", "token_use")...); err != nil {
		return nil, err
	}
	if !o.has("active") {
		return nil, errors.New("active is missing")
	}
	_, err = o.flag("active")
	return o, err
}

// introspectionRules are those of an answer. Members that are optional must be right where they are there.
func (p *Provider) introspectionRules(t *token) []rule {
	where := func(name string, check func() (string, error)) func() (string, error) {
		return func() (string, error) {
			if !t.claims.has(name) {
				return "", nil
			}
			return check()
		}
	}
	return []rule{
		{"RFC 7662 2.2", func() (string, error) {
			if active, _ := t.claims.flag("active"); !active {
				return "", errors.New("the provider says that it is not active")
			}
			return "", nil
		}},
		{"RFC 7662 2.2, RFC 6750 6.1.1", where("token_type", func() (string, error) { return checkTokenType(t.claims, object{}) })},
		{"RFC 7662 2.2", where("token_use", func() (string, error) { return checkTokenUse(t.claims) })},
		{"RFC 8725 3.12", func() (string, error) { return "", t.claims.checkPayloadType() }},
		{"RFC 9449 7.2, RFC 8705 3", func() (string, error) { return "", t.checkUnbound() }},
		{"RFC 7662 2.2", where("iss", func() (string, error) { return t.checkIssuer(p.options.Issuer) })},
		{"RFC 7662 4", func() (string, error) { return t.checkOneAudience(p.options.Audience) }},
		{"RFC 7662 4", where("exp", t.checkExpiry)},
		{"RFC 7662 4", t.checkNotBefore},
		{"RFC 7519 4.1.6", t.checkIssuedBefore},
		{"RFC 7662 2.2, RFC 9068 5", func() (string, error) { return "", p.checkNamed(t) }},
		{"RFC 9470 6.2", func() (string, error) { return "", t.checkAuthentication() }},
	}
}

// checkTokenUse: a refresh token is none for an API, though servers introspect it too, and may pass token_type_hint over. Ory Hydra and its kin
// say so in token_use, and leave token_type out.
func checkTokenUse(claims object) (string, error) {
	use, err := claims.needText("token_use")
	if err == nil && use != "access_token" && use != "access" {
		err = fmt.Errorf("token_use is %s: it is no access token", quoted(use))
	}
	return use, err
}
