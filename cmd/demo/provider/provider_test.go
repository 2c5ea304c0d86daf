package provider

import (
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

const callback = "http://app.example/callback"

// browser is somebody in front of the provider: a cookie jar that stops where the application would take over.
type browser struct {
	t      *testing.T
	issuer string
	http   *http.Client
	config oauth2.Config
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	issuer := "http://" + server.Listener.Addr().String()
	p, err := New(Options{
		Issuer: issuer, ClientID: "app", ClientSecret: "secret & more", Audience: "api",
		RedirectURIs: []string{callback}, PostLogoutURIs: []string{"http://app.example/bye"},
	})
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = p
	server.Start()
	t.Cleanup(server.Close)
	jar, _ := cookiejar.New(nil)
	b := &browser{t: t, issuer: issuer, http: &http.Client{Jar: jar, CheckRedirect: untilCallback}}
	b.config = oauth2.Config{
		ClientID: "app", ClientSecret: "secret & more", RedirectURL: callback,
		Endpoint: b.discover().Endpoint(), Scopes: []string{"openid", "profile", "email", "groups", "offline_access"},
	}
	b.config.Endpoint.AuthStyle = oauth2.AuthStyleInHeader
	return b
}

// untilCallback follows redirects as far as the application.
func untilCallback(r *http.Request, _ []*http.Request) error {
	if r.URL.Host == "app.example" {
		return http.ErrUseLastResponse
	}
	return nil
}

func (b *browser) discover() *oidc.Provider {
	b.t.Helper()
	found, err := oidc.NewProvider(b.t.Context(), b.issuer)
	if err != nil {
		b.t.Fatal(err)
	}
	return found
}

// authorize opens the authorization URL and returns what the browser ends with: a page, or the redirect to the application.
func (b *browser) authorize(more ...oauth2.AuthCodeOption) (location *url.URL, page string) {
	b.t.Helper()
	more = append(more, oauth2.S256ChallengeOption("the-verifier-of-this-very-login-is-43-or-more"), oauth2.SetAuthURLParam("nonce", "n-1"))
	return b.end(b.http.Get(b.config.AuthCodeURL("state-1", more...)))
}

// click presses a user's button on the login page.
func (b *browser) click(page, user string) *url.URL {
	b.t.Helper()
	id := regexp.MustCompile(`name="id" value="([^"]+)"`).FindStringSubmatch(page)
	if id == nil {
		b.t.Fatalf("this is no login page: %s", page)
	}
	location, page := b.end(b.http.PostForm(b.issuer+loginPath, url.Values{"id": {id[1]}, "user": {user}}))
	if location == nil {
		b.t.Fatalf("no redirect to the application: %s", page)
	}
	return location
}

func (b *browser) end(r *http.Response, err error) (*url.URL, string) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
	defer r.Body.Close()
	body, _ := io.ReadAll(r.Body)
	location, err := r.Location()
	if err != nil {
		return nil, string(body)
	}
	return location, string(body)
}

// signIn is a whole login, up to the code.
func (b *browser) signIn(user string) (code string) {
	b.t.Helper()
	_, page := b.authorize()
	return b.click(page, user).Query().Get("code")
}

func (b *browser) exchange(code string) (*oauth2.Token, error) {
	return b.config.Exchange(b.t.Context(), code, oauth2.VerifierOption("the-verifier-of-this-very-login-is-43-or-more"))
}

// claims verifies a token as its audience would.
func (b *browser) claims(token, audience string) map[string]any {
	b.t.Helper()
	verified, err := b.discover().Verifier(&oidc.Config{ClientID: audience}).Verify(b.t.Context(), token)
	if err != nil {
		b.t.Fatal(err)
	}
	var claims map[string]any
	if err := verified.Claims(&claims); err != nil {
		b.t.Fatal(err)
	}
	return claims
}

