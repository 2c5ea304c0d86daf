package proxy_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"doorward/config"
	"doorward/proxy/providertest"
	"doorward/session"
)

// What the tests of sessions in time have in common. Access tokens live for an hour and are refreshed half a minute before it is over.
const (
	untilDue  = time.Hour - 20*time.Second // the token is to be refreshed, and lives
	untilDead = time.Hour + time.Second
)

// newLivingSite starts a site whose provider issues refresh tokens that are good for one use.
func newLivingSite(t *testing.T, configure func(*config.Config), mutations ...providertest.Mutation) *site {
	t.Helper()
	s := newSite(t, configure, mutations...)
	s.Provider.IssueRefreshTokens()
	return s
}

// carried opens a browser's session, over or not.
func (b *browser) carried(s *site) *session.Session {
	b.t.Helper()
	return opened(b.t, s, b.cookieHeader(s))
}

// opened opens the session of a Cookie header, as it is in Redis where it lives there, and not as Redis has not yet told that it was, nor as it
// is remembered for the time when Redis does not answer.
func opened(t testing.TB, s *site, cookie string) *session.Session {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, s.URL, nil)
	r.Header.Set("Cookie", cookie)
	found, _ := s.Proxy.Sessions().Get(r)
	if found != nil && s.inRedis() {
		id := found.ID
		s.settle(id, cookie)
		eventually(t, func() bool {
			found, _ = s.Proxy.Sessions().Get(r)
			return s.stored.has(t, id, found)
		})
	}
	if found == nil {
		t.Fatal("there is no session")
	}
	return found
}

// age makes a browser's session so much older, and tells its Cookie header.
func (b *browser) age(s *site, d time.Duration) string {
	b.t.Helper()
	id := b.carried(s).ID
	b.keep(s, s.older(b.cookieHeader(s), d))
	s.ageShared(id, d)
	s.settle(id, b.cookieHeader(s))
	return b.cookieHeader(s)
}

// keep keeps the cookies that a header sets.
func (b *browser) keep(s *site, h http.Header) {
	u, _ := url.Parse(s.URL)
	b.client.Jar.SetCookies(u, (&http.Response{Header: h}).Cookies())
}

// api asks as a program does.
func (b *browser) api(s *site, path string) *page {
	b.t.Helper()
	return b.request(http.MethodGet, s.URL+path, headers("Accept", "application/json"), "")
}

// ask asks once as a program does, with a Cookie header, on a connection of its own. It may be called in any goroutine.
func (s *site) ask(ctx context.Context, cookie, path string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.server.URL+path, nil)
	if err != nil {
		return nil, err
	}
	_, r.Host, _ = strings.Cut(s.URL, "://")
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Cookie", cookie)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second}
	return client.Do(r)
}

// asked is an answer that is on its way.
type asked struct {
	answer *http.Response
	err    error
}

// asking asks in the background.
func (s *site) asking(cookie, path string) <-chan asked {
	done := make(chan asked, 1)
	go func() {
		answer, err := s.ask(s.t.Context(), cookie, path)
		done <- asked{answer, err}
	}()
	return done
}

// amidRefresh asks for a page that waits for a refresh, and returns when that is made. It is answered once goOn is closed.
func (s *site) amidRefresh(cookie string) (on <-chan asked, goOn chan struct{}) {
	s.t.Helper()
	at, goOn := make(chan struct{}), make(chan struct{})
	s.Provider.BendRefreshes(func(*providertest.Answer) {
		close(at)
		<-goOn
	})
	on = s.asking(cookie, "/x")
	<-at
	return on, goOn
}

// amidAnswer asks for a page, and returns when the upstream has been asked. It answers once goOn is closed.
func (s *site) amidAnswer(cookie string) (on <-chan asked, goOn chan struct{}) {
	s.t.Helper()
	at, goOn := make(chan struct{}), make(chan struct{})
	s.Upstream.Answer = func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(at)
			select {
			case <-goOn:
			case <-s.t.Context().Done(): // a test that has failed before
			}
		}
	}
	on = s.asking(cookie, "/slow")
	<-at
	return on, goOn
}

// arrives waits for an answer.
func arrives(t *testing.T, s *site, on <-chan asked) *page {
	t.Helper()
	a := <-on
	if a.err != nil {
		t.Fatal(a.err)
	}
	return read(t, a.answer, s.URL)
}

// token is the access token that a request brought to the upstream.
func (r received) token() string { return strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ") }

// wants checks the status of an answer.
func (p *page) wants(t *testing.T, status int) *page {
	t.Helper()
	if p.StatusCode != status {
		t.Errorf("%s is answered %d, want %d: %s", p.URL, p.StatusCode, status, p.Text)
	}
	return p
}

// sessionCookie is the Cookie header that an answer leaves in a browser that had none.
func (p *page) sessionCookie() string {
	var pairs []string
	for _, c := range p.Cookies() {
		if c.Value != "" {
			pairs = append(pairs, c.Name+"="+c.Value)
		}
	}
	return strings.Join(pairs, "; ")
}

// refreshes is how often the provider was asked to refresh.
func (s *site) wantRefreshes(want int) {
	s.t.Helper()
	if got := len(s.Provider.Refreshes()); got != want {
		s.t.Errorf("the provider was asked for %d refreshes, want %d", got, want)
	}
}

// wantResults checks refreshes_total, of which everything else is 0.
func (s *site) wantResults(want map[string]float64) {
	s.t.Helper()
	s.Proxy.Rest()
	for series, value := range s.metrics() {
		result, is := strings.CutPrefix(series, `doorward_refreshes_total{result="`)
		if result = strings.TrimSuffix(result, `"}`); is && value != want[result] {
			s.t.Errorf("refreshes_total counts %v as %s, want %v\n%s", value, result, want[result], s.Log)
		}
	}
}
