package migrate

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// parseYAML reads the alpha configuration; or finds, in a compose file, a Kubernetes manifest or values of the Helm chart, the
// variables, arguments and files that they give to oauth2-proxy.
func (f *Found) parseYAML(text string) error {
	decoder := yaml.NewDecoder(strings.NewReader(text))
	f.files = make(map[string]*Found)
	for {
		var document yaml.Node
		err := decoder.Decode(&document)
		if errors.Is(err, io.EOF) {
			for _, name := range slices.Sorted(maps.Keys(f.files)) {
				f.Layer(f.files[name]) // weaker than variables and flags
			}
			return nil
		} else if err != nil {
			return wrongYAML(err)
		}
		if len(document.Content) == 0 {
			continue
		}
		root := document.Content[0]
		if isAlpha(root) {
			err = f.parseAlpha(root)
		} else {
			m := manifest{found: f, compose: member(root, "services") != nil}
			err = m.walk(root)
		}
		if err != nil {
			return err
		}
	}
}

// wrongYAML passes on the line alone: messages of the parser quote the file.
func wrongYAML(err error) error {
	if line := regexp.MustCompile(`line [0-9]+`).FindString(err.Error()); line != "" {
		return errors.New(line + " is no YAML")
	}
	return errors.New("it is neither TOML, YAML, variables nor a command line")
}

// member is the value of a key of a mapping, nil where it has none.
func member(n *yaml.Node, key string) *yaml.Node {
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// manifest is a file that starts oauth2-proxy among other things.
type manifest struct {
	found   *Found
	compose bool // $$ stands for a dollar sign
}

// walk looks through everything, at an anchor where it stands and not again where it is used. What configures oauth2-proxy twice is refused: nobody could say which of the two is meant.
func (m manifest) walk(n *yaml.Node) error {
	part := NewFound()
	var err error
	switch {
	case isAlpha(n):
		m.found.files[n.Anchor+"alpha"] = part
		return part.parseAlpha(n)
	case n.Kind == yaml.MappingNode:
		err = m.mapping(n, part)
	case n.Kind == yaml.SequenceNode:
		err = m.sequence(n, part)
	}
	if err != nil {
		return err
	}
	for name := range part.values {
		if _, twice := m.found.values[name]; twice || slices.Contains(m.found.Open, name) {
			return fmt.Errorf("%s is set twice (again at line %d): cut the file down to the one oauth2-proxy that is meant", name, n.Line)
		}
	}
	m.found.Layer(part)
	for _, child := range n.Content {
		if err := m.walk(child); err != nil {
			return err
		}
	}
	return nil
}

// mapping reads NAME: value, name: NAME with value: beside it, the chart's extraArgs, and files that a ConfigMap or the chart holds.
func (m manifest) mapping(n *yaml.Node, part *Found) error {
	if name := member(n, "name"); name != nil && strings.HasPrefix(name.Value, envPrefix) {
		m.namedVariable(n, name.Value, part)
		return nil
	}
	ours := runsProgram(n)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, v := n.Content[i].Value, n.Content[i+1]
		switch {
		case ours && (key == "envFrom" || key == "env_file"):
			part.Unread = append(part.Unread, key+" (line "+strconv.Itoa(v.Line)+")")
		case strings.HasPrefix(key, envPrefix) && v.Kind == yaml.ScalarNode:
			part.setEnvironment(key, m.text(v))
		case key == "extraArgs" && v.Kind == yaml.MappingNode:
			if err := part.setFlags(m.chartArguments(v)); err != nil {
				return err
			}
		case key == "command" && v.Kind == yaml.ScalarNode:
			words, err := splitWords(m.text(v))
			if err == nil {
				err = arguments(words, part)
			}
			if err != nil {
				return fmt.Errorf("the command at line %d: %w", v.Line, err)
			}
		case v.Kind == yaml.ScalarNode && isFile(key):
			if err := m.file(key, v); err != nil {
				return fmt.Errorf("the file at line %d: %w", v.Line, err)
			}
		}
	}
	return nil
}

// runsProgram reports a container of oauth2-proxy.
func runsProgram(n *yaml.Node) bool {
	name, image := member(n, "name"), member(n, "image")
	return name != nil && isProgram(name.Value) || image != nil && isProgram(image.Value)
}

// isFile reports the names under which a ConfigMap, or the chart's values, hold a file of oauth2-proxy.
func isFile(key string) bool {
	return key == "configFile" || strings.HasSuffix(key, ".cfg") || strings.HasSuffix(key, ".yaml") || strings.HasSuffix(key, ".yml")
}

// file reads a file that the manifest holds; one of YAML that is no alpha configuration is somebody else's.
func (m manifest) file(name string, n *yaml.Node) error {
	part := NewFound()
	m.found.files[name] = part
	if !strings.HasSuffix(name, ".yaml") && !strings.HasSuffix(name, ".yml") {
		return part.parseTOML(n.Value)
	}
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(n.Value), &document); err != nil || len(document.Content) == 0 || !isAlpha(document.Content[0]) {
		delete(m.found.files, name)
		return nil
	}
	return part.parseAlpha(document.Content[0])
}

// namedVariable reads an entry of a container's env; where its value is in a Secret, it is not here.
func (m manifest) namedVariable(n *yaml.Node, name string, part *Found) {
	if v := member(n, "value"); v != nil {
		part.setEnvironment(name, m.text(v))
	} else if o, known := optionNamed(strings.ToLower(strings.TrimPrefix(name, envPrefix))); known {
		part.open(o.name)
	} else {
		part.setEnvironment(name, "?")
	}
}

// chartArguments writes the Helm chart's extraArgs as flags.
func (m manifest) chartArguments(n *yaml.Node) []string {
	var flags []string
	for i := 0; i+1 < len(n.Content); i += 2 {
		v := n.Content[i+1]
		if v.Kind != yaml.SequenceNode {
			flags = append(flags, "--"+n.Content[i].Value+"="+m.text(v))
		}
		for _, item := range v.Content {
			flags = append(flags, "--"+n.Content[i].Value+"="+m.text(item))
		}
	}
	return flags
}

// sequence reads a list of NAME=value, or of arguments.
func (m manifest) sequence(n *yaml.Node, part *Found) error {
	var words []string
	for _, item := range n.Content {
		if item.Kind != yaml.ScalarNode {
			continue
		}
		text := m.text(item)
		if variable, value, ok := strings.Cut(text, "="); ok && strings.HasPrefix(variable, envPrefix) {
			part.setEnvironment(variable, value)
			continue
		}
		words = append(words, text)
	}
	return arguments(words, part)
}

// arguments reads flags, where one of them is oauth2-proxy's.
func arguments(words []string, part *Found) error {
	ours := slices.ContainsFunc(words, func(word string) bool {
		name, isFlag := strings.CutPrefix(word, "--")
		name, _, _ = strings.Cut(name, "=")
		_, known := optionOfFlag(name)
		return isFlag && known
	})
	if !ours {
		return nil
	}
	return part.setFlags(words)
}

func (m manifest) text(n *yaml.Node) string {
	if m.compose {
		return strings.ReplaceAll(n.Value, "$$", "$")
	}
	return n.Value
}
