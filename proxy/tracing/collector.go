package tracing

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// The rules of every request to the collector (OTLP 1.9, "OTLP/HTTP"):
//
//   - It has a deadline that covers connecting and the whole answer, and all attempts share it.
//   - Redirects are not followed: they would carry credentials elsewhere.
//   - It is sent again where nobody took it, or where the answer is 429, 502, 503 or 504, after as long as Retry-After says.
//   - At most maxAnswer of an answer is read, and nothing that it says is quoted, but for a number.
//   - HTTPS_PROXY and NO_PROXY are honoured, as OpenTelemetry's own exporters do.

const (
	defaultTimeout = 10 * time.Second
	maxAnswer      = 64 << 10
	firstPause     = 250 * time.Millisecond
	longestPause   = 5 * time.Second
)

// ErrQueueFull is why spans were dropped that the collector was too slow for.
var ErrQueueFull = errors.New("the queue for the collector is full")

// collector takes spans.
type collector struct {
	endpoint  string
	header    http.Header
	timeout   time.Duration
	compress  bool
	transport *http.Transport
	ctx       context.Context // ends with the Tracer
	end       context.CancelFunc
}

func newCollector(o Options) *collector {
	c := &collector{endpoint: o.Endpoint, header: o.Header.Clone(), timeout: cmp.Or(o.Timeout, defaultTimeout), compress: o.Compress}
	if c.header == nil {
		c.header = http.Header{}
	}
	c.header.Set("Content-Type", "application/x-protobuf")
	c.header.Set("User-Agent", "doorward")
	if c.compress {
		c.header.Set("Content-Encoding", "gzip")
	}
	c.transport = &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		TLSClientConfig:        o.TLS.Clone(),
		TLSHandshakeTimeout:    5 * time.Second,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true,
		MaxIdleConnsPerHost:    1,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: maxAnswer,
	}
	c.ctx, c.end = context.WithCancel(context.Background())
	return c
}

func (c *collector) close() {
	c.end()
	c.transport.CloseIdleConnections()
}

// Ping asks a collector, once, whether it would take spans, by sending it none.
func Ping(ctx context.Context, o Options) error {
	c := newCollector(o)
	defer c.close()
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	return c.send(ctx, c.packed(nil))
}

// Start implements otlptrace.Client.
func (c *collector) Start(context.Context) error { return nil }

// Stop implements otlptrace.Client.
func (c *collector) Stop(context.Context) error { return nil }

// UploadTraces implements otlptrace.Client. TracesData is on the wire what ExportTraceServiceRequest is, whose package would link gRPC.
func (c *collector) UploadTraces(ctx context.Context, spans []*tracepb.ResourceSpans) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	defer context.AfterFunc(c.ctx, cancel)()
	message, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: spans})
	if err != nil {
		return errors.New("the spans cannot be written down")
	}
	return c.deliver(ctx, c.packed(message))
}

func (c *collector) packed(message []byte) []byte {
	if !c.compress {
		return message
	}
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(message) // memory takes everything
	_ = w.Close()
	return b.Bytes()
}

// deliver sends a message until it is taken or refused. A pause that would last beyond the deadline is not begun.
func (c *collector) deliver(ctx context.Context, message []byte) error {
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		err := c.send(ctx, message)
		again, ok := errors.AsType[passing](err)
		if !ok || ctx.Err() != nil {
			return err
		}
		wait := max(again.after, pause/2+rand.N(pause/2)) // or every doorward would come at the same moment
		if deadline, _ := ctx.Deadline(); time.Until(deadline) < wait {
			return err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return err
		}
	}
}

// passing is a failure that may pass by itself.
type passing struct {
	error
	after time.Duration // that the collector asks for
}

// Unwrap gives the cause.
func (p passing) Unwrap() error { return p.error }

func (c *collector) send(ctx context.Context, message []byte) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.endpoint, bytes.NewReader(message))
	if err != nil {
		return errors.New("the collector's address is malformed")
	}
	r.Header = c.header.Clone()
	answer, err := c.transport.RoundTrip(r)
	if err != nil {
		return passing{error: unquoted(err)}
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	switch status := answer.StatusCode; {
	case status == 429 || status == 502 || status == 503 || status == 504:
		return passing{fmt.Errorf("the collector answers %d", status), retryAfter(answer.Header)}
	case status < 200 || status > 299:
		return fmt.Errorf("the collector answers %d", status)
	case err != nil: // it has taken them
		return nil
	}
	return refused(answer.Header, body)
}

// unquoted is an error of net/http up to where it begins to quote what it could not read.
func unquoted(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.New("the collector does not answer in time")
	}
	before, _, quotes := strings.Cut(err.Error(), `"`)
	if !quotes {
		return err
	}
	return errors.New(before + "…")
}

func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.ParseUint(h.Get("Retry-After"), 10, 16)
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// refused reads how many spans the collector did not take of a batch that it took: ExportTraceServiceResponse has a partial_success as its
// field 1, and that has rejected_spans as its field 1.
func refused(h http.Header, body []byte) error {
	if h.Get("Content-Type") != "application/x-protobuf" {
		return nil
	}
	count, _ := protowire.ConsumeVarint(field(field(body, protowire.BytesType), protowire.VarintType))
	if count == 0 || count > 1<<31 {
		return nil
	}
	return fmt.Errorf("the collector refuses %d spans of a batch", count)
}

// field is the value of a message's field 1, nil where there is none of that type.
func field(message []byte, kind protowire.Type) []byte {
	for len(message) > 0 {
		number, is, n := protowire.ConsumeTag(message)
		if n < 0 {
			return nil
		}
		message = message[n:]
		length := protowire.ConsumeFieldValue(number, is, message)
		if length < 0 {
			return nil
		}
		if number == 1 && is == kind {
			value := message[:length]
			if kind == protowire.BytesType {
				value, _ = protowire.ConsumeBytes(value)
			}
			return value
		}
		message = message[length:]
	}
	return nil
}
