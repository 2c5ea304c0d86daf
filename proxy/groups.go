package proxy

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync/atomic"

	"doorward/proxy/provider"
	"doorward/session"
)

// A person's groups, and by which names they are known. Rules that this file keeps:
//
//   - A session holds what the provider said. GROUP_ALIASES are read where somebody looks (rules, headers, userinfo), so that what they
//     say holds for the sessions that there are, too, and none remembers what a name meant before.
//   - A group that has an alias is known by it alone.
//   - A group that the provider itself calls by an alias is another one, which anybody who may make groups there may have made: nobody is
//     told of it, and its members are not in the aliased one. It may be that one all the same, where the provider was switched from
//     identifiers to names: its members are not known not to be in some group either ("!group:").
//   - Where the provider left groups out, nobody is known not to be in one. Where they are to be had instead is not looked up: the
//     address is in the token, and would be asked with our credentials.

// knownGroups are those of one person, as rules, upstreams and people know them.
type knownGroups struct {
	names []string
	taken []string // aliases by which the provider calls other groups that the person is in
}

// aliases are the names of GROUP_ALIASES, by what the provider calls the groups.
type aliases map[string]string

// groupsOf are the groups of a session's person. Without aliases that costs nothing, and with them it is done once for a session.
func (p *Proxy) groupsOf(s *session.Session, r *rules) knownGroups {
	if len(p.aliases) == 0 {
		return knownGroups{names: s.Groups}
	}
	d, _ := p.description(s, r)
	return d.groups
}

// known names the groups that the provider told.
func (a aliases) known(told []string) knownGroups {
	if len(a) == 0 {
		return knownGroups{names: told}
	}
	var known knownGroups
	for _, group := range told {
		name, aliased := a[group]
		switch {
		case aliased:
			known.names = append(known.names, name)
		case a.has(group):
			known.taken = append(known.taken, group)
		default:
			known.names = append(known.names, group)
		}
	}
	return known
}

func (a aliases) has(name string) bool {
	for _, alias := range a {
		if alias == name {
			return true
		}
	}
	return false
}

// readGroups reads a groups claim: an array of strings, or one string, which is one group. Zitadel's claim of roles is an object. Empty
// names are nobody's group, and any other shape is an error rather than a guess.
func readGroups(name string, claim any) ([]string, error) {
	switch claim := claim.(type) {
	case nil:
		return nil, nil
	case string:
		return nonEmpty([]string{claim}), nil
	case []any:
		var groups []string
		for _, member := range claim {
			group, ok := member.(string)
			if !ok {
				return nil, errors.New("a member is not a string")
			}
			groups = append(groups, group)
		}
		return nonEmpty(groups), nil
	case map[string]any:
		if strings.HasPrefix(name, "urn:zitadel:iam:org:project:") && strings.HasSuffix(name, "roles") {
			return zitadelRoles(claim)
		}
	}
	return nil, errors.New("it is neither a string nor an array of strings")
}

// zitadelRoles are the names of an object's members, each of which is an object in turn: of the organisations that grant the role.
func zitadelRoles(claim map[string]any) ([]string, error) {
	for _, organisations := range claim {
		if granted, _ := organisations.(map[string]any); len(granted) == 0 {
			return nil, errors.New("a role is granted by no organisation")
		}
	}
	return nonEmpty(slices.Sorted(maps.Keys(claim))), nil
}

// leftOut says whether the provider left the groups out: because they are too many, or because they are in no token and userinfo refused.
func (p *Proxy) leftOut(person *provider.Person) bool {
	return p.tooManyForTokens(person) || person.Withheld(p.config.GroupsClaim)
}

// tooManyForTokens says whether the provider has the groups elsewhere: as a distributed claim (OIDC Core 5.6.2), or, where Entra ID has
// no room for that either, by hasgroups, which is about its claim groups and not about roles.
func (p *Proxy) tooManyForTokens(person *provider.Person) bool {
	names, _ := person.Claim("_claim_names")
	elsewhere, _ := names.(map[string]any)
	_, distributed := elsewhere[p.config.GroupsClaim]
	overage, _ := person.Claim("hasgroups")
	return distributed || overage == true && p.config.GroupsClaim == "groups"
}

// groupsNoted are the oddities of groups that somebody was told of.
type groupsNoted struct{ leftOut, taken atomic.Bool }

// noteGroups logs what is odd about a person's groups.
func (p *Proxy) noteGroups(person *provider.Person, known knownGroups) {
	if p.tooManyForTokens(person) {
		p.log.Log(context.Background(), firstWarns(&p.groupsNoted.leftOut), "groups_left_out", "claim", p.config.GroupsClaim,
			"says", "somebody is in too many groups for the provider's tokens, and counts as being in none; "+mendForTooMany)
	}
	if len(known.taken) > 0 {
		p.log.Log(context.Background(), firstWarns(&p.groupsNoted.taken), "group_name_taken", "names", known.taken,
			"says", "the provider has groups of its own by these names, which DOORWARD_GROUP_ALIASES gives to others; whoever is in them counts as "+
				"being in neither; name the others differently, or write what the provider sends now")
	}
}

func nonEmpty(groups []string) []string {
	return slices.DeleteFunc(groups, func(g string) bool { return strings.TrimSpace(g) == "" })
}
