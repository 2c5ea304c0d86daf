package provider

import (
	"context"
	"net/url"
	"time"
)

// revokeTimeout is short: nobody waits for the answer, and nothing depends on it.
const revokeTimeout = 5 * time.Second

// RevokeToken tells the provider that a refresh token will not be used any more, and with it the access tokens that it brought (RFC
// 7009 2.1). A provider that has no endpoint for it is not told. It answers 200 for tokens that it does not know, too (2.2). The
// error is for the log alone: the session here has ended whatever the provider says.
func (p *Provider) RevokeToken(ctx context.Context, refreshToken string) error {
	ctx, cancel := context.WithTimeout(ctx, revokeTimeout)
	defer cancel()
	m, err := p.metadata.get(ctx)
	if err != nil {
		return asError(err)
	}
	if m.revocation == "" || refreshToken == "" {
		return nil
	}
	got, err := p.ask(ctx, "revocation", m.revocation, url.Values{"token": {refreshToken}, "token_type_hint": {"refresh_token"}})
	if err != nil {
		return err
	}
	return got.ok()
}
