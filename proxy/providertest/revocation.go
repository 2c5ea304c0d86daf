package providertest

import "net/http"

// serveRevocation is token revocation (RFC 7009 2): 200 for tokens that it does not know, too.
func (p *Provider) serveRevocation(w http.ResponseWriter, r *http.Request) {
	if err := p.checkClient(r); err != nil {
		p.refused(Revocation, err.Error())
		p.send(w, r, oauthError(http.StatusUnauthorized, "invalid_client", err.Error()))
		return
	}
	if !r.PostForm.Has("token") {
		p.refused(Revocation, "no token")
		p.send(w, r, oauthError(http.StatusBadRequest, "invalid_request", "no token"))
		return
	}
	p.mu.Lock()
	if token := p.refresh.tokens[r.PostForm.Get("token")]; token != nil {
		token.grant.over = true
	}
	bend := p.refresh.bendRevocation
	p.mu.Unlock()
	a := newAnswer(nil)
	a.Body = []byte{}
	if bend != nil {
		bend(a)
	}
	p.send(w, r, a)
}

// BendRevocations bends the successful answers to revocations from now on. What the revocation did stays done.
func (p *Provider) BendRevocations(bend func(*Answer)) {
	p.setRefreshing(func(r *refreshing) { r.bendRevocation = bend })
}

// Revoked are the tokens that were revoked, the oldest first.
func (p *Provider) Revoked() []string {
	var tokens []string
	for _, r := range p.Requests(Revocation) {
		tokens = append(tokens, r.Form.Get("token"))
	}
	return tokens
}
