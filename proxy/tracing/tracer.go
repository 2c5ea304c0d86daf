// Package tracing sends spans to an OpenTelemetry collector, by OTLP over HTTP.
//
// OpenTelemetry's SDK makes, samples and batches them, and writes them down. The way to the collector is our own (collector.go): the SDK's
// is linked with all of gRPC, which doorward does not speak to anybody.
//
// Rules that this package keeps:
//
//   - Nobody waits for the collector: neither a request, nor for long the end of the process.
//   - What waits for it is bounded. Beyond that, spans are dropped, and counted.
//   - The process environment is not read here. What the SDK reads of it by itself is overruled.
package tracing

import (
	"cmp"
	"context"
	"crypto/tls"
	"maps"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Options are what a Tracer is made of. Only Endpoint must be set.
type Options struct {
	// Endpoint is the http or https address that takes spans, its path included.
	Endpoint string
	// Header goes along with every request; it may hold credentials.
	Header http.Header
	// TLS is for an https Endpoint; nil: the system's authorities are trusted.
	TLS *tls.Config
	// Timeout is how long a batch may take to be delivered, with all attempts; 0: ten seconds.
	Timeout time.Duration
	// Compress sends batches in gzip.
	Compress bool

	// Resource describes this process.
	Resource map[string]string

	// Sampler is always_on, always_off or traceidratio, with Ratio. ParentBased asks it only about traces that begin here.
	Sampler     string
	ParentBased bool
	Ratio       float64

	// Delay is how long spans wait for others at most, Batch how many of them are sent at once, and Queue how many wait; 0: 5 seconds, 512
	// and 2048, as OpenTelemetry has it.
	Delay        time.Duration
	Batch, Queue int

	// OnExport is told of a number of spans what became of them: err is nil for those that the collector took, and errors.Is
	// ErrQueueFull for those that were never sent. It may be called by several goroutines; may be nil.
	OnExport func(spans int, err error)
}

// Tracer makes spans. It is safe for concurrent use.
type Tracer struct {
	trace.Tracer
	provider  *sdk.TracerProvider
	collector *collector
}

// New makes a Tracer. It asks nobody: the collector may come later.
func New(o Options) *Tracer {
	if o.OnExport == nil {
		o.OnExport = func(int, error) {}
	}
	o.Queue = cmp.Or(o.Queue, sdk.DefaultMaxQueueSize)
	o.Batch = min(cmp.Or(o.Batch, sdk.DefaultMaxExportBatchSize), o.Queue)
	o.Delay = cmp.Or(o.Delay, sdk.DefaultScheduleDelay*time.Millisecond)
	c := newCollector(o)
	q := &queue{most: int64(o.Queue), onExport: o.OnExport}
	q.SpanProcessor = sdk.NewBatchSpanProcessor(&exporter{Exporter: otlptrace.NewUnstarted(c), queue: q},
		sdk.WithBatchTimeout(o.Delay), sdk.WithMaxQueueSize(o.Queue), sdk.WithMaxExportBatchSize(o.Batch), sdk.WithExportTimeout(c.timeout))
	provider := sdk.NewTracerProvider(
		sdk.WithResource(o.resource()), sdk.WithSampler(o.sampler()), sdk.WithRawSpanLimits(limits()), sdk.WithSpanProcessor(q))
	return &Tracer{Tracer: provider.Tracer("doorward"), provider: provider, collector: c}
}

// Flush sends what is waiting, and gives up when ctx ends.
func (t *Tracer) Flush(ctx context.Context) { _ = t.provider.ForceFlush(ctx) }

// Close sends what is waiting, for so long at most, and drops the rest. What ends later is not sent.
func (t *Tracer) Close(patience time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_ = t.provider.Shutdown(ctx)
	t.collector.close()
}

func (o Options) sampler() sdk.Sampler {
	sampler := sdk.AlwaysSample()
	switch o.Sampler {
	case "always_off":
		sampler = sdk.NeverSample()
	case "traceidratio":
		sampler = sdk.TraceIDRatioBased(o.Ratio)
	}
	if o.ParentBased {
		return sdk.ParentBased(sampler)
	}
	return sampler
}

// resource describes this process: its host, the SDK, and what the options say.
func (o Options) resource() *resource.Resource {
	var said []attribute.KeyValue
	for _, name := range slices.Sorted(maps.Keys(o.Resource)) {
		said = append(said, attribute.String(name, o.Resource[name]))
	}
	all, _ := resource.New(context.Background(), resource.WithTelemetrySDK(), resource.WithHost(), resource.WithAttributes(said...)) // where the host has no name, the rest is there
	return all
}

// limits are far above what doorward puts into a span.
func limits() sdk.SpanLimits {
	return sdk.SpanLimits{AttributeValueLengthLimit: 2 << 10, AttributeCountLimit: 64, EventCountLimit: 8, LinkCountLimit: 8,
		AttributePerEventCountLimit: 8, AttributePerLinkCountLimit: 8}
}

// queue is what waits for the collector. The SDK's own would drop without a word what it has no room for.
type queue struct {
	sdk.SpanProcessor
	onExport func(int, error)
	most     int64
	waiting  atomic.Int64
}

// OnEnd takes a span that has ended.
func (q *queue) OnEnd(s sdk.ReadOnlySpan) {
	if !s.SpanContext().IsSampled() {
		return
	}
	if q.waiting.Add(1) > q.most {
		q.waiting.Add(-1)
		q.onExport(1, ErrQueueFull)
		return
	}
	q.SpanProcessor.OnEnd(s)
}

// exporter takes batches out of the queue.
type exporter struct {
	*otlptrace.Exporter
	queue *queue
}

// ExportSpans sends a batch. Of its failure OnExport is told, and not the SDK, which would write it to standard error.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	defer e.queue.waiting.Add(-int64(len(spans)))
	e.queue.onExport(len(spans), e.Exporter.ExportSpans(ctx, spans))
	return nil
}
