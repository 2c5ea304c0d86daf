package proxy_test

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"doorward/config"
	"doorward/proxy/providertest"
	"doorward/proxy/tracingtest"
)

// traced is a site whose spans a collector takes.
func traced(t *testing.T, configure func(*config.Config), mutations ...providertest.Mutation) (*site, *tracingtest.Collector) {
	t.Helper()
	c := tracingtest.New(t)
	return newSite(t, func(settings *config.Config) {
		settings.Tracing = config.NewTracing(c.Endpoint)
		if configure != nil {
			configure(settings)
		}
	}, mutations...), c
}

// spansOf are the spans that belong to a request of this path, that of the request first, when it is over.
func (s *site) spansOf(c *tracingtest.Collector, path string) []tracingtest.Span {
	s.t.Helper()
	eventually(s.t, func() bool { return s.metric("doorward_in_flight_requests") == 0 })
	s.Proxy.Rest()
	s.Proxy.FlushTraces(context.Background())
	all := c.Spans()
	at := slices.IndexFunc(all, func(span tracingtest.Span) bool {
		return span.Kind == "SPAN_KIND_SERVER" && span.Attributes["url.path"] == path
	})
	if at < 0 {
		s.t.Fatalf("there is no span of %s among %v", path, all)
	}
	spans := []tracingtest.Span{all[at]}
	for i, span := range all {
		if i != at && span.TraceID == all[at].TraceID {
			spans = append(spans, span)
		}
	}
	return spans
}

// has checks attributes of a span.
func has(t *testing.T, span tracingtest.Span, want map[string]string) {
	t.Helper()
	for name, value := range want {
		if span.Attributes[name] != value {
			t.Errorf("%s of %q is %q, not %q", name, span.Name, span.Attributes[name], value)
		}
	}
}

// A request is a span, its upstream's answer another one below it, and the upstream is told of the latter.
func TestRequestIsTraced(t *testing.T) {
	s, c := traced(t, nil)
	b := s.signedIn("alice")
	b.open(s.URL + "/admin/x?q=1")

	spans := s.spansOf(c, "/admin/x")
	if len(spans) != 2 {
		t.Fatalf("the spans are %v", spans)
	}
	request, answer := spans[0], spans[1]
	line := s.lastRequests(1)[0]
	if request.Name != "GET /admin/" || request.Parent != "" || request.Status != "STATUS_CODE_UNSET" || line["trace_id"] != request.TraceID {
		t.Errorf("the request's span is %+v, its line %v", request, line)
	}
	origin, _ := url.Parse(s.URL)
	has(t, request, map[string]string{
		"http.request.method": "GET", "http.route": "/admin/", "http.response.status_code": "200", "url.scheme": "http",
		"server.address": "127.0.0.1", "server.port": origin.Port(), "client.address": "127.0.0.1", "network.peer.address": "127.0.0.1",
		"network.protocol.version": "1.1", "doorward.rule": "/admin/", "doorward.outcome": "forwarded", "doorward.upstream": s.Upstream.URL,
		"doorward.request_id": line["request_id"].(string),
	})
	if answer.Name != "GET" || answer.Kind != "SPAN_KIND_CLIENT" || answer.Parent != request.ID || !slices.Equal(answer.Events, []string{"answer begins"}) {
		t.Errorf("the upstream's span is %+v", answer)
	}
	has(t, answer, map[string]string{"http.request.method": "GET", "http.response.status_code": "200", "url.full": s.Upstream.URL + "/admin/x"})
	if told := s.Upstream.last(t).Header["Traceparent"]; !slices.Equal(told, []string{"00-" + answer.TraceID + "-" + answer.ID + "-01"}) {
		t.Errorf("the upstream is told %q", told)
	}
	if r := c.Resource(); r["service.name"] != "doorward" || r["service.version"] != "test" || r["telemetry.sdk.name"] != "opentelemetry" {
		t.Errorf("the resource is %v", r)
	}
}

// Questions to the provider belong to the request that needs them, and do not tell the provider.
func TestLoginIsTraced(t *testing.T) {
	s, c := traced(t, nil)
	s.signedIn("alice")

	spans := s.spansOf(c, "/oauth2/callback")
	if spans[0].Name != "GET /oauth2/callback" || spans[0].Attributes["http.route"] != "/oauth2/callback" {
		t.Errorf("the callback's span is %+v", spans[0])
	}
	var asked []string
	for _, span := range spans[1:] {
		asked = append(asked, span.Name)
		if span.Parent != spans[0].ID || span.Kind != "SPAN_KIND_CLIENT" || span.Attributes["http.response.status_code"] != "200" {
			t.Errorf("a request to the provider is %+v", span)
		}
	}
	if !slices.Equal(asked, []string{"POST token", "GET jwks"}) {
		t.Errorf("the provider's spans are %q", asked)
	}
	if start := s.spansOf(c, "/"); start[1].Name != "GET discovery" {
		t.Errorf("the spans of the start are %v", start)
	}
	for _, r := range s.Provider.Requests(providertest.Token) {
		if r.Header.Get("Traceparent") != "" {
			t.Error("the provider learns of our traces")
		}
	}
}

