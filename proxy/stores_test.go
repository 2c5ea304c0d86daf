package proxy_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"doorward/config"
	"doorward/proxy"
	"doorward/session"
)

// Sites whose sessions live in their cookies, in their cookies beside a Redis, and in Redis. A site over Redis can be made older too: what
// Redis has of a session is rewritten, and every doorward hears of it.

// store is where the sessions of a site live.
type store struct {
	name    string
	inRedis bool // they live there
	shared  bool // doorwards know of each other through a Redis
	url     string
}

// stores are all of them. Those over Redis have one redis-server, or skip the test where there is none.
func stores() []store {
	return []store{{name: "cookie"}, {name: "cookie beside redis", shared: true}, {name: "redis", shared: true, inRedis: true}}
}

// eachStore runs a test wherever sessions may live.
func eachStore(t *testing.T, test func(t *testing.T, over store)) {
	for _, over := range stores() {
		t.Run(over.name, func(t *testing.T) { test(t, over.open(t)) })
	}
}

// open starts what the store needs.
func (o store) open(t testing.TB) store {
	t.Helper()
	if o.shared {
		o.url = startRedis(t)
	}
	return o
}

// storeOf is the configuration of a site for a test that TestOverRedis has started, whose name tells of the store.
func storeOf(t testing.TB) func(*config.Config) {
	names := strings.Split(t.Name(), "/")
	for _, over := range stores() {
		if names[0] == "TestOverRedis" && len(names) > 1 && names[1] == strings.ReplaceAll(over.name, " ", "_") {
			return over.open(t).with()
		}
	}
	return func(*config.Config) {}
}

// TestOverRedis runs tests of sessions over Redis, too. Those that look into cookies or restart doorward are not among them.
func TestOverRedis(t *testing.T) {
	tests := map[string]func(*testing.T){
		"one login for all hosts":           TestOneLoginForAllHosts,
		"a sign-out at one of them":         TestSigningOutAtOneOfSeveralHosts,
		"a new session at each login":       TestNewSessionAtEachLogin,
		"invalid_grant":                     TestInvalidGrantEndsTheSession,
		"a sign-out during a refresh":       TestSignOutDuringARefresh,
		"a sign-out during an answer":       TestSignOutDuringAnAnswer,
		"a slow answer":                     TestSlowAnswerDoesNotOverwriteANewerGeneration,
		"refreshed groups":                  TestRefreshedGroupsDecide,
		"unusable claims":                   TestRefreshWithUnusableClaims,
		"lasting refresh tokens":            TestLastingRefreshTokens,
		"an outage during a refresh":        TestOutageInTheMiddleOfARefresh,
		"the absolute end":                  TestAbsoluteLifetimeDoesNotMove,
		"the end of the login":              TestRefreshKeepsTheEndOfTheLogin,
		"idle sessions":                     TestIdleSessionsEnd,
		"userinfo extends nothing":          TestUserinfoExtendsNothing,
		"without refresh":                   TestSessionWithoutRefresh,
		"a sign-out revokes":                TestSignOutRevokesTheRefreshToken,
		"somebody else logs in":             TestLoginEndsTheSessionOfSomebodyElse,
		"the same person logs in":           TestALoginEndsTheSessionBefore,
		"instances take turns":              TestReplicasTakeTurns,
		"whose sessions a logout ends":      TestWhoseSessionsALogoutEnds,
		"a new login after a logout":        TestANewLoginAfterALogoutCounts,
		"a logout during a login":           TestALogoutDuringALogin,
		"a frame":                           TestFrontChannelLogoutBySid,
		"a new login after a frame":         TestANewLoginAfterAFrontChannelLogoutCounts,
		"everywhere":                        TestSignOutEverywhere,
		"a step-up holds":                   TestStepUpHolds,
		"an administrator, all generations": TestAnAdministratorEndsAllGenerations,
		"a session that is too large":       TestSessionTooLarge,
	}
	for _, over := range stores() {
		if !over.shared {
			continue
		}
		t.Run(over.name, func(t *testing.T) {
			t.Parallel()
			for name, test := range tests {
				t.Run(name, test)
			}
		})
	}
}

