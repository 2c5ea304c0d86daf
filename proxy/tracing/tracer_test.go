package tracing_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/trace"

	"doorward/proxy/tracing"
	"doorward/proxy/tracingtest"
)

// told notes what becomes of spans.
type told struct {
	mu    sync.Mutex
	spans int
	errs  []error
	full  chan struct{} // closed when it is two spans
}

func (o *told) export(spans int, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.spans += spans
	if o.errs = append(o.errs, err); o.spans == 2 {
		close(o.full)
	}
}

func (o *told) all() (spans int, errs []error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.spans, slices.Clone(o.errs)
}

// start is a Tracer that ends with the test.
func start(t *testing.T, o tracing.Options) (*tracing.Tracer, *told) {
	notes := &told{full: make(chan struct{})}
	o.OnExport = notes.export
	tracer := tracing.New(o)
	t.Cleanup(func() { tracer.Close(time.Second) })
	return tracer, notes
}

// end makes a span that ends at once.
func end(tracer *tracing.Tracer, name string) trace.SpanContext {
	_, span := tracer.Start(context.Background(), name)
	span.End()
	return span.SpanContext()
}

func TestSpansArrive(t *testing.T) {
	for _, compress := range []bool{false, true} {
		c := tracingtest.New(t)
		tracer, notes := start(t, tracing.Options{Endpoint: c.Endpoint, Compress: compress,
			Header: http.Header{"X-Key": {"k"}}, Resource: map[string]string{"service.name": "s", "team": "a b"}})
		end(tracer, "one")
		tracer.Flush(t.Context())
		if spans := c.Spans(); len(spans) != 1 || spans[0].Name != "one" {
			t.Fatalf("compressed %v: the spans are %v", compress, spans)
		}
		if r := c.Resource(); r["service.name"] != "s" || r["team"] != "a b" || r["host.name"] == "" {
			t.Errorf("the resource is %v", r)
		}
		if h := c.Headers()[0]; h.Get("X-Key") != "k" || (h.Get("Content-Encoding") == "gzip") != compress {
			t.Errorf("compressed %v: the headers are %v", compress, h)
		}
		if n, errs := notes.all(); n != 1 || !slices.Equal(errs, []error{nil}) {
			t.Errorf("told of %d spans, %v", n, errs)
		}
	}
}

func TestClosingSendsWhatIsLeft(t *testing.T) {
	c := tracingtest.New(t)
	tracer, _ := start(t, tracing.Options{Endpoint: c.Endpoint})
	end(tracer, "last")
	tracer.Close(10 * time.Second)
	if len(c.Spans()) != 1 {
		t.Error("the span is lost")
	}
	end(tracer, "too late")
}

// What the collector may answer, and whether the batch is sent again (OTLP, "OTLP/HTTP Response").
func TestAnswersOfTheCollector(t *testing.T) {
	partly := func(message string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/x-protobuf")
			_, _ = w.Write([]byte(message))
		}
	}
	status := func(code int, headers ...string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			for i := 0; i+1 < len(headers); i += 2 {
				w.Header().Set(headers[i], headers[i+1])
			}
			w.WriteHeader(code)
		}
	}
	for name, test := range map[string]struct {
		first func(http.ResponseWriter)
		again bool
		err   string
	}{
		"ok":               {status(200), false, ""},
		"accepted":         {status(202), false, ""},
		"busy":             {status(429), true, ""},
		"busy for long":    {status(503, "Retry-After", "3600"), false, "answers 503"},
		"bad gateway":      {status(502), true, ""},
		"unavailable":      {status(503, "Retry-After", "0"), true, ""},
		"gateway timeout":  {status(504), true, ""},
		"bad":              {status(400), false, "answers 400"},
		"unauthorized":     {status(401), false, "answers 401"},
		"broken":           {status(500), false, "answers 500"},
		"redirect":         {status(307, "Location", "http://canary.example/"), false, "answers 307"},
		"partly refused":   {partly("\x0a\x0b\x08\x02\x12\x07because"), false, "refuses 2 spans"},
		"a warning":        {partly("\x0a\x09\x12\x07because"), false, ""},
		"no protobuf":      {partly("\x0a\xff\xff"), false, ""},
		"another message":  {partly("\x12\x02\x08\x02"), false, ""},
		"too long a field": {partly("\x0a\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := tracingtest.New(t)
			var asked atomic.Int32
			c.Answer = func(w http.ResponseWriter, _ *http.Request) bool {
				if asked.Add(1) > 1 {
					return false
				}
				test.first(w)
				return true
			}
			tracer, notes := start(t, tracing.Options{Endpoint: c.Endpoint})
			end(tracer, "one")
			tracer.Flush(t.Context())
			if (asked.Load() == 2) != test.again || (len(c.Spans()) == 1) != test.again {
				t.Errorf("asked %d times, the spans are %v", asked.Load(), c.Spans())
			}
			_, errs := notes.all()
			switch {
			case len(errs) != 1:
				t.Fatalf("told %v", errs)
			case test.err == "" && errs[0] != nil, test.err != "" && (errs[0] == nil || !strings.HasSuffix(strings.TrimSuffix(errs[0].Error(), " of a batch"), test.err)):
				t.Errorf("the error is %v", errs[0])
			}
		})
	}
}

