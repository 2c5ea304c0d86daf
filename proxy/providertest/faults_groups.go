package providertest

// GroupsLeftOut leave out the groups of people who are in too many for a token, as Entra ID does. The login goes on; what is elsewhere
// must not be fetched from there.
func GroupsLeftOut() []Mutation {
	mutations := []Mutation{
		{Name: "groups-distributed", Does: "refers to another address for groups (OIDC Core 5.6.2)",
			IDToken: func(p *Provider, j *JWT) { groupsElsewhere(p, j.Claims) }},
		{Name: "groups-hasgroups", Does: "says no more than that there are groups",
			IDToken: func(_ *Provider, j *JWT) { j.Claims["hasgroups"] = true; delete(j.Claims, "groups") }},
	}
	for i := range mutations {
		mutations[i].AccessToken = mutations[i].IDToken
		mutations[i].Userinfo = func(_ *Provider, a *Answer) { delete(a.Members, "groups") }
	}
	return mutations
}

func groupsElsewhere(p *Provider, claims map[string]any) {
	delete(claims, "groups")
	claims["_claim_names"] = map[string]any{"groups": "src1"}
	claims["_claim_sources"] = map[string]any{"src1": map[string]any{"endpoint": p.URL(Elsewhere)}}
}
