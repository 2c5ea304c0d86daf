package providertest

import (
	"net/url"
	"slices"
	"strings"
	"time"
)

// Oddities are mutations that a sound client accepts: the standards allow them, or leave them to be ignored.
func Oddities() []Mutation {
	return slices.Concat(oddMetadata(), oddKeys(), pushOddities(), oddAnswers(), oddTokens())
}

func oddMetadata() []Mutation {
	return []Mutation{
		{Name: "oidcc-client-test", Does: "is honest and plain"},
		{Name: "oidcc-client-test-nonce-unless-code-flow", Does: "insists on a nonce"},
		{Name: "oidcc-client-test-discovery-openid-config", Does: "has its metadata where they belong"},
		{Name: "oidcc-client-test-client-secret-basic", Does: "takes HTTP Basic alone",
			Metadata: metadata("token_endpoint_auth_methods_supported", []string{"client_secret_basic"})},
		{Name: "oidcc-client-test-discovery-jwks-uri-keys", Does: "publishes its keys at an address that changes",
			Metadata: func(p *Provider, m map[string]any) {
				m["jwks_uri"] = p.URL(Keys) + "/" + time.Now().Format("150405.000000")
			}},
		{Name: "oidcc-client-test-mtls-endpoint-aliases", Does: "has other endpoints for mutual TLS, which we do not speak",
			Metadata: func(p *Provider, m map[string]any) {
				m["mtls_endpoint_aliases"] = map[string]any{"token_endpoint": p.URL(Elsewhere)}
			}},
		{Name: "metadata-without-pkce", Does: "does not say that it knows PKCE (RFC 9700 2.1.1)",
			Metadata: withoutMetadata("code_challenge_methods_supported")},
		{Name: "metadata-without-algorithms", Does: "does not say which algorithms it signs with",
			Metadata: withoutMetadata("id_token_signing_alg_values_supported")},
		{Name: "metadata-more-members", Does: "says much that nobody asked",
			Metadata: metadata("x-corp", map[string]any{"issuer": "https://other.example.test"})},
		{Name: "metadata-charset", Does: "names a charset with its media type", MetadataReply: contentType("application/json;charset=UTF-8")},
	}
}

func oddKeys() []Mutation {
	return []Mutation{
		{Name: "oidcc-client-test-kid-absent-single-jwks", Does: "has one RSA key, and key identifiers nowhere",
			KeySet: func(p *Provider, keys []map[string]any) []map[string]any {
				return withoutKids(keepOne(p, keys))
			},
			IDToken: withoutKid, AccessToken: withoutKid},
		{Name: "oidcc-client-test-kid-absent-multiple-jwks", Does: "has several keys of each type, and key identifiers nowhere",
			KeySet:  func(_ *Provider, keys []map[string]any) []map[string]any { return withoutKids(keys) },
			IDToken: withoutKid, AccessToken: withoutKid},
		{Name: "oidcc-client-test-signing-key-rotation-just-before-signing", Does: "changes all its keys just before it signs",
			AccessToken: func(p *Provider, j *JWT) {
				p.RotateKeys()
				signedBy("rsa-1", "RS256")(p, j)
			},
			IDToken: signedBy("rsa-1", "RS256")},
		{Name: "jwks-unknown-types", Does: "publishes keys of types that nobody knows, and one that is broken",
			KeySet: func(_ *Provider, keys []map[string]any) []map[string]any {
				return append([]map[string]any{
					{},
					{"kty": "AKP", "alg": "ML-DSA-65", "kid": "post-quantum", "pub": "AA"},
					{"kty": "OKP", "crv": "Ed448", "kid": "ed448", "x": "AA"},
					{"kty": "OKP", "crv": "X25519", "kid": "x25519", "x": "AA"},
					{"kty": "RSA", "kid": "broken", "n": "!", "e": 7},
					{"kty": "EC", "crv": "P-256", "kid": "off-curve", "x": "AQ", "y": "AQ"},
				}, keys...)
			}},
		{Name: "jwks-decoys", Does: "publishes keys of other types under the identifier of the right one",
			KeySet: func(p *Provider, keys []map[string]any) []map[string]any {
				var decoys []map[string]any
				for _, role := range []string{"ec-1", "ed", "rsa-enc"} {
					decoy := p.key(role).JWK()
					decoy["kid"] = p.signingKey().ID
					decoys = append(decoys, decoy)
				}
				return append(decoys, keys...)
			}},
		{Name: "jwks-no-store", Does: "lets nobody keep its keys", KeySetReply: func(_ *Provider, a *Answer) { a.Header.Set("Cache-Control", "no-store, max-age=0") }},
		{Name: "jwks-media-type", Does: "serves its keys as application/jwk-set+json", KeySetReply: contentType("application/jwk-set+json")},
		{Name: "jwks-key-operations-verify", Does: "says of its key that it verifies", KeySet: inKeySet("rsa-1", "key_ops", []string{"verify"})},
		{Name: "jwks-without-alg-and-use", Does: "does not say what its keys are for",
			KeySet: func(_ *Provider, keys []map[string]any) []map[string]any {
				for _, k := range keys {
					delete(k, "alg")
					delete(k, "use")
				}
				return keys
			}},
	}
}