// Nothing that the collector says is quoted: it may have been given anything.
func TestCollectorIsNotQuoted(t *testing.T) {
	c := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, _ := http.NewResponseController(w).Hijack()
		_, _ = conn.Write([]byte("HTTP/1.1 canary\r\n\r\n"))
		conn.Close()
	}))
	defer c.Close()
	tracer, notes := start(t, tracing.Options{Endpoint: c.URL, Timeout: time.Second})
	end(tracer, "one")
	tracer.Flush(t.Context())
	if _, errs := notes.all(); len(errs) != 1 || errs[0] == nil || strings.Contains(errs[0].Error(), "canary") {
		t.Errorf("told %v", errs)
	}
}

// While the collector takes nothing, as much waits as is allowed, and whoever ends a span does not.
func TestQueueIsBounded(t *testing.T) {
	c := tracingtest.New(t)
	held, arrived := make(chan struct{}), make(chan struct{}, 100)
	c.Answer = func(http.ResponseWriter, *http.Request) bool { arrived <- struct{}{}; <-held; return false }
	tracer, notes := start(t, tracing.Options{Endpoint: c.Endpoint, Queue: 10, Batch: 3})
	for range 3 {
		end(tracer, "first")
	}
	<-arrived
	for range 100 {
		end(tracer, "more")
	}
	dropped, errs := notes.all()
	if dropped != 93 || slices.ContainsFunc(errs, func(err error) bool { return !errors.Is(err, tracing.ErrQueueFull) }) {
		t.Errorf("%d are dropped, told %v", dropped, errs)
	}
	close(held)
	tracer.Close(10 * time.Second)
	if n, _ := notes.all(); n != 103 || len(c.Spans()) != 10 {
		t.Errorf("told of %d spans, and %d arrive", n, len(c.Spans()))
	}
}

// A collector that hangs holds up neither Flush nor Close for longer than they may take.
func TestHangingCollector(t *testing.T) {
	c := tracingtest.New(t)
	c.Answer = func(_ http.ResponseWriter, r *http.Request) bool {
		_, _ = io.Copy(io.Discard, r.Body) // or net/http does not see that the client has gone
		<-r.Context().Done()
		return true
	}
	tracer, notes := start(t, tracing.Options{Endpoint: c.Endpoint, Timeout: time.Hour})
	end(tracer, "one")
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	tracer.Flush(ctx)
	end(tracer, "two")
	tracer.Close(50 * time.Millisecond)
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
	select {
	case <-notes.full:
	case <-time.After(20 * time.Second):
		t.Fatal("what is on the way is not given up")
	}
	if _, errs := notes.all(); slices.Contains(errs, nil) {
		t.Errorf("told %v", errs)
	}
}

