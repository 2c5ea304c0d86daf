//go:build unix

package watchtest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"time"

	"doorward/proxy/providertest"
)

// A day is short, and everything happens on it: what goes well and what goes wrong, of which there is a metric or an event. Of everything
// there is little, so that any machine bears it.

// Day lets all of it happen once.
func (i *Installation) Day() {
	i.t.Helper()
	for _, episode := range []func(){i.visits, i.refusals, i.strayRequests, i.failures, i.programs, i.failedLogins, i.LoginLoop, i.signOuts, i.refreshes, i.badSecret} {
		episode()
	}
}

// Crowd is a few people who ask now and then, and keep a WebSocket open, until they are sent away.
func (i *Installation) Crowd() (leave func()) {
	i.t.Helper()
	ctx, cancel := context.WithCancel(i.t.Context())
	var there sync.WaitGroup
	for n := range 3 {
		v := i.SignedIn(fmt.Sprintf("visitor-%d", n))
		v.WebSocket()
		there.Go(func() { v.askUntil(ctx) })
	}
	return func() {
		cancel()
		there.Wait()
	}
}

func (v *Visitor) askUntil(ctx context.Context) {
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if status, text, err := v.try(http.MethodGet, "/", ""); err == nil && status != http.StatusOK {
				v.i.t.Errorf("%s is answered %d: %.500s", v.Name, status, text)
				return
			}
		}
	}
}

func (i *Installation) visits() {
	i.t.Helper()
	alice := i.SignedIn("alice")
	alice.Open("/admin/", http.StatusOK)
	alice.Open("/public/", http.StatusOK)
	alice.Open("/fresh/", http.StatusOK)
	alice.Open("/oauth2/userinfo", http.StatusOK)
	alice.Open("/broken", http.StatusInternalServerError)
	i.Call("/oauth2/healthz", http.StatusOK)
}

func (i *Installation) refusals() {
	i.t.Helper()
	bob := i.SignedIn("bob")
	bob.Open("/admin/", http.StatusForbidden)
	bob.Open("/closed/", http.StatusForbidden)
	bob.Post("/", http.StatusForbidden, "https://evil.example")
	bob.Open("/public/..%2fadmin/", http.StatusBadRequest)
	i.Call("/", http.StatusUnauthorized)
	i.Call("/", http.StatusMisdirectedRequest, "Host: unknown.example")
	i.Call("/", http.StatusForbidden, "Host: elsewhere.example", "Accept: text/html")
	i.Call("/oauth2/auth", http.StatusForbidden)
	i.Call("/public/", http.StatusOK, "X-Forwarded-For: 192.0.2.1")
}

// strayRequests are what a port on a network gets besides.
func (i *Installation) strayRequests() {
	i.t.Helper()
	conn, err := net.Dial("tcp", i.Addr)
	if err != nil {
		i.t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
}

// failures are the upstreams'.
func (i *Installation) failures() {
	i.t.Helper()
	carol := i.SignedIn("carol")
	carol.Open("/gone/", http.StatusBadGateway)
	carol.Open("/nonsense", http.StatusBadGateway)
	carol.Open("/slow/", http.StatusGatewayTimeout)
}

func (i *Installation) programs() {
	i.t.Helper()
	token := i.Provider.APIToken("alice")
	for range 2 { // the second time it is known
		i.Call("/admin/", http.StatusOK, "Authorization: Bearer "+token)
	}
	i.Call("/admin/", http.StatusForbidden, "Authorization: Bearer "+i.Provider.APIToken("bob"))
	i.Call("/", http.StatusUnauthorized, "Authorization: Bearer "+token[:len(token)-8])
}

func (i *Installation) failedLogins() {
	i.t.Helper()
	i.Visitor("alice").Open("/oauth2/callback?state=stray&code=stray", http.StatusBadRequest)
	i.madeUpCode()
	dave := i.Visitor("dave")
	back, _ := url.Parse(dave.callback())
	q := back.Query()
	q.Del("code")
	q.Set("error", "access_denied")
	dave.Open("/oauth2/callback?"+q.Encode(), http.StatusForbidden)
}

// FailLogin is a login at a provider that knows another secret of doorward's than the one that it has.
func (i *Installation) FailLogin() {
	i.t.Helper()
	i.Provider.Register(providertest.Client{Secret: "rotated"})
	defer i.Provider.Register(providertest.Client{})
	v := i.Visitor("dave")
	v.Open(v.callback(), http.StatusBadGateway)
}

// madeUpCode is a login that comes back with a code that the provider did not give out.
func (i *Installation) madeUpCode() {
	i.t.Helper()
	v := i.Visitor("dave")
	back, _ := url.Parse(v.callback())
	q := back.Query()
	q.Set("code", "wrong")
	v.Open("/oauth2/callback?"+q.Encode(), http.StatusBadRequest)
}

// LoginLoop is a browser that does not keep the cookies of its session.
func (i *Installation) LoginLoop() {
	i.t.Helper()
	v := i.Visitor(fmt.Sprintf("forgetful-%d", time.Now().UnixNano()))
	v.jar.forgets = true
	v.Open("/", http.StatusBadRequest)
}

func (i *Installation) signOuts() {
	i.t.Helper()
	i.SignedIn("bob").Post("/oauth2/sign_out", http.StatusOK, "")
	i.Provider.BendRevocations(providertest.Fail(http.StatusServiceUnavailable, "temporarily_unavailable"))
	i.SignedIn("bob").Post("/oauth2/sign_out?everywhere", http.StatusOK, "")
	i.await("a revocation to fail", func() bool { return strings.Contains(i.Log(), `"event":"revocation_failed"`) })
	i.Provider.BendRevocations(nil)
	i.SignedIn("erin")
	form := url.Values{"logout_token": {i.Provider.LogoutToken("erin", "")}}
	i.post("https://"+i.Addr+"/oauth2/backchannel-logout", form, http.StatusOK)
	i.post("https://"+i.Addr+"/oauth2/backchannel-logout", url.Values{"logout_token": {"x.y.z"}}, http.StatusBadRequest)
	frank := i.SignedIn("frank")
	conn := frank.WebSocket() // which is cut
	i.post("http://"+i.MetricsAddr+"/sessions/revoke", url.Values{"user": {"frank"}}, http.StatusOK, "Authorization: Bearer "+adminToken)
	i.post("http://"+i.MetricsAddr+"/sessions/revoke", url.Values{"user": {"frank"}}, http.StatusUnauthorized, "Authorization: Bearer wrong")
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		i.t.Fatal("a WebSocket of a session that was revoked is not cut")
	}
}

