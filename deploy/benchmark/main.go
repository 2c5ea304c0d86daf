//go:build linux

// Command benchmark measures what doorward costs, beside a bare reverse proxy, nginx and Apache with mod_auth_openidc: see README.md.
//
// It follows these rules:
//
//   - Whoever is measured answers for real: before the first round everybody has served the upstream's own answer, and doorward has
//     told the upstream who is asking.
//   - Everybody is started several times: no ratio is the luck of one process.
//   - Rounds are interleaved, and every ratio is one of the same round: what disturbs the machine disturbs all of them.
//   - What is counted is the CPU time of the process, as the kernel accounts for it, and not how fast the client was.
//   - All of it is on loopback and bounded in time, and every process that it started ends with it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// options are what the command line says.
type options struct {
	doorward string
	rounds   int
	starts   int
	duration time.Duration
	only     string
	scaling  bool
	write    bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		stop()
		fmt.Fprintln(os.Stderr, "benchmark:", err)
		os.Exit(1)
	}
}

// run is the program: the benchmark itself, or one of the processes that it consists of.
func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 2 && args[0] == "upstream" {
		return serveUpstream(ctx, args[1])
	}
	if len(args) == 4 && args[0] == "bare" {
		return serveBare(ctx, args[1], args[2], args[3])
	}
	o, err := parse(args, out)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	return measure(ctx, o, out)
}

func parse(args []string, out io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("benchmark", flag.ContinueOnError)
	f.SetOutput(out)
	f.StringVar(&o.doorward, "doorward", "", "measure this binary; without it doorward is built from the sources here")
	f.IntVar(&o.rounds, "rounds", 20, "rounds; the table has their medians")
	f.IntVar(&o.starts, "starts", 5, "how often everybody is started anew, at most once for a round")
	f.DurationVar(&o.duration, "duration", time.Second, "how long each contender is under load in a round")
	f.StringVar(&o.only, "only", "", "measure those alone whose name contains this, beside the bare proxy")
	f.BoolVar(&o.scaling, "scaling", false, "measure instead what many rules, sessions and groups cost")
	f.BoolVar(&o.write, "write", false, "write the table into the READMEs, or that of -scaling into the one here")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	o.starts = min(o.starts, o.rounds)
	if f.NArg() > 0 || o.starts < 1 || o.duration < time.Second || o.duration%time.Second != 0 {
		return o, errors.New("takes flags alone, at least one round and one start, and whole seconds as -duration; -help lists them")
	}
	if o.write && o.only != "" {
		return o, errors.New("-write is for the whole table, and -only makes a part of it")
	}
	return o, nil
}

// measure is the benchmark.
func measure(ctx context.Context, o options, out io.Writer) error {
	lab, err := newLab(ctx, o, out)
	if err != nil {
		return err
	}
	defer lab.close()
	contenders, results, err := lab.compete()
	if err != nil {
		return err
	}
	table := tableOf(contenders, results, o)
	if !o.scaling {
		table += targetTable(targets(), contenders, results) + lab.idleConnections(contenders)
	}
	table = machine() + "\n\n" + table
	fmt.Fprintf(out, "\n%s", table)
	if !o.write {
		return nil
	}
	for _, p := range o.places() {
		err = errors.Join(err, p.write(table))
	}
	return err
}

// matches says whether a contender is wanted. The bare proxies are what the others are compared with.
func (o options) matches(c *contender) bool {
	return o.only == "" || c.against == "" || strings.Contains(c.name, o.only)
}
