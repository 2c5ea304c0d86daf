package proxy_test

import (
	"io"
	"net/http"
	"testing"
	"time"

	"doorward/config"
)

// pouring is a site whose upstream answers for as long as it is listened to, and says when that is over.
func pouring(t *testing.T) (s *site, over <-chan struct{}) {
	t.Parallel()
	s = public(t, func(c *config.Config) { c.IdleTimeout = time.Second })
	left := make(chan struct{}, 1)
	s.Upstream.Answer = func(w http.ResponseWriter, r *http.Request) {
		piece := make([]byte, 32<<10)
		for err := error(nil); err == nil && r.Context().Err() == nil; {
			_, err = w.Write(piece)
		}
		left <- struct{}{}
	}
	return s, left
}

// listen asks, and has read nothing but the head of the answer.
func (s *site) listen(t *testing.T, second bool) *http.Response {
	r, err := http.NewRequest(http.MethodGet, s.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := speaking(t, second).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// A client that reads nothing of its answer holds no upstream for ever.
func TestClientsThatReadNothing(t *testing.T) {
	for name, second := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			s, over := pouring(t)
			answer := s.listen(t, second)
			defer answer.Body.Close()
			select {
			case <-over:
			case <-time.After(20 * time.Second):
				t.Fatal("after twenty times IDLE_TIMEOUT the upstream is still at it")
			}
			if _, err := io.Copy(io.Discard, answer.Body); err == nil {
				t.Error("the answer looks whole")
			}
			if got := s.metric(`doorward_connections_cut_total{reason="stalled"}`); got != 1 {
				t.Errorf("%v were cut", got)
			}
		})
	}
}

// One that reads now and then goes on.
func TestClientsThatReadSlowly(t *testing.T) {
	for name, second := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			s, _ := pouring(t)
			answer := s.listen(t, second)
			defer answer.Body.Close()
			often := time.NewTicker(100 * time.Millisecond)
			defer often.Stop()
			for range 30 {
				<-often.C
				if _, err := io.CopyN(io.Discard, answer.Body, 1<<20); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}
