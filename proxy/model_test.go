package proxy_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"doorward/config"
	"doorward/proxy"
	"doorward/proxy/providertest"
	"doorward/session"
)

// A model of who should be in, against which a whole site is driven at random: people log in, in each other's browsers too, ask for
// pages with the cookies they have and with copies of those they had, sign out, are signed out and locked out at the provider; time
// passes; cookies are tampered with; the provider is down; doorward is restarted, with another secret too. The model knows nothing of
// cookies, tokens or memory. It knows sessions, their times, how often each was refreshed, and who was told of that.
//
// What doorward knows dies with it, unless there is a Redis: then there are two doorwards, either of which may be asked, and
//
//   - what was ended stays so, over restarts too, and what the provider refreshes no more has ended;
//   - whoever refreshes an older generation gets the newest one, whoever made that;
//   - where sessions live in Redis, every copy of a cookie stands for the newest generation, and being idle is the session's, not the
//     copy's. A session is then open while both its cookie and its value there were sealed with a secret that is still known.

const (
	modelMaxAge = 10 * time.Hour
	modelIdle   = 3 * time.Hour
	modelToken  = time.Hour
	modelBefore = 30 * time.Second
)

// modelSession is a session as the provider and the model see it.
type modelSession struct {
	*session.Session // as it began
	person           string
	created          time.Duration
	refreshes        int  // how often the provider has refreshed it: that is the generation whose refresh token is good
	over             bool // at the provider

	// What doorward knows: all of it, and each since it was started.
	revoked bool
	shared  *state // what Redis has; nil for nothing
	latest  *copied
	known   [2]*generation
	ended   [2]bool // the provider refreshes known no more
}

// generation is a state of a session's tokens.
type generation struct {
	number int
	issued time.Duration
}

// state is what is sealed, in a cookie or in Redis.
type state struct {
	generation
	used   time.Duration
	secret int // the number of the secret that sealed it
}

// copied is a Cookie header, the browser's own or one that somebody kept.
type copied struct {
	cookie  string
	session *modelSession
	state
}

type model struct {
	*site
	t        *testing.T
	over     store
	random   *rand.Rand
	settings *config.Config
	now      time.Duration
	secret   int // the number of the first secret
	down     bool
	doors    []*proxy.Proxy // the doorwards, of which either may be asked
	at       int            // the one that is asked
	sessions []*modelSession
	browsers []*browser
	held     []*copied // by browser; nil for no session
	copies   []*copied
	story    []string
}

func TestModelOfSessions(t *testing.T) {
	for _, over := range stores() {
		for seed := range uint64(6) {
			t.Run(fmt.Sprint(over.name, ", seed ", seed), func(t *testing.T) {
				t.Parallel()
				runModel(t, over.open(t), seed, 250)
			})
		}
	}
}

func runModel(t *testing.T, over store, seed uint64, steps int) {
	m := &model{t: t, over: over, random: rand.New(rand.NewPCG(seed, seed))}
	m.site = newLivingSite(t, over.with(func(c *config.Config) {
		c.SessionMaxAge, c.SessionIdleTimeout, c.RefreshBefore = modelMaxAge, modelIdle, modelBefore
		c.AccessLog = "off"
		m.settings = c
	}))
	m.Provider.RegisterLogout(m.URL+"/oauth2/backchannel-logout", "")
	m.doors = []*proxy.Proxy{m.Proxy}
	if over.shared {
		m.doors = append(m.doors, m.another(m.settings))
	}
	for range 3 {
		m.browsers = append(m.browsers, m.browser())
		m.held = append(m.held, nil)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("after %s", strings.Join(m.story[max(0, len(m.story)-40):], "\n"))
		}
	})
	for range steps {
		m.askDoor(m.random.IntN(len(m.doors)))
		m.step()
		if t.Failed() {
			return
		}
	}
}

// askDoor decides which doorward is asked from now on.
func (m *model) askDoor(i int) {
	m.at, m.Proxy = i, m.doors[i]
	m.serving.Store(m.Proxy)
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
	case n < 86:
		m.signOut(i)
	case n < 88 && len(m.sessions) > 0:
		m.backChannel(m.sessions[m.random.IntN(len(m.sessions))])
	case n < 89:
		m.lockOut([]string{"alice", "bob", "carol"}[m.random.IntN(3)])
	case n < 92:
		m.outage(!m.down)
	case n < 94:
		m.restart(m.at)
	case n < 96:
		m.rotate()
	default:
		m.userinfo(m.held[i])
	}
}

