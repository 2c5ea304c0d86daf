package proxy_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"doorward/config"
	"doorward/proxy"
	"doorward/proxy/providertest"
)

// A model of who should be in, against which a whole site is driven at random: people log in, in each other's browsers too, ask for
// pages with the cookies they have and with copies of those they had, sign out, are locked out at the provider; time passes; cookies
// are tampered with; the provider is down; doorward is restarted with another secret. The model knows nothing of cookies, tokens or
// memory. It knows sessions, their times, and how often each was refreshed.

const (
	modelMaxAge = 10 * time.Hour
	modelIdle   = 3 * time.Hour
	modelToken  = time.Hour
	modelBefore = 30 * time.Second
)

// login is a session as the provider and the model see it.
type modelSession struct {
	person    string
	created   time.Duration
	refreshes int  // how often the provider has refreshed it: that is the generation whose refresh token is good
	over      bool // at the provider

	// What doorward knows since it was started.
	revoked bool
	known   *generation
	ended   bool // the provider refreshes known no more
}

// generation is a state of a session's tokens.
type generation struct {
	number int
	issued time.Duration
}

// copied is a Cookie header, the browser's own or one that somebody kept.
type copied struct {
	cookie  string
	session *modelSession
	generation
	used   time.Duration
	secret int // the number of the secret that sealed it
}

type model struct {
	*site
	t        *testing.T
	random   *rand.Rand
	settings *config.Config
	now      time.Duration
	secret   int // the number of the first secret
	down     bool
	sessions []*modelSession
	browsers []*browser
	held     []*copied // by browser; nil for no session
	copies   []*copied
	story    []string
}

func TestModelOfSessions(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			runModel(t, seed, 250)
		})
	}
}

func runModel(t *testing.T, seed uint64, steps int) {
	m := &model{t: t, random: rand.New(rand.NewPCG(seed, seed))}
	m.site = newLivingSite(t, func(c *config.Config) {
		c.SessionMaxAge, c.SessionIdleTimeout, c.RefreshBefore = modelMaxAge, modelIdle, modelBefore
		c.AccessLog = "off"
		m.settings = c
	})
	for range 3 {
		m.browsers = append(m.browsers, m.browser())
		m.held = append(m.held, nil)
	}
	for range steps {
		m.step()
		if t.Failed() {
			t.Fatalf("after %s", strings.Join(m.story[max(0, len(m.story)-40):], "\n"))
		}
	}
}

func (m *model) tell(format string, args ...any) {
	m.story = append(m.story, fmt.Sprintf(format, args...))
}

func (m *model) step() {
	i := m.random.IntN(len(m.browsers))
	switch n := m.random.IntN(100); {
	case n < 10:
		m.logIn(i)
	case n < 45:
		m.request(m.held[i], i)
	case n < 60 && len(m.copies) > 0:
		m.request(m.copies[m.random.IntN(len(m.copies))], -1)
	case n < 65 && len(m.copies) > 0:
		m.tamper(m.copies[m.random.IntN(len(m.copies))])
	case n < 83:
		m.pass([]time.Duration{7 * time.Minute, 25 * time.Minute, 59*time.Minute + 45*time.Second, 2 * time.Hour}[m.random.IntN(4)])
	case n < 87:
		m.signOut(i)
	case n < 89:
		m.lockOut([]string{"alice", "bob", "carol"}[m.random.IntN(3)])
	case n < 93:
		m.outage(!m.down)
	case n < 96:
		m.restart()
	default:
		m.userinfo(m.held[i])
	}
}

