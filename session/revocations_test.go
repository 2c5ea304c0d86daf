package session

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// person is a session of a person in a session of the provider's.
func person(subject, sid string) *Session {
	s := newSession(subject, 0)
	s.Issuer, s.ProviderSession = "https://id.example.com", sid
	return s
}

// Whoever holds tokens of a session that has ended asks why it has.
func TestReplacedIsNotSignedOut(t *testing.T) {
	m := newManager(t)
	replaced, signedOut := person("alice", "1"), person("alice", "2")
	for _, s := range []*Session{replaced, signedOut} {
		newBrowser(t).login(m, s)
	}
	for _, err := range []error{m.Replace(replaced), m.Revoke(signedOut)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if !m.Replaced(replaced) || m.Replaced(signedOut) {
		t.Errorf("replaced: %t, %t", m.Replaced(replaced), m.Replaced(signedOut))
	}
}

func TestRevocationsReachWhatTheyName(t *testing.T) {
	const issuer = "https://id.example.com"
	for _, test := range []struct {
		name   string
		revoke func(m *Manager, s *Session)
		ends   []string // of the sessions alice/1, alice/2, alice/ (without a sid), bob/3
	}{
		{"the session itself", func(m *Manager, s *Session) { m.Revoke(s) }, []string{"alice/1"}},
		{"the session that a login replaces", func(m *Manager, s *Session) { m.Replace(s) }, []string{"alice/1"}},
		{"the provider's session", func(m *Manager, _ *Session) { m.RevokeProviderSession(issuer, "1") }, []string{"alice/1"}},
		{"the person", func(m *Manager, _ *Session) { m.RevokeSubject(issuer, "alice") }, []string{"alice/1", "alice/2", "alice/"}},
		{"the person's sessions without sid", func(m *Manager, _ *Session) { m.RevokeUnnamed(issuer, "alice") }, []string{"alice/"}},
		{"the user", func(m *Manager, _ *Session) { m.RevokeUser(issuer, "alice@example.com") }, []string{"alice/1", "alice/2", "alice/"}},
		{"the session by its hash", func(m *Manager, s *Session) { m.RevokeLogged(s.Hash()) }, []string{"alice/1"}},
		{"a session by the hash that everybody's would have", func(m *Manager, _ *Session) { m.RevokeLogged("000000000000") }, nil},
		{"another issuer's user", func(m *Manager, _ *Session) { m.RevokeUser("https://other", "alice@example.com") }, nil},
		{"a user called like a sub", func(m *Manager, _ *Session) { m.RevokeUser(issuer, "alice") }, nil},
		{"a person called like a user", func(m *Manager, _ *Session) { m.RevokeSubject(issuer, "alice@example.com") }, nil},
		{"another issuer's session", func(m *Manager, _ *Session) { m.RevokeProviderSession("https://other", "1") }, nil},
		{"another issuer's person without sid", func(m *Manager, _ *Session) { m.RevokeUnnamed("https://other", "alice") }, nil},
		{"another issuer's person", func(m *Manager, _ *Session) { m.RevokeSubject("https://other", "alice") }, nil},
		{"a session called like a person", func(m *Manager, _ *Session) { m.RevokeProviderSession(issuer, "alice") }, nil},
		{"a session without a name", func(m *Manager, _ *Session) { m.RevokeProviderSession(issuer, "") }, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := newManager(t)
			browsers := map[string]*browser{}
			var first *Session
			for _, who := range [][2]string{{"alice", "1"}, {"alice", "2"}, {"alice", ""}, {"bob", "3"}} {
				s := person(who[0], who[1])
				s.User = who[0] + "@example.com"
				b := newBrowser(t)
				b.login(m, s)
				browsers[who[0]+"/"+who[1]] = b
				if first == nil {
					first = s
				}
			}
			test.revoke(m, first)
			ended := map[string]bool{}
			for _, name := range test.ends {
				ended[name] = true
			}
			for name, b := range browsers {
				if _, err := m.Get(b.request()); errors.Is(err, ErrRevoked) != ended[name] {
					t.Errorf("%s: got %v", name, err)
				}
			}
		})
	}
}

func TestANewLoginIsNotRevoked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, b := newManager(t), newBrowser(t)
		m.RevokeSubject("https://id.example.com", "alice")
		m.RevokeProviderSession("https://id.example.com", "1")
		time.Sleep(time.Nanosecond)
		b.login(m, person("alice", "1"))
		if _, err := m.Get(b.request()); err != nil {
			t.Error(err)
		}
	})
}

