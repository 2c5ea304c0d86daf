package provider

import (
	"crypto/rand"
	"crypto/rsa"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"testing"

	"github.com/go-jose/go-jose/v4"

	door "doorward/proxy/provider"
)

// doorward's end of the conversation against zitadel's, by every way in which the client can prove itself.
func TestDoorwardProvesItself(t *testing.T) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	key := &jose.JSONWebKey{Key: private, KeyID: "client-key", Algorithm: "RS256", Use: "sig"}
	public := key.Public()
	other := &jose.JSONWebKey{Key: private, KeyID: "another-key", Algorithm: "RS256"}
	for name, test := range map[string]struct {
		known  Options
		client door.Options
		wrong  bool
	}{
		"client_secret_basic":     {Options{ClientSecret: "s & s"}, door.Options{ClientSecret: text("s & s")}, false},
		"client_secret_post":      {Options{ClientSecret: "s & s"}, door.Options{ClientSecret: text("s & s")}, false},
		"private_key_jwt":         {Options{ClientKey: &public}, door.Options{ClientKey: func() *jose.JSONWebKey { return key }}, false},
		"none":                    {Options{}, door.Options{}, false},
		"client_secret_basic, no": {Options{ClientSecret: "s & s"}, door.Options{ClientSecret: text("other")}, true},
		"private_key_jwt, no":     {Options{ClientKey: &public}, door.Options{ClientKey: func() *jose.JSONWebKey { return other }}, true},
	} {
		t.Run(name, func(t *testing.T) {
			method := name
			if test.wrong {
				method = name[:len(name)-len(", no")]
			}
			test.known.ClientAuth, test.client.ClientAuth = method, method
			person, err := logIn(t, test.known, test.client)
			if (err != nil) != test.wrong || err == nil && person.Subject != "alice" {
				t.Errorf("got %v, %v", person, err)
			}
		})
	}
}

func text(s string) func() string { return func() string { return s } }

// logIn is a whole login of alice.
func logIn(t *testing.T, known Options, client door.Options) (*door.Person, error) {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	known.Issuer, known.ClientID, known.RedirectURIs = "http://"+server.Listener.Addr().String(), "app", []string{callback}
	p, err := New(known)
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = p
	server.Start()
	t.Cleanup(server.Close)
	client.Issuer, client.ClientID, client.Scopes = known.Issuer, "app", []string{"openid"}
	ours, err := door.New(client)
	if err != nil {
		t.Fatal(err)
	}

	r := door.NewRequest(callback)
	address, err := ours.AuthorizationURL(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	jar, _ := cookiejar.New(nil)
	b := &browser{t: t, issuer: known.Issuer, http: &http.Client{Jar: jar, CheckRedirect: untilCallback}}
	_, page := b.end(b.http.Get(address))
	answer, err := door.ParseAnswer(b.click(page, "alice").Query())
	if err != nil {
		t.Fatal(err)
	}
	return ours.Complete(t.Context(), r, answer)
}
