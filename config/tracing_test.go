package config_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"doorward/config"
)

// otel loads a valid configuration with OpenTelemetry's variables, named without OTEL_, and gives what is said of them.
func otel(t *testing.T, variables map[string]string) (*config.Tracing, []string, error) {
	t.Helper()
	environment(t, nil)
	for name, value := range variables {
		t.Setenv("OTEL_"+name, value)
	}
	c, err := config.Load()
	return c.Tracing, config.EnvironmentNotes(), err
}

const collector = "http://collector:4318"

func TestTracingIsOnWhereACollectorIsNamed(t *testing.T) {
	for name, test := range map[string]struct {
		variables map[string]string
		endpoint  string // "" for off
	}{
		"nothing":               {nil, ""},
		"something else":        {map[string]string{"SERVICE_NAME": "x", "TRACES_SAMPLER": "always_on"}, ""},
		"a collector":           {map[string]string{"EXPORTER_OTLP_ENDPOINT": collector}, collector + "/v1/traces"},
		"below a path":          {map[string]string{"EXPORTER_OTLP_ENDPOINT": collector + "/otlp/"}, collector + "/otlp/v1/traces"},
		"one for traces":        {map[string]string{"EXPORTER_OTLP_ENDPOINT": "http://x:1", "EXPORTER_OTLP_TRACES_ENDPOINT": "https://t:2/in"}, "https://t:2/in"},
		"empty":                 {map[string]string{"EXPORTER_OTLP_ENDPOINT": ""}, ""},
		"the exporter":          {map[string]string{"TRACES_EXPORTER": "otlp"}, "http://localhost:4318/v1/traces"},
		"among others":          {map[string]string{"TRACES_EXPORTER": "console, OTLP"}, "http://localhost:4318/v1/traces"},
		"no exporter":           {map[string]string{"TRACES_EXPORTER": "none", "EXPORTER_OTLP_ENDPOINT": collector}, ""},
		"an unknown exporter":   {map[string]string{"TRACES_EXPORTER": "zipkin", "EXPORTER_OTLP_ENDPOINT": collector}, collector + "/v1/traces"},
		"disabled":              {map[string]string{"SDK_DISABLED": "True", "EXPORTER_OTLP_ENDPOINT": collector}, ""},
		"not disabled":          {map[string]string{"SDK_DISABLED": "false", "EXPORTER_OTLP_ENDPOINT": collector}, collector + "/v1/traces"},
		"off, and wrong":        {map[string]string{"EXPORTER_OTLP_PROTOCOL": "grpc", "EXPORTER_OTLP_HEADERS": "x"}, ""},
		"disabled, and wrong":   {map[string]string{"SDK_DISABLED": "true", "EXPORTER_OTLP_ENDPOINT": "x", "EXPORTER_OTLP_PROTOCOL": "grpc"}, ""},
		"the protocol we speak": {map[string]string{"EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf", "EXPORTER_OTLP_PROTOCOL": "grpc", "EXPORTER_OTLP_ENDPOINT": collector}, collector + "/v1/traces"},
	} {
		t.Run(name, func(t *testing.T) {
			tracing, _, err := otel(t, test.variables)
			if err != nil {
				t.Fatal(err)
			}
			if endpoint := endpointOf(tracing); endpoint != test.endpoint {
				t.Errorf("spans go to %q", endpoint)
			}
		})
	}
}

func endpointOf(t *config.Tracing) string {
	if t == nil {
		return ""
	}
	return t.Endpoint
}

// What nobody says is as OpenTelemetry's specification has it.
func TestDefaultsOfTracing(t *testing.T) {
	got, notes, err := otel(t, map[string]string{"EXPORTER_OTLP_ENDPOINT": collector})
	if err != nil || len(notes) != 0 {
		t.Fatalf("notes %q, error %v", notes, err)
	}
	want := config.NewTracing(collector + "/v1/traces")
	if got.Timeout != 10*time.Second || got.Delay != 5*time.Second || got.Batch != 512 || got.Queue != 2048 || got.Compress ||
		got.Sampler != "always_on" || !got.ParentBased || !got.Propagate || !maps.Equal(got.Resource, want.Resource) || len(got.Headers) != 0 {
		t.Errorf("got %+v", got)
	}
}

