package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
)

// flags is a flag set that takes flags behind positional arguments too, and
// that speaks of them as the manual writes them: --flag.
type flags struct {
	*flag.FlagSet
	errOut io.Writer
	words  []string // the positional arguments
}

func newFlags(command string, errOut io.Writer) *flags {
	f := &flags{FlagSet: flag.NewFlagSet("doorward "+command, flag.ContinueOnError), errOut: errOut}
	f.SetOutput(io.Discard)
	return f
}

// parse reads args, at most so many of them positional. Where it says not ok,
// the reader has been told why and the command ends with the status.
func (f *flags) parse(args []string, most int) (status int, ok bool) {
	for {
		if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
			f.help()
			return exitOK, false
		} else if err != nil {
			fmt.Fprintf(f.errOut, "%s: %s\n", f.Name(), f.complaint(err))
			return exitUsage, false
		}
		if f.NArg() == 0 {
			break
		}
		f.words, args = append(f.words, f.Arg(0)), f.Args()[1:]
	}
	if len(f.words) > most {
		fmt.Fprintf(f.errOut, "%s: unexpected argument %q\n", f.Name(), f.words[most])
		return exitUsage, false
	}
	return exitOK, true
}

// complaint is an error of package flag in the words of the manual.
func (f *flags) complaint(err error) string {
	if unknown, ok := strings.CutPrefix(err.Error(), "flag provided but not defined: -"); ok {
		return "there is no flag --" + unknown + "; " + f.known()
	}
	return strings.NewReplacer(
		"flag needs an argument: -", "a value is missing behind --",
		" for flag -", " for --",
		" for -", " for --",
	).Replace(err.Error())
}

// known lists the flags that there are.
func (f *flags) known() string {
	var names []string
	f.VisitAll(func(one *flag.Flag) { names = append(names, "--"+one.Name) })
	if names == nil {
		return "the command takes no flags"
	}
	return "the command takes " + strings.Join(names, ", ")
}

func (f *flags) help() {
	fmt.Fprintf(f.errOut, "%s: %s\n", f.Name(), f.known())
	f.VisitAll(func(one *flag.Flag) { fmt.Fprintf(f.errOut, "  --%-10s %s\n", one.Name, one.Usage) })
	fmt.Fprintln(f.errOut, "`doorward help` says more.")
}
