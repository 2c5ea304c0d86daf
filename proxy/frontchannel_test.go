package proxy_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"doorward/config"
	"doorward/proxy/providertest"
)

// frameHeaders are those with which a browser loads a frame of a page on another site.
func frameHeaders() http.Header {
	return headers("Accept", "text/html,*/*;q=0.8", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe", "Sec-Fetch-Site", "cross-site")
}

func (s *site) frameAddress(issuer, sid string) string {
	return s.URL + "/oauth2/frontchannel-logout?" + url.Values{"iss": {issuer}, "sid": {sid}}.Encode()
}

// frame loads our frame as most browsers do: without the cookies of this site.
func (s *site) frame(issuer, sid string) *page {
	s.t.Helper()
	return s.browser().request(http.MethodGet, s.frameAddress(issuer, sid), frameHeaders(), "")
}

// isFrame checks that the answer can be shown in a frame of the provider's, and in no other, and is kept by nobody.
func isFrame(t *testing.T, s *site, p *page) {
	t.Helper()
	issuer, _ := url.Parse(s.Provider.Issuer)
	if p.StatusCode != http.StatusOK || !strings.HasPrefix(p.Header.Get("Content-Type"), "text/html") || p.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("the answer is %d: %v", p.StatusCode, p.Header)
	}
	policy := p.Header.Get("Content-Security-Policy")
	if !strings.HasSuffix(policy, "frame-ancestors http://"+issuer.Host) || !strings.Contains(policy, "default-src 'none'") || p.Header.Get("X-Frame-Options") != "" {
		t.Errorf("who may frame it: %q, %q", policy, p.Header.Get("X-Frame-Options"))
	}
}

// Module rp-frontchannel-rpinitlogout: the provider's page has a frame of ours, which the browser loads before it goes on.
func TestFrontChannelWithinTheEndSessionEndpoint(t *testing.T) {
	s := newSite(t, nil, inOneSession())
	s.Provider.RegisterLogout("", s.URL+"/oauth2/frontchannel-logout")
	other := s.signedIn("alice").cookieHeader(s) // in the same session of the provider's
	b := s.signedIn("alice")

	shown := b.follow(b.signOut(s, ""), func(*url.URL) bool { return false })
	frame := regexp.MustCompile(`<iframe src="([^"]*)"`).FindStringSubmatch(shown.Text)
	onwards := regexp.MustCompile(`href="([^"]*)"`).FindStringSubmatch(shown.Text)
	if frame == nil || onwards == nil {
		t.Fatalf("the provider shows %s", shown.Text)
	}
	isFrame(t, s, b.request(http.MethodGet, unescape(frame[1]), frameHeaders(), ""))
	end := b.open(unescape(onwards[1]))

	isPage(t, end)
	if !strings.Contains(end.Text, "You are signed out") {
		t.Errorf("the page says %s", end.Text)
	}
	hasNoSession(t, s, b)
	inSession(t, s, "another application's copy", other, false)
	if logouts(s, "front_channel") != 1 || logouts(s, "rp_initiated") != 1 {
		t.Errorf("counted are %v", s.metrics())
	}
}

// Module rp-frontchannel-opinitlogout: nobody has signed out here before, and no cookie comes along.
func TestFrontChannelLogoutBySid(t *testing.T) {
	s := newSite(t, nil)
	first := s.signedIn("alice").cookieHeader(s)
	sid := sidOf(t, s)
	second, bob := s.signedIn("alice").cookieHeader(s), s.signedIn("bob").cookieHeader(s)

	isFrame(t, s, s.frame(s.Provider.Issuer, sid))

	inSession(t, s, "the session", first, false)
	inSession(t, s, "another of hers", second, true)
	inSession(t, s, "bob", bob, true)
	if events := s.Log.events(t, "logout"); len(events) != 1 || events[0]["reason"] != "front_channel" {
		t.Errorf("the log says %v", events)
	}
	hasNoSecret(t, s)
	isFrame(t, s, s.frame(s.Provider.Issuer, sid)) // once more
	if n := logouts(s, "front_channel"); n != 1 {
		t.Errorf("%v logouts are counted", n)
	}
}

// After a restart a session is known again with its first request.
func TestFrontChannelLogoutAfterARestart(t *testing.T) {
	secrets := []string{config.NewSecret()}
	s := newSite(t, func(c *config.Config) { c.CookieSecrets = secrets })
	alice := s.signedIn("alice").cookieHeader(s)
	sid := sidOf(t, s)
	other := newSite(t, func(c *config.Config) { c.CookieSecrets, c.IssuerURL = secrets, s.Provider.Issuer })

	other.frame(s.Provider.Issuer, sid)
	inSession(t, other, "before doorward has seen the session", alice, true)
	other.frame(s.Provider.Issuer, sid)
	inSession(t, other, "afterwards", alice, false)
}

