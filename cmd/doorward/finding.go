package main

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"doorward/config"
	"doorward/proxy/provider"
)

// finding is one thing that check looked at. ID is a word for programs that stays what it is: what was looked at, or
// "config." with the setting that it is about. Several findings may bear the same, about several things of one kind; then Subject tells them apart.
type finding struct {
	ID      string         `json:"id"`
	Level   provider.Level `json:"level"`
	Subject string         `json:"subject"`
	Says    string         `json:"says"`
	Mend    string         `json:"mend,omitempty"`
}

func (f finding) failed() bool { return f.Level == provider.LevelFail }

func (f finding) lightness() int {
	return slices.Index([]provider.Level{provider.LevelFail, provider.LevelNote, provider.LevelOK}, f.Level)
}

// ofProblems are the problems as findings.
func ofProblems(problems config.Problems) []finding {
	var findings []finding
	for _, p := range problems {
		findings = append(findings, finding{ID: settingID(p.Variable), Level: provider.LevelFail, Subject: p.Variable, Says: p.Wrong, Mend: p.Mend})
	}
	return findings
}

// ofNotes are the notes as findings. A note is about the setting that it names first, else about the rules.
func ofNotes(notes []string) []finding {
	named := regexp.MustCompile(config.Prefix + `_[A-Z][A-Z0-9_]*`)
	var findings []finding
	for _, note := range notes {
		variable := named.FindString(note)
		if variable == "" {
			variable = config.Prefix + "_ACCESS_RULES"
		}
		findings = append(findings, finding{ID: settingID(variable), Level: provider.LevelNote, Subject: variable, Says: note})
	}
	return findings
}

// settingID makes config.cookie-secrets of DOORWARD_COOKIE_SECRETS, and of the file that holds them.
func settingID(variable string) string {
	name := strings.TrimSuffix(strings.TrimPrefix(variable, config.Prefix+"_"), "_FILE")
	return "config." + strings.ReplaceAll(strings.ToLower(name), "_", "-")
}

// writeFindings writes the gravest first.
func writeFindings(w io.Writer, findings []finding) {
	if len(findings) > 0 {
		fmt.Fprintln(w, "\nAsked live:")
	}
	findings = slices.SortedStableFunc(slices.Values(findings), func(a, b finding) int { return a.lightness() - b.lightness() })
	for _, f := range findings {
		mark := string(f.Level)
		if f.failed() {
			mark = "FAIL"
		}
		fmt.Fprintf(w, "  %-4s %s: %s\n", mark, f.Subject, f.Says)
		if f.Mend != "" {
			fmt.Fprintf(w, "       mend: %s\n", f.Mend)
		}
	}
}
