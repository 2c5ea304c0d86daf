package proxy

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"doorward/proxy/access"
	"doorward/session"
)

// The access rules may change while doorward runs (reload.go). So:
//
//   - A request is judged by the rules that were there when it came, from beginning to end.
//   - What goes on for long is judged again when they change (connections.go).
//   - A claim that nobody asked about when a session was made is not known: neither does a rule that wants it hold, nor one that forbids it.

// rules are the access rules at one time, with what follows from them. They do not change.
type rules struct {
	policy   *access.Policy
	groups   []string           // that they name
	claims   []string           // that they compare
	siblings map[string]*origin // hosts that share the sessions of PUBLIC_URL's origins (COOKIE_DOMAIN), by their names
	knownACR []string           // the values of acr that AUTH_PARAMS or they ask for

	severalHosts bool // are served
}

// useRules puts rules into use.
func (p *Proxy) useRules(policy *access.Policy) {
	if before := p.rules.Load(); before != nil && before.policy == policy {
		return
	}
	r := &rules{policy: policy, groups: policy.GroupNames(), claims: policy.ClaimPaths(), siblings: p.siblingsUnder(policy), knownACR: slices.Clone(p.usualACR),
		severalHosts: p.severalHosts(policy)}
	for _, values := range policy.ACRs() {
		r.knownACR = append(r.knownACR, p.preferred(access.StepUp{ACR: values}).ACR...)
	}
	p.rules.Store(r)
}

// subjectUnder is what certain rules may ask about a person, who is nil for nobody.
func (p *Proxy) subjectUnder(r *rules, client netip.Addr, who *identity) access.Subject {
	s := access.Subject{IP: client, Now: time.Now()}
	if who != nil {
		groups := p.groupsOf(who.session, r)
		s.User, s.Email, s.Groups = who.session.User, who.session.Email, groups.names
		s.GroupsUnknown = who.session.GroupsUnknown || len(groups.taken) > 0
		s.Claims, s.ACR, s.AuthTime = r.claimsOf(who.session), who.session.ACR, who.session.AuthTime
	}
	return s
}

// claimsOf are a session's claims, as rules are asked about them.
func (r *rules) claimsOf(s *session.Session) map[string]any {
	known := s.Claims
	for _, path := range r.claims {
		if _, asked := s.Claims[path]; asked {
			continue
		}
		if len(known) == len(s.Claims) {
			known = maps.Clone(s.Claims)
		}
		if known == nil {
			known = map[string]any{}
		}
		known[path] = nil
	}
	return known
}

// noClaim is kept in the place of a claim that a person does not have.
func noClaim() any { return []any{} }

// isNoClaim says whether what a session keeps is noClaim.
func isNoClaim(value any) bool {
	list, is := value.([]any)
	return is && len(list) == 0
}
