package proxy_test

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"doorward/config"
	"doorward/proxy/providertest"
)

const adminToken = "an-admin-token-0123456789"

func withAdminToken(c *config.Config) { c.AdminToken = adminToken }

// adminListener starts the site's metrics listener.
func (s *site) adminListener() *httptest.Server {
	server := httptest.NewServer(s.Proxy.Admin())
	s.t.Cleanup(server.Close)
	return server
}

// revoke asks for sessions to be ended, as an administrator's curl does.
func (s *site) revoke(form string) *page {
	s.t.Helper()
	return s.administer(http.MethodPost, form, headers("Authorization", "Bearer "+adminToken, "Content-Type", "application/x-www-form-urlencoded"))
}

func (s *site) administer(method, body string, header http.Header) *page {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.adminListener().URL+"/sessions/revoke", strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header = header
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		s.t.Fatal(err)
	}
	return read(s.t, answer, r.URL.String())
}

// A user is revoked by the name that log and upstreams have of them, whatever claim that is; a session by its sid, or by its hash in
// the log.
func TestWhoseSessionsAnAdministratorEnds(t *testing.T) {
	for name, test := range map[string]struct {
		claim              string
		form               func(sid, hash string) url.Values
		first, second, bob bool // go on?
	}{
		"a user by sub":                   {"sub", func(string, string) url.Values { return url.Values{"user": {"alice"}} }, false, false, true},
		"a user by e-mail":                {"email", func(string, string) url.Values { return url.Values{"user": {"alice@example.com"}} }, false, false, true},
		"a sub where users have e-mails":  {"email", func(string, string) url.Values { return url.Values{"user": {"alice"}} }, true, true, true},
		"a user whom nobody knows":        {"sub", func(string, string) url.Values { return url.Values{"user": {"mallory"}} }, true, true, true},
		"a session of the provider's":     {"sub", func(sid, _ string) url.Values { return url.Values{"sid": {sid}} }, false, true, true},
		"a session as the log tells it":   {"email", func(_, hash string) url.Values { return url.Values{"session": {hash}} }, false, true, true},
		"a session that nobody has":       {"sub", func(string, string) url.Values { return url.Values{"session": {"000000000000"}} }, true, true, true},
		"a sid that is called as someone": {"sub", func(string, string) url.Values { return url.Values{"sid": {"alice"}} }, true, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, func(c *config.Config) { withAdminToken(c); c.UserClaim = test.claim })
			first := s.signedIn("alice")
			cookies, sid := first.cookieHeader(s), sidOf(t, s)
			first.open(s.URL + "/x")
			hash := fmt.Sprint(s.lastRequests(1)[0]["session"])
			second, bob := s.signedIn("alice").cookieHeader(s), s.signedIn("bob").cookieHeader(s)

			p := s.revoke(test.form(sid, hash).Encode()).wants(t, http.StatusOK)

			inSession(t, s, "the first session", cookies, test.first)
			inSession(t, s, "the second session", second, test.second)
			inSession(t, s, "bob's session", bob, test.bob)
			wasToldAsEnded(t, s, p, test.form(sid, hash))
		})
	}
}

// wasToldAsEnded checks what answer, log and metric say of sessions that an administrator ended.
func wasToldAsEnded(t *testing.T, s *site, p *page, form url.Values) {
	t.Helper()
	var said map[string]string
	err := json.Unmarshal([]byte(p.Text), &said)
	for kind := range form {
		if err != nil || len(said) != 2 || said["status"] != "ended" || said[kind] != form.Get(kind) || p.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("the answer says %s", p.Text)
		}
	}
	events := s.Log.events(t, "logout")
	if len(events) != 1 || events[0]["reason"] != "admin" || form.Has("user") && events[0]["user"] != form.Get("user") {
		t.Errorf("the log says %v", events)
	}
	if n := logouts(s, "admin"); n != 1 {
		t.Errorf("%v logouts are counted", n)
	}
	if strings.Contains(s.Log.String(), adminToken) {
		t.Error("the token is in the log")
	}
}

// Who signs in again counts, under the same name and in the same session of the provider's.
func TestANewLoginAfterAnAdministratorEndedAllCounts(t *testing.T) {
	s := newSite(t, withAdminToken, inOneSession())
	b := s.signedIn("alice")
	before := b.cookieHeader(s)
	s.revoke("user=alice").wants(t, http.StatusOK)
	s.revoke("sid=the-one").wants(t, http.StatusOK)

	b.walk(s.URL + "/")

	inSession(t, s, "the new session", b.cookieHeader(s), true)
	inSession(t, s, "the old session", before, false)
}

