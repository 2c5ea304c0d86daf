package proxy_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"doorward/config"
)

// newHosts is a site at app.example.com and b.example.com, which shares sessions with all of example.com where a domain says so. Every host
// is reached at its one listener.
func newHosts(t *testing.T, domain string, configure func(*config.Config)) *site {
	t.Helper()
	s := newTLSSite(t, func(c *config.Config) {
		_, port, _ := strings.Cut(strings.TrimPrefix(c.PublicURL[0], "https://"), ":")
		c.PublicURL = []string{"https://app.example.com:" + port, "https://b.example.com:" + port}
		c.CookieDomain = domain
		if configure != nil {
			configure(c)
		}
	})
	s.URL = s.settings.PublicURL[0]
	return s
}

// at is an address at a host of the site.
func (s *site) at(host, path string) string {
	u, _ := url.Parse(s.settings.PublicURL[0])
	return "https://" + host + ":" + u.Port() + path
}

// visitor is a browser that finds all hosts of example.com, and of localhost, at the site.
func (s *site) visitor(person string) *browser {
	b := s.browser()
	b.Person = person
	b.client.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if host, _, _ := net.SplitHostPort(address); strings.HasSuffix(host, ".example.com") || strings.HasSuffix(host, ".localhost") {
			address = s.server.Listener.Addr().String()
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	return b
}

// logins is how many logins were completed.
func (s *site) logins() float64 { return s.metric(`doorward_logins_total{result="ok"}`) }

// arrivedAt checks that a page is the upstream's, at an address, for a person.
func arrivedAt(t *testing.T, p *page, address, person string) {
	t.Helper()
	var seen received
	_ = json.Unmarshal([]byte(p.Text), &seen)
	if p.StatusCode != http.StatusOK || p.URL != address || seen.Header.Get("X-Forwarded-User") != person {
		t.Errorf("the walk ends with %d at %s for %q: %.300s", p.StatusCode, p.URL, seen.Header.Get("X-Forwarded-User"), p.Text)
	}
}

// A login leads back to where it began, and with COOKIE_DOMAIN it is one for all.
func TestOneLoginForAllHosts(t *testing.T) {
	for _, domain := range []string{"example.com", ".Example.com", ""} {
		t.Run("domain "+domain, func(t *testing.T) {
			s := newHosts(t, domain, nil)
			b := s.visitor("alice")
			for i, host := range []string{"b.example.com", "app.example.com"} {
				address := s.at(host, "/deep/link?q=1&r=%20")
				arrivedAt(t, b.walk(address), address, "alice")
				want := float64(i + 1) // each has a session of its own
				if domain != "" {
					want = 1
				}
				if got := s.logins(); got != want {
					t.Errorf("after %s there were %v logins, want %v", host, got, want)
				}
			}
		})
	}
}

// Signing out of one session is signing out at all hosts that share it, and at none that does not, unless it is asked for.
func TestSigningOutAtOneOfSeveralHosts(t *testing.T) {
	for _, c := range []struct {
		name, domain, query string
		elsewhere           bool // signed in still
	}{
		{"shared", "example.com", "", false}, {"apart", "", "", true}, {"apart, everywhere", "", "?everywhere", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newHosts(t, c.domain, nil)
			b := s.visitor("alice")
			for _, host := range []string{"app.example.com", "b.example.com"} {
				arrivedAt(t, b.walk(s.at(host, "/")), s.at(host, "/"), "alice")
			}
			kept := b.cookies(s.at("app.example.com", "/"))

			out := b.request(http.MethodPost, s.at("b.example.com", "/oauth2/sign_out"+c.query), headers("Sec-Fetch-Site", "same-origin"), "")

			if !out.redirects() || len(b.cookies(s.at("b.example.com", "/"))) != 0 {
				t.Fatalf("signing out is answered %d, and leaves %d cookies", out.StatusCode, len(b.cookies(s.at("b.example.com", "/"))))
			}
			p := b.request(http.MethodGet, s.at("app.example.com", "/"), nil, "")
			if (p.StatusCode == http.StatusOK) != c.elsewhere {
				t.Errorf("at the other host a request is answered %d", p.StatusCode)
			}
			copied := s.visitor("")
			copied.client.Jar.SetCookies(p.Request.URL, kept)
			if p := copied.request(http.MethodGet, s.at("app.example.com", "/"), nil, ""); (p.StatusCode == http.StatusOK) != c.elsewhere {
				t.Errorf("with a copy of its cookies a request is answered %d", p.StatusCode)
			}
		})
	}
}

