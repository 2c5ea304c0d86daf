package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"doorward/config"
)

// healthcheckPatience is how long a doorward that is well may take to say so.
const healthcheckPatience = 3 * time.Second

// healthcheck asks the doorward that runs with the same environment whether it is ready: for images, which hold no other program that could.
// No other setting is read: what may be wrong with them the running one told at its start.
func healthcheck(ctx context.Context, args []string, out, errOut io.Writer) int {
	if status, ok := newFlags("healthcheck", errOut).parse(args, 0); !ok {
		return status
	}
	ctx, cancel := context.WithTimeout(ctx, healthcheckPatience)
	defer cancel()
	if err := askReady(ctx, "http://"+reachable(config.MetricsAddr())+"/readyz"); err != nil {
		fmt.Fprintf(errOut, "doorward healthcheck: %v\n", err)
		return exitFailed
	}
	fmt.Fprintln(out, "ready")
	return exitOK
}

func askReady(ctx context.Context, url string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r) // no proxy of the environment's
	if err != nil {
		return fmt.Errorf("nobody answers at %s: %w", url, err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("it is not ready: %s answers %d", url, answer.StatusCode)
	}
	return nil
}

// reachable is where a listener's address is reached from its own machine.
func reachable(address string) string {
	host, port, _ := net.SplitHostPort(address)
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}
