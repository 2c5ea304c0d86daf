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
	redeem, bend := p.redeem, func(*Answer) {}
	if r.PostForm.Get("grant_type") == "refresh_token" {
		p.holdRefresh(r)
		if a := p.refreshInstead(); a != nil {
			p.send(w, r, a)
			return
		}
		redeem, bend = p.redeemRefreshToken, p.bendRefresh
	}
	g, err := redeem(r)
	if err != nil {
		p.refused(Token, err.Error())
		a := oauthError(http.StatusBadRequest, "invalid_grant", err.Error())
		for _, m := range p.mutations {
			if m.TokenRefusal != nil {
				m.TokenRefusal(p, a)
			}
		}
		p.send(w, r, a)
		return
	}
	a := newAnswer(p.issue(g))
	for _, m := range p.mutations {
		if m.TokenReply != nil {
			m.TokenReply(p, a)
		}
	}
	bend(a)
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
	g.spent, g.sid = true, rand.Text()
	return g, nil
}

// issue makes both tokens and the members of the answer.
func (p *Provider) issue(g *grant) map[string]any {
	present := p.asItIs(g)
	accessToken := p.accessToken(present)
	idToken := p.idToken(present, accessToken)
	p.mu.Lock()
	defer p.mu.Unlock()
	g.accessToken, g.idToken, g.subject, g.sid = accessToken, idToken, present.subject, present.sid
	members := map[string]any{
		"access_token": accessToken,
		"token_type":   "Bearer",
		"expires_in":   p.refresh.seconds(),
		"scope":        g.scope,
		"id_token":     idToken,
	}
	p.refresh.add(g, members)
	return members
}

// asItIs is a copy of a grant, which a refresh may change at any time.
func (p *Provider) asItIs(g *grant) *grant {
	p.mu.Lock()
	defer p.mu.Unlock()
	present := *g
	return &present
}

// accessToken is a JWT as RFC 9068 2 has it, with the person's groups.
func (p *Provider) accessToken(g *grant) string {
	now := time.Now().Unix()
	claims := map[string]any{
		"iss": p.Issuer, "sub": g.user.Subject, "aud": []string{Audience}, "client_id": g.clientID,
		"iat": now, "exp": now + p.tokenSeconds(), "jti": rand.Text(), "scope": g.scope,
	}
	if g.user.Groups != nil {
		claims["groups"] = g.user.Groups
	}
	j := newJWT(p.signingKey(), claims)
	j.Header["typ"] = "at+jwt"
	for _, m := range p.mutations {
		if m.AccessToken != nil {
			m.AccessToken(p, j)
		}
		if m.RefreshAccessToken != nil && g.refreshes > 0 {
			m.RefreshAccessToken(p, j)
		}
	}
	return j.Compact()
}

// idToken is as OIDC Core 2 and 3.1.3.6 have it. Like the certification suite's it bears no "typ".
func (p *Provider) idToken(g *grant, accessToken string) string {
	now := time.Now().Unix()
	claims := g.user.claims()
	claims["iss"], claims["aud"] = p.Issuer, g.clientID
	claims["iat"], claims["exp"], claims["auth_time"] = now, now+3600, g.authTime.Unix()
	claims["sid"] = g.sid
	if g.refreshes == 0 { // OIDC Core 12.2: it should not have a nonce afterwards
		claims["nonce"] = g.nonce
	}
	claims["at_hash"] = accessTokenHash("RS256", accessToken)
	if g.acr != "" {
		claims["acr"] = g.acr
	}
	j := newJWT(p.signingKey(), claims)
	for _, m := range p.mutations {
		if m.IDToken != nil {
			m.IDToken(p, j)
		}
		if m.StepUp != nil && g.stepUp {
			m.StepUp(p, j)
		}
		if m.RefreshIDToken != nil && g.refreshes > 0 {
			m.RefreshIDToken(p, j)
		}
	}
	// A mutation that changes the algorithm means the token to be right in everything else.
	if algorithm, _ := j.Header["alg"].(string); j.Claims["at_hash"] == accessTokenHash("RS256", accessToken) {
		j.Claims["at_hash"] = accessTokenHash(algorithm, accessToken)
	}
	g.subject, _ = j.Claims["sub"].(string)
	g.sid, _ = j.Claims["sid"].(string)
	return j.Compact()
}
