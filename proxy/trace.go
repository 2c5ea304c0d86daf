package proxy

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	oteltrace "go.opentelemetry.io/otel/trace"

	"doorward/config"
	"doorward/proxy/provider"
	"doorward/proxy/tracing"
)

// What OpenTelemetry is told: a span for each request, below it one for the upstream's answer and one for each question to the provider,
// named and described by OpenTelemetry's semantic conventions for HTTP.
//
// Rules that this file keeps:
//
//   - A request continues the trace that it names only where it comes from one of TRUSTED_PROXIES. Anybody else could have all of theirs
//     kept, or write into the traces of others: they begin a trace of ours, with a link to what they named (W3C Trace Context
//     7.2; 3.4, "restart trace").
//   - No span holds a query, a cookie, a token, a code, a state, a User-Agent, an error's own words, nor who is asking.
//   - The name of a span takes no value that a client chose.
//   - The provider, who is somebody else, learns nothing of our traces.
//   - While tracing is off, headers of traces pass as any header does, and nothing is done for it but to log the id of a trace that a
//     trusted proxy names.

// trace is what is known of an exchange's trace.
type trace struct {
	id string // for the log

	// What follows is nil while tracing is off.
	tracing  *traces
	span     oteltrace.Span // of the request
	upstream oteltrace.Span // of the upstream's answer; nil while nobody is asked
}

// traces makes spans. A nil one makes none.
type traces struct {
	*tracing.Tracer
	propagate bool
	healthz   string // the path of the one endpoint that is not worth a span
}

// TracingOptions are what OpenTelemetry's variables say.
func TracingOptions(t *config.Tracing) tracing.Options {
	return tracing.Options{
		Endpoint: t.Endpoint, Header: t.Headers, TLS: t.TLS, Timeout: t.Timeout, Compress: t.Compress, Resource: t.Resource,
		Sampler: t.Sampler, ParentBased: t.ParentBased, Ratio: t.Ratio, Delay: t.Delay, Batch: t.Batch, Queue: t.Queue,
	}
}

// openTraces is nil where there is no tracing.
func (p *Proxy) openTraces(version string) *traces {
	t := p.config.Tracing
	if t == nil {
		return nil
	}
	o := TracingOptions(t)
	o.Resource = map[string]string{"service.version": version}
	maps.Copy(o.Resource, t.Resource)
	o.OnExport = p.tracesNotice()
	return &traces{tracing.New(o), t.Propagate, p.config.EndpointPrefix + "/healthz"}
}

// tracesEvery is how often it is told that the collector takes nothing.
const tracesEvery = 5 * time.Minute

// tracesNotice counts spans by what became of them, and tells the log now and then of those that are lost.
func (p *Proxy) tracesNotice() func(spans int, err error) {
	count := promauto.With(p.metrics.registry).NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: "trace_spans_total",
		Help: "Spans by what became of them. Without tracing there is no such series."}, []string{"result"})
	touch(count, "exported", "failed", "dropped")
	told := seldom{every: tracesEvery}
	return func(spans int, err error) {
		result := exportResult(err)
		count.WithLabelValues(result).Add(float64(spans))
		if err != nil && told.due() {
			p.log.Warn("traces_failed", "reason", result, "error", shortened(err.Error()))
		}
	}
}

func exportResult(err error) string {
	switch err {
	case nil:
		return "exported"
	case tracing.ErrQueueFull:
		return "dropped"
	}
	return "failed"
}

// FlushTraces sends the spans of what has ended, and gives up when ctx ends, or after a moment.
func (p *Proxy) FlushTraces(ctx context.Context) {
	if p.traces == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, closePatience)
	defer cancel()
	p.traces.Flush(ctx)
}

func (t *traces) close(patience time.Duration) {
	if t != nil {
		t.Close(patience)
	}
}