// The session's cookies are for the domain, the login's for the host alone.
func TestCookiesOfADomain(t *testing.T) {
	s := newHosts(t, "example.com", nil)
	b := s.visitor("alice")

	begun := b.open(s.at("b.example.com", "/"))
	done := b.open(b.walkTo(s.at("b.example.com", "/"), isCallback))

	for _, line := range begun.Header["Set-Cookie"] {
		if !strings.HasPrefix(line, "__Host-doorward-login-") || strings.Contains(line, "Domain") {
			t.Errorf("when a login begins, a cookie is set: %s", line)
		}
	}
	sessions := 0
	for _, line := range done.Header["Set-Cookie"] {
		name, _, _ := strings.Cut(line, "=")
		if strings.HasPrefix(name, "__Secure-doorward") {
			sessions++
			if !strings.Contains(line, "; Domain=example.com;") || !strings.Contains(line, "; Secure") || !strings.Contains(line, "; HttpOnly") {
				t.Errorf("the session's cookie has the attributes %s", line[strings.IndexByte(line, ';'):])
			}
		} else if strings.Contains(line, "Domain") {
			t.Errorf("%s is for the domain", name)
		}
	}
	if sessions == 0 {
		t.Error("there is no cookie of a session")
	}
	seen := received{}
	p := b.request(http.MethodGet, s.at("app.example.com", "/"), headers("Cookie", "a=b; __Host-doorward=x; __Secure-doorward_3=y"), "")
	if _ = json.Unmarshal([]byte(p.Text), &seen); strings.Contains(seen.Header.Get("Cookie"), "doorward") || p.StatusCode != http.StatusOK {
		t.Errorf("%d, and the upstream got the cookies %q", p.StatusCode, seen.Header.Get("Cookie"))
	}
}

// withGrafana names hosts that PUBLIC_URL does not: one exactly, others by a pattern, one outside of the domain.
func withGrafana(c *config.Config) {
	c.AccessRules += "\ngrafana.example.com/ authenticated\ngrafana.example.com/admin/ group:Admin\n*.example.com/ authenticated\ngrafana.example.org/ authenticated"
}

// A host that a rule names exactly, and that shares the sessions, needs no callback of its own.
func TestLoginForAHostWithoutACallback(t *testing.T) {
	s := newHosts(t, "example.com", withGrafana)
	b := s.visitor("alice")
	address := s.at("grafana.example.com", "/d/1?from=now-1h&to=now")

	first := b.open(address)
	if at := first.location(); at.Host != strings.TrimPrefix(s.at("app.example.com", ""), "https://") || at.Path != "/oauth2/start" || at.Query().Get("rd") != address+"#" ||
		len(first.setsCookies()) != 0 || first.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("whoever has no session is sent to %s, with cookies %q", at, first.setsCookies())
	}
	arrivedAt(t, b.walk(address), address, "alice")
	for _, host := range []string{"app.example.com", "b.example.com", "x.example.com"} {
		arrivedAt(t, b.open(s.at(host, "/")), s.at(host, "/"), "alice")
	}
	if got := s.logins(); got != 1 {
		t.Errorf("there were %v logins", got)
	}
	if p := b.request(http.MethodGet, s.at("grafana.example.com", "/oauth2/userinfo"), nil, ""); p.StatusCode != http.StatusOK {
		t.Errorf("userinfo there is answered %d", p.StatusCode)
	}
	if p := b.request(http.MethodPost, s.at("grafana.example.com", "/oauth2/sign_out"), headers("Sec-Fetch-Site", "same-origin"), ""); !p.redirects() {
		t.Errorf("signing out there is answered %d", p.StatusCode)
	}
	if p := b.request(http.MethodGet, s.at("b.example.com", "/"), nil, ""); p.StatusCode != http.StatusUnauthorized {
		t.Errorf("after signing out there, a request elsewhere is answered %d", p.StatusCode)
	}
}

