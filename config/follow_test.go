//go:build unix

package config_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// A file that cannot be read for a while, since too many are open or doorward may not, is read as soon as it can be, though nobody writes it again.
func TestFileThatCanBeReadLater(t *testing.T) {
	do := func(err error) {
		if t.Helper(); err != nil {
			t.Fatal(err)
		}
	}
	path, limit := filepath.Join(t.TempDir(), "token"), syscall.Rlimit{}
	do(os.WriteFile(path, []byte("the-token-of-before"), 0o600))
	token := load(t, map[string]string{"ADMIN_TOKEN_FILE": path}).FollowAdminToken(func(string, error) {})
	do(os.WriteFile(path, []byte("the-token-of-now"), 0o600))
	do(os.Chtimes(path, time.Time{}, time.Now().Add(-time.Hour)))
	do(syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	do(syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Max: limit.Max}))
	meanwhile := token()
	do(syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit))
	if now := token(); meanwhile != "the-token-of-before" || now != "the-token-of-now" {
		t.Errorf("the token is %q, and then %q", meanwhile, now)
	}
}
