package config

import (
	"crypto/tls"
	"net/http"
	"net/url"
	"time"
)

// Tracing says where traces go and which. It is read from OpenTelemetry's variables.
type Tracing struct {
	// Endpoint is the collector's address for traces, with its path.
	Endpoint string
	// Headers go along with every request to it; they may hold credentials.
	Headers http.Header
	// TLS holds the authorities that vouch for an https collector, and doorward's certificate for it. Without the former the system's count,
	// without the latter doorward shows none; nil is without both.
	TLS *tls.Config
	// Timeout bounds the delivery of a batch, Compress sends it in gzip.
	Timeout  time.Duration
	Compress bool

	// Resource describes the process: service.name, and what else is said of it.
	Resource map[string]string

	// Sampler is always_on, always_off or traceidratio, with Ratio; ParentBased asks it about traces that begin here alone.
	Sampler     string
	ParentBased bool
	Ratio       float64

	// Propagate reads and writes the headers of W3C Trace Context.
	Propagate bool

	// Delay, Batch and Queue are the bounds of what waits for the collector.
	Delay        time.Duration
	Batch, Queue int
}

// NewTracing is what holds when nothing but the address of the collector is said.
func NewTracing(endpoint string) *Tracing {
	return &Tracing{
		Endpoint: endpoint, Timeout: 10 * time.Second, Resource: map[string]string{"service.name": "doorward"},
		Sampler: "always_on", ParentBased: true, Ratio: 1, Propagate: true, Delay: 5 * time.Second, Batch: 512, Queue: 2048,
	}
}

// TracesTo is the server that traces are sent to, "off" where there is none: for people, without what its path may hold.
func (c *Config) TracesTo() string {
	if c.Tracing == nil {
		return "off"
	}
	u, err := url.Parse(c.Tracing.Endpoint)
	if err != nil {
		return "?"
	}
	return u.Scheme + "://" + u.Host
}
