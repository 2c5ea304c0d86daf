// Command doorward is an authenticating reverse proxy: it signs people in
// through an OpenID Connect provider, decides by rules who may go where, and
// passes requests on with identity headers and the access token.
//
// Everything is configured by environment variables; `doorward config` lists
// them and `doorward check` says what is wrong with them.
//
// A command is a file, and may have others beside it: serve.go its sockets
// (bind.go, handed.go, listener.go), the files that it follows (watch.go), the
// service manager (manager.go) and the log (gatherer.go); check.go its findings
// (finding.go) and what it asks live (live.go and the files named so);
// explain.go the questions (question.go) and the access log (explainlog.go,
// accessline.go, decision.go).
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"doorward/config"
)

// Exit statuses of all commands.
const (
	exitOK     = 0
	exitFailed = 1 // the start is refused, check --strict found a failure, explain says denied, or migrate leaves something to do
	exitUsage  = 2 // the command line is wrong, explain has no rules to go by, or migrate could not read its input
)

const usage = `doorward is an authenticating reverse proxy, configured by DOORWARD_ variables.

  doorward [serve]             run the proxy
  doorward check [--live | --strict] [--json]
                               report every problem of the configuration with its mend, and the
                               URLs to register at the provider; --live also asks the provider,
                               Redis and the upstreams, and tries redirect URIs and client secret
                               without signing anybody in; --strict does so too, and fails if
                               any of it fails, for CI
  doorward explain [METHOD] URL [--group G]… [--email E] [--user U] [--claim k=v]…
                   [--acr X] [--age D] [--ip A]
                               say which rule decides for such a person, why, and where the
                               request would go; also takes lines of the access log (- reads them
                               from standard input), and says whether they would be decided the same now
  doorward migrate oauth2-proxy [--forward-auth SERVER] [--docker] [FILE…]
                               print settings for those of oauth2-proxy (its TOML, YAML, variables
                               or command line; without FILE the environment), and what changes
  doorward config [--markdown] list every variable with its type, default and meaning
  doorward secret [--rotate]   print a fresh cookie secret; --rotate: how to change it
  doorward healthcheck         ask the doorward that runs with this environment whether it is ready
  doorward version             version, commit, Go version
  doorward help                this text

Exit status: 0 fine or allowed; 1 the start refused, the request denied, something left to do by hand, and with --strict
anything that failed live (notes never count); 2 wrong command line, or what explain or migrate cannot read.
`

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program: it takes the arguments after the program's name, reads
// the environment through package config, and returns the exit status.
func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	command := "serve"
	if len(args) > 0 {
		command, args = args[0], args[1:]
	}
	switch command {
	case "serve":
		return serve(ctx, args, out, errOut)
	case "check":
		return check(ctx, args, out, errOut)
	case "explain":
		return explain(args, os.Stdin, out, errOut)
	case "migrate":
		return migrateSettings(args, out, errOut)
	case "config":
		return printConfig(args, out, errOut)
	case "secret":
		return printSecret(args, out, errOut)
	case "healthcheck":
		return healthcheck(ctx, args, out, errOut)
	case "version", "-v", "-version", "--version":
		fmt.Fprintln(out, version())
		return exitOK
	case "help", "-h", "-help", "--help":
		io.WriteString(out, usage)
		return exitOK
	}
	kind := "command"
	if strings.HasPrefix(command, "-") {
		kind = "flag"
	}
	fmt.Fprintf(errOut, "doorward: there is no %s %q\n\n%s", kind, command, usage)
	return exitUsage
}

func printConfig(args []string, out, errOut io.Writer) int {
	flags := newFlags("config", errOut)
	markdown := flags.Bool("markdown", false, "as a markdown table")
	if status, ok := flags.parse(args, 0); !ok {
		return status
	}
	config.Table(out, *markdown)
	return exitOK
}
