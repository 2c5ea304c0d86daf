package config_test

import (
	"strings"
	"testing"
	"time"

	"doorward/config"
	"doorward/deploy/certtest"
)

func TestWhereSessionsLive(t *testing.T) {
	for _, s := range []struct {
		url, store   string
		redis, keeps bool
	}{
		{"", "", false, false},
		{"", "cookie", false, false},
		{"redis://redis", "", true, true},
		{"redis://redis", "redis", true, true},
		{"redis://redis", "cookie", true, false},
	} {
		c := load(t, map[string]string{"REDIS_URL": s.url, "SESSION_STORE": s.store})
		if c.UsesRedis() != s.redis || c.KeepsSessionsInRedis() != s.keeps {
			t.Errorf("%+v: uses Redis %v, keeps sessions there %v", s, c.UsesRedis(), c.KeepsSessionsInRedis())
		}
	}
}

func TestRedisURLs(t *testing.T) {
	for _, right := range []string{
		"redis://localhost", "redis://redis:6379/3", "rediss://redis.example.com:6380", "redis://[::1]:6379",
		"redis://:p%23s%2F@redis", "redis://app:pw@redis:6379/0",
		"redis://sentinel-1:26379?master_set=mymaster&addr=sentinel-2:26379", "redis://sentinel:26379/2?master_set=mymaster&addr=sentinel-2:26379",
		"rediss://app:pw@redis-1:6379?addr=redis-2:6379&addr=10.0.0.3:6379&addr=[::1]:6379",
	} {
		t.Run(right, func(t *testing.T) {
			load(t, map[string]string{"REDIS_URL": right, "READY_REQUIRES": "redis,provider", "REDIS_OUTAGE_GRACE": "0"})
		})
	}
}

func TestWrongRedisURLs(t *testing.T) {
	for _, w := range []struct{ url, wrong, mend string }{
		{"redis", "neither redis nor rediss", "redis://"},
		{"redis.example.com:6379", "no URL", "redis://"},
		{"http://me:" + canary + "@redis", "neither redis nor rediss", "rediss://"},
		{"unix:///run/redis.sock", "neither redis nor rediss", "redis://"},
		{"redis://me:" + canary + "%@redis", "no URL", "percent-encode"},
		{"redis://me:" + canary + "#1@redis", "#", "%23"},
		{"redis://me:" + canary + "/1@redis", "no URL", "percent-encode"},
		{"redis://", "no valid host", "redis://"},
		{"redis://a..b", "no valid host", "redis://"},
		{"redis://redis:0", "no valid host", "redis://"},
		{"redis://redis:6379/", "no database number", "/1"},
		{"redis://redis:6379/-1", "no database number", "/1"},
		{"redis://redis:6379/1/2", "no database number", "/1"},
		{"redis://redis:6379/" + canary, "no database number", "/1"},
		{"redis://" + canary + "@redis", "no password", "redis://:password@"},
		{"redis://redis?db=1", "does not know", "addr"},
		{"rediss://redis?skip_verify", "does not know", "addr"},
		{"redis://redis?client_cache=0", "does not know", "addr"},
		{"redis://redis?protocol=2", "does not know", "addr"},
		{"redis://redis?password=" + canary, "does not know", "addr"},
		{"redis://redis?addr=a:1;addr=b:2", "does not parse", "?addr="},
		{"redis://redis?addr=redis-2", "no host:port", "redis-2:6379"},
		{"redis://redis?addr=:6379", "no host:port", "redis-2:6379"},
		{"redis://redis?addr=redis-2:", "no host:port", "redis-2:6379"},
		{"redis://redis?addr=redis-2:66666", "no host:port", "redis-2:6379"},
		{"redis://redis?addr=redis-2:redis", "no host:port", "redis-2:6379"},
		{"redis://redis?addr=redis-2:0", "no host:port", "redis-2:6379"},
		{"redis://redis?addr=redis-2:6379,redis-3:6379", "no host:port", "redis-2:6379"},
		{"redis://redis?master_set=", "master_set", "one name"},
		{"redis://redis?master_set=a&master_set=b", "master_set", "one name"},
		{"redis://redis/1?addr=redis-2:6379", "only one", "leave the number out"},
	} {
		t.Run(w.url, func(t *testing.T) {
			ps := problems(t, map[string]string{"REDIS_URL": w.url})
			if len(ps) != 1 || ps[0].Variable != "DOORWARD_REDIS_URL" || !strings.Contains(ps[0].Wrong, w.wrong) || !strings.Contains(ps[0].Mend, w.mend) {
				t.Errorf("%v; want %q and %q", ps, w.wrong, w.mend)
			}
			if strings.Contains(ps.Error(), canary) {
				t.Errorf("the password is shown: %v", ps)
			}
		})
	}
}

