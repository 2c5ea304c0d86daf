package proxy

import (
	"context"
	"errors"
	"net/http"

	"doorward/proxy/provider"
)

// The provider tells us here that it has signed somebody out (OpenID Connect Back-Channel Logout 1.0). Rules that this file keeps:
//
//   - A request is what its logout token says and nothing else: no cookie, query or host counts, so the provider may reach us by any
//     name. It has one form (2.5), and no browser is behind it: every answer is JSON or empty.
//   - Nothing happens before all of the token is checked (provider/logouttoken.go), and a token has one effect: its jti is remembered as long
//     as it is good (2.6 (8)), by all instances that share a Redis.
//   - A sid ends that session, sub without a sid all of the person's (2.4). Where both are there, those of the person's sessions end too
//     of which the provider never said their sid: one of them is meant.
//   - 200 says that those sessions have ended, whether or not anybody held one, and that no restart will bring them back, where
//     there is a file for that (2.8). 400 says that the token is at fault. What we could not do just now, because the keys or the disk
//     were away, is 503: the standard knows 400 alone, but by that a provider could not tell what to try again.

const logoutBackChannel = "back_channel"

// backChannelLogout answers POST /oauth2/backchannel-logout.
func (p *Proxy) backChannelLogout(x *exchange, r *http.Request) error {
	x.rule = p.ownRule()
	if r.Method != http.MethodPost {
		return forPrograms(methodRefused("POST"))
	}
	form, err := readForm(x, r)
	if err != nil {
		return notALogout(asFailure(err))
	}
	if len(form["logout_token"]) != 1 {
		return notALogout(badRequest("it needs logout_token, once"))
	}
	token, err := p.provider.VerifyLogoutToken(r.Context(), form.Get("logout_token"))
	if err != nil {
		return logoutTokenRefused(err)
	}
	x.user = token.Subject
	x.ofProvider(token.Issuer, token.SessionID)
	if !p.spend(r.Context(), token) {
		return logoutTokenUsed()
	}
	if err := p.revoke(token); err != nil {
		p.logoutTokens.giveBack(token.ID)
		p.sessions.GiveBack(r.Context(), token.ID)
		return logoutNotKept(err)
	}
	p.loggedOut(x, r, logoutBackChannel)
	noStore(x.Header())
	x.WriteHeader(http.StatusOK)
	return nil
}

// spend says whether a token comes for the first time, here and at the other instances. While Redis is away this one decides alone: the
// provider will send it again.
func (p *Proxy) spend(ctx context.Context, token *provider.LogoutToken) bool {
	if !p.logoutTokens.take(token.ID, token.Expiry) {
		return false
	}
	ours, err := p.sessions.Spend(ctx, token.ID, token.Expiry)
	return ours || err != nil
}

// revoke ends the sessions that a logout token names.
func (p *Proxy) revoke(token *provider.LogoutToken) error {
	if token.SessionID == "" {
		return p.sessions.RevokeSubject(token.Issuer, token.Subject)
	}
	err := p.sessions.RevokeProviderSession(token.Issuer, token.SessionID)
	if token.Subject != "" {
		err = errors.Join(err, p.sessions.RevokeUnnamed(token.Issuer, token.Subject))
	}
	return err
}
