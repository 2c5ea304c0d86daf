package config

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// clean checks how a value is written and returns it as envconfig reads it:
// list items without blanks around them, sizes in bytes. No problem shows the
// value of a secret.
func (s setting) clean(text string) (string, Problems) {
	if wrong, mend := s.misspelt(text); wrong != "" {
		return "", s.problems(wrong, mend)
	}
	switch s.kind {
	case "table", "PEM":
		return text, nil
	case "list":
		return s.cleanList(text)
	}
	if wrong, mend := misspeltLine(text); wrong != "" {
		return "", s.problems(wrong, mend)
	}
	if strings.Contains(text, " # ") && !s.takesAnyText() {
		return "", s.problems("has a comment behind it", "put the comment on a line of its own (systemd and `docker --env-file` take it for a part of the value)")
	}
	switch s.kind {
	case "true or false":
		return s.cleanBool(text)
	case "bytes":
		return s.cleanBytes(text)
	case "number":
		return s.cleanNumber(text)
	case "duration":
		return s.cleanDuration(text)
	}
	return text, nil
}

// takesAnyText reports what people choose freely: a name, a password.
func (s setting) takesAnyText() bool {
	return s.name == Prefix+"_BRAND_NAME" || s.name == Prefix+"_REDIS_PASSWORD"
}

// misspelt says what is wrong with any text: what a shell, a compose file or
// an editor leaves behind.
func (s setting) misspelt(text string) (wrong, mend string) {
	switch {
	case quoted(text) && !(s.takesAnyText() && quotedAsPrinted(text)):
		return "still wears quotation marks", "write the value without them (.env files and `docker --env-file` do not take them off)"
	case strings.ContainsRune(text, 0), !utf8.ValidString(text):
		return "holds bytes that are no text", "write it as UTF-8 text"
	}
	return "", ""
}

// misspeltLine says what is wrong with a text of one line.
func misspeltLine(text string) (wrong, mend string) {
	switch {
	case strings.Trim(text, invisible) != text:
		return "begins or ends with an invisible character", "write the value anew, by hand (editors write such a mark at a file's beginning, and it comes with copied text)"
	case strings.TrimFunc(text, blank) != text:
		return "begins or ends with a blank or a newline", "take it off (of a file's end, one newline is)"
	case strings.ContainsFunc(text, unicode.IsControl):
		return "holds a control character or a newline", "write it in one line"
	}
	return "", ""
}

// placeholder reports what examples show where a value belongs: dots, a text
// in angle brackets, or what no shell has replaced.
func placeholder(text string) bool {
	dots := text != "" && strings.Trim(text, ".…") == ""
	return dots || between(text, "<", ">") || between(text, "${", "}") || between(text, "$(", ")")
}

func between(text, before, after string) bool {
	return strings.HasPrefix(text, before) && strings.HasSuffix(text, after)
}

// quoted reports a text between quotation marks, not one that begins and ends
// with a quoted part, as a table may.
func quoted(text string) bool {
	text = strings.TrimFunc(text, blank)
	return within(text, `"`, `"`) || within(text, "'", "'") || quotedAsPrinted(text)
}

// quotedAsPrinted reports the marks that word processors write. What people
// choose freely may bear them: „Zum Löwen“.
func quotedAsPrinted(text string) bool {
	return within(text, "“", "”") || within(text, "‘", "’") || within(text, "„", "“") || within(text, "”", "”")
}

// within reports a text between two marks, of which no other one begins there.
func within(text, before, after string) bool {
	return len(text) >= len(before)+len(after) && between(text, before, after) && strings.Count(text[:len(text)-len(after)], before) == 1
}

// blank reports white space, and the invisible marks that editors and web
// pages put around copied text.
func blank(r rune) bool {
	return unicode.IsSpace(r) || strings.ContainsRune(invisible, r)
}

const invisible = "\ufeff\u200b"

// isBlank reports text that holds nothing else.
func isBlank(text string) bool { return strings.TrimFunc(text, blank) == "" }

func (s setting) cleanList(text string) (string, Problems) {
	var problems Problems
	items := strings.Split(text, ",")
	for i, item := range items {
		items[i] = strings.TrimFunc(item, blank)
		if wrong, mend := s.misspeltItem(items[i]); wrong != "" {
			problems = append(problems, s.problem(fmt.Sprintf("item %d %s", i+1, wrong), mend))
		}
	}
	return strings.Join(items, ","), problems
}

// misspeltItem says what is wrong with an item of a list.
func (s setting) misspeltItem(item string) (wrong, mend string) {
	switch {
	case item == "":
		return "is empty", "take out the comma too many, or leave the variable unset"
	case strings.ContainsFunc(item, unicode.IsControl):
		return "holds a control character or a newline", "write the list in one line, with commas between its items"
	}
	return s.misspelt(item)
}

func (s setting) cleanBool(text string) (string, Problems) {
	value, err := strconv.ParseBool(text)
	if err != nil {
		return "", s.problems(quote(text)+" is neither true nor false", "write true or false")
	}
	return strconv.FormatBool(value), nil
}

// cleanBytes reads decimal digits (envconfig would take 010 for 8) and the
// units that sizes are written in.
func (s setting) cleanBytes(text string) (string, Problems) {
	parts := regexp.MustCompile(`^([0-9]{1,9})(|KiB|MiB)$`).FindStringSubmatch(text)
	if parts == nil {
		return "", s.problems(quote(text)+" is no size", "write bytes, e.g. 8192 or 8KiB")
	}
	size, _ := strconv.Atoi(parts[1])
	switch parts[2] {
	case "KiB":
		size <<= 10
	case "MiB":
		size <<= 20
	}
	return strconv.Itoa(size), nil
}

// cleanNumber reads decimal digits.
func (s setting) cleanNumber(text string) (string, Problems) {
	if !regexp.MustCompile(`^[0-9]{1,9}$`).MatchString(text) {
		return "", s.problems(quote(text)+" is no number", "write digits, e.g. 10000")
	}
	number, _ := strconv.Atoi(text)
	return strconv.Itoa(number), nil
}

func (s setting) cleanDuration(text string) (string, Problems) {
	if _, err := time.ParseDuration(text); err == nil {
		return text, nil
	}
	return "", s.problems(quote(text)+" is no duration", durationMend(text))
}

// durationMend says how a duration is written, with the reader's own number
// where only the unit is missing.
func durationMend(text string) string {
	if _, err := strconv.Atoi(text); err == nil {
		return fmt.Sprintf("write the unit: %ss, %sm or %sh", text, text, text)
	}
	if days, err := strconv.Atoi(strings.TrimSuffix(text, "d")); err == nil && days >= 0 && days <= 10000 {
		return fmt.Sprintf("write days as hours: %dh", days*24)
	}
	return "write a number with its unit, e.g. 30s, 5m or 12h"
}

// quote shows a value that is no secret: a long one cut, and one that may hold
// credentials (user:password@host) not at all.
func quote(text string) string {
	const most = 60
	if strings.Contains(text, "@") {
		return `"…"`
	}
	if cut := []rune(text); len(cut) > most {
		return strconv.Quote(string(cut[:most]) + "…")
	}
	return strconv.Quote(text)
}
