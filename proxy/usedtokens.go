package proxy

import (
	"crypto/sha256"
	"sync"
	"time"
)

// maxUsedTokens bounds how many identifiers are remembered; each takes some 100 bytes.
const maxUsedTokens = 50_000

// usedTokens remembers identifiers of tokens that are good for one use, as long as they would be good. Only tokens that were
// verified come here, so that nobody but the provider can fill it. When it is full the oldest is forgotten, at a restart all are: such a
// token could end sessions once more, which is better than to refuse a new one. What instances that share a Redis have used is there, too
// (session.Manager.Spend).
type usedTokens struct {
	mu    sync.Mutex
	until map[[sha256.Size]byte]time.Time
	order [][sha256.Size]byte // as they came, with some that were given back in between
}

func newUsedTokens() *usedTokens {
	return &usedTokens{until: map[[sha256.Size]byte]time.Time{}}
}

// take says whether a token comes for the first time, and remembers it.
func (u *usedTokens) take(id string, until time.Time) bool {
	key := sha256.Sum256([]byte(id))
	u.mu.Lock()
	defer u.mu.Unlock()
	if time.Now().Before(u.until[key]) {
		return false
	}
	u.until[key] = until
	u.order = append(u.order, key)
	u.makeRoom()
	return true
}

// giveBack forgets a token that had no effect after all.
func (u *usedTokens) giveBack(id string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.until, sha256.Sum256([]byte(id)))
}

// makeRoom forgets what is over, from the oldest on, and where that is not enough, the oldest. The caller holds mu.
func (u *usedTokens) makeRoom() {
	for len(u.order) > 0 && (len(u.order) > maxUsedTokens || !time.Now().Before(u.until[u.order[0]])) {
		delete(u.until, u.order[0])
		u.order = u.order[1:]
	}
}
