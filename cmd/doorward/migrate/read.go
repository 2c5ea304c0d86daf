package migrate

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/BurntSushi/toml"
)

// maxSourceBytes bounds a file of configuration.
const maxSourceBytes = 1 << 20

// ReadEnvironment takes the variables of oauth2-proxy from the entries of an environment.
func ReadEnvironment(entries []string) *Found {
	f := NewFound()
	f.Sources = []string{"the environment"}
	for _, entry := range entries {
		variable, text, _ := strings.Cut(entry, "=")
		f.setEnvironment(variable, text)
	}
	return f
}

// ReadFile reads a file and what it refers to by --config and --alpha-config.
func ReadFile(path string) (*Found, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return read(file, path, true)
}

// Read reads a configuration in any of the forms that oauth2-proxy has.
func Read(r io.Reader, name string) (*Found, error) { return read(r, name, true) }

func read(r io.Reader, name string, follow bool) (*Found, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxSourceBytes+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading %s: %w", name, err)
	case len(data) > maxSourceBytes:
		return nil, fmt.Errorf("reading %s: it is larger than 1 MiB", name)
	}
	f := NewFound()
	if err := f.parse(string(data)); err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	if f.Empty() {
		return nil, fmt.Errorf("reading %s: it holds no option of oauth2-proxy", name)
	}
	f.Sources = []string{name}
	if follow {
		f.follow()
	}
	return f, nil
}

// follow reads the files that the options name, where they are here. They are weaker than what names them.
func (f *Found) follow() {
	for _, option := range []string{"alpha_config", "config"} {
		path := strings.Join(f.values[option].texts, "")
		if path == "" || f.files[filepath.Base(path)] != nil {
			continue
		}
		file, err := os.Open(path)
		if err != nil {
			f.Unread = append(f.Unread, path)
			continue
		}
		weaker, err := read(file, path, false)
		file.Close()
		if err != nil {
			f.Unread = append(f.Unread, path)
			continue
		}
		f.Layer(weaker)
	}
}

// parse tells the forms apart by their first line that is no comment: a variable, a command line, TOML or YAML.
func (f *Found) parse(text string) error {
	text = strings.ReplaceAll(strings.TrimPrefix(text, "\ufeff"), "\r\n", "\n")
	first := firstLine(text)
	switch {
	case variableLine().MatchString(first):
		return f.parseVariables(text)
	case commandLine(text):
		return f.parseCommand(text)
	case regexp.MustCompile(`^("?[A-Za-z_-]+"?\s*=|\[)`).MatchString(first):
		return f.parseTOML(text)
	}
	return f.parseYAML(text)
}

func firstLine(text string) string {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			return line
		}
	}
	return ""
}

func variableLine() *regexp.Regexp {
	return regexp.MustCompile(`^(?:export\s+)?([A-Z_][A-Z0-9_]*)=(.*)$`)
}

// parseVariables reads NAME=value lines, as a shell, docker and compose take them.
func (f *Found) parseVariables(text string) error {
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		parts := variableLine().FindStringSubmatch(line)
		if parts == nil {
			return fmt.Errorf("line %d is no NAME=value", number)
		}
		value, err := unquote(parts[2])
		if err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
		f.setEnvironment(parts[1], value)
	}
	return nil
}

// unquote takes a shell's quotation marks off, and what follows a blank and #.
func unquote(text string) (string, error) {
	if !strings.ContainsAny(text, `'"`) {
		before, _, _ := strings.Cut(text, " #")
		return strings.TrimSpace(before), nil
	}
	words, err := splitWords(text)
	if err != nil {
		return "", err
	}
	if len(words) > 1 && !strings.HasPrefix(words[1], "#") { // docker takes marks and blanks as they are
		return text, nil
	}
	return words[0], nil
}

// parseTOML reads oauth2-proxy's configuration file. No message of the parser is passed on: it quotes the file.
func (f *Found) parseTOML(text string) error {
	keys := make(map[string]any)
	if _, err := toml.Decode(text, &keys); err != nil {
		if wrong, ok := errors.AsType[toml.ParseError](err); ok {
			return fmt.Errorf("line %d is no TOML", wrong.Position.Line)
		}
		return errors.New("it is no TOML")
	}
	for name, v := range keys {
		f.setKey(name, v)
	}
	return nil
}

// setKey notes a key of the TOML file.
func (f *Found) setKey(name string, v any) {
	o, known := optionNamed(name)
	texts, plain := texts(v)
	switch {
	case !known || !plain:
		f.unknown(name + nearest(name, func(o option) string { return o.name }))
	case len(texts) == 0 || len(texts) == 1 && texts[0] == "":
	case o.list() && len(texts) == 1 && !isList(v):
		f.set(o, name, splitList(texts[0])...)
	default:
		f.set(o, name, texts...)
	}
}

func isList(v any) bool { _, ok := v.([]any); return ok }

// texts writes a scalar, or a list of them, as an option's text.
func texts(v any) (all []string, plain bool) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			one, ok := texts(item)
			if !ok || isList(item) {
				return nil, false
			}
			all = append(all, one...)
		}
		return all, true
	case map[string]any, []map[string]any:
		return nil, false
	case nil:
		return nil, true
	}
	return []string{fmt.Sprint(v)}, true
}
