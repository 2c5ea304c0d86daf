package migrate

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode"

	"doorward/config"
)

// WriteSettings writes the settings as variables, each with where it comes from, and the lists as comments behind them. A shell, compose and
// systemd take the marks off that values need; docker run --env-file takes everything as it is, a line each, and gets none.
func (m *Migration) WriteSettings(w io.Writer, docker bool) {
	fmt.Fprintf(w, "# Settings of doorward, made from %s. `doorward check` says what is missing or wrong.\n", plainLine(strings.Join(m.Sources, ", ")))
	for _, s := range m.Settings {
		value := s.Value
		if docker {
			value = strings.ReplaceAll(value, "\n", "; ")
		} else {
			value = shellQuote(value)
		}
		mark := ""
		if s.Example {
			mark = "#"
		}
		fmt.Fprintf(w, "\n# %s\n%s%s_%s=%s\n", s.From, mark, config.Prefix, s.Name, value)
	}
	var lists strings.Builder
	m.WriteLists(&lists)
	for line := range strings.Lines("\n" + lists.String()) {
		fmt.Fprintln(w, strings.TrimRight("# "+line, " \n"))
	}
}

// WriteLists writes what is to be done, what changes, and what has no equal.
func (m *Migration) WriteLists(w io.Writer) {
	writeList(w, "To do; until then doorward does not start, or lets fewer people in than oauth2-proxy:", m.Todo)
	writeList(w, "What changes:", m.Changes)
	writeList(w, "What has no equal, and what to do instead:", m.Gone)
	if len(m.Needless) > 0 {
		writeList(w, "Not needed any more:", []string{strings.Join(m.Needless, ", ")})
	}
	writeList(w, "What changes for everybody who comes from oauth2-proxy:", m.General)
}

func writeList(w io.Writer, title string, items []string) {
	if len(items) == 0 {
		return
	}
	fmt.Fprintln(w, title)
	for _, item := range items {
		for i, line := range wrap(plainLine(item), 110) {
			fmt.Fprintf(w, "  %s %s\n", map[bool]string{true: "-", false: " "}[i == 0], line)
		}
	}
	fmt.Fprintln(w)
}

// wrap breaks text at blanks into lines of at most width bytes, where it has blanks.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines, line = append(lines, line), ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	return append(lines, line)
}

// plainLine keeps what was read from ending a comment: names and expressions may hold any character.
func plainLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return '\ufffd'
		}
		return r
	}, text)
}

// shellQuote writes a value for a shell, in a way that compose and systemd read alike.
func shellQuote(text string) string {
	switch {
	case regexp.MustCompile(`^[A-Za-z0-9_./:@%+,=-]+$`).MatchString(text):
		return text
	case !strings.Contains(text, "'"):
		return "'" + text + "'"
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`").Replace(text) + `"`
}