// logIn: somebody logs in, in whichever browser.
func (m *model) logIn(i int) {
	person := []string{"alice", "bob", "carol"}[m.random.IntN(3)]
	m.tell("%s logs in, in browser %d", person, i)
	b := m.browsers[i]
	b.Person = person
	b.walk(m.URL+"/oauth2/start?rd=/x").wants(m.t, http.StatusOK)
	if c := m.held[i]; m.there(c) {
		over := c.session.over || c.session.person != person // the same person's refresh token is not revoked
		m.end(c.session)
		c.session.over = over
	}
	first := &copied{cookie: b.cookieHeader(m.site), state: state{generation{0, m.now}, m.now, m.secret}}
	first.session = &modelSession{Session: opened(m.t, m.site, first.cookie), person: person, created: m.now}
	if m.over.inRedis {
		first.session.shared = &state{generation{0, m.now}, m.now, m.secret}
	}
	m.sessions = append(m.sessions, first.session)
	m.hold(i, first)
}

// hold gives a browser its cookies, and somebody a copy of them.
func (m *model) hold(i int, c *copied) {
	m.held[i] = c
	if c != nil {
		kept := *c
		m.copies = append(m.copies, &kept)
		c.session.latest = &kept
	}
	if len(m.copies) > 12 {
		m.copies = slices.Delete(m.copies, 0, 1)
	}
}

// sealed is what a copy stands for.
func (m *model) sealed(c *copied) *state {
	if m.over.inRedis {
		return c.session.shared
	}
	return &c.state
}

// opens: it was sealed with a secret that is still known.
func (m *model) opens(c *copied) bool { return min(c.secret, m.sealed(c).secret) >= m.secret-1 }

// ends: it is over by itself.
func (m *model) ends(c *copied) bool {
	return m.now >= c.session.created+modelMaxAge || m.now >= m.sealed(c).used+modelIdle
}

// there: it is a session, over by itself or not, that nobody has ended. In Redis none is kept beyond its absolute end.
func (m *model) there(c *copied) bool {
	return c != nil && m.opens(c) && !c.session.revoked && (!m.over.inRedis || m.now < c.session.created+modelMaxAge)
}

// counts: somebody is signed in, as far as is known without asking the provider.
func (m *model) counts(c *copied) bool {
	if !m.there(c) || m.ends(c) {
		return false
	}
	_, ended := m.newest(c)
	return !ended
}

// end is what a sign-out does to a session.
func (m *model) end(s *modelSession) {
	s.over, s.known, s.ended = true, [2]*generation{}, [2]bool{}
	m.revoke(s)
}

// revoke ends a session, which all doorwards hear of.
func (m *model) revoke(s *modelSession) {
	s.revoked = true
	for _, p := range m.doors {
		eventually(m.t, func() bool { return errors.Is(p.Sessions().Check(s.Session), session.ErrRevoked) })
	}
}

// newest is the generation that a copy counts for at the doorward that is asked.
func (m *model) newest(c *copied) (g generation, ended bool) {
	known := c.session.known[m.at]
	if known == nil || m.sealed(c).number > known.number {
		return m.sealed(c).generation, false
	}
	return *known, c.session.ended[m.at]
}

// expect says how a request with a copy is answered, what comes of it, and which generation it is answered with.
func (m *model) expect(c *copied) (status int, g generation) {
	if !m.counts(c) {
		return http.StatusUnauthorized, g
	}
	s := c.session
	g, _ = m.newest(c)
	if m.now < g.issued+modelToken-modelBefore {
		return http.StatusOK, g
	}
	if theirs := s.shared; theirs != nil && theirs.secret >= m.secret-1 && theirs.number > g.number {
		g = theirs.generation
		s.known[m.at] = &g
		if m.now < g.issued+modelToken-modelBefore {
			return http.StatusOK, g
		}
	}
	s.known[m.at], s.ended[m.at] = &g, false
	switch {
	case m.down && m.now < g.issued+modelToken:
		return http.StatusOK, g
	case m.down:
		return http.StatusBadGateway, g
	case s.over || g.number < s.refreshes: // spent: the provider takes it for a theft
		s.over, s.ended[m.at] = true, true
		return http.StatusUnauthorized, g
	}
	s.refreshes++
	s.known[m.at] = &generation{g.number + 1, m.now}
	m.share(s)
	return http.StatusOK, *s.known[m.at]
}

// share lets other doorwards know of a refresh.
func (m *model) share(s *modelSession) {
	if !m.over.shared {
		return
	}
	used := time.Duration(0)
	if s.shared != nil {
		used = s.shared.used
	}
	s.shared = &state{*s.known[m.at], used, m.secret}
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
	news := status != http.StatusUnauthorized && (g.number != m.sealed(c).number || m.now-m.sealed(c).used >= modelIdle/10)
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
	} else if news {
		m.saved(p, c.session, browser, state{g, m.now, m.secret})
	}
	m.settled(c)
	if m.down {
		m.pass(time.Minute) // longer than any pause after a failure
	}
}

