package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"time"

	"doorward/config"
	"doorward/proxy/provider"
)

// upstreamTimeout is how long one upstream may take for all that is asked of it.
const upstreamTimeout = 5 * time.Second

// inspectUpstream opens a connection to an upstream, with TLS or HTTP/2 where that is to be spoken, and asks for nothing.
func inspectUpstream(ctx context.Context, u config.Upstream) finding {
	ctx, cancel := context.WithTimeout(ctx, upstreamTimeout)
	defer cancel()
	f := finding{ID: "upstream.reachable", Level: provider.LevelOK, Subject: "upstream " + u.Name(), Says: "takes connections"}
	conn, err := connect(ctx, u)
	if err == nil {
		defer conn.Close()
	}
	switch {
	case err == nil && u.URL.Scheme == "h2c":
		f.Says, err = "takes connections, and speaks HTTP/2 on them", greet(ctx, conn)
	case err == nil && u.URL.Scheme == "https":
		f.Says = "takes connections, and its certificate is good"
	}
	if err != nil {
		f.Level, f.Says, f.Mend = provider.LevelFail, err.Error(), mendUpstream(err)
	}
	return f
}

var errNoHTTP2 = errors.New("what answers does not speak HTTP/2 without TLS")

func mendUpstream(err error) string {
	if _, plain := errors.AsType[tls.RecordHeaderError](err); plain {
		return fmt.Sprintf("write http:// in its entry in %s_UPSTREAMS, if plain http is what it speaks; it is no TLS", config.Prefix)
	}
	if _, unknown := errors.AsType[*tls.CertificateVerificationError](err); unknown {
		return fmt.Sprintf("in its entry in %s_UPSTREAMS write the name that is in its certificate, and ca= where the system does not know the authority", config.Prefix)
	}
	if errors.Is(err, errNoHTTP2) {
		return fmt.Sprintf("write http:// in its entry in %s_UPSTREAMS, if HTTP/1.1 is what it speaks", config.Prefix)
	}
	return fmt.Sprintf("start it, or correct its entry in %s_UPSTREAMS", config.Prefix)
}

func connect(ctx context.Context, u config.Upstream) (net.Conn, error) {
	var dialer net.Dialer
	switch u.URL.Scheme {
	case "unix":
		return dialer.DialContext(ctx, "unix", u.URL.Path)
	case "https":
		config, _ := u.FollowTLS(func(string, error) {})
		return (&tls.Dialer{NetDialer: &dialer, Config: config}).DialContext(ctx, "tcp", withPort(u, "443"))
	}
	return dialer.DialContext(ctx, "tcp", withPort(u, "80"))
}

func withPort(u config.Upstream, port string) string {
	return net.JoinHostPort(u.URL.Hostname(), cmp.Or(u.URL.Port(), port))
}

// greet exchanges what begins each HTTP/2 connection (RFC 9113 3.4): the client's preface with its SETTINGS, none here, and the server's SETTINGS.
// A server that speaks HTTP/1.1 alone is asked for something that none has, PRI * (ibid.), and says so or hangs up.
func greet(ctx context.Context, conn net.Conn) error {
	if until, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(until); err != nil {
			return err
		}
	}
	settings := []byte{0, 0, 0, 4, 0, 0, 0, 0, 0} // length, type, flags, stream
	if _, err := conn.Write(slices.Concat([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), settings)); err != nil {
		return err
	}
	head := make([]byte, len(settings))
	if _, err := io.ReadFull(conn, head); err != nil || !bytes.Equal(head[3:], settings[3:]) {
		return errNoHTTP2
	}
	return nil
}
