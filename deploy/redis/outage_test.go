//go:build unix

package redis

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"doorward/deploy/redistest"
)

// slowest is how long any request may take, whatever happens: two seconds, and one for a machine that is busy with all this.
const slowest = 3 * time.Second

// eachStore runs a test for sessions in Redis and for sessions in their cookies, at the same time.
func eachStore(t *testing.T, test func(t *testing.T, store string)) {
	for _, store := range []string{"redis", "cookie"} {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			test(t, "SESSION_STORE="+store)
		})
	}
}

// faults are what happens to Redis, and how it ends.
var faults = []struct {
	name       string
	begin, end func(*redistest.Redis)
}{
	{"killed", (*redistest.Redis).Kill, (*redistest.Redis).Restart},
	{"frozen", (*redistest.Redis).Freeze, (*redistest.Redis).Thaw},
}

// A thousand requests and more of people who are signed in: in the middle of them Redis goes and comes back, and nobody notices.
func TestOpenSessionsOutliveAnOutage(t *testing.T) {
	eachStore(t, func(t *testing.T, store string) {
		for _, fault := range faults {
			t.Run(fault.name, func(t *testing.T) {
				r := redistest.New(t)
				i := install(t, r.URL(), store, "REDIS_OUTAGE_GRACE=15s")
				people := i.SignedIn(20)
				crowd := i.Crowd(people, func(a *answer) bool { return a.served() && a.Took < slowest })
				crowd.Await(300)
				fault.begin(r)
				i.awaitRedis(false)
				crowd.Await(400)
				fault.end(r)
				i.awaitRedis(true)
				crowd.Await(300)
				crowd.Leave()
			})
		}
	})
}

// While Redis is away, nobody whose session cannot be known is sent to sign in, which would lead nowhere.
func TestWhoIsNotKnownIsToldToWaitDuringAnOutage(t *testing.T) {
	for _, fault := range faults {
		t.Run(fault.name, func(t *testing.T) {
			r := redistest.New(t)
			i := install(t, r.URL(), "REDIS_OUTAGE_GRACE=15s")
			known := i.Browser("known")
			known.SignIn()
			i.Replicas[1].Kill() // and forgets
			i.Replicas[1].Start(i.settings)
			i.Replicas[1].AwaitReady()
			known.Get("/", on(0)).Want(t, http.StatusOK)
			fault.begin(r)
			i.awaitRedis(false)
			fresh := i.Browser("fresh")
			for _, a := range []*answer{known.Get("/", on(1)), known.Go("/", on(1)), fresh.Go("/", on(0)), fresh.Go("/oauth2/start", on(1))} {
				if !a.later() || a.Took > slowest {
					t.Errorf("%v\n%s", a, a.Body)
				}
			}
			if a := known.Get("/", on(0)); !a.served() {
				t.Errorf("%v", a)
			}
			fault.end(r)
			i.awaitRedis(true)
			await(t, "the end of the outage", func() bool { return known.Get("/", on(1)).served() })
			fresh.SignIn()
		})
	}
}

// After the grace nobody is served, nobody is sent to sign in, and when Redis is back nobody has to.
func TestNobodyIsServedAfterTheGrace(t *testing.T) {
	eachStore(t, func(t *testing.T, store string) {
		for _, fault := range faults {
			t.Run(fault.name, func(t *testing.T) {
				r := redistest.New(t)
				i := install(t, r.URL(), store, "REDIS_OUTAGE_GRACE=1s")
				people := i.SignedIn(10)
				fault.begin(r)
				each(people, func(b *browser) {
					became(t, "the grace to end", b, (*answer).served, (*answer).later)
				})
				for _, b := range people {
					if a := b.Go("/"); !a.later() || a.Took > slowest {
						t.Errorf("%v", a)
					}
				}
				fault.end(r)
				each(people, func(b *browser) {
					became(t, "the end of the outage", b, (*answer).later, (*answer).served)
				})
			})
		}
	})
}

// became asks until answers are of another kind, on every replica, and fails the test at any that is of neither kind or late.
func became(t *testing.T, what string, b *browser, was, is func(*answer) bool) {
	t.Helper()
	for k := range b.site.Replicas {
		becameOn(t, k, what, b, was, is)
	}
}

