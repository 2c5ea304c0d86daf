// Command demo starts an OpenID provider, an application and doorward between them, in one process and on this machine alone, so
// that everything can be seen in a browser with nothing installed but Go:
//
//	go run ./cmd/demo
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	slog.SetLogLoggerLevel(slog.LevelWarn) // the provider's library tells of every route it registers
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	switch err := run(ctx, os.Args[1:], os.Stdout); {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, args []string, out io.Writer) error {
	a, err := parse(args, out)
	if err != nil {
		return err
	}
	d, err := newDemo(a, out)
	if err != nil {
		return err
	}
	d.greet(out)
	return d.serve(ctx)
}

// addresses are where the demo listens, host:port each. Port 0 is any free one.
type addresses struct{ doorward, provider, metrics string }

func parse(args []string, out io.Writer) (addresses, error) {
	var a addresses
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.StringVar(&a.doorward, "addr", "localhost:4180", "where doorward listens, the `address` to open in a browser")
	flags.StringVar(&a.provider, "provider", "localhost:4181", "`address` of the demo provider")
	flags.StringVar(&a.metrics, "metrics", "127.0.0.1:9180", "`address` of doorward's metrics and health")
	flags.Usage = func() {
		fmt.Fprintln(out, "Demo starts an OpenID provider, an application and doorward between them. Stop it with ctrl-C.")
		fmt.Fprintln(out, "\nUsage: go run ./cmd/demo [flags]")
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return a, err
	}
	if flags.NArg() > 0 {
		return a, fmt.Errorf("reading the arguments: %q is too much, there are only flags (see -help)", flags.Arg(0))
	}
	return a, nil
}
