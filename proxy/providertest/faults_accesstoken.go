package providertest

import (
	"crypto/rand"
	"net/http"
	"time"
)

// accessTokenFaults bend the access token, which a client that knows its audience checks as a JWT (RFC 9068 4).
func accessTokenFaults() []Mutation {
	return []Mutation{
		{Name: "access-token-opaque", Does: "sends an access token that is no JWT", Stops: AtTokens,
			AccessToken: finish(func(string) string { return rand.Text() })},
		{Name: "access-token-invalid-iss", Does: "sends another issuer's access token", Stops: AtTokens, AccessToken: idSuffix("iss", "1")},
		{Name: "access-token-missing-iss", Does: "sends an access token of nobody's", Stops: AtTokens, AccessToken: idWithout("iss")},
		{Name: "access-token-invalid-aud", Does: "sends an access token for another API", Stops: AtTokens,
			AccessToken: idClaim("aud", "https://other.example.test")},
		{Name: "access-token-missing-aud", Does: "sends an access token for no API", Stops: AtTokens, AccessToken: idWithout("aud")},
		{Name: "access-token-expired", Does: "sends an access token that expired six minutes ago", Stops: AtTokens,
			AccessToken: idTime("exp", -6*time.Minute)},
		{Name: "access-token-missing-exp", Does: "sends an access token that never expires", Stops: AtTokens, AccessToken: idWithout("exp")},
		{Name: "access-token-nbf-future", Does: "sends an access token for tomorrow", Stops: AtTokens, AccessToken: idTime("nbf", 24*time.Hour)},
		{Name: "access-token-other-sub", Does: "sends somebody else's access token", Stops: AtTokens, AccessToken: idClaim("sub", "mallory")},
		{Name: "access-token-missing-sub", Does: "sends an access token about nobody", Stops: AtTokens, AccessToken: idWithout("sub")},
		{Name: "access-token-uid-other", Does: "sends an access token whose uid is somebody else", Stops: AtTokens,
			AccessToken: func(_ *Provider, j *JWT) {
				j.Claims["sub"], j.Claims["uid"] = "alice@corp", "mallory"
			}},
		{Name: "access-token-oid-other-tenant", Does: "sends an access token with the same oid in another tenant", Stops: AtTokens,
			IDToken: func(_ *Provider, j *JWT) { j.Claims["oid"], j.Claims["tid"] = "object-1", "tenant-1" },
			AccessToken: func(_ *Provider, j *JWT) {
				j.Claims["sub"], j.Claims["oid"], j.Claims["tid"] = "pairwise", "object-1", "tenant-2"
			}},
		{Name: "access-token-oid-without-tenant", Does: "sends an access token with the same oid and no tenant anywhere", Stops: AtTokens,
			IDToken: idClaim("oid", "object-1"),
			AccessToken: func(_ *Provider, j *JWT) {
				j.Claims["sub"], j.Claims["oid"] = "pairwise", "object-1"
			}},
		{Name: "access-token-alg-none", Does: "does not sign the access token", Stops: AtTokens, AccessToken: unsigned("none")},
		{Name: "access-token-signature-altered", Does: "alters the access token's signature", Stops: AtTokens, AccessToken: alteredSignature},
		{Name: "access-token-foreign-key", Does: "signs the access token with a key that it does not publish", Stops: AtTokens,
			AccessToken: signedByStranger},
		{Name: "access-token-hs256-secret", Does: "signs the access token HS256 with the client's secret", Stops: AtTokens,
			AccessToken: signedBySecret([]byte(ClientSecret))},
		{Name: "access-token-sub-twice", Does: "names two subjects in the access token", Stops: AtTokens, AccessToken: payloadWith("sub", "alice")},
		{Name: "access-token-other-client", Does: "sends an access token that it issued to another client (RFC 9068 2.2)", Stops: AtTokens,
			AccessToken: idClaim("client_id", "other")},
		{Name: "access-token-iat-future", Does: "sends an access token of tomorrow", Stops: AtTokens, AccessToken: idTime("iat", 24*time.Hour)},
		{Name: "access-token-is-the-id-token", Does: "sends the ID token once more for an access token", Stops: AtTokens, IDToken: idWithout("at_hash"),
			TokenReply: func(_ *Provider, a *Answer) { a.Members["access_token"] = a.Members["id_token"] }},
		{Name: "access-token-typ-logout-token", Does: "sends a logout token for an access token", Stops: AtTokens, AccessToken: typ("logout+jwt")},
	}
}

