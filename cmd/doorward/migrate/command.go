package migrate

import (
	"errors"
	"path"
	"slices"
	"strings"
)

// commandLine reports a text that is a command: oauth2-proxy and its flags, perhaps behind docker run or in a unit of systemd, or
// the flags alone.
func commandLine(text string) bool {
	if strings.HasPrefix(firstLine(text), "--") {
		return true
	}
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		switch {
		case len(words) == 0 || words[0] == "-" || strings.HasPrefix(words[0], "#") || strings.HasSuffix(words[0], ":"): // YAML has the name, too
		case len(words) > 1 && words[1] == "=":
		case slices.ContainsFunc(words, isProgram):
			return true
		}
	}
	return false
}

// parseCommand reads the flags behind the program's name, and variables before it.
func (f *Found) parseCommand(text string) error {
	words, err := splitWords(withoutComments(text))
	if err != nil {
		return err
	}
	program := programOf(words)
	for i, word := range words[:max(program, 0)] {
		f.noteEnvironmentFile(word, words[i+1])
		for _, before := range []string{"", "Environment=", "--env=", "-e"} {
			if entry, ok := strings.CutPrefix(word, before); ok && f.setEntry(entry) {
				break
			}
		}
	}
	return f.setFlags(words[program+1:])
}

// programOf is the place of the program, -1 where there are flags alone. What stands behind a flag may be the flag's value (--name
// oauth2-proxy), unless it is a path.
func programOf(words []string) int {
	if len(words) == 0 || strings.HasPrefix(words[0], "-") {
		return -1
	}
	for _, sure := range []func(i int) bool{
		func(i int) bool { return i == 0 || !strings.HasPrefix(words[i-1], "-") },
		func(i int) bool { return strings.Contains(words[i], "/") },
		func(i int) bool { return true },
	} {
		for i, word := range words {
			if isProgram(word) && sure(i) {
				return i
			}
		}
	}
	return -1
}

// noteEnvironmentFile notes files of variables, of docker run and of systemd.
func (f *Found) noteEnvironmentFile(word, next string) {
	for _, name := range []string{"--env-file=", "EnvironmentFile="} {
		if path, ok := strings.CutPrefix(word, name); ok {
			f.Unread = append(f.Unread, path)
		}
	}
	if word == "--env-file" {
		f.Unread = append(f.Unread, next)
	}
}

// isProgram reports the program or its image: /usr/bin/oauth2-proxy, quay.io/oauth2-proxy/oauth2-proxy:v7.15.2.
func isProgram(word string) bool {
	word, _, _ = strings.Cut(strings.TrimPrefix(word, "ExecStart="), "@")
	name, _, _ := strings.Cut(path.Base(word), ":")
	return name == "oauth2-proxy" || name == "oauth2_proxy"
}

// withoutComments leaves out lines of comment, and those of a unit that are not about variables and the command. Variables come first, in whatever
// order systemd is told of them.
func withoutComments(text string) string {
	var variables, command strings.Builder
	unit := strings.Contains(text, "ExecStart=")
	partOf := func(line string) *strings.Builder {
		switch {
		case !unit || strings.HasPrefix(line, "ExecStart="):
			return &command
		case strings.HasPrefix(line, "Environment="), strings.HasPrefix(line, "EnvironmentFile="):
			return &variables
		}
		return nil
	}
	var part *strings.Builder
	continued := false
	for line := range strings.Lines(text) {
		bare := strings.TrimSpace(line)
		if !continued {
			part = partOf(bare)
		}
		continued = part != nil && strings.HasSuffix(bare, `\`)
		if part != nil && !strings.HasPrefix(bare, "#") {
			part.WriteString(line)
		}
	}
	return variables.String() + "\n" + command.String()
}

// setFlags notes flags: --name=value, --name value, and of those that are true or false --name alone. A flag that can be repeated
// adds to what it said before.
func (f *Found) setFlags(words []string) error {
	gathered := make(map[string][]string)
	for i := 0; i < len(words); i++ {
		name, value, given := strings.Cut(strings.TrimLeft(words[i], "-"), "=")
		if !strings.HasPrefix(words[i], "-") || name == "" {
			continue
		}
		o, known := optionOfFlag(name)
		switch {
		case !known:
			f.unknown("--" + name + nearest(strings.ReplaceAll(name, "-", "_"), func(o option) string { return "--" + o.spelled() }))
			continue
		case !given && o.kind == boolean:
			value = "true"
		case !given && i+1 == len(words):
			return errors.New("a value is missing behind --" + name)
		case !given:
			i++
			value = words[i]
		}
		if o.list() {
			gathered[o.name] = append(gathered[o.name], splitList(value)...)
			f.set(o, "--"+name, gathered[o.name]...)
		} else {
			f.set(o, "--"+name, value)
		}
	}
	return nil
}

// splitWords splits a command as a shell does; what a shell would put in place of a name stays as it is written.
func splitWords(text string) ([]string, error) {
	var words []string
	var word strings.Builder
	begun := false
	end := func() {
		if begun {
			words = append(words, word.String())
		}
		word.Reset()
		begun = false
	}
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case ' ', '\t', '\n':
			end()
		case '\\':
			if i++; i < len(text) && text[i] != '\n' {
				word.WriteByte(text[i])
				begun = true
			}
		case '\'', '"':
			inside, length, ok := quotedPart(text[i:])
			if !ok {
				return nil, errors.New("a quotation mark is never closed")
			}
			word.WriteString(inside)
			begun = true
			i += length - 1
		default:
			word.WriteByte(c)
			begun = true
		}
	}
	end()
	return words, nil
}

// quotedPart reads the part in quotation marks at the beginning of text, and says how long it is with its marks.
func quotedPart(text string) (inside string, length int, ok bool) {
	var s strings.Builder
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == text[0]:
			return s.String(), i + 1, true
		case c == '\\' && text[0] == '"' && i+1 < len(text) && strings.IndexByte("\"\\$`", text[i+1]) >= 0:
			i++
			s.WriteByte(text[i])
		default:
			s.WriteByte(c)
		}
	}
	return "", 0, false
}
