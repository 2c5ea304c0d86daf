// Package tracingtest is an OpenTelemetry collector for tests: it takes what OTLP over HTTP brings, and remembers it.
package tracingtest

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Collector is a running collector. Its methods may be called while it serves.
type Collector struct {
	// Endpoint is where it takes spans.
	Endpoint string
	// Answer, when set, answers in place of the collector, which then remembers nothing, unless it returns false. It is set before the first request.
	Answer func(w http.ResponseWriter, r *http.Request) bool

	t        testing.TB
	mu       sync.Mutex
	spans    []Span
	resource map[string]string
	headers  []http.Header
	text     bytes.Buffer
}

// Span is a span as it came.
type Span struct {
	TraceID, ID, Parent string // in hexadecimal; Parent is "" for none
	Name, Kind          string // the kind as SPAN_KIND_…
	State               string // tracestate
	Status, Description string // of the status; the former as STATUS_CODE_…
	Attributes          map[string]string
	Links               []string // the ids of their traces
	Events              []string // their names
	Nanoseconds         uint64
}

// New starts a collector, which ends with the test.
func New(t testing.TB) *Collector {
	c := &Collector{t: t}
	server := httptest.NewServer(c)
	c.Endpoint = server.URL + "/v1/traces"
	t.Cleanup(server.Close)
	return c
}

// ServeHTTP takes a batch.
func (c *Collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if c.Answer != nil && c.Answer(w, r) {
		return
	}
	body, err := io.ReadAll(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		body, err = unzipped(body)
	}
	var batch tracepb.TracesData
	if err == nil {
		err = proto.Unmarshal(body, &batch)
	}
	if err != nil || r.Method != http.MethodPost || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" {
		c.t.Errorf("the collector was sent %s %s, %v: %v", r.Method, r.URL.Path, r.Header, err)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.remember(&batch, r.Header, body)
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func unzipped(body []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

func (c *Collector) remember(batch *tracepb.TracesData, h http.Header, body []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.headers = append(c.headers, h.Clone())
	c.text.Write(body)
	for _, of := range batch.ResourceSpans {
		c.resource = texts(of.Resource.GetAttributes())
		for _, scope := range of.ScopeSpans {
			for _, s := range scope.Spans {
				c.spans = append(c.spans, read(s))
			}
		}
	}
}

func read(s *tracepb.Span) Span {
	out := Span{
		TraceID: hex.EncodeToString(s.TraceId), ID: hex.EncodeToString(s.SpanId), Parent: hex.EncodeToString(s.ParentSpanId),
		Name: s.Name, Kind: s.Kind.String(), State: s.TraceState,
		Status: s.Status.GetCode().String(), Description: s.Status.GetMessage(),
		Attributes: texts(s.Attributes), Nanoseconds: s.EndTimeUnixNano - s.StartTimeUnixNano,
	}
	for _, l := range s.Links {
		out.Links = append(out.Links, hex.EncodeToString(l.TraceId))
	}
	for _, e := range s.Events {
		out.Events = append(out.Events, e.Name)
	}
	return out
}

func texts(attributes []*commonpb.KeyValue) map[string]string {
	all := map[string]string{}
	for _, a := range attributes {
		switch v := a.Value.GetValue().(type) {
		case *commonpb.AnyValue_IntValue:
			all[a.Key] = strconv.FormatInt(v.IntValue, 10)
		case *commonpb.AnyValue_BoolValue:
			all[a.Key] = strconv.FormatBool(v.BoolValue)
		default:
			all[a.Key] = a.Value.GetStringValue()
		}
	}
	return all
}

// Spans are all that came, those first that ended first.
func (c *Collector) Spans() []Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.spans)
}

// Resource is what the latest batch says of its sender.
func (c *Collector) Resource() map[string]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.resource
}

// Headers are those of the batches.
func (c *Collector) Headers() []http.Header {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.headers)
}

// Text is everything that came, as it was on the wire without compression: texts stand in it as they are.
func (c *Collector) Text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String()
}
