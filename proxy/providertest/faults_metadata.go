package providertest

import (
	"bytes"
	"crypto/rsa"
	"net/http"
	"strings"
)

// metadataFaults bend discovery (OpenID Connect Discovery 3 and 4.3). No login may begin on such metadata.
func metadataFaults() []Mutation {
	return []Mutation{
		{Name: "oidcc-client-test-discovery-issuer-mismatch", Does: "names another issuer in its metadata", Stops: AtDiscovery,
			Metadata: func(p *Provider, m map[string]any) { m["issuer"] = p.Issuer + "INVALID" }},
		{Name: "metadata-issuer-without-slash", Does: "names its issuer without the final slash", Stops: AtDiscovery,
			Metadata: func(p *Provider, m map[string]any) { m["issuer"] = strings.TrimSuffix(p.Issuer, "/") }},
		{Name: "metadata-issuer-upper-case", Does: "spells its issuer with an upper-case scheme", Stops: AtDiscovery,
			Metadata: func(p *Provider, m map[string]any) { m["issuer"] = strings.Replace(p.Issuer, "http", "HTTP", 1) }},
		{Name: "metadata-issuer-path-upper-case", Does: "spells its issuer's path in upper case", Stops: AtDiscovery,
			Metadata: func(p *Provider, m map[string]any) { m["issuer"] = strings.Replace(p.Issuer, "/op/", "/OP/", 1) }},
		{Name: "metadata-issuer-missing", Does: "names no issuer", Stops: AtDiscovery,
			Metadata: withoutMetadata("issuer")},
		{Name: "metadata-issuer-twice", Does: "names the right issuer and then another", Stops: AtDiscovery,
			MetadataReply: duplicate("issuer", "https://other.example.test/")},
		{Name: "metadata-authorization-endpoint-missing", Does: "has no authorization endpoint", Stops: AtDiscovery,
			Metadata: withoutMetadata("authorization_endpoint")},
		{Name: "metadata-token-endpoint-missing", Does: "has no token endpoint", Stops: AtDiscovery,
			Metadata: withoutMetadata("token_endpoint")},
		{Name: "metadata-jwks-uri-missing", Does: "publishes no keys", Stops: AtDiscovery,
			Metadata: withoutMetadata("jwks_uri")},
		{Name: "metadata-token-endpoint-plain-http", Does: "takes codes and secrets in clear, off loopback", Stops: AtDiscovery,
			Metadata: metadata("token_endpoint", "http://192.0.2.1/token")},
		{Name: "metadata-jwks-uri-plain-http", Does: "publishes keys in clear, off loopback", Stops: AtDiscovery,
			Metadata: metadata("jwks_uri", "http://192.0.2.1/jwks")},
		{Name: "metadata-userinfo-plain-http", Does: "takes access tokens in clear, off loopback", Stops: AtDiscovery,
			Metadata: metadata("userinfo_endpoint", "http://192.0.2.1/userinfo")},
		{Name: "metadata-authorization-endpoint-plain-http", Does: "signs people in in clear, off loopback", Stops: AtDiscovery,
			Metadata: metadata("authorization_endpoint", "http://192.0.2.1/authorize")},
		{Name: "metadata-end-session-script", Does: "names a script as end of session", Stops: AtDiscovery,
			Metadata: metadata("end_session_endpoint", "javascript:alert(1)")},
		{Name: "metadata-token-endpoint-link-local", Does: "names the address at which clouds hand out credentials", Stops: AtDiscovery,
			Metadata: metadata("token_endpoint", "https://169.254.169.254/latest/meta-data")},
		{Name: "metadata-jwks-uri-unspecified", Does: "publishes keys at an address that is none", Stops: AtDiscovery,
			Metadata: metadata("jwks_uri", "https://0.0.0.0/jwks")},
		{Name: "metadata-userinfo-multicast", Does: "has userinfo at everybody's address", Stops: AtDiscovery,
			Metadata: metadata("userinfo_endpoint", "https://[ff02::1]/userinfo")},
		{Name: "metadata-token-endpoint-password", Does: "names a password in an endpoint's address", Stops: AtDiscovery,
			Metadata: metadata("token_endpoint", "https://user:password@192.0.2.1/token")},
		{Name: "metadata-token-endpoint-twice", Does: "names two token endpoints", Stops: AtDiscovery,
			MetadataReply: func(p *Provider, a *Answer) { duplicate("token_endpoint", p.URL(Elsewhere))(p, a) }},
		{Name: "metadata-token-endpoint-in-two-cases", Does: "names a second token endpoint in upper case", Stops: AtDiscovery,
			MetadataReply: func(p *Provider, a *Answer) { duplicate("TOKEN_ENDPOINT", p.URL(Elsewhere))(p, a) }},
		{Name: "metadata-algorithms-symmetric", Does: "signs with secrets, or not at all", Stops: AtDiscovery,
			Metadata: metadata("id_token_signing_alg_values_supported", []string{"none", "HS256"})},
		{Name: "metadata-token-endpoint-file", Does: "names a file as token endpoint", Stops: AtDiscovery,
			Metadata: metadata("token_endpoint", "file:///etc/passwd")},
		{Name: "metadata-authorization-endpoint-script", Does: "names a script as authorization endpoint", Stops: AtDiscovery,
			Metadata: metadata("authorization_endpoint", "javascript:alert(1)")},
		{Name: "metadata-plain-pkce-only", Does: "supports the plain code challenge alone (RFC 7636 7.2)", Stops: AtDiscovery,
			Metadata: metadata("code_challenge_methods_supported", []string{"plain"})},
		{Name: "metadata-endpoint-number", Does: "gives a number for an endpoint", Stops: AtDiscovery,
			Metadata: metadata("token_endpoint", 7)},
		{Name: "metadata-500", Does: "answers discovery with 500", Stops: AtDiscovery,
			MetadataReply: body(http.StatusInternalServerError, "text/html", "<h1>out of order</h1>")},
		{Name: "metadata-html", Does: "answers discovery with a page", Stops: AtDiscovery,
			MetadataReply: body(http.StatusOK, "text/html", "<h1>Welcome</h1>")},
		{Name: "metadata-array", Does: "answers discovery with a JSON array", Stops: AtDiscovery,
			MetadataReply: body(http.StatusOK, "application/json", "[]")},
		{Name: "metadata-cut", Does: "breaks off in the middle of its metadata", Stops: AtDiscovery, MetadataReply: cut},
		{Name: "metadata-huge", Does: "answers discovery with 8 MiB", Stops: AtDiscovery, MetadataReply: pad},
		{Name: "metadata-bomb", Does: "answers discovery with a few bytes that unpack to 8 MiB", Stops: AtDiscovery, MetadataReply: bomb},
		{Name: "metadata-hang", Does: "never answers discovery", Stops: AtDiscovery, MetadataReply: hang},
		{Name: "metadata-redirect", Does: "redirects discovery to another origin", Stops: AtDiscovery,
			MetadataReply: redirect(http.StatusFound)},
	}
}