// Batches go out by themselves, when the first of their spans has waited for long enough.
func TestSpansAreSentInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent := make(chan struct{})
		tracer := tracing.New(tracing.Options{Endpoint: "http://127.0.0.1:1/", Delay: time.Minute, Timeout: time.Second, OnExport: func(int, error) { close(sent) }})
		defer tracer.Close(time.Second)
		end(tracer, "one")
		began := time.Now()
		<-sent
		if took := time.Since(began); took < time.Minute || took > time.Minute+time.Second {
			t.Errorf("it is sent after %v", took)
		}
	})
}

func TestSamplers(t *testing.T) {
	remote := func(flags trace.TraceFlags) context.Context {
		return trace.ContextWithRemoteSpanContext(context.Background(),
			trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}, TraceFlags: flags}))
	}
	for name, test := range map[string]struct {
		o                   tracing.Options
		root, kept, notKept bool
	}{
		"always on":        {tracing.Options{Sampler: "always_on", ParentBased: true}, true, true, false},
		"always on, alone": {tracing.Options{Sampler: "always_on"}, true, true, true},
		"always off":       {tracing.Options{Sampler: "always_off", ParentBased: true}, false, true, false},
		"ratio 0":          {tracing.Options{Sampler: "traceidratio", ParentBased: true}, false, true, false},
		"ratio 1, alone":   {tracing.Options{Sampler: "traceidratio", Ratio: 1}, true, true, true},
	} {
		test.o.Endpoint = "http://127.0.0.1:1"
		tracer, _ := start(t, test.o)
		for ctx, want := range map[context.Context]bool{context.Background(): test.root, remote(trace.FlagsSampled): test.kept, remote(0): test.notKept} {
			if _, span := tracer.Start(ctx, "x"); span.SpanContext().IsSampled() != want {
				t.Errorf("%s: sampled is %v, want %v", name, !want, want)
			}
		}
	}
}

// An https collector is known by the authorities that are named, and knows doorward by its certificate.
func TestCollectorWithTLS(t *testing.T) {
	c := tracingtest.New(t)
	shown := make(chan int, 1)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shown <- len(r.TLS.PeerCertificates)
		c.ServeHTTP(w, r)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	server.StartTLS()
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	endpoint := server.URL + "/v1/traces"
	if err := tracing.Ping(t.Context(), tracing.Options{Endpoint: endpoint, TLS: &tls.Config{RootCAs: roots, Certificates: server.TLS.Certificates}}); err != nil {
		t.Error(err)
	}
	if <-shown != 1 {
		t.Error("no certificate is shown")
	}
	if err := tracing.Ping(t.Context(), tracing.Options{Endpoint: endpoint}); err == nil {
		t.Error("a collector that nobody vouches for is trusted")
	}
}

// Ping asks once.
func TestPing(t *testing.T) {
	c := tracingtest.New(t)
	if err := tracing.Ping(t.Context(), tracing.Options{Endpoint: c.Endpoint}); err != nil || len(c.Headers()) != 1 {
		t.Errorf("the collector is asked %d times: %v", len(c.Headers()), err)
	}
	asked := 0
	c = tracingtest.New(t)
	c.Answer = func(w http.ResponseWriter, _ *http.Request) bool { asked++; w.WriteHeader(503); return true }
	if err := tracing.Ping(t.Context(), tracing.Options{Endpoint: c.Endpoint}); err == nil || asked != 1 {
		t.Errorf("the collector is asked %d times: %v", asked, err)
	}
}

// The pauses between attempts grow, and none is begun that would last beyond the deadline.
func TestAttemptsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told error
		tracer := tracing.New(tracing.Options{Endpoint: "http://127.0.0.1:1/", Timeout: 10 * time.Second, Delay: time.Hour, OnExport: func(_ int, err error) { told = err }})
		defer tracer.Close(time.Second)
		end(tracer, "one")
		began := time.Now()
		tracer.Flush(t.Context())
		if took := time.Since(began); told == nil || took < 2*time.Second || took >= 10*time.Second {
			t.Errorf("after %v: %v", took, told)
		}
	})
}
