package proxy

import (
	"errors"
	"net/http"

	"doorward/proxy/provider"
)

// Logouts that the provider reports, or an administrator asks for, and that fail.

// notALogout is a failure of a request to end sessions, by the provider or an administrator, in which the request is at fault
// (OpenID Connect Back-Channel Logout 2.8).
func notALogout(f *failure) *failure {
	f.code, f.event = "invalid_request", "logout_failed"
	return forPrograms(f)
}

// logoutTokenRefused tells a token that is at fault from one that cannot be checked now.
func logoutTokenRefused(err error) *failure {
	if known, ok := errors.AsType[*provider.Error](err); !ok || known.Kind != provider.KindInvalidLogoutToken {
		return tryLogoutAgain("The logout token cannot be checked now", "The provider's keys are not to be had. Send it again.", err)
	}
	return notALogout(&failure{status: http.StatusBadRequest, title: "The logout token is not accepted",
		text: []string{"The log says what is wrong with it."}, cause: err})
}

func logoutTokenUsed() *failure {
	return notALogout(&failure{status: http.StatusBadRequest, title: "The logout token was used before",
		text: []string{"Nothing was done this time."}, cause: errors.New("the logout token's jti came before")})
}

func logoutNotKept(err error) *failure {
	return tryLogoutAgain("The logout may not survive a restart", "The sessions have ended, but that cannot be written down. Send it again.", err)
}

// notEnded tells a name that is at fault from what could not be written down.
func notEnded(err error) *failure {
	if f, ok := errors.AsType[*failure](err); ok {
		return notALogout(f)
	}
	return logoutNotKept(err)
}

// notAnAdmin says nothing of what was wrong with the token.
func notAnAdmin() *failure {
	return forPrograms(&failure{status: http.StatusUnauthorized, code: "unauthenticated", event: "admin_refused",
		title: "This is for administrators", text: []string{"It needs DOORWARD_ADMIN_TOKEN as a bearer token, in one Authorization header."},
		header: http.Header{"Www-Authenticate": {`Bearer realm="doorward-admin"`}},
		cause:  errors.New("the request brings not exactly one Authorization header, or not DOORWARD_ADMIN_TOKEN in it")})
}

func tryLogoutAgain(title, text string, err error) *failure {
	f := &failure{status: http.StatusServiceUnavailable, code: "temporarily_unavailable", event: "logout_failed",
		title: title, text: []string{text}, cause: err}
	return forPrograms(f).retryAfter(5)
}
