//go:build unix

package main

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"doorward/deploy/certtest"
	"doorward/deploy/redistest"
	"doorward/proxy/provider"
)

// What is wrong between doorward and Redis is told by what Redis said, and never by what the password is.
func TestCheckLiveAsksRedis(t *testing.T) {
	plain, tls, gone := redistest.NewWithUser(t, "~doorward:* &* +@all"), redistest.NewTLS(t), redistest.New(t)
	gone.Kill()
	frozen := redistest.New(t)
	frozen.Freeze()
	full, replica := redistest.New(t, "maxmemory 1"), redistest.New(t, "replicaof "+strings.Replace(plain.Addr, ":", " ", 1))
	for _, c := range []struct {
		name     string
		settings map[string]string
		says     string // of what is wrong; empty when nothing is
	}{
		{"up", map[string]string{"REDIS_URL": plain.URL()}, ""},
		{"up with TLS", map[string]string{"REDIS_URL": tls.URL(), "REDIS_CA": tls.CA}, ""},
		{"down", map[string]string{"REDIS_URL": gone.URL()}, "refused"},
		{"frozen", map[string]string{"REDIS_URL": frozen.URL()}, "deadline"},
		{"wrong password", map[string]string{"REDIS_URL": "redis://doorward@" + plain.Addr, "REDIS_PASSWORD": canary}, "WRONGPASS"},
		{"no password", map[string]string{"REDIS_URL": "redis://" + plain.Addr}, "NOAUTH"},
		{"another authority", map[string]string{"REDIS_URL": tls.URL(), "REDIS_CA": certtest.New(t).PEM}, "unknown authority"},
		{"replica", map[string]string{"REDIS_URL": replica.URL()}, "READONLY"},
		{"full", map[string]string{"REDIS_URL": full.URL()}, "OOM"},
		{"no TLS", map[string]string{"REDIS_URL": "rediss://" + plain.Addr}, "deadline"}, // it waits for more of what it does not understand
	} {
		t.Run(c.name, func(t *testing.T) {
			environment(t, c.settings)
			found := checkedRedis(t, plain.Password)
			if found.failed() != (c.says != "") || !strings.Contains(found.Says, c.says) || found.failed() != (found.Mend != "") {
				t.Errorf("%+v, want %q", found, c.says)
			}
		})
	}
}

// checkedRedis is what `check --live` says of Redis. The secret is not to be in it.
func checkedRedis(t *testing.T, secret string) finding {
	t.Helper()
	status, out, errOut := command(t, "check", "--live", "--json")
	for _, written := range []string{secret, url.QueryEscape(secret)} {
		if strings.Contains(out+errOut, written) {
			t.Error("the password is shown")
		}
	}
	var r report
	if err := json.Unmarshal([]byte(out), &r); err != nil || status != exitOK {
		t.Fatalf("status %d, %v in %s", status, err, out)
	}
	for _, f := range r.Findings {
		if f.Subject == "redis" {
			return f
		}
	}
	t.Fatalf("Redis was not asked: %s", out)
	return finding{}
}

// Instances are compared by the clock that they share.
func TestCheckLiveOfRedisClock(t *testing.T) {
	for ahead, says := range map[time.Duration]string{
		20 * time.Millisecond: "agree", -3 * time.Second: "agree", 2 * time.Minute: "ahead of ours by 2m0s", -time.Hour: "behind ours by 1h0m0s",
	} {
		f := redisClock(ahead)
		if !strings.Contains(f.Says, says) || (f.Level == provider.LevelOK) != (says == "agree") || f.failed() {
			t.Errorf("%s ahead: %+v", ahead, f)
		}
	}
}