// A refresh goes on when its request has gone, and belongs to its trace.
func TestRefreshIsTraced(t *testing.T) {
	s, c := traced(t, nil)
	s.Provider.IssueRefreshTokens()
	b := s.signedIn("alice")
	b.age(s, untilDead)
	b.open(s.URL + "/fresh")

	spans := s.spansOf(c, "/fresh")
	if !slices.ContainsFunc(spans, func(span tracingtest.Span) bool { return span.Name == "POST token" && span.Parent == spans[0].ID }) {
		t.Errorf("the spans are %v", spans)
	}
}

// A denial is no fault of ours, and an upstream that is away is one.
func TestFailuresAreTraced(t *testing.T) {
	s, c := traced(t, func(c *config.Config) { c.Upstreams += "\n/public/gone/ http://127.0.0.1:1" })
	s.signedIn("bob").open(s.URL + "/admin/x")
	s.browser().open(s.URL + "/public/gone/")
	s.Upstream.Answer = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }
	s.browser().open(s.URL + "/public/teapot")

	denied := s.spansOf(c, "/admin/x")
	if len(denied) != 1 || denied[0].Status != "STATUS_CODE_UNSET" {
		t.Errorf("the denial is %+v", denied)
	}
	has(t, denied[0], map[string]string{"http.response.status_code": "403", "doorward.outcome": "denied", "doorward.reason": "group", "http.route": "/admin/"})
	gone := s.spansOf(c, "/public/gone/")
	if len(gone) != 2 || gone[0].Status != "STATUS_CODE_ERROR" || gone[1].Status != "STATUS_CODE_ERROR" {
		t.Fatalf("the upstream that is away is %+v", gone)
	}
	has(t, gone[0], map[string]string{"http.response.status_code": "502", "error.type": "upstream_error"})
	has(t, gone[1], map[string]string{"error.type": "connect"})
	if teapot := s.spansOf(c, "/public/teapot"); teapot[0].Status != "STATUS_CODE_UNSET" || teapot[1].Status != "STATUS_CODE_ERROR" {
		t.Errorf("an answer of the upstream's own is %+v", teapot)
	}
}

const (
	givenID    = "4bf92f3577b34da6a3ce929d0e0e4736"
	givenSpan  = "00f067aa0ba902b7"
	givenTrace = "00-" + givenID + "-" + givenSpan + "-01"
)

// Only a trusted proxy may say which trace a request belongs to, and whether it is kept.
func TestNamedTraces(t *testing.T) {
	for name, test := range map[string]struct {
		trusted   []string
		lines     []string
		continued bool
		linked    bool
		kept      bool
	}{
		"trusted":             {[]string{"127.0.0.1"}, []string{"traceparent: " + givenTrace, "tracestate: a=1", "tracestate: b=2"}, true, false, true},
		"trusted, not kept":   {[]string{"127.0.0.1"}, []string{"traceparent: " + givenTrace[:53] + "00"}, true, false, false},
		"untrusted":           {nil, []string{"traceparent: " + givenTrace, "tracestate: a=canary-query"}, false, true, true},
		"untrusted, not kept": {nil, []string{"traceparent: " + givenTrace[:53] + "00"}, false, true, true},
		"two":                 {[]string{"127.0.0.1"}, []string{"traceparent: " + givenTrace, "traceparent: " + givenTrace}, false, false, true},
		"no trace":            {[]string{"127.0.0.1"}, []string{"traceparent: 00-" + strings.Repeat("0", 32) + "-" + givenSpan + "-01"}, false, false, true},
		"state alone":         {nil, []string{"tracestate: a=canary-query"}, false, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			s, c := traced(t, func(c *config.Config) { c.TrustedProxies = test.trusted })
			s.rawGet("/public/x", test.lines...)
			s.rawGet("/public/last")
			last := s.spansOf(c, "/public/last") // whatever came before has been sent with it
			told := s.Upstream.Received()[0].Header
			id := strings.Split(told.Get("Traceparent"), "-")[1]
			if (id == givenID) != test.continued || last[0].TraceID == givenID {
				t.Errorf("the trace is %s", id)
			}
			if lines := s.Log.events(t, "request"); lines[0]["trace_id"] != id {
				t.Errorf("the log says %v", lines[0])
			}
			if strings.Contains(told.Get("Tracestate")+c.Text(), "canary") {
				t.Error("a client's tracestate is passed on")
			}
			if name == "trusted" && told.Get("Tracestate") != "a=1,b=2" {
				t.Errorf("tracestate is %q", told.Get("Tracestate"))
			}
			at := slices.IndexFunc(c.Spans(), func(span tracingtest.Span) bool { return span.Attributes["url.path"] == "/public/x" })
			if (at >= 0) != test.kept {
				t.Fatalf("the spans are %v", c.Spans())
			}
			if !test.kept {
				return
			}
			span := c.Spans()[at]
			if slices.Contains(span.Links, givenID) != test.linked || (span.Parent == givenSpan) != test.continued {
				t.Errorf("the span is %+v", span)
			}
		})
	}
}

