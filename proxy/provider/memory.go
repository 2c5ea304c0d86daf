package provider

import (
	"crypto/sha256"
	"reflect"
	"sync"
	"time"
)

// memory is what was found out about the tokens of API clients, so that not each of their requests costs a signature or a question.
//
//   - A token is known by the SHA-256 of all of it, and only what was found out about exactly it is ever said of it (CVE-2026-33496
//     came of a key that left something out).
//   - Nothing is said of it beyond its time, which is looked at each time.
//   - What rests on the provider's keys is forgotten when they change: a key that was withdrawn vouches for nothing any more.
//   - It is bounded. When it is full, what goes is of a few entries, drawn at random, the one that would go soonest.
type memory struct {
	mu    sync.Mutex
	keys  []key // on which it rests
	known map[digest]knowledge
}

const (
	maxKnown = 4096 // tokens; as only the provider can make good ones, and it makes them of a few KiB, this bounds the bytes, too
	drawn    = 8    // entries that are looked at when room is wanted
)

type digest = [sha256.Size]byte

// knowledge is what is known of one token: whose it is, or why it is none.
type knowledge struct {
	person *Person
	err    error
	until  time.Time
}

func newMemory() *memory { return &memory{known: map[digest]knowledge{}} }

// recall gives what is known of a token under the present keys.
func (m *memory) recall(of digest, keys []key) (knowledge, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.restsOn(keys) {
		clear(m.known)
	}
	m.keys = keys
	k, ok := m.known[of]
	return k, ok && time.Now().Before(k.until)
}

// keep keeps what was found out since recall, unless the keys are others by now.
func (m *memory) keep(of digest, keys []key, k knowledge) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.restsOn(keys) {
		m.makeRoom()
		m.known[of] = k
	}
}

// restsOn tells whether the keys are those of what is known. A set that was fetched anew and holds the same keys is the same.
func (m *memory) restsOn(keys []key) bool {
	if len(keys) != len(m.keys) {
		return false
	}
	return len(keys) == 0 || &keys[0] == &m.keys[0] || reflect.DeepEqual(keys, m.keys)
}

// makeRoom looks at a few entries for the one that is over soonest, and drops it if it is over already or there are too many. Ranging
// over a map begins anywhere.
func (m *memory) makeRoom() {
	var soonest digest
	looked := 0
	for of, k := range m.known {
		if looked == 0 || k.until.Before(m.known[soonest].until) {
			soonest = of
		}
		if looked++; looked == drawn {
			break
		}
	}
	if len(m.known) >= maxKnown || looked > 0 && !time.Now().Before(m.known[soonest].until) {
		delete(m.known, soonest)
	}
}
