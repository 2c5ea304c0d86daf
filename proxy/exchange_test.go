package proxy

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// timed is a client's connection or stream that notes whether it was given a deadline.
type timed struct {
	http.ResponseWriter
	given bool
}

func (w *timed) SetWriteDeadline(time.Time) error {
	w.given = true
	return nil
}

// A client that opens streams and resets them leaves nothing behind. One of HTTP/1.1 that says no more may still be reading, or not.
func TestDeadlineOfAnAnswer(t *testing.T) {
	for name, test := range map[string]struct {
		protocol    int
		gone, given bool
	}{
		"HTTP/2":                {2, false, true},
		"HTTP/2, reset":         {2, true, false},
		"HTTP/1.1":              {1, false, true},
		"HTTP/1.1, said it all": {1, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, reset := context.WithCancel(t.Context())
			defer reset()
			r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil)
			r.ProtoMajor = test.protocol
			w := &timed{ResponseWriter: httptest.NewRecorder()}
			x := newExchange(w, r, time.Minute)
			if test.gone {
				reset()
			}
			x.WriteHeader(http.StatusOK)
			if w.given != test.given {
				t.Errorf("it has a deadline: %v", w.given)
			}
		})
	}
}
