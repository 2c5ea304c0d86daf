package backend

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// caller is who a verified token speaks for.
type caller struct {
	User    string
	Groups  []string
	Expires time.Time
	raw     map[string]any
}

func newCaller(token *oidc.IDToken) (*caller, error) {
	c := &caller{User: token.Subject, Expires: token.Expiry}
	if err := token.Claims(&c.raw); err != nil {
		return nil, fmt.Errorf("reading the token's claims: %w", err)
	}
	groups, _ := c.raw["groups"].([]any)
	for _, group := range groups {
		if name, ok := group.(string); ok {
			c.Groups = append(c.Groups, name)
		}
	}
	return c, nil
}

// Name is what the caller likes to be called, for greetings. It may change and need not be unique, so it decides nothing (OIDC
// Core 5.7).
func (c *caller) Name() string {
	name, _ := c.raw["preferred_username"].(string)
	return cmp.Or(name, c.User)
}

func (c *caller) in(group string) bool { return slices.Contains(c.Groups, group) }

// claim is a row of the table of claims.
type claim struct{ Name, Value, Means string }

// Claims are the token's, in the order of their names.
func (c *caller) Claims() []claim {
	var rows []claim
	for _, name := range slices.Sorted(maps.Keys(c.raw)) {
		rows = append(rows, claim{name, show(name, c.raw[name]), meaning(name)})
	}
	return rows
}

// show is a claim's value as JSON, times as times.
func show(name string, value any) string {
	switch name {
	case "exp", "iat", "nbf", "auth_time":
		if seconds, ok := value.(float64); ok {
			return fmt.Sprintf("%.0f (%s)", seconds, time.Unix(int64(seconds), 0).UTC().Format("2006-01-02 15:04:05 MST"))
		}
	}
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return strings.ReplaceAll(string(text), `","`, `", "`)
}

// meaning explains the claims that nearly every access token has.
func meaning(name string) string {
	switch name {
	case "iss":
		return "issuer: the provider that signed it; checked"
	case "aud":
		return "audience: the API that it is for; checked, it must name this backend"
	case "exp":
		return "expiry; checked"
	case "nbf":
		return "not before; checked"
	case "iat":
		return "issued at"
	case "sub":
		return "subject: you, whom it speaks for"
	case "client_id", "azp", "cid":
		return "the application that obtained it: doorward"
	case "jti":
		return "its serial number"
	case "preferred_username":
		return "what you like to be called"
	case "scope", "scp":
		return "what it may be used for"
	case "groups":
		return "your groups; /admin/ asks for " + adminGroup
	}
	return ""
}
