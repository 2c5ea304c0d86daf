package provider

import (
	"context"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// server is op's server but for the tokens it issues. op gives both tokens the same audience; here the ID token is for the
// client alone, and the access token for the API alone, so that neither can be taken for the other.
type server struct {
	*op.LegacyServer
	storage *storage
}

// CodeExchange answers a token request with a code (OIDC Core 3.1.3.2; RFC 7636, section 4.6).
func (s *server) CodeExchange(ctx context.Context, r *op.ClientRequest[oidc.AccessTokenRequest]) (*op.Response, error) {
	found, err := op.AuthRequestByCode(ctx, s.storage, r.Data.Code)
	if err != nil {
		return nil, err
	}
	if err := op.AuthorizeCodeChallenge(r.Data.CodeVerifier, found.GetCodeChallenge()); err != nil {
		return nil, err
	}
	if r.Client.GetID() != found.GetClientID() {
		return nil, oidc.ErrInvalidGrant().WithDescription("the code was issued to another client")
	}
	if r.Data.RedirectURI != found.GetRedirectURI() {
		return nil, oidc.ErrInvalidGrant().WithDescription("redirect_uri is not that of the authorization request")
	}
	return s.issue(ctx, found, r.Client, r.Data.Code, "")
}

// RefreshToken answers a token request with a refresh token (OIDC Core 12).
func (s *server) RefreshToken(ctx context.Context, r *op.ClientRequest[oidc.RefreshTokenRequest]) (*op.Response, error) {
	found, err := op.RefreshTokenRequestByRefreshToken(ctx, s.storage, r.Data.RefreshToken)
	if err != nil {
		return nil, err
	}
	if r.Client.GetID() != found.GetClientID() {
		return nil, oidc.ErrInvalidGrant().WithDescription("the refresh token was issued to another client")
	}
	if err := op.ValidateRefreshTokenScopes(r.Data.Scopes, found); err != nil {
		return nil, err
	}
	return s.issue(ctx, found, r.Client, "", r.Data.RefreshToken)
}

// issue makes the tokens of a login; code or refresh is the one that was presented.
func (s *server) issue(ctx context.Context, found op.IDTokenRequest, client op.Client, code, refresh string) (*op.Response, error) {
	r, err := requestOf(found)
	if err != nil {
		return nil, err
	}
	api := forAPI{r, s.storage.audience}
	access, newRefresh, validity, err := op.CreateAccessToken(ctx, api, client.AccessTokenType(), s.Provider(), client, refresh)
	if err != nil {
		return nil, err
	}
	issuer := op.IssuerFromContext(ctx)
	id, err := op.CreateIDToken(ctx, issuer, r, client.IDTokenLifetime(), access, code, s.storage, client)
	if err != nil {
		return nil, err
	}
	return op.NewResponse(&oidc.AccessTokenResponse{
		AccessToken:  access,
		TokenType:    oidc.BearerToken,
		ExpiresIn:    uint64(validity.Round(time.Second).Seconds()),
		RefreshToken: newRefresh,
		IDToken:      id,
		Scope:        r.GetScopes(),
	}), nil
}
