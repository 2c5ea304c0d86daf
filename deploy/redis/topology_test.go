//go:build unix

package redis

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"doorward/deploy/redistest"
)

// topologies are the ways in which Redis can be there, and how each is harmed and mended.
var topologies = []struct {
	name  string
	start func(t *testing.T) (url string, settings []string, harm, mend func())
}{
	{"password", func(t *testing.T) (string, []string, func(), func()) {
		r := redistest.NewWithPassword(t)
		return "redis://" + r.Addr, []string{"REDIS_PASSWORD=" + r.Password}, r.Kill, r.Restart
	}},
	{"ACL user", func(t *testing.T) (string, []string, func(), func()) {
		r := redistest.NewWithUser(t, aclRules)
		return r.URL(), nil, r.Kill, r.Restart
	}},
	{"TLS", func(t *testing.T) (string, []string, func(), func()) {
		r := redistest.NewTLS(t)
		return r.URL(), []string{"REDIS_CA=" + r.CA}, r.Kill, r.Restart
	}},
	{"Sentinel", func(t *testing.T) (string, []string, func(), func()) {
		s := redistest.NewSentinel(t)
		return s.URL(), nil, s.FailOver, func() {}
	}},
	{"Cluster", func(t *testing.T) (string, []string, func(), func()) {
		c := redistest.NewCluster(t)
		return c.URL(), nil, c.Masters[0].Kill, c.Masters[0].Restart
	}},
}

// aclRules are those that README.md tells people to give doorward's user.
const aclRules = "resetchannels ~doorward:* -@all +auth +hello +ping +select +client|setname +client|tracking +client|caching +cluster|slots +cluster|shards +time +eval +evalsha +get +getrange +set +del +multi +exec +pttl +pexpire +xadd +xtrim +xlen +xrange +xread"

// Redis starts with the lines of README.md as they stand there, and they are the rules with which the rest is tested.
func TestConfigurationInREADME(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, lines, _ := strings.Cut(string(readme), "In the configuration of Redis:\n\n```\n")
	lines, _, found := strings.Cut(lines, "```")
	if !found || !strings.Contains(lines, aclRules+"\n") {
		t.Fatalf("README.md gives doorward's user other rules:\n%s", lines)
	}
	const closed = "user default off\n" // to this test as well
	if !strings.Contains(lines, closed) {
		t.Error("README.md lets everybody into Redis")
	}
	redistest.New(t, strings.Replace(lines, closed, "", 1))
}

// Signing in, requests and signing out work wherever Redis is, and again after it was away, without anybody signing in anew.
func TestEveryTopology(t *testing.T) {
	for _, topology := range topologies {
		t.Run(topology.name, func(t *testing.T) {
			eachStore(t, func(t *testing.T, store string) {
				url, settings, harm, mend := topology.start(t)
				i := install(t, url, append(settings, store, "REDIS_OUTAGE_GRACE=15s")...)
				i.liveAndLeave(t, "first")
				crowd := i.Crowd(i.SignedIn(5), func(a *answer) bool { return a.served() && a.Took < slowest })
				crowd.Await(50)
				harm()
				crowd.Await(50)
				mend()
				i.awaitRedis(true)
				crowd.Await(50)
				crowd.Leave()
				await(t, "logins to be possible", func() bool {
					return i.Browser("fresh").Go("/oauth2/start").redirects()
				})
				i.liveAndLeave(t, "second")
			})
		})
	}
}

// liveAndLeave is a whole session, which a copy of its cookies does not prolong.
func (i *installation) liveAndLeave(t *testing.T, person string) {
	t.Helper()
	b := i.Browser(person)
	b.SignIn()
	kept := b.Copy()
	for k := range i.Replicas {
		kept.Get("/", on(k)).Want(t, http.StatusOK)
	}
	b.Post("/oauth2/sign_out").Want(t, http.StatusSeeOther)
	if err := until(soon, func() (bool, error) { return kept.Get("/", on(0)).refused() && kept.Get("/", on(1)).refused(), nil }); err != nil {
		t.Errorf("after %s signed out: %v", person, err)
	}
}
