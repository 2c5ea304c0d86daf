package config

import "slices"

// AcceptsBearerTokens reports whether API clients may bring access tokens.
func (c *Config) AcceptsBearerTokens() bool {
	if c.BearerTokens != nil {
		return *c.BearerTokens
	}
	return len(c.Audience) > 0
}

// checkBearerTokens: a token that is for nobody in particular is for everybody
// whom the provider knows (RFC 9068 4, RFC 9700 2.3).
func checkBearerTokens(c *Config) Problems {
	bearer, introspect := verdict{variable: "BEARER_TOKENS"}, verdict{variable: "INTROSPECT_TOKENS"}
	const (
		noAudience  = "needs " + Prefix + "_AUDIENCE: without it, every token of the provider would do, whatever it is for"
		setAudience = "set " + Prefix + "_AUDIENCE to the audience that tokens for this API bear, or write false"
	)
	if c.AcceptsBearerTokens() && len(c.Audience) == 0 {
		bearer.add(noAudience, setAudience)
	}
	switch {
	case !c.IntrospectTokens:
	case len(c.Audience) == 0:
		introspect.add(noAudience, setAudience)
	case !c.AcceptsBearerTokens():
		introspect.add("is of no use while "+Prefix+"_BEARER_TOKENS is false", "write false, or leave "+Prefix+"_BEARER_TOKENS unset")
	}
	return append(bearer.problems, introspect.problems...)
}

// bearerNotes: the provider must mark access tokens as such where it issues ID
// tokens for the same audience (RFC 9068 2.1). And what a session's token
// opens here, whoever was sent it opens as well.
func (c *Config) bearerNotes() []string {
	if !c.AcceptsBearerTokens() {
		return nil
	}
	var notes []string
	if slices.Contains(c.Audience, c.ClientID) {
		notes = append(notes, Prefix+"_AUDIENCE names the client itself: API clients' JWTs are accepted only where the provider gives them the typ at+jwt, as ID tokens are for that audience, too")
	}
	upstreams, _ := c.upstreams()
	for _, u := range upstreams {
		other := slices.ContainsFunc(upstreams, func(o Upstream) bool { return o.Name() != u.Name() })
		if other && u.Token != "none" {
			notes = append(notes, Prefix+"_UPSTREAMS: "+u.Name()+" is sent people's access tokens, with which it can ask here for what others serve, as these people and until the tokens expire; "+
				"write token=none for it, or "+Prefix+"_BEARER_TOKENS=false, unless all upstreams may do what people may")
			break
		}
	}
	return notes
}