// userinfoFaults bend userinfo (OIDC Core 5.3), which is asked because the groups are in no token.
func userinfoFaults() []Mutation {
	faults := []Mutation{
		{Name: "oidcc-client-test-userinfo-invalid-sub", Does: "describes somebody else at userinfo (OIDC Core 5.3.2)",
			Userinfo: func(_ *Provider, a *Answer) { a.Members["sub"] = a.Members["sub"].(string) + "invalid" }},
		{Name: "userinfo-missing-sub", Does: "does not say whom it describes", Userinfo: without("sub")},
		{Name: "userinfo-sub-number", Does: "describes a number", Userinfo: member("sub", 7)},
		{Name: "userinfo-sub-case", Does: "spells sub in upper case", Userinfo: func(_ *Provider, a *Answer) {
			a.Members["SUB"] = a.Members["sub"]
			delete(a.Members, "sub")
		}},
		{Name: "userinfo-sub-twice", Does: "describes two people", Userinfo: duplicate("sub", "alice")},
		{Name: "userinfo-array", Does: "answers userinfo with an array",
			Userinfo: body(http.StatusOK, "application/json", `[{"sub":"alice","groups":["Admin"]}]`)},
		{Name: "userinfo-html", Does: "answers userinfo with a page", Userinfo: body(http.StatusOK, "text/html", `<h1>alice</h1>`)},
		{Name: "userinfo-text", Does: "answers userinfo as plain text", Userinfo: contentType("text/plain")},
		{Name: "userinfo-no-content", Does: "answers userinfo with nothing", Userinfo: body(http.StatusNoContent, "application/json", "")},
		{Name: "userinfo-trailing", Does: "describes somebody else after the first", Userinfo: func(_ *Provider, a *Answer) {
			a.Body = append(a.bytes(), `{"sub":"alice","groups":["Admin"]}`...)
		}},
		{Name: "userinfo-groups-twice", Does: "lists groups twice at userinfo", Userinfo: duplicate("groups", []string{"Admin"})},
		{Name: "userinfo-groups-in-two-cases", Does: "lists other groups as GROUPS at userinfo", Userinfo: duplicate("GROUPS", []string{"Admin"})},
		{Name: "userinfo-500", Does: "fails at userinfo", Userinfo: body(http.StatusInternalServerError, "text/html", `<h1>out of order</h1>`)},
		{Name: "userinfo-redirect", Does: "redirects the access token to another origin", Userinfo: redirect(http.StatusTemporaryRedirect)},
		{Name: "userinfo-huge", Does: "answers userinfo with 8 MiB", Userinfo: pad},
		{Name: "userinfo-bomb", Does: "answers userinfo with a few bytes that unpack to 8 MiB", Userinfo: bomb},
		{Name: "userinfo-hang", Does: "never answers userinfo", Userinfo: hang},
		{Name: "userinfo-cut", Does: "breaks off in the middle of userinfo", Userinfo: cut},
		{Name: "userinfo-signed-alg-none", Does: "says that userinfo is signed, and does not sign", Userinfo: signedUserinfo(unsigned("none"))},
		{Name: "userinfo-signed-foreign-key", Does: "signs userinfo with a key that it does not publish", Userinfo: signedUserinfo(signedByStranger)},
		{Name: "userinfo-signed-invalid-iss", Does: "signs userinfo for another issuer", Userinfo: signedUserinfo(idSuffix("iss", "1"))},
		{Name: "userinfo-signed-invalid-aud", Does: "signs userinfo for another client", Userinfo: signedUserinfo(idSuffix("aud", "1"))},
		{Name: "userinfo-signed-altered", Does: "alters the signature of userinfo", Userinfo: signedUserinfo(alteredSignature)},
		{Name: "userinfo-signed-hs256-secret", Does: "signs userinfo with the client's secret", Userinfo: signedUserinfo(signedBySecret([]byte(ClientSecret)))},
		{Name: "userinfo-signed-expired", Does: "signs userinfo that expired six minutes ago", Userinfo: signedUserinfo(idTime("exp", -6*time.Minute))},
		{Name: "userinfo-signed-missing-sub", Does: "signs userinfo about nobody", Userinfo: signedUserinfo(idWithout("sub"))},
		{Name: "userinfo-signed-as-json", Does: "signs userinfo and calls it plain JSON", Userinfo: func(p *Provider, a *Answer) {
			signedUserinfo(func(*Provider, *JWT) {})(p, a)
			a.Header.Set("Content-Type", "application/json")
		}},
		{Name: "userinfo-plain-as-jwt", Does: "does not sign userinfo and calls it a JWT", Userinfo: contentType("application/jwt")},
		{Name: "userinfo-encrypted", Does: "sends something of five parts for userinfo, as if encrypted (OIDC Core 5.3.2)",
			Userinfo: body(http.StatusOK, "application/jwt", "e30.AA.AA.AA.AA")},
		{Name: "userinfo-signed-other-sub", Does: "signs userinfo about somebody else", Userinfo: signedUserinfo(idClaim("sub", "mallory"))},
	}
	for i := range faults {
		faults[i].Stops = AtUserinfo
		faults[i].IDToken, faults[i].AccessToken = idWithout("groups"), idWithout("groups")
	}
	return faults
}

// UserinfoRefusals do not take the access token at userinfo, as where it is for an API alone (RFC 8707). Groups, and whatever else the
// tokens do not tell, are then not to be had; who wants userinfo in any case ends the login there.
func UserinfoRefusals() []Mutation {
	return []Mutation{
		{Name: "userinfo-401", Does: "refuses the access token at userinfo as invalid (RFC 6750 3.1)",
			IDToken: idWithout("groups", "team"), AccessToken: idWithout("groups"),
			Userinfo: body(http.StatusUnauthorized, "application/json", `{"error":"invalid_token"}`)},
		{Name: "userinfo-403", Does: "forbids the access token at userinfo, with a page",
			IDToken: idWithout("groups", "team"), AccessToken: idWithout("groups"),
			Userinfo: body(http.StatusForbidden, "text/html", `<h1>insufficient scope</h1>`)},
	}
}

// signedUserinfo answers with a JWT (OIDC Core 5.3.2), bent by the hook.
func signedUserinfo(bend func(*Provider, *JWT)) func(*Provider, *Answer) {
	return func(p *Provider, a *Answer) {
		a.Members["iss"], a.Members["aud"] = p.Issuer, ClientID
		j := newJWT(p.signingKey(), a.Members)
		bend(p, j)
		a.Body = []byte(j.Compact())
		a.Header.Set("Content-Type", "application/jwt")
	}
}