// begin begins the trace of an exchange, or goes on with the one that it belongs to. The request that it returns carries it.
func (t *traces) begin(x *exchange, r *http.Request) *http.Request {
	if t == nil || r.URL.Path == t.healthz {
		x.noteTrace(r)
		return r
	}
	ctx, options := r.Context(), []oteltrace.SpanStartOption{oteltrace.WithSpanKind(oteltrace.SpanKindServer), oteltrace.WithTimestamp(x.start)}
	if given := namedTrace(r.Header); t.propagate && given.IsValid() {
		if x.client.trusted {
			ctx = oteltrace.ContextWithRemoteSpanContext(ctx, given)
		} else {
			options = append(options, oteltrace.WithLinks(oteltrace.Link{SpanContext: given.WithTraceState(oteltrace.TraceState{})}))
		}
	}
	ctx, span := t.Start(ctx, nameOf(r.Method), options...)
	x.trace = &trace{id: span.SpanContext().TraceID().String(), tracing: t, span: span}
	return r.WithContext(ctx)
}

// noteTrace notes the trace that a trusted proxy names, for the log.
func (x *exchange) noteTrace(r *http.Request) {
	if !x.client.trusted || r.Header["Traceparent"] == nil {
		return
	}
	if given := namedTrace(r.Header); given.IsValid() {
		x.trace = &trace{id: given.TraceID().String()}
	}
}

// namedTrace is what a request says of the trace that it belongs to; not valid where it says nothing, or nothing sound.
func namedTrace(h http.Header) oteltrace.SpanContext {
	if h["Traceparent"] == nil {
		return oteltrace.SpanContext{}
	}
	return oteltrace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), traceHeaders(h)))
}

// traceHeaders reads and writes the headers of a trace. Two lines of tracestate are one list (RFC 9110 5.3), and two of
// traceparent are none.
type traceHeaders http.Header

func (h traceHeaders) Get(name string) string {
	return strings.Join(http.Header(h).Values(name), ",")
}

func (h traceHeaders) Set(name, value string) { http.Header(h).Set(name, value) }

func (h traceHeaders) Keys() []string { return nil } // nobody asks

// traceID is the id of the exchange's trace; "" where there is none.
func (x *exchange) traceID() string {
	if x.trace == nil {
		return ""
	}
	return x.trace.id
}

// ask begins the span of an upstream's answer, and names it to the upstream in place of whatever the client named.
func (t *trace) ask(d *delivery, r *http.Request) {
	if t == nil || t.tracing == nil {
		return
	}
	ctx, span := t.tracing.Start(r.Context(), nameOf(r.Method), oteltrace.WithSpanKind(oteltrace.SpanKindClient))
	t.upstream = span
	if t.tracing.propagate {
		r.Header.Del("Traceparent")
		r.Header.Del("Tracestate")
		propagation.TraceContext{}.Inject(ctx, traceHeaders(r.Header))
	}
	if !span.IsRecording() {
		return
	}
	span.SetAttributes(method(r.Method), attribute.String("doorward.upstream", d.upstream.name),
		semconv.URLFull(d.upstream.target.Scheme+"://"+d.upstream.target.Host+said(d.path)))
	span.SetAttributes(server(d.upstream.target)...)
}

// answered notes the head of the upstream's answer, or why there is none. The span goes on as long as the answer.
func (t *trace) answered(r *http.Request, answer *http.Response, err error) {
	if t == nil || t.upstream == nil || !t.upstream.IsRecording() {
		return
	}
	if err != nil {
		fail(t.upstream, failureReason(r, err))
		return
	}
	t.upstream.AddEvent("answer begins")
	t.upstream.SetAttributes(semconv.HTTPResponseStatusCode(answer.StatusCode))
	if answer.StatusCode >= 400 {
		fail(t.upstream, strconv.Itoa(answer.StatusCode))
	}
}

// endTrace ends the spans of an exchange.
func (p *Proxy) endTrace(x *exchange, r *http.Request) {
	t := x.trace
	if t == nil || t.tracing == nil {
		return
	}
	if t.upstream != nil {
		t.upstream.End()
	}
	if t.span.IsRecording() {
		p.describeTrace(x, r)
	}
	t.span.End()
}

// describeTrace says of a request what the log says, but for who it was.
func (p *Proxy) describeTrace(x *exchange, r *http.Request) {
	span := x.trace.span
	o := p.publicOrigin(x, r)
	all := append(make([]attribute.KeyValue, 0, 20), method(r.Method),
		semconv.URLPath(said(x.path)), semconv.URLScheme(o.scheme), semconv.NetworkProtocolVersion(protocolVersion(r)),
		semconv.ClientAddress(x.client.address().String()), semconv.NetworkPeerAddress(x.client.peerIP()),
		attribute.String("doorward.request_id", x.id), attribute.String("doorward.rule", x.rule), attribute.String("doorward.outcome", x.outcome))
	all = append(all, server(&url.URL{Scheme: o.scheme, Host: said(r.Host)})...)
	if route := p.routeOf(x); route != "" {
		all = append(all, semconv.HTTPRoute(route))
		span.SetName(nameOf(r.Method) + " " + route)
	}
	span.SetAttributes(append(all, x.ending()...)...)
	if x.status >= 500 {
		fail(span, x.outcome)
	}
}

