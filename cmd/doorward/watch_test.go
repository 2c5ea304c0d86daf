//go:build unix

package main

import (
	"bufio"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// ruledByAFile runs serve in this process, with rules that are in a file. It gives the log, from its start, and what puts another file in the place.
func ruledByAFile(t *testing.T, rules string) (log *bufio.Scanner, start logLine, replace func(rules string)) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "rules")
	replace = func(rules string) {
		t.Helper()
		if err := os.WriteFile(file+".next", []byte(rules), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".next", file); err != nil {
			t.Fatal(err)
		}
	}
	replace(rules)
	servable(t, "http://127.0.0.1:9")
	t.Setenv("DOORWARD_ACCESS_RULES", "")
	t.Setenv("DOORWARD_ACCESS_RULES_FILE", file)
	log, _, _ = serving(t)
	return log, next(t, log, "start"), replace
}

// The file system tells of a file that changed. Nobody has to ask for anything, or to signal.
func TestAFileThatChangesIsSeen(t *testing.T) {
	log, start, replace := ruledByAFile(t, "/oauth2/ public")
	replace("/ denyy")
	next(t, log, "config_reload_failed")
	if status, _, err := get(start.Listen + "/"); status != http.StatusForbidden {
		t.Errorf("with rules that cannot be used: %d, %v", status, err)
	}
	replace("/ public")
	next(t, log, "config_reloaded")
}

// SIGHUP says so as well, to whoever is used to it, and is answered though nothing has changed. It ends nothing.
func TestSIGHUP(t *testing.T) {
	log, _, replace := ruledByAFile(t, "/ deny")
	for range 2 {
		if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		next(t, log, "config_looked_at")
	}
	replace("/ public")
	next(t, log, "config_reloaded")
}