// Wherever the session holds, people can see whose it is, and leave.
func TestSessionAtAHostByAPattern(t *testing.T) {
	s := newHosts(t, "example.com", withGrafana)
	b, host := s.visitor("alice"), "x.example.com"
	for _, endpoint := range []string{"start", "sign_in", "callback", "frontchannel-logout", "nothing"} {
		if p := b.open(s.at(host, "/oauth2/"+endpoint)); p.StatusCode != http.StatusForbidden || len(p.setsCookies()) != 0 {
			t.Errorf("%s there is answered %d", endpoint, p.StatusCode)
		}
	}
	b.walk(s.at("app.example.com", "/"))

	if p := b.request(http.MethodGet, s.at(host, "/oauth2/userinfo"), nil, ""); p.StatusCode != http.StatusOK || !strings.Contains(p.Text, `"user":"alice"`) {
		t.Errorf("userinfo there is answered %d: %s", p.StatusCode, p.Text)
	}
	out := b.request(http.MethodPost, s.at(host, "/oauth2/sign_out?rd="+url.QueryEscape("https://evil.example/")), headers("Sec-Fetch-Site", "same-origin"), "")
	if at := out.location().String(); !out.redirects() || strings.Contains(at, "evil") {
		t.Errorf("signing out there is answered %d to %s", out.StatusCode, at)
	}
	if p := b.request(http.MethodGet, s.at("app.example.com", "/"), nil, ""); p.StatusCode != http.StatusUnauthorized {
		t.Errorf("after that, a request elsewhere is answered %d", p.StatusCode)
	}
}

// What may be anybody's host is not led back to, nor one that does not share the sessions.
func TestHostsWithoutALogin(t *testing.T) {
	for _, c := range []struct{ domain, host string }{
		{"", "grafana.example.com"}, {"example.com", "x.example.com"}, {"example.com", "grafana.example.org"},
	} {
		s := newHosts(t, c.domain, withGrafana)
		p := s.tlsGet(t, c.host, "/x")
		isPage(t, p)
		if other := s.tlsGet(t, c.host, "/oauth2/userinfo"); (other.StatusCode == http.StatusForbidden) == offered(c.host) {
			t.Errorf("at %s userinfo is answered %d", c.host, other.StatusCode)
		}
		if p.StatusCode != http.StatusForbidden || len(p.setsCookies()) != 0 {
			t.Errorf("at %s a person without a session is answered %d", c.host, p.StatusCode)
		}
		if got := strings.Contains(p.Text, s.at("app.example.com", "/oauth2/start")); got != offered(c.host) {
			t.Errorf("at %s it is %v that a login elsewhere is offered", c.host, got)
		}
	}
}

// offered says where a login from elsewhere would be as good.
func offered(host string) bool { return host == "x.example.com" }

// tlsGet is a navigation to any host at the site, whatever its certificate says.
func (s *site) tlsGet(t *testing.T, host, path string) *page {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+s.server.Listener.Addr().String()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(s.server.Listener.Addr().String())
	r.Host, r.Header = net.JoinHostPort(host, port), navigation()
	answer, err := s.browser().client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return read(t, answer, s.at(host, path))
}