func oddAnswers() []Mutation {
	return []Mutation{
		{Name: "callback-iss", Does: "announces iss and sends the right one (RFC 9207)", Metadata: announceIss,
			Callback: func(p *Provider, q url.Values) { q.Set("iss", p.Issuer) }},
		{Name: "callback-iss-unannounced", Does: "sends the right iss without having announced it",
			Callback: func(p *Provider, q url.Values) { q.Set("iss", p.Issuer) }},
		{Name: "callback-more-parameters", Does: "sends further parameters to the callback", Callback: func(_ *Provider, q url.Values) {
			q.Set("session_state", "a.b")
			q["scope"] = []string{"openid", "email"}
		}},
		{Name: "fapi2-security-profile-final-client-test-token-type-case-insensitivity", Does: "spells the token type bEARER",
			TokenReply: member("token_type", "bEARER")},
		{Name: "fapi2-security-profile-final-client-test-token-endpoint-response-without-expires_in", Does: "does not say when the access token expires",
			TokenReply: without("expires_in")},
		{Name: "token-charset", Does: "names a charset with its media type", TokenReply: contentType("application/json; charset=utf-8")},
		{Name: "token-more-members", Does: "sends members that nobody asked for", TokenReply: func(_ *Provider, a *Answer) {
			a.Members["not-before-policy"], a.Members["session_state"] = 0, "x"
			a.Members["refresh_token"], a.Members["refresh_expires_in"] = "unasked", 1800
		}},
		{Name: "token-white-space", Does: "ends its answer with blank lines", TokenReply: func(_ *Provider, a *Answer) {
			a.Body = append(a.bytes(), "\r\n\r\n"...)
		}},
		{Name: "oidcc-client-test-scope-userinfo-claims", Does: "tells the groups at userinfo alone",
			IDToken: idWithout("groups"), AccessToken: idWithout("groups")},
		{Name: "oidcc-client-test-userinfo-bearer-header", Does: "tells the groups at userinfo alone, for a token in the header",
			IDToken: idWithout("groups"), AccessToken: idWithout("groups")},
		{Name: "userinfo-signed-es256", Does: "tells the groups at userinfo alone, signed with another key than the ID token",
			IDToken: idWithout("groups"), AccessToken: idWithout("groups"), Userinfo: signedUserinfo(signedBy("ec-1", "ES256"))},
		{Name: "userinfo-signed-for-nobody", Does: "signs userinfo and does not say for whom (OIDC Core 5.3.2: it should)",
			IDToken: idWithout("groups"), AccessToken: idWithout("groups"), Userinfo: signedUserinfo(idWithout("iss", "aud"))},
		{Name: "oidcc-client-test-userinfo-signed", Does: "tells the groups at userinfo alone, signed",
			IDToken: idWithout("groups"), AccessToken: idWithout("groups"), Userinfo: signedUserinfo(func(*Provider, *JWT) {})},
	}
}