func TestTracingIsRead(t *testing.T) {
	got, notes, err := otel(t, map[string]string{
		"EXPORTER_OTLP_ENDPOINT": "https://collector", "EXPORTER_OTLP_HEADERS": " authorization=Bearer%20" + canary + " , X-Team=a%2Cb,",
		"EXPORTER_OTLP_TIMEOUT": "2500", "EXPORTER_OTLP_TRACES_COMPRESSION": "gzip", "EXPORTER_OTLP_COMPRESSION": "none",
		"RESOURCE_ATTRIBUTES": "service.name=other,deployment.environment.name=a%20b", "SERVICE_NAME": "front",
		"TRACES_SAMPLER": "traceidratio", "TRACES_SAMPLER_ARG": "0.25", "PROPAGATORS": "baggage",
		"BSP_SCHEDULE_DELAY": "100", "BSP_MAX_QUEUE_SIZE": "100",
	})
	if err != nil || len(notes) != 0 {
		t.Fatalf("notes %q, error %v", notes, err)
	}
	if got.Headers.Get("Authorization") != "Bearer "+canary || got.Headers.Get("X-Team") != "a,b" || got.Timeout != 2500*time.Millisecond || !got.Compress {
		t.Errorf("the exporter is %+v", got)
	}
	if got.Resource["service.name"] != "front" || got.Resource["deployment.environment.name"] != "a b" {
		t.Errorf("the resource is %v", got.Resource)
	}
	if got.Sampler != "traceidratio" || got.ParentBased || got.Ratio != 0.25 || got.Propagate {
		t.Errorf("the sampler is %+v", got)
	}
	if got.Delay != 100*time.Millisecond || got.Queue != 100 || got.Batch != 100 {
		t.Errorf("the queue is %+v", got)
	}
}

func TestTracingThatCannotWorkRefusesTheStart(t *testing.T) {
	cert, key := certificate(t, time.Now().Add(time.Hour))
	_, another := certificate(t, time.Now().Add(time.Hour))
	for name, test := range map[string]struct {
		variables map[string]string
		variable  string
		says      string
	}{
		"gRPC":            {map[string]string{"EXPORTER_OTLP_PROTOCOL": "grpc"}, "EXPORTER_OTLP_PROTOCOL", "does not speak gRPC"},
		"gRPC for traces": {map[string]string{"EXPORTER_OTLP_TRACES_PROTOCOL": "grpc"}, "EXPORTER_OTLP_TRACES_PROTOCOL", "does not speak gRPC"},
		"no scheme":       {map[string]string{"EXPORTER_OTLP_TRACES_ENDPOINT": "collector:4318"}, "EXPORTER_OTLP_TRACES_ENDPOINT", "is no absolute URL"},
		"another scheme":  {map[string]string{"EXPORTER_OTLP_TRACES_ENDPOINT": "grpc://collector:4318"}, "EXPORTER_OTLP_TRACES_ENDPOINT", "neither https nor http"},
		"credentials":     {map[string]string{"EXPORTER_OTLP_TRACES_ENDPOINT": "http://user:" + canary + "@collector"}, "EXPORTER_OTLP_TRACES_ENDPOINT", "credentials"},
		"no header":       {map[string]string{"EXPORTER_OTLP_HEADERS": "a=b," + canary}, "EXPORTER_OTLP_HEADERS", "item 2"},
		"no header name":  {map[string]string{"EXPORTER_OTLP_HEADERS": "a b=" + canary}, "EXPORTER_OTLP_HEADERS", "item 1"},
		"no header value": {map[string]string{"EXPORTER_OTLP_HEADERS": "a=%0a" + canary}, "EXPORTER_OTLP_HEADERS", "item 1"},
		"half an escape":  {map[string]string{"EXPORTER_OTLP_HEADERS": "a=%1" + canary}, "EXPORTER_OTLP_HEADERS", "item 1"},
		"no file":         {map[string]string{"EXPORTER_OTLP_CERTIFICATE": "/does/not/exist"}, "EXPORTER_OTLP_CERTIFICATE", "reading"},
		"no certificate":  {map[string]string{"EXPORTER_OTLP_CERTIFICATE": file(t, canary)}, "EXPORTER_OTLP_CERTIFICATE", "no certificate"},
		"no client cert":  {map[string]string{"EXPORTER_OTLP_CLIENT_CERTIFICATE": "/does/not/exist", "EXPORTER_OTLP_CLIENT_KEY": file(t, key)}, "EXPORTER_OTLP_CLIENT_CERTIFICATE", "reading"},
		"no key":          {map[string]string{"EXPORTER_OTLP_CLIENT_CERTIFICATE": file(t, cert)}, "EXPORTER_OTLP_TRACES_CLIENT_KEY", "belongs to"},
		"no cert":         {map[string]string{"EXPORTER_OTLP_CLIENT_KEY": file(t, key)}, "EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", "belongs to"},
		"another's key":   {map[string]string{"EXPORTER_OTLP_CLIENT_CERTIFICATE": file(t, cert), "EXPORTER_OTLP_CLIENT_KEY": file(t, another)}, "EXPORTER_OTLP_CLIENT_CERTIFICATE", "cannot be used"},
	} {
		t.Run(name, func(t *testing.T) {
			if test.variables["EXPORTER_OTLP_TRACES_ENDPOINT"] == "" {
				test.variables["EXPORTER_OTLP_ENDPOINT"] = "https://collector"
			}
			_, _, err := otel(t, test.variables)
			ps, _ := err.(config.Problems)
			if len(ps) != 1 || ps[0].Variable != "OTEL_"+test.variable || !strings.Contains(ps[0].Wrong, test.says) || ps[0].Mend == "" {
				t.Fatalf("the problems are %v", err)
			}
			if strings.Contains(err.Error(), canary) {
				t.Error("a problem shows a secret")
			}
		})
	}
}

