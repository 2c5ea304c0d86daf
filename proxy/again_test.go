package proxy_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"testing"
	"time"
)

// An upstream may close a connection just as a request gets it. What was not written there is sent over another, whatever it would do if it
// were sent twice.
func TestRequestThatWasNotWrittenIsSentAgain(t *testing.T) {
	for name, request := range map[string]struct{ method, body string }{
		"without a body":    {http.MethodPost, ""},
		"with a small body": {http.MethodPost, "a few words"},
		"DELETE":            {http.MethodDelete, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := public(t, nil)
			closes, closed, offered := make(chan struct{}), make(chan struct{}), make(chan struct{})
			s.Upstream.Streams = true
			s.Upstream.Answer = func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				conn, _, _ := http.NewResponseController(w).Hijack()
				defer conn.Close()
				answer(conn, r.Method+" "+string(body))
				if r.Header.Get("Name") == "first" {
					<-closes
					conn.Close()
					close(closed)
				}
			}
			s.trace(map[string]*httptrace.ClientTrace{"first": {PutIdleConn: func(error) {
				close(closes)
				<-closed
				close(offered)
				<-time.After(100 * time.Millisecond) // in which the second request gets the connection, before anybody sees that it is closed
			}}, "second": {}})
			ask := func(name string) {
				r, _ := http.NewRequestWithContext(t.Context(), request.method, s.URL, strings.NewReader(request.body))
				r.Header.Set("Name", name)
				got, err := http.DefaultClient.Do(r)
				if err != nil {
					t.Error(err)
					return
				}
				defer got.Body.Close()
				if text, err := io.ReadAll(got.Body); err != nil || string(text) != fmt.Sprint(request.method, " ", request.body) {
					t.Errorf("the %s is answered %q (%d, %v)", name, text, got.StatusCode, err)
				}
			}
			var asking sync.WaitGroup
			defer asking.Wait()
			asking.Go(func() { ask("first") })
			<-offered
			ask("second")
		})
	}
}