// becameOn does so on one replica.
func becameOn(t *testing.T, replica int, what string, b *browser, was, is func(*answer) bool) {
	t.Helper()
	if err := until(patience, func() (bool, error) {
		a := b.Get("/", on(replica))
		if a.Took > slowest || !was(a) && !is(a) {
			return false, fmt.Errorf("%v\n%s", a, a.Body)
		}
		return is(a), nil
	}); err != nil {
		t.Errorf("waiting for %s: %v", what, err)
	}
}

// Tokens that end while Redis is away are not refreshed, since two replicas could spend the same refresh token: whoever has one that is
// over is told to wait, and when Redis is back, the refresh is made up for.
func TestATokenThatEndsDuringAnOutageEndsNoSession(t *testing.T) {
	eachStore(t, func(t *testing.T, store string) {
		r := redistest.New(t)
		i := install(t, r.URL(), store, "REDIS_OUTAGE_GRACE=15s", "REFRESH_BEFORE=1s")
		i.Provider.IssueRefreshTokens()
		i.Provider.SetTokenLifetime(3 * time.Second)
		people := i.SignedIn(5)
		r.Kill()
		i.awaitRedis(false)
		each(people, func(b *browser) { became(t, "the token to end", b, (*answer).served, (*answer).later) })
		r.Restart()
		i.awaitRedis(true)
		each(people, func(b *browser) { became(t, "a new token", b, (*answer).later, (*answer).served) })
		i.askedOnce(len(people))
	})
}

// Redis goes when a replica has asked the provider and not told the others yet, and stays away for longer than the lock lives that keeps
// them from asking with the same refresh token. The replica tells them first of all when Redis is back.
func TestAnOutageInTheMiddleOfARefreshEndsNoSession(t *testing.T) {
	eachStore(t, func(t *testing.T, store string) {
		for _, fault := range faults {
			t.Run(fault.name, func(t *testing.T) {
				t.Parallel()
				r := redistest.New(t)
				i := install(t, r.URL(), store, "REDIS_OUTAGE_GRACE=60s")
				i.Provider.IssueRefreshTokens()
				i.Provider.SetTokenLifetime(6 * time.Second) // and due after three
				people := i.SignedIn(5)
				var elsewhere []*browser // the same people, with the cookies of before
				for _, b := range people {
					elsewhere = append(elsewhere, b.Copy())
				}
				arrived, release := i.Provider.HoldRefreshes()
				await(t, "refreshes", func() bool {
					each(people, func(b *browser) { b.Get("/", on(0)) })
					return len(arrived) == len(people)
				})
				fault.begin(r)
				i.awaitRedis(false)
				release()
				each(people, func(b *browser) { becameOn(t, 0, "the new token to end", b, (*answer).served, (*answer).later) })
				fault.end(r)
				each(elsewhere, func(b *browser) { becameOn(t, 1, "a newer one", b, (*answer).later, (*answer).served) })
				each(people, func(b *browser) { becameOn(t, 0, "a newer one", b, (*answer).later, (*answer).served) })
				i.askedOnce(2 * len(people))
			})
		}
	})
}

// A replica that starts while Redis is away serves nobody, since it cannot know who was signed out. It does by itself when Redis is there.
func TestAReplicaStartsWithoutRedisAndServesWhenItIsThere(t *testing.T) {
	eachStore(t, func(t *testing.T, store string) {
		r := redistest.New(t)
		i := install(t, r.URL(), store)
		b := i.SignedIn(1)[0]
		r.Kill()
		i.Replicas[1].Kill()
		i.Replicas[1].Start(i.settings)
		await(t, "the replica to listen", func() bool { return i.Replicas[1].metrics("/healthz") == http.StatusOK })
		for _, a := range []*answer{b.Get("/", on(1)), b.Go("/", on(1)), i.Browser("fresh").Go("/", on(1))} {
			if !a.later() || a.Took > slowest {
				t.Errorf("%v\n%s", a, a.Body)
			}
		}
		if status := i.Replicas[1].metrics("/readyz"); status != http.StatusServiceUnavailable {
			t.Errorf("/readyz answers %d", status)
		}
		r.Restart()
		becameOn(t, 1, "Redis", b, (*answer).later, (*answer).served)
		i.awaitRedis(true)
		i.Browser("fresh").SignIn()
	})
}
