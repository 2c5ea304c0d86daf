//go:build unix

package redis

import (
	"net/http"
	"testing"
	"time"

	"doorward/deploy/redistest"
)

// soon is how long a sign-out may take to reach all replicas.
const soon = time.Second

// signOuts are the ways to be signed out by one replica.
var signOuts = []struct {
	name string
	do   func(t *testing.T, i *installation, b *browser)
}{
	{"here", func(t *testing.T, _ *installation, b *browser) {
		b.Post("/oauth2/sign_out", on(0)).Want(t, http.StatusSeeOther)
	}},
	{"everywhere", func(t *testing.T, i *installation, b *browser) {
		b.Post("/oauth2/sign_out?everywhere", on(0)).Want(t, http.StatusSeeOther)
	}},
	{"by the provider", func(t *testing.T, i *installation, b *browser) {
		i.Provider.RegisterLogout(i.Origin+"/oauth2/backchannel-logout", "")
		if a := i.Provider.PostLogout(i.Provider.LogoutToken(b.person, "")); a.Status != http.StatusOK {
			t.Fatalf("the logout token was answered with %d: %s", a.Status, a.Body)
		}
	}},
}

// Whoever is signed out by one replica is so by the others at once, though somebody kept their cookies; and that is not forgotten when
// all of them start again, nor when Redis does.
func TestASignOutReachesAllReplicas(t *testing.T) {
	eachStore(t, func(t *testing.T, store string) {
		r := redistest.New(t)
		i := install(t, r.URL(), store)
		var copies []*browser
		for _, way := range signOuts {
			b := i.Browser(way.name)
			b.SignIn()
			kept := b.Copy()
			for k := range i.Replicas {
				kept.Get("/", on(k)).Want(t, http.StatusOK)
			}
			way.do(t, i, b)
			if err := until(soon, func() (bool, error) { return kept.Get("/", on(0)).refused() && kept.Get("/", on(1)).refused(), nil }); err != nil {
				t.Errorf("signing out %s: %v", way.name, err)
			}
			copies = append(copies, kept)
		}
		bystander := i.SignedIn(1)[0]
		i.Restart()
		i.refuses(t, copies)
		r.Kill()
		i.awaitRedis(false)
		r.Restart()
		i.awaitRedis(true)
		i.refuses(t, copies)
		if a := bystander.Get("/"); !a.served() {
			t.Errorf("somebody else was signed out: %v", a)
		}
	})
}

// refuses fails the test unless every replica refuses every browser.
func (i *installation) refuses(t *testing.T, all []*browser) {
	t.Helper()
	for _, b := range all {
		for k := range i.Replicas {
			if a := b.Get("/", on(k)); !a.refused() {
				t.Errorf("replica %d: %v", k, a)
			}
		}
	}
}

// A Redis that starts without its data knows nothing of sign-outs, and is told by the replicas. Sessions that live in cookies go on.
func TestSignOutsOutliveTheDataOfRedis(t *testing.T) {
	r := redistest.New(t)
	i := install(t, r.URL(), "SESSION_STORE=cookie")
	stays, leaves := i.Browser("stays"), i.Browser("leaves")
	stays.SignIn()
	leaves.SignIn()
	kept := leaves.Copy()
	leaves.Post("/oauth2/sign_out").Want(t, http.StatusSeeOther)
	r.Kill()
	i.awaitRedis(false)
	r.RestartEmpty()
	i.awaitRedis(true)
	i.Restart()
	i.refuses(t, []*browser{kept})
	if a := stays.Get("/"); !a.served() {
		t.Errorf("%v", a)
	}
}

// Who signs out while Redis is away is signed out where they did it, and everywhere once Redis is back.
func TestASignOutDuringAnOutageCountsEverywhereAfterIt(t *testing.T) {
	eachStore(t, func(t *testing.T, store string) {
		for _, fault := range faults {
			t.Run(fault.name, func(t *testing.T) {
				r := redistest.New(t)
				i := install(t, r.URL(), store, "REDIS_OUTAGE_GRACE=15s")
				b := i.SignedIn(1)[0]
				kept := b.Copy()
				fault.begin(r)
				i.awaitRedis(false)
				if a := b.Post("/oauth2/sign_out", on(0)); a.Status != http.StatusSeeOther || a.Took > slowest {
					t.Errorf("signing out: %v\n%s", a, a.Body)
				}
				if a := kept.Get("/", on(0)); !a.refused() && !a.later() {
					t.Errorf("where they signed out: %v", a)
				}
				fault.end(r)
				i.awaitRedis(true)
				if err := until(soon, func() (bool, error) { return kept.Get("/", on(1)).refused(), nil }); err != nil {
					t.Errorf("elsewhere: %v", err)
				}
			})
		}
	})
}
