package providertest

import (
	"net/http"
	"strings"
	"time"
)

// APITokenFaults bend the JWT of an API client, each so that a sound resource server refuses it (RFC 9068 4, RFC 8725). They are of no
// interest to a login, and so not among [Misbehaviours].
func APITokenFaults() []Mutation {
	faults := []Mutation{
		{Name: "api-token-invalid-iss", Does: "issues for another issuer", APIToken: idSuffix("iss", "1")},
		{Name: "api-token-iss-without-slash", Does: "names its issuer without the final slash",
			APIToken: func(p *Provider, j *JWT) { j.Claims["iss"] = strings.TrimSuffix(p.Issuer, "/") }},
		{Name: "api-token-missing-iss", Does: "names no issuer", APIToken: idWithout("iss")},
		{Name: "api-token-invalid-aud", Does: "issues for another API", APIToken: idClaim("aud", "https://other.example.test")},
		{Name: "api-token-aud-of-the-client", Does: "issues for the client of the logins", APIToken: idClaim("aud", ClientID)},
		{Name: "api-token-aud-suffix", Does: "issues for an API whose name begins like ours", APIToken: idClaim("aud", Audience+".evil.example")},
		{Name: "api-token-missing-aud", Does: "issues for no API", APIToken: idWithout("aud")},
		{Name: "api-token-missing-exp", Does: "issues for ever", APIToken: idWithout("exp")},
		{Name: "api-token-expired", Does: "issues what expired a minute ago", APIToken: idTime("exp", -time.Minute)},
		{Name: "api-token-exp-text", Does: "says in words when it expires", APIToken: idClaim("exp", "9999999999")},
		{Name: "api-token-exp-huge", Does: "expires after the end of time", APIToken: idClaim("exp", 1e300)},
		{Name: "api-token-nbf-future", Does: "issues for tomorrow", APIToken: idTime("nbf", 24*time.Hour)},
		{Name: "api-token-iat-future", Does: "issues tomorrow", APIToken: idTime("iat", 24*time.Hour)},
		{Name: "api-token-missing-sub", Does: "names nobody", APIToken: idWithout("sub")},
		{Name: "api-token-sub-empty", Does: "names an empty subject", APIToken: idClaim("sub", "")},
		{Name: "api-token-sub-number", Does: "names a number", APIToken: idClaim("sub", 7)},
		{Name: "api-token-sub-twice", Does: "names two subjects", APIToken: payloadWith("sub", "admin")},
		{Name: "api-token-sub-case", Does: "names a second subject as SUB", APIToken: payloadWith("SUB", "admin")},
		{Name: "api-token-bound", Does: "binds the token to a key (RFC 9449 6.1)", APIToken: idClaim("cnf", map[string]any{"jkt": "x"})},
		{Name: "api-token-huge", Does: "issues a token of 30 KiB", APIToken: idClaim("padding", strings.Repeat("x", 22<<10))},
		{Name: "api-token-dots", Does: "issues a thousand dots", APIToken: finish(func(string) string { return strings.Repeat(".", 1000) })},
		undeclared("id-token", "an ID token", idClaim("nonce", "n")),
		undeclared("at-hash", "an ID token with at_hash", idClaim("at_hash", "h")),
		undeclared("c-hash", "an ID token with c_hash", idClaim("c_hash", "h")),
		undeclared("for-both", "an ID token for its client and the API, as Zitadel does", func(p *Provider, j *JWT) {
			idWithout("scope", "jti")(p, j)
			j.Claims["aud"], j.Claims["azp"] = []string{APIClient, Audience}, APIClient
		}),
		undeclared("logout-token", "a logout token", idClaim("events", map[string]any{})),
		undeclared("typ-id", "an ID token, as Keycloak marks it", idClaim("typ", "ID")),
		undeclared("typ-refresh", "a refresh token, as Keycloak marks it", idClaim("typ", "Refresh")),
		undeclared("typ-logout", "a logout token, as Keycloak marks it", idClaim("typ", "Logout")),
	}
	return append(faults, likeIDTokens(idTokenAlgorithmFaults(), idTokenKeyFaults(), idTokenFormFaults())...)
}

