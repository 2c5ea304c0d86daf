package providertest

import (
	"strings"
	"time"
)

// idTokenClaimFaults bend who the ID token is from, for and about (OIDC Core 2 and 3.1.3.7).
func idTokenClaimFaults() []Mutation {
	return []Mutation{
		{Name: "oidcc-client-test-invalid-iss", Does: "signs for another issuer", Stops: AtTokens, IDToken: idSuffix("iss", "1")},
		{Name: "fapi2-security-profile-final-client-test-invalid-missing-iss", Does: "names no issuer", Stops: AtTokens, IDToken: idWithout("iss")},
		{Name: "id-token-iss-without-slash", Does: "names its issuer without the final slash", Stops: AtTokens,
			IDToken: func(p *Provider, j *JWT) { j.Claims["iss"] = strings.TrimSuffix(p.Issuer, "/") }},
		{Name: "id-token-iss-upper-case", Does: "spells its issuer with an upper-case scheme", Stops: AtTokens,
			IDToken: func(p *Provider, j *JWT) { j.Claims["iss"] = strings.Replace(p.Issuer, "http", "HTTP", 1) }},
		{Name: "id-token-iss-array", Does: "names its issuer in an array", Stops: AtTokens,
			IDToken: func(p *Provider, j *JWT) { j.Claims["iss"] = []string{p.Issuer} }},

		{Name: "oidcc-client-test-missing-sub", Does: "names nobody", Stops: AtTokens, IDToken: idWithout("sub")},
		{Name: "id-token-sub-empty", Does: "names an empty subject", Stops: AtTokens, IDToken: idClaim("sub", "")},
		{Name: "id-token-sub-null", Does: "names null", Stops: AtTokens, IDToken: idClaim("sub", nil)},
		{Name: "id-token-sub-number", Does: "names a number", Stops: AtTokens, IDToken: idClaim("sub", 7)},
		{Name: "id-token-sub-long", Does: "names a subject of 256 characters (OIDC Core 2)", Stops: AtTokens,
			IDToken: idClaim("sub", strings.Repeat("a", 256))},
		{Name: "id-token-sub-not-ascii", Does: "names a subject that is not ASCII (OIDC Core 2)", Stops: AtTokens,
			IDToken: idClaim("sub", "al\u0456ce")},

		{Name: "oidcc-client-test-invalid-aud", Does: "signs for another client", Stops: AtTokens, IDToken: idSuffix("aud", "1")},
		{Name: "oidcc-client-test-missing-aud", Does: "signs for nobody", Stops: AtTokens, IDToken: idWithout("aud")},
		{Name: "id-token-aud-empty", Does: "signs for an empty list", Stops: AtTokens, IDToken: idClaim("aud", []string{})},
		{Name: "id-token-aud-null", Does: "signs for null", Stops: AtTokens, IDToken: idClaim("aud", nil)},
		{Name: "id-token-aud-prefix", Does: "signs for a client whose name begins like ours", Stops: AtTokens,
			IDToken: idClaim("aud", []string{ClientID + " other"})},
		{Name: "fapi2-security-profile-final-client-test-invalid-secondary-aud", Stops: AtTokens,
			Does:    "signs for a second, untrusted client too",
			IDToken: idClaim("aud", []string{ClientID, ClientID + "1"})},
		{Name: "id-token-aud-api-alone", Does: "signs for the API and not for us", Stops: AtTokens, IDToken: idClaim("aud", Audience)},
		{Name: "id-token-aud-api-without-azp", Does: "signs for us and the API, and does not say who asked", Stops: AtTokens,
			IDToken: idClaim("aud", []string{ClientID, Audience})},
		{Name: "id-token-aud-second-with-azp", Does: "signs for a second, untrusted client too, and names us as azp", Stops: AtTokens,
			IDToken: func(_ *Provider, j *JWT) {
				j.Claims["aud"], j.Claims["azp"] = []string{ClientID, "other"}, ClientID
			}},
		{Name: "id-token-azp-other", Does: "says that another client asked (OIDC Core 3.1.3.7 (5))", Stops: AtTokens,
			IDToken: idClaim("azp", "other")},

		{Name: "oidcc-client-test-nonce-invalid", Does: "changes the nonce", Stops: AtTokens, IDToken: idSuffix("nonce", "1")},
		{Name: "fapi2-security-profile-final-client-test-invalid-missing-nonce", Does: "leaves the nonce out", Stops: AtTokens,
			IDToken: idWithout("nonce")},
		{Name: "id-token-nonce-empty", Does: "empties the nonce", Stops: AtTokens, IDToken: idClaim("nonce", "")},
		{Name: "id-token-nonce-array", Does: "sends the nonce in an array", Stops: AtTokens,
			IDToken: func(_ *Provider, j *JWT) { j.Claims["nonce"] = []any{j.Claims["nonce"]} }},

		{Name: "oidcc-client-test-invalid-athash", Does: "binds the ID token to another access token (OIDC Core 3.1.3.8)", Stops: AtTokens,
			IDToken: idClaim("at_hash", accessTokenHash("RS256", "another"))},
		{Name: "id-token-at-hash-number", Does: "sends a number for at_hash", Stops: AtTokens, IDToken: idClaim("at_hash", 7)},

		{Name: "id-token-sub-twice", Does: "names two subjects", Stops: AtTokens, IDToken: payloadWith("sub", "admin")},
		{Name: "id-token-sub-case", Does: "names a second subject as SUB, which some decoders take for sub", Stops: AtTokens,
			IDToken: payloadWith("SUB", "admin")},
		{Name: "id-token-aud-twice", Does: "names two audiences in two members", Stops: AtTokens, IDToken: payloadWith("aud", "other")},
		{Name: "id-token-sid-number", Does: "gives a number for its session (Front-Channel Logout 3)", Stops: AtTokens, IDToken: idClaim("sid", 7)},
		{Name: "id-token-acr-array", Does: "sends an array for acr (OIDC Core 2)", Stops: AtTokens, IDToken: idClaim("acr", []string{"mfa"})},
		{Name: "id-token-groups-twice", Does: "lists groups twice", Stops: AtTokens, IDToken: payloadWith("groups", []string{"Admin"})},
	}
}