// Whoever kept cookies from before a refresh is out as well as whoever has the newest.
func TestAnAdministratorEndsAllGenerations(t *testing.T) {
	s := newLivingSite(t, withAdminToken)
	b := s.signedIn("alice")
	generations := []string{b.cookieHeader(s)}
	for range 2 {
		b.age(s, untilDead)
		b.api(s, "/x").wants(t, http.StatusOK)
		s.Proxy.Rest()
		generations = append(generations, b.cookieHeader(s))
	}
	if b.carried(s).Generation != 2 {
		t.Fatalf("the newest generation is %d", b.carried(s).Generation)
	}

	s.revoke("user=alice").wants(t, http.StatusOK)

	for i, cookies := range generations {
		inSession(t, s, fmt.Sprint("generation ", i), cookies, false)
	}
}

// A refresh that is under way brings nothing back.
func TestAnAdministratorEndsASessionDuringARefresh(t *testing.T) {
	s := newLivingSite(t, withAdminToken)
	b := s.signedIn("alice")
	cookie := b.age(s, untilDead)
	on, goOn := s.amidRefresh(cookie)
	s.revoke("user=alice").wants(t, http.StatusOK)
	close(goOn)

	p := arrives(t, s, on).wants(t, http.StatusUnauthorized)

	if len(p.Header["Set-Cookie"]) != 0 {
		t.Errorf("the answer sets %v", p.Header["Set-Cookie"])
	}
	s.wantResults(map[string]float64{"after_logout": 1})
	if !slices.Contains(s.Provider.Revoked(), tokensOf(t, s)["refresh_token"]) {
		t.Error("the new refresh token is not revoked")
	}
}

// A login whose code was being exchanged is over before it began.
func TestAnAdministratorEndsALoginUnderWay(t *testing.T) {
	var s *site
	s = newSite(t, withAdminToken, providertest.Mutation{Name: "revoked-meanwhile", TokenReply: func(*providertest.Provider, *providertest.Answer) {
		s.revoke("user=alice").wants(t, http.StatusOK)
	}})
	b := s.browser()
	b.open(b.callbackAddress(s, "/x"))

	inSession(t, s, "the session", b.cookieHeader(s), false)
}

// What an administrator ended stays so over a restart; where that cannot be written down it is not reported as done.
func TestWhatAnAdministratorEndedSurvivesARestart(t *testing.T) {
	s, next := keeping(t, withAdminToken)
	alice, bob := s.signedIn("alice").cookieHeader(s), s.signedIn("bob").cookieHeader(s)
	s.revoke("user=alice").wants(t, http.StatusOK)
	s.Proxy.Close()
	p := s.revoke("user=bob").wants(t, http.StatusServiceUnavailable)
	if p.Header.Get("Retry-After") == "" || p.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("the headers are %v", p.Header)
	}
	inSession(t, s, "bob", bob, false)

	after := next()

	inSession(t, after, "alice", alice, false)
}

// Nothing but the token opens the door, and a warning tells of everybody who tries without.
func TestWhoIsNoAdministrator(t *testing.T) {
	s := newSite(t, withAdminToken)
	b := s.signedIn("alice")
	cookies := b.cookieHeader(s)
	good := "Bearer " + adminToken
	for name, authorization := range map[string][]string{
		"none":              nil,
		"two":               {good, good},
		"a bad one second":  {good, "Bearer x"},
		"another token":     {"Bearer an-admin-token-0123456780"},
		"its beginning":     {"Bearer an-admin-token"},
		"more than it":      {good + "0"},
		"no token":          {"Bearer "},
		"another scheme":    {"Basic " + adminToken},
		"a scheme like it":  {"Bearers " + adminToken},
		"no scheme":         {adminToken},
		"a person's":        {"Bearer " + b.carried(s).AccessToken},
		"in a list":         {good + ", " + good},
		"with a blank":      {good + " x"},
		"a cookie's secret": {"Bearer " + cookies},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(s.Log.events(t, "admin_refused"))
			h := headers("Content-Type", "application/x-www-form-urlencoded", "Cookie", cookies)
			h["Authorization"] = authorization

			p := s.administer(http.MethodPost, "user=alice&session=x", h).wants(t, http.StatusUnauthorized)

			if p.Header.Get("WWW-Authenticate") != `Bearer realm="doorward-admin"` || p.Header.Get("Cache-Control") != "no-store" || !json.Valid([]byte(p.Text)) {
				t.Errorf("the answer is %v %s", p.Header, p.Text)
			}
			if events := s.Log.events(t, "admin_refused"); len(events) != before+1 || events[before]["level"] != "warn" {
				t.Errorf("the log says %v", events)
			}
		})
	}
	inSession(t, s, "alice", cookies, true)
	if strings.Contains(s.Log.String(), adminToken) || logouts(s, "admin") != 0 {
		t.Error("the token is in the log, or a logout is counted")
	}
}