// A browser that brings its session needs no request before, and the log says whose it was.
func TestFrontChannelLogoutIsTheFirstRequest(t *testing.T) {
	secrets := []string{config.NewSecret()}
	s := newSite(t, func(c *config.Config) { c.CookieSecrets = secrets })
	alice := s.signedIn("alice").cookieHeader(s)
	other := newSite(t, func(c *config.Config) { c.CookieSecrets, c.IssuerURL = secrets, s.Provider.Issuer })

	other.rawGet(strings.TrimPrefix(s.frameAddress(s.Provider.Issuer, sidOf(t, s)), s.URL), "Cookie: "+alice)

	inSession(t, other, "afterwards", alice, false)
	if events := other.Log.events(t, "logout"); len(events) != 1 || events[0]["user"] != "alice" {
		t.Errorf("the log says %v", events)
	}
}

// What does not name a session of our provider's ends none, and looks like what does.
func TestFrontChannelLogoutsThatEndNothing(t *testing.T) {
	s := newSite(t, nil)
	alice := s.signedIn("alice")
	cookies, sid := alice.cookieHeader(s), sidOf(t, s)
	for name, address := range map[string]string{
		"another issuer":           s.frameAddress(s.Provider.Issuer+"x", sid),
		"the issuer without slash": s.frameAddress(strings.TrimSuffix(s.Provider.Issuer, "/"), sid),
		"the issuer in capitals":   s.frameAddress(strings.ToUpper(s.Provider.Issuer), sid),
		"no issuer":                s.frameAddress("", sid),
		"another sid":              s.frameAddress(s.Provider.Issuer, sid+"x"),
		"the sid in capitals":      s.frameAddress(s.Provider.Issuer, strings.ToLower(sid)),
		"an empty sid":             s.frameAddress(s.Provider.Issuer, ""),
		"her name":                 s.frameAddress(s.Provider.Issuer, "alice"),
		"nothing":                  s.URL + "/oauth2/frontchannel-logout",
	} {
		for _, b := range []*browser{s.browser(), alice} {
			if name == "nothing" && b == alice {
				continue
			}
			p := b.request(http.MethodGet, address, frameHeaders(), "")
			isFrame(t, s, p)
			if len(p.Header["Set-Cookie"]) != 0 {
				t.Errorf("%s: cookies are set or cleared: %v", name, p.Header["Set-Cookie"])
			}
			inSession(t, s, name, cookies, true)
		}
	}
	if n := logouts(s, "front_channel"); n != 0 {
		t.Errorf("%v logouts are counted", n)
	}
}

// entra is a site whose provider is known by an issuer of Entra ID's. reached is where an address of that leads to.
func entra(t *testing.T) (s *site, reached func(*url.URL) string) {
	const origin = "https://login.microsoftonline.com"
	rename := func(p *providertest.Provider, text string) string {
		at, _ := url.Parse(p.Issuer)
		return strings.Replace(text, "http://"+at.Host, origin, 1)
	}
	inToken := func(p *providertest.Provider, j *providertest.JWT) { j.Claims["iss"] = rename(p, p.Issuer) }
	s = newSite(t, func(c *config.Config) {
		at, _ := url.Parse(c.IssuerURL)
		c.ProviderInternalURL, c.IssuerURL = "http://"+at.Host, origin+at.Path
	}, providertest.Mutation{
		Name: "entra-issuer", IDToken: inToken, AccessToken: inToken,
		Metadata: func(p *providertest.Provider, members map[string]any) {
			for name, value := range members {
				if text, is := value.(string); is {
					members[name] = rename(p, text)
				}
			}
		},
	})
	return s, func(u *url.URL) string { return strings.Replace(u.String(), origin, s.settings.ProviderInternalURL, 1) }
}

