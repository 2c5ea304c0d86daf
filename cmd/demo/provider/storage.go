package provider

import (
	"context"
	"errors"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// How long things are remembered.
const (
	requestLifetime = 30 * time.Minute // for somebody to click
	codeLifetime    = time.Minute      // RFC 6749, section 4.1.2, recommends ten minutes at most
	refreshLifetime = 24 * time.Hour
)

// requests are the logins under way, by their identifiers.
type requests = memory[*request]

// storage is what op remembers, in memory. It is an op.Storage; the methods are those that op asks for.
type storage struct {
	client   *client
	audience string
	key      *signingKey
	lifetime time.Duration // of access tokens

	requests requests
	codes    memory[*request]
	access   memory[*request] // by the token's jti
	refresh  memory[*request] // by the token itself
}

func newStorage(o Options) (*storage, error) {
	key, err := newSigningKey()
	if err != nil {
		return nil, err
	}
	return &storage{
		client:   &client{o.ClientID, o.ClientSecret, o.RedirectURIs, o.PostLogoutURIs},
		audience: o.Audience,
		key:      key,
		lifetime: o.AccessTokenLifetime,
	}, nil
}

// CreateAuthRequest remembers what a client asks for. A hint of who it is for is ignored: whoever clicks, signs in.
func (s *storage) CreateAuthRequest(_ context.Context, asked *oidc.AuthRequest, _ string) (op.AuthRequest, error) {
	r := &request{id: newID(), asked: *asked}
	s.requests.put(r.id, r, requestLifetime)
	return r, nil
}

// AuthRequestByID finds a login under way.
func (s *storage) AuthRequestByID(_ context.Context, id string) (op.AuthRequest, error) {
	r, ok := s.requests.get(id)
	if !ok {
		return nil, errors.New("finding the login: it is unknown or too old")
	}
	return r, nil
}

// AuthRequestByCode finds the login of a code, which works once, whatever comes of it (RFC 6749, section 4.1.2).
func (s *storage) AuthRequestByCode(_ context.Context, code string) (op.AuthRequest, error) {
	r, ok := s.codes.take(code)
	if !ok {
		return nil, errors.New("finding the code: it is unknown, used or too old")
	}
	return r, nil
}

// SaveAuthCode ends the login at this provider: from here on it is known by its code.
func (s *storage) SaveAuthCode(_ context.Context, id, code string) error {
	r, ok := s.requests.take(id)
	if !ok {
		return errors.New("saving the code: the login is unknown or already answered")
	}
	s.codes.put(code, r, codeLifetime)
	return nil
}

// DeleteAuthRequest forgets a login under way.
func (s *storage) DeleteAuthRequest(_ context.Context, id string) error {
	s.requests.take(id)
	return nil
}

// CreateAccessToken remembers a token, so that userinfo knows its scopes, and names it.
func (s *storage) CreateAccessToken(_ context.Context, asked op.TokenRequest) (string, time.Time, error) {
	r, err := requestOf(asked)
	if err != nil {
		return "", time.Time{}, err
	}
	id := newID()
	s.access.put(id, r, s.lifetime)
	return id, time.Now().Add(s.lifetime), nil
}

// CreateAccessAndRefreshTokens makes a pair; the refresh token that asked for it is spent (RFC 9700, section 4.14.2).
func (s *storage) CreateAccessAndRefreshTokens(ctx context.Context, asked op.TokenRequest, spent string) (string, string, time.Time, error) {
	id, expires, err := s.CreateAccessToken(ctx, asked)
	if err != nil {
		return "", "", time.Time{}, err
	}
	r, _ := requestOf(asked)
	s.refresh.take(spent)
	token := newID()
	s.refresh.put(token, r, refreshLifetime)
	return id, token, expires, nil
}

// TokenRequestByRefreshToken finds the login of a refresh token: a copy, since its scopes may be narrowed.
func (s *storage) TokenRequestByRefreshToken(_ context.Context, token string) (op.RefreshTokenRequest, error) {
	r, ok := s.refresh.get(token)
	if !ok {
		return nil, op.ErrInvalidRefreshToken
	}
	again := *r
	return &again, nil
}

// TerminateSession does nothing: the browser's session was ended before op heard of it, and tokens live as long as they say.
func (s *storage) TerminateSession(context.Context, string, string) error { return nil }

// RevokeToken forgets a token (RFC 7009). An API that checks a JWT by its signature alone goes on accepting it.
func (s *storage) RevokeToken(_ context.Context, token, _, _ string) *oidc.Error {
	s.access.take(token)
	s.refresh.take(token)
	return nil
}

// GetRefreshTokenInfo tells whose a refresh token is.
func (s *storage) GetRefreshTokenInfo(_ context.Context, _, token string) (userID, tokenID string, err error) {
	r, ok := s.refresh.get(token)
	if !ok {
		return "", "", op.ErrInvalidRefreshToken
	}
	return r.GetSubject(), token, nil
}

// SigningKey signs tokens.
func (s *storage) SigningKey(context.Context) (op.SigningKey, error) { return s.key, nil }

// SignatureAlgorithms goes into discovery.
func (s *storage) SignatureAlgorithms(context.Context) ([]jose.SignatureAlgorithm, error) {
	return []jose.SignatureAlgorithm{s.key.SignatureAlgorithm()}, nil
}

// KeySet is what verifiers fetch.
func (s *storage) KeySet(context.Context) ([]op.Key, error) { return []op.Key{publicKey{s.key}}, nil }

// GetClientByClientID knows one client.
func (s *storage) GetClientByClientID(_ context.Context, id string) (op.Client, error) {
	if id != s.client.id {
		return nil, errors.New("finding the client: there is none of this client_id")
	}
	return s.client, nil
}

// AuthorizeClientIDSecret checks the client's credentials.
func (s *storage) AuthorizeClientIDSecret(_ context.Context, id, secret string) error {
	if id != s.client.id || !s.client.knows(secret) {
		return errors.New("checking the client: client_id or client_secret is wrong")
	}
	return nil
}

// SetUserinfoFromScopes is op's older way, see SetUserinfoFromRequest.
func (s *storage) SetUserinfoFromScopes(context.Context, *oidc.UserInfo, string, string, []string) error {
	return nil
}

// SetUserinfoFromRequest fills the ID token.
func (s *storage) SetUserinfoFromRequest(_ context.Context, info *oidc.UserInfo, asked op.IDTokenRequest, scopes []string) error {
	r, err := requestOf(asked)
	if err != nil {
		return err
	}
	r.user.describe(info, scopes)
	info.AppendClaims("sid", r.session)
	return nil
}

// SetUserinfoFromToken fills the answer of the userinfo endpoint.
func (s *storage) SetUserinfoFromToken(_ context.Context, info *oidc.UserInfo, tokenID, _, _ string) error {
	r, ok := s.access.get(tokenID)
	if !ok {
		return oidc.ErrAccessDenied().WithDescription("the access token is revoked or expired")
	}
	r.user.describe(info, r.GetScopes())
	return nil
}

// SetIntrospectionFromToken fills the answer of the introspection endpoint (RFC 7662).
func (s *storage) SetIntrospectionFromToken(_ context.Context, answer *oidc.IntrospectionResponse, tokenID, subject, _ string) error {
	r, ok := s.access.get(tokenID)
	if !ok {
		return errors.New("introspecting: the access token is revoked or expired")
	}
	answer.Active = true
	answer.Subject = subject
	answer.ClientID = r.GetClientID()
	answer.Scope = r.GetScopes()
	answer.Audience = []string{s.audience}
	answer.Claims = map[string]any{"groups": r.user.Groups}
	return nil
}

// GetPrivateClaimsFromScopes is op's older way, see GetPrivateClaimsFromRequest.
func (s *storage) GetPrivateClaimsFromScopes(context.Context, string, string, []string) (map[string]any, error) {
	return nil, nil
}

// GetPrivateClaimsFromRequest adds the groups to an access token, so that an API can decide by it alone.
func (s *storage) GetPrivateClaimsFromRequest(_ context.Context, asked op.TokenRequest, scopes []string) (map[string]any, error) {
	r, err := requestOf(asked)
	if err != nil {
		return nil, err
	}
	return map[string]any{"groups": r.user.Groups, "scope": oidc.SpaceDelimitedArray(r.GetScopes())}, nil
}

// GetKeyByIDAndClientID has none: the client signs nothing.
func (s *storage) GetKeyByIDAndClientID(context.Context, string, string) (*jose.JSONWebKey, error) {
	return nil, errors.New("finding the client's key: it has none")
}

// ValidateJWTProfileScopes grants none: there are no service users.
func (s *storage) ValidateJWTProfileScopes(context.Context, string, []string) ([]string, error) {
	return nil, nil
}

// Health is always good.
func (s *storage) Health(context.Context) error { return nil }

// requestOf is the request behind what op hands back to us.
func requestOf(asked any) (*request, error) {
	switch r := asked.(type) {
	case *request:
		return r, nil
	case forAPI:
		return r.request, nil
	}
	return nil, oidc.ErrUnsupportedGrantType()
}