// What is not known is told, and otherwise as if it were not there (OpenTelemetry's "Environment Variable Specification").
func TestNotesOnTracing(t *testing.T) {
	defaults := config.NewTracing(collector + "/v1/traces")
	for name, test := range map[string]struct {
		variables map[string]string
		notes     []string
		as        func(*config.Tracing) bool
	}{
		"protocol":         {map[string]string{"EXPORTER_OTLP_PROTOCOL": "http/json"}, []string{`OTEL_EXPORTER_OTLP_PROTOCOL: doorward does not know "http/json"`}, nil},
		"exporter":         {map[string]string{"TRACES_EXPORTER": "zipkin"}, []string{"OTEL_TRACES_EXPORTER"}, nil},
		"disabled":         {map[string]string{"SDK_DISABLED": "yes"}, []string{"OTEL_SDK_DISABLED"}, nil},
		"compression":      {map[string]string{"EXPORTER_OTLP_COMPRESSION": "zstd"}, []string{"OTEL_EXPORTER_OTLP_COMPRESSION"}, func(t *config.Tracing) bool { return !t.Compress }},
		"timeout":          {map[string]string{"EXPORTER_OTLP_TIMEOUT": "10s"}, []string{"OTEL_EXPORTER_OTLP_TIMEOUT"}, func(t *config.Tracing) bool { return t.Timeout == defaults.Timeout }},
		"no timeout":       {map[string]string{"EXPORTER_OTLP_TIMEOUT": "0"}, []string{"OTEL_EXPORTER_OTLP_TIMEOUT"}, func(t *config.Tracing) bool { return t.Timeout == defaults.Timeout }},
		"queue":            {map[string]string{"BSP_MAX_QUEUE_SIZE": "1000000000"}, []string{"OTEL_BSP_MAX_QUEUE_SIZE"}, func(t *config.Tracing) bool { return t.Queue == defaults.Queue }},
		"sampler":          {map[string]string{"TRACES_SAMPLER": "xray"}, []string{"OTEL_TRACES_SAMPLER"}, func(t *config.Tracing) bool { return t.Sampler == "always_on" && t.ParentBased }},
		"ratio":            {map[string]string{"TRACES_SAMPLER": "traceidratio", "TRACES_SAMPLER_ARG": "2"}, []string{"OTEL_TRACES_SAMPLER_ARG"}, func(t *config.Tracing) bool { return t.Ratio == 1 }},
		"not a number":     {map[string]string{"TRACES_SAMPLER": "traceidratio", "TRACES_SAMPLER_ARG": "NaN"}, []string{"OTEL_TRACES_SAMPLER_ARG"}, func(t *config.Tracing) bool { return t.Ratio == 1 }},
		"propagator":       {map[string]string{"PROPAGATORS": "b3"}, []string{"OTEL_PROPAGATORS"}, func(t *config.Tracing) bool { return t.Propagate }},
		"no propagator":    {map[string]string{"PROPAGATORS": "none"}, nil, func(t *config.Tracing) bool { return !t.Propagate }},
		"attributes":       {map[string]string{"RESOURCE_ATTRIBUTES": "a=b,c"}, []string{"OTEL_RESOURCE_ATTRIBUTES"}, func(t *config.Tracing) bool { return maps.Equal(t.Resource, defaults.Resource) }},
		"no text":          {map[string]string{"RESOURCE_ATTRIBUTES": "a=%ff"}, []string{"OTEL_RESOURCE_ATTRIBUTES"}, func(t *config.Tracing) bool { return maps.Equal(t.Resource, defaults.Resource) }},
		"the port of gRPC": {map[string]string{"EXPORTER_OTLP_ENDPOINT": "http://collector:4317"}, []string{"4317"}, nil},
		"in the clear":     {map[string]string{"EXPORTER_OTLP_HEADERS": "authorization=" + canary}, []string{"in the clear"}, nil},
		"others": {map[string]string{"METRICS_EXPORTER": "otlp", "LOGS_EXPORTER": "none", "BSP_EXPORT_TIMEOUT": "1"},
			[]string{"OTEL_BSP_EXPORT_TIMEOUT, OTEL_METRICS_EXPORTER does nothing"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if test.variables["EXPORTER_OTLP_ENDPOINT"] == "" {
				test.variables["EXPORTER_OTLP_ENDPOINT"] = collector
			}
			got, notes, err := otel(t, test.variables)
			if err != nil || got == nil {
				t.Fatalf("got %v, error %v", got, err)
			}
			if len(notes) != len(test.notes) || slices.ContainsFunc(test.notes, func(s string) bool { return !strings.Contains(strings.Join(notes, "\n"), s) }) {
				t.Errorf("the notes are %q", notes)
			}
			if strings.Contains(strings.Join(notes, ""), canary) {
				t.Error("a note shows a secret")
			}
			if test.as != nil && !test.as(got) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// The collector is known by the certificates of the file alone, and knows doorward by its own.
func TestCertificatesOfTracing(t *testing.T) {
	cert, key := certificate(t, time.Now().Add(time.Hour))
	folder := t.TempDir()
	for name, text := range map[string]string{"cert.pem": cert, "key.pem": key} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, _, err := otel(t, map[string]string{
		"EXPORTER_OTLP_ENDPOINT": "https://collector", "EXPORTER_OTLP_CERTIFICATE": folder + "/cert.pem",
		"EXPORTER_OTLP_CLIENT_CERTIFICATE": folder + "/cert.pem", "EXPORTER_OTLP_TRACES_CLIENT_KEY": folder + "/key.pem",
	})
	if err != nil || got.TLS.RootCAs == nil || len(got.TLS.Certificates) != 1 {
		t.Errorf("got %+v, error %v", got, err)
	}
}

// What is read is documented, all of it.
func TestReadmeListsOpenTelemetrysVariables(t *testing.T) {
	readme, err := os.ReadFile("../deploy/opentelemetry/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range config.TracingVariables() {
		short := strings.Replace(name, "OTEL_EXPORTER_OTLP_TRACES_", "OTEL_EXPORTER_OTLP_", 1)
		if !strings.Contains(string(readme), "`"+short+"`") {
			t.Errorf("%s is not there", short)
		}
	}
}

// TracesTo is for people: what an address may hold besides its server stays out.
func TestTracesTo(t *testing.T) {
	c := config.Defaults()
	if c.TracesTo() != "off" {
		t.Errorf("without tracing it is %q", c.TracesTo())
	}
	c.Tracing = config.NewTracing("https://collector:1/" + canary + "?key=" + canary)
	if c.TracesTo() != "https://collector:1" {
		t.Errorf("it is %q", c.TracesTo())
	}
}
