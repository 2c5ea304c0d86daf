package proxy_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"doorward/config"
)

// transportOf is the configuration of a site for a test that TestOverFastTransport has started.
func transportOf(t testing.TB) func(*config.Config) {
	return func(c *config.Config) {
		c.FastTransport = strings.HasPrefix(t.Name(), "TestOverFastTransport/")
	}
}

// TestOverFastTransport runs tests of what passes, and of how it ends, with FAST_TRANSPORT, too.
func TestOverFastTransport(t *testing.T) {
	for name, test := range map[string]func(*testing.T){
		"random exchanges":             TestRandomExchanges,
		"targets":                      TestTargetsArriveByteForByte,
		"paths spelled anew":           TestPathsThatWouldBeSpelledAnew,
		"hosts":                        TestHostThatUpstreamsSee,
		"ways to fail":                 TestUpstreamFailures,
		"clients that go away":         TestClientThatGoesAwayIsNoUpstreamFailure,
		"aborted requests":             TestAbortedRequestHasNoAnswer,
		"answers that break off":       TestTruncatedAnswer,
		"events":                       TestEventsStream,
		"WebSockets":                   TestWebSocketPasses,
		"other upgrades":               TestUpgradesThatDoNotPass,
		"uninvited switches":           TestUninvitedSwitch,
		"other upstreams":              TestOtherUpstreams,
		"early hints":                  TestInformationalAnswers,
		"clients of HTTP/1.0":          TestOldClientsGetOneAnswer,
		"no type":                      TestNoTypeIsGuessed,
		"large bodies":                 TestLargeBodies,
		"answers that trickle":         TestAnswersAreNotBuffered,
		"what goes on with a session":  TestWhatGoesOnEndsWithTheSession,
		"what ends a session":          TestWhatEndsASessionCutsItsConnections,
		"clients that take nothing":    TestClientsThatTakeNothing,
		"cut before the answer":        TestCutBeforeTheAnswer,
		"usable after a cut":           TestConnectionsAreUsableAfterACut,
		"surplus of answers":           TestSurplusOfAnAnswerIsNobodysAnswer,
		"streams that a shutdown ends": TestStreamsEndAtAShutdown,
		"traces":                       TestRequestIsTraced,
	} {
		t.Run(name, test)
	}
}

// FAST_TRANSPORT chooses who asks: on the caller's goroutine a GET leaves a connection that is of no use to a POST.
func TestFastTransportIsUsed(t *testing.T) {
	for _, fast := range []bool{false, true} {
		conns := countingUpstream(t)
		s := public(t, func(c *config.Config) {
			c.Upstreams, c.FastTransport = "http://"+conns.Addr().String(), fast
		})
		for range 3 {
			s.browser().request(http.MethodGet, s.URL, nil, "")
			s.browser().request(http.MethodPost, s.URL, nil, "")
		}
		if got, want := conns.accepted(), map[bool]int{false: 1, true: 2}[fast]; got != want {
			t.Errorf("FAST_TRANSPORT=%v: %d connections", fast, got)
		}
		s.Proxy.Close()
		conns.serving.Wait() // idle connections are closed
	}
}

// An upstream that serves one connection at a time, as some do in development, or whose other workers are busy, serves whatever comes one after the
// other: neither transport waits for what the other keeps.
func TestUpstreamWithOneWorker(t *testing.T) {
	for _, fast := range []bool{false, true} {
		upstream := accept(t, answerEach)
		s := public(t, func(c *config.Config) {
			c.Upstreams, c.FastTransport = "http://"+upstream.Addr().String()+" timeout=10s", fast
		})
		for _, method := range strings.Fields("GET POST GET GET POST POST GET OPTIONS HEAD POST") {
			if p := s.browser().request(method, s.URL, nil, ""); p.StatusCode != http.StatusOK {
				t.Fatalf("FAST_TRANSPORT=%v: %s gets %d", fast, method, p.StatusCode)
			}
		}
		s.Proxy.Close()
	}
}

// GETs find no connection of their own while POSTs have left one, and open one when that is closed.
func TestFastTransportWhenTheOtherHasNone(t *testing.T) {
	conns := countingUpstream(t)
	s := public(t, func(c *config.Config) {
		c.Upstreams, c.FastTransport = "http://"+conns.Addr().String(), true
	})
	for i, method := range []string{"POST", "GET", "POST", "GET"} {
		s.browser().request(method, s.URL, nil, "")
		if n := conns.accepted(); n != 1 {
			t.Fatalf("request %d needs %d connections", i, n)
		}
	}
	_ = conns.first().Close()
	for conns.accepted() == 1 { // until its end is known
		s.browser().request(http.MethodGet, s.URL, nil, "")
	}
	s.browser().request(http.MethodGet, s.URL, nil, "")
	if n := conns.accepted(); n != 2 {
		t.Errorf("then %d connections are needed", n)
	}
	s.browser().request(http.MethodPost, s.URL, nil, "")
	if n := conns.accepted(); n != 3 {
		t.Errorf("the second was not opened for a GET: a POST can use it, of %d", n)
	}
	s.Proxy.Close()
	conns.serving.Wait()
}

// counting is an upstream that counts connections.
type counting struct {
	net.Listener
	serving sync.WaitGroup
	mu      sync.Mutex
	all     []net.Conn
}

func countingUpstream(t *testing.T) *counting {
	u := &counting{}
	u.Listener = accept(t, func(conn net.Conn) {
		u.mu.Lock()
		u.all = append(u.all, conn)
		u.mu.Unlock()
		u.serving.Go(func() { answerEach(conn) })
	})
	return u
}

func answerEach(conn net.Conn) {
	defer conn.Close()
	for requests := bufio.NewReader(conn); ; {
		r, err := http.ReadRequest(requests)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
	}
}

func (u *counting) accepted() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.all)
}

func (u *counting) first() net.Conn {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.all[0]
}

// Some servers take whoever brought NTLM or Negotiate on a connection for the one behind all that follows on it (RFC 4559, against RFC 9110 3.3).
func TestConnectionsThatWereAuthenticatedAreNobodyElses(t *testing.T) {
	type key struct{}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		of := r.Context().Value(key{}).(*atomic.Value)
		if words := strings.Fields(r.Header.Get("Authorization")); len(words) == 2 && words[0] != "Bearer" {
			of.Store(words[1])
		}
		fmt.Fprint(w, of.Load())
	}))
	server.Config.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
		return context.WithValue(ctx, key{}, &atomic.Value{})
	}
	server.Start()
	t.Cleanup(server.Close)
	s := newSite(t, func(c *config.Config) {
		c.AccessRules, c.Upstreams = "/ upstream-auth", server.URL
		withoutBearers(c)
	})
	bob := s.browserThat(t, "bob")
	for _, scheme := range []string{"NTLM ", "Negotiate ", "negotiate\t"} {
		if p := s.rawGet("/", "Authorization: "+scheme+"alice"); p.Text != "alice" {
			t.Fatalf("alice gets %d %q", p.StatusCode, p.Text)
		}
		if p := bob.open(s.URL + "/"); strings.Contains(p.Text, "alice") {
			t.Errorf("%s: to the upstream, bob is %s", scheme, p.Text)
		}
	}
}
