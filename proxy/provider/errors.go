package provider

import (
	"errors"
	"fmt"
)

// Kind says at which point of the conversation something went wrong. Its String is a fixed word that suits a metric label.
type Kind int

// The kinds of failure, in the order of the conversation.
const (
	// KindUnavailable: the provider's metadata or keys, or its answer about a token, cannot be had right now. Trying again later
	// may help.
	KindUnavailable Kind = iota
	// KindInvalidMetadata: the provider answers, but its metadata are wrong for us (another issuer, plain http, no PKCE with S256).
	KindInvalidMetadata
	// KindPARFailed: the login could not be left with the provider before it began (RFC 9126): the endpoint cannot be reached,
	// refuses, or answers wrongly; Code and Description hold what it said.
	KindPARFailed
	// KindInvalidAnswer: the callback's parameters are malformed: doubled, contradictory, without code, or with a foreign state.
	KindInvalidAnswer
	// KindIssuerMismatch: the callback's iss is missing though announced, or names another issuer (RFC 9207).
	KindIssuerMismatch
	// KindProviderError: the provider itself reports an error in the callback; Code and Description hold it.
	KindProviderError
	// KindTokenRequestFailed: the token endpoint cannot be reached, or refuses; Code and Description hold what it said.
	KindTokenRequestFailed
	// KindCodeRefused: the token endpoint does not take the code that the browser brought (invalid_grant), which anybody may make up.
	KindCodeRefused
	// KindInvalidTokenResponse: the token endpoint's success is malformed.
	KindInvalidTokenResponse
	// KindInvalidIDToken: the ID token fails a check.
	KindInvalidIDToken
	// KindNonceMismatch: the ID token is genuine but belongs to another login.
	KindNonceMismatch
	// KindUnmetAuthentication: the provider signed the person in, or would have, but not in the way or as recently as was asked
	// for: by the ID token's acr and auth_time, or by its own words, which Code and Description then hold.
	KindUnmetAuthentication
	// KindInvalidAccessToken: the access token fails a check, or belongs to somebody else.
	KindInvalidAccessToken
	// KindInvalidUserinfo: userinfo was needed and cannot be had, is malformed, or is about somebody else.
	KindInvalidUserinfo
	// KindInvalidLogoutToken: a logout token fails a check. No login ends so, and Kinds, which counts to the one before, leaves it out.
	KindInvalidLogoutToken
)

// Kinds lists every kind of failing login, so that their metrics can exist from the start.
func Kinds() []Kind {
	kinds := make([]Kind, 0, KindInvalidUserinfo+1)
	for k := range KindInvalidUserinfo + 1 {
		kinds = append(kinds, k)
	}
	return kinds
}

// String is the kind's fixed word for metrics.
func (k Kind) String() string {
	word, _ := k.words()
	return word
}

// words are the kind's metric label and the gerund that opens its errors.
func (k Kind) words() (label, doing string) {
	all := [...][2]string{
		KindUnavailable:          {"provider_unavailable", "asking the provider"},
		KindInvalidMetadata:      {"invalid_metadata", "reading the provider's metadata"},
		KindPARFailed:            {"par_failed", "pushing the authorization request"},
		KindInvalidAnswer:        {"invalid_answer", "reading the provider's answer"},
		KindIssuerMismatch:       {"issuer_mismatch", "comparing the answer's issuer"},
		KindProviderError:        {"provider_error", "reading the provider's answer"},
		KindTokenRequestFailed:   {"token_request_failed", "exchanging the code"},
		KindCodeRefused:          {"code_refused", "exchanging the code"},
		KindInvalidTokenResponse: {"invalid_token_response", "reading the token response"},
		KindInvalidIDToken:       {"invalid_id_token", "checking the ID token"},
		KindNonceMismatch:        {"nonce_mismatch", "checking the ID token"},
		KindUnmetAuthentication:  {"unmet_authentication", "checking how and when they signed in"},
		KindInvalidAccessToken:   {"invalid_access_token", "checking the access token"},
		KindInvalidUserinfo:      {"invalid_userinfo", "asking for userinfo"},
		KindInvalidLogoutToken:   {"invalid_logout_token", "checking the logout token"},
	}
	if k < 0 || int(k) >= len(all) {
		return "unknown", "talking to the provider"
	}
	return all[k][0], all[k][1]
}

// Error is what goes wrong with a login, a refresh, or a check of a token. Error() is meant for the log: it says exactly what was wrong and
// holds no token, code, nonce, state or secret. Show people the Kind in words of your own, and the Code and Description where there
// are any.
type Error struct {
	Kind Kind
	// Code and Description are `error` and `error_description` as the provider sent them, printable and at most 500
	// characters each; empty for other kinds.
	Code, Description string

	cause error
}

// Error says for the log what went wrong.
func (e *Error) Error() string {
	_, doing := e.Kind.words()
	if e.Code == "" {
		return fmt.Sprintf("%s: %v", doing, e.cause)
	}
	return fmt.Sprintf("%s: %v: error %q, description %q", doing, e.cause, e.Code, e.Description)
}

// Unwrap gives the cause, such as context.Canceled.
func (e *Error) Unwrap() error { return e.cause }

// fail makes an Error; format and args are those of fmt.Errorf.
func fail(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, cause: fmt.Errorf(format, args...)}
}

// asError makes sure that a failure to get metadata or keys has a Kind: a bare one is the asker's own end.
func asError(err error) *Error {
	if known, ok := errors.AsType[*Error](err); ok {
		return known
	}
	return &Error{Kind: KindUnavailable, cause: err}
}
