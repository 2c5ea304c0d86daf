package proxy

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// Rules that this file keeps:
//
//   - Every limit of a listener that is open to the world is a setting, and none but MAX_CONNECTIONS is off unless somebody says so. net/http
//     has no time limits of its own.
//   - Bodies and answers have no time limit: uploads, downloads and streams may be long. One that does not go on is given up (patience.go).
//   - What a peer sent is not quoted in the log.

// Server is a server for the public listener. Where it has a TLSConfig, serve with its ServeTLS and empty file names.
func (p *Proxy) Server() *http.Server {
	s := p.newServer(p)
	s.ConnState = p.countConnection
	if p.config.ServesTLS() {
		s.TLSConfig = &tls.Config{
			MinVersion:     tls.VersionTLS12, // RFC 9325 3.1.1
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return p.certificate(), nil },
		}
	}
	return s
}

// AdminServer serves Admin within the same limits.
func (p *Proxy) AdminServer() *http.Server { return p.newServer(p.Admin()) }

// newServer holds a listener against clients that stall or send endless headers.
func (p *Proxy) newServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: p.config.HeaderTimeout,
		IdleTimeout:       p.config.IdleTimeout,
		MaxHeaderBytes:    p.config.MaxHeaderBytes,
		Protocols:         protocols(),
		HTTP2:             &http.HTTP2Config{WriteByteTimeout: 2 * p.config.IdleTimeout}, // once its streams are cut, a client that reads nothing keeps no connection
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			client := below(conn)
			boundUnsentTo(client)
			return context.WithValue(ctx, connKey{}, &clientConn{Conn: client})
		},
		ErrorLog: p.serverLog,
		// `OPTIONS *` is ours to answer, like everything else.
		DisableGeneralOptionsHandler: true,
	}
}

// connKey is what a request's connection is found by in its context.
type connKey struct{}

// clientConn is the connection that a request came on, below TLS and MAX_CONNECTIONS.
type clientConn struct {
	net.Conn
	underWay atomic.Int32 // exchanges with upstreams, over HTTP/2
	spoke    atomic.Bool  // one of these has sent some of its request since the last look
	heard    time.Time    // when that was, or one of them was not taken, as the look sees it
}

// connOf is a request's; nil where it came by another server than newServer's.
func connOf(r *http.Request) *clientConn {
	conn, _ := r.Context().Value(connKey{}).(*clientConn)
	return conn
}

// below is the connection below TLS and MAX_CONNECTIONS.
func below(conn net.Conn) net.Conn {
	if s := seatOf(conn); s != nil {
		return s.Conn
	}
	return belowTLS(conn)
}

// protocols are what is spoken: HTTP/1.1 and HTTP/2, the latter without TLS too, for gRPC behind a server that ends
// TLS. Such a client says so with its first bytes (RFC 9113 3.3). Upgrade: h2c, which leads past rules where a server in front passes it
// on, net/http does not know.
func protocols() *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	p.SetHTTP2(true)
	p.SetUnencryptedHTTP2(true)
	return p
}

// countConnection counts the connections of the public server, and notes which of them may make room for others.
func (p *Proxy) countConnection(conn net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		p.metrics.connections.Inc()
	case http.StateClosed, http.StateHijacked:
		p.metrics.connections.Dec()
	}
	if seat := seatOf(conn); seat != nil {
		seat.becomes(state)
	}
}

// Limit makes a listener of the public server keep to MAX_CONNECTIONS.
func (p *Proxy) Limit(l net.Listener) net.Listener {
	if p.config.MaxConnections == 0 {
		return l
	}
	return newRoom(l, p.config.MaxConnections, p.full())
}

// fullEvery is how often it is told that new connections wait.
const fullEvery = time.Minute

// full tells the log that new connections wait, now and then.
func (p *Proxy) full() func() {
	told := seldom{every: fullEvery}
	return func() {
		if told.due() {
			p.log.Warn("connections_full", "most", p.config.MaxConnections, "says", "new connections wait, since no open one is idle")
		}
	}
}
