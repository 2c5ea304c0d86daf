package proxy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"doorward/proxy/provider"
	"doorward/session"
)

// neededClaims are those that userinfo is asked for when no token carries them.
func (p *Proxy) neededClaims() []string {
	c := p.config
	needed := []string{c.UserClaim, c.GroupsClaim}
	scopes := strings.Fields(c.Scopes)
	if slices.Contains(scopes, "email") {
		needed = append(needed, c.EmailClaim)
	}
	if slices.Contains(scopes, "profile") {
		needed = append(needed, "preferred_username")
	}
	needed = append(needed, p.keptClaims()...)
	slices.Sort(needed)
	return slices.Compact(needed)
}

// keptClaims are those that rules and HEADERS ask for: the session keeps these and no others.
func (p *Proxy) keptClaims() []string {
	kept := slices.Clone(p.rules.Load().claims)
	for _, h := range p.headers {
		kept = append(kept, h.Claim)
	}
	if !p.config.InsecureUnverifiedEmail && (p.config.UserClaim == "email" || slices.Contains(kept, "email")) {
		kept = append(kept, "email_verified")
	}
	return kept
}

// newSession makes a session of a person's verified claims. Its identifier is new (the session fixation of
// CVE-2026-34454 cannot happen), and people are told apart by issuer and subject alone (OIDC Core 5.7). began is when the code
// exchange did: what was revoked meanwhile is revoked.
func (p *Proxy) newSession(person *provider.Person, began time.Time) (*session.Session, error) {
	p.noteRefusal(person)
	user, err := p.userOf(person)
	if err != nil {
		return nil, fmt.Errorf("naming the user: %w", err)
	}
	s := &session.Session{
		Issuer:            person.Issuer,
		Subject:           person.Subject,
		ProviderSession:   person.SessionID,
		PreferredUsername: textClaim(person, "preferred_username"),
		User:              user,
		Email:             p.emailOf(person),
		ACR:               person.ACR,
		AuthTime:          person.AuthTime,
		IDToken:           person.IDToken,
		AccessToken:       person.AccessToken,
		RefreshToken:      person.RefreshToken,
		Claims:            p.claimsToKeep(person),
		CreatedAt:         began,
		ExpiresAt:         began.Add(p.config.SessionMaxAge),
		TokenIssuedAt:     began,
		TokenExpiresAt:    person.TokenExpiry,
	}
	return s, p.takeGroups(s, person)
}

// claimsToKeep are the claims of a person that rules or headers name.
func (p *Proxy) claimsToKeep(person *provider.Person) map[string]any {
	kept := map[string]any{}
	_, verified := person.Email("email")
	for _, path := range p.keptClaims() {
		value, found := person.Claim(path)
		switch {
		case path == "email_verified" && verified:
			value = true
		case p.unvouched(person, path), !found && !person.Withheld(path):
			value = noClaim()
		}
		kept[path] = value
	}
	return kept
}

// takeGroups takes a person's groups into their session.
func (p *Proxy) takeGroups(s *session.Session, person *provider.Person) error {
	var value any
	if !p.unvouched(person, p.config.GroupsClaim) {
		value, _ = person.Claim(p.config.GroupsClaim)
	}
	told, err := readGroups(p.config.GroupsClaim, value)
	if err != nil {
		return fmt.Errorf("reading groups from claim %q: %w", p.config.GroupsClaim, err)
	}
	s.Groups, s.GroupsUnknown = told, p.leftOut(person)
	known := p.aliases.known(told)
	p.noteGroups(person, known)
	_, err = p.groupsHeader(known.names, p.rules.Load()) // whether it fits is better known now than at each request
	return err
}

// claimsMissing are those that the person is known not to have; a claim that nobody asked about when the session was made is not among them.
func (p *Proxy) claimsMissing(s *session.Session) []string {
	missing := slices.DeleteFunc(p.keptClaims(), func(path string) bool { return !isNoClaim(s.Claims[path]) })
	if len(s.Groups) == 0 {
		missing = append(missing, p.config.GroupsClaim)
	}
	return missing
}

// emailOf is the e-mail address, if the provider vouches for it (OIDC Core 5.7: anybody may claim an address).
func (p *Proxy) emailOf(person *provider.Person) string {
	if _, verified := person.Email(p.config.EmailClaim); !verified && !p.config.InsecureUnverifiedEmail {
		return ""
	}
	return textClaim(person, p.config.EmailClaim)
}

// userOf is what upstreams call the person. Its error says why nothing that the provider sent can be used.
func (p *Proxy) userOf(person *provider.Person) (string, error) {
	if p.unvouched(person, p.config.UserClaim) {
		return "", fmt.Errorf("the provider does not say that the claim %q is verified (email_verified); have it say so, or set DOORWARD_INSECURE_UNVERIFIED_EMAIL", p.config.UserClaim)
	}
	user := textClaim(person, p.config.UserClaim)
	if user == "" {
		return "", fmt.Errorf("the provider sent no usable claim %q; set DOORWARD_USER_CLAIM to one that it sends", p.config.UserClaim)
	}
	return user, nil
}

// unvouched says of the claim email that the provider does not vouch for it, and that nobody said to believe it all the same: then it names
// nobody, whatever setting or rule speaks of it.
func (p *Proxy) unvouched(person *provider.Person, path string) bool {
	if path != "email" || p.config.InsecureUnverifiedEmail {
		return false
	}
	_, there := person.Claim(path)
	_, verified := person.Email(path)
	return there && !verified
}

// vouchedEmail is the claim email of a session's person, if the provider vouched for it.
func vouchedEmail(s *session.Session, userClaim string) string {
	if s.Claims["email_verified"] != true {
		return ""
	}
	if userClaim == "email" {
		return s.User
	}
	address, _ := s.Claims["email"].(string)
	return address
}

// textClaim is a claim that is a string and fit for a header; anything else counts as absent.
func textClaim(person *provider.Person, path string) string {
	value, _ := person.Claim(path)
	text, _ := value.(string)
	return headerText(text)
}

// noteRefusal logs that userinfo refused an access token, and what is therefore not known of people. It is the same for everybody who
// signs in, so that only the first is a warning.
func (p *Proxy) noteRefusal(person *provider.Person) {
	if !person.UserinfoRefused {
		return
	}
	withheld := slices.DeleteFunc(p.neededClaims(), func(claim string) bool { return !person.Withheld(claim) })
	p.log.Log(context.Background(), firstWarns(&p.userinfoRefused), "userinfo_refused", "claims", withheld,
		"says", "userinfo does not take the access token, most likely since it is for an API alone, and these claims are in no token; "+
			"let the provider put them into the ID token or the access token")
}
