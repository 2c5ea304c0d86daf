package proxy

import (
	"errors"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"

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
	refreshes        *prometheus.CounterVec
	logouts          *prometheus.CounterVec
	bearerTokens     *prometheus.CounterVec
	providerRequests *prometheus.HistogramVec
	configReload     prometheus.Gauge
	sessionLoads     map[string]prometheus.Counter // by result: finding a series costs more than counting
	sessionKeyUses   *prometheus.CounterVec
	firstKeyUses     prometheus.Counter // of sessionKeyUses: nearly all
	sessionBytes     prometheus.Histogram
	connections      prometheus.Gauge
	webSockets       prometheus.Gauge
	connectionsCut   *prometheus.CounterVec

	mu     sync.RWMutex
	series map[requestLabels]requestSeries
}

// requestLabels are the labels of a finished request, and requestSeries what counts requests like it: finding the series of labels costs
// more than counting.
type requestLabels struct {
	rule, method, outcome string
	status                int
}

type requestSeries struct {
	count    prometheus.Counter
	duration prometheus.Observer
}

func newMetrics(version string) *metrics {
	m := &metrics{registry: prometheus.NewRegistry(), series: map[requestLabels]requestSeries{}}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	of := family{promauto.With(m.registry)}
	m.requests = of.counters("requests_total", "Requests by deciding rule, method, status and outcome.", "rule", "method", "code", "outcome")
	m.requestDuration = of.histograms("request_duration_seconds", "Time from a request's arrival to its answer's end, without upgrades.", "rule")
	m.inFlight = of.gauges("in_flight_requests", "Requests being served.").WithLabelValues()
	m.upstreamDuration = of.histograms("upstream_duration_seconds", "Time to the head of an upstream's answer.", "upstream")
	m.upstreamErrors = of.counters("upstream_errors_total", "Requests that an upstream did not answer, or not to the end, by reason.", "upstream", "reason")
	m.denials = of.counters("denials_total", "Requests that a rule refused, by what was missing.", "rule", "reason")
	m.ambiguousPaths = of.counters("ambiguous_paths_total", "Requests refused because their path has several meanings.").WithLabelValues()
	m.loginsStarted = of.counters("logins_started_total", "People sent to the provider.").WithLabelValues()
	m.logins = of.counters("logins_total", "Callbacks by result, and logins that failed before anybody was sent to the provider.", "result")
	m.loginLoops = of.counters("login_loops_total", "Logins stopped because they came back again and again.").WithLabelValues()
	m.refreshes = of.counters("refreshes_total", "Refreshes of access tokens by result.", "result")
	m.logouts = of.counters("logouts_total", "Sessions ended by a sign-out, by kind.", "kind")
	m.bearerTokens = of.counters("bearer_tokens_total", "Access tokens that API clients brought, by result.", "result")
	m.providerRequests = of.histograms("provider_request_duration_seconds", "Requests to the provider.", "endpoint", "code")
	m.configReload = of.gauges("config_reload_success", "0 while a setting that was read again from its file cannot be used, and the last good value is.").WithLabelValues()
	m.configReload.Set(1)
	m.sessionLoads = touch(of.counters("session_loads_total", "Looks for a session, by result.", "result"),
		"ok", "none", "invalid", "expired", "revoked", "unavailable")
	m.sessionKeyUses = of.counters("session_key_uses_total", "Sessions opened, by the place of their secret in DOORWARD_COOKIE_SECRETS.", "key")
	m.firstKeyUses = m.sessionKeyUses.WithLabelValues("1")
	m.sessionBytes = of.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Name: "session_cookie_bytes",
		Help: "Bytes of a session's cookies, names and values.", Buckets: []float64{512, 1024, 2048, 3072, 4096, 6144, 8192, 16384, 32768}})
	connections := of.gauges("open_connections", "Open connections of clients, by kind.", "kind")
	m.connections, m.webSockets = connections.WithLabelValues("http"), connections.WithLabelValues("websocket")
	m.connectionsCut = of.counters("connections_cut_total", "Requests and WebSockets that were cut while they went on, by reason.", "reason")
	of.gauges("build_info", "1, with the version as labels.", "version", "goversion").WithLabelValues(version, runtime.Version()).Set(1)
	return m
}

// start makes what could not be made before the Proxy that it is about was complete.
func (m *metrics) start(p *Proxy) {
	m.startSeries(p.upstreams)
	m.startGauges(p)
}

