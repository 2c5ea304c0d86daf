package backend

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/coder/websocket"
)

// messageLimit bounds a WebSocket message, in bytes.
const messageLimit = 4 << 10

// events is a stream of server-sent events, one a second, until the client goes or its token expires: a stream that is
// open must not outlive the right to it.
func (b *Backend) events(w http.ResponseWriter, r *http.Request, who *caller) {
	ctx, cancel := context.WithDeadline(r.Context(), who.Expires)
	defer cancel()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for n := 1; ; n++ {
		fmt.Fprintf(w, "id: %d\ndata: %s is here, tick %d at %s\n\n", n, who.Name(), n, time.Now().UTC().Format(time.TimeOnly))
		if err := http.NewResponseController(w).Flush(); err != nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// echo answers every WebSocket message with itself and who sent it, as long as events would stream.
func (b *Backend) echo(w http.ResponseWriter, r *http.Request, who *caller) {
	conn, err := websocket.Accept(w, r, nil) // refuses other origins by itself
	if err != nil {
		return
	}
	defer conn.CloseNow()
	conn.SetReadLimit(messageLimit)
	ctx, cancel := context.WithDeadline(r.Context(), who.Expires)
	defer cancel()
	for {
		kind, message, err := conn.Read(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			conn.Close(websocket.StatusPolicyViolation, "the access token expired")
		}
		if err != nil {
			return
		}
		if err := conn.Write(ctx, kind, fmt.Appendf(nil, "%s said: %s", who.Name(), message)); err != nil {
			return
		}
	}
}
