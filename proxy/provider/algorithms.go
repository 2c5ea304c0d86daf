package provider

import (
	"slices"
	"strings"
	"sync"
)

// A logout token is signed as ID tokens are (OIDC Back-Channel Logout 2.6 (3)). No setting says how that is: a provider may announce every
// algorithm and use one, and the key of another may be in worse hands. So doorward remembers by which algorithms it has
// verified ID tokens, at logins and in sessions, and then expects these alone. Before it knows any it takes what both sides announce:
// refusing would leave sessions alive that the provider has ended.

// algorithms are those that ID tokens were signed by. The zero value knows none. It is safe for concurrent use.
type algorithms struct {
	mu      sync.RWMutex
	names   []string
	headers map[string]bool // of ID tokens that were learned from: sessions in use cost no more than looking one up
}

const maxHeaders = 64 // one or two for each key; when there are more, they are read again

// learn remembers how an ID token was signed that was verified, now or before.
func (a *algorithms) learn(idToken string) {
	first, _, _ := strings.Cut(idToken, ".")
	a.mu.RLock()
	known := a.headers[first]
	a.mu.RUnlock()
	if known {
		return
	}
	h, err := parseHeader(first)
	if err != nil || keyTypeOf(h.algorithm) == "" {
		return // no token of ours
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.headers == nil || len(a.headers) >= maxHeaders {
		a.headers = map[string]bool{}
	}
	a.headers[strings.Clone(first)] = true
	if !slices.Contains(a.names, h.algorithm) {
		a.names = append(a.names, h.algorithm)
	}
}

// among gives those of the announced algorithms that ID tokens were signed by; all, as long as it knows of none.
func (a *algorithms) among(announced []string) []string {
	a.mu.RLock()
	defer a.mu.RUnlock()
	used := slices.DeleteFunc(slices.Clone(announced), func(name string) bool { return !slices.Contains(a.names, name) })
	if len(used) == 0 {
		return announced
	}
	return used
}

// LearnAlgorithm tells of an ID token that was verified by this provider's keys before, such as that of a session that was just
// opened. Logout tokens are then expected to be signed by the same algorithm.
func (p *Provider) LearnAlgorithm(idToken string) { p.signedBy.learn(idToken) }