// payloadWith signs the claims with one more member, which may be there already.
func payloadWith(name string, value any) func(*Provider, *JWT) {
	return func(_ *Provider, j *JWT) { j.Payload = withMember(jsonOf(j.Claims), name, value) }
}

// idTokenTimeFaults bend the times (OIDC Core 2 and 3.1.3.7 (9), (10)).
func idTokenTimeFaults() []Mutation {
	return []Mutation{
		{Name: "oidcc-client-test-missing-iat", Does: "does not say when it signed", Stops: AtTokens, IDToken: idWithout("iat")},
		{Name: "id-token-iat-text", Does: "says in words when it signed", Stops: AtTokens, IDToken: idClaim("iat", "1700000000")},
		{Name: "id-token-iat-future", Does: "signed tomorrow", Stops: AtTokens, IDToken: idTime("iat", 24*time.Hour)},
		{Name: "id-token-iat-old", Does: "signed yesterday", Stops: AtTokens, IDToken: idTime("iat", -24*time.Hour)},
		{Name: "fapi2-security-profile-final-client-test-invalid-missing-exp", Does: "does not say when it expires", Stops: AtTokens,
			IDToken: idWithout("exp")},
		{Name: "fapi2-security-profile-final-client-test-invalid-expired-exp", Does: "expired six minutes ago", Stops: AtTokens,
			IDToken: idTime("exp", -6*time.Minute)},
		{Name: "id-token-exp-text", Does: "says in words when it expires", Stops: AtTokens, IDToken: idClaim("exp", "9999999999")},
		{Name: "id-token-exp-null", Does: "expires at null", Stops: AtTokens, IDToken: idClaim("exp", nil)},
		{Name: "id-token-exp-negative", Does: "expired before 1970", Stops: AtTokens, IDToken: idClaim("exp", -1)},
		{Name: "id-token-exp-huge-negative", Does: "expired before there was time", Stops: AtTokens, IDToken: idClaim("exp", -1e300)},
		{Name: "id-token-exp-huge", Does: "never expires, by a number that no clock holds", Stops: AtTokens, IDToken: idClaim("exp", 1e300)},
		{Name: "id-token-exp-wraps", Does: "expires in nanoseconds, which would wrap a clock", Stops: AtTokens, IDToken: idClaim("exp", int64(9e18))},
		{Name: "id-token-auth-time-text", Does: "says in words when the person signed in", Stops: AtTokens, IDToken: idClaim("auth_time", "now")},
		{Name: "id-token-iat-milliseconds", Does: "tells in milliseconds when it signed", Stops: AtTokens,
			IDToken: func(_ *Provider, j *JWT) { j.Claims["iat"] = time.Now().UnixMilli() }},
		{Name: "id-token-iat-huge", Does: "signed after the end of time", Stops: AtTokens, IDToken: idClaim("iat", 1e300)},
		{Name: "id-token-nbf-text", Does: "says in words since when it is valid", Stops: AtTokens, IDToken: idClaim("nbf", "0")},
		{Name: "id-token-nbf-future", Does: "is not valid before tomorrow", Stops: AtTokens, IDToken: idTime("nbf", 24*time.Hour)},
	}
}

// idTime sets a time claim relative to now.
func idTime(name string, offset time.Duration) func(*Provider, *JWT) {
	return func(_ *Provider, j *JWT) { j.Claims[name] = time.Now().Add(offset).Unix() }
}
