package config

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// OpenTelemetry's own variables say whether and where traces go. Whoever sets them for a whole cluster does not do so for doorward alone, so
// they are judged as the specification wants it, not as strictly as our own ("Environment Variable Specification"):
//
//   - A variable that is set to nothing counts as unset. Words that nobody knows and numbers that are none are told in a note, and
//     otherwise passed over.
//   - What would keep every span from arriving refuses the start: gRPC, an address that is none, credentials that cannot be read.
//   - Nothing is a problem while tracing is off.
//   - No problem or note holds the value of a header.

// readTracing reads the variables: nil where tracing is off, what is worth a note, and what refuses the start.
func readTracing() (*Tracing, []string, Problems) {
	r := &otelReader{}
	if !r.on() {
		return nil, r.notes, nil
	}
	r.protocol()
	t := NewTracing(r.endpoint())
	t.Headers = r.headers(t.Endpoint)
	t.TLS = r.tls()
	t.Timeout = r.milliseconds(t.Timeout, exporterVariable("TIMEOUT")...)
	t.Compress = r.compressed()
	t.Resource = r.resource()
	r.sampler(t)
	t.Propagate = r.propagates()
	t.Delay = r.milliseconds(t.Delay, "OTEL_BSP_SCHEDULE_DELAY")
	t.Queue = r.number(t.Queue, 1, 1<<16, "OTEL_BSP_MAX_QUEUE_SIZE")
	t.Batch = min(r.number(t.Batch, 1, 1<<16, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE"), t.Queue)
	r.noteOthers()
	return t, r.notes, r.problems
}

// tracingNotes are for EnvironmentNotes.
func tracingNotes() []string {
	_, notes, _ := readTracing()
	return notes
}

// otelReader gathers what is wrong with the variables that it reads.
type otelReader struct {
	notes    []string
	problems Problems
}

func (r *otelReader) note(format string, args ...any) {
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}

func (r *otelReader) problem(variable, wrong, mend string) {
	r.problems = append(r.problems, Problem{Variable: variable, Wrong: wrong, Mend: mend})
}

// exporterVariable names the variable of the exporter for traces alone, which comes first, and the one for everything.
func exporterVariable(name string) []string {
	return []string{"OTEL_EXPORTER_OTLP_TRACES_" + name, "OTEL_EXPORTER_OTLP_" + name}
}

// firstSet is the first of the variables that is set to something.
func firstSet(variables ...string) (variable, value string) {
	for _, name := range variables {
		if value := strings.TrimFunc(os.Getenv(name), blank); value != "" {
			return name, value
		}
	}
	return variables[0], ""
}

// on says whether there is tracing: where a collector is named, unless another exporter is asked for, or none.
func (r *otelReader) on() bool {
	if r.disabled() {
		return false
	}
	_, text := firstSet("OTEL_TRACES_EXPORTER")
	known := false
	for _, word := range otelWords(text) {
		switch word {
		case "otlp":
			return true
		case "none":
			known = true
		default:
			r.note("OTEL_TRACES_EXPORTER: doorward has no exporter %s, only otlp", quote(word))
		}
	}
	_, endpoint := firstSet(exporterVariable("ENDPOINT")...)
	return !known && endpoint != ""
}

func (r *otelReader) disabled() bool {
	_, text := firstSet("OTEL_SDK_DISABLED")
	switch strings.ToLower(text) {
	case "true":
		return true
	case "", "false":
	default:
		r.note("OTEL_SDK_DISABLED: %s is neither true nor false, and counts as false", quote(text))
	}
	return false
}

// otelWords are the items of a list, in lower case.
func otelWords(text string) []string {
	var all []string
	for item := range strings.SplitSeq(strings.ToLower(text), ",") {
		if item = strings.TrimFunc(item, blank); item != "" {
			all = append(all, item)
		}
	}
	return all
}

// protocol refuses gRPC, whose collectors listen at another port: every span would be lost.
func (r *otelReader) protocol() {
	switch variable, text := firstSet(exporterVariable("PROTOCOL")...); text {
	case "", "http/protobuf":
	case "grpc":
		r.problem(variable, "doorward sends traces by HTTP and does not speak gRPC to the collector",
			"set OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/protobuf and OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://COLLECTOR:4318/v1/traces, or OTEL_TRACES_EXPORTER=none for no traces")
	default:
		r.note("%s: doorward does not know %s, and speaks http/protobuf", variable, quote(text))
	}
}

// endpoint is the address for traces, as it is, or below the address for everything.
func (r *otelReader) endpoint() string {
	variable, text := firstSet(exporterVariable("ENDPOINT")...)
	if text == "" {
		return "http://localhost:4318/v1/traces"
	}
	u, err := parseURL(text)
	if err == nil && u.Scheme != "http" && u.Scheme != "https" {
		err = errors.New("is neither https nor http")
	}
	if err != nil {
		r.problem(variable, err.Error(), "write the collector's address for OTLP over HTTP, e.g. http://collector:4318; credentials belong in OTEL_EXPORTER_OTLP_HEADERS")
		return ""
	}
	if u.Port() == "4317" {
		r.note("%s: 4317 is usually the port for gRPC, which doorward does not speak; the one for HTTP is 4318", variable)
	}
	if variable == "OTEL_EXPORTER_OTLP_ENDPOINT" {
		u = u.JoinPath("v1", "traces")
	}
	return u.String()
}

// headers reads name=value pairs, whose values are percent-encoded.
func (r *otelReader) headers(endpoint string) http.Header {
	variable, text := firstSet(exporterVariable("HEADERS")...)
	headers := http.Header{}
	for i, pair := range pairs(text) {
		name, value := pair[0], pair[1]
		if !token(name) || strings.ContainsFunc(value, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }) {
			r.problem(variable, fmt.Sprintf("item %d is no name=value", i+1), "write e.g. Authorization=Bearer%20…, with commas between items; blanks, commas and percent signs in values percent-encoded")
			continue
		}
		headers.Set(name, value)
	}
	u, err := url.Parse(endpoint)
	if err == nil && len(headers) > 0 && plainHTTP(u) {
		r.note("%s: these headers travel in the clear, since the collector's address is http", variable)
	}
	return headers
}

// pairs reads a list of name=value, as W3C Baggage has it. What is none of them comes out without a name.
func pairs(text string) [][2]string {
	var all [][2]string
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimFunc(item, blank); item == "" {
			continue
		}
		name, value, found := strings.Cut(item, "=")
		value, err := url.PathUnescape(strings.TrimFunc(value, blank))
		if !found || err != nil {
			name = ""
		}
		all = append(all, [2]string{strings.TrimFunc(name, blank), value})
	}
	return all
}

