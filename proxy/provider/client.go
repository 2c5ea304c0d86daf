package provider

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The rules of every request to the provider:
//
//   - It has a deadline that covers connecting, headers and body, so that neither silence nor a slow drip holds anybody up.
//   - Redirects are not followed. They would carry the client secret, the code or a token to another host.
//   - At most maxBody bytes are read, and nothing is decompressed: a small gzip bomb stays small.
//   - TLS 1.2 or newer, verified; a CA of the operator's adds to the system's and replaces none.
//   - HTTPS_PROXY and NO_PROXY are honoured.

const (
	maxBody      = 1 << 20
	fetchTimeout = 5 * time.Second  // metadata, keys
	askTimeout   = 10 * time.Second // token, userinfo, pushed requests: somebody's login hangs on it, and the provider may have to think
)

// client sends requests to the provider. It uses a bare transport, which knows no redirects, cookies or retries of its own.
type client struct {
	transport http.RoundTripper
	onRequest func(endpoint, code string, took time.Duration)
}

func newClient(o Options) (*client, error) {
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if len(o.CA) > 0 && !roots.AppendCertsFromPEM(o.CA) {
		return nil, errors.New("the provider's CA holds no certificate in PEM")
	}
	c := &client{
		onRequest: o.OnRequest,
		transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            dialLoopback,
			TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			DisableCompression:     true,
			ForceAttemptHTTP2:      true,
			MaxResponseHeaderBytes: 64 << 10,
			MaxIdleConnsPerHost:    8,
			IdleConnTimeout:        90 * time.Second,
		},
	}
	if c.onRequest == nil {
		c.onRequest = func(string, string, time.Duration) {}
	}
	return c, nil
}

// dialLoopback dials, and takes every name below localhost for this machine (RFC 6761 6.3), as browsers do; resolvers may not know
// it.
func dialLoopback(ctx context.Context, network, address string) (net.Conn, error) {
	if host, port, err := net.SplitHostPort(address); err == nil && strings.HasSuffix(host, ".localhost") {
		address = net.JoinHostPort("localhost", port)
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}

// reply is what an endpoint answered, read to the end.
type reply struct {
	status    int
	mediaType string // without parameters, "" when absent or malformed
	header    http.Header
	body      []byte
}

// get asks an endpoint for a document, metadata or keys, and insists on 200. The content type is not looked at: both are served
// under several, and reading them is strict enough.
func (c *client) get(ctx context.Context, endpoint, address string) (*reply, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, errors.New("the endpoint's address is malformed")
	}
	req.Header.Set("Accept", "application/json")
	got, err := c.send(req, endpoint, fetchTimeout)
	if err != nil {
		return nil, err
	}
	return got, got.ok()
}

// send sends one request, once, and reads the answer.
func (c *client) send(req *http.Request, endpoint string, timeout time.Duration) (*reply, error) {
	ctx, cancel := context.WithTimeout(req.Context(), timeout)
	defer cancel()
	req = req.Clone(ctx)
	req.Header.Set("User-Agent", "doorward")

	began := time.Now()
	got, err := c.roundTrip(req)
	code := "error"
	if got != nil {
		code = strconv.Itoa(got.status)
	}
	c.onRequest(endpoint, code, time.Since(began))
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return nil, fmt.Errorf("the %s endpoint did not answer in time", endpoint)
	}
	if err != nil {
		return nil, fmt.Errorf("the %s endpoint: %w", endpoint, err)
	}
	return got, nil
}

func (c *client) roundTrip(req *http.Request) (*reply, error) {
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		// net/http quotes what it could not read, which may be anything, a token as well.
		before, _, _ := strings.Cut(err.Error(), `"`)
		return nil, errors.New(before)
	}
	defer resp.Body.Close()
	if encoding := resp.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return nil, fmt.Errorf("the answer is encoded as %s, which nobody asked for", quoted(encoding))
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	if len(body) > maxBody {
		return nil, fmt.Errorf("the answer is larger than %d bytes", maxBody)
	}
	mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	return &reply{status: resp.StatusCode, mediaType: mediaType, header: resp.Header, body: body}, nil
}

// ok refuses every status but 200.
func (r *reply) ok() error { return r.is(http.StatusOK) }

// is refuses every status but this one, a redirect among them.
func (r *reply) is(status int) error {
	switch {
	case r.status == status:
		return nil
	case r.status >= 300 && r.status < 400:
		return fmt.Errorf("the answer is a redirect (%d), and redirects are not followed", r.status)
	}
	return fmt.Errorf("the answer's status is %d", r.status)
}

// json reads an answer that must say that it is JSON.
func (r *reply) json() (object, error) {
	if r.mediaType != "application/json" {
		return nil, fmt.Errorf("the answer's content type is %s, not application/json", quoted(r.mediaType))
	}
	return parseObject(r.body)
}