// keySetFaults bend the published keys, so that no ID token can be verified.
func keySetFaults() []Mutation {
	return []Mutation{
		{Name: "jwks-500", Does: "answers the request for keys with 500", Stops: AtTokens,
			KeySetReply: body(http.StatusInternalServerError, "text/html", "<h1>out of order</h1>")},
		{Name: "jwks-html", Does: "answers the request for keys with a page", Stops: AtTokens,
			KeySetReply: body(http.StatusOK, "text/html", "<h1>Welcome</h1>")},
		{Name: "jwks-empty", Does: "publishes no key at all", Stops: AtTokens,
			KeySet: func(*Provider, []map[string]any) []map[string]any { return []map[string]any{} }},
		{Name: "jwks-array", Does: "publishes its keys without the object around them (RFC 7517 5)", Stops: AtTokens,
			KeySetReply: body(http.StatusOK, "application/json", "[]")},
		{Name: "jwks-keys-twice", Does: "publishes two sets in one", Stops: AtTokens,
			KeySetReply: duplicate("keys", []any{})},
		{Name: "jwks-cut", Does: "breaks off in the middle of its keys", Stops: AtTokens, KeySetReply: cut},
		{Name: "jwks-huge", Does: "publishes 8 MiB", Stops: AtTokens, KeySetReply: pad},
		{Name: "jwks-bomb", Does: "publishes a few bytes that unpack to 8 MiB", Stops: AtTokens, KeySetReply: bomb},
		{Name: "jwks-hang", Does: "never answers the request for keys", Stops: AtTokens, KeySetReply: hang},
		{Name: "jwks-redirect", Does: "redirects the request for keys to another origin", Stops: AtTokens,
			KeySetReply: redirect(http.StatusFound)},
		{Name: "jwks-key-for-encryption", Does: "signs with a key that it publishes for encryption (RFC 7517 4.2)", Stops: AtTokens,
			KeySet: inKeySet("rsa-1", "use", "enc")},
		{Name: "jwks-key-of-another-algorithm", Does: "signs RS256 with a key published for PS256 (RFC 7517 4.4)", Stops: AtTokens,
			KeySet: inKeySet("rsa-1", "alg", "PS256")},
		{Name: "jwks-key-operations", Does: "signs with a key that it publishes for encrypting alone (RFC 7517 4.3)", Stops: AtTokens,
			KeySet: inKeySet("rsa-1", "key_ops", []string{"encrypt"})},
		{Name: "jwks-key-symmetric", Does: "publishes a secret as a key, and signs HS256 with it", Stops: AtTokens,
			KeySet: func(_ *Provider, keys []map[string]any) []map[string]any {
				return append(keys, map[string]any{"kty": "oct", "kid": "secret", "k": encode([]byte("secret")), "alg": "HS256"})
			},
			IDToken: func(p *Provider, j *JWT) {
				signedBySecret([]byte("secret"))(p, j)
				j.Header["kid"] = "secret"
			}},
		shortKeyFault(),
		{Name: "jwks-key-exponent-even", Does: "publishes an RSA key whose exponent is even", Stops: AtTokens, KeySet: inKeySet("rsa-1", "e", "AQAA")},
		{Name: "jwks-key-long", Does: "publishes an RSA key of 16,384 bits, at which a verifier works long", Stops: AtTokens,
			KeySet: inKeySet("rsa-1", "n", encode(append(bytes.Repeat([]byte{0x80}, 2047), 1)))},
		{Name: "jwks-key-off-curve", Does: "publishes a point that is not on its curve", Stops: AtTokens,
			KeySet: inKeySet("ec-1", "y", encode(bytes.Repeat([]byte{1}, 32))), IDToken: signedBy("ec-1", "ES256")},
		{Name: "jwks-key-low-order", Does: "publishes an Ed25519 key of low order, for which anybody signs", Stops: AtTokens,
			KeySet: inKeySet("ed", "x", encode(neutralPoint())), IDToken: forgedForLowOrder},
		{Name: "jwks-key-private", Does: "publishes its key with the private part, with which anybody signs", Stops: AtTokens,
			KeySet: func(p *Provider, keys []map[string]any) []map[string]any {
				return inKeySet("rsa-1", "d", encode(p.signingKey().private.(*rsa.PrivateKey).D.Bytes()))(p, keys)
			}},
		{Name: "jwks-key-without-kid", Does: "publishes its key without the identifier that its tokens name", Stops: AtTokens,
			KeySet: func(p *Provider, keys []map[string]any) []map[string]any { return withoutKids(keys) }},
		{Name: "jwks-key-exponent-one", Does: "publishes an RSA key whose exponent is 1, for which anybody signs", Stops: AtTokens,
			KeySet: inKeySet("rsa-1", "e", "AQ"), IDToken: forgedForExponentOne},
	}
}

func metadata(name string, value any) func(*Provider, map[string]any) {
	return func(_ *Provider, m map[string]any) { m[name] = value }
}

func withoutMetadata(name string) func(*Provider, map[string]any) {
	return func(_ *Provider, m map[string]any) { delete(m, name) }
}

// inKeySet changes one member of the published key of that role.
func inKeySet(role, name string, value any) func(*Provider, []map[string]any) []map[string]any {
	return func(p *Provider, keys []map[string]any) []map[string]any {
		for _, k := range keys {
			if k["kid"] == p.key(role).ID {
				k[name] = value
			}
		}
		return keys
	}
}