func oddTokens() []Mutation {
	return []Mutation{
		{Name: "oidcc-client-test-idtoken-sig-rs256", Does: "signs RS256 and advertises nothing else",
			Metadata: metadata("id_token_signing_alg_values_supported", []string{"RS256"})},
		{Name: "fapi2-security-profile-final-client-test-valid-aud-as-array", Does: "names us in a list of one",
			IDToken: idClaim("aud", []string{ClientID})},
		{Name: "oidcc-client-test-aggregated-claims", Does: "refers to claims of others that it brings along",
			IDToken:  func(p *Provider, j *JWT) { claimsOfOthers(j.Claims, map[string]any{"JWT": "a.b.c"}) },
			Userinfo: func(p *Provider, a *Answer) { claimsOfOthers(a.Members, map[string]any{"JWT": "a.b.c"}) }},
		{Name: "oidcc-client-test-distributed-claims", Does: "refers to claims of others, to be fetched elsewhere",
			IDToken: func(p *Provider, j *JWT) {
				claimsOfOthers(j.Claims, map[string]any{"endpoint": p.URL(Elsewhere), "access_token": "x"})
			},
			Userinfo: func(p *Provider, a *Answer) {
				claimsOfOthers(a.Members, map[string]any{"endpoint": p.URL(Elsewhere), "access_token": "x"})
			}},
		{Name: "id-token-ps256", Does: "signs PS256",
			KeySet: inKeySet("rsa-1", "alg", "PS256"), IDToken: signedBy("rsa-1", "PS256"), AccessToken: signedBy("rsa-1", "PS256")},
		{Name: "id-token-rs512", Does: "signs RS512",
			KeySet: inKeySet("rsa-1", "alg", "RS512"), IDToken: signedBy("rsa-1", "RS512"), AccessToken: signedBy("rsa-1", "RS512")},
		{Name: "id-token-es256", Does: "signs ES256", IDToken: signedBy("ec-1", "ES256"), AccessToken: signedBy("ec-1", "ES256")},
		{Name: "id-token-es384", Does: "signs ES384", KeySet: withP384, IDToken: func(_ *Provider, j *JWT) {
			j.Key = p384()
			j.Header["kid"], j.Header["alg"] = j.Key.ID, "ES384"
		}},
		{Name: "id-token-eddsa", Does: "signs with an Ed25519 key that bears no alg",
			IDToken: signedBy("ed", "EdDSA"), AccessToken: signedBy("ed", "EdDSA")},
		{Name: "id-token-without-at-hash", Does: "sends no at_hash (OIDC Core 3.1.3.6: optional)", IDToken: idWithout("at_hash")},
		{Name: "id-token-typ-jwt", Does: "says that the ID token is a JWT", IDToken: typ("JWT")},
		{Name: "id-token-aud-api", Does: "signs for us and the API, as Zitadel does, and says that we asked", IDToken: func(_ *Provider, j *JWT) {
			j.Claims["aud"], j.Claims["azp"] = []string{Audience, ClientID}, ClientID
		}},
		{Name: "id-token-azp", Does: "says that we asked", IDToken: idClaim("azp", ClientID)},
		{Name: "id-token-sub-255", Does: "names a subject of 255 characters", IDToken: idClaim("sub", strings.Repeat("a", 255)),
			AccessToken: idClaim("sub", strings.Repeat("a", 255))},
		{Name: "id-token-clock-ahead", Does: "has a clock that is ten seconds ahead", IDToken: func(p *Provider, j *JWT) {
			idTime("iat", 10*time.Second)(p, j)
			idTime("nbf", 10*time.Second)(p, j)
		}},
		{Name: "id-token-fractions", Does: "tells times with fractions of a second", IDToken: func(_ *Provider, j *JWT) {
			now := float64(time.Now().UnixMilli()) / 1000
			j.Claims["iat"], j.Claims["exp"] = now, now+3600
		}},
		{Name: "access-token-okta", Does: "names the person by uid in the access token, as Okta does", AccessToken: func(_ *Provider, j *JWT) {
			j.Claims["uid"], j.Claims["sub"] = j.Claims["sub"], "alice@corp.example.com"
		}},
		{Name: "access-token-entra", Does: "names the person by oid and tid in both tokens, as Entra does",
			IDToken: func(_ *Provider, j *JWT) { j.Claims["oid"], j.Claims["tid"] = "object-1", "tenant-1" },
			AccessToken: func(_ *Provider, j *JWT) {
				j.Claims["sub"], j.Claims["oid"], j.Claims["tid"] = "pairwise", "object-1", "tenant-1"
			}},
		{Name: "access-token-typ-jwt", Does: "says that the access token is a JWT, as Keycloak does", AccessToken: typ("JWT")},
		{Name: "access-token-other-algorithm", Does: "signs the access token with another key than the ID token",
			AccessToken: signedBy("ec-1", "ES256")},
	}
}

// claimsOfOthers refers to a source of claims (OIDC Core 5.6.2).
func claimsOfOthers(claims, source map[string]any) {
	claims["_claim_names"] = map[string]any{"credit_score": "src1"}
	claims["_claim_sources"] = map[string]any{"src1": source}
}

// keepOne leaves of the RSA keys for signing the one that signs.
func keepOne(p *Provider, keys []map[string]any) []map[string]any {
	second := p.key("rsa-2").ID
	var kept []map[string]any
	for _, k := range keys {
		if k["kid"] != second {
			kept = append(kept, k)
		}
	}
	return kept
}

func withoutKids(keys []map[string]any) []map[string]any {
	for _, k := range keys {
		delete(k, "kid")
	}
	return keys
}

func withoutKid(_ *Provider, j *JWT) { delete(j.Header, "kid") }
