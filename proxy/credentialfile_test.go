//go:build unix

package proxy_test

import (
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"doorward/config"
	"doorward/proxy/providertest"
)

// loaded fills the settings from the environment, as the program does, so that files are followed.
func loaded(t *testing.T, changes map[string]string) func(*config.Config) {
	t.Helper()
	return func(c *config.Config) {
		values := map[string]string{
			"PUBLIC_URL": c.PublicURL[0], "UPSTREAMS": c.Upstreams, "ACCESS_RULES": c.AccessRules, "ISSUER_URL": c.IssuerURL,
			"CLIENT_ID": c.ClientID, "AUDIENCE": c.Audience[0], "COOKIE_SECRETS": c.CookieSecrets[0],
		}
		maps.Copy(values, changes)
		for name, value := range values {
			t.Setenv(config.Prefix+"_"+name, value)
		}
		from, err := config.Load()
		if err != nil {
			t.Fatal(err)
		}
		*c = *from
	}
}

// folder is a volume as Kubernetes mounts a secret: the file is a link through another one, ..data, which is turned to a new
// folder when the secret changes.
type folder struct {
	t    *testing.T
	path string
}

func newFolder(t *testing.T, content string) folder {
	t.Helper()
	f := folder{t, t.TempDir()}
	f.turn(content)
	f.do(os.Symlink("..data/value", f.file()))
	return f
}

func (f folder) file() string { return filepath.Join(f.path, "value") }

// turn replaces the content as Kubernetes does.
func (f folder) turn(content string) {
	f.t.Helper()
	version, err := os.MkdirTemp(f.path, "..version")
	f.do(err)
	f.do(os.WriteFile(filepath.Join(version, "value"), []byte(content), 0o600))
	next := filepath.Join(f.path, "..data_tmp")
	f.do(os.Symlink(filepath.Base(version), next))
	f.do(os.Rename(next, filepath.Join(f.path, "..data")))
}

// write replaces it in place, as an editor may.
func (f folder) write(content string) {
	f.t.Helper()
	f.do(os.WriteFile(f.file(), []byte(content), 0o600))
}

// move puts another file where the link was.
func (f folder) move(content string) {
	f.t.Helper()
	next := filepath.Join(f.path, "next")
	f.do(os.WriteFile(next, []byte(content), 0o600))
	f.do(os.Rename(next, f.file()))
}

func (f folder) do(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// The secret changes at the provider and in the file, in whichever way, and doorward goes on without a restart.
func TestSecretRotates(t *testing.T) {
	for name, change := range map[string]func(f folder, content string){
		"by Kubernetes": folder.turn, "in place": folder.write, "by another file": folder.move,
	} {
		t.Run(name, func(t *testing.T) {
			f := newFolder(t, providertest.ClientSecret+"\n")
			s := newSite(t, loaded(t, map[string]string{"CLIENT_SECRET_FILE": f.file()}))
			s.signedIn("alice")
			for _, next := range []string{"the-second-client-secret", "the-third--client-secret"} { // of equal length
				change(f, next+"\n")
				s.Provider.Register(providertest.Client{Secret: next})
				s.signedIn("bob")
				if strings.Contains(s.Log.String(), next) {
					t.Error("the secret is in the log")
				}
			}
			if told := s.Log.events(t, "config_reloaded"); len(told) != 2 || told[0]["setting"] != "DOORWARD_CLIENT_SECRET" {
				t.Errorf("the log tells of %v", told)
			}
		})
	}
}

func TestKeyRotates(t *testing.T) {
	first, second := byPEM("", newEC(), "ES256"), byJWK("", newRSA(), "PS256")
	f := newFolder(t, first.text)
	s := newSite(t, loaded(t, map[string]string{"CLIENT_AUTH": "private_key_jwt", "CLIENT_KEY_FILE": f.file()}))
	s.Provider.Register(first.known)
	s.signedIn("alice")

	f.turn(second.text)
	s.Provider.Register(second.known)
	s.signedIn("bob")
}

// What cannot be used leaves the last good credential in place, and is told once.
func TestUnusableCredentialIsNotTaken(t *testing.T) {
	key := byPEM("", newEC(), "ES256")
	for name, test := range map[string]struct {
		setting, good, bad string
		known              providertest.Client
	}{
		"empty secret":       {"CLIENT_SECRET", providertest.ClientSecret, "\n", providertest.Client{}},
		"two lines":          {"CLIENT_SECRET", providertest.ClientSecret, "hunter2-canary\nhunter2-canary", providertest.Client{}},
		"placeholder":        {"CLIENT_SECRET", providertest.ClientSecret, "<hunter2-canary>", providertest.Client{}},
		"no text":            {"CLIENT_SECRET", providertest.ClientSecret, "hunter2-canary\xff", providertest.Client{}},
		"half a key":         {"CLIENT_KEY", key.text, key.text[:len(key.text)/2], key.known},
		"a key of no use":    {"CLIENT_KEY", key.text, `{"kty":"oct","k":"aHVudGVyMi1jYW5hcnk"}`, key.known},
		"a secret for a key": {"CLIENT_KEY", key.text, "hunter2-canary", key.known},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFolder(t, test.good)
			settings := map[string]string{test.setting + "_FILE": f.file()}
			if test.setting == "CLIENT_KEY" {
				settings["CLIENT_AUTH"] = "private_key_jwt"
			}
			s := newSite(t, loaded(t, settings))
			s.Provider.Register(test.known)
			reloads := "doorward_config_reload_success"
			if s.metric(reloads) != 1 {
				t.Error("the metric begins otherwise than at 1")
			}

			f.turn(test.bad)
			s.signedIn("alice")
			s.signedIn("bob")

			told := s.Log.events(t, "config_reload_failed")
			if len(told) != 1 || !strings.HasPrefix(told[0]["setting"].(string), "DOORWARD_"+test.setting) || told[0]["error"] == "" {
				t.Errorf("the log tells of %v", told)
			}
			for _, secret := range []string{"canary", "aHVudGVyMi1jYW5hcnk", test.good[len(test.good)/2:][:20]} {
				if strings.Contains(s.Log.String(), secret) {
					t.Errorf("the log shows the content: %s", s.Log)
				}
			}
			if s.metric(reloads) != 0 {
				t.Error("the metric does not tell of it")
			}

			f.turn(test.good)
			s.signedIn("alice")
			if s.metric(reloads) != 1 || len(s.Log.events(t, "config_reloaded")) != 1 {
				t.Error("nothing tells that all is well again")
			}
		})
	}
}

