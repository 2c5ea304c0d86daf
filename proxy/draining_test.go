package proxy_test

import (
	"net/http"
	"testing"

	"github.com/coder/websocket"
)

// At the end of a process a client that keeps its connection would lose the request that it sends as that is closed.
func TestDrainingAsksForOtherConnections(t *testing.T) {
	for _, path := range []string{"/public/", "/oauth2/healthz", "/closed/"} {
		s := newSite(t, nil)
		closes := func() bool {
			answer, err := http.Get(s.URL + path)
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			return answer.Close
		}
		if closes() {
			t.Errorf("%s: the connection is closed before the end", path)
		}
		s.Proxy.Drain()
		if !closes() {
			t.Errorf("%s: the connection is kept at the end", path)
		}
	}
}

// Who can only ask the port of the requests has to learn there that an instance ends.
func TestDrainingIsToldToLoadBalancers(t *testing.T) {
	s := newSite(t, nil)
	s.Proxy.Drain()
	s.rawGet("/oauth2/healthz").wants(t, http.StatusServiceUnavailable)
}

// Connection means another thing there.
func TestDrainingLeavesUpgradesAlone(t *testing.T) {
	s := newSite(t, nil)
	s.Upstream.Answer = func(w http.ResponseWriter, r *http.Request) {
		if conn, err := websocket.Accept(w, r, nil); err == nil {
			conn.Close(websocket.StatusNormalClosure, "")
		}
	}
	s.Proxy.Drain()
	conn, answer, err := websocket.Dial(t.Context(), s.URL+"/public/", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	if got := answer.Header.Values("Connection"); len(got) != 1 || got[0] != "Upgrade" {
		t.Errorf("Connection is %q", got)
	}
}

// An informational answer does not take away what a client is told at the end of a process.
func TestDrainingAfterEarlyHints(t *testing.T) {
	s := public(t, nil)
	s.Upstream.Answer = func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusEarlyHints) }
	s.Proxy.Drain()
	answer, err := http.Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if !answer.Close {
		t.Error("the connection is kept at the end")
	}
}
