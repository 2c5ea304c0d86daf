package session

import (
	"errors"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// forDomain makes a manager whose sessions are for a domain.
func forDomain(domain string) func(*Options) {
	return func(o *Options) { o.CookieName, o.LoginName, o.Domain = "__Secure-doorward", "__Host-doorward", domain }
}

// hosts is a browser that visits several hosts, and keeps their cookies apart as browsers do.
type hosts struct {
	t   *testing.T
	jar *cookiejar.Jar
}

func newHosts(t *testing.T) *hosts {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &hosts{t, jar}
}

// visit is a request to a host.
func (b *hosts) visit(host string) *http.Request {
	r := httptest.NewRequest("GET", "https://"+host+"/", nil)
	for _, c := range b.jar.Cookies(r.URL) {
		r.AddCookie(c)
	}
	return r
}

// receive takes the answer of a host: http.Cookie's String writes nothing that a browser would not read.
func (b *hosts) receive(host string, h http.Header) {
	b.t.Helper()
	var cookies []*http.Cookie
	for _, line := range h["Set-Cookie"] {
		c, err := http.ParseSetCookie(line)
		if err != nil || !c.Secure || !c.HttpOnly || c.Path != "/" || strings.HasPrefix(c.Name, "__Host-") && c.Domain != "" {
			b.t.Fatalf("a browser would refuse %q: %v", line, err)
		}
		cookies = append(cookies, c)
	}
	b.jar.SetCookies(&url.URL{Scheme: "https", Host: host, Path: "/"}, cookies)
}

// login signs somebody in at a host, as the callback does.
func (b *hosts) login(m *Manager, host, user string, bytes int) {
	b.t.Helper()
	for _, step := range []func(http.Header, *http.Request) error{
		func(h http.Header, r *http.Request) error { return m.BeginLogin(h, r, &Login{State: "s"}) },
		func(h http.Header, r *http.Request) error { return m.Create(h, r, newSession(user, bytes)) },
	} {
		h := http.Header{}
		if err := step(h, b.visit(host)); err != nil {
			b.t.Fatal(err)
		}
		b.receive(host, h)
	}
}

// names are those of the session's cookies that a host gets, the cookies of logins left out.
func (b *hosts) names(host string) (names []string) {
	for _, c := range b.visit(host).Cookies() {
		if !strings.Contains(c.Name, "-login-") {
			names = append(names, c.Name)
		}
	}
	slices.Sort(names)
	return names
}

// is checks whose session a host sees; "" for nobody's.
func (b *hosts) is(m *Manager, host, user string) {
	b.t.Helper()
	s, err := m.Get(b.visit(host))
	switch {
	case user == "" && !errors.Is(err, ErrNone):
		b.t.Errorf("at %s: %v, want none", host, err)
	case user != "" && (err != nil || s.User != user):
		b.t.Errorf("at %s: %v, want the session of %s", host, err, user)
	}
}

const (
	one, other, outside = "app.example.com", "a.b.example.com", "app.example.org"
)

func TestSessionForADomain(t *testing.T) {
	m, b := newManager(t, forDomain("example.com")), newHosts(t)
	b.login(m, one, "alice", 5000)
	b.is(m, other, "alice")
	b.is(m, "example.com", "alice")
	b.is(m, outside, "")
	if got := b.names(other); !slices.Equal(got, []string{"__Secure-doorward", "__Secure-doorward_1"}) {
		t.Errorf("the other host gets %q", got)
	}
	if r := b.visit(other); strings.Contains(r.Header.Get("Cookie"), "-login-") {
		t.Error("the login's cookie reaches another host")
	}

	b.login(m, other, "bob", 0) // smaller: the old session's second cookie has to go
	b.is(m, one, "bob")
	if got := b.names(one); !slices.Equal(got, []string{"__Secure-doorward"}) {
		t.Errorf("after a smaller session there are %q", got)
	}

	h := http.Header{}
	m.Destroy(h, b.visit(one))
	b.receive(one, h)
	if got := b.names(other); got != nil {
		t.Errorf("after signing out there are %q", got)
	}
}

// Upstreams get none of our cookies, under whichever prefix.
func TestStripOfADomain(t *testing.T) {
	for _, names := range [][2]string{{"__Secure-doorward", "__Host-doorward"}, {"__Http-doorward", "__Host-doorward"}, {"doorward", "__Host-doorward"}, {"doorward", "other"}} {
		m := newManager(t, func(o *Options) { o.CookieName, o.LoginName, o.Domain = names[0], names[1], "example.com" })
		for _, ours := range []string{names[0], names[0] + "_1", names[1] + "-login-abc", names[1] + "-login-round-abc"} {
			if got := m.Strip([]string{ours + "=x", "a=b; " + ours + "=x; c=d"}); !slices.Equal(got, []string{"a=b; c=d"}) {
				t.Errorf("of %s upstreams get %q", ours, got)
			}
		}
	}
}

// The seal knows what a session is for, whatever name its cookies bear.
func TestSessionOpensForItsDomainAlone(t *testing.T) {
	named := func(domain string) *Manager {
		return newManager(t, func(o *Options) { o.CookieName, o.Domain = "app", domain })
	}
	b := newBrowser(t)
	b.login(named("example.com"), newSession("alice", 0))
	for _, domain := range []string{"", "app.example.com", "example.org"} {
		none(t, named(domain), "for "+domain, b.header())
	}
	if _, err := named("example.com").Get(b.request()); err != nil {
		t.Error(err)
	}
}

// When COOKIE_DOMAIN is set, unset or changed, what browsers hold from before signs nobody in, and nobody is kept out by it.
func TestCookiesFromBeforeTheDomainChanged(t *testing.T) {
	alone := func(*Options) {}
	unnamed := func(domain string) func(*Options) {
		return func(o *Options) { o.CookieName, o.Domain = "app", domain }
	}
	for name, managers := range map[string][2]func(*Options){
		"set":                     {alone, forDomain("example.com")},
		"unset":                   {forDomain("example.com"), alone},
		"narrowed":                {forDomain("example.com"), forDomain("b.example.com")},
		"widened":                 {forDomain("b.example.com"), forDomain("example.com")},
		"set, without a prefix":   {unnamed(""), unnamed("example.com")},
		"unset, without a prefix": {unnamed("example.com"), unnamed("")},
		"not changed":             {forDomain("example.com"), forDomain("example.com")},
	} {
		t.Run(name, func(t *testing.T) {
			before, after, b := newManager(t, managers[0]), newManager(t, managers[1]), newHosts(t)
			b.login(before, other, "alice", 5000)
			b.is(before, other, "alice")
			if name != "not changed" {
				b.is(after, other, "")
			}
			for _, c := range b.visit(other).Cookies() {
				if !after.Owns(c.Name) {
					t.Errorf("an upstream would get %s", c.Name)
				}
			}

			b.login(after, other, "bob", 5000)

			b.is(after, other, "bob")
			want := []string{after.names.chunk(0), after.names.chunk(1)}
			if name == "unset" { // which may be another installation's as well
				want = append(want, before.names.chunk(0), before.names.chunk(1))
			}
			if got := b.names(other); !slices.Equal(got, want) {
				t.Errorf("after the login there are %q, want %q", got, want)
			}
		})
	}
}

// Signing out clears what is left of another domain as well.
func TestSigningOutClearsCookiesOfOtherDomains(t *testing.T) {
	b, m := newHosts(t), newManager(t, forDomain("example.com"))
	b.login(newManager(t, forDomain("b.example.com")), other, "alice", 0)
	old := b.visit(other).Cookies()
	b.login(m, one, "alice", 0)
	for _, c := range append(old, &http.Cookie{Name: "__Host-doorward", Value: "1.abcdefgh.AAAA"}) {
		b.jar.SetCookies(&url.URL{Scheme: "https", Host: other, Path: "/"}, []*http.Cookie{{Name: c.Name, Value: c.Value, Path: "/", Secure: true}})
	}
	if got := b.names(other); len(got) != 4 {
		t.Fatalf("there are %q to begin with", got)
	}

	h := http.Header{}
	m.Destroy(h, b.visit(other))
	b.receive(other, h)

	if got := b.names(other); got != nil {
		t.Errorf("there are %q left", got)
	}
}

// Another installation under the domain, with sessions of its own, goes on beside one that is for a host alone.
func TestSessionsOfTwoInstallations(t *testing.T) {
	wide, narrow, b := newManager(t, forDomain("example.com")), newManager(t, func(o *Options) { o.Audience = "another" }), newHosts(t)
	b.login(wide, one, "alice", 5000)
	b.login(narrow, other, "alice", 5000)
	h := http.Header{}
	narrow.Destroy(h, b.visit(other))
	b.receive(other, h)
	b.is(narrow, other, "")
	b.is(wide, one, "alice")
	b.is(wide, other, "alice")
	if kept := narrow.Strip(b.visit(other).Header["Cookie"]); kept != nil {
		t.Errorf("the upstream of the one gets the session of the other: %q", kept)
	}
}

// A cookie that another server plants beside ours is not believed, and the next login clears it.
func TestPlantedCookieForAnotherDomain(t *testing.T) {
	m, b, evil := newManager(t, forDomain("example.com")), newHosts(t), newHosts(t)
	b.login(m, one, "alice", 5000)
	evil.login(m, one, "mallory", 5000)
	planted := evil.visit(one).Cookies()
	for _, c := range planted {
		c.Path, c.Domain, c.Secure = "/", "b.example.com", true
	}
	b.jar.SetCookies(&url.URL{Scheme: "https", Host: "evil.b.example.com", Path: "/"}, planted)

	b.is(m, other, "") // of two, neither
	b.is(m, one, "alice")
	h := http.Header{}
	if err := m.BeginLogin(h, b.visit(other), &Login{State: "s"}); err != nil {
		t.Fatal(err)
	}
	b.receive(other, h)
	b.is(m, other, "alice") // ours was there all the time
}

// Chunks of two sessions never join, whichever of them came from a sibling host.
func TestChunksOfSiblingsNeverJoin(t *testing.T) {
	m := newManager(t, forDomain("example.com"))
	var of [2][]*http.Cookie
	for i, user := range []string{"alice", "mallory"} {
		b := newHosts(t)
		b.login(m, one, user, 9000/2)
		for _, c := range b.visit(one).Cookies() {
			if _, ours := m.names.index(c.Name); ours {
				of[i] = append(of[i], c)
			}
		}
	}
	if len(of[0]) != 2 || len(of[1]) != 2 {
		t.Fatalf("there are %d and %d cookies", len(of[0]), len(of[1]))
	}
	none(t, m, "one's first and the other's second", of[0][0].String()+"; "+of[1][1].String())
	none(t, m, "the other's first and one's second", of[1][0].String()+"; "+of[0][1].String())
	none(t, m, "one's, and the other's second", of[0][0].String()+"; "+of[0][1].String()+"; "+of[1][1].String())
}

// What a request is told to forget is bounded, and is nothing while nobody's cookies are in the way.
func TestWhatIsClearedElsewhere(t *testing.T) {
	m := newManager(t, forDomain("example.com"))
	for host, want := range map[string][]string{
		"app.example.com": {"", "app.example.com"}, "APP.example.com.:8443": {"", "app.example.com"}, "example.com": {""},
		"a.b.c.d.e.f.g.example.com": {"", "a.b.c.d.e.f.g.example.com", "b.c.d.e.f.g.example.com", "c.d.e.f.g.example.com", "d.e.f.g.example.com", "e.f.g.example.com", "f.g.example.com"},
		"127.0.0.1":                 {""}, "[::1]:80": {""}, "localhost": {""}, "app_1.example.com": {""}, "a b.example.com": {""},
	} {
		r, h := withCookies("__Secure-doorward=x"), http.Header{}
		r.Host = host
		if err := m.BeginLogin(h, r, &Login{State: "s"}); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, line := range h["Set-Cookie"][1:] {
			c, _ := http.ParseSetCookie(line)
			got = append(got, c.Domain)
		}
		if !slices.Equal(got, want) {
			t.Errorf("at %s the cookie is cleared for %q, want %q", host, got, want)
		}
	}
	alone := newManager(t)
	for header, m := range map[string]*Manager{
		"": m, "a=b": m, "__Host-doorward-login-x=y": m, "__Host-doorward=x": alone, "__Secure-doorward=x": alone, "__Host-doorward_1=x; __Host-doorward_1=y": alone,
	} {
		h := http.Header{}
		m.clearElsewhere(h, withCookies(header))
		if len(h) != 0 {
			t.Errorf("with %q: %q", header, h)
		}
	}
	many := withCookies(strings.Repeat("__Secure-doorward=x; ", 10_000))
	if allocs := testing.AllocsPerRun(5, func() { m.clearElsewhere(http.Header{}, many) }); allocs > 100 {
		t.Errorf("%v allocations for many cookies of a name", allocs)
	}
}
