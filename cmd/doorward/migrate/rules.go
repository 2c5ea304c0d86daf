package migrate

import (
	"fmt"
	"slices"
	"strings"

	"doorward/proxy/access"
)

// accessRules writes the table: the general rule, what is public, and what a public pattern must not take along. oauth2-proxy has
// one requirement for all paths, and expressions of paths that need no login.
func (m *Migration) accessRules() {
	base := m.whoMayIn()
	t := &ruleTable{base: base, public: make(map[string]bool)}
	for _, s := range m.skips() {
		m.skip(t, s)
	}
	if slices.ContainsFunc(t.order, func(pattern string) bool { return strings.HasPrefix(pattern, "GET ") }) {
		m.change("ACCESS_RULES: a rule for GET holds for HEAD too")
	}
	if m.is("skip_auth_preflight") {
		t.allowPreflights()
	}
	text := t.String()
	if _, err := access.Compile(text, nil); err != nil {
		m.todo("ACCESS_RULES: the rules could not be put together, so nobody may enter until you write them")
		text = "/ deny"
	}
	m.set("ACCESS_RULES", text, "email_domains", "authenticated_emails_file", "allowed_groups", "allowed_roles", "gitlab_groups", "keycloak_groups",
		"skip_auth_routes", "skip_auth_regex", "skip_auth_preflight")
}

// ruleTable gathers the rules.
type ruleTable struct {
	base   string
	public map[string]bool
	order  []string
	kept   []string
}

func (t *ruleTable) allow(pattern string) {
	if !t.public[pattern] {
		t.order = append(t.order, pattern)
	}
	t.public[pattern] = true
}

// allowPreflights opens OPTIONS wherever a rule asks for a login.
func (t *ruleTable) allowPreflights() {
	for _, pattern := range append([]string{"/"}, t.kept...) {
		if !t.public[pattern] {
			t.allow("OPTIONS " + pattern)
		}
	}
}

// String writes the rules. Where everything is public, what has to be kept still is.
func (t *ruleTable) String() string {
	var rows [][2]string
	if !t.public["/"] {
		rows = append(rows, [2]string{"/", t.base})
	}
	for _, pattern := range once(t.kept) {
		if !t.public[pattern] {
			rows = append(rows, [2]string{pattern, t.base})
		}
	}
	for _, pattern := range t.order {
		rows = append(rows, [2]string{pattern, "public"})
	}
	width := 0
	for _, row := range rows {
		width = max(width, min(len(row[0]), 30))
	}
	var lines []string
	for _, row := range rows {
		lines = append(lines, fmt.Sprintf("%-*s  %s", width, row[0], row[1]))
	}
	return strings.Join(lines, "\n")
}
