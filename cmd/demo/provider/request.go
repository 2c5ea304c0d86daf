package provider

import (
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
)

// request is an authorization: what the client asked for and, once somebody has signed in, who agreed. It lives on in the
// tokens made from it. It is an op.AuthRequest and an op.RefreshTokenRequest; the methods are those that op asks for.
type request struct {
	id      string
	asked   oidc.AuthRequest
	user    *User     // nil until somebody has signed in
	since   time.Time // when that was, which may be long before this request
	session string    // the provider's session, the `sid` claim
}

// signedIn is the request, answered by the session's user. The request itself is not changed: a second tab may show it.
func (r *request) signedIn(s *session) *request {
	done := *r
	done.user, done.since, done.session = s.user, s.since, s.id
	return &done
}

// mustAsk says whether somebody has to sign in although the browser has a session (OIDC Core 3.1.2.1: prompt, max_age).
func (r *request) mustAsk(s *session) bool {
	for _, prompt := range r.asked.Prompt {
		if prompt == oidc.PromptLogin || prompt == oidc.PromptSelectAccount {
			return true
		}
	}
	max := r.asked.MaxAge
	return max != nil && time.Since(s.since) > time.Duration(*max)*time.Second
}

// mayNotAsk says whether the client wants an answer without any page.
func (r *request) mayNotAsk() bool {
	return len(r.asked.Prompt) == 1 && r.asked.Prompt[0] == oidc.PromptNone
}

// GetID names the request on its way through the login page.
func (r *request) GetID() string { return r.id }

// GetACR is empty: a click proves nothing that deserves a name.
func (r *request) GetACR() string { return "" }

// GetAMR is empty, as GetACR is.
func (r *request) GetAMR() []string { return nil }

// GetAudience is the client alone, as an ID token's should be; access tokens get theirs from forAPI.
func (r *request) GetAudience() []string { return []string{r.asked.ClientID} }

// GetAuthTime is when the user signed in, the `auth_time` claim.
func (r *request) GetAuthTime() time.Time { return r.since }

// GetClientID is the client that asked.
func (r *request) GetClientID() string { return r.asked.ClientID }

// GetCodeChallenge is nil when the client sent none.
func (r *request) GetCodeChallenge() *oidc.CodeChallenge {
	if r.asked.CodeChallenge == "" {
		return nil
	}
	return &oidc.CodeChallenge{Challenge: r.asked.CodeChallenge, Method: r.asked.CodeChallengeMethod}
}

// GetNonce is the client's nonce, for the ID token.
func (r *request) GetNonce() string { return r.asked.Nonce }

// GetRedirectURI is where the answer goes.
func (r *request) GetRedirectURI() string { return r.asked.RedirectURI }

// GetResponseType is `code`, the only one that the client is registered for.
func (r *request) GetResponseType() oidc.ResponseType { return r.asked.ResponseType }

// GetResponseMode is empty, `query` or `form_post`.
func (r *request) GetResponseMode() oidc.ResponseMode { return r.asked.ResponseMode }

// GetScopes are those that were asked for and that this provider knows.
func (r *request) GetScopes() []string { return r.asked.Scopes }

// SetCurrentScopes narrows the scopes at a refresh (RFC 6749, section 6).
func (r *request) SetCurrentScopes(scopes []string) { r.asked.Scopes = scopes }

// GetState is the client's state, which goes back to it untouched.
func (r *request) GetState() string { return r.asked.State }

// GetSubject is empty until somebody has signed in.
func (r *request) GetSubject() string {
	if r.user == nil {
		return ""
	}
	return r.user.Username
}

// Done says whether somebody has signed in.
func (r *request) Done() bool { return r.user != nil }

// forAPI is a request whose tokens are for an API: access tokens, not ID tokens.
type forAPI struct {
	*request
	audience string
}

// GetAudience is the API alone.
func (f forAPI) GetAudience() []string { return []string{f.audience} }
