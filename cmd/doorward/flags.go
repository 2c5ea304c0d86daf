package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
)

// flags is a flag set that takes flags behind positional arguments too.
type flags struct {
	*flag.FlagSet
	errOut io.Writer
	words  []string // the positional arguments
}

func newFlags(command string, errOut io.Writer) *flags {
	f := &flags{FlagSet: flag.NewFlagSet("doorward "+command, flag.ContinueOnError), errOut: errOut}
	f.SetOutput(errOut)
	return f
}

// parse reads args, at most so many of them positional. Where it says not ok,
// the reader has been told why and the command ends with the status.
func (f *flags) parse(args []string, most int) (status int, ok bool) {
	for {
		if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
			return exitOK, false
		} else if err != nil {
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