// A login leads back to configured origins and to no other, wherever it begins.
func TestReturnToOtherHosts(t *testing.T) {
	s := newHosts(t, "example.com", withGrafana)
	for asked, want := range map[string]string{
		s.at("grafana.example.com", "/x?y"):             s.at("grafana.example.com", "/x?y"),
		s.at("b.example.com", ""):                       s.at("b.example.com", "/"),
		s.at("app.example.com", "/x"):                   s.at("app.example.com", "/x"),
		"/x":                                            s.at("grafana.example.com", "/x"),
		s.at("x.example.com", "/x"):                     s.at("grafana.example.com", "/"),
		s.at("evil.example.com", "/x"):                  s.at("grafana.example.com", "/"),
		s.at("grafana.example.org", "/x"):               s.at("grafana.example.com", "/"),
		"https://grafana.example.com/x":                 s.at("grafana.example.com", "/"), // another port
		"http" + s.at("grafana.example.com", "/x")[5:]:  s.at("grafana.example.com", "/"),
		s.at("grafana.example.com", ".evil.example/"):   s.at("grafana.example.com", "/"),
		s.at("grafana.example.com", "@evil.example/"):   s.at("grafana.example.com", "/"),
		s.at("grafana.example.com", "//evil.example/"):  s.at("grafana.example.com", "/"),
		s.at("grafana.example.com", `/\evil.example/`):  s.at("grafana.example.com", "/"),
		s.at("grafana.example.com", "/oauth2/sign_out"): s.at("grafana.example.com", "/"),
		s.at("b.example.com", "/oauth2/start"):          s.at("b.example.com", "/"),
		"/" + strings.Repeat("a", 2040):                 s.at("grafana.example.com", "/"), // too long with its host
		"//evil.example/":                               s.at("grafana.example.com", "/"),
	} {
		b := s.visitor("alice")
		p := b.open(b.walkTo(s.at("grafana.example.com", "/oauth2/start?rd="+url.QueryEscape(asked)), isCallback))
		if origin, path := strings.CutSuffix(p.location().String(), "#"); origin != want || path {
			t.Errorf("rd=%.80s leads to %.80s, want %.80s", asked, p.location(), want)
		}
		b.walk(p.location().String())
	}
}

// A login that another site begins keeps to the same (OIDC Core 4).
func TestThirdPartyLoginForAnotherHost(t *testing.T) {
	s := newHosts(t, "example.com", withGrafana)
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		for _, host := range []string{"app.example.com", "b.example.com", "grafana.example.com"} {
			for target, want := range map[string]string{
				s.at("grafana.example.com", "/x?y=%20"): s.at("grafana.example.com", "/x?y=%20"), s.at("b.example.com", "/x"): s.at("b.example.com", "/x"),
				s.at("evil.example.com", "/x"): s.at(host, "/"), "/x": s.at(host, "/x"),
			} {
				b := s.visitor("")
				parameters := url.Values{"iss": {s.Provider.Issuer}, "login_hint": {"bob"}, "target_link_uri": {target}}
				at, header, body := s.at(host, "/oauth2/start?")+parameters.Encode(), navigation(), ""
				if method == http.MethodPost {
					header.Set("Content-Type", "application/x-www-form-urlencoded")
					at, body = s.at(host, "/oauth2/start"), parameters.Encode()
				}
				p := b.follow(b.request(method, at, header, body), func(u *url.URL) bool { return u.String() == want })
				if asked := s.asked(); p.location().String() != want || asked[len(asked)-1].Get("login_hint") != "bob" {
					t.Errorf("%s at %s for %s ends at %s, with the hint %q", method, host, target, p.location(), asked[len(asked)-1]["login_hint"])
				}
				arrivedAt(t, b.walk(want), want, "bob")
			}
		}
	}
}

// A login of a certain kind is asked for on the way as it is at the page's own host.
func TestStepUpForAHostWithoutACallback(t *testing.T) {
	s := newHosts(t, "example.com", func(c *config.Config) {
		withGrafana(c)
		c.AccessRules += "\ngrafana.example.com/strong/ acr:mfa max-age:1h"
	})
	b := s.visitor("alice")
	arrivedAt(t, b.walk(s.at("b.example.com", "/")), s.at("b.example.com", "/"), "alice")

	address := s.at("grafana.example.com", "/strong/x?y=1")
	arrivedAt(t, b.walk(address), address, "alice")
	wasAsked(t, s, 2, "mfa", "3600")

	fresh := s.visitor("bob")
	arrivedAt(t, fresh.walk(address), address, "bob")
	wasAsked(t, s, 3, "mfa", "3600")
}

