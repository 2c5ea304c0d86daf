package providertest

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// LogoutFaults are mutations of what the provider sends to end a session, which a sound client refuses: by status 400 unless they
// say otherwise.
func LogoutFaults() []Mutation {
	return append(append(append(logoutClaimFaults(), logoutEventFaults()...), logoutFormFaults()...), logoutRequestFaults()...)
}

// module is the name of a module of the back-channel plan.
func module(end string) string { return "oidcc-client-test-rp-backchannel-rpinitlogout" + end }

// logoutClaimFaults bend who the logout token is from, for and about, and when (Back-Channel Logout 2.4, 2.6 (4), (5)).
func logoutClaimFaults() []Mutation {
	return []Mutation{
		{Name: module("-wrong-iss"), Does: "signs a logout for another issuer", LogoutToken: idSuffix("iss", "INVALID")},
		{Name: "logout-missing-iss", Does: "signs a logout for no issuer", LogoutToken: idWithout("iss")},
		{Name: module("-wrong-aud"), Does: "signs a logout for another client", LogoutToken: idSuffix("aud", "INVALID")},
		{Name: "logout-missing-aud", Does: "signs a logout for nobody", LogoutToken: idWithout("aud")},
		{Name: "logout-second-aud", Does: "signs a logout for two clients", LogoutToken: idClaim("aud", []string{ClientID, "other"})},
		{Name: "logout-azp-other", Does: "signs a logout that another client asked for", LogoutToken: idClaim("azp", "other")},
		{Name: "logout-missing-iat", Does: "does not say when it signed the logout", LogoutToken: idWithout("iat")},
		{Name: "logout-iat-future", Does: "signs a logout tomorrow", LogoutToken: idTime("iat", 24*time.Hour)},
		{Name: "logout-iat-old", Does: "signed the logout yesterday", LogoutToken: idTime("iat", -24*time.Hour)},
		{Name: "logout-missing-exp", Does: "does not say when the logout expires", LogoutToken: idWithout("exp")},
		{Name: "logout-expired", Does: "sends a logout that expired six minutes ago", LogoutToken: idTime("exp", -6*time.Minute)},
		{Name: "logout-exp-text", Does: "says in words when the logout expires", LogoutToken: idClaim("exp", "9999999999")},
		{Name: "logout-nobody", Does: "names neither person nor session", LogoutToken: idWithout("sub", "sid")},
		{Name: "logout-sub-empty", Does: "names an empty person", LogoutToken: idClaim("sub", "")},
		{Name: "logout-sid-number", Does: "gives a number for the session", LogoutToken: idClaim("sid", 7)},
		{Name: "logout-sid-empty", Does: "names an empty session", LogoutToken: idClaim("sid", "")},
		{Name: "logout-missing-jti", Does: "gives the logout token no identifier", LogoutToken: idWithout("jti")},
		{Name: "logout-sub-twice", Does: "names two people", LogoutToken: payloadWith("sub", "mallory")},
	}
}

// logoutEventFaults bend what makes it a logout token (Back-Channel Logout 2.4, 2.6 (6), (7)).
func logoutEventFaults() []Mutation {
	return []Mutation{
		{Name: module("-no-event"), Does: "leaves events out", LogoutToken: idWithout("events")},
		{Name: module("-wrong-event"), Does: "reports another event",
			LogoutToken: idClaim("events", map[string]any{"http://schemas.openid.net/event/foobar": map[string]any{}})},
		{Name: "logout-events-array", Does: "lists events in an array", LogoutToken: idClaim("events", []string{logoutEvent})},
		{Name: "logout-events-text", Does: "writes events as text", LogoutToken: idClaim("events", logoutEvent)},
		{Name: "logout-event-null", Does: "reports an event that is null", LogoutToken: idClaim("events", map[string]any{logoutEvent: nil})},
		{Name: "logout-event-true", Does: "reports an event that is true", LogoutToken: idClaim("events", map[string]any{logoutEvent: true})},
		{Name: module("-with-nonce"), Does: "puts a nonce into the logout token", LogoutToken: idClaim("nonce", rand.Text())},
		{Name: "logout-nonce-null", Does: "puts a nonce that is null into the logout token", LogoutToken: idClaim("nonce", nil)},
		{Name: "logout-id-token", Does: "sends what has the claims of an ID token", LogoutToken: func(p *Provider, j *JWT) {
			idWithout("events", "jti")(p, j)
			idClaim("nonce", rand.Text())(p, j)
		}},
	}
}

