package provider

import (
	"crypto/rand"
	"sync"
	"time"
)

// memoryLimit bounds how many values of a kind are kept. A demo never comes near it; something that hammers the provider
// does, and then loses its own oldest logins.
const memoryLimit = 10_000

// memory keeps values under keys for a while. The zero value is ready to use, by several goroutines.
type memory[V any] struct {
	mu      sync.Mutex
	entries map[string]entry[V]
}

type entry[V any] struct {
	value   V
	expires time.Time
}

// put keeps value under key for the given time.
func (m *memory[V]) put(key string, value V, lifetime time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.entries == nil {
		m.entries = map[string]entry[V]{}
	}
	if len(m.entries) >= memoryLimit {
		m.makeRoom()
	}
	m.entries[key] = entry[V]{value, time.Now().Add(lifetime)}
}

// makeRoom forgets what has expired, or else the one entry that would expire first.
func (m *memory[V]) makeRoom() {
	now, first := time.Now(), ""
	for key, e := range m.entries {
		if now.After(e.expires) {
			delete(m.entries, key)
		} else if first == "" || e.expires.Before(m.entries[first].expires) {
			first = key
		}
	}
	if len(m.entries) >= memoryLimit {
		delete(m.entries, first)
	}
}

// get returns the value under key; false when there is none, or none any more.
func (m *memory[V]) get(key string) (V, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.look(key)
}

// take is get for values that may be used once.
func (m *memory[V]) take(key string) (V, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	value, ok := m.look(key)
	delete(m.entries, key)
	return value, ok
}

func (m *memory[V]) look(key string) (V, bool) {
	e, ok := m.entries[key]
	if !ok || time.Now().After(e.expires) {
		var none V
		return none, false
	}
	return e.value, true
}

// newID is a name that nobody guesses: 130 bits or more.
func newID() string { return rand.Text() }
