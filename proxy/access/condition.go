package access

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// What a term asks of a person. The rules that every condition keeps:
//
//   - a value that is missing or empty never satisfies a condition;
//   - values are compared as they are, exactly, but for e-mails (below); no joined list is ever searched;
//   - an e-mail counts only when it has exactly one @ with something on both sides: "a@evil.example@example.com" is nobody's.

// condition is one term without its negation.
type condition interface {
	// known says whether there is something to compare, so that a negation may hold.
	known(s *Subject) bool
	holds(s *Subject, b bindings) bool
}

type inGroup []template

func (c inGroup) known(s *Subject) bool { return !s.GroupsUnknown }

func (c inGroup) holds(s *Subject, b bindings) bool {
	return slices.ContainsFunc(s.Groups, func(group string) bool {
		return slices.ContainsFunc(c, func(t template) bool { return t.equals(group, b) })
	})
}

type isUser []template

func (c isUser) known(s *Subject) bool { return s.User != "" }

func (c isUser) holds(s *Subject, b bindings) bool {
	return slices.ContainsFunc(c, func(t template) bool { return t.equals(s.User, b) })
}

// hasEmail compares without regard to ASCII letter case. No provider gives two people e-mails that differ by case alone,
// and one person's is spelt differently by different providers.
type hasEmail []mailbox

type mailbox struct {
	local  string // empty: any
	domain string
}

func (c hasEmail) known(s *Subject) bool {
	_, ok := parseMailbox(s.Email)
	return ok
}

func (c hasEmail) holds(s *Subject, _ bindings) bool {
	given, ok := parseMailbox(s.Email)
	return ok && slices.ContainsFunc(c, func(m mailbox) bool {
		return m.domain == given.domain && (m.local == "" || m.local == given.local)
	})
}

// parseMailbox splits an e-mail with exactly one @.
func parseMailbox(email string) (mailbox, bool) {
	local, domain, _ := strings.Cut(lowerASCII(email), "@")
	return mailbox{local, domain}, local != "" && domain != "" && !strings.Contains(domain, "@")
}

// lowerASCII leaves other letters alone: a Kelvin sign is no k in a domain.
func lowerASCII(s string) string {
	return strings.Map(func(c rune) rune {
		if 'A' <= c && c <= 'Z' {
			return c + 'a' - 'A'
		}
		return c
	}, s)
}

type hasClaim struct {
	path   string // as written in the rule
	values []template
}

func (c hasClaim) known(s *Subject) bool {
	value, found := s.Claims[c.path]
	_, all := claimTexts(value)
	return !found || all
}

func (c hasClaim) holds(s *Subject, b bindings) bool {
	texts, _ := claimTexts(s.Claims[c.path])
	return slices.ContainsFunc(texts, func(text string) bool {
		return slices.ContainsFunc(c.values, func(t template) bool { return t.equals(text, b) })
	})
}

// claimTexts returns what a claim may be compared as: itself, or each element of an array; and whether that is all of it. An object, null and
// an array within an array are equal to nothing, and but for null nobody knows what they would be unequal to.
func claimTexts(claim any) (texts []string, all bool) {
	switch claim := claim.(type) {
	case []string:
		return claim, true
	case []any:
		all = true
		for _, element := range claim {
			text, ok := scalarText(element)
			if ok {
				texts = append(texts, text)
			}
			all = all && (ok || element == nil)
		}
		return texts, all
	}
	text, ok := scalarText(claim)
	return []string{text}, ok
}

// scalarText returns a string as it is, a number and a boolean as JSON writes them.
func scalarText(value any) (string, bool) {
	switch value := value.(type) {
	case string:
		return value, true
	case bool, float64, int, int64, uint64, json.Number:
		text, err := json.Marshal(value)
		return string(text), err == nil
	}
	return "", false
}

type hasACR []string

func (c hasACR) known(*Subject) bool { return true }

func (c hasACR) holds(s *Subject, _ bindings) bool {
	return s.ACR != "" && slices.Contains(c, s.ACR)
}

// loginWithin is the longest time since the login at the provider.
type loginWithin time.Duration

// clockSkew is how far the provider's clock may be ahead of ours; a login further in the future would never grow old.
const clockSkew = 5 * time.Minute

func (c loginWithin) known(s *Subject) bool { return !s.AuthTime.IsZero() }

func (c loginWithin) holds(s *Subject, _ bindings) bool {
	age := s.Now.Sub(s.AuthTime)
	return c.known(s) && -clockSkew <= age && age <= time.Duration(c)
}

type fromNetwork []netip.Prefix

func (c fromNetwork) known(s *Subject) bool { return s.IP.IsValid() }

func (c fromNetwork) holds(s *Subject, _ bindings) bool {
	address := s.IP.Unmap().WithZone("")
	return slices.ContainsFunc(c, func(network netip.Prefix) bool { return network.Contains(address) })
}