// An upstream may ask for what anybody may ask of a login; everything else its page would not get past the door.
func TestStepUpByTheUpstreamOfAHostWithoutACallback(t *testing.T) {
	for _, known := range []bool{true, false} {
		s := newHosts(t, "example.com", func(c *config.Config) {
			withGrafana(c)
			if known {
				c.AccessRules += "\n/gold/ acr:gold"
			}
		})
		b := s.visitor("alice")
		b.walk(s.at("app.example.com", "/"))
		challenging(s, 2, wantsGold)

		p := b.walk(s.at("grafana.example.com", "/app"))

		if known && (p.StatusCode != http.StatusOK || p.Text != "fine" || len(s.asked()) != 2) {
			t.Errorf("the walk ends with %d: %s; the provider was asked %d times", p.StatusCode, p.Text, len(s.asked()))
		}
		if !known {
			passed(t, p, wantsGold)
		}
	}
}

// Programs learn of a login at the host that they ask, to which they add where to go.
func TestLoginURLOfAHostWithoutACallback(t *testing.T) {
	s := newHosts(t, "example.com", withGrafana)
	p := s.visitor("").request(http.MethodGet, s.at("grafana.example.com", "/api"), headers("Accept", "application/json"), "")
	var said struct {
		LoginURL string `json:"login_url"`
	}
	if err := json.Unmarshal([]byte(p.Text), &said); err != nil || p.StatusCode != http.StatusUnauthorized || said.LoginURL != s.at("grafana.example.com", "/oauth2/start") {
		t.Fatalf("the answer is %d: %s", p.StatusCode, p.Text)
	}
	b, want := s.visitor("alice"), s.at("grafana.example.com", "/page")
	arrivedAt(t, b.walk(said.LoginURL+"?rd=%2Fpage"), want, "alice")
}

// A session that the browser does not keep at the other host is noticed there as everywhere, and what the domain has to do with it is said.
func TestLoginLoopOverTwoHosts(t *testing.T) {
	s := newHosts(t, "example.com", withGrafana)
	b := s.visitor("alice")
	var last *page
	for range 3 {
		last = b.open(b.walkTo(s.at("grafana.example.com", "/x"), isCallback))
		at, _ := url.Parse(s.at("app.example.com", "/"))
		b.client.Jar.SetCookies(at, []*http.Cookie{{Name: "__Secure-doorward", Domain: "example.com", Path: "/", Secure: true, MaxAge: -1}})
	}
	isPage(t, last)
	if last.StatusCode != http.StatusBadRequest || !strings.Contains(last.Text, "all of example.com (DOORWARD_COOKIE_DOMAIN)") || s.metric("doorward_login_loops_total") != 1 {
		t.Errorf("the third login is answered %d: %s", last.StatusCode, last.Text)
	}
}

// Another server of the domain plants a cookie, or one is left of another COOKIE_DOMAIN: whoever comes by signs in at most once more.
func TestCookieThatIsInTheWay(t *testing.T) {
	for name, plant := range map[string]func(at *url.URL, session []*http.Cookie) []*http.Cookie{
		"nonsense, for the host": func(*url.URL, []*http.Cookie) []*http.Cookie {
			return []*http.Cookie{{Name: "__Secure-doorward", Value: "x"}}
		},
		"a session, for the host": func(_ *url.URL, session []*http.Cookie) []*http.Cookie { return session },
		"from before it was a domain": func(*url.URL, []*http.Cookie) []*http.Cookie {
			return []*http.Cookie{{Name: "__Host-doorward", Value: "x"}}
		},
		"a second cookie, for the host": func(*url.URL, []*http.Cookie) []*http.Cookie {
			return []*http.Cookie{{Name: "__Secure-doorward_1", Value: "x"}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newHosts(t, "example.com", nil)
			b, mallory := s.visitor("alice"), s.visitor("bob")
			b.walk(s.at("app.example.com", "/"))
			mallory.walk(s.at("app.example.com", "/"))
			at, _ := url.Parse(s.at("b.example.com", "/"))
			var planted []*http.Cookie
			for _, c := range plant(at, mallory.cookies(at.String())) {
				planted = append(planted, &http.Cookie{Name: c.Name, Value: c.Value, Domain: map[bool]string{false: "b.example.com"}[strings.HasPrefix(c.Name, "__Host-")], Path: "/", Secure: true})
			}
			b.client.Jar.SetCookies(at, planted)

			for range 2 {
				arrivedAt(t, b.walk(at.String()+"x?y"), at.String()+"x?y", "alice")
			}
			if n := s.metric(`doorward_logins_total{result="ok"}`); n > 3 {
				t.Errorf("there were %v logins", n)
			}
			arrivedAt(t, b.open(s.at("app.example.com", "/")), s.at("app.example.com", "/"), "alice")
		})
	}
}

