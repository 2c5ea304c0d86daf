//go:build linux

// Package systemd tests doorward as README.md makes it a service of systemd.
package systemd

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// build builds doorward once.
var build = sync.OnceValues(func() (string, error) {
	folder, err := os.MkdirTemp("", "doorward-*")
	if err != nil {
		return "", err
	}
	binary := filepath.Join(folder, "doorward")
	output, err := exec.Command("go", "build", "-o", binary, "doorward/cmd/doorward").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("building doorward: %w\n%s", err, output)
	}
	return binary, err
})

// TestMain removes what was built.
func TestMain(m *testing.M) {
	status := m.Run()
	if binary, _ := build(); binary != "" {
		os.RemoveAll(filepath.Dir(binary))
	}
	os.Exit(status)
}

// doorward is the path of the program.
func doorward(t *testing.T) string {
	t.Helper()
	binary, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return binary
}
