package proxy

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"doorward/config"
)

// mute is a connection that may die without a word: what is written goes nowhere, and nothing comes.
type mute struct {
	net.Conn
	dead *atomic.Bool
}

func (m mute) Write(b []byte) (int, error) {
	if m.dead.Load() {
		return len(b), nil
	}
	return m.Conn.Write(b)
}

// pipes is a listener without a network.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	conn, ok := <-p
	if !ok {
		return nil, net.ErrClosed
	}
	return conn, nil
}

func (p pipes) Close() error { close(p); return nil }

func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// A connection of HTTP/2 that died without a word is given up: not every request for many minutes runs into its timeout.
func TestDeadHTTP2ConnectionsAreGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &http.Server{Protocols: new(http.Protocols), Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}
		server.Protocols.SetUnencryptedHTTP2(true)
		connections, dead := make(pipes), &atomic.Bool{}
		go server.Serve(connections)
		transport := newUpstream(config.Upstream{URL: &url.URL{Scheme: "h2c", Host: "app"}}, false, nil).transport.(byVersion).Transport
		transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			connections <- theirs
			defer func() { dead = &atomic.Bool{} }()
			return mute{ours, dead}, nil
		}
		first := dead
		ask := func() error {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			r, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://app/", nil)
			answer, err := transport.RoundTrip(r)
			if err == nil {
				answer.Body.Close()
			}
			return err
		}
		if err := ask(); err != nil {
			t.Fatal(err)
		}
		first.Store(true)
		began := time.Now()
		if err := ask(); err == nil {
			t.Error("a dead connection answers")
		}
		if err := ask(); err != nil {
			t.Errorf("%v after the connection died: %v", time.Since(began), err)
		}
		transport.CloseIdleConnections()
		server.Close()
	})
}

// No environment variable leads requests to an upstream through somebody else. On loopback, where all other tests are, none would.
func TestUpstreamsHaveNoProxy(t *testing.T) {
	for _, scheme := range []string{"http", "https", "unix"} {
		u := newUpstream(config.Upstream{URL: &url.URL{Scheme: scheme, Host: "app.example"}}, false, nil)
		if u.transport.(*http.Transport).Proxy != nil {
			t.Errorf("%s has one", scheme)
		}
	}
}
