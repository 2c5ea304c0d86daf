package provider

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// How and when people prove who they are is the provider's business, unless it was asked for something: by the operator for
// every login (AuthParams), or by one login for itself (Request; RFC 9470 calls it a step-up). Rules:
//
//   - acr_values and max_age are requests that a provider may ignore (OIDC Core 3.1.2.1, 5.5.1.1). Whoever sends them looks at
//     the ID token's acr and auth_time.
//   - A login never makes its max_age longer than the operator's.
//   - What is not met is a failure of its own kind. It is not asked for again here.

// contexts are the acr values any of which a login asks for; none: it asks for nothing.
func (p *Provider) contexts(r Request) []string {
	if len(r.ACR) > 0 {
		return r.ACR
	}
	return p.acrValues
}

// longest is the time since signing in that a login asks for at most; nil: it asks for nothing.
func (p *Provider) longest(r Request) *time.Duration {
	if r.MaxAge == nil || p.maxAge != nil && *p.maxAge < *r.MaxAge {
		return p.maxAge
	}
	return r.MaxAge
}

// checkContext: when acr_values were asked for, acr is one of them.
func (t *token) checkContext(asked []string) (string, error) {
	acr, err := t.claims.text("acr")
	if err != nil || len(asked) == 0 {
		return "", err
	}
	if !slices.Contains(asked, acr) {
		return "", fail(KindUnmetAuthentication, "acr is %s, none of the acr_values asked for", quoted(acr))
	}
	return "acr is " + printable(acr, maxValue) + ", one of the acr_values asked for", nil
}

// checkAuthTime: when max_age was asked for, auth_time is there and recent enough.
func (t *token) checkAuthTime(maxAge *time.Duration) (string, error) {
	authenticated, err := t.claims.date("auth_time")
	if err != nil || maxAge == nil {
		return "", err
	}
	age := time.Since(authenticated)
	switch {
	case authenticated.IsZero():
		return "", fail(KindUnmetAuthentication, "auth_time is missing, though max_age was asked for")
	case age < -leeway:
		return "", errors.New("auth_time is in the future; if the clocks differ, mend them")
	case age > *maxAge+leeway:
		return "", fail(KindUnmetAuthentication, "auth_time is %s ago, longer than the max_age asked for, %s", age.Round(time.Second), *maxAge)
	}
	return fmt.Sprintf("auth_time is no longer ago than the max_age asked for, %s", *maxAge), nil
}