// saved notes what an answer has sealed anew.
func (m *model) saved(p *page, s *modelSession, browser int, sealed state) {
	if m.over.inRedis {
		s.shared = &sealed
		s.latest = &copied{p.sessionCookie(), s, sealed}
	}
	if browser < 0 {
		return
	}
	m.browsers[browser].keep(m.site, p.Header)
	m.hold(browser, &copied{m.browsers[browser].cookieHeader(m.site), s, sealed})
	if got := m.browsers[browser].carried(m.site); got.Generation != sealed.number {
		m.t.Errorf("the browser has generation %d, want %d", got.Generation, sealed.number)
	}
}

// settled waits until all doorwards have heard of what a request with a copy has changed.
func (m *model) settled(c *copied) {
	if c == nil {
		return
	}
	s := c.session
	if m.over.shared && s.over && (s.ended[0] || s.ended[1]) {
		m.revoke(s)
	}
	if m.over.inRedis && m.opens(s.latest) {
		m.settle(s.ID, s.latest.cookie)
	}
}

// userinfo tells of a session without touching it.
func (m *model) userinfo(c *copied) {
	status, cookie := http.StatusUnauthorized, ""
	if c != nil {
		cookie = c.cookie
		m.tell("userinfo is asked in %s's session, generation %d", c.session.person, c.number)
		if m.counts(c) {
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
	if m.there(c) {
		m.end(c.session)
	}
	m.hold(i, nil)
	if held := m.browsers[i].cookies(m.URL); len(held) != 0 {
		m.t.Errorf("the browser holds %d cookies", len(held))
	}
}

// backChannel: the provider says that a session has ended, or all of a person's. It says so once: whoever repeats it is refused.
func (m *model) backChannel(named *modelSession) {
	subject, sid := named.person, named.ProviderSession
	switch m.random.IntN(3) {
	case 0:
		subject = ""
	case 1:
		sid = ""
	}
	m.tell("the provider signs out person %q, session %q", subject, sid)
	token := m.Provider.LogoutToken(subject, sid)
	isAnswered(m.t, m.Provider.PostLogout(token), http.StatusOK)
	for _, s := range m.sessions {
		if s == named || sid == "" && s.person == subject {
			m.revoke(s)
		}
	}
	m.askDoor(m.random.IntN(len(m.doors)))
	isAnswered(m.t, m.Provider.PostLogout(token), http.StatusBadRequest)
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

// restart starts a doorward again. Cookies stay, and what is in Redis; memory does not.
func (m *model) restart(i int) {
	m.tell("doorward %d is restarted", i)
	at := slices.Index(*m.instances, m.doors[i])
	*m.instances = slices.Delete(*m.instances, at, at+1)
	m.doors[i] = m.another(m.settings)
	m.askDoor(i)
	for _, s := range m.sessions {
		s.known[i], s.ended[i] = nil, false
		s.revoked = s.revoked && m.over.shared
	}
}

// rotate starts all doorwards again with a new secret before the latest; older ones are dropped.
func (m *model) rotate() {
	m.tell("there is a new secret")
	next := *m.settings
	next.CookieSecrets = []string{config.NewSecret(), m.settings.CookieSecrets[0]}
	m.settings, m.secret = &next, m.secret+1
	for i := range m.doors {
		m.restart(i)
	}
}

// pass lets time pass.
func (m *model) pass(d time.Duration) {
	m.tell("%v pass", d)
	m.now += d
	for _, p := range m.doors {
		p.Age(d)
	}
	for _, s := range m.sessions {
		m.ageValue(s, d)
	}
	for _, c := range m.copies {
		m.age(c, d)
	}
	for i, c := range m.held {
		if c != nil {
			m.browsers[i].keep(m.site, m.age(c, d))
		}
	}
}

// ageValue makes older what Redis has; what does not open stays what it is.
func (m *model) ageValue(s *modelSession, d time.Duration) {
	if s.shared == nil || s.revoked || s.shared.secret < m.secret-1 || m.now-d >= s.created+modelMaxAge {
		return
	}
	m.ageShared(s.ID, d)
	s.shared.secret = m.secret
	m.settled(s.latest)
}

// age makes a copy older; one that does not open stays what it is.
func (m *model) age(c *copied, d time.Duration) (cookies http.Header) {
	if m.over.inRedis || !m.opens(c) {
		return nil
	}
	cookies = m.older(c.cookie, d)
	c.cookie, c.secret = (&page{Response: &http.Response{Header: cookies}}).sessionCookie(), m.secret
	return cookies
}