func TestRevocationsAreRememberedAsLongAsASessionLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, func(o *Options) { o.MaxAge = time.Hour })
		s := person("alice", "1")
		s.ExpiresAt, s.TokenExpiresAt = s.CreatedAt.Add(24*time.Hour), s.CreatedAt.Add(24*time.Hour)
		b := newBrowser(t)
		b.login(m, s)
		m.Revoke(s)
		time.Sleep(time.Hour - time.Nanosecond)
		if _, err := m.Get(b.request()); !errors.Is(err, ErrRevoked) {
			t.Errorf("just before its end: %v", err)
		}
		time.Sleep(2 * time.Hour)
		m.RevokeSubject("https://id.example.com", "somebody")
		if len(m.revoked.entries) != 1 || len(m.revoked.order) != 1 {
			t.Errorf("%d entries are kept, %d in order", len(m.revoked.entries), len(m.revoked.order))
		}
		if _, err := m.Get(b.request()); !errors.Is(err, ErrExpired) {
			t.Errorf("after its end: %v", err)
		}
	})
}

// What is forgotten too early would end everybody's sessions instead, since nothing is forgotten without that.
func TestARevocationEndsNobodyElseLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, func(o *Options) { o.MaxAge = time.Hour })
		alice, bob, b := person("alice", "1"), person("bob", "2"), newBrowser(t)
		b.login(m, bob)
		time.Sleep(time.Nanosecond)
		m.Revoke(alice)
		for range 59 {
			time.Sleep(time.Minute)
			m.RevokeSubject(alice.Issuer, "somebody") // at which what is over is looked for
			if _, err := m.Get(b.request()); err != nil {
				t.Fatalf("after %v: %v", time.Since(bob.CreatedAt), err)
			}
		}
	})
}

// However many revocations come, memory is bounded, and nobody who was signed out is let in again.
func TestAFullSetEndsOlderSessionsAndForgetsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t)
		revoked, bystander, younger := person("alice", "1"), person("bob", "2"), (*Session)(nil)
		time.Sleep(time.Second)
		m.RevokeProviderSession(revoked.Issuer, "1")
		time.Sleep(time.Second)
		younger = person("carol", "3")
		time.Sleep(time.Second)
		for i := range maxRevocations {
			m.RevokeProviderSession("https://id.example.com", fmt.Sprint("other ", i))
		}
		if len(m.revoked.entries) > maxRevocations || len(m.revoked.order) > maxRevocations {
			t.Errorf("%d entries, %d in order", len(m.revoked.entries), len(m.revoked.order))
		}
		if !m.Revoked(revoked) || !m.Revoked(bystander) || m.Revoked(younger) {
			t.Errorf("revoked %t, as old %t, younger %t", m.Revoked(revoked), m.Revoked(bystander), m.Revoked(younger))
		}
	})
}

// One name that is revoked again and again fills nothing, whatever else is revoked.
func TestRepeatedRevocationsOfOneNameEndNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t)
		bystander, carol := person("bob", "2"), person("carol", "3")
		time.Sleep(time.Nanosecond)
		m.RevokeSubject(testIssuer, "carol")
		for range 3 * maxRevocations {
			time.Sleep(time.Nanosecond)
			m.RevokeSubject(testIssuer, "alice")
		}
		if m.Revoked(bystander) || !m.Revoked(carol) || len(m.revoked.order) > 2*maxRevocations {
			t.Errorf("the other is revoked: %t; %d in order", m.Revoked(bystander), len(m.revoked.order))
		}
	})
}

func TestWhatIsNoHashEndsNobody(t *testing.T) {
	m := newManager(t)
	for _, hash := range []string{"", "alice", "zzzzzzzzzzzz", "0123456789a", "0123456789", "0123456789abcd"} {
		if err := m.RevokeLogged(hash); !errors.Is(err, ErrNoHash) {
			t.Errorf("%q: %v", hash, err)
		}
	}
	if len(m.revoked.all()) != 0 {
		t.Error("something is revoked")
	}
}

func BenchmarkRevoked(b *testing.B) {
	m := newManager(b)
	for i := range 1000 {
		m.RevokeSubject("https://id.example.com", fmt.Sprint(i))
	}
	s := person("alice", "1")
	for b.Loop() {
		m.Revoked(s)
	}
}

// Entries reach an instance in any order. The latest counts.
func TestALateRevocationTakesNothingBack(t *testing.T) {
	for name, key := range map[string]revocationKey{"of a person": keyOfSubject(testIssuer, "alice"), "of everybody": keyOfEverybody()} {
		t.Run(name, func(t *testing.T) {
			m, s := newManager(t), person("alice", "1")
			m.revoked.take(revocation{key, s.CreatedAt.Add(time.Minute)})
			m.revoked.take(revocation{key, s.CreatedAt.Add(-time.Minute)})
			isRevoked(t, m, s, true)
		})
	}
}

// When a revocation is outlived, the later one of the same person is not forgotten with it.
func TestALaterRevocationOutlivesTheEarlierOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, func(o *Options) { o.MaxAge = time.Hour })
		m.RevokeSubject(testIssuer, "alice")
		time.Sleep(30 * time.Minute)
		s := person("alice", "1")
		time.Sleep(10 * time.Minute)
		m.RevokeSubject(testIssuer, "alice")
		time.Sleep(25 * time.Minute)
		m.RevokeSubject(testIssuer, "somebody")
		isRevoked(t, m, s, true)
	})
}