// refreshes are of tokens that live for a moment: one is refreshed, one is refused, one finds the provider down.
func (i *Installation) refreshes() {
	i.t.Helper()
	i.Provider.SetTokenLifetime(2 * time.Second)
	grace, heidi, ivan := i.SignedIn("grace"), i.SignedIn("heidi"), i.SignedIn("ivan")
	i.Provider.SetTokenLifetime(time.Hour)
	i.refreshed(grace, `"ok"`)
	i.Provider.EndGrants("heidi")
	i.refreshed(heidi, `"invalid_grant"`)
	i.Provider.FailRefreshes(providertest.Fail(http.StatusServiceUnavailable, "temporarily_unavailable"))
	defer i.Provider.FailRefreshes(nil)
	i.refreshed(ivan, `"unavailable"`)
}

// refreshed has somebody ask until a refresh had that result.
func (i *Installation) refreshed(v *Visitor, result string) {
	i.t.Helper()
	count := func() string {
		_, line, _ := strings.Cut(i.Exposition(), "doorward_refreshes_total{result="+result+"} ")
		value, _, _ := strings.Cut(line, "\n")
		return value
	}
	before := count()
	i.await("a refresh that is "+result, func() bool {
		_, _, _ = v.try(http.MethodHead, "/", "")
		return count() != before
	})
}

func (i *Installation) badSecret() {
	i.t.Helper()
	i.WriteSecret("", "config_reload_failed")
	i.WriteSecret(providertest.ClientSecret, "config_reloaded")
	i.lookAgain()
}

// WriteSecret writes the file of CLIENT_SECRET, and returns when doorward has logged what it makes of that.
func (i *Installation) WriteSecret(text, event string) {
	i.t.Helper()
	before := strings.Count(i.Log(), event)
	write(i.t, i.secret, text)
	i.await(event, func() bool {
		i.SignedIn("judy") // whose login looks at the file
		return strings.Count(i.Log(), event) > before
	})
}

// lookAgain has doorward look at its files, as SIGHUP does.
func (i *Installation) lookAgain() {
	i.t.Helper()
	before := strings.Count(i.Log(), "config_looked_at")
	if err := i.program.Process.Signal(syscall.SIGHUP); err != nil {
		i.t.Fatal(err)
	}
	i.await("doorward to look again", func() bool { return strings.Count(i.Log(), "config_looked_at") > before })
}

// RedisOutage lets Redis go away and come back.
func (i *Installation) RedisOutage() {
	i.t.Helper()
	count := func(event string) int { return strings.Count(i.Log(), `"event":"`+event+`"`) }
	down, up := count("redis_down"), count("redis_up")
	i.Redis.Kill()
	i.await("doorward to miss Redis", func() bool { return count("redis_down") > down })
	i.Redis.Restart()
	i.await("doorward to find Redis again", func() bool { return count("redis_up") > up })
}

// ProviderOutage lets the provider go away for good, and a program come with a token that is signed with a key of which nobody has heard.
func (i *Installation) ProviderOutage() {
	i.t.Helper()
	i.Provider.RotateKeys()
	token := i.Provider.APIToken("alice")
	i.Provider.Stop()
	i.Call("/", http.StatusServiceUnavailable, "Authorization: Bearer "+token)
}
