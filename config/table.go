package config

import (
	"cmp"
	"fmt"
	"io"
	"strings"
)

// Table writes every variable with its type, default and meaning: as a
// markdown table, or as text for a terminal.
func Table(w io.Writer, markdown bool) {
	if markdown {
		io.WriteString(w, "| variable | type | default | meaning |\n|---|---|---|---|\n")
	}
	for _, s := range settings() {
		if markdown {
			s.writeRow(w)
		} else {
			s.writeText(w)
		}
	}
	if !markdown {
		io.WriteString(w, closing)
	}
}

const closing = "Every variable X can be given as X_FILE: the path of a file that holds its value.\n" +
	"Traces are set by OpenTelemetry's own variables, OTEL_EXPORTER_OTLP_ENDPOINT and others.\n"

func (s setting) writeRow(w io.Writer) {
	fmt.Fprintf(w, "| `%s` | %s | %s | %s |\n", s.name, s.typeName(), s.markdownDefault(), escapeCell(s.meaning))
}

// escapeCell keeps a bar from ending the cell and angle brackets from being HTML.
func escapeCell(text string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", ">", "&gt;", "*", `\*`).Replace(text)
}

func (s setting) markdownDefault() string {
	if s.fallback != "" {
		return "`" + s.fallback + "`"
	}
	return s.defaultText()
}

func (s setting) writeText(w io.Writer) {
	fmt.Fprintf(w, "%s\n    %s; default: %s\n", s.name, s.typeName(), s.defaultText())
	for _, line := range wrap(s.meaning, 96) {
		fmt.Fprintf(w, "    %s\n", line)
	}
	fmt.Fprintln(w)
}

func (s setting) typeName() string {
	switch {
	case s.secret && s.kind == "list":
		return "list of secrets, with commas"
	case s.secret:
		return "secret"
	case s.values != nil && s.kind == "list":
		return "list of " + alternatives(s.values) + ", with commas"
	case s.values != nil:
		return alternatives(s.values)
	case s.kind == "list":
		return "list, with commas"
	}
	return s.kind
}

func (s setting) defaultText() string {
	if s.required {
		return "required"
	}
	return cmp.Or(s.fallback, s.unset, "unset")
}

// wrap breaks text at blanks into lines of at most width bytes.
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
