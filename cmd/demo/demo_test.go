package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// visitor is a browser without scripts: cookies, redirects and forms.
type visitor struct {
	t    *testing.T
	demo *demo
	http *http.Client
}

// start runs a demo on free ports until the test ends.
func start(t *testing.T) *demo {
	t.Helper()
	d, err := newDemo(addresses{"localhost:0", "localhost:0", "127.0.0.1:0"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.serve(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("the demo ended with %v", err)
		}
	})
	return d
}

func (d *demo) visitor(t *testing.T) *visitor {
	jar, _ := cookiejar.New(nil)
	return &visitor{t, d, &http.Client{Jar: jar}}
}

// open shows a page of doorward's side.
func (v *visitor) open(path string) (status int, page string) {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), http.MethodGet, v.demo.url+path, nil)
	if err != nil {
		v.t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	return v.read(v.http.Do(r))
}

// signIn opens a page without a session, clicks a user at the provider, and returns where that leads.
func (v *visitor) signIn(path, user string) (status int, page string) {
	v.t.Helper()
	_, login := v.open(path)
	id := regexp.MustCompile(`name="id" value="([^"]+)"`).FindStringSubmatch(login)
	if id == nil {
		v.t.Fatalf("%s led to no login page but to: %s", path, login)
	}
	return v.read(v.http.PostForm(v.demo.providerURL+"/session/login", url.Values{"id": {id[1]}, "user": {user}}))
}

func (v *visitor) read(r *http.Response, err error) (status int, page string) {
	v.t.Helper()
	if err != nil {
		v.t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return r.StatusCode, string(body)
}

func TestSignIn(t *testing.T) {
	d := start(t)
	tests := []struct {
		user  string
		admin int
	}{
		{"alice", http.StatusOK},
		{"bob", http.StatusForbidden},
		{"carol", http.StatusForbidden},
	}
	for _, tt := range tests {
		t.Run(tt.user, func(t *testing.T) {
			v := d.visitor(t)
			if status, page := v.signIn("/", tt.user); status != http.StatusOK || !strings.Contains(page, "Hello, "+tt.user) {
				t.Fatalf("after the login: status %d, page %s", status, page)
			}
			if status, _ := v.open("/admin/"); status != tt.admin {
				t.Errorf("/admin/ answers %d, want %d", status, tt.admin)
			}
			if status, _ := v.open("/internal/"); status != http.StatusForbidden {
				t.Errorf("/internal/ answers %d", status)
			}
		})
	}
}

// The demo's doorward has a key, and its backend verifies what is signed with it.
func TestIdentityIsSigned(t *testing.T) {
	if _, page := start(t).visitor(t).signIn("/", "alice"); !strings.Contains(page, "signed by doorward</span>") {
		t.Errorf("the page does not say that it was: %s", page)
	}
}

func TestFlowShowsEveryStep(t *testing.T) {
	v := start(t).visitor(t)
	_, page := v.signIn("/flow", "alice")
	for _, want := range []string{
		"How you got here, alice", "code_challenge_method", "grant_type", "code_verifier", "The ID token", "The access token",
		"OIDC Core 3.1.3.7", "X-Forwarded-Groups",
		"✓ the state of the authorization request", "✓ the code of the callback",
		"✓ its SHA-256 is the code_challenge of the authorization request", "✓ the nonce of the authorization request",
		"✓ the hash of the access token below",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}

func TestFlowKeepsSecrets(t *testing.T) {
	v := start(t).visitor(t)
	_, page := v.signIn("/flow", "alice")
	address, _ := url.Parse(v.demo.url)
	for _, c := range v.http.Jar.Cookies(address) {
		if len(c.Value) > 20 && strings.Contains(page, c.Value) {
			t.Errorf("the page shows the cookie %s", c.Name)
		}
	}
	if strings.Contains(page, v.demo.secret) {
		t.Error("the page shows the client's secret")
	}
}

func TestFlowIsEachUsersOwn(t *testing.T) {
	d := start(t)
	d.visitor(t).signIn("/", "alice")
	bob := d.visitor(t)
	if _, page := bob.signIn("/flow", "bob"); !strings.Contains(page, "How you got here, bob") || strings.Contains(page, "alice") {
		t.Errorf("bob sees %s", page)
	}
}

func TestFlowWithoutAToken(t *testing.T) {
	d := start(t)
	d.visitor(t).signIn("/", "alice")
	tutorial := d.servers[len(d.servers)-1]
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+tutorial.Addr().String()+"/flow", nil)
	r.Header.Set("X-Forwarded-User", "alice") // past doorward
	if status, _ := d.visitor(t).read(http.DefaultClient.Do(r)); status != http.StatusUnauthorized {
		t.Errorf("status %d", status)
	}
}

func TestSingleSignOnIsTold(t *testing.T) {
	v := start(t).visitor(t)
	v.signIn("/", "alice")
	address, _ := url.Parse(v.demo.url)
	v.http.Jar.SetCookies(address, []*http.Cookie{{Name: "doorward", Path: "/", MaxAge: -1}})
	if _, page := v.open("/flow"); !strings.Contains(page, "That is single sign-on") {
		t.Errorf("the second login is told as %s", page)
	}
}

func TestSignOutLetsSomebodyElseIn(t *testing.T) {
	v := start(t).visitor(t)
	v.signIn("/", "alice")
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, v.demo.url+"/oauth2/sign_out", nil)
	r.Header.Set("Origin", v.demo.url)
	r.Header.Set("Accept", "text/html")
	if status, page := v.read(v.http.Do(r)); status != http.StatusOK {
		t.Fatalf("signing out answers %d: %s", status, page)
	}
	if _, page := v.signIn("/", "bob"); !strings.Contains(page, "Hello, bob") {
		t.Errorf("after bob's login: %s", page)
	}
}

func TestPublicPageNeedsNoLogin(t *testing.T) {
	if status, page := start(t).visitor(t).open("/status"); status != http.StatusOK || !strings.Contains(page, "All is well") {
		t.Errorf("status %d, page %s", status, page)
	}
}

func TestTakenPortIsExplained(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	err = run(t.Context(), []string{"-addr", l.Addr().String(), "-provider", "localhost:0", "-metrics", "127.0.0.1:0"}, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "the port is taken") {
		t.Errorf("the error is %v", err)
	}
}

// TestDoorwardAnswersEverything asks `OPTIONS *`, which net/http would answer by itself with 200.
func TestDoorwardAnswersEverything(t *testing.T) {
	v := start(t).visitor(t)
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodOptions, v.demo.url, nil)
	r.URL.Opaque = "*"
	if status, page := v.read(v.http.Do(r)); status < 400 {
		t.Errorf("status %d, %s", status, page)
	}
}

func TestConnectionsAreCounted(t *testing.T) {
	v := start(t).visitor(t)
	v.open("/status") // and the connection stays
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, v.demo.metricsURL+"/metrics", nil)
	if _, metrics := v.read(v.http.Do(r)); !regexp.MustCompile(`(?m)^doorward_open_connections\{.*\} 1$`).MatchString(metrics) {
		t.Errorf("no open connection is counted: %s", metrics)
	}
}
