//go:build unix

package redis

import (
	"errors"
	"net"
	"net/http"
	"net/http/httputil"
	"strconv"
	"sync/atomic"
	"time"
)

// chosen is the header of a request that is to reach one replica and no other.
const chosen = "Test-Replica"

// A balancer sends each request to the next replica, and to the one after it when nobody listens there.
type balancer struct {
	httputil.ReverseProxy

	replicas []*replica
	next     atomic.Uint64
	http     *http.Transport
}

func newBalancer(replicas []*replica) *balancer {
	b := &balancer{replicas: replicas, http: &http.Transport{MaxIdleConnsPerHost: 100, ResponseHeaderTimeout: patience}}
	b.Transport = b
	b.Rewrite = func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.Host = "http", r.In.Host }
	b.FlushInterval = -1 * time.Millisecond
	return b
}

// RoundTrip asks one replica after the other.
func (b *balancer) RoundTrip(r *http.Request) (answer *http.Response, err error) {
	if i, wrong := strconv.Atoi(r.Header.Get(chosen)); wrong == nil {
		return b.ask(r, b.replicas[i])
	}
	for range b.replicas {
		answer, err = b.ask(r, b.replicas[b.next.Add(1)%uint64(len(b.replicas))])
		if refused, ok := errors.AsType[*net.OpError](err); !ok || refused.Op != "dial" {
			break
		}
	}
	return answer, err
}

func (b *balancer) ask(r *http.Request, of *replica) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Del(chosen)
	r.URL.Host = of.Addr
	return b.http.RoundTrip(r)
}
