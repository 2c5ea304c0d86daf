package access

// Refusal says why a person may not pass.
type Refusal struct {
	Rule   string // label of the rule that refuses
	Asks   string // what it asks for, as written: "group:Admin"; empty where there is no rule
	Reason string // "group", "user", "email", "claim", "acr", "max-age", "ip", "negated", "deny" or "no-rule"

	// NeedsGroups is true where the rule asks for a group and the person has none at all, or not all are known: perhaps the provider
	// sent none.
	NeedsGroups bool

	// StepUp is a login that would let the person pass; zero where none would. Conflict says that each of several rules has
	// one, and no login is all of them.
	StepUp   StepUp
	Conflict bool
}

// refusal asks the rule about a person.
func (r *rule) refusal(s *Subject, b bindings) *Refusal {
	if r.access == Deny {
		return &Refusal{Rule: r.label, Asks: r.text, Reason: "deny"}
	}
	blamed, allowed := r.blame(s, b)
	if allowed {
		return nil
	}
	return &Refusal{Rule: r.label, Asks: r.text, Reason: blamed.reason(), NeedsGroups: (len(s.Groups) == 0 || s.GroupsUnknown) && r.asksForGroup()}
}
