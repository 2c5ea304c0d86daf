//go:build unix

package redis

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"doorward/deploy/redistest"
	"doorward/proxy/providertest"
)

// longestLockOut is how long a dead replica may hold a person up: until its lock is over, and the refresh or the login after it is done.
const longestLockOut = 8 * time.Second

// A replica is killed in the middle of a refresh, with its lock in Redis. The other one waits until that is over. Where the provider had
// not spent the refresh token yet, nobody notices; where it had, and its answer is lost, the person passes through the login once.
func TestAReplicaThatDiesInTheMiddleOfARefreshLocksNobodyOut(t *testing.T) {
	for _, crash := range []struct {
		name    string
		refresh func(*providertest.Answer) // what the provider does with what the dead replica asked for
		logins  int
	}{
		{"before the provider spent the token", providertest.Fail(http.StatusServiceUnavailable, "temporarily_unavailable"), 0},
		{"after the provider spent the token", nil, 1},
	} {
		t.Run(crash.name, func(t *testing.T) {
			t.Parallel()
			eachStore(t, func(t *testing.T, store string) {
				i := install(t, redistest.New(t).URL(), store, "REFRESH_BEFORE=2s")
				i.Provider.IssueRefreshTokens()
				i.Provider.SetTokenLifetime(4 * time.Second)
				b := i.SignedIn(1)[0]
				old, logins := b.Get("/").application().Token, 0
				i.dieRefreshing(b, crash.refresh)
				if err := until(longestLockOut, func() (bool, error) {
					a := b.Go("/")
					if a.refused() {
						logins++
						a = b.SignIn()
					}
					if !a.served() {
						return false, fmt.Errorf("%v\n%s", a, a.Body)
					}
					return a.application().Token != old, nil
				}); err != nil {
					t.Errorf("waiting for a new token: %v", err)
				}
				if logins != crash.logins {
					t.Errorf("%d logins, want %d", logins, crash.logins)
				}
			})
		})
	}
}

// dieRefreshing kills the first replica when the provider has its request to refresh a person's tokens, and returns when the provider
// has answered that, to nobody: with the tokens, or instead as it is told.
func (i *installation) dieRefreshing(b *browser, instead func(*providertest.Answer)) {
	i.t.Helper()
	arrived, release := i.Provider.HoldRefreshes()
	await(i.t, "a refresh", func() bool {
		b.Get("/", on(0)).Want(i.t, http.StatusOK)
		return len(arrived) > 0
	})
	i.Provider.FailRefreshes(instead)
	i.Replicas[0].Kill()
	await(i.t, "the provider to answer the dead replica", func() bool {
		return i.Provider.Refreshes()[0].Answer != ""
	})
	i.Provider.FailRefreshes(nil)
	release()
}
