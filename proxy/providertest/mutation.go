package providertest

import (
	"net/url"
	"slices"
)

// Mutation is one way in which the provider differs from an honest and plain one. Only the hooks that are set act; each
// is called when the provider is about to send the thing that it bends.
type Mutation struct {
	// Name is that of the module of the OpenID Foundation's relying-party suite that does the same ("oidcc-client-test-…",
	// "fapi2-…"), else a name of our own that begins with the part of the login that it bends.
	Name string
	// Does says in a sentence what the provider does.
	Does string
	// Stops is the stage at which a sound client ends the login; Nowhere for a mutation that it must accept.
	Stops Stage

	// Metadata bends the members of the metadata, MetadataReply the answer that carries them.
	Metadata      func(p *Provider, members map[string]any)
	MetadataReply func(p *Provider, a *Answer)
	// KeySet gives the published keys in place of those that it is given, KeySetReply bends the answer.
	KeySet      func(p *Provider, keys []map[string]any) []map[string]any
	KeySetReply func(p *Provider, a *Answer)
	// PAR makes the provider offer pushed authorization requests ("offered"), or take no others ("required"). PushReply bends the
	// answer to them.
	PAR       string
	PushReply func(p *Provider, a *Answer)
	// Refuse gives the error with which an authorization request is answered, or nothing.
	Refuse func(p *Provider, request url.Values) string
	// Page gives the page that an authorization request is met with, whether its redirect URI is registered or not, in place of the
	// answer; nil for none.
	Page func(p *Provider, request url.Values, registered bool) *Answer
	// Callback bends the parameters with which the browser comes back.
	Callback func(p *Provider, parameters url.Values)
	// AccessToken bends the access token before it is signed, and then IDToken the ID token, whose at_hash is that of the
	// bent access token.
	AccessToken func(p *Provider, j *JWT)
	IDToken     func(p *Provider, j *JWT)
	// StepUp bends the ID token of a login that asked for acr_values or max_age.
	StepUp func(p *Provider, j *JWT)
	// TokenRefusal bends the answer that refuses a code of a client that is known.
	TokenRefusal func(p *Provider, a *Answer)
	// TokenReply bends the answer that carries both.
	TokenReply func(p *Provider, a *Answer)
	// Userinfo bends userinfo's answer.
	Userinfo func(p *Provider, a *Answer)
	// APIToken bends the token of an API client before it is signed, Introspection the answer about one.
	APIToken      func(p *Provider, j *JWT)
	Introspection func(p *Provider, a *Answer)

	// What comes with refreshed tokens alone, bent after the above.
	RefreshAccessToken func(p *Provider, j *JWT)
	RefreshIDToken     func(p *Provider, j *JWT)
	RefreshReply       func(p *Provider, a *Answer)
	RefreshUserinfo    func(p *Provider, a *Answer)

	// LogoutToken bends a logout token before it is signed, LogoutRequest the request that carries it.
	LogoutToken   func(p *Provider, j *JWT)
	LogoutRequest func(p *Provider, l *Logout)
	// EndSession bends the parameters with which the browser comes back from the end-session endpoint.
	EndSession func(p *Provider, parameters url.Values)
}

// Stage is the part of a login in which a sound client stops. Whatever comes after it must not happen.
type Stage int

// The stages of a login. None of those but Nowhere ends with a session.
const (
	Nowhere     Stage = iota // the login succeeds
	AtDiscovery              // no authorization request is made, nor pushed
	AtPush                   // it is pushed, and no browser comes with it
	AtCallback               // no token request is made
	AtTokens                 // no userinfo request is made
	AtUserinfo               // userinfo is asked and its answer refused
	AtRefresh                // the login succeeds; the refresh ends the session, and userinfo is not asked
)

// Find is the mutation of that name among all lists.
func Find(name string) (Mutation, bool) {
	for _, m := range slices.Concat(Misbehaviours(), Shortcomings(), Oddities(), RefreshMisbehaviours(), RefreshOddities(),
		LogoutFaults(), LogoutOddities(), EndSessionOddities(), UserinfoRefusals(), GroupsLeftOut()) {
		if m.Name == name {
			return m, true
		}
	}
	return Mutation{}, false
}

// Misbehaviours are the mutations that a sound client refuses, each at its stage. Those of access tokens need a client that checks
// the tokens' audience ([Audience]), those of userinfo one that needs the claim "groups".
func Misbehaviours() []Mutation {
	var all []Mutation
	for _, some := range [][]Mutation{
		metadataFaults(), keySetFaults(), pushMetadataFaults(), pushFaults(), callbackFaults(), tokenReplyFaults(),
		idTokenClaimFaults(), idTokenTimeFaults(), idTokenAlgorithmFaults(), idTokenKeyFaults(), idTokenFormFaults(),
		accessTokenFaults(), userinfoFaults(), transportFaults(),
	} {
		all = append(all, some...)
	}
	return all
}

// idClaim is a hook that sets a claim of the ID token.
func idClaim(name string, value any) func(*Provider, *JWT) {
	return func(_ *Provider, j *JWT) { j.Claims[name] = value }
}

// idWithout is a hook that takes claims out of the ID token.
func idWithout(names ...string) func(*Provider, *JWT) {
	return func(_ *Provider, j *JWT) {
		for _, name := range names {
			delete(j.Claims, name)
		}
	}
}

// idSuffix is a hook that appends to a textual claim of the ID token.
func idSuffix(name, suffix string) func(*Provider, *JWT) {
	return func(_ *Provider, j *JWT) {
		text, _ := j.Claims[name].(string)
		j.Claims[name] = text + suffix
	}
}

// member is a hook that sets a member of an answer's JSON object.
func member(name string, value any) func(*Provider, *Answer) {
	return func(_ *Provider, a *Answer) { a.Members[name] = value }
}

// without is a hook that takes members out of an answer's JSON object.
func without(names ...string) func(*Provider, *Answer) {
	return func(_ *Provider, a *Answer) {
		for _, name := range names {
			delete(a.Members, name)
		}
	}
}

// body is a hook that answers with these bytes.
func body(status int, contentType, text string) func(*Provider, *Answer) {
	return func(_ *Provider, a *Answer) {
		a.Status, a.Body = status, []byte(text)
		a.Header.Set("Content-Type", contentType)
	}
}

// contentType is a hook that changes the media type alone.
func contentType(value string) func(*Provider, *Answer) {
	return func(_ *Provider, a *Answer) { a.Header.Set("Content-Type", value) }
}

// redirect is a hook that sends the client to another origin.
func redirect(status int) func(*Provider, *Answer) {
	return func(p *Provider, a *Answer) {
		a.Status, a.Body = status, []byte{}
		a.Header.Set("Location", p.URL(Elsewhere))
	}
}
