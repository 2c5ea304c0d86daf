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
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The rules of every request to the provider:
//
//   - It has a deadline that covers connecting, headers and body, so that neither silence nor a slow drip holds anybody up. So has
//     connecting by itself, which net/http goes on with when the request has long been given up.
//   - Redirects are not followed. They would carry the client secret, the code or a token to another host.
//   - At most maxHeader bytes of headers are read, informational answers (1xx) included, and at most maxBody of the body. Nothing is
//     decompressed: a small gzip bomb stays small. Nor is another protocol spoken (101): its connection would know no deadline.
//   - TLS 1.2 or newer, verified; a CA of the operator's adds to the system's and replaces none.
//   - HTTPS_PROXY and NO_PROXY are honoured. Without a proxy, dialer judges every address.
//   - net/http sends a request again only when the provider has not seen it.

const (
	maxBody      = 1 << 20
	maxHeader    = 64 << 10
	dialTimeout  = 5 * time.Second  // to connect, and once more for TLS
	fetchTimeout = 5 * time.Second  // metadata, keys
	askTimeout   = 10 * time.Second // token, userinfo, pushed requests: somebody's login hangs on it, and the provider may have to think
)

// client sends requests to the provider. It uses a bare transport, which knows no redirects and no cookies.
type client struct {
	transport http.RoundTripper
	onRequest func(context.Context, Asked)
}

func newClient(o Options, a *addresses) (*client, error) {
	t := &trust{ca: o.CA, dialer: &dialer{addresses: a}}
	if t.ca == nil {
		t.ca = func() string { return "" }
	}
	if err := t.follow(); err != nil {
		return nil, err
	}
	c := &client{transport: t, onRequest: o.OnRequest}
	if c.onRequest == nil {
		c.onRequest = func(context.Context, Asked) {}
	}
	return c, nil
}

// trust takes requests to the provider by routes on which its certificate is judged by the authorities that are trusted now.
type trust struct {
	ca     func() string
	dialer *dialer

	mu     sync.Mutex
	of     string // the CA of the routes
	routes *routes
}

// RoundTrip implements http.RoundTripper. A CA that is no good leaves the last good one in place, and is the giver's to tell of.
func (t *trust) RoundTrip(req *http.Request) (*http.Response, error) {
	t.mu.Lock()
	_ = t.follow()
	routes := t.routes
	t.mu.Unlock()
	return routes.RoundTrip(req)
}

// follow makes new routes where the CA is another one.
func (t *trust) follow() error {
	ca := t.ca()
	if t.routes != nil && ca == t.of {
		return nil
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if ca != "" && !roots.AppendCertsFromPEM([]byte(ca)) {
		return errors.New("the provider's CA holds no certificate in PEM")
	}
	if t.routes != nil {
		defer t.routes.close()
	}
	r := newRoutes(roots, t.dialer)
	t.routes, t.of = &r, ca
	return nil
}

// routes are the two ways to the provider: straight, and through the proxy that the environment names.
type routes struct{ direct, proxied *http.Transport }

func newRoutes(roots *x509.CertPool, d *dialer) routes {
	r := routes{direct: newTransport(roots), proxied: newTransport(roots)}
	r.direct.DialContext = d.dial
	r.proxied.DialContext = (&net.Dialer{Timeout: dialTimeout}).DialContext // wherever it is, it is the operator's
	r.proxied.Proxy = http.ProxyFromEnvironment
	return r
}

func newTransport(roots *x509.CertPool) *http.Transport {
	return &http.Transport{
		TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    dialTimeout,
		DisableCompression:     true,
		ForceAttemptHTTP2:      true,
		MaxResponseHeaderBytes: maxHeader,
		MaxIdleConnsPerHost:    8,
		IdleConnTimeout:        90 * time.Second,
		// A connection that died without a word would let every request on it run into its deadline, for many minutes.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 10 * time.Second, PingTimeout: dialTimeout},
	}
}

// RoundTrip implements http.RoundTripper.
func (r routes) RoundTrip(req *http.Request) (*http.Response, error) {
	if proxy, err := http.ProxyFromEnvironment(req); proxy != nil || err != nil {
		return r.proxied.RoundTrip(req)
	}
	return r.direct.RoundTrip(req)
}

// close gives back connections that nobody uses.
func (r routes) close() {
	r.direct.CloseIdleConnections()
	r.proxied.CloseIdleConnections()
}

// reply is what an endpoint answered, read to the end.
type reply struct {
	status    int
	mediaType string // without parameters, "" when absent or malformed
	header    http.Header
	body      []byte
	asked     url.Values // the form that was sent, which errors may quote; nil for none
}

// get asks an endpoint for a document, metadata or keys, and insists on 200. The content type is not looked at: both are served
// under several, and reading them is strict enough.
func (c *client) get(ctx context.Context, endpoint, address string) (*reply, error) {
	req, err := newRequest(ctx, http.MethodGet, address, nil, "application/json")
	if err != nil {
		return nil, err
	}
	got, err := c.send(req, endpoint, fetchTimeout)
	if err != nil {
		return nil, err
	}
	if err := got.ok(); err != nil {
		return nil, fmt.Errorf("the %s endpoint: %w", endpoint, err)
	}
	return got, nil
}

// newRequest makes a request to an endpoint, for an answer of these types. Its error does not quote the address, which may hold anything.
func newRequest(ctx context.Context, method, address string, body io.Reader, accept string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return nil, errors.New("the endpoint's address is malformed")
	}
	req.Header.Set("Accept", accept)
	return req, nil
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
	c.onRequest(ctx, Asked{endpoint, req.Method, &url.URL{Scheme: req.URL.Scheme, Host: req.URL.Host}, code, time.Since(began)})
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return nil, outage{fmt.Errorf("the %s endpoint did not answer in time", endpoint)}
	}
	if err != nil {
		return nil, outage{fmt.Errorf("the %s endpoint: %w", endpoint, err)}
	}
	return got, nil
}

