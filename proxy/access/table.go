package access

import (
	"strings"
	"unicode"
)

// Entry is one entry of a table setting.
type Entry struct {
	Line int    // where the entry begins in the setting's text, counted from 1
	Text string // without outer blanks
}

// SplitTable splits a table setting into its entries: a newline or a semicolon outside quotation marks ends an entry, and an
// entry that begins with # is a comment up to the newline. Empty entries and comments are left out. Its error is a
// *Problem (quotation marks left open); the entries before it are returned nevertheless.
func SplitTable(text string) ([]Entry, error) {
	var entries []Entry
	for line := 1; text != ""; {
		end, problem := entryEnd(text)
		if problem != nil {
			problem.Line = line + strings.Count(text[:end], "\n")
			return entries, problem
		}
		entry := strings.TrimSpace(text[:end])
		if entry != "" && entry[0] != '#' {
			entries = append(entries, Entry{Line: line, Text: entry})
		}
		taken := text[:min(end+1, len(text))]
		line += strings.Count(taken, "\n")
		text = text[len(taken):]
	}
	return entries, nil
}

// entryEnd returns the place behind the entry at the beginning of text, or that of a quotation mark that was left open.
func entryEnd(text string) (int, *Problem) {
	ends := func(c byte) bool { return c == '\n' || c == ';' }
	if strings.HasPrefix(strings.TrimLeft(text, " \t\r"), "#") {
		end := strings.IndexByte(text, '\n')
		if end < 0 {
			end = len(text)
		}
		return end, nil
	}
	end, closed := indexOutside(text, ends)
	switch {
	case !closed:
		line, _, _ := strings.Cut(text[strings.LastIndexByte(text[:end], '\n')+1:], "\n")
		return end, &Problem{Entry: strings.TrimSpace(line), Wrong: "has a quotation mark that is never closed", Mend: `write a second " behind the value`}
	case end < 0:
		return len(text), nil
	}
	return end, nil
}

// SplitFields splits an entry at blanks outside quotation marks. The marks are kept, so that a parser knows what was
// literal. Its error is a *Problem: marks left open, or a character that only looks like a blank.
func SplitFields(entry string) ([]string, error) {
	var fields []string
	begin, quoted := 0, false
	for i, c := range entry {
		switch {
		case c == quotationMark:
			quoted = !quoted
		case quoted:
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			fields = appendField(fields, entry[begin:i])
			begin = i + 1
		case unicode.IsSpace(c) || unicode.IsControl(c) || unicode.Is(unicode.Cf, c) || c == unicode.ReplacementChar:
			return nil, problemf("write a plain blank, or nothing, in its place", "has the invisible character %U", c).about(entry)
		}
	}
	if quoted {
		return nil, problemf(`write a second " behind the value`, "has a quotation mark that is never closed").about(entry)
	}
	return appendField(fields, entry[begin:]), nil
}

func appendField(fields []string, field string) []string {
	if field == "" {
		return fields
	}
	return append(fields, field)
}
