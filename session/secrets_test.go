//go:build unix

package session

import (
	"errors"
	"testing"

	"doorward/deploy/redistest"
)

// use puts secrets into use, by their seeds.
func (i instances) use(t *testing.T, seeds ...byte) {
	t.Helper()
	var o Options
	secrets(seeds...)(&o)
	for _, m := range []*Manager{i.one, i.other} {
		if err := m.UseSecrets(o.Secrets); err != nil {
			t.Fatal(err)
		}
	}
}

// Nobody is signed out by a rotation, and a secret that was dropped opens nothing any more, though what it sealed is remembered as opened.
func TestSecretsRotateWhileRunning(t *testing.T) {
	eachStore(t, secrets(1), func(t *testing.T, i instances) {
		before, after := newBrowser(t), newBrowser(t)
		before.login(i.one, newSession("alice", 0))
		for _, step := range []struct {
			name  string
			seeds []byte
		}{{"at first", []byte{1}}, {"the new one appended", []byte{1, 2}}, {"the new one first", []byte{2, 1}}} {
			i.use(t, step.seeds...)
			if err := before.status(i.other); err != nil {
				t.Errorf("%s: %v", step.name, err)
			}
		}
		after.login(i.one, newSession("bob", 0))
		i.use(t, 2)
		if err := before.status(i.other); !errors.Is(err, ErrNone) {
			t.Errorf("the old one dropped: %v", err)
		}
		if err := after.status(i.other); err != nil {
			t.Errorf("sealed by the new one: %v", err)
		}
	})
}

// What is written to Redis after a rotation is sealed with the new secret: an instance that has it alone finds the session.
func TestTheNewSecretSealsWhatIsInRedis(t *testing.T) {
	server := redistest.New(t)
	m, next := beside(t, server, inRedis, secrets(1)), beside(t, server, inRedis, secrets(2))
	instances{one: m, other: m}.use(t, 2, 1)
	b := newBrowser(t)
	b.login(m, newSession("alice", 0))
	if err := b.status(next); err != nil {
		t.Errorf("got %v", err)
	}
}

func TestALoginOutlivesARotation(t *testing.T) {
	m, b := newManager(t, secrets(1)), newBrowser(t)
	b.begin(m, b.request(), typicalLogin("state"))
	instances{one: m, other: m}.use(t, 2, 1)
	if _, err := m.FindLogin(b.request(), "state"); err != nil {
		t.Errorf("got %v", err)
	}
	instances{one: m, other: m}.use(t, 2)
	if _, err := m.FindLogin(b.request(), "state"); !errors.Is(err, ErrNone) {
		t.Errorf("with the old one dropped, got %v", err)
	}
}

func TestSecretsThatAreNoGoodAreNotUsed(t *testing.T) {
	m, b := newManager(t, secrets(1)), newBrowser(t)
	b.login(m, newSession("alice", 0))
	for name, bad := range map[string][][]byte{"none": nil, "short": {secret(2)[:31]}, "a pattern": {secret(2), make([]byte, 32)}} {
		if err := m.UseSecrets(bad); err == nil {
			t.Errorf("%s: taken", name)
		}
		if err := b.status(m); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