// Entra ID names the session by sid alone.
func TestFrontChannelLogoutWithoutIssuer(t *testing.T) {
	s, reached := entra(t)
	b := s.browser()
	b.walk(reached(b.open(s.URL+"/x").location())).wants(t, http.StatusOK)
	cookies, sid := b.cookieHeader(s), sidOf(t, s)
	for query, status := range map[string]int{
		"?iss=" + url.QueryEscape(s.settings.IssuerURL): 400, "?sid=another": 200, "?sid=": 200,
		"?sid=" + sid + "&iss=" + url.QueryEscape(s.Provider.Issuer): 200,
	} {
		s.rawGet("/oauth2/frontchannel-logout"+query, "Accept: text/html", "Sec-Fetch-Dest: iframe").wants(t, status)
		inSession(t, s, query, cookies, true)
	}
	s.rawGet("/oauth2/frontchannel-logout?sid="+sid, "Accept: text/html", "Sec-Fetch-Dest: iframe").wants(t, http.StatusOK)
	inSession(t, s, "sid alone", cookies, false)
}

// Requests that have no meaning are refused.
func TestFrontChannelLogoutsThatAreRefused(t *testing.T) {
	s := newSite(t, nil)
	cookies := s.signedIn("alice").cookieHeader(s)
	sid, issuer := sidOf(t, s), url.QueryEscape(s.Provider.Issuer)
	for _, query := range []string{
		"?iss=" + issuer, "?sid=" + sid, "?iss=" + issuer + "&sid=" + sid + "&sid=" + sid, "?iss=" + issuer + "&iss=" + issuer + "&sid=" + sid,
		"?iss=" + issuer + "&sid=" + sid + "&%zz", "?iss=" + issuer + "&sid=" + sid + "&x;y",
	} {
		if p := s.rawGet("/oauth2/frontchannel-logout"+query, "Accept: text/html", "Sec-Fetch-Dest: iframe"); p.StatusCode != http.StatusBadRequest {
			t.Errorf("%s is answered %d", query, p.StatusCode)
		}
	}
	for _, method := range []string{"POST", "HEAD", "PUT", "OPTIONS"} {
		if p := s.rawRequest(method, strings.TrimPrefix(s.frameAddress(s.Provider.Issuer, sid), s.URL), "Content-Length: 0"); p.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%s is answered %d", method, p.StatusCode)
		}
	}
	inSession(t, s, "afterwards", cookies, true)
	if s.rawGet("/oauth2/frontchannel-logout?iss="+issuer+"&sid="+sid+"&extra=is+ignored", "Accept: text/html"); s.status(cookies) == http.StatusOK {
		t.Error("a parameter that nobody knows keeps the session alive")
	}
}

// Where the cookie comes along, the session in it is the one that is meant, or nothing happens.
func TestFrontChannelLogoutWithTheBrowsersSession(t *testing.T) {
	s := newSite(t, nil)
	bob := s.signedIn("bob").cookieHeader(s)
	bobs := sidOf(t, s)
	alice := s.signedIn("alice")
	cookies, sid := alice.cookieHeader(s), sidOf(t, s)

	isFrame(t, s, alice.request(http.MethodGet, s.frameAddress(s.Provider.Issuer, bobs), frameHeaders(), ""))
	inSession(t, s, "bob", bob, true)
	inSession(t, s, "alice", cookies, true)

	isFrame(t, s, alice.request(http.MethodGet, s.frameAddress(s.Provider.Issuer, sid), frameHeaders(), ""))
	inSession(t, s, "alice, when she is meant", cookies, false)
	if left := alice.cookies(s.URL); len(left) != 0 {
		t.Errorf("the browser still holds %d cookies", len(left))
	}
	inSession(t, s, "bob, afterwards", bob, true)
}

// A frame that names nobody ends the browser's own session, and that browser says that it is a frame: no link does it.
func TestFrontChannelLogoutThatNamesNobody(t *testing.T) {
	for dest, ends := range map[string]bool{"iframe": true, "frame": true, "document": false, "image": false, "": false} {
		s := newSite(t, nil)
		b := s.signedIn("alice")
		cookies, header := b.cookieHeader(s), frameHeaders()
		header.Set("Sec-Fetch-Dest", dest)
		if dest == "" {
			header = headers("Accept", "text/html")
		}

		isFrame(t, s, b.request(http.MethodGet, s.URL+"/oauth2/frontchannel-logout", header, ""))

		inSession(t, s, "Sec-Fetch-Dest "+dest, cookies, !ends)
		if (len(b.cookies(s.URL)) == 0) != ends {
			t.Errorf("with Sec-Fetch-Dest %q the browser holds %d cookies", dest, len(b.cookies(s.URL)))
		}
	}
}

