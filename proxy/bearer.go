package proxy

import (
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"doorward/proxy/provider"
)

// Rules that this file keeps (RFC 6750):
//
//   - A token comes in the Authorization header and nowhere else, and only one does (2, 3.1).
//   - Whatever follows the scheme Bearer is a token, and a bad one where it is malformed: it is never passed over in favour of a cookie.
//   - The challenge says what is wrong in fixed words (3, 3.1), and nothing of the token. The log says more.
//   - A token that cannot be checked now is not bad. The client is told to come back, not to throw it away.
//   - Whoever brings a token has no cookies here: none is set, none is looked at.

// bearerToken is what an Authorization header says behind the scheme Bearer, in any letter case, and whether that is its scheme.
func bearerToken(authorization string) (token string, ok bool) {
	const scheme = "Bearer"
	if len(authorization) < len(scheme) || !strings.EqualFold(authorization[:len(scheme)], scheme) {
		return "", false
	}
	rest := authorization[len(scheme):]
	if rest != "" && isTokenChar(rest[0]) {
		return "", false // a scheme that begins so
	}
	return strings.TrimLeft(rest, " "), true
}

// authenticateBearer finds out whose access token it is. The person is made of its claims as a session's is of a login's.
func (p *Proxy) authenticateBearer(x *exchange, r *http.Request, token string) (*identity, error) {
	person, remembered, err := p.provider.Bearer(r.Context(), token)
	if err != nil {
		return nil, p.bearerFailure(x, r, err)
	}
	s, err := p.newSession(person, time.Now())
	if err != nil {
		return nil, p.bearerUnusable(x, r, err)
	}
	s.ExpiresAt = person.TokenExpiry
	x.user = s.User
	x.connection.cameWith(nil, s)
	result := "ok"
	if remembered {
		result = "cached"
	}
	p.metrics.bearerTokens.WithLabelValues(result).Inc()
	return &identity{session: s, bearer: true}, nil
}

func bearerResults() []string {
	return []string{"ok", "cached", "invalid", "unusable_claims", "unavailable"}
}

// bearerFailure tells a token that is bad from one that cannot be checked, and either from a client that did not wait to know.
func (p *Proxy) bearerFailure(x *exchange, r *http.Request, err error) error {
	known, ok := errors.AsType[*provider.Error](err)
	switch {
	case r.Context().Err() != nil:
		return clientGone(err)
	case ok && known.Kind == provider.KindInvalidAccessToken:
		return p.bearerRefused(x, r, "invalid", invalidToken().because(err))
	}
	return p.bearerRefused(x, r, "unavailable", tokenUnchecked().because(err))
}

// bearerUnusable is a good token that does not say what doorward needs to know.
func (p *Proxy) bearerUnusable(x *exchange, r *http.Request, err error) error {
	f, ok := errors.AsType[*failure](err) // too many groups have an answer of their own
	if !ok {
		f = invalidToken().because(err)
	}
	return p.bearerRefused(x, r, "unusable_claims", f)
}

// bearerRefused counts and logs a refusal. A bad token is nothing unusual: clients learn by it that they need another.
func (p *Proxy) bearerRefused(x *exchange, r *http.Request, result string, f *failure) error {
	p.metrics.bearerTokens.WithLabelValues(result).Inc()
	f.reason = result
	x.reason, x.cause = f.reason, f.cause
	level := slog.LevelInfo
	if result != "invalid" {
		level = slog.LevelWarn
	}
	p.log.LogAttrs(r.Context(), level, "bearer_refused", x.attributes(nil, r)...)
	return f
}

// oneAuthorization refuses more than one Authorization header (RFC 9110 11.6.2 knows one).
func (p *Proxy) oneAuthorization(r *http.Request) error {
	lines := r.Header.Values("Authorization")
	if len(lines) < 2 {
		return nil
	}
	f := badRequest("more than one Authorization header")
	bearer := slices.ContainsFunc(lines, func(line string) bool { _, ok := bearerToken(line); return ok })
	if bearer && p.config.AcceptsBearerTokens() {
		f.code = "invalid_request"
		f.header = bearerChallenge("invalid_request", "There is more than one Authorization header.")
	}
	return f
}

// bearerChallenge is the WWW-Authenticate of RFC 6750 3 for a request that brought a token.
func bearerChallenge(code, description string) http.Header {
	return http.Header{"Www-Authenticate": {`Bearer realm="doorward", error="` + code + `", error_description="` + description + `"`}}
}

func invalidToken() *failure {
	const why = "It is malformed, expired, revoked, or not meant for this application."
	return &failure{status: http.StatusUnauthorized, code: "invalid_token", title: "This access token is not accepted",
		text: []string{why}, header: bearerChallenge("invalid_token", "The access token is not accepted. "+why)}
}

func tokenUnchecked() *failure {
	f := &failure{status: http.StatusServiceUnavailable, code: "provider_unavailable", title: "The access token cannot be checked right now",
		text: []string{"The provider that issues them does not answer. Wait a moment and try again."}}
	return f.retryAfter(5)
}

// insufficientScope adds to a denial that it is the token's (RFC 6750 3.1): with another, the same request might pass.
func (f *failure) insufficientScope() {
	f.header = bearerChallenge("insufficient_scope", "The access token does not give the right to do this.")
}
