//go:build unix

package redistest

import (
	"strings"
	"testing"

	"github.com/redis/rueidis"
)

func TestRestartKeepsWhatItWasTold(t *testing.T) {
	r := New(t)
	r.must("SET", "a", "1")
	r.Kill()
	if err := r.Do("GET", "a").Error(); err == nil {
		t.Error("a killed server answers")
	}
	r.Restart()
	if got, err := r.Do("GET", "a").ToString(); err != nil || got != "1" {
		t.Errorf("after a restart: %q, %v", got, err)
	}
	r.Kill()
	r.RestartEmpty()
	if err := r.Do("GET", "a").Error(); !rueidis.IsRedisNil(err) {
		t.Errorf("after a restart without its data: %v", err)
	}
}

func TestAFrozenServerIsSilentUntilItThaws(t *testing.T) {
	r := New(t)
	r.Freeze()
	if err := r.Do("PING").Error(); err == nil {
		t.Error("a frozen server answers")
	}
	r.Thaw()
	if err := r.Do("PING").Error(); err != nil {
		t.Errorf("a thawed server: %v", err)
	}
}

// The URLs lead to the server, and no one gets in without what they hold.
func TestURLsHoldWhatTheServerAsksFor(t *testing.T) {
	for name, start := range map[string]func(testing.TB) *Redis{
		"password": NewWithPassword,
		"user":     func(t testing.TB) *Redis { return NewWithUser(t, "~doorward:* &* +@all") },
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t)
			if err := r.ping(t, r.URL()); err != nil {
				t.Errorf("%v", err)
			}
			if err := r.ping(t, "redis://"+r.Addr); err == nil || !strings.Contains(err.Error(), "NOAUTH") {
				t.Errorf("without a password: %v", err)
			}
		})
	}
}

func TestTLSIsVouchedForByItsAuthority(t *testing.T) {
	r := NewTLS(t)
	if err := r.ping(t, r.URL()); err == nil || !strings.Contains(err.Error(), "unknown authority") {
		t.Errorf("with the system's authorities: %v", err)
	}
	if err := r.ping(t, strings.Replace(r.URL(), "rediss", "redis", 1)); err == nil {
		t.Error("it speaks plain text")
	}
}

func TestAReplicaTakesTheMastersPlace(t *testing.T) {
	s := NewSentinel(t)
	s.Master.must("SET", "a", "1")
	s.FailOver()
	if !s.Replica.says("GET a", "1") {
		t.Error("the replica lacks what its master knew")
	}
	if err := s.Master.ping(t, s.URL()); err != nil {
		t.Errorf("after the failover: %v", err)
	}
	s.Replica.must("SET", "a", "2")
}

func TestAClusterTakesEveryKey(t *testing.T) {
	c := NewCluster(t)
	client := c.Masters[0].client(t, c.URL())
	for _, key := range []string{"a", "b", "c", "d"} {
		if err := client.Do(t.Context(), client.B().Set().Key(key).Value("1").Build()).Error(); err != nil {
			t.Errorf("%s: %v", key, err)
		}
	}
}

// ping asks whoever the URL names.
func (r *Redis) ping(t *testing.T, url string) error {
	t.Helper()
	o := rueidis.MustParseURL(url)
	o.Dialer.Timeout, o.ConnWriteTimeout = r.option().Dialer.Timeout, r.option().ConnWriteTimeout
	client, err := rueidis.NewClient(o)
	if err != nil {
		return err
	}
	defer client.Close()
	return client.Do(t.Context(), client.B().Ping().Build()).Error()
}

func (r *Redis) client(t *testing.T, url string) rueidis.Client {
	t.Helper()
	client, err := rueidis.NewClient(rueidis.MustParseURL(url))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}
