package proxy_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"doorward/config"
)

const ofOurs = "max-age=31536000"

// strictOf is the one Strict-Transport-Security of an answer.
func strictOf(t *testing.T, h http.Header) string {
	t.Helper()
	values := h["Strict-Transport-Security"]
	if len(values) > 1 {
		t.Errorf("there are %d headers: %q", len(values), values)
	}
	return strings.Join(values, "|")
}

// Where PUBLIC_URL is https every answer says so: ours, refusals, and what upstreams answer or fail to (ASVS 3.4.1).
func TestEveryAnswerIsStrict(t *testing.T) {
	s := newTLSSite(t, func(c *config.Config) {
		c.AccessRules += "\n/down/ public"
		c.Upstreams += "\n/down/ http://127.0.0.1:1"
	})
	b := s.browser()
	for path, status := range map[string]int{
		"/": http.StatusSeeOther, "/public/": http.StatusOK, "/closed/": http.StatusForbidden, "/down/": http.StatusBadGateway,
		"/oauth2/start": http.StatusSeeOther, "/oauth2/callback": http.StatusBadRequest, "/oauth2/healthz": http.StatusOK, "/oauth2/none": http.StatusNotFound,
		"/oauth2/userinfo": http.StatusUnauthorized, "/public%2f..%2fadmin": http.StatusBadRequest,
	} {
		p := b.open(s.URL + path)
		if got := strictOf(t, p.Header); p.StatusCode != status || got != ofOurs {
			t.Errorf("%s: %d with %q", path, p.StatusCode, got)
		}
	}
}

// An upstream may ask for more, not for less.
func TestUpstreamsStrictness(t *testing.T) {
	for _, test := range []struct {
		said []string
		want string
	}{
		{nil, ofOurs},
		{[]string{"max-age=0"}, ofOurs},
		{[]string{"max-age=300; includeSubDomains"}, ofOurs},
		{[]string{"includeSubDomains"}, ofOurs},
		{[]string{"max-age=63072000; max-age=0"}, ofOurs},
		{[]string{"max-age=0; max-age=63072000"}, ofOurs},
		{[]string{"max-age=a-long-time"}, ofOurs},
		{[]string{"max-age=63072000", "max-age=0"}, ofOurs},
		{[]string{"max-age=31536000"}, "max-age=31536000"},
		{[]string{"max-age=63072000; includeSubDomains; preload"}, "max-age=63072000; includeSubDomains; preload"},
		{[]string{` includeSubDomains ; MAX-AGE = "63072000" `}, `includeSubDomains ; MAX-AGE = "63072000"`},
	} {
		s := newTLSSite(t, nil)
		s.Upstream.Answer = func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Strict-Transport-Security"] = test.said
			w.Header().Set("Link", "</x>")
			w.WriteHeader(http.StatusEarlyHints) // after which ReverseProxy clears the headers (golang/go#81207)
			_, _ = io.WriteString(w, "hello")
		}
		if got := strictOf(t, s.browser().open(s.URL+"/public/").Header); got != test.want {
			t.Errorf("%q: the browser is told %q, want %q", test.said, got, test.want)
		}
	}
}

func TestUpgradesAreStrict(t *testing.T) {
	s := newTLSSite(t, nil)
	s.Upstream.Answer = func(w http.ResponseWriter, r *http.Request) {
		if conn, err := websocket.Accept(w, r, nil); err == nil {
			_ = conn.CloseNow()
		}
	}
	conn, answer, err := websocket.Dial(t.Context(), s.URL+"/public/", &websocket.DialOptions{HTTPClient: s.browser().client})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	if got := strictOf(t, answer.Header); got != ofOurs {
		t.Errorf("the browser is told %q", got)
	}
}

// On plain http, and at localhost, which many programs share, nothing is said.
func TestWhereNothingIsStrict(t *testing.T) {
	plain := newSite(t, nil)
	if got := strictOf(t, plain.rawGet("/public/").Header); got != "" {
		t.Errorf("plain http is told %q", got)
	}
	for host, want := range map[string]string{"localhost:4180": "", "app.localhost": "", "app.example.com": ofOurs, "localhost.example.com": ofOurs} {
		s := newSite(t, func(c *config.Config) {
			c.PublicURL = []string{"https://" + host}
			c.AccessRules = "/ public"
		})
		p := s.raw("GET / HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n")
		if got := strictOf(t, p.Header); p.StatusCode != http.StatusOK || got != want {
			t.Errorf("%s: %d with %q, want %q", host, p.StatusCode, got, want)
		}
	}
}

// A server in front that relays our answers knows us by another host than its client asks for, and that one counts.
func TestStrictnessOfRelayedAnswers(t *testing.T) {
	for host, want := range map[string]string{"localhost:8443": "", "app.example.com": ofOurs} {
		s := behindFront(t, "traefik", func(c *config.Config) { c.PublicURL = []string{"https://" + host} })
		for _, us := range []string{"doorward", "localhost:4180"} {
			_, _, told := forwarded("GET", host, "/closed/")
			p := s.raw("GET /oauth2/auth HTTP/1.1\r\nHost: " + us + "\r\nConnection: close\r\n" + strings.Join(told, "\r\n") + "\r\n\r\n")
			if got := strictOf(t, p.Header); p.StatusCode != http.StatusForbidden || got != want {
				t.Errorf("asked as %s about %s: %d with %q, want %q", us, host, p.StatusCode, got, want)
			}
		}
	}
}
