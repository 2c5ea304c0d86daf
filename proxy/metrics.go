package proxy

import (
	"errors"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"doorward/proxy/provider"
	"doorward/session"
)

// Rules that this file keeps:
//
//   - No label takes a value that a client chose (CVE-2022-21698): rules and upstreams are those of the settings,
//     methods that are not well known fold into one, codes are doorward's or of three digits.
//   - A series whose label values are all fixed exists from the start, at 0, so that rates and alerts work at once.

// metrics are doorward's own, in a registry of its own.
type metrics struct {
	registry *prometheus.Registry

	requests         *prometheus.CounterVec
	requestDuration  *prometheus.HistogramVec
	inFlight         prometheus.Gauge
	upstreamDuration *prometheus.HistogramVec
	upstreamErrors   *prometheus.CounterVec
	denials          *prometheus.CounterVec
	ambiguousPaths   prometheus.Counter
	loginsStarted    prometheus.Counter
	logins           *prometheus.CounterVec
	loginLoops       prometheus.Counter
	logouts          *prometheus.CounterVec
	providerRequests *prometheus.HistogramVec
	sessionLoads     *prometheus.CounterVec
	sessionKeyUses   *prometheus.CounterVec
	sessionBytes     prometheus.Histogram
	openConnections  *prometheus.GaugeVec
	connections      prometheus.Gauge
	webSockets       prometheus.Gauge
}

func newMetrics(version string) *metrics {
	m := &metrics{registry: prometheus.NewRegistry()}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.requests = m.counters("requests_total", "Requests by deciding rule, method, status and outcome.", "rule", "method", "code", "outcome")
	m.requestDuration = m.histograms("request_duration_seconds", "Time from a request's arrival to its answer's end, without upgrades.", "rule")
	m.inFlight = m.gauge("in_flight_requests", "Requests being served.")
	m.upstreamDuration = m.histograms("upstream_duration_seconds", "Time to the head of an upstream's answer.", "upstream")
	m.upstreamErrors = m.counters("upstream_errors_total", "Requests that an upstream did not answer, by reason.", "upstream", "reason")
	m.denials = m.counters("denials_total", "Requests that a rule refused, by what was missing.", "rule", "reason")
	m.ambiguousPaths = m.counter("ambiguous_paths_total", "Requests refused because their path has several meanings.")
	m.loginsStarted = m.counter("logins_started_total", "People sent to the provider.")
	m.logins = m.counters("logins_total", "Callbacks by result.", "result")
	m.loginLoops = m.counter("login_loops_total", "Logins stopped because they came back again and again.")
	m.logouts = m.counters("logouts_total", "Sessions ended by a sign-out, by kind.", "kind")
	m.providerRequests = m.histograms("provider_request_duration_seconds", "Requests to the provider.", "endpoint", "code")
	m.sessionLoads = m.counters("session_loads_total", "Looks for a session, by result.", "result")
	m.sessionKeyUses = m.counters("session_key_uses_total", "Sessions opened, by the place of their secret in DOORWARD_COOKIE_SECRETS.", "key")
	m.sessionBytes = m.histogram("session_cookie_bytes", "Bytes of a session's cookies, names and values.", 512, 1024, 2048, 3072, 4096, 6144, 8192, 16384, 32768)
	m.openConnections = m.gauges("open_connections", "Open connections of clients, by kind.", "kind")
	m.connections = m.openConnections.WithLabelValues("http")
	m.webSockets = m.openConnections.WithLabelValues("websocket")
	m.gauges("build_info", "1, with the version as labels.", "version", "goversion").WithLabelValues(version, runtime.Version()).Set(1)
	return m
}