func TestLoginIssuesTokens(t *testing.T) {
	b := newBrowser(t)
	_, page := b.authorize()
	back := b.click(page, "alice")
	if got := back.Query().Get("state"); got != "state-1" {
		t.Errorf("state came back as %q", got)
	}
	tokens, err := b.exchange(back.Query().Get("code"))
	if err != nil {
		t.Fatal(err)
	}
	id := b.claims(tokens.Extra("id_token").(string), "app")
	want := map[string]any{
		"sub": "alice", "nonce": "n-1", "azp": "app", "name": "Alice Archer", "preferred_username": "alice",
		"email": "alice@example.com", "email_verified": true,
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if id[name] != want[name] {
			t.Errorf("ID token: %s is %v, want %v", name, id[name], want[name])
		}
	}
	access := b.claims(tokens.AccessToken, "api")
	for name, claims := range map[string]map[string]any{"ID token": id, "access token": access} {
		if groups, _ := claims["groups"].([]any); !slices.Equal(groups, []any{"Admin", "Dev"}) {
			t.Errorf("%s: groups are %v", name, claims["groups"])
		}
		if audiences, ok := claims["aud"].([]any); !ok || len(audiences) != 1 {
			t.Errorf("%s: aud is %v, want exactly one", name, claims["aud"])
		}
	}
	if id["sid"] == nil || id["at_hash"] == nil || id["auth_time"] == nil {
		t.Errorf("ID token without sid, at_hash or auth_time: %v", id)
	}
}

func TestScopesDecideWhatTheIDTokenTells(t *testing.T) {
	b := newBrowser(t)
	b.config.Scopes = []string{"openid"}
	tokens, err := b.exchange(b.signIn("alice"))
	if err != nil {
		t.Fatal(err)
	}
	id := b.claims(tokens.Extra("id_token").(string), "app")
	for _, name := range []string{"name", "email", "groups"} {
		if id[name] != nil {
			t.Errorf("%s is told without its scope: %v", name, id[name])
		}
	}
	if tokens.RefreshToken != "" {
		t.Error("a refresh token came without offline_access")
	}
}

func TestUserinfo(t *testing.T) {
	b := newBrowser(t)
	tokens, err := b.exchange(b.signIn("carol"))
	if err != nil {
		t.Fatal(err)
	}
	info, err := b.discover().UserInfo(t.Context(), oauth2.StaticTokenSource(tokens))
	if err != nil {
		t.Fatal(err)
	}
	var claims struct{ Groups []string }
	if err := info.Claims(&claims); err != nil {
		t.Fatal(err)
	}
	if info.Subject != "carol" || info.Email != "carol@example.com" || claims.Groups == nil || len(claims.Groups) != 0 {
		t.Errorf("userinfo is %+v, groups %v", info, claims.Groups)
	}
}

func TestSingleSignOn(t *testing.T) {
	tests := []struct {
		name  string
		more  []oauth2.AuthCodeOption
		asked bool
	}{
		{"second login passes", nil, false},
		{"prompt=login asks again", []oauth2.AuthCodeOption{oauth2.SetAuthURLParam("prompt", "login")}, true},
		{"max_age=0 asks again", []oauth2.AuthCodeOption{oauth2.SetAuthURLParam("max_age", "0")}, true},
		{"max_age=3600 passes", []oauth2.AuthCodeOption{oauth2.SetAuthURLParam("max_age", "3600")}, false},
		{"prompt=none passes", []oauth2.AuthCodeOption{oauth2.SetAuthURLParam("prompt", "none")}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBrowser(t)
			b.signIn("bob")
			location, page := b.authorize(tt.more...)
			if asked := strings.Contains(page, "Who are you?"); asked != tt.asked {
				t.Fatalf("login page shown: %v, want %v", asked, tt.asked)
			}
			if !tt.asked && location.Query().Get("code") == "" {
				t.Errorf("no code came back: %s", location.Query().Get("error"))
			}
		})
	}
}