// tls reads the files of certificates and of the key.
func (r *otelReader) tls() *tls.Config {
	before := len(r.problems)
	ca, roots := r.file("CERTIFICATE")
	certVariable, cert := r.file("CLIENT_CERTIFICATE")
	keyVariable, key := r.file("CLIENT_KEY")
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if len(r.problems) > before {
		return c
	}
	if roots != "" {
		if c.RootCAs = x509.NewCertPool(); !c.RootCAs.AppendCertsFromPEM([]byte(roots)) {
			r.problem(ca, "the file holds no certificate in PEM", "name a file of the certificates that the collector's is signed by")
		}
	}
	switch {
	case cert == "" && key == "":
		return c
	case cert == "":
		r.problem(certVariable, "is missing, and belongs to "+keyVariable, "set both, or neither")
		return c
	case key == "":
		r.problem(keyVariable, "is missing, and belongs to "+certVariable, "set both, or neither")
		return c
	}
	pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
	if err != nil {
		r.problem(certVariable, "the certificate and its key in "+keyVariable+" cannot be used together", "name the PEM files of a certificate and its private key")
	}
	c.Certificates = []tls.Certificate{pair}
	return c
}

// file reads the file that a variable names.
func (r *otelReader) file(name string) (variable, text string) {
	variable, path := firstSet(exporterVariable(name)...)
	if path == "" {
		return variable, ""
	}
	text, err := readBounded(path)
	if err != nil {
		r.problem(variable, "reading "+quote(path)+": "+reason(err), "name a file in PEM that doorward may read")
	}
	return variable, text
}