// logoutFormFaults bend signature and form of the logout token (Back-Channel Logout 2.6 (1) to (3), 4.1).
func logoutFormFaults() []Mutation {
	return []Mutation{
		{Name: module("-alg-none"), Does: "does not sign the logout token", LogoutToken: unsigned("none")},
		{Name: module("-wrong-alg"), Does: "signs the logout token by another algorithm than ID tokens", LogoutToken: signedBy("ec-1", "ES256")},
		{Name: "logout-eddsa", Does: "signs the logout token with a key that bears no alg", LogoutToken: signedBy("ed", "EdDSA")},
		{Name: "logout-signature-altered", Does: "alters the logout token's signature", LogoutToken: alteredSignature},
		{Name: "logout-payload-altered", Does: "changes the logout token after signing", LogoutToken: alteredPayload},
		{Name: "logout-foreign-key", Does: "signs the logout token with a key that it does not publish", LogoutToken: signedByStranger},
		{Name: "logout-hs256-secret", Does: "signs the logout token with the client's secret", LogoutToken: signedBySecret([]byte(ClientSecret))},
		{Name: "logout-hs256-public-key", Does: "signs the logout token with its public key for a secret",
			LogoutToken: func(p *Provider, j *JWT) { signedBySecret(publicPEM(p.signingKey()))(p, j) }},
		{Name: "logout-kid-of-encryption-key", Does: "signs the logout token with its encryption key", LogoutToken: signedBy("rsa-enc", "RS256")},
		{Name: "logout-crit", Does: "demands an extension in the logout token", LogoutToken: func(_ *Provider, j *JWT) {
			j.Header["crit"], j.Header["x-corp"] = []string{"x-corp"}, 1
		}},
		{Name: "logout-typ-access-token", Does: "sends an access token for a logout token", LogoutToken: typ("at+jwt")},
		{Name: "logout-encrypted", Does: "sends something of five parts", LogoutToken: finish(func(c string) string { return c + ".AA.AA" })},
		{Name: "logout-json", Does: "sends the logout token in the JSON form", LogoutToken: finish(jsonForm)},
		{Name: "logout-opaque", Does: "sends a random string", LogoutToken: finish(func(string) string { return rand.Text() })},
	}
}

