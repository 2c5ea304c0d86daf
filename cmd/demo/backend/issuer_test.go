package backend

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// issuer is a provider of which the tests hold the key, so that they can sign what no honest one would.
type issuer struct {
	name string
	key  *rsa.PrivateKey
}

func newIssuer(t *testing.T, name string) *issuer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return &issuer{name, key}
}

// ServeHTTP shows discovery and key set.
func (i *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if r.URL.Path == "/keys" {
		json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: i.key.Public(), KeyID: "1", Algorithm: "RS256", Use: "sig"}}})
		return
	}
	json.NewEncoder(w).Encode(map[string]any{
		"issuer": i.name, "authorization_endpoint": i.name + "/a", "token_endpoint": i.name + "/t", "jwks_uri": i.name + "/keys",
		"id_token_signing_alg_values_supported": []string{"RS256"},
	})
}

// token is alice's access token, with some claims changed; a nil value leaves one out.
func (i *issuer) token(t *testing.T, changes map[string]any) string {
	t.Helper()
	claims := map[string]any{
		"iss": i.name, "aud": "api", "sub": "alice", "groups": []string{"Admin", "Dev"}, "exp": time.Now().Add(time.Hour).Unix(),
	}
	maps.Copy(claims, changes)
	maps.DeleteFunc(claims, func(_ string, value any) bool { return value == nil })
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: i.key, KeyID: "1"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	compact, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return compact
}

// newBackend runs an issuer and a backend that accepts its tokens.
func newBackend(t *testing.T) (*issuer, *httptest.Server) {
	t.Helper()
	listening := httptest.NewUnstartedServer(nil)
	i := newIssuer(t, "http://"+listening.Listener.Addr().String())
	listening.Config.Handler = i
	listening.Start()
	t.Cleanup(listening.Close)
	return i, serve(t, Options{Issuer: i.name, Audience: "api"})
}

func serve(t *testing.T, o Options) *httptest.Server {
	t.Helper()
	b, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	return server
}
