package providertest

import (
	"net/url"
	"time"
)

// Shortcomings are the mutations of a provider that does not sign people in as acr_values and max_age ask for (OIDC Core 3.1.2.1;
// RFC 9470 4, 5). A sound client that asked refuses each; of one that did not ask, nothing is bent.
func Shortcomings() []Mutation {
	return []Mutation{
		{Name: "step-up-acr-ignored", Does: "ignores acr_values, and says nothing of it", Stops: AtTokens, StepUp: idWithout("acr")},
		{Name: "step-up-acr-other", Does: "signs people in otherwise, and says so", Stops: AtTokens, StepUp: idClaim("acr", "pwd")},
		{Name: "step-up-acr-case", Does: "spells what was asked for in other letters", Stops: AtTokens, StepUp: idClaim("acr", "MFA")},
		{Name: "step-up-acr-empty", Does: "names no way of signing in", Stops: AtTokens, StepUp: idClaim("acr", "")},
		{Name: "step-up-acr-number", Does: "sends a number for acr", Stops: AtTokens, StepUp: idClaim("acr", 2)},
		{Name: "step-up-acr-list", Does: "sends what was asked for in a list", Stops: AtTokens, StepUp: idClaim("acr", []string{"mfa"})},
		{Name: "step-up-acr-null", Does: "sends null for acr", Stops: AtTokens, StepUp: idClaim("acr", nil)},
		{Name: "step-up-max-age-ignored", Does: "ignores max_age: people signed in an hour ago", Stops: AtTokens,
			StepUp: idTime("auth_time", -time.Hour)},
		{Name: "step-up-auth-time-missing", Does: "does not say when people signed in", Stops: AtTokens, StepUp: idWithout("auth_time")},
		{Name: "step-up-auth-time-future", Does: "says that people sign in an hour from now", Stops: AtTokens, StepUp: idTime("auth_time", time.Hour)},
		{Name: "step-up-auth-time-text", Does: "says in words when people signed in", Stops: AtTokens, StepUp: idClaim("auth_time", "1700000000")},
		{Name: "step-up-unmet", Does: "says that it cannot (OpenID Connect Core Error Code unmet_authentication_requirements 1.0)", Stops: AtCallback,
			Refuse: refuseStepUp("unmet_authentication_requirements")},
		{Name: "step-up-access-denied", Does: "lets people refuse to sign in again", Stops: AtCallback, Refuse: refuseStepUp("access_denied")},
		{Name: "step-up-login-required", Does: "would have to ask people, and was told not to", Stops: AtCallback, Refuse: refuseStepUp("login_required")},
	}
}

// refuseStepUp answers requests that ask for a certain login with an error.
func refuseStepUp(code string) func(*Provider, url.Values) string {
	return func(_ *Provider, request url.Values) string {
		if request.Has("acr_values") || request.Has("max_age") {
			return code
		}
		return ""
	}
}
