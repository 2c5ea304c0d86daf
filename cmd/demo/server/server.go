// Package server runs the demo's HTTP servers.
package server

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"
)

// grace is how long open requests have to end once a server is told to stop.
const grace = 3 * time.Second

// Run serves l with s until ctx ends, and then closes l. Streams end with ctx too: it is the context of every request. The
// error is nil after a stop that was asked for.
func Run(ctx context.Context, l net.Listener, s *http.Server) error {
	s.ReadHeaderTimeout = 10 * time.Second
	s.BaseContext = func(net.Listener) context.Context { return ctx }
	stopped := make(chan error, 1)
	context.AfterFunc(ctx, func() {
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
		stopped <- s.Shutdown(late)
	})
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	if err := <-stopped; err != nil {
		return s.Close()
	}
	return nil
}
