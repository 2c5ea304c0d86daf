//go:build unix

package redistest

import (
	"net/url"
	"strconv"
	"testing"
)

// slots is how many parts the keys of a Cluster fall into (Redis Cluster specification, key distribution model).
const slots = 16384

// Cluster is three masters, each of which has a third of the keys. Without replicas, it stands while all three do.
type Cluster struct {
	Masters [3]*Redis
}

// NewCluster starts a Cluster, and returns when each of its masters finds it complete.
func NewCluster(t testing.TB) *Cluster {
	t.Helper()
	c := new(Cluster)
	for i := range c.Masters {
		r := newRedis(t)
		r.start([]string{"port " + r.port(), "cluster-enabled yes", "cluster-announce-ip " + r.host(), "cluster-node-timeout 2000"})
		c.Masters[i] = r
	}
	for i, master := range c.Masters {
		first, last := i*slots/len(c.Masters), (i+1)*slots/len(c.Masters)-1
		master.must("CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(first), strconv.Itoa(last))
		if i > 0 {
			master.must("CLUSTER", "MEET", c.Masters[0].host(), c.Masters[0].port())
		}
	}
	for _, master := range c.Masters {
		master.await("the whole Cluster", func() bool {
			return master.says("CLUSTER INFO", "cluster_state:ok") && master.says("CLUSTER INFO", "cluster_known_nodes:3")
		})
	}
	return c
}

// URL is what REDIS_URL takes.
func (c *Cluster) URL() string {
	further := url.Values{}
	for _, master := range c.Masters[1:] {
		further.Add("addr", master.Addr)
	}
	return c.Masters[0].URL() + "?" + further.Encode()
}

func (r *Redis) must(command ...string) {
	r.t.Helper()
	if err := r.Do(command...).Error(); err != nil {
		r.t.Fatalf("%v at %s: %v", command, r.Addr, err)
	}
}
