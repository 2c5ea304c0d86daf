package session

import (
	"crypto/rand"
	"net/http"
	"strings"
	"time"
)

// Browsers that go round in circles carry the count themselves, since the same person may be signing in elsewhere as well.
// The caller notes how many logins were completed in a row; the next login for the same return address finds the note when it
// follows within a minute, and the first request that a session is good for clears it.

const (
	roundLifetime = time.Minute
	maxRounds     = 100
)

// CountRound notes, on the answer to the callback r, that so many logins for a return address were completed in a row.
func (m *Manager) CountRound(h http.Header, r *http.Request, returnTo string, rounds int) error {
	m.ForgetRounds(h, r)
	name := m.names.round + rand.Text()
	note := &Login{ReturnTo: returnTo, StartedAt: time.Now(), Rounds: min(rounds, maxRounds)}
	value, err := m.logins.seal(name, packLogin(note))
	if err != nil {
		return err
	}
	m.write(h, name, value, int(roundLifetime/time.Second))
	return nil
}

// Rounds tells how many logins in a row a browser has been noted to have completed for a return address, the last of them
// within a minute; 0 when there is no note.
func (m *Manager) Rounds(r *http.Request, returnTo string) (rounds int) {
	for _, c := range m.names.scan(r.Header["Cookie"]).logins {
		if !strings.HasPrefix(c.name, m.names.round) {
			continue
		}
		note, ok := m.openLogin(c)
		if ok && note.State == "" && note.ReturnTo == returnTo && time.Since(note.StartedAt) < roundLifetime {
			rounds = max(rounds, note.Rounds)
		}
	}
	return rounds
}

// ForgetRounds clears the notes that a request carries, and says whether it carries any. Hardly any request does, and all are asked: going
// through the names takes a quarter of the time of looking for one anywhere in the headers, which stops at each character of a sealed value
// that a name begins with.
func (m *Manager) ForgetRounds(h http.Header, r *http.Request) bool {
	cleared := 0
	for name := range pairs(r.Header["Cookie"]) {
		if strings.HasPrefix(name, m.names.round) && cleared < maxLogins {
			m.clear(h, name)
			cleared++
		}
	}
	return cleared > 0
}
