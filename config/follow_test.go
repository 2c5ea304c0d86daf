//go:build unix

package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"doorward/config"
	"doorward/deploy/certtest"
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

// A file that comes to hold what would have refused the start changes nothing, and that is told: what counted before counts.
func TestFileThatHoldsWhatNoStartTakes(t *testing.T) {
	type follow func(*config.Config, func(variable string, err error)) func() string
	secrets := func(c *config.Config, notice func(string, error)) func() string {
		now := c.FollowSecrets(notice)
		return func() string { return fmt.Sprint(now()) }
	}
	for name, test := range map[string]struct {
		good, bad string
		follow    follow
	}{
		"ADMIN_TOKEN":    {"the-token-of-before", "short", (*config.Config).FollowAdminToken},
		"PROVIDER_CA":    {certtest.New(t).PEM, "no certificate", (*config.Config).FollowProviderCA},
		"COOKIE_SECRETS": {secretA, secretB + ",c2hvcnQ=", secrets},
		"CLIENT_SECRET":  {"the-secret-of-before", "<client secret>", (*config.Config).FollowClientSecret},
		"REDIS_PASSWORD": {"the-password-of-before", "${REDIS_PASSWORD}", (*config.Config).FollowRedisPassword},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "value")
			if err := os.WriteFile(path, []byte(test.good), 0o600); err != nil {
				t.Fatal(err)
			}
			var told []error
			c := load(t, map[string]string{"COOKIE_SECRETS": secretA, "REDIS_URL": "redis://redis:6379", name: "", name + "_FILE": path})
			value := test.follow(c, func(_ string, err error) { told = append(told, err) })
			before := value()
			if err := os.WriteFile(path, []byte(test.bad), 0o600); err != nil {
				t.Fatal(err)
			}
			if now := value(); now != before || len(told) != 1 || told[0] == nil {
				t.Errorf("it is %q, and was %q; told is %v", now, before, told)
			}
		})
	}
}
