package providertest

import (
	"crypto/rand"
	"errors"
	"net/http"
	"time"
)

// refreshing is how the provider refreshes tokens.
type refreshing struct {
	issued   bool // logins bring refresh tokens
	lasting  bool // a refresh token is good for ever, not for one use
	lifetime time.Duration
	tokens   map[string]*refreshToken
	bend     func(*Answer)
	instead  func(*Answer)
	hold     *hold

	bendRevocation func(*Answer)
}

type refreshToken struct {
	grant *grant
	spent bool
}

// hold is where refresh requests wait.
type hold struct{ arrived, released chan struct{} }

// IssueRefreshTokens makes every login from now on bring a refresh token. It is good for one use, and one that comes twice ends all
// that came of its login (RFC 9700 4.14.2).
func (p *Provider) IssueRefreshTokens() { p.setRefreshing(func(r *refreshing) { r.issued = true }) }

// IssueLastingRefreshTokens does the same with refresh tokens that are good for ever, and come with the login alone.
func (p *Provider) IssueLastingRefreshTokens() {
	p.setRefreshing(func(r *refreshing) { r.issued, r.lasting = true, true })
}

// SetTokenLifetime says how long access tokens live from now on; an hour before it is called.
func (p *Provider) SetTokenLifetime(d time.Duration) {
	p.setRefreshing(func(r *refreshing) { r.lifetime = d })
}

// BendRefreshes bends the successful answers to refreshes from now on; nil makes the provider honest again. What the refresh did to the
// refresh token stays done.
func (p *Provider) BendRefreshes(bend func(*Answer)) {
	p.setRefreshing(func(r *refreshing) { r.bend = bend })
}

// FailRefreshes answers refreshes so from now on, and has them do nothing; nil ends that.
func (p *Provider) FailRefreshes(instead func(*Answer)) {
	p.setRefreshing(func(r *refreshing) { r.instead = instead })
}

// Fail bends an answer to an error as RFC 6749 5.2 has it.
func Fail(status int, code string) func(*Answer) {
	return func(a *Answer) { *a = *oauthError(status, code, "as the test wants it") }
}

// Never bends an answer to none at all.
func Never(a *Answer) { a.Hang = true }

// HoldRefreshes makes refresh requests wait, each before it has any effect, until release is called. arrived tells of each that
// waits.
func (p *Provider) HoldRefreshes() (arrived <-chan struct{}, release func()) {
	h := &hold{arrived: make(chan struct{}, 1000), released: make(chan struct{})}
	p.setRefreshing(func(r *refreshing) { r.hold = h })
	return h.arrived, func() {
		p.setRefreshing(func(r *refreshing) { r.hold = nil })
		close(h.released)
	}
}

// EndGrants makes every refresh token of a person worthless, as when an administrator has locked them out.
func (p *Provider) EndGrants(subject string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, g := range p.grants {
		if g.user.Subject == subject {
			g.over = true
		}
	}
}

// Refreshes are the requests to refresh tokens, the oldest first.
func (p *Provider) Refreshes() []Request {
	var refreshes []Request
	for _, r := range p.Requests(Token) {
		if r.Form.Get("grant_type") == "refresh_token" {
			refreshes = append(refreshes, r)
		}
	}
	return refreshes
}

func (p *Provider) setRefreshing(change func(*refreshing)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.refresh)
}

func (p *Provider) tokenSeconds() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refresh.seconds()
}

// seconds is how long access tokens live. The caller holds mu.
func (r *refreshing) seconds() int64 {
	if r.lifetime == 0 {
		return 3600
	}
	return int64(r.lifetime / time.Second)
}

// add adds a refresh token to an answer, where one is due. The caller holds mu.
func (r *refreshing) add(g *grant, members map[string]any) {
	if !r.issued || r.lasting && g.refreshes > 0 {
		return
	}
	if r.tokens == nil {
		r.tokens = map[string]*refreshToken{}
	}
	token := "refresh-" + rand.Text()
	r.tokens[token] = &refreshToken{grant: g}
	members["refresh_token"] = token
}

// refreshInstead is the answer to a refresh that is not to be made; nil when it is.
func (p *Provider) refreshInstead() *Answer {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refresh.instead == nil {
		return nil
	}
	a := newAnswer(nil)
	p.refresh.instead(a)
	return a
}

// holdRefresh waits while refreshes are held.
func (p *Provider) holdRefresh(r *http.Request) {
	p.mu.Lock()
	h := p.refresh.hold
	p.mu.Unlock()
	if h == nil {
		return
	}
	h.arrived <- struct{}{}
	select {
	case <-h.released:
	case <-r.Context().Done():
	case <-p.done:
	}
}

// redeemRefreshToken checks a refresh request (RFC 6749 6) and spends its token.
func (p *Provider) redeemRefreshToken(r *http.Request) (*grant, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	token := p.refresh.tokens[r.PostForm.Get("refresh_token")]
	switch {
	case token == nil:
		return nil, errors.New("the refresh token is unknown")
	case r.PostForm.Has("redirect_uri") || r.PostForm.Has("code") || r.PostForm.Has("scope"):
		return nil, errors.New("a refresh has no parameters but grant_type and refresh_token")
	case token.spent:
		token.grant.over = true
		return nil, errors.New("the refresh token was used before; nothing that came of its login is good any more")
	case token.grant.over:
		return nil, errors.New("the refresh token is not good any more")
	}
	token.spent = !p.refresh.lasting
	token.grant.refreshes++
	token.grant.user = p.users[token.grant.user.Subject] // as they are now
	return token.grant, nil
}

func (p *Provider) bendRefresh(a *Answer) {
	for _, m := range p.mutations {
		if m.RefreshReply != nil {
			m.RefreshReply(p, a)
		}
	}
	p.mu.Lock()
	bend := p.refresh.bend
	p.mu.Unlock()
	if bend != nil {
		bend(a)
	}
}