// A file that is gone, or has become something that cannot be read like a file, holds nobody up, and is told of once.
func TestCredentialFileThatCannotBeReadAgain(t *testing.T) {
	for name, replace := range map[string]func(f folder){
		"gone":     func(f folder) {},
		"a folder": func(f folder) { f.do(os.Mkdir(f.file(), 0o700)) },
		"a pipe":   func(f folder) { f.do(syscall.Mkfifo(f.file(), 0o600)) },
		"a device": func(f folder) { f.do(os.Symlink(os.DevNull, f.file())) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFolder(t, providertest.ClientSecret)
			s := newSite(t, loaded(t, map[string]string{"CLIENT_SECRET_FILE": f.file()}))
			expect := func(failed int, success float64) {
				t.Helper()
				s.signedIn("alice")
				s.signedIn("bob")
				if n, now := len(s.Log.events(t, "config_reload_failed")), s.metric("doorward_config_reload_success"); n != failed || now != success {
					t.Errorf("the log tells of it %d times, config_reload_success is %v", n, now)
				}
			}
			f.do(os.Remove(f.file()))
			replace(f)
			expect(1, 0)
			f.do(os.RemoveAll(f.file()))
			f.move(providertest.ClientSecret)
			expect(1, 1)
		})
	}
}

// A pipe that was emptied at the start, as a shell's <(…), is not read again, and nothing is wrong with it.
func TestCredentialOfAPipe(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	go func() { _ = os.WriteFile(pipe, []byte(providertest.ClientSecret), 0o600) }()
	s := newSite(t, loaded(t, map[string]string{"CLIENT_SECRET_FILE": pipe}))
	s.signedIn("alice")
	s.Proxy.Reload()
	s.signedIn("bob")
	if told := s.Log.events(t, "config_reload_failed"); len(told) > 0 {
		t.Errorf("the log tells of %v", told)
	}
}

// A key is published before it signs and after, and the file says which is when, without a restart.
func TestAssertionKeysRotate(t *testing.T) {
	older, newer := newEC(), newEC()
	f := newFolder(t, inPEMs(older))
	s := newSite(t, loaded(t, map[string]string{"ASSERTION_KEYS_FILE": f.file(), "CLIENT_SECRET": providertest.ClientSecret}))
	b := s.signedIn("alice")
	ids := func() (all []string) {
		set, _ := s.publishedKeys()
		for _, key := range set.Keys {
			all = append(all, key.KeyID)
		}
		return all
	}
	signer := func() string {
		b.open(s.URL+"/x").wants(t, http.StatusOK)
		header, _ := s.assertion(t)
		return header.KeyID
	}
	first := ids()
	for _, step := range []struct {
		keys   string
		signed int // by which of them
	}{
		{inPEMs(older, newer), 0}, {inPEMs(newer, older), 0}, {"nonsense", 0}, {inPEMs(newer), 0},
	} {
		f.turn(step.keys)
		now := ids()
		if got := signer(); got != now[step.signed] {
			t.Errorf("%s signs, of %v", got, now)
		}
	}
	if last := ids(); len(last) != 1 || slices.Equal(first, last) {
		t.Errorf("in the end %v are published, and in the beginning %v", last, first)
	}
	if n := len(s.Log.events(t, "config_reload_failed")); n != 1 {
		t.Errorf("the log tells %d times of a file that cannot be used", n)
	}
	if strings.Contains(s.Log.String(), "PRIVATE") {
		t.Error("the log shows the file")
	}
}
