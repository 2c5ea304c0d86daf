// Command demo-backend runs the demo's application on its own, for docker compose. See package backend for what it does.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"doorward/cmd/demo/backend"
	"doorward/cmd/demo/server"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Getenv, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "demo-backend:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, getenv func(string) string, out io.Writer) error {
	o := backend.Options{
		Issuer:      getenv("ISSUER_URL"),
		ProviderURL: getenv("PROVIDER_INTERNAL_URL"),
		Audience:    getenv("AUDIENCE"),
		Assertions: backend.Assertions{
			Issuer: getenv("ASSERTION_ISSUER"), KeysURL: getenv("ASSERTION_KEYS_URL"), Audience: getenv("ASSERTION_AUDIENCE"),
		},
	}
	if o.Issuer == "" || o.Audience == "" {
		return errors.New("reading the environment: ISSUER_URL and AUDIENCE say whose access tokens, and which, to accept; set both")
	}
	b, err := backend.New(o)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", cmp.Or(getenv("LISTEN_ADDR"), ":8080"))
	if err != nil {
		return fmt.Errorf("listening (LISTEN_ADDR): %w", err)
	}
	fmt.Fprintf(out, "demo backend, listening on %s\n", l.Addr())
	return server.Run(ctx, l, &http.Server{Handler: b})
}
