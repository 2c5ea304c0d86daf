//go:build unix

package oidcprovider

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"doorward/config"
	"doorward/deploy/deploytest"
)

func TestSignIn(t *testing.T) {
	s := newSite(t, nil)
	for user, admin := range map[string]int{"alice": http.StatusOK, "bob": http.StatusForbidden} {
		t.Run(user, func(t *testing.T) {
			v := s.Visitor(t)
			signIn(v, s.Origin+"/", user).Want(t, s.Origin+"/", http.StatusOK, "Hello, "+user)
			v.Open(s.Origin+"/admin/").Want(t, s.Origin+"/admin/", admin)
		})
	}
}

func TestSignInWithOtherAlgorithms(t *testing.T) {
	for _, algorithm := range []string{"PS256", "ES256", "EdDSA"} {
		t.Run(algorithm, func(t *testing.T) {
			s := deploytest.NewSite(t)
			s.Start(start(t, s.Origin, "ID_TOKEN_ALG="+algorithm), deploytest.Echo(t), forTheAPI)
			token := signIn(s.Visitor(t), s.Origin+"/admin/", "alice").AccessToken(t)
			if header := decoded(t, token, 0); header["alg"] != algorithm || header["typ"] != "at+jwt" {
				t.Errorf("the access token's header is %v", header)
			}
		})
	}
}

// TestSignInWithUserinfo is the provider's default: an opaque access token, and an ID token that tells the subject alone.
func TestSignInWithUserinfo(t *testing.T) {
	s := deploytest.NewSite(t)
	issuer := start(t, s.Origin)
	s.Start(issuer, deploytest.Echo(t), func(c *config.Config) { c.Scopes = "openid profile email groups" })
	signIn(s.Visitor(t), s.Origin+"/admin/", "alice").Want(t, s.Origin+"/admin/", http.StatusOK,
		`"X-Forwarded-Groups":["Admin,Dev"]`, `"X-Forwarded-Email":["alice@example.com"]`, `"X-Forwarded-Preferred-Username":["alice"]`)
}

// TestSignInByFormPost comes back with the code in a form that the provider's page sends.
func TestSignInByFormPost(t *testing.T) {
	s := newFormPostSite(t)
	v := s.Visitor(t)
	form := signIn(v, s.Origin+"/admin/", "alice")
	if !strings.Contains(form.Body, s.Origin+"/oauth2/callback") {
		t.Fatalf("the provider does not post to the callback:\n%s", form.Body)
	}
	v.Send(form, nil).Want(t, s.Origin+"/admin/", http.StatusOK)
}

// newFormPostSite is on https: a cookie that arrives with a form from elsewhere has to be Secure.
func newFormPostSite(t *testing.T) site {
	t.Helper()
	s := site{Site: deploytest.NewTLSSite(t)}
	s.issuer = start(t, s.Origin)
	s.Start(s.issuer, deploytest.Backend(t, s.issuer), func(c *config.Config) {
		forTheAPI(c)
		c.ResponseMode = "form_post"
	})
	return s
}

// TestAnswerOfAnotherIssuer replaces the iss that oidc-provider sends with every answer (RFC 9207).
func TestAnswerOfAnotherIssuer(t *testing.T) {
	for name, change := range map[string]func(url.Values){
		"other":   func(q url.Values) { q.Set("iss", "https://evil.example.com") },
		"missing": func(q url.Values) { q.Del("iss") },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, nil)
			v := s.Visitor(t)
			v.Intercept(s.Origin+"/oauth2/callback", func(u *url.URL) {
				query := u.Query()
				if query.Get("iss") != s.issuer {
					t.Errorf("the provider sent iss=%q", query.Get("iss"))
				}
				change(query)
				u.RawQuery = query.Encode()
			})
			signIn(v, s.Origin+"/", "alice").Want(t, s.Origin+"/oauth2/callback", http.StatusBadRequest, "not one to this login")
		})
	}
}

func TestSignOut(t *testing.T) {
	s := newSite(t, nil)
	v := s.Visitor(t)
	signIn(v, s.Origin+"/", "alice").Want(t, s.Origin+"/", http.StatusOK)
	asked := v.Send(v.Open(s.Origin+"/oauth2/sign_out"), nil)
	asked.Want(t, s.issuer+"/session/end", http.StatusOK)
	v.Send(asked, url.Values{"logout": {"yes"}}).Want(t, s.Origin+"/oauth2/sign_out", http.StatusOK, "signed out")
	if page := v.Open(s.Origin + "/"); !strings.HasPrefix(page.URL.String(), s.issuer+"/interaction/") {
		t.Errorf("after signing out, alice is let in again without being asked: %s", page.URL)
	}
}

func TestBrowserStory(t *testing.T) {
	s := newSite(t, nil)
	story := deploytest.Story{Origin: s.Origin, SignIn: signInByButton, SignOut: confirm, Name: "oidc-provider"}
	t.Run("alice", story.Alice)
	t.Run("bob", story.Bob)
}

// TestBrowserSignsInByFormPost shows that a browser sends the login cookie along with the provider's form.
func TestBrowserSignsInByFormPost(t *testing.T) {
	s := newFormPostSite(t)
	story := deploytest.Story{Origin: s.Origin, SignIn: signInByForm, SignOut: confirm, Name: "oidc-provider-form-post"}
	t.Run("alice", story.Alice)
	t.Run("bob", story.Bob)
}

func signInByButton(b *deploytest.Browser, user string) deploytest.Page {
	return b.Click(button(user))
}

func button(user string) string { return `button[name=user][value=` + user + `]` }

// signInByForm waits until the page with the provider's form has sent it and led to a page of ours, and opens that again, since
// what the button led to was the form.
func signInByForm(b *deploytest.Browser, user string) deploytest.Page {
	b.Push(button(user))
	b.WaitFor("main")
	return b.Open(b.Page().URL)
}

func confirm(b *deploytest.Browser) deploytest.Page { return b.Click("#yes") }
