package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

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
	revision, modified := "unknown", ""
	info, ok := debug.ReadBuildInfo()
	if !ok {
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
