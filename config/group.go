package config

// Rules kept here: a group has one name and a name one group. Rules, people
// and applications know it by that name alone, so that no rule which forbids a
// group is passed by under its other name.

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"doorward/proxy/access"
)

// GroupNames returns the names of GROUP_ALIASES by what the provider calls the
// groups. Its error is a [Problems].
func (c *Config) GroupNames() (map[string]string, error) {
	names, problems := c.groupNames()
	return names, problems.result()
}

func checkGroupAliases(c *Config) Problems {
	names, problems := c.groupNames()
	return append(problems, c.rulesByIdentifier(names)...)
}

func (c *Config) groupNames() (map[string]string, Problems) {
	v := verdict{variable: "GROUP_ALIASES"}
	names, used := make(map[string]string), make(map[string]bool)
	for i, item := range c.GroupAliases {
		name, id, _ := strings.Cut(item, "=")
		name, id = strings.TrimFunc(name, blank), strings.TrimFunc(id, blank)
		switch {
		case name == "" || id == "":
			v.add(fmt.Sprintf("item %d is no name=identifier", i+1), "write what rules are to say, then what the provider sends, e.g. Finance=0f2e6c1a-6f0b-4c7e-9a53-3d1d0f6f6a11")
		case used[name]:
			v.add(quote(name)+" stands for two groups", "give each a name of its own; a rule may say group:A,B")
		case names[id] != "":
			v.add(fmt.Sprintf("%s has two names, %s and %s", quote(id), quote(names[id]), quote(name)), "keep one")
		}
		names[id], used[name] = name, true
	}
	for _, id := range slices.Sorted(maps.Keys(names)) {
		if used[id] {
			v.add(quote(id)+" is a name and an identifier at once", "choose names that the provider does not send, so that nobody mistakes one group for another")
		}
	}
	return names, v.problems
}

// rulesByIdentifier reports rules that say a group's identifier where it has a
// name: nobody is in it under that, and "!" would let everybody pass.
func (c *Config) rulesByIdentifier(names map[string]string) Problems {
	v := verdict{variable: "ACCESS_RULES"}
	policy, err := c.Policy()
	if err != nil {
		return nil
	}
	for _, group := range policy.GroupNames() {
		if name := names[group]; name != "" {
			v.add(fmt.Sprintf("names the group %s, which %s_GROUP_ALIASES calls %s", quote(group), Prefix, quote(name)), "write the name there")
		}
	}
	return v.problems
}

// rawGroupNotes are about rules and headers that take the claim itself, by the
// provider's words: there a group that somebody has made at the provider under a
// name of GROUP_ALIASES looks like the one that has it.
func (c *Config) rawGroupNotes(policy *access.Policy) []string {
	if len(c.GroupAliases) == 0 {
		return nil
	}
	const why = "has the provider's own words, to which %s_GROUP_ALIASES gives no names, and a group that the provider itself calls by one of them is among them; "
	var notes []string
	if slices.Contains(policy.ClaimPaths(), c.GroupsClaim) {
		notes = append(notes, fmt.Sprintf("rules ask for claim:%s, which "+why+"write group:", c.GroupsClaim, Prefix))
	}
	headers, _ := c.identityHeaders()
	for _, h := range headers {
		if h.Claim == c.GroupsClaim {
			notes = append(notes, fmt.Sprintf("%s_HEADERS: %s "+why+"X-Forwarded-Groups has the names", Prefix, h.Name, Prefix))
		}
	}
	return notes
}

// groupNotes are about groups that rules name otherwise than GROUP_ALIASES: in
// most cases one of the two is a slip.
func (c *Config) groupNotes(policy *access.Policy) []string {
	names, _ := c.groupNames()
	known := slices.Collect(maps.Values(names))
	notes := c.rawGroupNotes(policy)
	for _, group := range policy.GroupNames() {
		if len(names) > 0 && !slices.Contains(known, group) {
			notes = append(notes, fmt.Sprintf("rules name the group %s, which is none of %s_GROUP_ALIASES: the provider has to send it by that name", quote(group), Prefix))
		}
	}
	return notes
}