// outage is a failure that may pass by itself: no answer, or one that says so.
type outage struct{ error }

// Unwrap gives the cause.
func (o outage) Unwrap() error { return o.error }

func isOutage(err error) bool {
	_, ok := errors.AsType[outage](err)
	return ok
}

func (c *client) roundTrip(req *http.Request) (*reply, error) {
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		return nil, unquoted(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return nil, errors.New("the answer wants to speak another protocol (101)")
	}
	if encoding := resp.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return nil, fmt.Errorf("the answer is encoded as %s, which nobody asked for", quoted(encoding))
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", unquoted(err))
	}
	if len(body) > maxBody {
		return nil, fmt.Errorf("the answer is larger than %d bytes", maxBody)
	}
	mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	return &reply{status: resp.StatusCode, mediaType: mediaType, header: resp.Header, body: body}, nil
}

// unquoted is an error of net/http up to where it begins to quote what it could not read, which may be anything, a token as well.
func unquoted(err error) error {
	before, _, quotes := strings.Cut(err.Error(), `"`)
	if !quotes {
		return err
	}
	return cut{before + "…", err}
}

// cut is an error of which a part alone is told. What kind it is can be asked still.
type cut struct {
	text  string
	cause error
}

func (c cut) Error() string { return c.text }

// Unwrap gives the cause, whose text is for nobody.
func (c cut) Unwrap() error { return c.cause }

// ok refuses every status but 200.
func (r *reply) ok() error { return r.is(http.StatusOK) }

// is refuses every status but this one, a redirect among them.
func (r *reply) is(status int) error {
	switch {
	case r.status == status:
		return nil
	case r.status >= 500 || r.status == http.StatusTooManyRequests || r.status == http.StatusRequestTimeout:
		return outage{fmt.Errorf("the answer's status is %d", r.status)}
	}
	return statusError(r.status)
}

// statusError is an answer that will be the same the next time.
type statusError int

func (s statusError) Error() string {
	if s >= 300 && s < 400 {
		return fmt.Sprintf("the answer is a redirect (%d), and redirects are not followed", int(s))
	}
	return fmt.Sprintf("the answer's status is %d", int(s))
}

// freshFor is how long the answer says that it may be used (RFC 9111 5.2.2), within bounds; the longest where it does not say.
func (r *reply) freshFor(least, most time.Duration) time.Duration {
	fresh := most
	for directive := range strings.SplitSeq(strings.Join(r.header.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.ToLower(strings.TrimSpace(directive)), "=")
		switch name {
		case "no-cache", "no-store":
			fresh = least
		case "max-age":
			if seconds, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31); err == nil {
				fresh = min(fresh, time.Duration(seconds)*time.Second)
			}
		}
	}
	return max(least, fresh)
}

// json reads an answer that must say that it is JSON.
func (r *reply) json() (object, error) {
	if r.mediaType != "application/json" {
		return nil, fmt.Errorf("the answer's content type is %s, not application/json", quoted(r.mediaType))
	}
	return parseObject(r.body)
}