// ending is what not every request comes to.
func (x *exchange) ending() (all []attribute.KeyValue) {
	if x.reason != "" {
		all = append(all, attribute.String("doorward.reason", x.reason))
	}
	if x.upstream != "" {
		all = append(all, attribute.String("doorward.upstream", x.upstream))
	}
	if x.upgraded() {
		all = append(all, attribute.Bool("doorward.upgraded", true))
	}
	if x.answered() {
		all = append(all, semconv.HTTPResponseStatusCode(x.status))
	}
	return all
}

// routeOf is the path of the rule that decided, or of the endpoint of ours; "" where there is neither.
func (p *Proxy) routeOf(x *exchange) string {
	if x.rule == p.ownRule() {
		if endpoint, _ := p.endpointOf(x.path); slices.Contains(endpoints(), endpoint) {
			return x.path
		}
		return x.rule
	}
	if x.rule == "none" {
		return ""
	}
	return x.rule[strings.LastIndexByte(x.rule, ' ')+1:]
}

// providerAsked tells metric and trace of a request to the provider, which is over.
func (p *Proxy) providerAsked(ctx context.Context, asked provider.Asked) {
	p.metrics.providerAsked(asked.Endpoint, asked.Code, asked.Took)
	if p.traces == nil {
		return
	}
	ended := time.Now()
	_, span := p.traces.Start(ctx, nameOf(asked.Method)+" "+asked.Endpoint,
		oteltrace.WithSpanKind(oteltrace.SpanKindClient), oteltrace.WithTimestamp(ended.Add(-asked.Took)))
	defer span.End(oteltrace.WithTimestamp(ended))
	if !span.IsRecording() {
		return
	}
	span.SetAttributes(method(asked.Method), attribute.String("doorward.provider.endpoint", asked.Endpoint))
	span.SetAttributes(server(asked.Server)...)
	status, err := strconv.Atoi(asked.Code)
	if err == nil {
		span.SetAttributes(semconv.HTTPResponseStatusCode(status))
	}
	if err != nil || status >= 400 {
		fail(span, asked.Code)
	}
}

// inTraceOf makes work that belongs to no request a part of the trace of the one that began it.
func inTraceOf(request, work context.Context) context.Context {
	return oteltrace.ContextWithSpan(work, oteltrace.SpanFromContext(request))
}

// fail marks what a span is about as failed, for a reason that is a fixed word.
func fail(span oteltrace.Span, reason string) {
	span.SetAttributes(semconv.ErrorTypeKey.String(reason))
	span.SetStatus(codes.Error, reason)
}

// said is what a client wrote, as a span can hold it: one string that is no UTF-8 would cost its whole batch the way to the collector.
func said(text string) string { return strings.ToValidUTF8(shortened(text), "\uFFFD") }

// method is a request's method, where it is one that is known.
func method(m string) attribute.KeyValue {
	if m = knownMethod(m); m == "other" {
		m = "_OTHER"
	}
	return semconv.HTTPRequestMethodKey.String(m)
}

// nameOf is what the name of a request's span begins with.
func nameOf(method string) string {
	if method = knownMethod(method); method == "other" {
		return "HTTP"
	}
	return method
}

// server is where requests go.
func server(u *url.URL) []attribute.KeyValue {
	port, _ := strconv.Atoi(u.Port())
	switch {
	case port != 0:
	case u.Scheme == "https":
		port = 443
	default:
		port = 80
	}
	return []attribute.KeyValue{semconv.ServerAddress(u.Hostname()), semconv.ServerPort(port)}
}

func protocolVersion(r *http.Request) string {
	if r.ProtoMajor == 1 {
		return "1." + strconv.Itoa(r.ProtoMinor)
	}
	return strconv.Itoa(r.ProtoMajor)
}
