package providertest

import (
	"crypto/rand"
	"net/http"
	"strings"
	"time"
)

// RefreshMisbehaviours are mutations of what comes with refreshed tokens (OIDC Core 12.2, RFC 6749 5.1, 6) that a sound client refuses.
// The login before them is honest. They need a client that checks the audience of access tokens ([Audience]), and a provider that issues
// refresh tokens ([Provider.IssueRefreshTokens]).
func RefreshMisbehaviours() []Mutation {
	faults := append(refreshedIDTokenFaults(), refreshedAccessTokenFaults()...)
	faults = append(faults, refreshReplyFaults()...)
	for i := range faults {
		faults[i].Stops = AtRefresh
	}
	return faults
}

func refreshedIDTokenFaults() []Mutation {
	return []Mutation{
		{Name: "oidcc-client-test-refresh-token-invalid-issuer", Does: "refreshes with an ID token of another issuer", RefreshIDToken: idSuffix("iss", "1")},
		{Name: "oidcc-client-test-refresh-token-invalid-sub", Does: "refreshes with an ID token about somebody else", RefreshIDToken: idSuffix("sub", "1")},
		{Name: "refresh-id-token-other-person", Does: "refreshes with both tokens about another person whom it knows",
			RefreshIDToken: idClaim("sub", "bob"), RefreshAccessToken: idClaim("sub", "bob")},
		{Name: "refresh-id-token-missing-sub", Does: "refreshes with an ID token about nobody", RefreshIDToken: idWithout("sub")},
		{Name: "refresh-id-token-sub-twice", Does: "refreshes with an ID token about two people", RefreshIDToken: payloadWith("sub", "bob")},
		{Name: "refresh-id-token-invalid-aud", Does: "refreshes with an ID token for another client", RefreshIDToken: idSuffix("aud", "1")},
		{Name: "refresh-id-token-second-aud", Does: "refreshes with an ID token for another client too",
			RefreshIDToken: idClaim("aud", []string{ClientID, "other"})},
		{Name: "refresh-id-token-missing-iat", Does: "does not say when it signed the refreshed ID token", RefreshIDToken: idWithout("iat")},
		{Name: "refresh-id-token-iat-old", Does: "refreshes with an ID token of yesterday", RefreshIDToken: idTime("iat", -24*time.Hour)},
		{Name: "refresh-id-token-iat-future", Does: "refreshes with an ID token of tomorrow", RefreshIDToken: idTime("iat", 24*time.Hour)},
		{Name: "refresh-id-token-expired", Does: "refreshes with an ID token that has expired", RefreshIDToken: idTime("exp", -6*time.Minute)},
		{Name: "refresh-id-token-azp-other", Does: "says that another client asked for the refresh", RefreshIDToken: idClaim("azp", "other")},
		{Name: "refresh-id-token-azp-new", Does: "names an azp where the login had none (OIDC Core 12.2)", RefreshIDToken: idClaim("azp", ClientID)},
		{Name: "refresh-id-token-auth-time-changed", Does: "says that the login was at another time", RefreshIDToken: idTime("auth_time", -time.Hour)},
		{Name: "refresh-id-token-auth-time-text", Does: "says in words when the login was", RefreshIDToken: idClaim("auth_time", "now")},
		{Name: "refresh-id-token-nonce-other", Does: "sends a nonce that is not the login's", RefreshIDToken: idClaim("nonce", strings.Repeat("x", 43))},
		{Name: "refresh-id-token-nonce-empty", Does: "sends an empty nonce", RefreshIDToken: idClaim("nonce", "")},
		{Name: "refresh-id-token-invalid-athash", Does: "binds the refreshed ID token to another access token",
			RefreshIDToken: idClaim("at_hash", accessTokenHash("RS256", "another"))},
		{Name: "refresh-id-token-signature-altered", Does: "alters the signature of the refreshed ID token", RefreshIDToken: alteredSignature},
		{Name: "refresh-id-token-foreign-key", Does: "signs the refreshed ID token with a key that it does not publish", RefreshIDToken: signedByStranger},
		{Name: "refresh-id-token-alg-none", Does: "does not sign the refreshed ID token", RefreshIDToken: unsigned("none")},
		{Name: "refresh-id-token-logout-token", Does: "refreshes with a logout token", RefreshIDToken: idClaim("events", map[string]any{})},
	}
}