// start makes the series whose labels are known, once the Proxy they are about is complete.
func (m *metrics) start(p *Proxy) {
	results := []string{"ok", "no_login_state", "unusable_claims", "session_too_large", "internal_error"}
	for _, kind := range provider.Kinds() {
		results = append(results, kind.String())
	}
	touch(m.logins, results...)
	touch(m.logouts, "local")
	touch(m.sessionLoads, "ok", "none", "invalid", "expired")
	for key := range p.config.CookieSecrets {
		touch(m.sessionKeyUses, strconv.Itoa(key+1))
	}
	for _, u := range p.upstreams {
		for _, reason := range failureReasons() {
			m.upstreamErrors.WithLabelValues(u.name, reason)
		}
	}
	m.registry.MustRegister(
		gaugeFunc("provider_up", "1 when the provider answered last time it was asked.", func() float64 {
			if p.provider.Up() {
				return 1
			}
			return 0
		}),
		gaugeFunc("jwks_last_success_timestamp_seconds", "When the provider's keys were last read; 0 for never.", func() float64 {
			if at := p.provider.KeysFetchedAt(); !at.IsZero() {
				return float64(at.Unix())
			}
			return 0
		}))
}

func touch(v *prometheus.CounterVec, values ...string) {
	for _, value := range values {
		v.WithLabelValues(value)
	}
}

// requestDone counts a finished exchange.
func (m *metrics) requestDone(x *exchange, method string, took time.Duration) {
	m.requests.WithLabelValues(x.rule, knownMethod(method), strconv.Itoa(x.status), x.outcome).Inc()
	if !x.upgraded() {
		m.requestDuration.WithLabelValues(x.rule).Observe(took.Seconds())
	}
}

func knownMethod(method string) string {
	known := []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE",
		"PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK", "REPORT"}
	if slices.Contains(known, method) {
		return method
	}
	return "other"
}

func (m *metrics) sessionOpened(key int) {
	m.sessionKeyUses.WithLabelValues(strconv.Itoa(key + 1)).Inc()
}

func (m *metrics) sessionSaved(bytes int) { m.sessionBytes.Observe(float64(bytes)) }

func (m *metrics) providerAsked(endpoint, code string, took time.Duration) {
	m.providerRequests.WithLabelValues(endpoint, code).Observe(took.Seconds())
}

// sessionLoaded counts a look for a session; a cookie that does not open is told from none.
func (m *metrics) sessionLoaded(r *http.Request, err error, name string) {
	result := "ok"
	switch {
	case err == nil:
	case errors.Is(err, session.ErrExpired):
		result = "expired"
	case slices.ContainsFunc(r.Header["Cookie"], func(line string) bool { return strings.Contains(line, name) }):
		result = "invalid"
	default:
		result = "none"
	}
	m.sessionLoads.WithLabelValues(result).Inc()
}

// ConnState counts the connections of the server that it is set on (http.Server.ConnState).
func (p *Proxy) ConnState(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		p.metrics.connections.Inc()
	case http.StateClosed, http.StateHijacked:
		p.metrics.connections.Dec()
	}
}

func (m *metrics) counter(name, help string) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Namespace: "doorward", Name: name, Help: help})
	m.registry.MustRegister(c)
	return c
}

func (m *metrics) counters(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "doorward", Name: name, Help: help}, labels)
	m.registry.MustRegister(c)
	return c
}

func (m *metrics) gauge(name, help string) prometheus.Gauge {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "doorward", Name: name, Help: help})
	m.registry.MustRegister(g)
	return g
}

func (m *metrics) gauges(name, help string, labels ...string) *prometheus.GaugeVec {
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "doorward", Name: name, Help: help}, labels)
	m.registry.MustRegister(g)
	return g
}

func (m *metrics) histogram(name, help string, buckets ...float64) prometheus.Histogram {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "doorward", Name: name, Help: help, Buckets: buckets})
	m.registry.MustRegister(h)
	return h
}

func (m *metrics) histograms(name, help string, labels ...string) *prometheus.HistogramVec {
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "doorward", Name: name, Help: help}, labels)
	m.registry.MustRegister(h)
	return h
}

func gaugeFunc(name, help string, value func() float64) prometheus.GaugeFunc {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "doorward", Name: name, Help: help}, value)
}