// undeclared issues a JWT that does not say in its header that it is an access token, and is none.
func undeclared(name, what string, bend func(*Provider, *JWT)) Mutation {
	return Mutation{Name: "api-token-undeclared-" + name, Does: "issues " + what, APIToken: func(p *Provider, j *JWT) {
		delete(j.Header, "typ")
		bend(p, j)
	}}
}

// likeIDTokens bends API clients' tokens as others bend ID tokens, but for what is right in what says that it is an access token, and
// for what no header carries.
func likeIDTokens(lists ...[]Mutation) []Mutation {
	var faults []Mutation
	for _, list := range lists {
		for _, m := range list {
			switch m.Name {
			case "id-token-typ-access-token", "id-token-events", "id-token-newline":
				continue
			}
			name := strings.TrimPrefix(strings.TrimPrefix(m.Name, "id-token-"), "oidcc-client-test-")
			faults = append(faults, Mutation{
				Name: "api-token-" + name, Does: m.Does, Metadata: m.Metadata, KeySet: m.KeySet, APIToken: m.IDToken,
			})
		}
	}
	return faults
}

// APITokenOddities are JWTs of API clients that a sound resource server accepts.
func APITokenOddities() []Mutation {
	return []Mutation{
		{Name: "api-token", Does: "is honest and plain"},
		{Name: "api-token-typ-jwt", Does: "says that the token is a JWT, as Keycloak does", APIToken: func(_ *Provider, j *JWT) {
			j.Header["typ"], j.Claims["typ"] = "JWT", "Bearer"
		}},
		{Name: "api-token-typ-missing", Does: "does not say what kind the token is",
			APIToken: func(_ *Provider, j *JWT) { delete(j.Header, "typ") }},
		{Name: "api-token-typ-in-full", Does: "writes the whole media type", APIToken: typ("application/at+jwt")},
		{Name: "api-token-aud-text", Does: "names the audience as a text", APIToken: idClaim("aud", Audience)},
		{Name: "api-token-aud-several", Does: "issues for several APIs", APIToken: idClaim("aud", []string{"https://other.example.test", Audience})},
		{Name: "api-token-sparse", Does: "says no more than it must", APIToken: idWithout("iat", "nbf", "jti", "client_id", "scope")},
		{Name: "api-token-es256", Does: "signs with another key", APIToken: signedBy("ec-1", "ES256")},
		{Name: "api-token-eddsa", Does: "signs with an Ed25519 key that bears no alg", APIToken: signedBy("ed", "EdDSA")},
		{Name: "api-token-rotation", Does: "changes all its keys just before it signs", APIToken: func(p *Provider, j *JWT) {
			p.RotateKeys()
			signedBy("rsa-1", "RS256")(p, j)
		}},
		{Name: "api-token-uid", Does: "has an attribute uid that is somebody else's name, which nobody but Okta means so",
			APIToken: func(_ *Provider, j *JWT) { j.Claims["uid"], j.Claims["cid"] = "mallory", APIClient }},
	}
}