// startSeries makes the series whose labels are known.
func (m *metrics) startSeries(upstreams []*upstream) {
	results := []string{"ok", "no_login_state", "unusable_claims", "session_too_large", "redis_unavailable", "internal_error"}
	for _, kind := range provider.Kinds() {
		results = append(results, kind.String())
	}
	touch(m.logins, results...)
	touch(m.refreshes, refreshResults()...)
	touch(m.logouts, logoutHere, logoutAtProvider, logoutEverywhere, logoutBackChannel, logoutFrontChannel, logoutByAdmin)
	touch(m.bearerTokens, bearerResults()...)
	touch(m.connectionsCut, cutReasons()...)
	for _, u := range upstreams {
		for _, reason := range failureReasons() {
			m.upstreamErrors.WithLabelValues(u.name, reason)
		}
	}
}

// startGauges makes those that are read off the Proxy whenever somebody asks. Some are there only where the settings have use for them.
func (m *metrics) startGauges(p *Proxy) {
	of := family{promauto.With(m.registry)}
	of.gaugeOf("provider_up", "1 when the provider answered last time it was asked.", func() float64 { return oneIf(p.provider.Up()) })
	of.gaugeOf("jwks_last_success_timestamp_seconds", "When the provider's keys were last read; 0 for never.", func() float64 {
		if at := p.provider.KeysFetchedAt(); !at.IsZero() {
			return float64(at.Unix())
		}
		return 0
	})
	if p.config.UsesRedis() {
		of.gaugeOf("redis_up", "1 while Redis answers. Without Redis there is no such series.", func() float64 { return oneIf(p.sessions.Reachable()) })
	}
	if most := p.config.MaxConnections; most > 0 {
		of.gaugeOf("max_connections", "How many connections of clients may be open. Without MAX_CONNECTIONS there is no such series.",
			func() float64 { return float64(most) })
	}
	if p.config.ServesTLS() {
		of.gaugeOf("tls_certificate_expiry_timestamp_seconds", "When the public listener's certificate expires. Without TLS_CERT there is no such series.",
			func() float64 { return float64(p.certificate().Leaf.NotAfter.Unix()) })
	}
}

func oneIf(so bool) float64 {
	if so {
		return 1
	}
	return 0
}

// touch makes the series of label values, and gives what counts in them.
func touch(v *prometheus.CounterVec, values ...string) map[string]prometheus.Counter {
	all := map[string]prometheus.Counter{}
	for _, value := range values {
		all[value] = v.WithLabelValues(value)
	}
	return all
}

// requestDone counts a finished exchange.
func (m *metrics) requestDone(x *exchange, method string, took time.Duration) {
	series := m.seriesOf(requestLabels{x.rule, knownMethod(method), x.outcome, x.status})
	series.count.Inc()
	if !x.upgraded() {
		series.duration.Observe(took.Seconds())
	}
}

// seriesOf gives what counts requests with such labels. What it remembers is bounded, since no client chooses a label.
func (m *metrics) seriesOf(l requestLabels) requestSeries {
	m.mu.RLock()
	s, known := m.series[l]
	m.mu.RUnlock()
	if known {
		return s
	}
	s = requestSeries{m.requests.WithLabelValues(l.rule, l.method, strconv.Itoa(l.status), l.outcome), m.requestDuration.WithLabelValues(l.rule)}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.series[l] = s
	return s
}

func knownMethod(method string) string {
	switch method {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE",
		"PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK", "REPORT":
		return method
	}
	return "other"
}

func (m *metrics) sessionOpened(key int) {
	if key == 0 {
		m.firstKeyUses.Inc()
		return
	}
	m.sessionKeyUses.WithLabelValues(strconv.Itoa(key + 1)).Inc()
}

func (m *metrics) sessionSaved(bytes int) { m.sessionBytes.Observe(float64(bytes)) }

func (m *metrics) providerAsked(endpoint, code string, took time.Duration) {
	m.providerRequests.WithLabelValues(endpoint, code).Observe(took.Seconds())
}

// sessionLoaded counts a look for a session; a cookie that does not open is told from none.
func (m *metrics) sessionLoaded(err error, carried bool) {
	result := "none"
	switch {
	case err == nil:
		result = "ok"
	case errors.Is(err, session.ErrExpired):
		result = "expired"
	case errors.Is(err, session.ErrRevoked):
		result = "revoked"
	case errors.Is(err, session.ErrUnavailable):
		result = "unavailable"
	case carried:
		result = "invalid"
	}
	m.sessionLoads[result].Inc()
}

// namespace begins the names of all metrics.
const namespace = "doorward"

// family makes and registers metrics.
type family struct{ promauto.Factory }

func (f family) counters(name, help string, labels ...string) *prometheus.CounterVec {
	return f.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

func (f family) gauges(name, help string, labels ...string) *prometheus.GaugeVec {
	return f.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

// gaugeOf is a gauge that is read when somebody asks.
func (f family) gaugeOf(name, help string, value func() float64) {
	f.NewGaugeFunc(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, value)
}

func (f family) histograms(name, help string, labels ...string) *prometheus.HistogramVec {
	return f.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help}, labels)
}