// Hosts that share a session do not act for each other: their pages are other origins, and whoever writes one is not trusted with the rest.
func TestPagesOfSiblings(t *testing.T) {
	s := newHosts(t, "example.com", func(c *config.Config) {
		withGrafana(c)
		c.CsrfProtection = "writes"
	})
	b := s.visitor("alice")
	b.walk(s.at("app.example.com", "/"))
	for _, host := range []string{"app.example.com", "grafana.example.com"} {
		own, sibling := s.at(host, ""), s.at("b.example.com", "")
		for _, c := range []struct {
			name, method, path string
			header             http.Header
			want               int
		}{
			{"a write of its own", http.MethodPost, "/x", headers("Origin", own, "Sec-Fetch-Site", "same-origin"), 200},
			{"a write of its own, by an old browser", http.MethodPost, "/x", headers("Origin", own), 200},
			{"a write of a sibling", http.MethodPost, "/x", headers("Origin", sibling, "Sec-Fetch-Site", "same-site"), 403},
			{"a write of a sibling, by an old browser", http.MethodPost, "/x", headers("Origin", sibling), 403},
			{"a WebSocket of a sibling", http.MethodGet, "/x", headers("Origin", sibling, "Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="), 403},
			{"a sibling signs out", http.MethodPost, "/oauth2/sign_out", headers("Origin", sibling, "Sec-Fetch-Site", "same-site"), 403},
			{"a link of a sibling to signing out", http.MethodGet, "/oauth2/sign_out", headers("Accept", "text/html", "Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"), 200},
			{"signed in still", http.MethodGet, "/x", nil, 200},
		} {
			if p := b.request(c.method, s.at(host, c.path), c.header, ""); p.StatusCode != c.want {
				t.Errorf("%s at %s is answered %d, want %d", c.name, host, p.StatusCode, c.want)
			}
		}
	}
}

// Rules and upstreams may be a host's own, and the upstream is told which host it was.
func TestUpstreamsByHost(t *testing.T) {
	wiki := newUpstream(t)
	s := newHosts(t, "example.com", func(c *config.Config) {
		c.Upstreams += "\nwiki.example.com/ " + wiki.URL
		c.AccessRules += "\nwiki.example.com/admin/ group:Nobody"
	})
	b := s.visitor("alice")
	arrivedAt(t, b.walk(s.at("wiki.example.com", "/x")), s.at("wiki.example.com", "/x"), "alice")
	_, told, _ := strings.Cut(s.at("wiki.example.com", ""), "//")
	if got := wiki.last(t); got.Host != told || got.Header.Get("X-Forwarded-Host") != told || got.Header.Get("X-Forwarded-Proto") != "https" || len(s.Upstream.Received()) != 0 {
		t.Errorf("the upstream of the host is told %q, %q; the other got %d requests", got.Host, got.Header["X-Forwarded-Host"], len(s.Upstream.Received()))
	}
	if p := b.open(s.at("wiki.example.com", "/admin/")); p.StatusCode != http.StatusForbidden {
		t.Errorf("a rule of the host lets through: %d", p.StatusCode)
	}
	if p := b.open(s.at("app.example.com", "/admin/")); p.StatusCode != http.StatusOK {
		t.Errorf("a rule of another host refuses: %d", p.StatusCode)
	}
}