// A request that does not say exactly one thing ends nobody's session.
func TestRevocationsThatAreRefused(t *testing.T) {
	const form = "application/x-www-form-urlencoded"
	s := newSite(t, withAdminToken)
	cookies := s.signedIn("alice").cookieHeader(s)
	for name, test := range map[string]struct {
		method, kind, body string
		status             int
	}{
		"nothing":                  {"POST", form, "", 400},
		"nobody":                   {"POST", form, "user=", 400},
		"two users":                {"POST", form, "user=alice&user=bob", 400},
		"a user and a sid":         {"POST", form, "user=alice&sid=1", 400},
		"a user and something":     {"POST", form, "user=alice&x=", 400},
		"something else":           {"POST", form, "sub=alice", 400},
		"another letter case":      {"POST", form, "User=alice", 400},
		"a newline at the end":     {"POST", form, "user=alice%0A", 400},
		"a blank at the end":       {"POST", form, "user=alice+", 400},
		"no hash":                  {"POST", form, "session=alice", 400},
		"a form that is broken":    {"POST", form, "user=%zz", 400},
		"semicolons":               {"POST", form, "user=alice;x", 400},
		"JSON":                     {"POST", "application/json", `{"user":"alice"}`, 415},
		"no type":                  {"POST", "", "user=alice", 415},
		"more than anybody's name": {"POST", form, "user=" + strings.Repeat("a", 64<<10), 413},
		"GET":                      {"GET", form, "", 405},
		"PUT":                      {"PUT", form, "user=alice", 405},
	} {
		t.Run(name, func(t *testing.T) {
			h := headers("Authorization", "Bearer "+adminToken, "Content-Type", test.kind, "Accept", "text/html")

			p := s.administer(test.method, test.body, h).wants(t, test.status)

			if p.Header.Get("Content-Type") != "application/json" || p.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("the answer is %v %s", p.Header, p.Text)
			}
			if test.status == 405 && p.Header.Get("Allow") != "POST" {
				t.Errorf("allowed is %q", p.Header.Get("Allow"))
			}
		})
	}
	inSession(t, s, "alice", cookies, true)
	if n := logouts(s, "admin"); n != 0 {
		t.Errorf("%v logouts are counted", n)
	}
}

// Without ADMIN_TOKEN there is nothing to find, and the public listener has no such path at all.
func TestNoAdministrator(t *testing.T) {
	s := newSite(t, nil)
	cookies := s.signedIn("alice").cookieHeader(s)
	for _, token := range []string{adminToken, ""} {
		h := headers("Authorization", "Bearer "+token, "Content-Type", "application/x-www-form-urlencoded")
		s.administer(http.MethodPost, "user=alice", h).wants(t, http.StatusNotFound)
	}
	inSession(t, s, "alice", cookies, true)

	other := newSite(t, withAdminToken)
	cookies = other.signedIn("alice").cookieHeader(other)
	for _, path := range []string{"/sessions/revoke", "/oauth2/sessions/revoke"} {
		other.browser().request(http.MethodPost, other.URL+path, headers("Authorization", "Bearer "+adminToken, "Content-Type", "application/x-www-form-urlencoded"), "user=alice")
	}
	inSession(t, other, "alice", cookies, true)
}

// A form that does not arrive holds nobody up for long.
func TestARevocationThatNeverArrives(t *testing.T) {
	t.Parallel()
	s := newSite(t, withAdminToken)
	conn, err := net.Dial("tcp", s.adminListener().Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	began := time.Now()
	fmt.Fprintf(conn, "POST /sessions/revoke HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\nuser=", adminToken)
	answer, _ := io.ReadAll(conn)
	if took := time.Since(began); !strings.HasPrefix(string(answer), "HTTP/1.1 400 ") || took > 15*time.Second {
		t.Errorf("after %s the answer is %.40s", took, answer)
	}
}

// Whoever signs in where a clock was ahead, and has been mended, comes after whatever that clock saw revoked.
func TestALoginAfterAClockThatWasAhead(t *testing.T) {
	s := newSite(t, func(c *config.Config) {
		key := sha256.Sum256([]byte("sub\x00" + c.IssuerURL + "\x00alice"))
		record := binary.BigEndian.AppendUint64(key[:], uint64(time.Now().Add(2*time.Hour).UnixNano()))
		record = binary.BigEndian.AppendUint32(record, crc32.ChecksumIEEE(record))
		c.RevocationsPath = filepath.Join(t.TempDir(), "revocations")
		if err := os.WriteFile(c.RevocationsPath, append([]byte("doorward revocations 1\n"), record...), 0o600); err != nil {
			t.Fatal(err)
		}
	})
	inSession(t, s, "the new session", s.signedIn("alice").cookieHeader(s), true)
}