func TestWrongRedisSettings(t *testing.T) {
	const plain, tls = "redis://redis", "rediss://redis"
	for _, w := range []struct{ url, name, value, wrong string }{
		{"", "SESSION_STORE", "redis", "REDIS_URL"},
		{"", "REDIS_PASSWORD", canary, "REDIS_URL"},
		{"", "REDIS_CA", canary, "REDIS_URL"},
		{"", "REDIS_PREFIX", "app:", "REDIS_URL"},
		{"", "REDIS_OUTAGE_GRACE", "5s", "REDIS_URL"},
		{"", "REDIS_OUTAGE_GRACE", "0", "REDIS_URL"},
		{"", "READY_REQUIRES", "provider,redis", "REDIS_URL"},
		{plain, "SESSION_STORE", "memory", "does not know"},
		{"redis://:other@redis", "REDIS_PASSWORD", canary, "another password"},
		{plain, "REDIS_PASSWORD", "<password>", "placeholder"},
		{plain, "REDIS_PREFIX", "a b", "no prefix"},
		{plain, "REDIS_PREFIX", "{app}:", "no prefix"},
		{plain, "REDIS_PREFIX", "größe:", "no prefix"},
		{plain, "REDIS_PREFIX", strings.Repeat("a", 65), "no prefix"},
		{plain, "REDIS_OUTAGE_GRACE", "-1s", "less than nothing"},
		{plain, "REVOCATIONS_PATH", t.TempDir() + "/revocations", "REDIS_URL"},
		{tls, "REDIS_CA", "/etc/ca.pem", "no PEM certificate"},
	} {
		t.Run(w.name+"="+w.value, func(t *testing.T) {
			ps := problems(t, map[string]string{"REDIS_URL": w.url, w.name: w.value})
			if len(ps) != 1 || ps[0].Variable != "DOORWARD_"+w.name || !strings.Contains(ps[0].Wrong, w.wrong) || ps[0].Mend == "" {
				t.Errorf("%v; want %q", ps, w.wrong)
			}
			if strings.Contains(ps.Error(), canary) {
				t.Errorf("a secret is shown: %v", ps)
			}
		})
	}
}

func TestRedisPasswordCompletesTheURL(t *testing.T) {
	for _, url := range []string{"redis://app@redis", "redis://redis", "redis://app:" + canary + "@redis"} {
		load(t, map[string]string{"REDIS_URL": url, "REDIS_PASSWORD": canary})
	}
}

// The system's certificates are trusted in any case; others only mean something where there is TLS.
func TestRedisCANeedsTLS(t *testing.T) {
	c := valid()
	c.RedisCA = certtest.New(t).PEM
	for url, good := range map[string]bool{"rediss://redis": true, "redis://redis": false} {
		c.RedisURL = url
		if err := c.Validate(); (err == nil) != good {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestAPasswordInTheClearIsNoted(t *testing.T) {
	for _, n := range []struct {
		url, password string
		noted         bool
	}{
		{"redis://redis", "", false},
		{"redis://:pw@redis", "", true},
		{"redis://redis", "pw", true},
		{"rediss://:pw@redis", "", false},
		{"redis://:pw@127.0.0.1:6379", "", false},
		{"redis://:pw@localhost?addr=redis-2:6379", "", true},
	} {
		c := valid()
		c.RedisURL, c.RedisPassword = n.url, n.password
		if got := strings.Contains(strings.Join(c.Notes(), "\n"), "in the clear"); got != n.noted {
			t.Errorf("%+v: noted %v", n, got)
		}
	}
}

func TestRedisDefaults(t *testing.T) {
	c := config.Defaults()
	if c.RedisPrefix != "doorward:" || c.RedisOutageGrace != time.Minute {
		t.Errorf("prefix %q, grace %v", c.RedisPrefix, c.RedisOutageGrace)
	}
}
