//go:build unix

// Package redis tests doorward as several processes behind a round-robin that share one Redis, as README.md tells people to run
// it, and breaks what can break: Redis, a process, the moment.
package redis

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"doorward/config"
	"doorward/deploy/deploytest"
	"doorward/deploy/programtest"
	"doorward/proxy/providertest"
)

// patience is how long anything may take that has to come about by itself.
const patience = 20 * time.Second

func TestMain(m *testing.M) { programtest.Main(m) }

// An installation is replicas of doorward behind a round-robin, with a provider and an application that shows who is asking.
type installation struct {
	t        testing.TB
	Origin   string
	Provider *providertest.Provider
	Replicas []*replica

	balancer *balancer
	settings []string
}

// install starts two replicas that share the Redis of a URL, and returns when each has reached it. Settings are further ones, without
// prefix: "SESSION_STORE=cookie".
func install(t testing.TB, redis string, settings ...string) *installation {
	t.Helper()
	i := &installation{t: t, Provider: providertest.New(t)}
	server := httptest.NewUnstartedServer(nil)
	i.Origin = "http://" + server.Listener.Addr().String()
	i.settings = append([]string{
		"PUBLIC_URL=" + i.Origin,
		"UPSTREAMS=" + deploytest.Serve(t, http.HandlerFunc(whoIsAsking)),
		"ACCESS_RULES=/ authenticated",
		"ISSUER_URL=" + i.Provider.Issuer,
		"CLIENT_ID=" + providertest.ClientID,
		"CLIENT_SECRET=" + providertest.ClientSecret,
		"AUDIENCE=" + providertest.Audience,
		"COOKIE_SECRETS=" + config.NewSecret(),
		"REDIS_URL=" + redis,
		"READY_REQUIRES=redis",
		"ACCESS_LOG=errors",
	}, settings...)
	for range 2 {
		i.Replicas = append(i.Replicas, newReplica(t))
	}
	i.balancer = newBalancer(i.Replicas)
	server.Config.Handler = i.balancer
	server.Start()
	t.Cleanup(server.Close)
	i.Start()
	return i
}

// whoIsAsking is the application.
func whoIsAsking(w http.ResponseWriter, r *http.Request) {
	_ = json.NewEncoder(w).Encode(map[string]string{
		"user": r.Header.Get("X-Forwarded-User"), "token": strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "),
	})
}

// Start starts all replicas, and returns when they are ready.
func (i *installation) Start() {
	i.t.Helper()
	for _, r := range i.Replicas {
		r.Start(i.settings)
	}
	for _, r := range i.Replicas {
		r.AwaitReady()
	}
}

// Restart kills all replicas and starts them again.
func (i *installation) Restart() {
	i.t.Helper()
	for _, r := range i.Replicas {
		r.Kill()
	}
	i.Start()
}

// awaitRedis returns when every replica has noticed that Redis is there, or that it is not.
func (i *installation) awaitRedis(there bool) {
	i.t.Helper()
	for _, r := range i.Replicas {
		await(i.t, "a replica to notice what became of Redis", func() bool { return (r.metrics("/readyz") == http.StatusOK) == there })
	}
}

// await tries until something has come about, and ends the test when that takes too long.
func await(t testing.TB, what string, try func() bool) {
	t.Helper()
	programtest.Await(t, t.Context(), patience, what, try)
}

// until tries until something has come about, within a limit, or cannot any more.
func until(limit time.Duration, try func() (bool, error)) error {
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		if done, err := try(); done || err != nil {
			return err
		}
		select {
		case <-deadline.C:
			return fmt.Errorf("it took longer than %v", limit)
		case <-ticker.C:
		}
	}
}
