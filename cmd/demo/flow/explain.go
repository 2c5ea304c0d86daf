package flow

// explainRequest tells what the parameters of an authorization request are for.
func explainRequest(name string) string {
	switch name {
	case "client_id":
		return "who asks: doorward, as registered at the provider"
	case "response_type":
		return "code: send back a code, not tokens. This makes it the Authorization Code Flow"
	case "scope":
		return "what is asked for: openid makes it OpenID Connect; profile, email and groups ask for claims about you"
	case "redirect_uri":
		return "where the answer is to go; the provider sends it to registered addresses alone"
	case "state":
		return "random; comes back with the answer and ties it to this browser, so that nobody can slip you a login of theirs (RFC 9700, 4.7)"
	case "nonce":
		return "random; comes back inside the ID token and ties it to this login, so that a token of another one is of no use (OIDC Core 15.5.2)"
	case "code_challenge":
		return "hash of a random verifier; whoever steals the code cannot use it without the verifier (PKCE, RFC 7636)"
	case "code_challenge_method":
		return "the hash is SHA-256"
	case "response_mode":
		return "how the answer comes back: in the query string, or as a form post"
	case "prompt":
		return "whether you have to sign in again"
	case "max_age":
		return "how many seconds ago you may have signed in at most"
	case "acr_values":
		return "how strongly you are to prove who you are"
	}
	return "a further parameter, from AUTH_PARAMS"
}

// explainCallback tells what the parameters of the answer are for (OIDC Core 3.1.2.5).
func explainCallback(name string) string {
	switch name {
	case "code":
		return "stands for your sign-in; works once, for a minute, for doorward alone"
	case "state":
		return "the state from the request, untouched"
	case "iss":
		return "who answers, so that answers of two providers cannot be mixed up (RFC 9207)"
	case "session_state":
		return "for watching the provider's session in a frame; not used"
	}
	return "not used"
}

// explainExchange tells what the fields of a token request are for.
func explainExchange(name string) string {
	switch name {
	case "grant_type":
		return "what is handed in: an authorization code"
	case "code":
		return "the code from the callback"
	case "redirect_uri":
		return "must be that of the authorization request again (RFC 6749, 4.1.3)"
	case "code_verifier":
		return "the random value behind the code_challenge: proves that request and exchange were made by the same party"
	}
	return ""
}

// explainAnswer tells what the fields of a token answer are.
func explainAnswer(name string) string {
	switch name {
	case "id_token":
		return "who you are, for doorward"
	case "access_token":
		return "what you may do, for the application"
	case "token_type":
		return "Bearer: whoever has it may use it, so it is kept secret"
	case "expires_in":
		return "seconds for which the access token is good"
	case "scope":
		return "what was granted"
	case "refresh_token":
		return "gets new tokens later, without you"
	}
	return ""
}

// explainHeader tells what the fields of a JWT's header are (RFC 7515, section 4.1).
func explainHeader(name string) string {
	switch name {
	case "alg":
		return "how it is signed; doorward accepts the algorithms on its own list alone, and never none"
	case "kid":
		return "with which of the provider's keys"
	case "typ":
		return "what kind of thing it is"
	}
	return ""
}

// explainIDToken tells what an ID token's claims are (OIDC Core 2 and 5.1).
func explainIDToken(name string) string {
	switch name {
	case "aud":
		return "audience: for whom it is, doorward alone"
	case "client_id":
		return "doorward, for whom it was made; aud says the same"
	case "azp":
		return "authorized party: to whom it was issued"
	case "at_hash":
		return "ties the access token to this ID token: the left half of its SHA-256"
	case "c_hash":
		return "ties the code to this ID token, likewise"
	case "nonce":
		return "ties it to this login"
	case "auth_time":
		return "when you signed in at the provider; rules with max-age look at it"
	case "sid":
		return "names your session at the provider, for signing out"
	case "name", "preferred_username", "given_name", "family_name":
		return "from the scope profile"
	case "email":
		return "from the scope email"
	case "email_verified":
		return "the provider vouches for the address; doorward does not use one without this"
	}
	return explainClaim(name)
}

// explainAccessToken tells what an access token's claims are (RFC 9068, section 2.2).
func explainAccessToken(name string) string {
	switch name {
	case "aud":
		return "audience: for whom it is, the application and not doorward"
	case "client_id":
		return "who obtained it for you"
	case "scope":
		return "what it may be used for"
	case "jti":
		return "its serial number"
	}
	return explainClaim(name)
}

// explainClaim tells what claims of both tokens are (RFC 7519, section 4.1).
func explainClaim(name string) string {
	switch name {
	case "iss":
		return "issuer: who made it"
	case "sub":
		return "subject: about whom it is. Only iss and sub together name a person"
	case "exp":
		return "worthless after this"
	case "iat":
		return "when it was made"
	case "nbf":
		return "worthless before this"
	case "groups":
		return "your groups; access rules with group: look at them"
	}
	return ""
}

// explainForwarded tells what the headers are that doorward sets; it is empty for all others.
func explainForwarded(name string) string {
	switch name {
	case "X-Forwarded-User":
		return "who you are: sub"
	case "X-Forwarded-Email":
		return "your verified e-mail address"
	case "X-Forwarded-Groups":
		return "your groups"
	case "X-Forwarded-Preferred-Username":
		return "what you like to be called"
	case "X-Doorward-Assertion":
		return "the same, signed by doorward"
	case "Authorization":
		return "the access token; the application can verify it by itself, and this page has"
	case "X-Forwarded-For":
		return "where you came from"
	case "X-Forwarded-Host", "X-Forwarded-Proto":
		return "the address as your browser knows it"
	case "X-Request-Id":
		return "names this request in every log"
	}
	return ""
}
