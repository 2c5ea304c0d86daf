package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"doorward/config"
	"doorward/deploy/certtest"
	"doorward/proxy"
	"doorward/proxy/provider"
)

// loaded is the configuration of an environment.
func loaded(t *testing.T, settings map[string]string) *config.Config {
	t.Helper()
	environment(t, settings)
	c, err := config.Load()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func upstreamOf(t *testing.T, entry string) config.Upstream {
	t.Helper()
	table, err := loaded(t, map[string]string{"UPSTREAMS": entry}).UpstreamTable()
	if err != nil {
		t.Fatal(err)
	}
	return table[0]
}

func TestCheckLiveLooksAtWhatIsHere(t *testing.T) {
	const ok, note, fail = provider.LevelOK, provider.LevelNote, provider.LevelFail
	settings := func(pairs ...string) map[string]string {
		m := map[string]string{}
		for pair := range slices.Chunk(pairs, 2) {
			m[pair[0]] = pair[1]
		}
		return m
	}
	certified := func(left time.Duration, pairs ...string) map[string]string {
		own := certtest.New(t).Issue(1, time.Now().Add(left), "app.example.com")
		return settings(append(pairs, "TLS_CERT", own.Certificate, "TLS_KEY", own.Key)...)
	}
	const day = 24 * time.Hour
	for _, c := range []struct {
		name       string
		settings   map[string]string
		id         string
		level      provider.Level
		says, mend string
	}{
		{"the usual name", nil, "cookie.prefix", ok, "keeps other hosts", ""},
		{"another name", settings("COOKIE_NAME", "session"), "cookie.prefix", note, "hosts beside this one", "__Host-"},
		{"a name for siblings", settings("COOKIE_NAME", "__Secure-x"), "cookie.prefix", note, "hosts beside this one", "__Host-"},
		{"plain http", settings("PUBLIC_URL", "http://app.example.com", "INSECURE_PUBLIC_HTTP", "true"), "cookie.prefix", note, "over https alone", "DOORWARD_PUBLIC_URL"},
		{"plain http here", settings("PUBLIC_URL", "http://localhost:4180"), "cookie.prefix", ok, "on this machine", ""},

		{"usual size", nil, "cookie.size", ok, "8192 bytes hold about ", ""},
		{"small size", settings("SESSION_COOKIE_MAX_BYTES", "2500"), "cookie.size", note, "2500 bytes hold about ", "DOORWARD_REDIS_URL"},
		{"no room at all", settings("SESSION_COOKIE_MAX_BYTES", "600"), "cookie.size", note, "600 bytes hold about 0 groups", "DOORWARD_SESSION_COOKIE_MAX_BYTES"},
		{"in Redis", settings("REDIS_URL", "redis://127.0.0.1:1"), "cookie.size", ok, "sessions live in Redis", ""},
		{"beyond servers in front", settings("SESSION_COOKIE_MAX_BYTES", "16384"), "cookie.limit", note, "nginx and Apache", "large_client_header_buffers"},
		{"beyond our own limit", settings("SESSION_COOKIE_MAX_BYTES", "60000"), "cookie.limit", note, "431", "DOORWARD_MAX_HEADER_BYTES"},

		{"TLS ends in front", nil, "proxies.trusted", note, "X-Forwarded-For is ignored", "DOORWARD_TRUSTED_PROXIES"},
		{"TLS ends in front, and rules ask where", settings("ACCESS_RULES", "/ ip:10.0.0.0/8"), "proxies.trusted", fail, "X-Forwarded-For is ignored", "DOORWARD_TRUSTED_PROXIES"},
		{"trusted", settings("TRUSTED_PROXIES", "10.1.2.3"), "proxies.trusted", ok, "10.1.2.3 may say", ""},
		{"everybody inside is trusted", settings("TRUSTED_PROXIES", "private"), "proxies.trusted", ok, "private may say", ""},
		{"everybody inside is trusted, and rules ask where", settings("TRUSTED_PROXIES", "private", "ACCESS_RULES", "/ ip:10.0.0.0/8"), "proxies.trusted", note, "every machine", "alone"},
		{"TLS ends here", certified(60 * day), "proxies.trusted", ok, "none", ""},

		{"good certificate", certified(60 * day), "tls.certificate", ok, "every public host", ""},
		{"certificate nearly over", certified(13 * day), "tls.certificate", note, "renew it", "renewed it by now"},
		{"certificate over", certified(-day), "tls.certificate", fail, "expired at", "in date"},
		{"certificate of another host", certified(60*day, "PUBLIC_URL", "https://app.example.com,https://b.example.com"), "tls.certificate", fail, "not for b.example.com", "names every host"},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := loaded(t, c.settings)
			findings := append(inspectCookies(config), inspectFront(config)...)
			if !slices.ContainsFunc(findings, func(f finding) bool {
				return f.ID == c.id && f.Level == c.level && strings.Contains(f.Says, c.says) && strings.Contains(f.Mend, c.mend) && (c.level == ok) == (f.Mend == "")
			}) {
				t.Errorf("%s %s %q is missing in\n%+v", c.level, c.id, c.says, findings)
			}
		})
	}
}