// A new login in the same session of the provider's counts, and can be ended again.
func TestANewLoginAfterAFrontChannelLogoutCounts(t *testing.T) {
	s := newSite(t, nil, inOneSession())
	before := s.signedIn("alice").cookieHeader(s)
	s.frame(s.Provider.Issuer, "the-one")
	after := s.signedIn("alice").cookieHeader(s)
	inSession(t, s, "before", before, false)
	inSession(t, s, "after", after, true)
	s.frame(s.Provider.Issuer, "the-one")
	inSession(t, s, "after, ended too", after, false)
}

// Nobody has proved who asks, so no token is touched at the provider: it is not asked at all.
func TestFrontChannelLogoutAsksTheProviderNothing(t *testing.T) {
	s := newSite(t, nil)
	s.signedIn("alice")
	sid := sidOf(t, s)
	asked := func() (n int) {
		for _, e := range []providertest.Endpoint{providertest.Discovery, providertest.Keys, providertest.Token, providertest.Userinfo, providertest.EndSession} {
			n += len(s.Provider.Requests(e))
		}
		return n
	}
	before := asked()
	s.frame(s.Provider.Issuer, sid)
	if n := asked() - before; n != 0 {
		t.Errorf("the provider was asked %d times", n)
	}
}

// It touches no token at the provider either, whosever session it ends: nobody has proved who asks.
func TestFrontChannelLogoutRevokesNoToken(t *testing.T) {
	for name, address := range map[string]func(*site) string{
		"the session that is named":         func(s *site) string { return s.frameAddress(s.Provider.Issuer, sidOf(t, s)) },
		"the session that is the browser's": func(s *site) string { return s.URL + "/oauth2/frontchannel-logout" },
	} {
		t.Run(name, func(t *testing.T) {
			s := newLivingSite(t, nil)
			b := s.signedIn("alice")
			cookies := b.cookieHeader(s)
			isFrame(t, s, b.request(http.MethodGet, address(s), frameHeaders(), ""))
			inSession(t, s, name, cookies, false)
			s.Proxy.Rest()
			if n := len(s.Provider.Requests(providertest.Revocation)); n != 0 {
				t.Errorf("%d tokens were revoked", n)
			}
		})
	}
}

// The sid that a refresh brings counts from then on, not from the next request, and whichever cookies the frame's request carries.
func TestFrontChannelLogoutBySidOfARefresh(t *testing.T) {
	for _, carried := range []string{"no cookies", "the new cookies", "the old cookies"} {
		t.Run(carried, func(t *testing.T) {
			s := newLivingSite(t, nil, providertest.Mutation{Name: "sid-at-refresh",
				IDToken:        func(_ *providertest.Provider, j *providertest.JWT) { delete(j.Claims, "sid") },
				RefreshIDToken: func(_ *providertest.Provider, j *providertest.JWT) { j.Claims["sid"] = "late" }})
			b := s.signedIn("alice")
			before := b.age(s, untilDead)
			b.keep(s, s.rawAs(before, "/x").wants(t, http.StatusOK).Header)
			header := frameHeaders()
			if cookies := map[string]string{"the new cookies": b.cookieHeader(s), "the old cookies": before}[carried]; cookies != "" {
				header.Set("Cookie", cookies)
			}
			isFrame(t, s, s.browser().request(http.MethodGet, s.frameAddress(s.Provider.Issuer, "late"), header, ""))
			inSession(t, s, "the session", b.cookieHeader(s), false)
			inSession(t, s, "the session by its cookies of before, which name no sid", before, false)
		})
	}
}

// A browser whose own session has ended stands in the way of no sign-out of another.
func TestFrontChannelLogoutWithASessionThatIsOver(t *testing.T) {
	s := newSite(t, nil)
	bob := s.signedIn("bob").cookieHeader(s)
	bobs := sidOf(t, s)
	alice := s.signedIn("alice")
	s.frame(s.Provider.Issuer, sidOf(t, s)) // without her cookies, which stay

	isFrame(t, s, alice.request(http.MethodGet, s.frameAddress(s.Provider.Issuer, bobs), frameHeaders(), ""))

	inSession(t, s, "bob", bob, false)
}

// At Entra ID, too, a frame that names nobody ends the browser's own session.
func TestFrontChannelLogoutOfEntraThatNamesNobody(t *testing.T) {
	s, reached := entra(t)
	b := s.browser()
	b.walk(reached(b.open(s.URL+"/x").location())).wants(t, http.StatusOK)
	cookies := b.cookieHeader(s)
	isAFrame := b.request(http.MethodGet, s.URL+"/oauth2/frontchannel-logout", frameHeaders(), "")
	isAFrame.wants(t, http.StatusOK)
	inSession(t, s, "afterwards", cookies, false)
}