// with is the configuration of a site over this store, with further changes where there are any.
func (o store) with(changes ...func(*config.Config)) func(*config.Config) {
	return func(c *config.Config) {
		if o.shared {
			c.RedisURL, c.SessionStore = o.url, map[bool]string{false: "cookie", true: "redis"}[o.inRedis]
		}
		for _, change := range changes {
			if change != nil {
				change(c)
			}
		}
	}
}

// reached waits until a doorward has reached its Redis, if it has one.
func reached(t testing.TB, p *proxy.Proxy) {
	t.Helper()
	eventually(t, p.Sessions().Reachable)
}

// stored is what Redis has of sessions, for tests to look into and to rewrite.
type stored struct {
	client rueidis.Client
	kind   string // begins the keys
}

// openStored gives nil for settings without Redis.
func openStored(t testing.TB, c *config.Config) *stored {
	t.Helper()
	if c.RedisURL == "" {
		return nil
	}
	option := rueidis.MustParseURL(c.RedisURL)
	option.DisableCache = true
	client, err := rueidis.NewClient(option)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	kind := "refreshed:"
	if c.KeepsSessionsInRedis() {
		kind = "session:"
	}
	return &stored{client, c.RedisPrefix + kind}
}

func (r *stored) key(id string) string {
	sum := sha256.Sum256([]byte(id))
	return r.kind + base64.RawURLEncoding.EncodeToString(sum[:])
}

// value is what is there for a session: its generation, its time of use, and what is sealed; empty where there is nothing.
func (r *stored) value(t testing.TB, id string) string {
	t.Helper()
	value, err := r.client.Do(t.Context(), r.client.B().Get().Key(r.key(id)).Build()).ToString()
	if err != nil && !rueidis.IsRedisNil(err) {
		t.Fatal(err)
	}
	return value
}

// has says whether what was found of a session is what is there for it; nil for nothing.
func (r *stored) has(t testing.TB, id string, found *session.Session) bool {
	t.Helper()
	value := r.value(t, id)
	if found == nil {
		return !strings.Contains(value, " ")
	}
	return strings.HasPrefix(value, fmt.Sprintf("%d %d ", found.Generation, found.UsedAt.UnixMicro()))
}

// outdate gives a value the oldest head there is, so that any other one replaces it.
func (r *stored) outdate(t testing.TB, id string) {
	t.Helper()
	fields := strings.SplitN(r.value(t, id), " ", 3)
	if len(fields) != 3 {
		return
	}
	command := r.client.B().Set().Key(r.key(id)).Value("0 0 " + fields[2]).Xx().Keepttl().Build()
	if err := r.client.Do(t.Context(), command).Error(); err != nil {
		t.Fatal(err)
	}
}

// inRedis says that sessions live there.
func (s *site) inRedis() bool { return s.stored != nil && strings.HasSuffix(s.stored.kind, "session:") }

// older seals the session of a Cookie header anew, so much older, and gives the header that sets its cookies. Where sessions live in
// Redis a cookie has no age.
func (s *site) older(cookie string, d time.Duration) http.Header {
	s.t.Helper()
	h := http.Header{}
	if s.inRedis() {
		return h
	}
	r := httptest.NewRequest(http.MethodGet, s.URL, nil)
	r.Header.Set("Cookie", cookie)
	if err := s.Proxy.Sessions().Create(h, r, proxy.Older(opened(s.t, s, cookie), d)); err != nil {
		s.t.Fatal(err)
	}
	return h
}

// ageShared makes older what Redis has of a session, if there is anything.
func (s *site) ageShared(id string, d time.Duration) {
	s.t.Helper()
	m, none := s.Proxy.Sessions(), &session.Session{ID: id, Generation: -1}
	known, end, err := m.BeginRefresh(s.t.Context(), none)
	if err != nil {
		return
	}
	defer end()
	if known == none {
		return
	}
	s.stored.outdate(s.t, id)
	if err := m.Share(s.t.Context(), proxy.Older(known, d)); err != nil {
		s.t.Fatal(err)
	}
}

// settle waits until every doorward has heard of what is in Redis of the session of a Cookie header.
func (s *site) settle(id, cookie string) {
	s.t.Helper()
	if !s.inRedis() {
		return
	}
	r := httptest.NewRequest(http.MethodGet, s.URL, nil)
	r.Header.Set("Cookie", cookie)
	for _, p := range *s.instances {
		eventually(s.t, func() bool {
			found, _ := p.Sessions().Get(r)
			return s.stored.has(s.t, id, found)
		})
	}
}
