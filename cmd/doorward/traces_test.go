package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"doorward/proxy/provider"
	"doorward/proxy/tracingtest"
)

// OpenTelemetry's own variables turn tracing on, and what has ended before the process does is not lost.
func TestServeSendsTraces(t *testing.T) {
	collector, metrics := tracingtest.New(t), make(chan string, 1)
	collector.Answer = func(http.ResponseWriter, *http.Request) bool {
		address := <-metrics
		metrics <- address
		if _, _, err := get(address + "/healthz"); err != nil {
			t.Error("spans are sent in the very last moment, which is short")
		}
		return false
	}
	upstream := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(upstream.Close)
	servable(t, upstream.URL)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", strings.TrimSuffix(collector.Endpoint, "/v1/traces"))
	t.Setenv("OTEL_SERVICE_NAME", "front")
	t.Setenv("OTEL_TRACES_SAMPLER", "unheard-of")
	t.Setenv("DOORWARD_LOG_LEVEL", "debug")
	log, stop, ended := serving(t)
	next(t, log, "opentelemetry") // what the SDK says of the sampler, and would write to standard error
	start := next(t, log, "start")
	metrics <- start.Metrics
	if start.Traces != strings.TrimSuffix(collector.Endpoint, "/v1/traces") {
		t.Errorf("the start says that traces go to %q", start.Traces)
	}
	for !strings.Contains(next(t, log, "note").Says, "unheard-of") { // fails where no note says so
	}
	if status, _, err := get(start.Listen + "/x"); status != http.StatusNotFound {
		t.Fatalf("the answer is %d, %v", status, err)
	}

	stop()

	if status := <-ended; status != exitOK {
		t.Errorf("status %d", status)
	}
	if spans := collector.Spans(); len(spans) != 2 || collector.Resource()["service.name"] != "front" {
		t.Errorf("the collector has %v of %v", spans, collector.Resource())
	}
}

// A collector that takes nothing keeps the process from ending for a moment, no more.
func TestHangingCollectorLetsServeEnd(t *testing.T) {
	collector := tracingtest.New(t)
	collector.Answer = func(_ http.ResponseWriter, r *http.Request) bool {
		_, _ = io.Copy(io.Discard, r.Body) // or net/http does not see that the client has gone
		<-r.Context().Done()
		return true
	}
	upstream := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(upstream.Close)
	servable(t, upstream.URL)
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", collector.Endpoint)
	t.Setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "3600000")
	log, stop, ended := serving(t)
	start := next(t, log, "start")
	get(start.Listen + "/x")
	stop()
	select {
	case <-ended:
	case <-time.After(15 * time.Second):
		t.Error("it does not end")
	}
}

// gRPC to the collector would lose every span, so it refuses the start, and check says so too.
func TestTracesByGRPCAreRefused(t *testing.T) {
	environment(t, nil)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317")
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
	if status, _, errOut := command(t, "serve"); status != exitFailed || !strings.HasPrefix(errOut, "OTEL_EXPORTER_OTLP_PROTOCOL: ") || !strings.Contains(errOut, "4318") {
		t.Errorf("status %d, err %q", status, errOut)
	}
	if status, out, _ := command(t, "check"); status != exitFailed || !strings.Contains(out, "does not speak gRPC") {
		t.Errorf("status %d, out %q", status, out)
	}
}

func TestCheckLiveAsksTheCollector(t *testing.T) {
	up, refusing := tracingtest.New(t), tracingtest.New(t)
	refusing.Answer = func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(http.StatusUnauthorized); return true }
	for endpoint, says := range map[string]string{up.Endpoint: "takes spans", refusing.Endpoint: "answers 401", "http://127.0.0.1:1/": "refused"} {
		environment(t, nil)
		t.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", endpoint)
		_, out, _ := command(t, "check", "--live", "--json")
		var r report
		if err := json.Unmarshal([]byte(out), &r); err != nil {
			t.Fatal(err)
		}
		at := slices.IndexFunc(r.Findings, func(f finding) bool { return f.ID == "traces.collector" })
		if at < 0 {
			t.Fatalf("%s: nothing is said of the collector: %s", endpoint, out)
		}
		f, fine := r.Findings[at], endpoint == up.Endpoint
		if !strings.Contains(f.Says, says) || (f.Level == provider.LevelOK) != fine || fine == (f.Mend != "") {
			t.Errorf("%s: %+v", endpoint, f)
		}
	}
}