// IntrospectionFaults bend introspection's answer so that the token is not good (RFC 7662 2.2, 4).
func IntrospectionFaults() []Mutation {
	return []Mutation{
		{Name: "introspection-inactive", Does: "says that the token is not active, and all about it", Introspection: member("active", false)},
		{Name: "introspection-invalid-iss", Does: "speaks for another issuer", Introspection: member("iss", "https://other.example.test")},
		{Name: "introspection-invalid-aud", Does: "says that the token is for another API", Introspection: member("aud", "https://other.example.test")},
		{Name: "introspection-missing-aud", Does: "does not say for whom the token is", Introspection: without("aud")},
		{Name: "introspection-expired", Does: "calls a token active that expired a minute ago",
			Introspection: member("exp", time.Now().Add(-time.Minute).Unix())},
		{Name: "introspection-exp-text", Does: "says in words when the token expires", Introspection: member("exp", "9999999999")},
		{Name: "introspection-nbf-future", Does: "calls a token active that is for tomorrow",
			Introspection: member("nbf", time.Now().Add(24*time.Hour).Unix())},
		{Name: "introspection-missing-sub", Does: "does not say whose the token is", Introspection: without("sub")},
		{Name: "introspection-sub-empty", Does: "says that the token is nobody's", Introspection: member("sub", "")},
		{Name: "introspection-dpop", Does: "says that the token is of type DPoP", Introspection: member("token_type", "DPoP")},
		{Name: "introspection-bound", Does: "says that the token is bound to a key",
			Introspection: member("cnf", map[string]any{"x5t#S256": "x"})},
		{Name: "introspection-refresh-token", Does: "calls a refresh token active", Introspection: member("typ", "Refresh")},
	}
}

// IntrospectionOutages are answers that are none: they say nothing of the token.
func IntrospectionOutages() []Mutation {
	return []Mutation{
		{Name: "introspection-active-text", Does: "says active in words", Introspection: member("active", "true")},
		{Name: "introspection-active-number", Does: "says active as a number", Introspection: member("active", 1)},
		{Name: "introspection-active-null", Does: "says null", Introspection: member("active", nil)},
		{Name: "introspection-active-missing", Does: "does not say whether the token is active", Introspection: without("active")},
		{Name: "introspection-active-twice", Does: "says both", Introspection: func(_ *Provider, a *Answer) {
			a.Members["active"] = false
			a.Body = withMember(a.bytes(), "active", true)
		}},
		{Name: "introspection-sub-twice", Does: "says that the token is two people's", Introspection: duplicate("sub", "admin")},
		{Name: "introspection-html", Does: "answers with a page", Introspection: contentType("text/html")},
		{Name: "introspection-array", Does: "answers with an array", Introspection: func(_ *Provider, a *Answer) {
			a.Body = append(append([]byte("["), a.bytes()...), ']')
		}},
		{Name: "introspection-401", Does: "does not know its client", Introspection: body(http.StatusUnauthorized, "application/json", `{"error":"invalid_client"}`)},
		{Name: "introspection-500", Does: "fails", Introspection: body(http.StatusInternalServerError, "text/html", `<h1>out of order</h1>`)},
		{Name: "introspection-201", Does: "answers with another status", Introspection: func(_ *Provider, a *Answer) { a.Status = http.StatusCreated }},
		{Name: "introspection-redirect", Does: "redirects token and secret to another origin", Introspection: redirect(http.StatusTemporaryRedirect)},
		{Name: "introspection-huge", Does: "answers with 8 MiB", Introspection: pad},
		{Name: "introspection-bomb", Does: "answers with a few bytes that unpack to 8 MiB", Introspection: bomb},
		{Name: "introspection-cut", Does: "breaks off in the middle", Introspection: cut},
		{Name: "introspection-hang", Does: "never answers", Introspection: hang},
	}
}

// IntrospectionOddities are answers that make a token good.
func IntrospectionOddities() []Mutation {
	return []Mutation{
		{Name: "introspection", Does: "is honest and plain"},
		{Name: "introspection-sparse", Does: "says no more than it must",
			Introspection: without("iss", "exp", "iat", "nbf", "jti", "client_id", "scope", "token_type")},
		{Name: "introspection-token-type-case", Does: "spells the token type bEARER", Introspection: member("token_type", "bEARER")},
		{Name: "introspection-aud-text", Does: "names the audience as a text", Introspection: member("aud", Audience)},
		{Name: "introspection-charset", Does: "names a charset with its media type", Introspection: contentType("application/json;charset=UTF-8")},
		{Name: "introspection-more-members", Does: "says much that nobody asked", Introspection: func(_ *Provider, a *Answer) {
			a.Members["username"], a.Members["typ"], a.Members["x-corp"] = "alice@corp", "Bearer", map[string]any{"active": false}
		}},
	}
}