func refreshedAccessTokenFaults() []Mutation {
	return []Mutation{
		{Name: "refresh-access-token-other-sub", Does: "refreshes with somebody else's access token", RefreshAccessToken: idClaim("sub", "bob")},
		{Name: "refresh-access-token-other-sub-alone", Does: "refreshes with somebody else's access token and no ID token",
			RefreshAccessToken: idClaim("sub", "bob"), RefreshReply: without("id_token")},
		{Name: "refresh-access-token-invalid-aud", Does: "refreshes with an access token for another API",
			RefreshAccessToken: idClaim("aud", "https://other.example.test")},
		{Name: "refresh-access-token-expired", Does: "refreshes with an access token that has expired", RefreshAccessToken: idTime("exp", -6*time.Minute)},
		{Name: "refresh-access-token-just-expired", Does: "refreshes with an access token that is over when it arrives",
			RefreshAccessToken: idTime("exp", -10*time.Second)},
		{Name: "refresh-access-token-opaque", Does: "refreshes with an access token that is no JWT",
			RefreshAccessToken: finish(func(string) string { return rand.Text() })},
	}
}

func refreshReplyFaults() []Mutation {
	return []Mutation{
		{Name: "refresh-access-token-missing", Does: "refreshes without an access token", RefreshReply: without("access_token")},
		{Name: "refresh-access-token-line-break", Does: "sends an access token that would end a header",
			RefreshReply: member("access_token", "a\r\nX-Forwarded-User: admin")},
		{Name: "refresh-token-type-mac", Does: "refreshes with a token of type mac", RefreshReply: member("token_type", "mac")},
		{Name: "refresh-id-token-null", Does: "sends null for the refreshed ID token", RefreshReply: member("id_token", nil)},
		{Name: "refresh-id-token-number", Does: "sends a number for the refreshed ID token", RefreshReply: member("id_token", 7)},
		{Name: "refresh-refresh-token-number", Does: "sends a number for the next refresh token", RefreshReply: member("refresh_token", 7)},
		{Name: "refresh-refresh-token-empty", Does: "sends an empty refresh token", RefreshReply: member("refresh_token", "")},
		{Name: "refresh-refresh-token-line-break", Does: "sends a refresh token with a line break", RefreshReply: member("refresh_token", "a\nb")},
		{Name: "refresh-refresh-token-huge", Does: "sends a refresh token of 100 KB", RefreshReply: member("refresh_token", strings.Repeat("x", 100_000))},
		{Name: "refresh-refresh-token-twice", Does: "sends two refresh tokens", RefreshReply: duplicate("refresh_token", "other")},
		{Name: "refresh-refresh-token-case", Does: "spells a second refresh token in upper case", RefreshReply: member("REFRESH_TOKEN", "other")},
		{Name: "refresh-html", Does: "answers a refresh with a page", RefreshReply: body(http.StatusOK, "text/html", "<h1>Welcome</h1>")},
		{Name: "refresh-empty", Does: "answers a refresh with nothing", RefreshReply: body(http.StatusOK, "application/json", "")},
	}
}

// RefreshUserinfoFault describes somebody else at userinfo after a refresh. Groups are told there alone, so that it is asked.
func RefreshUserinfoFault() Mutation {
	return Mutation{
		Name: "refresh-userinfo-other-sub", Does: "describes somebody else at userinfo after a refresh", Stops: AtUserinfo,
		IDToken: idWithout("groups"), AccessToken: idWithout("groups"), RefreshUserinfo: member("sub", "bob"),
	}
}

// RefreshOddities are mutations of what comes with refreshed tokens that a sound client accepts.
func RefreshOddities() []Mutation {
	return []Mutation{
		{Name: "oidcc-client-test-refresh-token", Does: "is honest and plain, and tells the groups at userinfo alone",
			IDToken: idWithout("groups"), AccessToken: idWithout("groups")},
		{Name: "refresh-without-id-token", Does: "refreshes without an ID token (OIDC Core 12.2)", RefreshReply: without("id_token")},
		{Name: "refresh-without-refresh-token", Does: "sends no new refresh token (RFC 6749 6)", RefreshReply: without("refresh_token")},
		{Name: "refresh-without-expires-in", Does: "does not say when the refreshed access token expires", RefreshReply: without("expires_in")},
		{Name: "refresh-nonce-repeated", Does: "repeats the login's nonce in the refreshed ID token",
			RefreshIDToken: func(p *Provider, j *JWT) { j.Claims["nonce"] = p.lastNonce() }},
		{Name: "refresh-without-auth-time", Does: "does not repeat when the login was", RefreshIDToken: idWithout("auth_time", "sid")},
		{Name: "refresh-without-at-hash", Does: "does not bind the refreshed tokens to each other", RefreshIDToken: idWithout("at_hash")},
		{Name: "refresh-key-rotation", Does: "changes all its keys just before it signs refreshed tokens",
			RefreshAccessToken: func(p *Provider, j *JWT) {
				p.RotateKeys()
				signedBy("rsa-1", "RS256")(p, j)
			},
			RefreshIDToken: signedBy("rsa-1", "RS256")},
		{Name: "refresh-more-members", Does: "sends members that nobody asked for", RefreshReply: member("refresh_expires_in", 1800)},
	}
}

// lastNonce is the nonce of the latest authorization request.
func (p *Provider) lastNonce() string {
	all := p.Requests(Authorization)
	return all[len(all)-1].Query.Get("nonce")
}
