package provider

import (
	"slices"
	"time"
)

// Person is somebody whom the provider has signed in, and what it says about them. Everything in it was checked.
type Person struct {
	Issuer    string    // iss, the configured issuer
	Subject   string    // sub; Issuer and Subject together name the person (OIDC Core 5.7)
	SessionID string    // sid, the provider's session; "" when it does not say
	ACR       string    // acr, how they authenticated; "" when the provider does not say
	AuthTime  time.Time // auth_time, when they authenticated; zero when the provider does not say

	IDToken      string // as issued, for id_token_hint
	AccessToken  string // as issued, for the upstream
	RefreshToken string // as issued, for Refresh; "" when the provider gave none
	// TokenExpiry is when the access token expires: by expires_in or, when it was verified, its own exp, whichever is earlier; without
	// either by the ID token's, else an hour after it came.
	TokenExpiry time.Time

	// UserinfoRefused says that a claim was needed, and that userinfo did not take the access token.
	UserinfoRefused bool
	// OfToken says that there is an access token and nothing else, neither an ID token nor userinfo.
	OfToken bool

	// Checks are all checks that were made, in their order.
	Checks []Check

	id      object   // the ID token's claims
	gone    []string // claims that were there before a refresh and are not now, whatever an older source says
	sources []object // of further claims, the first that has one counts: ID token, verified access token, userinfo

	verified string // the claim email, if it was verified before a refresh
}

// defaultLifetime is how long an access token is taken to live where nothing says so (RFC 6749 5.1 recommends expires_in).
const defaultLifetime = time.Hour

// Claim gives a claim by its exact name, else by a dotted path through objects ("realm_access.roles"). The ID token is asked
// first, then the access token (when it was verified), then userinfo (when it was needed). The value is a string, json.Number,
// bool, []any or map[string]any; a claim that is null counts as absent.
//
// The claims that say who it is and how they signed in (iss, sub, aud, sid, acr, auth_time and their like) are the ID token's
// alone.
func (p *Person) Claim(path string) (any, bool) {
	if ofIDToken(path) {
		return p.id.lookup(path)
	}
	if slices.Contains(p.gone, path) {
		return nil, false
	}
	for _, source := range p.sources {
		if value, ok := source.lookup(path); ok {
			return value, true
		}
	}
	return nil, false
}

// Withheld says that a claim is absent and that the provider might have said it, had userinfo taken the access token or been asked: nothing
// follows from its absence.
func (p *Person) Withheld(path string) bool {
	_, ok := p.Claim(path)
	return (p.UserinfoRefused || p.OfToken) && !ok && !ofIDToken(path)
}

// Email gives the claim at path, an e-mail address, and whether the provider vouches for it: whether a source whose claim email is
// the same address has email_verified true (OIDC Core 5.1: it is about that claim and no other), or, where none says anything of it, one had
// before a refresh. "" when there is no such claim or it is no string.
func (p *Person) Email(path string) (address string, verified bool) {
	value, _ := p.Claim(path)
	address, _ = value.(string)
	for _, source := range p.sources {
		if address != "" && source["email"] == address && source.has("email_verified") {
			return address, source["email_verified"] == true
		}
	}
	return address, address != "" && address == p.verified && !slices.ContainsFunc(p.sources, saysUnverified)
}

// saysUnverified says whether a source calls an e-mail not verified, whichever it means.
func saysUnverified(source object) bool {
	return source.has("email_verified") && source["email_verified"] != true
}

// ofIDToken names the claims for which only the ID token counts.
func ofIDToken(name string) bool {
	return slices.Contains([]string{"iss", "sub", "aud", "azp", "exp", "iat", "nbf", "nonce", "sid", "acr", "amr", "auth_time", "at_hash"}, name)
}

// newPerson gathers what the checked tokens say. id says who it is. access is nil when the access token was not verified.
func newPerson(t *tokens, id, access *token) *Person {
	person := &Person{IDToken: id.raw, AccessToken: t.access, RefreshToken: t.refresh, TokenExpiry: t.expiry, id: id.claims}
	// The checks have made sure of the types.
	person.Issuer, _ = id.claims.text("iss")
	person.Subject, _ = id.claims.text("sub")
	person.SessionID, _ = id.claims.text("sid")
	person.ACR, _ = id.claims.text("acr")
	person.AuthTime, _ = id.claims.date("auth_time")
	if t.id != "" {
		person.learn(id.claims)
	}
	if access != nil {
		person.learn(access.claims)
		person.expire(access.claims)
	}
	if person.TokenExpiry.IsZero() && t.id != "" {
		person.expire(id.claims)
	}
	if person.TokenExpiry.IsZero() {
		person.TokenExpiry = time.Now().Add(defaultLifetime)
	}
	return person
}

// learn adds a source of claims.
func (p *Person) learn(claims object) { p.sources = append(p.sources, claims) }

// expire makes the access token end with a token's exp, unless it ends earlier.
func (p *Person) expire(claims object) {
	if expiry, _ := claims.date("exp"); p.TokenExpiry.IsZero() || expiry.Before(p.TokenExpiry) {
		p.TokenExpiry = expiry
	}
}

// lacks tells whether one of the claims is in no source.
func (p *Person) lacks(claims []string) bool {
	return slices.ContainsFunc(claims, func(path string) bool {
		_, ok := p.Claim(path)
		return !ok && !ofIDToken(path)
	})
}
