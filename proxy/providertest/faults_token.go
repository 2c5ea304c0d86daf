package providertest

import (
	"net/http"
	"strings"
)

// tokenReplyFaults bend the token endpoint's answer (OIDC Core 3.1.3.3, 3.1.3.4; RFC 6749 5).
func tokenReplyFaults() []Mutation {
	return []Mutation{
		{Name: "token-invalid-grant", Does: "refuses the code", Stops: AtTokens,
			TokenReply: body(http.StatusBadRequest, "application/json", `{"error":"invalid_grant","error_description":"expired"}`)},
		{Name: "token-invalid-client", Does: "refuses the client", Stops: AtTokens,
			TokenReply: body(http.StatusUnauthorized, "application/json", `{"error":"invalid_client"}`)},
		{Name: "token-error-with-200", Does: "sends an error with status 200", Stops: AtTokens,
			TokenReply: body(http.StatusOK, "application/json", `{"error":"invalid_grant"}`)},
		{Name: "token-500", Does: "answers with an error page", Stops: AtTokens,
			TokenReply: body(http.StatusInternalServerError, "text/html", "<h1>out of order</h1>")},
		{Name: "token-503", Does: "is overloaded", Stops: AtTokens,
			TokenReply: body(http.StatusServiceUnavailable, "text/plain", "later")},
		{Name: "token-html", Does: "answers with a page and status 200", Stops: AtTokens,
			TokenReply: body(http.StatusOK, "text/html", "<h1>Welcome</h1>")},
		{Name: "token-empty", Does: "answers with nothing", Stops: AtTokens,
			TokenReply: body(http.StatusOK, "application/json", "")},
		{Name: "token-array", Does: "answers with a JSON array", Stops: AtTokens,
			TokenReply: func(_ *Provider, a *Answer) { a.Body = []byte("[" + string(a.bytes()) + "]") }},
		{Name: "token-text-plain", Does: "sends tokens as plain text (RFC 6749 5.1)", Stops: AtTokens,
			TokenReply: contentType("text/plain")},
		{Name: "token-type-of-content-missing", Does: "does not say of which media type its answer is", Stops: AtTokens, TokenReply: contentType("")},
		{Name: "token-form-encoded", Does: "sends tokens form-encoded", Stops: AtTokens, TokenReply: formEncoded},
		{Name: "token-access-token-missing", Does: "sends no access token", Stops: AtTokens, TokenReply: without("access_token")},
		{Name: "token-access-token-number", Does: "sends a number for an access token", Stops: AtTokens, TokenReply: member("access_token", 7)},
		{Name: "token-access-token-twice", Does: "sends two access tokens", Stops: AtTokens, TokenReply: duplicate("access_token", "other")},
		{Name: "token-id-token-missing", Does: "sends no ID token (OIDC Core 3.1.3.3)", Stops: AtTokens, TokenReply: without("id_token")},
		{Name: "token-id-token-empty", Does: "sends an empty ID token", Stops: AtTokens, TokenReply: member("id_token", "")},
		{Name: "token-id-token-null", Does: "sends null for an ID token", Stops: AtTokens, TokenReply: member("id_token", nil)},
		{Name: "token-id-token-number", Does: "sends a number for an ID token", Stops: AtTokens, TokenReply: member("id_token", 7)},
		{Name: "token-id-token-object", Does: "sends the ID token's claims, unsigned", Stops: AtTokens,
			TokenReply: member("id_token", map[string]any{"sub": "alice"})},
		{Name: "token-id-token-twice", Does: "sends two ID tokens", Stops: AtTokens, TokenReply: duplicate("id_token", "a.b.c")},
		{Name: "token-id-token-upper-case", Does: "misspells id_token in upper case", Stops: AtTokens,
			TokenReply: func(_ *Provider, a *Answer) {
				a.Members["ID_TOKEN"] = a.Members["id_token"]
				delete(a.Members, "id_token")
			}},
		{Name: "token-id-token-huge", Does: "sends an ID token of 2 MiB", Stops: AtTokens,
			TokenReply: member("id_token", strings.Repeat("x", 2<<20))},
		{Name: "token-id-token-dots", Does: "sends an ID token of 100,000 dots", Stops: AtTokens,
			TokenReply: member("id_token", strings.Repeat(".", 100_000))},
		{Name: "token-type-missing", Does: "names no token type (RFC 6749 5.1)", Stops: AtTokens, TokenReply: without("token_type")},
		{Name: "token-type-empty", Does: "names an empty token type", Stops: AtTokens, TokenReply: member("token_type", "")},
		{Name: "token-type-mac", Does: "sends a token of type mac (RFC 6749 7.1)", Stops: AtTokens, TokenReply: member("token_type", "mac")},
		{Name: "token-type-dpop", Does: "sends a token of type DPoP, which nobody asked for", Stops: AtTokens,
			TokenReply: member("token_type", "DPoP")},
		{Name: "token-redirect-307", Does: "redirects code, verifier and secret to another origin", Stops: AtTokens,
			TokenReply: redirect(http.StatusTemporaryRedirect)},
		{Name: "token-redirect-308", Does: "redirects code, verifier and secret for ever", Stops: AtTokens,
			TokenReply: redirect(http.StatusPermanentRedirect)},
		{Name: "token-access-token-line-break", Does: "sends an access token of two lines, the second a header", Stops: AtTokens,
			TokenReply: member("access_token", "x\r\nX-Admin: 1")},
		{Name: "token-access-token-in-two-cases", Does: "sends a second access token in upper case", Stops: AtTokens,
			TokenReply: duplicate("ACCESS_TOKEN", "other")},
		{Name: "token-not-utf8", Does: "sends bytes that are not UTF-8", Stops: AtTokens,
			TokenReply: func(_ *Provider, a *Answer) { a.Body = append(a.bytes()[:len(a.bytes())-1], ",\"x\":\"\xff\"}"...) }},
		{Name: "token-expires-in-text", Does: "says in words how long the access token is good", Stops: AtTokens, TokenReply: member("expires_in", "3600")},
		{Name: "token-expires-in-zero", Does: "sends an access token that is over", Stops: AtTokens, TokenReply: member("expires_in", 0)},
		{Name: "token-redirect-302", Does: "redirects the token request to another origin", Stops: AtTokens,
			TokenReply: redirect(http.StatusFound)},
		{Name: "token-huge", Does: "answers with 8 MiB", Stops: AtTokens, TokenReply: pad},
		{Name: "token-bomb", Does: "answers with a few bytes that unpack to 8 MiB", Stops: AtTokens, TokenReply: bomb},
		{Name: "token-cut", Does: "breaks off in the middle of its answer", Stops: AtTokens, TokenReply: cut},
		{Name: "token-trailing", Does: "sends a second object after the first", Stops: AtTokens,
			TokenReply: func(_ *Provider, a *Answer) { a.Body = append(a.bytes(), `{"id_token":"a.b.c"}`...) }},
		{Name: "token-hang", Does: "never answers", Stops: AtTokens, TokenReply: hang},
	}
}

// formEncoded is how some providers answered before OAuth 2.0 was a standard.
func formEncoded(_ *Provider, a *Answer) {
	text := func(name string) string { s, _ := a.Members[name].(string); return s }
	a.Body = []byte("access_token=" + text("access_token") + "&token_type=Bearer&id_token=" + text("id_token"))
	a.Header.Set("Content-Type", "application/x-www-form-urlencoded")
}
