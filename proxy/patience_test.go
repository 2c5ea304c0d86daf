package proxy

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// waiting is an exchange that was let in, whose upstream may take a second to the head of its answer.
func waiting(w *watched) (*exchange, context.Context) {
	x, ctx := w.open()
	allow(&x.connection, time.Second)
	return x, ctx
}

// allow says how long an upstream may take, to looks as well.
func allow(c *connection, patience time.Duration) {
	c.all.mu.Lock()
	defer c.all.mu.Unlock()
	c.patience = patience
}

// givesUpWithin waits until an exchange gives up, which it is to do so long from now or half a second later.
func givesUpWithin(t *testing.T, ctx context.Context, want time.Duration) {
	t.Helper()
	began := time.Now()
	select {
	case <-ctx.Done():
	case <-time.After(time.Hour):
	}
	if took := time.Since(began); took < want || took > want+2*lookEvery {
		t.Errorf("it gives up after %v, want %v", took, want)
	}
}

func TestUpstreamThatDoesNotAnswerIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, ctx := waiting(newWatched(t, 0))
		x.connection.awaitAnswer()
		givesUpWithin(t, ctx, time.Second)
		if x.connection.answeredInTime() {
			t.Error("an answer that comes now is said to be in time")
		}
	})
}

// An upload may take as long as it likes: what counts is the time from its end.
func TestUpstreamIsWaitedForFromTheEndOfTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, ctx := waiting(newWatched(t, 0))
		body := &clientBody{}
		body.begin(io.NopCloser(strings.NewReader("x")), &x.connection)
		time.Sleep(time.Minute)
		if ctx.Err() != nil {
			t.Error("it gives up while the request is being sent")
		}
		if _, err := io.Copy(io.Discard, body.send()); err != nil {
			t.Fatal(err)
		}
		givesUpWithin(t, ctx, time.Second)
	})
}

func TestAnswerInTimeIsNotGivenUp(t *testing.T) {
	for name, begins := range map[string]func(*connection){
		"after its request":          func(c *connection) { c.awaitAnswer(); c.answeredInTime() },
		"before its request's end":   func(c *connection) { c.answeredInTime(); c.awaitAnswer() },
		"without a limit, and never": func(c *connection) { allow(c, 0); c.awaitAnswer() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x, ctx := waiting(newWatched(t, 0))
				begins(&x.connection)
				time.Sleep(time.Minute)
				if ctx.Err() != nil {
					t.Error("it gives up")
				}
				if !x.connection.answeredInTime() {
					t.Error("the answer is said to be late")
				}
			})
		})
	}
}

// A Redis that does not answer keeps nobody from giving an upstream up.
func TestUpstreamIsGivenUpWhileRedisIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, r := newConnections(), httptest.NewRequest(http.MethodGet, "/", nil)
		watching, stop := context.WithCancel(t.Context())
		defer stop()
		goesOn := func(*connection) *verdict { return nil }
		go c.watch(watching, goesOn, func(*connection) *verdict {
			<-watching.Done()
			return nil
		})
		time.Sleep(time.Minute)
		x := newExchange(httptest.NewRecorder(), r, 0)
		x.connection.patience = 2 * time.Second
		ctx := c.begin(x, r).Context()
		x.connection.awaitAnswer()
		givesUpWithin(t, ctx, x.connection.patience)
	})
}
