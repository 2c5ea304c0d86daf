package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"doorward/config"
	"doorward/proxy/fasttransport"
)

// Whoever serves requests: by which connections, and how that fails. A failure of an upstream's is told apart from a client that went away, and
// from a connection that was cut.

// upstream is one entry of UPSTREAMS with its connections.
type upstream struct {
	config.Upstream
	name      string
	target    *url.URL
	transport transport
	spare     *spareConns         // that FAST_TRANSPORT asks for; nil without that
	duration  prometheus.Observer // of the time to its answers
	look      func()              // at the files of its TLS; nil where it has none
}

// transport is an http.Transport, alone, with what FAST_TRANSPORT puts before it, or with another one beside it (byVersion).
type transport interface {
	http.RoundTripper
	CloseIdleConnections()
}

// byVersion asks for WebSockets in HTTP/1.1 (those of HTTP/2, RFC 8441, are spoken by few), and for all else in HTTP/2.
type byVersion struct {
	*http.Transport
	first *http.Transport
}

func (v byVersion) RoundTrip(r *http.Request) (*http.Response, error) {
	if isWebSocket(r) {
		return v.first.RoundTrip(r)
	}
	return v.Transport.RoundTrip(r)
}

func (v byVersion) CloseIdleConnections() {
	v.Transport.CloseIdleConnections()
	v.first.CloseIdleConnections()
}

// newUpstream prepares the connections of an upstream.
func newUpstream(entry config.Upstream, fast bool, notice func(setting string, err error)) *upstream {
	u := &upstream{Upstream: entry, name: entry.Name(), target: &url.URL{Scheme: "http", Host: entry.URL.Host}}
	dialer := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second, Control: boundUnsent}
	dial := dialer.DialContext
	if entry.URL.Scheme == "unix" {
		u.target.Host = "localhost"
		dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", entry.URL.Path)
		}
	}
	standard := newTransport(dial)
	standard.TLSClientConfig, u.look = entry.FollowTLS(notice)
	u.transport = standard
	switch entry.URL.Scheme {
	case "https":
		u.target.Scheme = "https"
		standard.DialContext = quietly(true, nil, dial)
		standard.Protocols.SetHTTP2(true)
	case "h2c":
		standard.Protocols.SetHTTP1(false)
		standard.Protocols.SetUnencryptedHTTP2(true)
		first := standard.Clone()
		first.DialContext = quietly(false, nil, dial)
		first.Protocols = new(http.Protocols)
		first.Protocols.SetHTTP1(true)
		u.transport = byVersion{standard, first}
	default:
		if fast {
			u.spare = &spareConns{holder: make(map[*quietConn]*delivery)}
			u.transport = fasttransport.New(u.target, standard, u.spare.any)
		}
		standard.DialContext = quietly(false, u.spare, standard.DialContext)
	}
	return u
}

// newTransport speaks HTTP/1.1. It passes answers on as they come (DisableCompression: or it would unpack them), and no environment variable
// leads it through another proxy.
func newTransport(dial dial) *http.Transport {
	t := &http.Transport{
		DialContext:            dial,
		DisableCompression:     true,
		TLSHandshakeTimeout:    5 * time.Second,
		ExpectContinueTimeout:  time.Second,
		MaxIdleConnsPerHost:    512, // the default of 2 opens a connection for every other request under load
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 256 << 10,
		Protocols:              new(http.Protocols),
		// A connection of HTTP/2 that died without a word would let every request on it run into its timeout, for many minutes.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 10 * time.Second, PingTimeout: 5 * time.Second},
	}
	t.Protocols.SetHTTP1(true)
	return t
}

func isASCII(text string) bool {
	return !strings.ContainsFunc(text, func(c rune) bool { return c > '~' })
}

// address points the outgoing request at the upstream. Opaque carries the path's own bytes where net/url would spell
// them differently; it cannot begin with two slashes, since then it would be sent as an absolute address (config.Upstream.PathToSend).
func (u *upstream) address(pr *httputil.ProxyRequest, path string) {
	out := pr.Out.URL
	out.Scheme, out.Host, out.User = u.target.Scheme, u.target.Host, nil
	out.Opaque, out.Fragment, out.RawFragment = "", "", ""
	// ReverseProxy re-encodes queries that Go and others read differently. No rule here reads the query, so that
	// nothing can be smuggled past one, and the upstream gets what the client wrote.
	out.RawQuery, out.ForceQuery = pr.In.URL.RawQuery, pr.In.URL.ForceQuery
	out.Path, _ = url.PathUnescape(path) // the policy has refused bad escapes
	out.RawPath = path
	if out.EscapedPath() != path {
		out.Opaque = path
	}
	pr.Out.Host = pr.In.Host
	if u.Host == "upstream" {
		pr.Out.Host = ""
	}
}

// upstreamFailure tells the ways of failing apart.
func (p *Proxy) upstreamFailure(d *delivery, r *http.Request, err error) error {
	if v := d.x.connection.cut.Load(); v != nil {
		return p.insteadOfAnswer(d, v)
	}
	if needed, ok := errors.AsType[*loginNeeded](err); ok {
		return needed
	}
	if d.body.broken.Load() && r.Context().Err() == nil {
		return badRequest("its body breaks off or is malformed")
	}
	reason, err := p.countFailure(d, r, err)
	switch reason {
	case "client_gone":
		return clientGone(err)
	case "timeout":
		return upstreamTimeout(err)
	}
	return upstreamDown(reason, err)
}

// countFailure tells the metric that an upstream failed a request, and gives the reason, and what the log may be told of it.
func (p *Proxy) countFailure(d *delivery, r *http.Request, err error) (reason string, told error) {
	reason = failureReason(r, err)
	p.metrics.upstreamErrors.WithLabelValues(d.x.upstream, reason).Inc()
	return reason, errors.New(unquoted(err.Error()))
}

// failureReason is one of the fixed words in failureReasons.
func failureReason(r *http.Request, err error) string {
	var network net.Error
	var operation *net.OpError
	switch {
	case errors.Is(err, errOverdue):
		return "timeout"
	case errors.Is(err, errLetGo), errors.Is(err, errGivenUp):
		return "connection_lost"
	case r.Context().Err() != nil:
		return "client_gone"
	case errors.As(err, &network) && network.Timeout():
		return "timeout"
	case errors.As(err, &operation) && operation.Op == "dial":
		return "connect"
	case isTLS(err):
		return "tls"
	case errors.As(err, &operation), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection_lost"
	}
	return "bad_answer"
}

// isTLS says whether an upstream is not to be trusted, does not trust doorward, or speaks no TLS.
func isTLS(err error) bool {
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	_, none := errors.AsType[tls.RecordHeaderError](err)
	operation, _ := errors.AsType[*net.OpError](err)
	alert := operation != nil && (operation.Op == "remote error" || operation.Op == "local error") // as crypto/tls names them
	return untrusted || none || alert || errors.Is(err, http.ErrSchemeMismatch)
}

func failureReasons() []string {
	return []string{"client_gone", "timeout", "connect", "tls", "connection_lost", "bad_answer"}
}
