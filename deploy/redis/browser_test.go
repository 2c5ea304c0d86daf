//go:build unix

package redis

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"doorward/proxy/providertest"
)

// A browser keeps cookies, and follows redirects only to sign in. Its methods may be called in any goroutine.
type browser struct {
	site   *installation
	person string
	client *http.Client
}

// Browser is a fresh one, whose person the provider knows from now on.
func (i *installation) Browser(person string) *browser {
	i.t.Helper()
	i.Provider.AddUser(providertest.User{Subject: person})
	jar, err := cookiejar.New(nil)
	if err != nil {
		i.t.Fatal(err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 10}
	i.t.Cleanup(transport.CloseIdleConnections)
	return &browser{i, person, &http.Client{Jar: jar, Transport: transport, Timeout: patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// SignedIn are so many browsers, each of a person of its own who is signed in, and known to every replica.
func (i *installation) SignedIn(n int) []*browser {
	i.t.Helper()
	all := make([]*browser, n)
	for j := range all {
		all[j] = i.Browser(fmt.Sprintf("person-%d", j))
		all[j].SignIn()
		for k := range i.Replicas {
			all[j].Get("/", on(k)).Want(i.t, http.StatusOK)
		}
	}
	return all
}

// An answer is what a browser got, or why it got nothing.
type answer struct {
	Status int
	Header http.Header
	Body   string
	Took   time.Duration
	Err    error

	who string
}

// on sends a request to one replica.
func on(i int) http.Header { return http.Header{chosen: {strconv.Itoa(i)}} }

// asPerson makes a request that of a person who goes somewhere, which leads to the login where there is no session.
func asPerson() http.Header {
	return http.Header{"Accept": {"text/html"}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"document"}}
}

// Get asks as a page's script does, or as headers say.
func (b *browser) Get(path string, headers ...http.Header) *answer {
	return b.send(http.MethodGet, b.site.Origin+path, headers...)
}

// Go goes to a path as a person does, and stays at the answer.
func (b *browser) Go(path string, headers ...http.Header) *answer {
	return b.Get(path, append(headers, asPerson())...)
}

// Post sends an empty form of the site's own.
func (b *browser) Post(path string, headers ...http.Header) *answer {
	return b.send(http.MethodPost, b.site.Origin+path, append(headers, asPerson(), http.Header{"Origin": {b.site.Origin}})...)
}

func (b *browser) send(method, address string, headers ...http.Header) *answer {
	r, err := http.NewRequestWithContext(context.Background(), method, address, nil)
	if err != nil {
		return &answer{who: b.person, Err: err}
	}
	for _, h := range headers {
		maps.Copy(r.Header, h)
	}
	began := time.Now()
	got, err := b.client.Do(r)
	if err != nil {
		return &answer{who: b.person, Err: err, Took: time.Since(began)}
	}
	defer got.Body.Close()
	body, err := io.ReadAll(got.Body)
	return &answer{got.StatusCode, got.Header, string(body), time.Since(began), err, b.person}
}

// SignIn goes to the site and all the way through the provider, and back.
func (b *browser) SignIn() *answer {
	b.site.t.Helper()
	a := b.Go("/")
	for range 6 {
		if !a.redirects() {
			break
		}
		a = b.send(http.MethodGet, b.resolve(a.Header.Get("Location")), asPerson())
	}
	a.Want(b.site.t, http.StatusOK)
	return a
}

// resolve is where a redirect leads; at the provider, the person says who they are.
func (b *browser) resolve(location string) string {
	at, err := url.Parse(b.site.Origin)
	if err == nil {
		at, err = at.Parse(location)
	}
	if err != nil {
		return location
	}
	if strings.HasSuffix(at.Path, "/"+string(providertest.Authorization)) {
		q := at.Query()
		q.Set("login_hint", b.person)
		at.RawQuery = q.Encode()
	}
	return at.String()
}

// Copy is a browser with the same cookies, as somebody has who kept them.
func (b *browser) Copy() *browser {
	b.site.t.Helper()
	c := b.site.Browser(b.person)
	at, err := url.Parse(b.site.Origin)
	if err != nil {
		b.site.t.Fatal(err)
	}
	c.client.Jar.SetCookies(at, b.client.Jar.Cookies(at))
	return c
}

// Says what came of a request, without secrets.
func (a *answer) String() string {
	if a.Err != nil {
		return fmt.Sprintf("%s: no answer in %v: %v", a.who, a.Took, a.Err)
	}
	to, _, _ := strings.Cut(a.Header.Get("Location"), "?")
	return fmt.Sprintf("%s: %d in %v %s", a.who, a.Status, a.Took.Round(time.Millisecond), to)
}

// Want ends the test unless the answer has a status.
func (a *answer) Want(t testing.TB, status int) {
	t.Helper()
	if a.Err != nil || a.Status != status {
		t.Fatalf("%v, want %d\n%s", a, status, a.Body)
	}
}

// served says that the person got what they asked for, and that it was theirs.
func (a *answer) served() bool {
	return a.Err == nil && a.Status == http.StatusOK && a.application().User == a.who
}

// later says that the person is told to come back later, and not to sign in.
func (a *answer) later() bool {
	return a.Err == nil && a.Status == http.StatusServiceUnavailable && a.Header.Get("Retry-After") != "" && a.Header.Get("Location") == ""
}

// refused says that there is no session: the person is sent to the provider, and a page's script is told to.
func (a *answer) refused() bool {
	return a.Err == nil && (a.Status == http.StatusUnauthorized || a.redirects())
}

func (a *answer) redirects() bool {
	return a.Status == http.StatusFound || a.Status == http.StatusSeeOther
}

// application is what the application saw.
func (a *answer) application() (seen struct{ User, Token string }) {
	_ = json.Unmarshal([]byte(a.Body), &seen)
	return seen
}

// each has every browser do something at the same time.
func each(all []*browser, do func(*browser)) {
	var together sync.WaitGroup
	for _, b := range all {
		together.Go(func() { do(b) })
	}
	together.Wait()
}