// After a callback from the provider's site a Strict cookie goes along only from a page of ours, to a sibling host too.
func TestStrictCookiesOfADomain(t *testing.T) {
	s := newHosts(t, "example.com", func(c *config.Config) {
		withGrafana(c)
		c.CookieSamesite = "strict"
	})
	b, address := s.visitor("alice"), s.at("grafana.example.com", "/x?y=1")
	p := b.open(b.walkTo(address, isCallback))
	if p.StatusCode != http.StatusOK || !strings.Contains(p.Text, `href="`+address) {
		t.Errorf("the callback is answered %d: %s", p.StatusCode, p.Text)
	}
	arrivedAt(t, b.open(address), address, "alice")
}

// A server in front asks about hosts of the domain, and sends people to the login as doorward would.
func TestForwardAuthForSiblings(t *testing.T) {
	for front := range fronts {
		t.Run(front, func(t *testing.T) {
			s := behindFront(t, front, func(c *config.Config) {
				withGrafana(c)
				_, port, _ := strings.Cut(strings.TrimPrefix(c.PublicURL[0], "http://"), ":")
				c.PublicURL, c.CookieDomain = []string{"http://app.doorward.localhost:" + port}, "doorward.localhost"
				c.AccessRules = strings.ReplaceAll(c.AccessRules, "example.com", "doorward.localhost")
				c.Upstreams, c.AuthResponseHeaders = "", nil
			})
			s.URL = s.settings.PublicURL[0]
			port := s.URL[strings.LastIndexByte(s.URL, ':'):]

			p := s.questionAbout(front, "GET", "grafana.doorward.localhost"+port, "/d?x=1", navigating...)
			want := s.URL + "/oauth2/start?rd=" + url.QueryEscape("http://grafana.doorward.localhost"+port+"/d?x=1#")
			relays := front == "traefik" || front == "caddy" || front == "envoy"
			if relays && (p.StatusCode != http.StatusSeeOther || p.Header.Get("Location") != want) ||
				!relays && (p.StatusCode != http.StatusUnauthorized || p.Header.Get("X-Doorward-Reason") != "unauthenticated") || len(p.setsCookies()) != 0 {
				t.Errorf("without a session the answer is %d to %s", p.StatusCode, p.Header.Get("Location"))
			}

			cookie := "Cookie: " + s.signedInAt(t, "app.doorward.localhost"+port)
			for host, want := range map[string]bool{"grafana": true, "any": true, "app": true} {
				p := s.questionAbout(front, "GET", host+".doorward.localhost"+port, "/x", cookie)
				if yes := p.StatusCode/100 == 2; yes != want || p.Header.Get("X-Auth-Request-User") != "alice" {
					t.Errorf("with a session at %s the answer is %d", host, p.StatusCode)
				}
			}
			p = s.questionAbout(front, "GET", "any.doorward.localhost"+port, "/x", navigating...)
			if want := map[bool]int{true: http.StatusForbidden, false: http.StatusUnauthorized}[relays]; p.StatusCode != want || len(p.setsCookies()) != 0 {
				t.Errorf("without a session, at a host by a pattern, the answer is %d", p.StatusCode)
			}
		})
	}
}

// signedInAt is the Cookie header of alice, who has signed in at a host that only this machine knows.
func (s *site) signedInAt(t *testing.T, host string) string {
	t.Helper()
	get := func(target string, lines ...string) *page {
		return s.raw(strings.Join(append([]string{"GET " + target + " HTTP/1.1", "Host: " + host, "Connection: close"}, lines...), "\r\n") + "\r\n\r\n")
	}
	begun := get("/oauth2/start", navigating...)
	at := s.browser().walkTo(begun.Header.Get("Location")+"&login_hint=alice", isCallback)
	done := get(strings.TrimPrefix(at, "http://"+host), append(navigating, "Cookie: "+pairOf(begun))...)
	if pairOf(done) == "" {
		t.Fatalf("signing in ends with %d: %s", done.StatusCode, done.Text)
	}
	return pairOf(done)
}

// pairOf is what a browser sends of what an answer set.
func pairOf(p *page) string {
	var pairs []string
	for _, c := range p.Cookies() {
		if c.MaxAge >= 0 {
			pairs = append(pairs, c.Name+"="+c.Value)
		}
	}
	return strings.Join(pairs, "; ")
}
