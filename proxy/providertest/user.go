package providertest

import (
	"maps"
	"time"
)

// User is a person whom the provider knows.
type User struct {
	Subject string   // "sub"; also the name by which SignIn and login_hint choose the person
	Email   string   // "email", with "email_verified" true; no claim when empty
	Groups  []string // "groups" in both tokens and at userinfo; no claim when nil
	Claims  map[string]any
}

// Users are the people whom every provider knows: alice (Admin, Dev), bob (Dev) and carol, who is in no group.
func Users() []User {
	return []User{
		{Subject: "alice", Email: "alice@example.com", Groups: []string{"Admin", "Dev"}},
		{Subject: "bob", Email: "bob@example.com", Groups: []string{"Dev"}},
		{Subject: "carol", Email: "carol@example.com"},
	}
}

// AddUser makes a person known, or changes one who is.
func (p *Provider) AddUser(u User) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.users[u.Subject] = u
}

// SignIn makes the person the one for whom the authorization endpoint answers, unless a request's login_hint names another.
func (p *Provider) SignIn(subject string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, known := p.users[subject]; !known {
		p.t.Errorf("signing in %q, whom the provider does not know", subject)
	}
	p.signedIn = subject
}

// SignInAt makes the time the one at which the person who is signed in last proved who they are. Before that, they always just did.
func (p *Provider) SignInAt(t time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.since = t
}

// authenticated is when the person who is signed in proved who they are.
func (p *Provider) authenticated() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.since.IsZero() {
		return time.Now()
	}
	return p.since
}

// person is whom the authorization request is answered for.
func (p *Provider) person(hint string) User {
	p.mu.Lock()
	defer p.mu.Unlock()
	if u, known := p.users[hint]; known {
		return u
	}
	return p.users[p.signedIn]
}

// claims are those that describe the person, as the ID token and userinfo carry them.
func (u User) claims() map[string]any {
	c := map[string]any{"sub": u.Subject, "preferred_username": u.Subject + "@corp", "name": "The " + u.Subject}
	if u.Email != "" {
		c["email"], c["email_verified"] = u.Email, true
	}
	if u.Groups != nil {
		c["groups"] = u.Groups
	}
	maps.Copy(c, u.Claims)
	return c
}
