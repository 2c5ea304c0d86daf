//go:build unix

package keycloak

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"maps"
	"net/http"
	"net/url"
	"testing"

	"doorward/config"
	"doorward/deploy/deploytest"
)

// testKeyAndPushedRequests has a client that proves itself by a signature and whose requests must be pushed.
func (k *keycloak) testKeyAndPushedRequests(t *testing.T) {
	key := newKey(t)
	public := (&config.Config{ClientKey: key}).ClientPublicKey() // what `doorward check` prints, to be registered
	s := k.newSite(t, deploytest.NewSite(t), func(client map[string]any) {
		delete(client, "secret")
		client["clientAuthenticatorType"] = "client-jwt"
		attributes := client["attributes"].(map[string]any)
		attributes["use.jwks.string"], attributes["jwks.string"] = "true", `{"keys":[`+string(public)+`]}`
		attributes["token.endpoint.auth.signing.alg"] = "ES256"
		attributes["require.pushed.authorization.requests"] = "true"
	}, func(c *config.Config) {
		c.ClientSecret, c.ClientAuth, c.ClientKey = "", "private_key_jwt", key
		c.PAR = "always" // Keycloak demands it of this client alone, which no metadata tell
	})
	v := s.Visitor(t)
	pushed := false
	v.Intercept(k.issuer+"/protocol/openid-connect/auth", func(u *url.URL) {
		query := u.Query()
		pushed = query.Get("request_uri") != "" && !query.Has("state")
	})
	signIn(v, s.Origin+"/admin/", "alice").Want(t, s.Origin+"/admin/", http.StatusOK)
	if !pushed {
		t.Error("the browser carried the request itself")
	}
}

// newKey is a private key in PEM.
func newKey(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// testPrivateKeyJWT signs with the other algorithms.
func (k *keycloak) testPrivateKeyJWT(t *testing.T) {
	for _, algorithm := range []string{"RS256", "PS256", "EdDSA"} {
		t.Run(algorithm, func(t *testing.T) {
			key, public := deploytest.ClientKey(t, algorithm)
			s := k.newSite(t, deploytest.NewSite(t), func(client map[string]any) {
				delete(client, "secret")
				client["clientAuthenticatorType"] = "client-jwt"
				maps.Copy(client["attributes"].(map[string]any), map[string]any{
					"use.jwks.string": "true", "jwks.string": deploytest.KeySet(t, public), "token.endpoint.auth.signing.alg": algorithm,
				})
			}, func(c *config.Config) { c.ClientSecret, c.ClientAuth, c.ClientKey = "", "private_key_jwt", key })
			signIn(s.Visitor(t), s.Origin+"/admin/", "alice").Want(t, s.Origin+"/admin/", http.StatusOK)
		})
	}
}