func (r *otelReader) compressed() bool {
	variable, text := firstSet(exporterVariable("COMPRESSION")...)
	if text != "" && text != "gzip" && text != "none" {
		r.note("%s: doorward does not know %s, and sends without compression", variable, quote(text))
	}
	return text == "gzip"
}

// resource is what is said of the process. One attribute that cannot be read discards them all ("Resource SDK").
func (r *otelReader) resource() map[string]string {
	all := map[string]string{"service.name": "doorward"}
	variable, text := firstSet("OTEL_RESOURCE_ATTRIBUTES")
	said := pairs(text)
	if slices.ContainsFunc(said, func(pair [2]string) bool { return pair[0] == "" || !utf8.ValidString(pair[0]+pair[1]) }) {
		r.note("%s is passed over: one of its items is no name=value with the value in UTF-8 and percent-encoded", variable)
		said = nil
	}
	for _, pair := range said {
		all[pair[0]] = pair[1]
	}
	if _, name := firstSet("OTEL_SERVICE_NAME"); name != "" {
		all["service.name"] = strings.ToValidUTF8(name, "\uFFFD")
	}
	return all
}

// sampler reads which traces are kept.
func (r *otelReader) sampler(t *Tracing) {
	variable, text := firstSet("OTEL_TRACES_SAMPLER")
	sampler, parentBased := strings.CutPrefix(strings.ToLower(text), "parentbased_")
	switch sampler {
	case "":
		return
	case "always_on", "always_off", "traceidratio":
		t.Sampler, t.ParentBased = sampler, parentBased
	default:
		r.note("%s: doorward does not know %s, and takes parentbased_always_on", variable, quote(text))
		return
	}
	variable, text = firstSet("OTEL_TRACES_SAMPLER_ARG")
	if sampler != "traceidratio" || text == "" {
		return
	}
	ratio, err := strconv.ParseFloat(text, 64)
	if err != nil || !(ratio >= 0 && ratio <= 1) {
		r.note("%s: %s is no number from 0 to 1, and every trace is kept", variable, quote(text))
		return
	}
	t.Ratio = ratio
}

// propagates says whether W3C Trace Context is among what is asked for. Baggage passes as any header does.
func (r *otelReader) propagates() bool {
	variable, text := firstSet("OTEL_PROPAGATORS")
	known, wanted := false, false
	for _, word := range otelWords(text) {
		switch word {
		case "tracecontext":
			known, wanted = true, true
		case "baggage", "none":
			known = true
		default:
			r.note("%s: doorward does not know %s, only tracecontext", variable, quote(word))
		}
	}
	return wanted || !known
}

func (r *otelReader) milliseconds(otherwise time.Duration, variables ...string) time.Duration {
	const day = 24 * 60 * 60 * 1000
	return time.Duration(r.number(int(otherwise.Milliseconds()), 1, day, variables...)) * time.Millisecond
}

func (r *otelReader) number(otherwise, least, most int, variables ...string) int {
	variable, text := firstSet(variables...)
	if text == "" {
		return otherwise
	}
	number, err := strconv.Atoi(text)
	if err != nil || number < least || number > most {
		r.note("%s: %s is no number from %d to %d, and %d is taken", variable, quote(text), least, most, otherwise)
		return otherwise
	}
	return number
}

// noteOthers tells of variables that are set and do nothing here.
func (r *otelReader) noteOthers() {
	known, others := TracingVariables(), []string(nil)
	for _, entry := range os.Environ() {
		name, value, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, "OTEL_") && value != "" && value != "none" && !slices.Contains(known, name) {
			others = append(others, name)
		}
	}
	if slices.Sort(others); len(others) > 0 {
		r.note("of OpenTelemetry doorward has traces alone: %s does nothing here", strings.Join(others, ", "))
	}
}

// TracingVariables are all that doorward reads of OpenTelemetry's variables.
func TracingVariables() []string {
	all := []string{
		"OTEL_SDK_DISABLED", "OTEL_TRACES_EXPORTER", "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG", "OTEL_PROPAGATORS",
		"OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES",
		"OTEL_BSP_SCHEDULE_DELAY", "OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
	}
	for _, name := range []string{"ENDPOINT", "HEADERS", "TIMEOUT", "COMPRESSION", "PROTOCOL", "CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY"} {
		all = append(all, exporterVariable(name)...)
	}
	return all
}
