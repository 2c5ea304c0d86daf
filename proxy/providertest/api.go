package providertest

import (
	"crypto/rand"
	"errors"
	"maps"
	"net/http"
	"time"
)

// APIClient is the client to which tokens of API clients are issued; it is not the one that people log in by.
const APIClient = "robot-1"

// APIToken issues a person's access token to an API client: a JWT as RFC 9068 2 has it, for [Audience], with the person's claims.
func (p *Provider) APIToken(subject string) string {
	claims := p.apiClaims(subject)
	j := newJWT(p.signingKey(), claims)
	j.Header["typ"] = "at+jwt"
	for _, m := range p.mutations {
		if m.APIToken != nil {
			m.APIToken(p, j)
		}
	}
	token := j.Compact()
	p.keepAPIToken(token, claims)
	return token
}

// OpaqueToken issues one that only introspection can read.
func (p *Provider) OpaqueToken(subject string) string {
	token := "opaque-" + rand.Text() + "~+/=="
	p.keepAPIToken(token, p.apiClaims(subject))
	return token
}

// Withdraw ends a token of an API client. Introspection says so from then on; a JWT itself does not.
func (p *Provider) Withdraw(token string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.apiTokens, token)
}

func (p *Provider) apiClaims(subject string) map[string]any {
	p.mu.Lock()
	user, known := p.users[subject]
	p.mu.Unlock()
	if !known {
		p.t.Errorf("issuing a token about %q, whom the provider does not know", subject)
	}
	now := time.Now().Unix()
	claims := user.claims()
	maps.Copy(claims, map[string]any{
		"iss": p.Issuer, "aud": []string{Audience}, "client_id": APIClient, "iat": now, "nbf": now, "exp": now + 3600,
		"jti": rand.Text(), "scope": "api",
	})
	return claims
}

func (p *Provider) keepAPIToken(token string, claims map[string]any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.apiTokens[token] = claims
}

// serveIntrospection is introspection (RFC 7662). It tells nobody anything but the client, and of a token that it does not know
// no more than that it is not active.
func (p *Provider) serveIntrospection(w http.ResponseWriter, r *http.Request) {
	if r.URL.RawQuery != "" {
		p.t.Error("the introspection request carries a query")
	}
	if err := p.checkClient(r); err != nil {
		p.refused(Introspection, err.Error())
		p.send(w, r, oauthError(http.StatusUnauthorized, "invalid_client", err.Error()))
		return
	}
	token, err := introspected(r)
	if err != nil {
		p.refused(Introspection, err.Error())
		p.send(w, r, oauthError(http.StatusBadRequest, "invalid_request", err.Error()))
		return
	}
	a := newAnswer(p.introspection(token))
	for _, m := range p.mutations {
		if m.Introspection != nil {
			m.Introspection(p, a)
		}
	}
	p.send(w, r, a)
}

// introspected is the token that is asked about (RFC 7662 2.1).
func introspected(r *http.Request) (string, error) {
	switch {
	case len(r.PostForm["token"]) != 1 || r.PostForm.Get("token") == "":
		return "", errors.New("there is not one token in the form")
	case len(r.PostForm["token_type_hint"]) > 1:
		return "", errors.New("token_type_hint is sent twice")
	}
	return r.PostForm.Get("token"), nil
}

// introspection are the members of the answer (RFC 7662 2.2).
func (p *Provider) introspection(token string) map[string]any {
	p.mu.Lock()
	defer p.mu.Unlock()
	claims, known := p.apiTokens[token]
	if !known {
		return map[string]any{"active": false}
	}
	members := maps.Clone(claims)
	members["active"], members["token_type"] = true, "Bearer"
	return members
}
