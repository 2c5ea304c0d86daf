package proxy_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"doorward/session"
)

// browsing are the headers of a browser's navigation, in which it says what only browsers say.
func browsing() http.Header {
	h := navigation()
	h.Set("Upgrade-Insecure-Requests", "1")
	return h
}

// arrive opens an address without a session, as a browser that has this fragment, and goes as far as the login. Deploy/pages does so with
// a browser.
func (b *browser) arrive(s *site, path, fragment string) *page {
	b.t.Helper()
	p := b.request("GET", s.URL+path, browsing(), "")
	p = b.request("GET", p.location().String(), browsing(), "")
	onwards, err := url.Parse(s.URL + continues(p))
	if err != nil {
		b.t.Fatal(err)
	}
	query := onwards.Query()
	query.Set("rd", query.Get("rd")+fragment)
	onwards.RawQuery = query.Encode()
	return b.request("GET", onwards.String(), browsing(), "")
}

// continues is where a page leads on to by itself.
func continues(p *page) string {
	found := regexp.MustCompile(`class="on" href="([^"]*)"`).FindStringSubmatch(p.Text)
	if found == nil {
		return ""
	}
	return unescape(found[1])
}

func TestBrowsersStopOverForTheirFragment(t *testing.T) {
	s := newSite(t, nil)
	b := s.browser()

	first := b.request("GET", s.URL+"/deep?q=1&x=%26", browsing(), "")

	if want := s.URL + "/oauth2/start?rd=%2Fdeep%3Fq%3D1%26x%3D%2526"; first.StatusCode != http.StatusSeeOther || first.Header.Get("Location") != want {
		t.Fatalf("the answer is %d to %s, not to %s", first.StatusCode, first.Header.Get("Location"), want)
	}
	stop := b.request("GET", first.Header.Get("Location"), browsing(), "")
	isPage(t, stop)
	if onwards := "/oauth2/start?rd=%2Fdeep%3Fq%3D1%26x%3D%2526%23"; stop.StatusCode != http.StatusOK || continues(stop) != onwards {
		t.Errorf("the page is answered %d and leads to %q, not to %q", stop.StatusCode, continues(stop), onwards)
	}
	if without := `<noscript><meta http-equiv="refresh" content="0; url=/oauth2/start?rd=`; !strings.Contains(stop.Text, without) {
		t.Errorf("without scripts the page leads nowhere: %s", stop.Text)
	}
	if cookies := append(first.setsCookies(), stop.setsCookies()...); len(cookies) > 0 || s.metric("doorward_logins_started_total") != 0 {
		t.Errorf("a login began before the fragment is known: %q", cookies)
	}
	login := b.request("GET", s.URL+continues(stop), browsing(), "")
	isLogin(t, s, login)
	if back := b.open(b.walkTo(login.location().String(), isCallback)); back.Header.Get("Location") != "/deep?q=1&x=%26" {
		t.Errorf("the login leads back to %q", back.Header.Get("Location"))
	}
}

func TestFragmentComesBack(t *testing.T) {
	s := newSite(t, nil)
	b := s.browser()

	login := b.arrive(s, "/deep?q=1", "row-7?a=b&c=%2F")

	isLogin(t, s, login)
	if login.location().Fragment != "" || strings.Contains(login.Header.Get("Location"), "row-7") {
		t.Errorf("the provider learns of the fragment: %s", login.Header.Get("Location"))
	}
	callback := b.walkTo(login.location().String(), isCallback)
	if back := b.open(callback); back.Header.Get("Location") != "/deep?q=1#row-7?a=b&c=%2F" {
		t.Errorf("the login leads back to %q", back.Header.Get("Location"))
	}
	hasNoSecret(t, s)
}

// The page's one script is allowed by its hash, and the page of any other kind allows none.
func TestOnlyTheScriptForFragmentsMayRun(t *testing.T) {
	s := newSite(t, nil)
	b := s.browser()
	stop := b.request("GET", s.URL+"/oauth2/start?rd=/x", browsing(), "")
	script := regexp.MustCompile(`(?s)<script>(.*)</script>`).FindStringSubmatch(stop.Text)
	if script == nil {
		t.Fatalf("the page has no script: %s", stop.Text)
	}
	sum := sha256.Sum256([]byte(script[1]))
	allowed := "; script-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	if policy := stop.Header.Get("Content-Security-Policy"); !strings.HasSuffix(policy, allowed) {
		t.Errorf("the policy is %q, without %q", policy, allowed)
	}

	other := b.open(s.URL + "/oauth2/nothing")

	if policy := other.Header.Get("Content-Security-Policy"); strings.Contains(policy, "script-src") || strings.Contains(other.Text, "<script") {
		t.Errorf("a page without a script has the policy %q", policy)
	}
}