func TestPromptNoneWithoutSession(t *testing.T) {
	b := newBrowser(t)
	location, page := b.authorize(oauth2.SetAuthURLParam("prompt", "none"))
	if location == nil {
		t.Fatalf("a page was shown: %s", page)
	}
	if got := location.Query().Get("error"); got != "interaction_required" {
		t.Errorf("error is %q", got)
	}
}

func TestLogoutEndsTheSession(t *testing.T) {
	b := newBrowser(t)
	tokens, err := b.exchange(b.signIn("bob"))
	if err != nil {
		t.Fatal(err)
	}
	query := url.Values{"id_token_hint": {tokens.Extra("id_token").(string)}, "post_logout_redirect_uri": {"http://app.example/bye"}, "state": {"s"}}
	location, page := b.end(b.http.Get(b.issuer + logoutPath + "?" + query.Encode()))
	if location == nil || location.String() != "http://app.example/bye?state=s" {
		t.Fatalf("logout ended at %v %s", location, page)
	}
	if _, page := b.authorize(); !strings.Contains(page, "Who are you?") {
		t.Error("the next login passed without a click")
	}
}

func TestTokenRequestRefused(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(b *browser)
		with  []oauth2.AuthCodeOption
	}{
		{"wrong verifier", func(*browser) {}, []oauth2.AuthCodeOption{oauth2.VerifierOption("another-verifier-that-is-43-characters-long")}},
		{"no verifier", func(*browser) {}, nil},
		{"wrong secret", func(b *browser) { b.config.ClientSecret = "wrong" }, verifier()},
		{"other callback", func(b *browser) { b.config.RedirectURL = "http://app.example/other" }, verifier()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBrowser(t)
			code := b.signIn("alice")
			tt.spoil(b)
			if _, err := b.config.Exchange(t.Context(), code, tt.with...); err == nil {
				t.Error("tokens were issued")
			}
		})
	}
}

func verifier() []oauth2.AuthCodeOption {
	return []oauth2.AuthCodeOption{oauth2.VerifierOption("the-verifier-of-this-very-login-is-43-or-more")}
}

func TestCodeWorksOnce(t *testing.T) {
	b := newBrowser(t)
	code := b.signIn("alice")
	if _, err := b.exchange(code); err != nil {
		t.Fatal(err)
	}
	if _, err := b.exchange(code); err == nil {
		t.Error("the code worked a second time")
	}
}

func TestRefreshTokenIsReplaced(t *testing.T) {
	b := newBrowser(t)
	first, err := b.exchange(b.signIn("alice"))
	if err != nil {
		t.Fatal(err)
	}
	refresh := func(token string) (*oauth2.Token, error) {
		return b.config.TokenSource(t.Context(), &oauth2.Token{RefreshToken: token}).Token()
	}
	second, err := refresh(first.RefreshToken)
	if err != nil {
		t.Fatal(err)
	}
	if got := b.claims(second.AccessToken, "api")["sub"]; got != "alice" {
		t.Errorf("the refreshed token is for %v", got)
	}
	if _, err := refresh(first.RefreshToken); err == nil {
		t.Error("a spent refresh token worked again")
	}
}

func TestCallbackMustBeRegistered(t *testing.T) {
	b := newBrowser(t)
	b.config.RedirectURL = "http://evil.example/"
	location, page := b.authorize()
	if location != nil || strings.Contains(page, "Who are you?") {
		t.Errorf("an unregistered callback was accepted: %v", location)
	}
}

func TestIssuerIsTheSameByWhateverHost(t *testing.T) {
	b := newBrowser(t)
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, b.issuer+"/.well-known/openid-configuration", nil)
	r.Host = "demo-provider:9998"
	_, document := b.end(b.http.Do(r))
	if !strings.Contains(document, `"issuer":"`+b.issuer+`"`) || strings.Contains(document, "demo-provider") {
		t.Errorf("the discovery document is %s", document)
	}
}
