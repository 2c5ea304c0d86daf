package migrate

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Found is what oauth2-proxy is configured by: its options by their names in its TOML file, and what they do not say. Values may be
// secrets, so nothing but [Migration.WriteSettings] shows them.
type Found struct {
	// Sources names what was read.
	Sources []string
	// Unknown are names that oauth2-proxy does not know. It passes over such variables in silence; whatever else is among them lets nobody in.
	Unknown []string
	// Unread are files that the sources name and that were not read: they let nobody in, since they may say who.
	Unread []string
	// Open are options whose value stands elsewhere: in another variable, or in a Kubernetes Secret. Those that say who may in let nobody in.
	Open []string

	// Remarks are about what has no option, and no equal.
	Remarks []string

	values    map[string]value
	upstreams []alphaUpstream // of the alpha configuration
	requests  []alphaHeader
	responses []alphaHeader
	alpha     bool
	files     map[string]*Found // that a manifest holds, by their names
}

// value is the value of an option, and the name by which it was given.
type value struct {
	texts []string
	name  string
}

// NewFound returns one that holds nothing yet.
func NewFound() *Found {
	return &Found{values: make(map[string]value)}
}

// Layer takes what a weaker source says where this one says nothing. oauth2-proxy asks the command line first, then the environment,
// then the file.
func (f *Found) Layer(weaker *Found) {
	for name, v := range weaker.values {
		if _, said := f.values[name]; !said && !slices.Contains(f.Open, name) {
			f.values[name] = v
		}
	}
	f.Sources = append(f.Sources, weaker.Sources...)
	f.Unknown = append(f.Unknown, weaker.Unknown...)
	f.Unread = append(f.Unread, weaker.Unread...)
	f.Open = append(f.Open, weaker.Open...)
	f.Remarks = append(f.Remarks, weaker.Remarks...)
	f.upstreams = append(f.upstreams, weaker.upstreams...)
	f.requests = append(f.requests, weaker.requests...)
	f.responses = append(f.responses, weaker.responses...)
	f.alpha = f.alpha || weaker.alpha
}

// set notes the value of an option, which the source calls name. What refers to another variable is no value.
func (f *Found) set(o option, name string, texts ...string) {
	if slices.ContainsFunc(texts, refers) {
		f.open(o.name)
		return
	}
	f.values[o.name] = value{texts: texts, name: name}
}

// open notes an option whose value is not here, so that nothing is made of it.
func (f *Found) open(option string) {
	delete(f.values, option)
	if !slices.Contains(f.Open, option) {
		f.Open = append(f.Open, option)
	}
}

func (f *Found) unknown(name string) {
	if !slices.Contains(f.Unknown, name) {
		f.Unknown = append(f.Unknown, name)
	}
}

func (f *Found) remark(text string) { f.Remarks = append(f.Remarks, text) }

// Empty reports that nothing of oauth2-proxy was found.
func (f *Found) Empty() bool {
	return len(f.values)+len(f.Unknown)+len(f.Open) == 0 && !f.alpha
}

// refers reports a text that a shell, compose, Kubernetes or envsubst would put something else in place of. A dollar sign that
// ends an expression is none, nor most of those in passwords.
func refers(text string) bool {
	return regexp.MustCompile(`\$\{[A-Za-z_]|\$\([A-Za-z_][A-Za-z0-9_]*\)|\$[A-Z_][A-Z0-9_]{2}|^\$[A-Za-z_][A-Za-z0-9_]*$`).MatchString(text)
}

// setEnvironment notes a variable. Its name is the option's in the TOML file, in capitals.
func (f *Found) setEnvironment(variable, text string) {
	name, ours := strings.CutPrefix(variable, envPrefix)
	if !ours || text == "" {
		return
	}
	o, known := optionNamed(strings.ToLower(name))
	switch {
	case !known:
		f.unknown(variable + nearest(strings.ToLower(name), func(o option) string { return envPrefix + strings.ToUpper(o.name) }))
	case o.list():
		f.set(o, variable, splitList(text)...)
	default:
		f.set(o, variable, text)
	}
}

// setEntry notes NAME=value, or the name alone, where docker and compose pass on a variable of their own. It reports whether the text
// is about oauth2-proxy.
func (f *Found) setEntry(text string) bool {
	variable, value, given := strings.Cut(text, "=")
	switch {
	case !strings.HasPrefix(variable, envPrefix):
		return false
	case given:
		f.setEnvironment(variable, value)
	default:
		f.openEnvironment(variable)
	}
	return true
}

// openEnvironment notes a variable whose value is not here.
func (f *Found) openEnvironment(variable string) {
	if o, known := optionNamed(strings.ToLower(strings.TrimPrefix(variable, envPrefix))); known {
		f.open(o.name)
	} else {
		f.setEnvironment(variable, "?")
	}
}

const envPrefix = "OAUTH2_PROXY_"

// splitList splits where oauth2-proxy does: at commas, without a way to write one.
func splitList(text string) []string {
	var items []string
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

// nearest names the option that may be meant: with or without the plural's s, or of nearly the same letters.
func nearest(name string, spelled func(option) string) string {
	for _, o := range options() {
		if o.name+"s" == name || o.name == name+"s" || distance(o.name, name) <= 2 {
			return fmt.Sprintf(" (did you mean %s?)", spelled(o))
		}
	}
	return ""
}

// distance is Levenshtein's: letters to change, add or take out.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			changed := diagonal
			if a[i] != b[j] {
				changed++
			}
			diagonal = row[j+1]
			row[j+1] = min(changed, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
