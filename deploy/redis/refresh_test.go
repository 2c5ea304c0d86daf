//go:build unix

package redis

import (
	"slices"
	"sync"
	"testing"
	"time"

	"doorward/deploy/redistest"
	"doorward/proxy/providertest"
)

// Fifty people whose pages ask for six things at once, of replicas that each see half of it, with tokens that are refreshed after four
// seconds and refresh tokens that are good for one use: nobody is ever signed out, and nothing is asked for twice.
func TestRefreshesOfReplicasDoNotRace(t *testing.T) {
	for _, store := range []string{"redis", "cookie"} {
		t.Run(store, func(t *testing.T) {
			i := install(t, redistest.New(t).URL(), "SESSION_STORE="+store)
			i.Provider.IssueRefreshTokens()
			i.Provider.SetTokenLifetime(8 * time.Second) // and refreshed in the second half of that, since REFRESH_BEFORE is longer
			i.Provider.BendRefreshes(func(*providertest.Answer) {
				<-time.After(100 * time.Millisecond) // the old token is spent, the new one under way
			})
			people := i.SignedIn(50)
			end := time.Now().Add(11 * time.Second)
			each(people, func(b *browser) {
				pause := time.NewTicker(2 * time.Second)
				defer pause.Stop()
				for time.Now().Before(end) {
					b.burst(t, 6)
					<-pause.C
				}
			})
			each(people, func(b *browser) {
				if err := until(patience, func() (bool, error) { return b.Get("/").served(), nil }); err != nil {
					t.Errorf("waiting for %s to be served at last: %v", b.person, err)
				}
			})
			i.askedOnce(2 * len(people))
		})
	}
}

// burst asks for several things at once, as a page does.
func (b *browser) burst(t *testing.T, n int) {
	var page sync.WaitGroup
	for range n {
		page.Go(func() {
			if a := b.Get("/"); !a.served() && !a.later() { // a busy machine makes Redis slow
				t.Errorf("%v\n%s", a, a.Body)
			}
		})
	}
	page.Wait()
}

// askedOnce fails the test unless at least so many refresh tokens came to the provider, each once and each good.
func (i *installation) askedOnce(least int) {
	i.t.Helper()
	var tokens []string
	for _, r := range i.Provider.Refreshes() {
		if r.Refused != "" {
			i.t.Errorf("a refresh was refused: %s", r.Refused)
		}
		tokens = append(tokens, r.Form.Get("refresh_token"))
	}
	slices.Sort(tokens)
	if twice := len(tokens) - len(slices.Compact(slices.Clone(tokens))); twice > 0 || len(tokens) < least {
		i.t.Errorf("of %d refreshes, %d were asked for again; want %d or more, each once", len(tokens), twice, least)
	}
}