// The certificate's faults are told once, where they have their level.
func TestCheckTellsTheCertificateOnce(t *testing.T) {
	own := certtest.New(t).Issue(1, time.Now().Add(-time.Hour), "app.example.com")
	for _, args := range [][]string{{"check"}, {"check", "--live"}} {
		environment(t, map[string]string{"TLS_CERT": own.Certificate, "TLS_KEY": own.Key, "ISSUER_URL": "http://127.0.0.1:1", "UPSTREAMS": "http://127.0.0.1:1"})
		if _, out, _ := command(t, args...); strings.Count(out, "expired at") != 1 {
			t.Errorf("%v:\n%s", args, out)
		}
	}
}

// The figures are those of the code that seals: what it says there is room for has room, and what it does not, has none.
func TestCookieSizeIsMeasured(t *testing.T) {
	c := loaded(t, map[string]string{"SESSION_COOKIE_MAX_BYTES": "4000"})
	measure, err := proxy.CookieMeasure(c)
	if err != nil {
		t.Fatal(err)
	}
	s := sizes{c, measure, groupID}
	room := s.room()
	if room < 20 || s.of(room-5) > 4000 || s.of(room+5) <= 4000 { // tokens are random, so that sizes differ by a few bytes
		t.Errorf("room for %d: %d bytes below, %d above", room, s.of(room-5), s.of(room+5))
	}
}

// Cookies that would exceed SESSION_COOKIE_MAX_BYTES are measured as well: how far over it they are is what is asked.
func TestCookieSizeIsMeasuredBeyondItsLimit(t *testing.T) {
	narrow, wide := loaded(t, map[string]string{"SESSION_COOKIE_MAX_BYTES": "512"}), loaded(t, map[string]string{"SESSION_COOKIE_MAX_BYTES": "60KiB"})
	bytes := map[*config.Config]int{}
	for _, c := range []*config.Config{narrow, wide} {
		measure, err := proxy.CookieMeasure(c)
		if err != nil {
			t.Fatal(err)
		}
		if bytes[c], err = measure(usualSession(c, 10, groupName)); err != nil {
			t.Errorf("with %d bytes: %v", c.SessionCookieMaxBytes, err)
		}
	}
	if few, many := bytes[narrow], bytes[wide]; few < 1000 || many-few > 100 || few-many > 100 { // tokens are random, so that sizes differ by a few bytes
		t.Errorf("the same session has %d bytes and %d", few, many)
	}
}

// Measuring leaves the file of revocations to the doorward that runs.
func TestCookieSizeIsMeasuredWithoutTheFileOfRevocations(t *testing.T) {
	path := filepath.Join(t.TempDir(), "revocations")
	if _, err := proxy.CookieMeasure(loaded(t, map[string]string{"REVOCATIONS_PATH": path})); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("there is one: %v", err)
	}
}
