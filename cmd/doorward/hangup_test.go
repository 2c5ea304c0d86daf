//go:build unix

package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// SIGHUP during a start, of a hook that meets a restart, ends nothing. A setting that is slow to read keeps it from being over.
func TestSIGHUPDuringAStart(t *testing.T) {
	servable(t, "http://127.0.0.1:1")
	slow := filepath.Join(t.TempDir(), "name")
	if err := syscall.Mkfifo(slow, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DOORWARD_BRAND_NAME_FILE", slow)
	process, log := apart(t)
	name, err := os.OpenFile(slow, os.O_WRONLY, 0) // which waits until somebody reads
	if err != nil {
		t.Fatal(err)
	}
	process.Process.Signal(syscall.SIGHUP)
	if _, err := name.WriteString("Example"); err != nil {
		t.Error(err)
	}
	name.Close()
	next(t, log, "start")
	process.Process.Signal(syscall.SIGTERM)
	if err := process.Wait(); err != nil {
		t.Errorf("ended with %v", err)
	}
}
