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
			return f.layerFiles()
		} else if err != nil {
			return wrongYAML(err)
		}
		if len(document.Content) == 0 {
			continue
		}
		m := manifest{found: f, telling: tellingFlags(), compose: member(document.Content[0], "services") != nil}
		if err := m.walk(document.Content[0], false); err != nil {
			return err
		}
	}
}

// layerFiles takes in the files that the manifest holds, which are weaker than variables and flags. Of two that say the same thing nobody could
// say which one is meant.
func (f *Found) layerFiles() error {
	said := make(map[string]string)
	for _, name := range slices.Sorted(maps.Keys(f.files)) {
		part := f.files[name]
		for _, option := range slices.Sorted(maps.Keys(part.values)) {
			if other, twice := said[option]; twice {
				return fmt.Errorf("%s is in %s and in %s: cut the file down to the one oauth2-proxy that is meant", option, other, name)
			}
			said[option] = name
		}
		f.Layer(part)
	}
	return nil
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
	telling *regexp.Regexp
	compose bool // $$ stands for a dollar sign
}

// walk looks through everything, at an anchor where it stands and not again where it is used. ours says that what is looked at
// belongs to a container of oauth2-proxy. What configures it twice is refused: nobody could say which of the two is meant.
func (m manifest) walk(n *yaml.Node, ours bool) error {
	part := NewFound()
	var err error
	switch {
	case isAlpha(n):
		m.found.files["the alpha configuration at line "+strconv.Itoa(n.Line)] = part
		return part.parseAlpha(n)
	case n.Kind == yaml.MappingNode:
		ours = ours || runsProgram(n) || m.starts(n)
		err = m.mapping(n, part, ours)
	case n.Kind == yaml.SequenceNode:
		err = m.sequence(n, part, ours)
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
	for i, child := range n.Content {
		extra := n.Kind == yaml.MappingNode && i%2 == 1 && n.Content[i-1].Value == "extraArgs" // of the chart
		if err := m.walk(child, ours || extra); err != nil {
			return err
		}
	}
	return nil
}

// starts reports a container that gets variables or arguments that no other program has, whatever it is called.
func (m manifest) starts(n *yaml.Node) bool {
	for _, key := range []string{"env", "environment", "args", "command"} {
		if part := member(n, key); part != nil && m.mentions(part) {
			return true
		}
	}
	return false
}

func (m manifest) mentions(n *yaml.Node) bool {
	ours := n.Kind == yaml.ScalarNode && (strings.HasPrefix(n.Value, envPrefix) || m.telling.MatchString(n.Value))
	return ours || slices.ContainsFunc(n.Content, m.mentions)
}

// mapping reads NAME: value, name: NAME with value: beside it, the chart's values, and files that a ConfigMap or the chart holds.
func (m manifest) mapping(n *yaml.Node, part *Found, ours bool) error {
	if name := member(n, "name"); name != nil && strings.HasPrefix(name.Value, envPrefix) {
		m.namedVariable(n, name.Value, part)
		return nil
	}
	if member(n, "configFile") != nil || member(n, "cookieSecret") != nil || member(n, "existingConfig") != nil {
		m.chartConfig(n, part)
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if err := m.entry(n.Content[i].Value, n.Content[i+1], part, ours); err != nil {
			return err
		}
	}
	return nil
}

func (m manifest) entry(key string, v *yaml.Node, part *Found, ours bool) error {
	switch {
	case ours && (key == "envFrom" || key == "env_file"):
		part.Unread = append(part.Unread, key+" (line "+strconv.Itoa(v.Line)+")")
	case key == "extraArgs" && v.Kind == yaml.MappingNode:
		return part.setFlags(m.chartArguments(v))
	case v.Kind != yaml.ScalarNode:
	case strings.HasPrefix(key, envPrefix) && v.Tag == "!!null": // compose passes on its own
		part.openEnvironment(key)
	case strings.HasPrefix(key, envPrefix):
		part.setEnvironment(key, m.text(v))
	case key == "command":
		words, err := splitWords(m.text(v))
		if err == nil {
			err = m.arguments(words, part, ours)
		}
		return at("the command", v, err)
	case key == "configFile" || strings.HasSuffix(key, ".cfg") || strings.HasSuffix(key, ".yaml") || strings.HasSuffix(key, ".yml"):
		return at("the file", v, m.file(key, v))
	}
	return nil
}

// at says where a part of the manifest is that cannot be read.
func at(what string, n *yaml.Node, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s at line %d: %w", what, n.Line, err)
}

// runsProgram reports a container of oauth2-proxy.
func runsProgram(n *yaml.Node) bool {
	name, image := member(n, "name"), member(n, "image")
	return name != nil && isProgram(name.Value) || image != nil && isProgram(image.Value)
}

// file reads a file that the manifest holds. What is none of oauth2-proxy's is somebody else's business, unless it bears its name.
func (m manifest) file(name string, n *yaml.Node) error {
	part := NewFound()
	ours := name == "configFile" || strings.Contains(name, "oauth2")
	err := part.parseFile(n.Value)
	switch {
	case err != nil && ours:
		return err
	case err == nil && (ours || len(part.values) > 0):
		if m.found.files[name] != nil {
			name = fmt.Sprintf("%s at line %d", name, n.Line)
		}
		m.found.files[name] = part
	}
	return nil
}

// parseFile reads the configuration file or the alpha configuration.
func (f *Found) parseFile(text string) error {
	var document yaml.Node
	if yaml.Unmarshal([]byte(text), &document) == nil && len(document.Content) > 0 && isAlpha(document.Content[0]) {
		return f.parseAlpha(document.Content[0])
	}
	return f.parseTOML(text)
}

// namedVariable reads an entry of a container's env; where its value is in a Secret, it is not here.
func (m manifest) namedVariable(n *yaml.Node, name string, part *Found) {
	if v := member(n, "value"); v != nil {
		part.setEnvironment(name, m.text(v))
	} else {
		part.openEnvironment(name)
	}
}

// chartConfig reads what the Helm chart has names of its own for; existingSecret has the client's, and existingConfig is the file.
func (m manifest) chartConfig(n *yaml.Node, part *Found) {
	for key, option := range map[string]string{"clientID": "client_id", "clientSecret": "client_secret", "cookieName": "cookie_name", "emailDomains": "email_domains"} {
		var v any
		if value := member(n, key); value != nil && value.Decode(&v) == nil {
			part.setKey(option, v)
		}
	}
	if file := member(n, "existingConfig"); file != nil && file.Value != "" {
		part.Unread = append(part.Unread, "existingConfig "+file.Value)
	}
	if member(n, "existingSecret") != nil {
		part.open("client_id")
		part.open("client_secret")
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
func (m manifest) sequence(n *yaml.Node, part *Found, ours bool) error {
	var words []string
	for _, item := range n.Content {
		if item.Kind != yaml.ScalarNode {
			continue
		}
		text := m.text(item)
		if !part.setEntry(text) {
			words = append(words, text)
		}
	}
	return m.arguments(words, part, ours)
}

// tellingFlags matches flags that tell oauth2-proxy from other programs.
func tellingFlags() *regexp.Regexp {
	return regexp.MustCompile(`^--?(oidc-|email-domain|cookie-|skip-auth-|skip-provider-button|client-id|upstream|provider|whitelist-domain|pass-|set-xauth|alpha-config|reverse-proxy|` +
		`allowed-(group|role)|authenticated-emails-file|bitbucket-|github-|gitlab-|google-|keycloak-)`)
}

// arguments reads the flags of a container; of one that may be another program's only where a flag is that no other has.
func (m manifest) arguments(words []string, part *Found, ours bool) error {
	flags := slices.ContainsFunc(words, func(word string) bool { return strings.HasPrefix(word, "-") })
	if !flags || !ours && !slices.ContainsFunc(words, m.telling.MatchString) {
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