// logoutRequestFaults bend the request that carries the logout token (Back-Channel Logout 2.5).
func logoutRequestFaults() []Mutation {
	return []Mutation{
		{Name: "logout-request-get", Does: "asks by GET, answered 405", LogoutRequest: func(_ *Provider, l *Logout) {
			l.Method, l.Query, l.Form = http.MethodGet, "?"+l.Form.Encode(), nil
		}},
		{Name: "logout-request-put", Does: "asks by PUT, answered 405", LogoutRequest: func(_ *Provider, l *Logout) { l.Method = http.MethodPut }},
		{Name: "logout-request-query", Does: "sends the token in the address", LogoutRequest: func(_ *Provider, l *Logout) {
			l.Query, l.Form = "?"+l.Form.Encode(), url.Values{"extra": {"x"}}
		}},
		{Name: "logout-request-json", Does: "sends JSON, answered 415", LogoutRequest: func(_ *Provider, l *Logout) {
			l.ContentType = "application/json"
			l.Body = string(jsonOf(map[string]string{"logout_token": l.Form.Get("logout_token")}))
		}},
		{Name: "logout-request-jwt", Does: "sends the bare token, answered 415", LogoutRequest: func(_ *Provider, l *Logout) {
			l.ContentType, l.Body = "application/logout+jwt", l.Form.Get("logout_token")
		}},
		{Name: "logout-request-untyped", Does: "does not say what it sends, answered 415", LogoutRequest: func(_ *Provider, l *Logout) { l.ContentType = "" }},
		{Name: "logout-request-twice", Does: "sends the token twice", LogoutRequest: func(_ *Provider, l *Logout) {
			l.Form.Add("logout_token", l.Form.Get("logout_token"))
		}},
		{Name: "logout-request-without", Does: "sends no token", LogoutRequest: func(_ *Provider, l *Logout) { l.Form.Del("logout_token") }},
		{Name: "logout-request-empty", Does: "sends an empty token", LogoutRequest: func(_ *Provider, l *Logout) { l.Form.Set("logout_token", "") }},
		{Name: "logout-request-malformed", Does: "sends a form that does not parse", LogoutRequest: func(_ *Provider, l *Logout) {
			l.Body = l.Form.Encode() + "&x=%zz"
		}},
		{Name: "logout-request-huge", Does: "sends more than any form holds, answered 413", LogoutRequest: func(_ *Provider, l *Logout) {
			l.Form.Set("padding", strings.Repeat("x", 64<<10))
		}},
	}
}

// LogoutOddities are mutations of what the provider sends to end a session, which a sound client accepts.
func LogoutOddities() []Mutation {
	return []Mutation{
		{Name: module(""), Does: "is honest and plain, with a field and a claim that nobody asked for"},
		{Name: "logout-sub-alone", Does: "names the person alone", LogoutToken: idWithout("sid")},
		{Name: "logout-sid-alone", Does: "names the session alone", LogoutToken: idWithout("sub")},
		{Name: "logout-typ", Does: "says that it is a logout token (Back-Channel Logout 2.4)", LogoutToken: typ("logout+jwt")},
		{Name: "logout-typ-jwt", Does: "says that it is a JWT", LogoutToken: typ("JWT")},
		{Name: "logout-typ-claim", Does: "says in a claim what it is, as Keycloak does", LogoutToken: idClaim("typ", "Logout")},
		{Name: "logout-aud-array", Does: "names us in a list of one", LogoutToken: idClaim("aud", []string{ClientID})},
		{Name: "logout-events-more", Does: "reports another event beside it", LogoutToken: idClaim("events",
			map[string]any{logoutEvent: map[string]any{"reason": "x"}, "urn:other": map[string]any{}})},
		{Name: "logout-rotated", Does: "changes all its keys just before it signs the logout", LogoutToken: func(p *Provider, j *JWT) {
			p.RotateKeys()
			signedBy("rsa-1", "RS256")(p, j)
		}},
		{Name: "logout-request-charset", Does: "names a charset with its form", LogoutRequest: func(_ *Provider, l *Logout) {
			l.ContentType = "application/x-www-form-urlencoded; charset=UTF-8"
		}},
		{Name: "logout-request-and-query", Does: "adds a query that means nothing and does not parse", LogoutRequest: func(_ *Provider, l *Logout) {
			l.Query = "?logout_token=x&y=%zz"
		}},
	}
}

// EndSessionOddities are mutations of how the browser comes back from the end-session endpoint, all of them benign.
func EndSessionOddities() []Mutation {
	return []Mutation{
		{Name: "oidcc-client-test-rp-init-logout", Does: "is honest and plain"},
		{Name: "oidcc-client-test-rp-init-logout-other-state", Does: "sends the browser back with another state", EndSession: set("state", "other")},
		{Name: "oidcc-client-test-rp-init-logout-no-state", Does: "sends the browser back without state",
			EndSession: func(_ *Provider, q url.Values) { q.Del("state") }},
	}
}
