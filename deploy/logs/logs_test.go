//go:build unix

// Package logs compares the README of this folder, which says what is in doorward's log, with the code that writes it, and with the log of
// a day on which everything happens.
package logs

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"doorward/deploy/programtest"
	"doorward/deploy/watchtest"
)

func TestMain(m *testing.M) { programtest.Main(m) }

// rows are the cells of the table under a heading of README.md.
func rows(t *testing.T, heading string) [][]string {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n## "+heading+"\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var all [][]string
	for line := range strings.Lines(section) {
		line = strings.TrimSpace(line)
		if cells := strings.Split(strings.Trim(line, "|"), "|"); strings.HasPrefix(line, "| `") {
			all = append(all, cells)
		}
	}
	if !found || len(all) == 0 {
		t.Fatalf("README.md has no table under %q", heading)
	}
	return all
}

// named are the words of a cell that are written as code, but for those in parentheses.
func named(cell string) []string {
	var names []string
	for _, match := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(regexp.MustCompile(`\([^)]*\)`).ReplaceAllString(cell, ""), -1) {
		names = append(names, match[1])
	}
	return names
}

// schema is what README.md says of an event: the levels that it has, and the fields that it must and may have.
type schema struct{ levels, must, may []string }

func schemas(t *testing.T) map[string]schema {
	t.Helper()
	var always, sometimes []string
	for _, row := range rows(t, "Fields of a request") {
		if strings.TrimSpace(row[1]) == "always" {
			always = append(always, named(row[0])...)
		} else {
			sometimes = append(sometimes, named(row[0])...)
		}
	}
	all := map[string]schema{}
	for _, row := range rows(t, "Events") {
		s := schema{must: append([]string{"time", "level", "event"}, named(row[3])...)}
		for level := range strings.SplitSeq(row[1], ",") {
			s.levels = append(s.levels, strings.TrimSpace(level))
		}
		switch fields := strings.TrimSpace(row[3]); {
		case strings.HasPrefix(fields, "(R)"):
			s.may = append(s.may, always...)
		case strings.HasPrefix(fields, "R"):
			s.must, s.may = append(s.must, always...), append(s.may, sometimes...)
		}
		all[named(row[0])[0]] = s
	}
	return all
}

// The table of events has all events that the code knows, and no others; so has that of outcomes.
func TestTablesHaveTheWordsOfTheCode(t *testing.T) {
	code := wordsOf(t, "../../proxy", "../../cmd/doorward", "../../config", "../../session")
	events, outcomes := map[string]bool{}, map[string]bool{}
	for event := range schemas(t) {
		events[event] = true
	}
	for _, row := range rows(t, "Outcomes") {
		for _, word := range named(row[0]) {
			outcomes[word] = true
		}
	}
	for word, at := range code.events {
		if !events[word] {
			t.Errorf("%s: event %s is not in deploy/logs/README.md", at, word)
		}
	}
	for word, at := range code.outcomes {
		if !outcomes[word] {
			t.Errorf("%s: outcome %s is not in deploy/logs/README.md", at, word)
		}
	}
	for word := range events {
		if _, is := code.events[word]; !is {
			t.Errorf("deploy/logs/README.md has an event %s, which the code has not", word)
		}
	}
	for word := range outcomes {
		if _, is := code.outcomes[word]; !is {
			t.Errorf("deploy/logs/README.md has an outcome %s, which the code has not", word)
		}
	}
}

// line is one of the log.
type line map[string]any

func (l line) text(name string) string {
	text, _ := l[name].(string)
	return text
}

// day is the log of a day in the life of doorward, to its end, on which Redis goes away and comes back, and the provider goes.
func day(t *testing.T) []line {
	t.Helper()
	i := watchtest.New(t)
	leave := i.Crowd()
	i.Day()
	leave()
	i.RedisOutage()
	i.ProviderOutage()
	i.Stop()
	var all []line
	for written := range strings.Lines(i.Log()) {
		var l line
		if err := json.Unmarshal([]byte(written), &l); err != nil {
			t.Fatalf("%q is no line of the log: %v", written, err)
		}
		all = append(all, l)
	}
	return all
}

// Each line of a day has the fields that README.md says, no others, and a level that it says. Nearly all events happen.
func TestLinesHaveTheFieldsOfTheTable(t *testing.T) {
	known, happened := schemas(t), map[string]bool{}
	lines := day(t)
	for _, l := range lines {
		s, is := known[l.text("event")]
		if !is {
			t.Errorf("there is an event that nobody knows: %v", l)
			continue
		}
		happened[l.text("event")] = true
		for _, name := range s.must {
			if _, there := l[name]; !there {
				t.Errorf("%s is missing: %v", name, l)
			}
		}
		for name := range l {
			if !slices.Contains(s.must, name) && !slices.Contains(s.may, name) {
				t.Errorf("%s is there, and not in README.md: %v", name, l)
			}
		}
		if !slices.Contains(s.levels, l.text("level")) {
			t.Errorf("the level is not %v: %v", s.levels, l)
		}
	}
	// What needs a machine in a worse state, a provider that comes back, or a login by claims of userinfo.
	rare := []string{"connections_full", "provider_recovered", "userinfo_refused", "provider_session_not_shared",
		"session_not_saved", "revocations_damaged", "shutdown_timeout", "internal_error", "files_not_watched", "notify_failed",
		"groups_left_out", "group_name_taken", "traces_failed", "page_failed", "opentelemetry"}
	for event := range known {
		if !happened[event] && !slices.Contains(rare, event) {
			t.Errorf("no %s happened", event)
		}
	}
	audits(t, lines)
}

// audits checks that whoever comes after can tell who it was, where from, in which request and session, under which rule, and why.
func audits(t *testing.T, lines []line) {
	t.Helper()
	for event, fields := range map[string][]string{
		"login":          {"user", "session"},
		"login_failed":   {"reason", "error"},
		"login_loop":     {"user", "session", "error"},
		"logout":         {"reason"},
		"refresh_failed": {"user", "session", "reason", "error"},
		"denied":         {"user", "reason", "error"},
		"bearer_refused": {"reason", "error"},
		"connection_cut": {"user", "session", "reason"},
	} {
		for _, l := range lines {
			if l.text("event") != event {
				continue
			}
			for _, name := range append(fields, "request_id", "client_ip", "rule", "path") {
				if l.text(name) == "" {
					t.Errorf("%s does not say its %s: %v", event, name, l)
				}
			}
			if event == "logout" && l.text("user") == "" && l.text("session") == "" && l.text("provider_session") == "" {
				t.Errorf("a logout does not say whose: %v", l)
			}
		}
	}
	for event, reasons := range map[string][]string{
		"logout":         {"rp_initiated", "everywhere", "back_channel", "admin"},
		"login_failed":   {"no_login_state", "code_refused", "provider_error"},
		"refresh_failed": {"invalid_grant", "unavailable"},
		"denied":         {"group", "deny", "cross_site"},
		"connection_cut": {"revoked", "shutdown"},
	} {
		for _, reason := range reasons {
			if !slices.ContainsFunc(lines, func(l line) bool { return l.text("event") == event && l.text("reason") == reason }) {
				t.Errorf("there was no %s for the reason %s", event, reason)
			}
		}
	}
}