// logIn: somebody logs in, in whichever browser.
func (m *model) logIn(i int) {
	person := []string{"alice", "bob", "carol"}[m.random.IntN(3)]
	m.tell("%s logs in, in browser %d", person, i)
	if c := m.held[i]; c != nil && m.opens(c) && !c.session.revoked {
		over := c.session.over || c.session.person != person // the same person's refresh token is not revoked
		m.end(c.session)
		c.session.over = over
	}
	b := m.browsers[i]
	b.Person = person
	b.walk(m.URL+"/oauth2/start?rd=/x").wants(m.t, http.StatusOK)
	s := &modelSession{person: person, created: m.now}
	m.sessions = append(m.sessions, s)
	m.hold(i, &copied{cookie: b.cookieHeader(m.site), session: s, generation: generation{0, m.now}, used: m.now, secret: m.secret})
}

// hold gives a browser its cookies, and somebody a copy of them.
func (m *model) hold(i int, c *copied) {
	m.held[i] = c
	if c != nil {
		kept := *c
		m.copies = append(m.copies, &kept)
	}
	if len(m.copies) > 12 {
		m.copies = slices.Delete(m.copies, 0, 1)
	}
}

// opens: it was sealed with a secret that is still known.
func (m *model) opens(c *copied) bool { return c.secret >= m.secret-1 }

// ends: it is over by itself.
func (m *model) ends(c *copied) bool {
	return m.now >= c.session.created+modelMaxAge || m.now >= c.used+modelIdle
}

// end is what a sign-out does to a session.
func (m *model) end(s *modelSession) { s.revoked, s.over, s.known, s.ended = true, true, nil, false }

// newest is the generation that a copy counts for.
func (c *copied) newest() (g generation, ended bool) {
	known := c.session.known
	if known == nil || c.number > known.number {
		return c.generation, false
	}
	return *known, c.session.ended
}

// expect says how a request with a copy is answered, what comes of it, and which generation it is answered with.
func (m *model) expect(c *copied) (status int, g generation) {
	if c == nil || !m.opens(c) || m.ends(c) || c.session.revoked {
		return http.StatusUnauthorized, g
	}
	g, ended := c.newest()
	if ended {
		return http.StatusUnauthorized, g
	}
	if m.now < g.issued+modelToken-modelBefore {
		return http.StatusOK, g
	}
	s := c.session
	s.known, s.ended = &g, false
	switch {
	case m.down && m.now < g.issued+modelToken:
		return http.StatusOK, g
	case m.down:
		return http.StatusBadGateway, g
	case s.over || g.number < s.refreshes: // spent: the provider takes it for a theft
		s.over, s.ended = true, true
		return http.StatusUnauthorized, g
	}
	s.refreshes++
	s.known = &generation{g.number + 1, m.now}
	return http.StatusOK, *s.known
}

// request asks for a page; browser -1 is somebody with a copy.
func (m *model) request(c *copied, browser int) {
	path := []string{"/x", "/public/x"}[m.random.IntN(2)]
	cookie := ""
	if c != nil {
		cookie = c.cookie
		m.tell("%s is asked for by browser %d in %s's session, generation %d", path, browser, c.session.person, c.number)
	}
	status, g := m.expect(c)
	user := ""
	if status == http.StatusOK {
		user = c.session.person
	}
	// Whoever is turned away because the provider is down is there all the same.
	news := status != http.StatusUnauthorized && (g.number != c.number || m.now-c.used >= modelIdle/10)
	if path == "/public/x" {
		status = http.StatusOK
	}
	p := m.rawAs(cookie, path).wants(m.t, status)
	if p.StatusCode == http.StatusOK {
		if got := m.Upstream.last(m.t).Header.Get("X-Forwarded-User"); got != user {
			m.t.Errorf("the user is %q, want %q", got, user)
		}
	}
	if got := p.sessionCookie(); (got != "") != news {
		m.t.Errorf("the answer sets cookies: %v, want %v", got != "", news)
	} else if news && browser >= 0 {
		m.browsers[browser].keep(m.site, p.Header)
		m.hold(browser, &copied{cookie: m.browsers[browser].cookieHeader(m.site), session: c.session, generation: g, used: m.now, secret: m.secret})
		if got := m.browsers[browser].carried(m.site); got.Generation != g.number {
			m.t.Errorf("the browser has generation %d, want %d", got.Generation, g.number)
		}
	}
	if m.down {
		m.pass(time.Minute) // longer than any pause after a failure
	}
}