// Without tracing, headers of traces are nothing but headers. What a trusted proxy names is in the log all the same.
func TestTraceHeadersWithoutTracing(t *testing.T) {
	for _, trusted := range []bool{false, true} {
		s := newSite(t, func(c *config.Config) {
			if trusted {
				c.TrustedProxies = []string{"127.0.0.1"}
			}
		})
		s.rawGet("/public/x", "Traceparent: "+givenTrace, "tracestate: a=1", "baggage: c=d")
		got := s.Upstream.last(t).Header
		if got.Get("Traceparent") != givenTrace || got.Get("Tracestate") != "a=1" || got.Get("Baggage") != "c=d" {
			t.Errorf("the upstream gets %v", got)
		}
		if id, there := s.lastRequests(1)[0]["trace_id"]; there != trusted || there && id != givenID {
			t.Errorf("trusted %v: the log says %v", trusted, id)
		}
	}
}

// With OTEL_PROPAGATORS=none too.
func TestNothingIsPropagated(t *testing.T) {
	s, c := traced(t, func(c *config.Config) { c.Tracing.Propagate, c.TrustedProxies = false, []string{"127.0.0.1"} })
	s.rawGet("/public/x", "traceparent: "+givenTrace)
	if span := s.spansOf(c, "/public/x")[0]; span.TraceID == givenID || s.Upstream.last(t).Header.Get("Traceparent") != givenTrace {
		t.Errorf("the span is %+v, the upstream gets %v", span, s.Upstream.last(t).Header)
	}
}

// No span holds what no log may hold, nor who it was.
func TestSpansHoldNoSecret(t *testing.T) {
	secret := config.NewSecret()
	s, c := traced(t, func(c *config.Config) { c.CookieSecrets = []string{secret} })
	b := s.signedIn("alice")
	cookie := b.cookies(s.URL)[0].Value
	everything(s)

	s.rawGet("/public/last")
	s.spansOf(c, "/public/last")
	secrets := secretsOf(s)
	secrets["cookie"], secrets["cookie secret"], secrets["person"] = cookie, secret, "alice"
	for what, secret := range secrets {
		for _, written := range []string{secret, url.QueryEscape(secret)} {
			if strings.Contains(c.Text(), written) {
				t.Errorf("the %s is in a span", what)
			}
		}
	}
	if len(c.Spans()) < 40 {
		t.Errorf("there are %d spans only", len(c.Spans()))
	}
}

// A name groups spans, so nobody may think of new ones.
func TestClientsMakeNoSpanNames(t *testing.T) {
	s, c := traced(t, nil)
	s.rawRequest("CANARY", "/public/canary")
	s.rawGet("/oauth2/canary")
	s.rawGet("/canary%2f..%2fcanary/")
	s.raw("GET /canary HTTP/1.1\r\nHost: canary.example\r\nConnection: close\r\n\r\n")
	s.rawGet("/public/last")
	s.spansOf(c, "/public/last")
	for _, span := range c.Spans() {
		if strings.Contains(strings.ToLower(span.Name+span.Attributes["http.route"]), "canary") {
			t.Errorf("a span is called %q", span.Name)
		}
	}
}

// Probes of load balancers are not worth a trace.
func TestHealthIsNotTraced(t *testing.T) {
	s, c := traced(t, nil)
	s.rawGet("/oauth2/healthz")
	s.rawGet("/public/last")
	s.spansOf(c, "/public/last")
	if spans := c.Spans(); len(spans) != 2 {
		t.Errorf("the spans are %v", spans)
	}
}

