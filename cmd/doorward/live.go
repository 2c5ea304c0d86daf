package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"doorward/config"
	"doorward/proxy"
	"doorward/proxy/provider"
	"doorward/proxy/tracing"
	"doorward/session"
)

// liveTimeout bounds everything that `check --live` asks. All are asked at once.
const liveTimeout = 12 * time.Second

// inspect asks the provider what it offers and whether it knows us, and Redis, each upstream and the collector of traces whether they are
// there; and it looks at what of the configuration depends on them and on the browsers.
func inspect(ctx context.Context, c *config.Config) []finding {
	ctx, cancel := context.WithTimeout(ctx, liveTimeout)
	defer cancel()
	looks := []func() []finding{
		func() []finding { return inspectProvider(ctx, c) },
		func() []finding { return inspectCookies(c) },
		func() []finding { return inspectFront(c) },
	}
	if c.UsesRedis() {
		looks = append(looks, func() []finding { return inspectRedis(ctx, c) })
	}
	if c.Tracing != nil {
		looks = append(looks, func() []finding { return []finding{inspectCollector(ctx, c)} })
	}
	for _, u := range distinctUpstreams(c) {
		looks = append(looks, func() []finding { return []finding{inspectUpstream(ctx, u)} })
	}
	found := make([][]finding, len(looks))
	var asked sync.WaitGroup
	for i, look := range looks {
		asked.Go(func() { found[i] = look() })
	}
	asked.Wait()
	return slices.Concat(found...)
}

// distinctUpstreams are the upstreams, each once, however many patterns lead there.
func distinctUpstreams(c *config.Config) []config.Upstream {
	type way struct {
		name string
		tls  config.UpstreamTLS
	}
	upstreams, _ := c.UpstreamTable()
	seen := map[way]bool{}
	return slices.DeleteFunc(upstreams, func(u config.Upstream) bool {
		w := way{u.Name(), u.TLS}
		known := seen[w]
		seen[w] = true
		return known
	})
}

func inspectProvider(ctx context.Context, c *config.Config) []finding {
	found, err := askProvider(ctx, c)
	var findings []finding
	for _, f := range found {
		findings = append(findings, finding(f))
	}
	if err != nil {
		findings = append(findings, finding{
			ID: "provider.discovery", Level: provider.LevelFail, Subject: "provider", Says: err.Error(),
			Mend: fmt.Sprintf("look at %[1]s_ISSUER_URL, %[1]s_PROVIDER_INTERNAL_URL and %[1]s_PROVIDER_CA, and at the network between", config.Prefix),
		})
	}
	return findings
}

func askProvider(ctx context.Context, c *config.Config) ([]provider.Finding, error) {
	options, err := proxy.ProviderOptions(c, func(string, error) {}) // what changes in this moment is the next check's
	if err != nil {
		return nil, err
	}
	p, err := provider.New(options)
	if err != nil {
		return nil, err
	}
	return p.Inspect(ctx, c.CallbackURLs()...)
}

// inspectRedis asks Redis whether it is there, lets us in and takes what we have, and what time it is there. It changes nothing in it.
func inspectRedis(ctx context.Context, c *config.Config) []finding {
	f := finding{ID: "redis.reachable", Level: provider.LevelOK, Subject: "redis", Says: "answers, and lets us in"}
	ahead, err := session.PingRedis(ctx, proxy.RedisOptions(c, func(string, error) {}))
	if err != nil {
		f.Level, f.Says = provider.LevelFail, err.Error()
		f.Mend = fmt.Sprintf("look at %[1]s_REDIS_URL, %[1]s_REDIS_PASSWORD, %[1]s_REDIS_CA and %[1]s_REDIS_PREFIX, at what Redis lets this user do, and at the network between", config.Prefix)
		return []finding{f}
	}
	return []finding{f, redisClock(ahead)}
}

// clocksTogether is how far clocks that NTP sets may be apart, with what the question takes.
const clocksTogether = 5 * time.Second

// redisClock is about its clock, with which every instance is compared: what one that is ahead has written, others take to be of the future.
func redisClock(ahead time.Duration) finding {
	f := finding{ID: "redis.clock", Level: provider.LevelOK, Subject: "redis", Says: "its clock and ours agree"}
	if apart := ahead.Abs().Round(time.Second); apart > clocksTogether {
		f.Level, f.Says = provider.LevelNote, fmt.Sprintf("its clock is ahead of ours by %s", apart)
		if ahead < 0 {
			f.Says = fmt.Sprintf("its clock is behind ours by %s", apart)
		}
		f.Mend = "set the clocks of all machines by NTP: beyond a minute, sessions that one instance has used are none for another"
	}
	return f
}

// inspectCollector sends the collector no spans, which it has to take.
func inspectCollector(ctx context.Context, c *config.Config) finding {
	f := finding{ID: "traces.collector", Level: provider.LevelOK, Subject: "traces", Says: "the collector at " + c.TracesTo() + " takes spans"}
	if err := tracing.Ping(ctx, proxy.TracingOptions(c.Tracing)); err != nil {
		f.Level, f.Says = provider.LevelFail, err.Error()
		f.Mend = "look at OTEL_EXPORTER_OTLP_ENDPOINT (OTLP over HTTP, as a rule port 4318) and OTEL_EXPORTER_OTLP_HEADERS, and at the network between; without a collector, unset them"
	}
	return f
}
