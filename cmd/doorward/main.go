// Command doorward is an authenticating reverse proxy: it signs people in
// through an OpenID Connect provider, decides by rules who may go where, and
// passes requests on with identity headers and the access token.
//
// Everything is configured by environment variables; `doorward config` lists
// them and `doorward check` says what is wrong with them.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strings"

	"doorward/config"
)

// Exit statuses of all commands.
const (
	exitOK     = 0
	exitFailed = 1 // the start is refused, or explain says denied
	exitUsage  = 2 // the command line is wrong
)

const usage = `doorward is an authenticating reverse proxy, configured by DOORWARD_ variables.

  doorward [serve]             run the proxy
  doorward check               report every problem of the configuration with its mend, and the
                               URLs to register at the provider; --live also asks the provider
                               and the upstreams; --json
  doorward explain [METHOD] URL [--group G]… [--email E] [--user U] [--claim k=v]…
                   [--acr X] [--age D] [--ip A]
                               say which rule decides for such a person, why, and where the
                               request would go; also takes a line of the access log
  doorward config [--markdown] list every variable with its type, default and meaning
  doorward secret [--rotate]   print a fresh cookie secret; --rotate: how to change it
  doorward version             version, commit, Go version
  doorward help                this text

Exit status: 0 fine or allowed, 1 the start refused or denied, 2 wrong command line.
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
		return explain(args, out, errOut)
	case "config":
		return printConfig(args, out, errOut)
	case "secret":
		return printSecret(args, out, errOut)
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

func printSecret(args []string, out, errOut io.Writer) int {
	flags := newFlags("secret", errOut)
	rotate := flags.Bool("rotate", false, "print how to change the secret, step by step")
	if status, ok := flags.parse(args, 0); !ok {
		return status
	}
	if *rotate {
		fmt.Fprintf(out, rotation, config.NewSecret())
	} else {
		fmt.Fprintln(out, config.NewSecret())
	}
	return exitOK
}

// rotation is in three steps because every replica must be able to open what
// any other one seals, at every moment.
const rotation = `The first secret of DOORWARD_COOKIE_SECRETS seals, all of them open. Nobody is signed out when each
step is finished on every replica before the next begins.

Here is a fresh secret: %[1]s

1. Append it everywhere, and restart:
     DOORWARD_COOKIE_SECRETS=<old>,%[1]s
2. Put it first everywhere, and restart:
     DOORWARD_COOKIE_SECRETS=%[1]s,<old>
3. Wait until no session is sealed with the old one: when every session has reached its end, or when
   doorward_session_key_uses_total{key="2"} no longer grows. Then drop it everywhere, and restart:
     DOORWARD_COOKIE_SECRETS=%[1]s

If the old secret may be known to others, do all of it at once: everybody signs in again.
`

// version says what was built: module version, commit and Go version.
func version() string {
	return fmt.Sprintf("doorward %s (commit %s, %s)", buildVersion(), commit(), runtime.Version())
}

func buildVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

func commit() string {
	info, _ := debug.ReadBuildInfo()
	revision, modified := "unknown", ""
	if info == nil {
		return revision
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			modified = ", modified"
		}
	}
	return revision + modified
}
