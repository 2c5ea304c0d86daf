package proxy_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"doorward/config"
	"doorward/deploy/programtest"
)

// gitToken is what the application itself gave out, as GitLab and Gitea do. doorward knows nothing of it.
const gitToken = "token-of-the-application"

// newGitSite is a site before an application that keeps Git repositories: whoever brings its token may do everything, and whoever
// doorward vouches for may read.
func newGitSite(t *testing.T) *site {
	t.Helper()
	folder := t.TempDir()
	git(t, folder, "init", "--quiet", "--bare", "--initial-branch=main", "project.git")
	git(t, filepath.Join(folder, "project.git"), "config", "http.receivepack", "true")
	backend := &cgi.Handler{Path: filepath.Join(git(t, folder, "--exec-path"), "git-http-backend"), Root: "/git",
		Env: []string{"GIT_PROJECT_ROOT=" + folder, "GIT_HTTP_EXPORT_ALL=1"}}
	application := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, token, _ := r.BasicAuth()
		if r.Header.Get("X-Forwarded-User") == "" && token != gitToken {
			w.Header().Set("WWW-Authenticate", `Basic realm="the application"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		body, _ := io.ReadAll(r.Body) // CGI knows no chunks
		r.Body, r.ContentLength, r.TransferEncoding = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
		backend.ServeHTTP(w, r)
	}))
	t.Cleanup(application.Close)
	return newSite(t, func(c *config.Config) {
		c.Upstreams += "\n/git/ " + application.URL
		c.AccessRules += "\n/git/ upstream-auth challenge:basic"
	})
}

// git runs Git in a folder, without any configuration but that of these tests, and gives what it says.
func git(t *testing.T, folder string, args ...string) string {
	t.Helper()
	said, err := tryGit(t, folder, "", args...)
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, said)
	}
	return said
}

// tryGit may fail. When it is asked for a password, it gives that one, or none where it is empty.
func tryGit(t *testing.T, folder, password string, args ...string) (said string, err error) {
	t.Helper()
	program, err := exec.LookPath("git")
	if err != nil {
		programtest.Missing(t, "git", "no git in PATH")
	}
	if password != "" {
		args = append([]string{"-c", "credential.helper=!echo username=alice; echo password=" + password + "; :"}, args...)
	}
	command := exec.CommandContext(t.Context(), program, args...)
	command.Dir = folder
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + folder, "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0", "LC_ALL=C",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com"}
	output, err := command.CombinedOutput()
	return strings.TrimSpace(string(output)), err
}

// Git clones and pushes with a token of the application's: it waits for a challenge before it brings that, and sends what is large in
// chunks.
func TestGit(t *testing.T) {
	s := newGitSite(t)
	folder := t.TempDir()
	for _, name := range []string{"one", "two"} { // the second finds what the first one pushed
		if said, err := tryGit(t, folder, gitToken, "clone", "--quiet", s.URL+"/git/project.git", name); err != nil {
			t.Fatalf("git clone: %v\n%s", err, said)
		}
		large := make([]byte, 3<<20)
		for i := range large {
			large[i] = byte(rand.Uint32())
		}
		work := filepath.Join(folder, name)
		if err := os.WriteFile(filepath.Join(work, name), large, 0o600); err != nil {
			t.Fatal(err)
		}
		git(t, work, "add", ".")
		git(t, work, "commit", "--quiet", "-m", name)
		if said, err := tryGit(t, work, gitToken, "push", "--quiet", "origin", "HEAD:refs/heads/main"); err != nil {
			t.Fatalf("git push: %v\n%s", err, said)
		}
	}
	if files := git(t, filepath.Join(folder, "two"), "ls-files"); files != "one\ntwo" {
		t.Errorf("what was pushed before is not cloned: %q", files)
	}
}

// With another token, or none, it is refused: by the application, and by doorward.
func TestGitWithoutAToken(t *testing.T) {
	s := newGitSite(t)
	for password, says := range map[string]string{"": "could not read Username", "wrong": "Authentication failed"} {
		said, err := tryGit(t, t.TempDir(), password, "clone", s.URL+"/git/project.git")
		if err == nil || !strings.Contains(said, says) {
			t.Errorf("with the password %q: %v, %s", password, err, said)
		}
	}
}

// People read the same repository with their session.
func TestGitInTheBrowser(t *testing.T) {
	s := newGitSite(t)
	const refs = "/git/project.git/info/refs?service=git-upload-pack"

	p := s.signedIn("alice").open(s.URL + refs)
	if p.StatusCode != http.StatusOK || p.Header.Get("Content-Type") != "application/x-git-upload-pack-advertisement" {
		t.Errorf("with a session the answer is %d: %.200q", p.StatusCode, p.Text)
	}
	isLogin(t, s, s.browser().open(s.URL+refs))
}
