package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"doorward/config"
	"doorward/proxy"
	"doorward/proxy/provider"
	"doorward/proxy/tracing"
	"doorward/session"
)

// liveTimeout bounds everything that `check --live` asks.
const liveTimeout = 20 * time.Second

// finding is one answer of the provider, of Redis or of an upstream.
type finding struct {
	OK      bool   `json:"ok"`
	Subject string `json:"subject"`
	Says    string `json:"says"`
	Mend    string `json:"mend,omitempty"`
}

// inspect asks the provider what it offers, and Redis, each upstream and the collector of traces whether they are there.
func inspect(ctx context.Context, c *config.Config) []finding {
	ctx, cancel := context.WithTimeout(ctx, liveTimeout)
	defer cancel()
	findings := inspectProvider(ctx, c)
	if c.UsesRedis() {
		findings = append(findings, inspectRedis(ctx, c))
	}
	upstreams, _ := c.UpstreamTable()
	for _, u := range upstreams {
		findings = append(findings, dial(ctx, u))
	}
	if c.Tracing != nil {
		findings = append(findings, inspectCollector(ctx, c))
	}
	return findings
}

func inspectProvider(ctx context.Context, c *config.Config) []finding {
	found, err := askProvider(ctx, c)
	var findings []finding
	for _, f := range found {
		findings = append(findings, finding(f))
	}
	if err != nil {
		findings = append(findings, finding{
			Subject: "provider", Says: err.Error(),
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
	return p.Inspect(ctx)
}

// inspectRedis asks Redis whether it is there, lets us in and takes what we have, and changes nothing in it.
func inspectRedis(ctx context.Context, c *config.Config) finding {
	if _, err := session.PingRedis(ctx, proxy.RedisOptions(c, func(string, error) {})); err != nil {
		return finding{Subject: "redis", Says: err.Error(),
			Mend: fmt.Sprintf("look at %[1]s_REDIS_URL, %[1]s_REDIS_PASSWORD, %[1]s_REDIS_CA and %[1]s_REDIS_PREFIX, at what Redis lets this user do, and at the network between", config.Prefix)}
	}
	return finding{OK: true, Subject: "redis", Says: "answers, and lets us in"}
}

// inspectCollector sends the collector no spans, which it has to take.
func inspectCollector(ctx context.Context, c *config.Config) finding {
	if err := tracing.Ping(ctx, proxy.TracingOptions(c.Tracing)); err != nil {
		return finding{Subject: "traces", Says: err.Error(),
			Mend: "look at OTEL_EXPORTER_OTLP_ENDPOINT (OTLP over HTTP, as a rule port 4318) and OTEL_EXPORTER_OTLP_HEADERS, and at the network between; without a collector, unset them"}
	}
	return finding{OK: true, Subject: "traces", Says: "the collector at " + c.TracesTo() + " takes spans"}
}

// dial opens a connection to an upstream, with TLS where it is to be spoken,
// and sends nothing.
func dial(ctx context.Context, u config.Upstream) finding {
	f := finding{OK: true, Subject: "upstream " + u.Name(), Says: "takes connections"}
	conn, err := connect(ctx, u)
	if err != nil {
		f.OK, f.Says, f.Mend = false, err.Error(), mendUpstream(err)
		return f
	}
	conn.Close()
	return f
}

func mendUpstream(err error) string {
	if _, plain := errors.AsType[tls.RecordHeaderError](err); plain {
		return fmt.Sprintf("write http:// in its entry in %s_UPSTREAMS, if plain http is what it speaks; it is no TLS", config.Prefix)
	}
	if _, unknown := errors.AsType[*tls.CertificateVerificationError](err); unknown {
		return fmt.Sprintf("in its entry in %s_UPSTREAMS write the name that is in its certificate, and ca= where the system does not know the authority", config.Prefix)
	}
	return fmt.Sprintf("start it, or correct its entry in %s_UPSTREAMS", config.Prefix)
}

func connect(ctx context.Context, u config.Upstream) (net.Conn, error) {
	dialer := net.Dialer{Timeout: 5 * time.Second}
	switch u.URL.Scheme {
	case "unix":
		return dialer.DialContext(ctx, "unix", u.URL.Path)
	case "https":
		return (&tls.Dialer{NetDialer: &dialer, Config: u.TLSConfig(func(string, error) {})}).DialContext(ctx, "tcp", withPort(u, "443"))
	}
	return dialer.DialContext(ctx, "tcp", withPort(u, "80"))
}

func withPort(u config.Upstream, port string) string {
	return net.JoinHostPort(u.URL.Hostname(), cmp.Or(u.URL.Port(), port))
}