// A collector that is away costs no request and no end of the process its time, and the log a line.
func TestDeadCollector(t *testing.T) {
	s, c := traced(t, func(c *config.Config) { c.Tracing.Queue, c.Tracing.Batch, c.Tracing.Timeout = 8, 4, time.Hour })
	held := make(chan struct{})
	t.Cleanup(func() { close(held) })
	c.Answer = func(http.ResponseWriter, *http.Request) bool { <-held; return true }
	b := s.browser()
	for range 20 {
		if p := b.open(s.URL + "/public/x"); p.StatusCode != http.StatusOK {
			t.Fatalf("the answer is %d", p.StatusCode)
		}
	}
	eventually(t, func() bool { return s.metric(`doorward_trace_spans_total{result="dropped"}`) > 0 })
	s.Proxy.Close()
	eventually(t, func() bool { return s.metric(`doorward_trace_spans_total{result="failed"}`) > 0 })
	if lines := s.Log.events(t, "traces_failed"); len(lines) != 1 {
		t.Errorf("the log says %v", lines)
	}
}

// A WebSocket's span goes on as long as it does.
func TestWebSocketIsTraced(t *testing.T) {
	s, c := traced(t, nil)
	s.Upstream.Answer = new(endless).converse
	conn, _, err := websocket.Dial(t.Context(), s.URL+"/public/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	s.Proxy.FlushTraces(t.Context())
	if spans := c.Spans(); len(spans) != 0 {
		t.Errorf("the spans are %v", spans)
	}
	_ = conn.CloseNow()
	spans := s.spansOf(c, "/public/ws")
	has(t, spans[0], map[string]string{"http.response.status_code": "101", "doorward.upgraded": "true"})
	if len(spans) != 2 || spans[1].Parent != spans[0].ID || spans[1].Status != "STATUS_CODE_UNSET" {
		t.Errorf("the spans are %v", spans)
	}
}

// A question of a server in front is told as the request that it is about.
func TestForwardAuthIsTraced(t *testing.T) {
	s, c := traced(t, asFrontOf("nginx", nil))
	s.question("nginx", "POST", "/admin/x?q=canary-query", "traceparent: "+givenTrace)
	spans := s.spansOf(c, "/admin/x")
	if len(spans) != 1 || spans[0].Name != "POST /admin/" || spans[0].TraceID != givenID || spans[0].Attributes["http.response.status_code"] != "401" {
		t.Errorf("the spans are %v", spans)
	}
}

// What an upstream breaks off is traced to its end.
func TestBrokenAnswerIsTraced(t *testing.T) {
	s, c := traced(t, nil)
	s.Upstream.Answer = hangUp("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
	_, _ = http.Get(s.URL + "/public/half")
	if spans := s.spansOf(c, "/public/half"); len(spans) != 2 {
		t.Errorf("the spans are %v", spans)
	}
}

// BenchmarkTraced is what a request costs with tracing: every one kept, one of a hundred, none; and without. Compare BenchmarkRequest.
func BenchmarkTraced(b *testing.B) {
	upstream := leanUpstream(b)
	for name, ratio := range map[string]float64{"all": 1, "hundredth": 0.01, "none": 0, "off": -1} {
		b.Run(name, func(b *testing.B) {
			c := tracingtest.New(b)
			s := newSite(b, func(settings *config.Config) {
				settings.Upstreams, settings.LogLevel = upstream, "info"
				if ratio >= 0 {
					settings.Tracing = config.NewTracing(c.Endpoint)
					settings.Tracing.Sampler, settings.Tracing.Ratio = "traceidratio", ratio
				}
			})
			c.Answer = func(_ http.ResponseWriter, r *http.Request) bool { _, _ = io.Copy(io.Discard, r.Body); return true }
			s.repeat(b, s.Proxy, "/public/", http.Header{}, http.StatusOK)
		})
	}
}

// Bytes that are no text cost no other span its way: OTLP's strings are UTF-8, and one that is not would spoil a whole batch.
func TestPathsThatAreNoTextAreTraced(t *testing.T) {
	s, c := traced(t, nil)
	s.rawGet("/public/\xff\xfe")
	s.rawGet("/public/" + strings.Repeat("é", 400))
	s.raw("GET /public/x HTTP/1.1\r\nHost: \xff\xfe\r\nConnection: close\r\n\r\n")
	s.rawGet("/public/last")
	s.spansOf(c, "/public/last")
	if n := s.metric(`doorward_trace_spans_total{result="failed"}`); n > 0 {
		t.Errorf("%v spans are lost: %v", n, s.Log.events(t, "traces_failed"))
	}
}
