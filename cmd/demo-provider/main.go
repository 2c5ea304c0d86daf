// Command demo-provider runs the demo's OpenID provider on its own, for docker compose. See package provider for what it is, and
// for what it must never be used for.
package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"doorward/cmd/demo/provider"
	"doorward/cmd/demo/server"
)

func main() {
	slog.SetLogLoggerLevel(slog.LevelWarn) // op tells of every route it registers
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Getenv, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "demo-provider:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, getenv func(string) string, out io.Writer) error {
	o := options(getenv)
	p, err := provider.New(o)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", cmp.Or(getenv("LISTEN_ADDR"), "127.0.0.1:9998"))
	if err != nil {
		return fmt.Errorf("listening (LISTEN_ADDR): %w", err)
	}
	fmt.Fprintf(out, "demo provider %s, listening on %s\n", o.Issuer, l.Addr())
	return server.Run(ctx, l, &http.Server{Handler: p})
}

// options reads the environment. What is not set fits the compose file.
func options(getenv func(string) string) provider.Options {
	return provider.Options{
		Issuer:         cmp.Or(getenv("ISSUER_URL"), "http://localhost:9998"),
		ClientID:       cmp.Or(getenv("CLIENT_ID"), "doorward-demo"),
		ClientSecret:   cmp.Or(getenv("CLIENT_SECRET"), "demo-secret"),
		RedirectURIs:   list(cmp.Or(getenv("REDIRECT_URIS"), "http://localhost:4180/oauth2/callback")),
		PostLogoutURIs: list(cmp.Or(getenv("POST_LOGOUT_URIS"), "http://localhost:4180/oauth2/sign_out")),
		Audience:       cmp.Or(getenv("AUDIENCE"), "demo-api"),
	}
}

// list splits at commas; blanks around the items do not count.
func list(text string) []string {
	items := strings.Split(text, ",")
	for i := range items {
		items[i] = strings.TrimSpace(items[i])
	}
	return items
}