// userinfo tells of a session without touching it.
func (m *model) userinfo(c *copied) {
	status, cookie := http.StatusUnauthorized, ""
	if c != nil {
		cookie = c.cookie
		m.tell("userinfo is asked in %s's session, generation %d", c.session.person, c.number)
		if _, ended := c.newest(); m.opens(c) && !m.ends(c) && !c.session.revoked && !ended {
			status = http.StatusOK
		}
	}
	if p := m.rawAs(cookie, "/oauth2/userinfo").wants(m.t, status); p.sessionCookie() != "" {
		m.t.Error("userinfo sets cookies")
	}
}

// tamper changes one character of a copy: it is nobody's, and nothing comes of it.
func (m *model) tamper(c *copied) {
	name, value, _ := strings.Cut(c.cookie, "=")
	at := m.random.IntN(len(value))
	changed := byte('A')
	if value[at] == changed {
		changed = 'B'
	}
	m.tell("a cookie is changed at %d", at)
	m.rawAs(name+"="+value[:at]+string(changed)+value[at+1:], "/x").wants(m.t, http.StatusUnauthorized)
}

func (m *model) signOut(i int) {
	m.tell("browser %d signs out", i)
	c := m.held[i]
	m.browsers[i].request(http.MethodPost, m.URL+"/oauth2/sign_out", headers("Sec-Fetch-Site", "same-origin"), "").wants(m.t, http.StatusSeeOther)
	m.Proxy.Rest()
	if c != nil && m.opens(c) && !c.session.revoked {
		m.end(c.session)
	}
	m.hold(i, nil)
	if held := m.browsers[i].cookies(m.URL); len(held) != 0 {
		m.t.Errorf("the browser holds %d cookies", len(held))
	}
}

// lockOut: an administrator of the provider ends everything of a person's.
func (m *model) lockOut(person string) {
	m.tell("%s is locked out", person)
	m.Provider.EndGrants(person)
	for _, s := range m.sessions {
		s.over = s.over || s.person == person
	}
}

func (m *model) outage(down bool) {
	m.tell("the provider is down: %v", down)
	if m.down = down; down {
		m.Provider.FailRefreshes(providertest.Fail(http.StatusServiceUnavailable, ""))
		return
	}
	m.Provider.FailRefreshes(nil)
	m.pass(time.Minute)
}

// restart starts doorward again with a new secret before the latest; older ones are dropped. Cookies stay, memory does not.
func (m *model) restart() {
	m.tell("doorward is restarted")
	next := *m.settings
	next.CookieSecrets = []string{config.NewSecret(), m.settings.CookieSecrets[0]}
	m.settings, m.secret = &next, m.secret+1
	m.Proxy = m.another(m.settings)
	m.serving.Store(m.Proxy)
	for _, s := range m.sessions {
		s.revoked, s.known, s.ended = false, nil, false
	}
}

// pass lets time pass.
func (m *model) pass(d time.Duration) {
	m.tell("%v pass", d)
	m.now += d
	m.Proxy.Age(d)
	for _, c := range m.copies {
		m.age(c, d)
	}
	for i, c := range m.held {
		if c != nil && m.opens(c) {
			m.age(c, d)
			m.browsers[i].age(m.site, d)
		}
	}
}

// age makes a copy older; one that does not open stays what it is.
func (m *model) age(c *copied, d time.Duration) {
	if !m.opens(c) {
		return
	}
	h := http.Header{}
	r := httptest.NewRequest(http.MethodGet, m.URL, nil)
	if err := m.Proxy.Sessions().Create(h, r, proxy.Older(opened(m.t, m.site, c.cookie), d)); err != nil {
		m.t.Fatal(err)
	}
	c.cookie, c.secret = (&page{Response: &http.Response{Header: h}}).sessionCookie(), m.secret
}
