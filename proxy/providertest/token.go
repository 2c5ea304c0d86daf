package providertest

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"net/http"
	"time"
)

// serveToken exchanges a code (OIDC Core 3.1.3). It refuses what a good provider refuses, with the error that the standard
// names, and notes why.
func (p *Provider) serveToken(w http.ResponseWriter, r *http.Request) {
	if r.URL.RawQuery != "" {
		p.t.Error("the token request carries a query")
	}
	if err := p.checkClient(r); err != nil {
		p.refused(Token, err.Error())
		a := oauthError(http.StatusUnauthorized, "invalid_client", err.Error())
		a.Header.Set("WWW-Authenticate", `Basic realm="token"`)
		p.send(w, r, a)
		return
	}
	g, err := p.redeem(r)
	if err != nil {
		p.refused(Token, err.Error())
		p.send(w, r, oauthError(http.StatusBadRequest, "invalid_grant", err.Error()))
		return
	}
	a := newAnswer(p.issue(g))
	for _, m := range p.mutations {
		if m.TokenReply != nil {
			m.TokenReply(p, a)
		}
	}
	p.send(w, r, a)
}

// redeem checks what OIDC Core 3.1.3.2 and RFC 7636 4.6 ask for, and spends the code.
func (p *Provider) redeem(r *http.Request) (*grant, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	g := p.grants[r.PostForm.Get("code")]
	challenge := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))
	switch {
	case r.PostForm.Get("grant_type") != "authorization_code":
		return nil, errors.New("grant_type is not authorization_code")
	case g == nil:
		return nil, errors.New("the code is unknown")
	case g.spent:
		return nil, errors.New("the code was used before")
	case r.PostForm.Get("redirect_uri") != g.redirectURI:
		return nil, errors.New("redirect_uri differs from that of the authorization request")
	case encode(challenge[:]) != g.challenge:
		return nil, errors.New("code_verifier does not match the challenge")
	}
	g.spent = true
	return g, nil
}

// issue makes both tokens and the members of the answer.
func (p *Provider) issue(g *grant) map[string]any {
	accessToken := p.accessToken(g)
	idToken := p.idToken(g, accessToken)
	p.mu.Lock()
	defer p.mu.Unlock()
	g.accessToken, g.idToken = accessToken, idToken
	return map[string]any{
		"access_token": accessToken,
		"token_type":   "Bearer",
		"expires_in":   3600,
		"scope":        g.scope,
		"id_token":     idToken,
	}
}

// accessToken is a JWT as RFC 9068 2 has it, with the person's groups.
func (p *Provider) accessToken(g *grant) string {
	now := time.Now().Unix()
	claims := map[string]any{
		"iss": p.Issuer, "sub": g.user.Subject, "aud": []string{Audience}, "client_id": g.clientID,
		"iat": now, "exp": now + 3600, "jti": rand.Text(), "scope": g.scope,
	}
	if g.user.Groups != nil {
		claims["groups"] = g.user.Groups
	}
	j := newJWT(p.signingKey(), "RS256", claims)
	j.Header["typ"] = "at+jwt"
	for _, m := range p.mutations {
		if m.AccessToken != nil {
			m.AccessToken(p, j)
		}
	}
	return j.Compact()
}

// idToken is as OIDC Core 2 and 3.1.3.6 have it. Like the certification suite's it bears no "typ".
func (p *Provider) idToken(g *grant, accessToken string) string {
	now := time.Now().Unix()
	claims := g.user.claims()
	claims["iss"], claims["aud"], claims["nonce"] = p.Issuer, g.clientID, g.nonce
	claims["iat"], claims["exp"], claims["auth_time"] = now, now+3600, g.authTime.Unix()
	claims["sid"] = rand.Text()
	claims["at_hash"] = accessTokenHash("RS256", accessToken)
	if g.acr != "" {
		claims["acr"] = g.acr
	}
	j := newJWT(p.signingKey(), "RS256", claims)
	for _, m := range p.mutations {
		if m.IDToken != nil {
			m.IDToken(p, j)
		}
		if m.StepUp != nil && g.stepUp {
			m.StepUp(p, j)
		}
	}
	// A mutation that changes the algorithm means the token to be right in everything else.
	if algorithm, _ := j.Header["alg"].(string); j.Claims["at_hash"] == accessTokenHash("RS256", accessToken) {
		j.Claims["at_hash"] = accessTokenHash(algorithm, accessToken)
	}
	return j.Compact()
}