func TestWhoMakesNoStop(t *testing.T) {
	s := newSite(t, nil)
	longest := "/" + strings.Repeat("x", session.MaxReturnTo-1)
	for name, tt := range map[string]struct {
		method, path string
		header       http.Header
	}{
		"no browser":                   {"GET", "/deep", navigation()},
		"no browser, at the start":     {"GET", "/oauth2/start?rd=/deep", navigation()},
		"who wants no body":            {"HEAD", "/deep", browsing()},
		"whose fragment is known":      {"GET", "/oauth2/start?rd=/deep%23row-7", browsing()},
		"who has none":                 {"GET", "/oauth2/start?rd=/deep%23", browsing()},
		"who came from nowhere":        {"GET", "/oauth2/start", browsing()},
		"whom another site sends":      {"GET", "/oauth2/start?iss=" + url.QueryEscape(s.Provider.Issuer) + "&target_link_uri=/deep", browsing()},
		"whom the provider may expect": {"GET", "/oauth2/start?iss=" + url.QueryEscape(s.Provider.Issuer) + "&rd=/deep&login_hint=bob", browsing()},
		"whose address leaves no room": {"GET", "/oauth2/start?rd=" + longest, browsing()},
	} {
		t.Run(name, func(t *testing.T) {
			isLogin(t, s, s.browser().request(tt.method, s.URL+tt.path, tt.header, ""))
		})
	}
}

// What the rules ask of a login is asked for after the stop as well.
func TestStepUpAfterTheStop(t *testing.T) {
	s := newSite(t, rules("/strong/ acr:mfa"))
	b := s.signedIn("alice")

	login := b.arrive(s, "/strong/x", "row-7")

	if got := login.location().Query().Get("acr_values"); got != "mfa" {
		t.Errorf("the provider is asked for acr_values=%q", got)
	}
}

// What an upstream alone asks for nobody may ask for at the start, so the way there is the straight one.
func TestStepUpForAnUpstreamMakesNoStop(t *testing.T) {
	s := newSite(t, nil)
	b := s.signedIn("alice")
	s.Upstream.Answer = asksForRare

	login := b.request("GET", s.URL+"/deep", browsing(), "")

	if isLogin(t, s, login); login.location().Query().Get("acr_values") != "rare" {
		t.Errorf("the provider is asked for %s", login.location().RawQuery)
	}
}

func asksForRare(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("WWW-Authenticate", `Bearer error="insufficient_user_authentication", acr_values="rare"`)
	w.WriteHeader(http.StatusUnauthorized)
}

// What a rule asks for as well, an upstream may ask for with the stop.
func TestStepUpForAnUpstreamAfterTheStop(t *testing.T) {
	s := newSite(t, rules("/strong/ acr:rare"))
	b := s.signedIn("alice")
	s.Upstream.Answer = asksForRare

	login := b.arrive(s, "/deep", "row-7")

	if got := login.location().Query().Get("acr_values"); got != "rare" {
		t.Errorf("the provider is asked for acr_values=%q", got)
	}
}

// Logins that come back again and again are counted across the stop.
func TestLoginLoopWithAFragmentIsExplained(t *testing.T) {
	s := newSite(t, nil)
	b := s.browser()
	var last *page
	for range 3 {
		last = b.open(b.walkTo(b.arrive(s, "/app", "row-7").location().String(), isCallback))
		b.forget(s, sessionCookie(last))
	}

	isPage(t, last)
	if last.StatusCode != http.StatusBadRequest || s.metric("doorward_login_loops_total") != 1 || !strings.Contains(last.Text, `href="/app#row-7"`) {
		t.Errorf("the third login is answered %d: %s", last.StatusCode, last.Text)
	}
}

// A server in front hands the redirect on, and where the login is to begin is named in full: it would take a path for one of doorward's.
func TestBrowsersStopOverBehindAFront(t *testing.T) {
	for _, front := range []string{"traefik", "caddy", "envoy"} {
		t.Run(front, func(t *testing.T) {
			s := behindFront(t, front, nil)

			p := s.question(front, "GET", "/deep?q=1", append(navigating, "Upgrade-Insecure-Requests: 1")...)

			if want := s.URL + "/oauth2/start?rd=%2Fdeep%3Fq%3D1"; p.StatusCode != http.StatusSeeOther || p.Header.Get("Location") != want || len(p.setsCookies()) > 0 {
				t.Errorf("the answer is %d to %s, with %q", p.StatusCode, p.Header.Get("Location"), p.setsCookies())
			}
		})
	}
}
